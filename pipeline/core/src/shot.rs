// SPDX-License-Identifier: Apache-2.0
//! Shot boundaries, with a look ahead: cuts without flashes, dissolves, fades and wipes with their range.
//!
//! [`crate::cut`] says at once that a picture is of another shot, for whoever follows faces; a flash deceives it. What is told
//! of a stream comes from here, some pictures late:
//!
//! - a *cut* is a difference of two neighbours that stands out from those before and after it, and what was shown before isn't
//!   shown again within [`LOOK`] pictures (a flash), nor is it shown now, moved (a pan);
//! - a *dissolve*: each picture between two is a mixture of both, by least squares, whose share grows steadily. After the
//!   production model of Hampapur, Jain and Weymouth (1995). Camera and objects that move make no mixtures;
//! - a *wipe*: each pixel between two pictures is of one of both, and the share of the new ones grows steadily;
//! - a *fade*: the deviation of luma falls steadily to nothing, or rises from it, while the picture stays the same otherwise
//!   (Lienhart, 1999). One to black and out of it again within a second is one boundary.
//!
//! All of it sees thumbnails of 48x27 pixels at up to 33 a second, and a bounded number of them.

mod cuts;
mod fades;
mod gradual;
mod history;
mod motion;

use crate::cut::{CutOptions, Thumbnail};
use crate::results::TransitionKind;

use cuts::Cuts;
use fades::Fades;
use gradual::Gradual;
use history::History;

/// Pictures that are looked ahead of a cut.
pub const LOOK: u64 = 10;
/// Pictures nearer than this to the last one are only asked on which side of a cut they are: 50 a second tell no more than 25.
const NEAREST_NS: u64 = 30_000_000;
/// Pictures from which the one that stands for a new shot is chosen.
const KEY: u64 = 10;

/// A shot boundary.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Boundary {
    /// How the shots are joined.
    pub kind: TransitionKind,
    /// PTS of the first picture that isn't of the old shot alone.
    pub start_ns: u64,
    /// PTS of the first picture of the new shot alone; the same for a cut.
    pub end_ns: u64,
    /// PTS of a picture that stands for the new shot: the richest of its first ones.
    pub key_ns: u64,
    /// PTS of the picture at which this was known.
    pub known_ns: u64,
    /// Strength, from 1 (the threshold); not a probability.
    pub strength: f32,
}

/// A boundary by the numbers of its pictures.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Found {
    kind: TransitionKind,
    start: u64,
    end: u64,
    strength: f32,
}

impl Found {
    /// Whether it and a range of pictures have any in common, or nearly.
    fn touches(&self, start: u64, end: u64, near: u64) -> bool {
        self.start <= end + near && start <= self.end + near
    }
}

/// Finds the shot boundaries of a stream of pictures. One a stream; pure, driven by PTS.
#[derive(Clone, Debug, Default)]
pub struct ShotDetector {
    options: CutOptions,
    history: History,
    cuts: Cuts,
    gradual: Gradual,
    fades: Fades,
    /// Of the last picture that was taken.
    last_ns: Option<u64>,
    /// The picture that came too soon after it.
    skipped: Option<(u64, Thumbnail)>,
}

impl ShotDetector {
    /// A detector that has seen nothing.
    pub fn new(options: CutOptions) -> Self {
        Self { options, ..Self::default() }
    }

    /// Changes how cuts are looked for from now on.
    pub fn set_options(&mut self, options: CutOptions) {
        self.options = options;
    }

    /// Takes the next picture and says which boundaries are known now.
    pub fn push(&mut self, pts_ns: u64, picture: Thumbnail) -> Vec<Boundary> {
        if self.last_ns.is_some_and(|last_ns| pts_ns < last_ns + NEAREST_NS) {
            self.skipped = Some((pts_ns, picture));
            return Vec::new();
        }
        self.last_ns = Some(pts_ns);
        let skipped = self.skipped.take();
        let number = self.history.push(pts_ns, picture, skipped, self.options.threshold);
        let mut found = self.fades.push(&self.history, number);
        if let Some(at) = number.checked_sub(LOOK) {
            self.look(at, LOOK, &mut found);
        }
        self.tell(found, pts_ns)
    }

    /// The end, or a jump in time: says what can still be told, and forgets all.
    pub fn flush(&mut self) -> Vec<Boundary> {
        let Some(last) = self.history.last() else { return Vec::new() };
        let mut found = self.fades.end(&self.history);
        for at in (last + 1).saturating_sub(LOOK)..=last {
            self.look(at, last - at, &mut found);
        }
        let known_ns = self.last_ns.unwrap_or_default();
        self.gradual.end(&mut found);
        found.extend(self.cuts.end(&self.fades));
        let told = self.tell(found, known_ns);
        *self = Self::new(self.options);
        told
    }

    /// Looks at the picture `at`, after which `ahead` others are known.
    fn look(&mut self, at: u64, ahead: u64, found: &mut Vec<Found>) {
        self.cuts.look(&self.history, at, ahead, &self.options);
        found.extend(self.cuts.due(at, &self.fades));
        self.gradual.look(&self.history, at, &self.cuts, found);
        // A fade is told by itself, and better.
        let fades = &self.fades;
        found.retain(|found| {
            matches!(found.kind, TransitionKind::Fade | TransitionKind::Cut) || !fades.touches(found.start, found.end)
        });
    }

    fn tell(&self, mut found: Vec<Found>, known_ns: u64) -> Vec<Boundary> {
        found.sort_by_key(|found| found.start);
        let boundary = |found: Found| {
            let (start_ns, end_ns) = (self.history.first_ns(found.start)?, self.history.first_ns(found.end)?);
            let key_ns = self.history.richest(found.end, KEY).unwrap_or(end_ns);
            Some(Boundary { kind: found.kind, start_ns, end_ns, key_ns, known_ns, strength: found.strength.max(1.0) })
        };
        found.into_iter().filter_map(boundary).collect()
    }
}
