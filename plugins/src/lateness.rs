// SPDX-License-Identifier: Apache-2.0
//! Pictures that come too late for their sink, by its word (QoS): analysers leave those out, down to a floor.

use gst_base::prelude::*;

/// However late the pictures are, each analyser looks at one a second.
pub(crate) const FLOOR_NS: u64 = 1_000_000_000;

/// What the sink last said of its being late.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Lateness {
    /// Running time before which a picture comes too late.
    earliest: Option<gst::ClockTime>,
}

impl Lateness {
    /// Takes note of what the sink says, as `GstBaseTransform` reckons it: whoever is late now is so again.
    pub fn told(&mut self, qos: &gst::event::Qos) {
        let (_, _, lateness, timestamp) = qos.get();
        let by = gst::ClockTime::from_nseconds(lateness.unsigned_abs());
        self.earliest = timestamp.map(|at| if lateness > 0 { at + by + by } else { at.saturating_sub(by) });
    }

    /// Forgets it, as at a flush.
    pub fn reset(&mut self) {
        self.earliest = None;
    }

    /// Whether a picture of that running time comes too late.
    pub fn is_late(&self, running: Option<gst::ClockTime>) -> bool {
        running.zip(self.earliest).is_some_and(|(running, earliest)| running <= earliest)
    }
}

/// When a picture is to be shown by the element's segment.
pub(crate) fn running_time(
    element: &impl IsA<gst_base::BaseTransform>,
    buffer: &gst::BufferRef,
) -> Option<gst::ClockTime> {
    let segment = element.segment().downcast::<gst::ClockTime>().ok()?;
    segment.to_running_time(buffer.pts()?)
}
