// SPDX-License-Identifier: Apache-2.0
//! The mouths that the `lips` pad brings, by running time, until the task asks for them.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use gst::prelude::*;
use gst::subclass::prelude::*;
use polygraph_core::results::Mouth;

use super::imp::PolySpeech;
use crate::analyser::lock;
use crate::meta::video_results;

/// Pictures that are kept at most: 40 s of 50 a second.
const MOST_PICTURES: usize = 2_000;
/// Nobody waits longer than this without looking around.
const SLICE: Duration = Duration::from_millis(100);
/// A live final waits this long for its last mouths ...
const LIVE_WAIT: Duration = Duration::from_millis(300);
/// ... and a file's this long for the next one, whichever comes.
const FILE_WAIT: Duration = Duration::from_secs(2);

#[derive(Default)]
struct State {
    pictures: VecDeque<(u64, Vec<Mouth>)>,
    /// Up to here, in running time, all mouths have come.
    until_ns: u64,
    /// A stream has begun and not ended: more will come.
    runs: bool,
    /// Whoever waits is to stop.
    cancelled: bool,
    dropped: u64,
}

/// A bounded store of mouths.
#[derive(Default)]
pub(super) struct Lips {
    state: Mutex<State>,
    changed: Condvar,
}

impl Lips {
    /// Forgets all mouths, and lets waiting begin anew.
    pub(super) fn open(&self) {
        let mut state = lock(&self.state);
        let runs = state.runs;
        *state = State { runs, dropped: state.dropped, ..State::default() };
    }

    /// Lets waiting begin anew.
    pub(super) fn resume(&self) {
        lock(&self.state).cancelled = false;
    }

    /// Sends whoever waits away.
    pub(super) fn cancel(&self) {
        lock(&self.state).cancelled = true;
        self.changed.notify_all();
    }

    /// Pictures that had to make room.
    pub(super) fn dropped(&self) -> u64 {
        lock(&self.state).dropped
    }

    fn run(&self, runs: bool) {
        lock(&self.state).runs = runs;
        self.changed.notify_all();
    }

    fn see(&self, running_ns: u64, mouths: Option<Vec<Mouth>>) {
        let mut state = lock(&self.state);
        state.until_ns = state.until_ns.max(running_ns);
        if let Some(mouths) = mouths.filter(|mouths| !mouths.is_empty()) {
            if state.pictures.len() >= MOST_PICTURES {
                state.pictures.pop_front();
                state.dropped += 1;
            }
            state.pictures.push_back((running_ns, mouths));
        }
        drop(state);
        self.changed.notify_all();
    }

    /// Whether there has been anything to see.
    pub(super) fn any(&self) -> bool {
        let state = lock(&self.state);
        state.runs || !state.pictures.is_empty()
    }

    /// Waits until all mouths up to a running time have come, or nothing more is to be expected of the wait.
    pub(super) fn wait(&self, until_ns: u64, live: bool) {
        let (began, mut moved) = (Instant::now(), Instant::now());
        let mut state = lock(&self.state);
        let mut last = state.until_ns;
        while state.runs && !state.cancelled && state.until_ns < until_ns {
            if state.until_ns != last {
                (last, moved) = (state.until_ns, Instant::now());
            }
            let over = if live { began.elapsed() >= LIVE_WAIT } else { moved.elapsed() >= FILE_WAIT };
            if over {
                return;
            }
            state = self.changed.wait_timeout(state, SLICE).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// The pictures' mouths from one running time to another, and up to where all have come.
    pub(super) fn between(&self, start_ns: u64, end_ns: u64) -> (Vec<(u64, Vec<Mouth>)>, u64) {
        let mut state = lock(&self.state);
        // What is so old belongs to no utterance any more.
        let old = state.pictures.partition_point(|(running, _)| running + 2_000_000_000 < start_ns);
        state.pictures.drain(..old);
        let within = |(running, _): &&(u64, Vec<Mouth>)| (start_ns..=end_ns).contains(running);
        let until_ns = if state.runs { state.until_ns } else { u64::MAX };
        (state.pictures.iter().filter(within).cloned().collect(), until_ns)
    }
}

impl PolySpeech {
    /// Mouths arrive; nobody waits here.
    pub(super) fn chain_lips(&self, buffer: &gst::Buffer) -> Result<gst::FlowSuccess, gst::FlowError> {
        if let Some(pts) = buffer.pts() {
            let mouths = video_results(buffer).and_then(|results| results.faces).and_then(|faces| faces.mouths);
            self.lips.see(pts.nseconds(), mouths);
        }
        Ok(gst::FlowSuccess::Ok)
    }

    /// Events of the lips end here: they are no part of the text's stream.
    pub(super) fn lips_event(&self, event: &gst::Event) -> bool {
        match event.view() {
            gst::EventView::StreamStart(_) => self.lips.run(true),
            gst::EventView::Eos(_) => self.lips.run(false),
            gst::EventView::FlushStop(_) => self.lips.open(),
            gst::EventView::Gap(gap) => {
                let (start, duration) = gap.get();
                self.lips.see((start + duration.unwrap_or_default()).nseconds(), None);
            }
            _ => {}
        }
        true
    }

    /// A `lips` pad; its events and queries go nowhere else.
    pub(super) fn lips_pad(template: &gst::PadTemplate) -> gst::Pad {
        gst::Pad::builder_from_template(template)
            .name("lips")
            .chain_function(|_, parent, buffer| {
                let failed = || Err(gst::FlowError::Error);
                Self::catch_panic_pad_function(parent, failed, |this| this.chain_lips(&buffer))
            })
            .event_function(|_, parent, event| {
                Self::catch_panic_pad_function(parent, || false, |this| this.lips_event(&event))
            })
            .iterate_internal_links_function(|_, _| gst::Iterator::from_vec(Vec::new()))
            .build()
    }

    /// Adds the `lips` pad, of which there is one.
    pub(super) fn add_lips(&self, template: &gst::PadTemplate) -> Option<gst::Pad> {
        let element = self.obj();
        if element.static_pad("lips").is_some() {
            gst::warning!(super::imp::CAT, imp = self, "there is one lips pad, and it is taken");
            return None;
        }
        let pad = Self::lips_pad(template);
        let added = pad.set_active(true).and_then(|()| element.add_pad(&pad));
        if let Err(error) = added {
            gst::error!(super::imp::CAT, imp = self, "no lips pad: {error}");
            return None;
        }
        Some(pad)
    }

    /// Takes the `lips` pad away.
    pub(super) fn remove_lips(&self, pad: &gst::Pad) {
        self.lips.run(false);
        if let Err(error) = pad.set_active(false).and_then(|()| self.obj().remove_pad(pad)) {
            gst::error!(super::imp::CAT, imp = self, "{} cannot go: {error}", pad.name());
        }
    }
}
