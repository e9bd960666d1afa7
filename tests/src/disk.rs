// SPDX-License-Identifier: Apache-2.0
//! A small disk of its own, which only root can have.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

/// A disk in memory; unmounted when dropped.
pub struct Disk(TempDir);

impl Disk {
    /// Mounts one; `None` for whoever may not.
    pub fn mount(megabytes: usize) -> Option<Self> {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let size = format!("size={megabytes}m");
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(folder.path()).output();
        mounted.is_ok_and(|mounted| mounted.status.success()).then_some(Self(folder))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// Leaves no byte free.
    pub fn fill(&self) {
        let mut file = File::create(self.path().join("filler")).expect("a file on the disk");
        for size in [64 << 10, 4096, 1] {
            while file.write_all(&vec![0; size]).is_ok() {}
        }
    }

    /// Takes back what [`Disk::fill`] did.
    pub fn free(&self) {
        std::fs::remove_file(self.path().join("filler")).expect("what filled the disk");
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Lazily: something may still be open where a test has failed.
        let _ = Command::new("umount").arg("-l").arg(self.path()).status();
    }
}
