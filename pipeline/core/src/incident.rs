// SPDX-License-Identifier: Apache-2.0
//! Incidents: records go in, and what people are to look at comes out, once, from `open` to `close`.
//!
//! Pure and driven by the records' times. [`Incidents`] is fed all records of one epoch of a stream in their order. Every
//! face track is watched for signs of manipulation in all parts of the evidence together, and so is a voice that is no
//! face's. There are three kinds of incident, and of each at most one at a time on a track:
//!
//! - *threshold*: signs were found, for [`Options::confirm_ns`] without a break;
//! - *spike*: a part's probability rose by [`Options::rise`] within [`Options::rise_ns`];
//! - *sustained*: a threshold incident that has lasted for [`Options::sustained_ns`].
//!
//! **Hysteresis.** What opened an incident need not hold for it to go on: a probability may fall [`Options::release`]
//! under the least one that counted. It closes when that has failed for [`Options::close_ns`], when nothing was known of
//! it for [`Options::lost_ns`] (the face can't be judged, or is gone), at a cut (tracks end there), and at the end.
//!
//! Rules of the user's ([`crate::rules`]) make incidents by the same life, one at a time of a rule and track. Incidents of
//! broadcast faults ([`crate::fault`]) come as records, and are numbered among the others.
//!
//! What is said depends on the records alone, so that a replay of events says the same again.

mod faults;
mod life;
mod watch;

use std::collections::BTreeMap;

use crate::fusion::{self, Signals};
use crate::provenance::Provenance;
use crate::record::{Frame, Incident, Record};
use crate::results::TransitionKind;
use crate::rules::{Asked, Rules};
use faults::Faults;

pub(crate) use life::{Level, Life, Seen, Teller};
use watch::Watch;

/// The rule of the incidents that every stream is watched for.
pub const RULE: &str = "manipulation";
/// Tracks that are watched at most: far more than a picture has faces. The one that was seen last longest ago makes room.
pub const MAX_TRACKS: usize = 256;

/// When an incident begins, goes on and is over. Times are nanoseconds of stream time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Options {
    /// What counts as signs of manipulation.
    pub fusion: fusion::Options,
    /// How long signs have to be seen before they are an incident: a single picture is none.
    pub confirm_ns: u64,
    /// How far a probability may fall under the least that counted, and the incident goes on.
    pub release: f32,
    /// How long it has to be under that before the incident is over.
    pub close_ns: u64,
    /// How long nothing may be known before the incident is over.
    pub lost_ns: u64,
    /// Between two tellings of an incident that goes on, at least.
    pub update_ns: u64,
    /// The rise of a part's probability that is a spike...
    pub rise: f32,
    /// ...within this time...
    pub rise_ns: u64,
    /// ...if it ends at least here: a rise from one low probability to another is no reason to look.
    pub rise_to: f32,
    /// How long a threshold incident has to last to be a sustained one as well.
    pub sustained_ns: u64,
}

impl Default for Options {
    fn default() -> Self {
        const MS: u64 = 1_000_000;
        Self {
            fusion: fusion::Options::default(),
            confirm_ns: 400 * MS,
            release: 0.1,
            close_ns: 1000 * MS,
            lost_ns: 3000 * MS,
            update_ns: 1000 * MS,
            rise: 0.3,
            rise_ns: 1000 * MS,
            rise_to: 0.5,
            sustained_ns: 5000 * MS,
        }
    }
}

/// Watches one epoch of a stream. It remembers a bounded amount, however long it runs.
#[derive(Clone, Debug, Default)]
pub struct Incidents {
    options: Options,
    /// By face track; `None` is the voice that is no face's.
    watches: BTreeMap<Option<u64>, Watch>,
    asked: Asked,
    faults: Faults,
    ids: Ids,
    last_ns: u64,
}

/// Numbers incidents, over all that tell of some.
#[derive(Clone, Debug, Default)]
pub struct Ids(u64);

impl Ids {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 += 1;
        self.0 - 1
    }
}

impl Incidents {
    /// Of an epoch that begins.
    pub fn new(options: Options) -> Self {
        Self { options, ..Self::default() }
    }

    /// The same, with rules of the user's.
    pub fn with_rules(options: Options, rules: Rules) -> Self {
        Self { options, asked: Asked::new(rules), ..Self::default() }
    }

    /// The rules of the user's.
    pub fn rules(&self) -> &Rules {
        self.asked.rules()
    }

    /// What the file's content credentials say, for rules.
    pub fn provenance(&mut self, provenance: Provenance) {
        self.asked.provenance(provenance);
    }

    /// Takes a record and says what is to be told now. A frame that is older than the last one is let go.
    pub fn take(&mut self, record: &Record) -> Vec<Incident> {
        match record {
            Record::Frame(frame) if frame.pts_ns >= self.last_ns => {
                let mut told = self.frame(frame);
                told.extend(self.asked.frame(frame, &mut self.ids, &self.options));
                told
            }
            // Tracks end at cuts. The voice goes on. Boundaries are told late: what was known since is of the new shot.
            Record::Shot(shot) if shot.kind == TransitionKind::Cut => {
                let at_ns = self.last_ns.max(shot.pts_ns);
                self.last_ns = at_ns;
                let mut told = self.close(at_ns, |track, known_ns| track.is_some() && known_ns < shot.pts_ns);
                told.extend(self.asked.shot(at_ns, shot.pts_ns));
                told
            }
            Record::Shot(_) => {
                self.asked.transition();
                Vec::new()
            }
            Record::Transcript(transcript) => {
                self.asked.transcript(transcript);
                Vec::new()
            }
            Record::Incident(incident) => self.faults.take(incident, &mut self.ids).into_iter().collect(),
            Record::Frame(_) => Vec::new(),
        }
    }

    /// The end of the epoch: closes what is open. The same again says nothing.
    pub fn end(&mut self) -> Vec<Incident> {
        let mut told = self.close(self.last_ns, |_, _| true);
        told.extend(self.asked.end(self.last_ns));
        told.extend(self.faults.end(self.last_ns));
        told
    }

    /// Tracks that are watched.
    pub fn tracks(&self) -> usize {
        self.watches.len()
    }

    fn frame(&mut self, frame: &Frame) -> Vec<Incident> {
        self.last_ns = frame.pts_ns;
        let options = self.options;
        let mut told = Vec::new();
        let faces = frame.faces.iter().map(|face| {
            let signals = Signals::of_face(face, frame, &options.fusion);
            (Some(face.track), signals)
        });
        let sound = Signals::of_sound(frame, &options.fusion);
        let sound = (sound != Signals::default()).then_some((None, sound));
        let mut seen: BTreeMap<_, _> = faces.chain(sound).collect();
        // What is watched and isn't there any more: nothing is known of it.
        for track in self.watches.keys() {
            seen.entry(*track).or_default();
        }
        for (track, signals) in seen {
            if !self.watches.contains_key(&track) {
                self.make_room(frame.pts_ns, &mut told);
            }
            let watch = self.watches.entry(track).or_default();
            let mut teller =
                Teller { ids: &mut self.ids, rule: RULE, track, options: &options, networks: &frame.networks };
            watch.step(frame.pts_ns, &signals, &mut teller, &mut told);
        }
        self.watches.retain(|_, watch| !watch.is_over(frame.pts_ns, &options));
        told
    }

    fn make_room(&mut self, at_ns: u64, told: &mut Vec<Incident>) {
        if self.watches.len() < MAX_TRACKS {
            return;
        }
        let stalest = self.watches.iter().min_by_key(|(_, watch)| watch.known_ns()).map(|(track, _)| *track);
        if let Some(stalest) = stalest {
            told.extend(self.close(at_ns, |track, _| track == stalest));
        }
    }

    /// Closes the watches that are chosen by their track and by when anything was known of them.
    fn close(&mut self, at_ns: u64, which: impl Fn(Option<u64>, u64) -> bool) -> Vec<Incident> {
        let mut told = Vec::new();
        self.watches.retain(|track, watch| {
            let over = which(*track, watch.known_ns());
            if over {
                watch.close(at_ns, &mut told);
            }
            !over
        });
        told
    }
}
