// SPDX-License-Identifier: Apache-2.0
//! The results of sound that a join keeps, and how it asks them about a moment.

use std::collections::VecDeque;

use crate::accounting::Accounting;
use crate::record::AudioState;
use crate::results::{AudioResults, NetworkRef, PtsRange};

/// The sound at one moment, and the networks behind it.
#[derive(Debug)]
pub(super) struct Heard {
    pub(super) state: AudioState,
    pub(super) networks: Vec<NetworkRef>,
}

/// The results of sound around the pictures that wait, in order.
#[derive(Debug, Default)]
pub(super) struct Sounds {
    kept: VecDeque<AudioResults>,
    /// The last results, for who takes any.
    latest: Option<AudioResults>,
    begins_ns: Option<u64>,
    pub(super) accounts: Accounting,
}

impl Sounds {
    pub(super) fn len(&self) -> usize {
        self.kept.len()
    }

    /// When the first sound began.
    pub(super) fn begins_ns(&self) -> Option<u64> {
        self.begins_ns
    }

    /// Keeps results; the oldest make room.
    pub(super) fn push(&mut self, results: AudioResults, room: usize, wanted: bool) {
        if self.latest.as_ref().is_some_and(|last| results.pts.start_ns < last.pts.start_ns) {
            self.accounts.skipped("disorder");
            return;
        }
        if self.kept.len() >= room {
            self.kept.pop_front();
            self.accounts.skipped(if wanted { "queue" } else { "no-picture" });
        }
        self.begins_ns.get_or_insert(results.pts.start_ns);
        self.latest = Some(results.clone());
        self.kept.push_back(results);
    }

    /// Lets go of all that ended before a running time.
    pub(super) fn forget(&mut self, before_ns: u64) {
        while self.kept.front().is_some_and(|first| first.pts.end_ns < before_ns) {
            self.kept.pop_front();
            self.accounts.analysed();
        }
    }

    /// No picture will come.
    pub(super) fn abandon(&mut self) {
        for _ in self.kept.drain(..) {
            self.accounts.skipped("no-picture");
        }
    }

    /// Forgets everything, as after a seek.
    pub(super) fn flush(&mut self) {
        for _ in self.kept.drain(..) {
            self.accounts.skipped("flush");
        }
        self.latest = None;
        self.begins_ns = None;
    }

    /// The latest sound, whatever its time.
    pub(super) fn latest(&self) -> Option<Heard> {
        self.latest.as_ref().map(|last| heard(last, last.speech.last().map(|window| window.p)))
    }

    /// The sound nearest to a running time, within a tolerance.
    ///
    /// Buffers that begin a tolerance later or more are left out even when they are here: thus the answer is the
    /// same for everybody who asks after the sound has reached that point, however far it has come since.
    pub(super) fn at(&self, running_ns: u64, tolerance_ns: u64) -> Option<Heard> {
        let near =
            self.kept.iter().take_while(|kept| kept.pts.start_ns < running_ns.saturating_add(tolerance_ns.max(1)));
        let within = |range: PtsRange| Some(distance(range, running_ns)).filter(|away| *away <= tolerance_ns);
        let around = near.clone().filter_map(|kept| Some((within(kept.pts)?, kept))).min_by_key(|(away, _)| *away)?.1;
        let window = near
            .flat_map(|kept| &kept.speech)
            .filter_map(|window| Some((within(window.pts)?, window)))
            .min_by_key(|(away, _)| *away);
        Some(heard(around, window.map(|(_, window)| window.p)))
    }
}

fn heard(results: &AudioResults, speech: Option<f32>) -> Heard {
    let AudioResults { loudness, silent, synthetic, .. } = *results;
    let activity = speech.and_then(|_| results.network.clone());
    let voice = synthetic.and_then(|_| results.voice.clone());
    Heard {
        state: AudioState { speech, loudness, silent, synthetic },
        networks: activity.into_iter().chain(voice).collect(),
    }
}

/// How far a moment lies from a half-open range; 0 inside it.
fn distance(range: PtsRange, at_ns: u64) -> u64 {
    if at_ns < range.start_ns {
        range.start_ns - at_ns
    } else {
        (at_ns + 1).saturating_sub(range.end_ns.max(range.start_ns + 1))
    }
}
