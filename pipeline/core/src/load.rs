// SPDX-License-Identifier: Apache-2.0
//! Load control: which streams have to do with less while a machine has too much to do, and when they get it back. Pure:
//! it has no clock and measures nothing; the caller ticks it with the share of pictures that were shed.
//!
//! What is taken first is what is missed least: partial transcripts come less often, on every stream. Then pictures are
//! searched less often, on the streams of the lowest priority first, by halves and never under a floor. Finals, sound and
//! cuts are never touched. What was taken comes back in the opposite order, one step at a time, after a time of calm that
//! doubles whenever giving back was too early.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Partial transcripts come this often, in milliseconds, with nothing taken and after the first two steps.
pub const PARTIAL_INTERVALS_MS: [u32; 3] = [500, 1000, 2000];
/// Steps that concern partials.
const PARTIALS: u32 = PARTIAL_INTERVALS_MS.len() as u32 - 1;

/// When there is too much to do.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Options {
    /// The share of pictures, 0..1, that may be shed before anything is taken.
    pub overload: f64,
    /// Ticks with less than a quarter of that before a step is given back...
    pub calm: u32,
    /// ...and how many these may become by doubling.
    pub most_calm: u32,
}

impl Default for Options {
    fn default() -> Self {
        Self { overload: 0.02, calm: 5, most_calm: 80 }
    }
}

/// What a stream would like.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Demand {
    /// What is taken from a stream of a lower priority is taken before that of a higher one.
    pub priority: u8,
    /// Pictures a second that are searched for faces.
    pub analysis_fps: f64,
    /// Never fewer than this, unless it asked for fewer.
    pub floor_fps: f64,
}

/// What a stream gets.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Rates {
    /// Pictures a second that are searched for faces.
    pub analysis_fps: f64,
    /// Time between two partial transcripts, in milliseconds.
    pub partial_interval_ms: u32,
}

#[derive(Clone, Copy, Debug)]
struct Share {
    demand: Demand,
    /// Steps that were taken from it.
    level: u32,
}

impl Share {
    fn rates(&self) -> Rates {
        let Demand { analysis_fps, floor_fps, .. } = self.demand;
        let partials = self.level.min(PARTIALS);
        let halves = i32::try_from(self.level - partials).unwrap_or(i32::MAX);
        let lowered = (analysis_fps * 0.5_f64.powi(halves)).max(floor_fps);
        Rates { analysis_fps: lowered.min(analysis_fps), partial_interval_ms: PARTIAL_INTERVALS_MS[partials as usize] }
    }

    fn is_at_its_floor(&self) -> bool {
        self.level >= PARTIALS && self.rates().analysis_fps <= self.demand.floor_fps
    }
}

/// The controller of all streams of a machine.
#[derive(Clone, Debug)]
pub struct Control {
    options: Options,
    streams: BTreeMap<String, Share>,
    /// Ticks of calm so far, and how many are needed.
    calm: (u32, u32),
    /// Ticks since something was given back.
    since_given: Option<u32>,
}

impl Control {
    /// With nothing taken from anybody.
    pub fn new(options: Options) -> Self {
        Self { options, streams: BTreeMap::new(), calm: (0, options.calm), since_given: None }
    }

    /// A stream is there, or wants something else; what was taken from it stays taken.
    pub fn set(&mut self, stream: &str, demand: Demand) {
        let level = self.streams.get(stream).map_or(0, |share| share.level);
        self.streams.insert(stream.to_owned(), Share { demand, level });
    }

    /// Keeps only these streams.
    pub fn retain(&mut self, is_there: impl Fn(&str) -> bool) {
        self.streams.retain(|stream, _| is_there(stream));
    }

    /// What a stream gets now.
    pub fn of(&self, stream: &str) -> Option<Rates> {
        self.streams.get(stream).map(Share::rates)
    }

    /// A tick has gone by in which this share of all pictures, 0..1, was shed. Whether anybody's rates are others now.
    pub fn tick(&mut self, shed: f64) -> bool {
        self.since_given = self.since_given.map(|ticks| ticks + 1);
        if shed > self.options.overload {
            return self.too_much(shed);
        }
        if shed > self.options.overload / 4.0 {
            self.calm.0 = 0;
            return false;
        }
        self.calm.0 += 1;
        if self.calm.0 < self.calm.1 {
            return false;
        }
        self.calm.0 = 0;
        let given = self.give();
        if given {
            self.since_given = Some(0);
        } else {
            // All have all they want: the next trouble is a new one.
            self.calm.1 = self.options.calm;
        }
        given
    }

    fn too_much(&mut self, shed: f64) -> bool {
        if self.since_given.take().is_some_and(|ticks| ticks <= self.options.calm) {
            self.calm.1 = (self.calm.1 * 2).min(self.options.most_calm);
        }
        self.calm.0 = 0;
        // The more is shed, the faster, at most a step for each stream.
        let steps = (shed / self.options.overload).min(self.streams.len() as f64) as usize;
        (0..steps).filter(|_| self.take()).count() > 0
    }

    /// Takes one step from whoever is next.
    fn take(&mut self) -> bool {
        let shares = || self.streams.iter().filter(|(_, share)| !share.is_at_its_floor());
        let partials = shares().filter(|(_, share)| share.level < PARTIALS);
        let key = |(stream, share): &(&String, &Share)| (share.demand.priority, share.level, (*stream).clone());
        let next = partials.min_by_key(key).or_else(|| shares().min_by_key(key)).map(|(stream, _)| stream.clone());
        next.and_then(|stream| self.streams.get_mut(&stream)).map(|share| share.level += 1).is_some()
    }

    /// Gives one step back.
    fn give(&mut self) -> bool {
        let shares = || self.streams.iter().filter(|(_, share)| share.level > 0);
        let pictures = shares().filter(|(_, share)| share.level > PARTIALS);
        let key = |(stream, share): &(&String, &Share)| (share.demand.priority, share.level, (*stream).clone());
        let next = pictures.max_by_key(key).or_else(|| shares().max_by_key(key)).map(|(stream, _)| stream.clone());
        next.and_then(|stream| self.streams.get_mut(&stream)).map(|share| share.level -= 1).is_some()
    }
}
