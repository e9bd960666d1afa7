// SPDX-License-Identifier: Apache-2.0
//! How far the decoded data reach, seen where they enter the analysers.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use gst::prelude::*;

use crate::graph::stream_time;

/// Counts what passes the pads it is attached to.
#[derive(Debug)]
pub struct Watch {
    arrived: AtomicU64,
    end_ns: AtomicU64,
    /// Stream time of the first buffer that a decoder marked as damaged.
    damaged_ns: AtomicU64,
    damaged: AtomicU64,
}

impl Watch {
    /// Has seen nothing yet.
    pub fn new() -> Arc<Self> {
        let zero = || AtomicU64::new(0);
        Arc::new(Self { arrived: zero(), end_ns: zero(), damaged_ns: AtomicU64::new(u64::MAX), damaged: zero() })
    }

    /// Watches a pad.
    pub fn attach(self: &Arc<Self>, pad: &gst::Pad) {
        let watch = self.clone();
        pad.add_probe(gst::PadProbeType::BUFFER, move |pad, info| {
            if let Some(buffer) = info.buffer() {
                watch.see(pad, buffer);
            }
            gst::PadProbeReturn::Ok
        });
    }

    fn see(&self, pad: &gst::Pad, buffer: &gst::BufferRef) {
        self.arrived.fetch_add(1, Ordering::Relaxed);
        let Some(start) = stream_time(pad, buffer) else { return };
        let end = start + buffer.duration().unwrap_or_default();
        self.end_ns.fetch_max(end.nseconds(), Ordering::Relaxed);
        if buffer.flags().contains(gst::BufferFlags::CORRUPTED) {
            self.damaged.fetch_add(1, Ordering::Relaxed);
            self.damaged_ns.fetch_min(start.nseconds(), Ordering::Relaxed);
        }
    }

    /// Buffers so far.
    pub fn arrived(&self) -> u64 {
        self.arrived.load(Ordering::Relaxed)
    }

    /// Stream time of the end of what came, in nanoseconds.
    pub fn end_ns(&self) -> u64 {
        self.end_ns.load(Ordering::Relaxed)
    }

    /// How many buffers a decoder marked as damaged, and the stream time of the first.
    pub fn damaged(&self) -> Option<(u64, u64)> {
        let count = self.damaged.load(Ordering::Relaxed);
        (count > 0).then(|| (count, self.damaged_ns.load(Ordering::Relaxed)))
    }
}
