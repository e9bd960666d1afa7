// SPDX-License-Identifier: Apache-2.0
//! The queues before the analysers, and what they lose.

use std::sync::{Arc, Mutex};

use gst::prelude::*;
use polygraph_core::accounting::Accounting;

use crate::analyser::lock;

/// How much a queue may hold.
#[derive(Clone, Copy, Debug)]
pub(super) enum Limit {
    /// Pictures are few and large.
    Buffers(u32),
    /// Sound comes in buffers of any size.
    Time(gst::ClockTime),
}

#[derive(Debug, Default)]
struct Counts {
    input: u64,
    passed: u64,
    /// Lost for want of room, as of the last flush.
    leaked: u64,
    flushed: u64,
}

/// A `queue` whose losses are counted.
#[derive(Clone, Debug)]
pub(super) struct Queue {
    element: gst::Element,
    counts: Arc<Mutex<Counts>>,
}

impl Queue {
    /// A queue that holds its source back when it is full.
    pub(super) fn new(name: &str, limit: Limit) -> Result<Self, gst::glib::BoolError> {
        let (buffers, time) = match limit {
            Limit::Buffers(count) => (count, gst::ClockTime::ZERO),
            Limit::Time(time) => (0, time),
        };
        let element = gst::ElementFactory::make("queue")
            .name(name)
            .property("max-size-buffers", buffers)
            .property("max-size-time", time.nseconds())
            .property("max-size-bytes", 0_u32)
            .property("silent", true)
            .build()?;
        let queue = Self { element, counts: Arc::default() };
        queue.watch();
        Ok(queue)
    }

    pub(super) fn element(&self) -> &gst::Element {
        &self.element
    }

    /// Whether the oldest go when there is no room.
    pub(super) fn set_leaky(&self, leaky: bool) {
        self.element.set_property_from_str("leaky", if leaky { "downstream" } else { "no" });
    }

    fn watch(&self) {
        if let Some(pad) = self.element.static_pad("sink") {
            let (counts, queue) = (self.counts.clone(), self.element.downgrade());
            pad.add_probe(gst::PadProbeType::BUFFER | gst::PadProbeType::EVENT_FLUSH, move |_pad, info| {
                match &info.data {
                    Some(gst::PadProbeData::Buffer(_)) => lock(&counts).input += 1,
                    Some(gst::PadProbeData::Event(event)) if event.type_() == gst::EventType::FlushStart => {
                        let inside = queue.upgrade().map_or(0, |queue| level(&queue));
                        let mut counts = lock(&counts);
                        counts.leaked = counts.lost(inside);
                    }
                    Some(gst::PadProbeData::Event(event)) if event.type_() == gst::EventType::FlushStop => {
                        let mut counts = lock(&counts);
                        counts.flushed = counts.input.saturating_sub(counts.passed + counts.leaked);
                    }
                    _ => (),
                }
                gst::PadProbeReturn::Ok
            });
        }
        if let Some(pad) = self.element.static_pad("src") {
            let counts = self.counts.clone();
            pad.add_probe(gst::PadProbeType::BUFFER, move |_pad, _info| {
                lock(&counts).passed += 1;
                gst::PadProbeReturn::Ok
            });
        }
    }

    /// What became of the buffers that have left the queue on either way; exact while none is on the move.
    pub(super) fn accounts(&self) -> Accounting {
        let inside = level(&self.element);
        let counts = lock(&self.counts);
        let lost = counts.lost(inside);
        let mut accounts = Accounting {
            input: counts.passed + counts.flushed + lost,
            analysed: counts.passed,
            ..Accounting::default()
        };
        for (reason, count) in [("queue", lost), ("flush", counts.flushed)] {
            if count > 0 {
                accounts.skipped.insert(reason.to_owned(), count);
            }
        }
        accounts
    }
}

impl Counts {
    /// Lost for want of room, so far, while `inside` buffers wait.
    fn lost(&self, inside: u64) -> u64 {
        self.input.saturating_sub(self.passed + self.flushed + inside)
    }
}

fn level(queue: &gst::Element) -> u64 {
    u64::from(queue.property::<u32>("current-level-buffers"))
}
