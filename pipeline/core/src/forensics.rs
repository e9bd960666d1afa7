// SPDX-License-Identifier: Apache-2.0
//! Signs of manipulation through time: scores of single pictures become a finding about a face track, or a named reason
//! why the face can't be judged.
//!
//! Pure and driven by PTS. One picture says little: a network's score of the same genuine face wanders from picture to
//! picture, most of all in the poor ones. So [`Judge`] keeps the scores of each track over a short window and takes the
//! mean logit of its best pictures; means of logits add up evidence, where means of probabilities let the saturated
//! ones drown the rest. [`Gates`] keep out what no network should be asked about.

mod calibration;
mod gates;
mod scores;

use std::collections::BTreeMap;

use crate::results::{Manipulation, ReasonNot};

pub use calibration::{BadCalibration, Calibration};
pub use gates::{Gates, Measures, frontality};
use scores::Scores;

/// Tracks that are remembered at most: more faces than any picture has scored. The one that was seen last longest ago
/// makes room.
pub const MAX_TRACKS: usize = 64;
/// Scores of a track that are remembered at most; the oldest makes room. Two seconds of every picture have far fewer.
pub const MAX_SCORES: usize = 512;

/// How scores are joined.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct JoinOptions {
    /// How far back a score counts, in nanoseconds of PTS: `pts - window < score <= pts`.
    pub window_ns: u64,
    /// The part of the window's pictures, by quality, that is in the mean; at least one picture is.
    pub best: f32,
    /// The least number of scores in the window for a finding; before, the track was seen too briefly.
    pub least: u32,
}

impl Default for JoinOptions {
    /// Two seconds, the best 60 %: ten pictures at the default rate, six of them in the mean. A single picture's score
    /// wanders too much to be called a finding.
    fn default() -> Self {
        Self { window_ns: 2_000_000_000, best: 0.6, least: 3 }
    }
}

/// The score of one face in one picture.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Score {
    /// The face's track.
    pub track: u64,
    /// PTS of the picture, in nanoseconds.
    pub pts_ns: u64,
    /// The network's logit, not calibrated; higher is more likely manipulated.
    pub logit: f32,
    /// How well the picture shows the face, 0..1.
    pub quality: f32,
}

/// A score that is no number. Nothing was remembered of it.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
#[error("track {track} has a logit of {logit} at a quality of {quality}: no numbers to go by")]
pub struct NotANumber {
    /// The face's track.
    pub track: u64,
    /// What was given for the logit.
    pub logit: f32,
    /// What was given for the quality.
    pub quality: f32,
}

/// Joins scores to findings about tracks. It remembers a bounded number of scores, however long it runs.
#[derive(Clone, Debug, Default)]
pub struct Judge {
    options: JoinOptions,
    calibration: Option<Calibration>,
    tracks: BTreeMap<u64, Scores>,
}

impl Judge {
    /// A judge who has seen nothing. Without a calibration there are logits, and neither probability nor finding.
    pub fn new(options: JoinOptions, calibration: Option<Calibration>) -> Self {
        Self { options, calibration, tracks: BTreeMap::new() }
    }

    /// Changes how scores are joined from now on.
    pub fn set_options(&mut self, options: JoinOptions) {
        self.options = options;
    }

    /// Takes a score and says what is known of its track now.
    ///
    /// Times of a track go forward: one before the track's last begins it anew, and the same time again replaces the
    /// score that was there.
    ///
    /// # Errors
    /// [`NotANumber`] for a logit or quality that isn't finite.
    pub fn judge(&mut self, score: Score) -> Result<Manipulation, NotANumber> {
        let Score { track, pts_ns, logit, quality } = score;
        if !(logit.is_finite() && quality.is_finite()) {
            return Err(NotANumber { track, logit, quality });
        }
        self.forget(pts_ns);
        self.make_room(track);
        let scores = self.tracks.entry(track).or_default();
        scores.push(pts_ns, logit, quality);
        if scores.len() < self.options.least as usize {
            let picture_logit = Some(logit);
            return Ok(Manipulation {
                picture_logit,
                reason_not: Some(ReasonNot::TooBrief),
                ..Manipulation::default()
            });
        }
        let (joined, pictures) = scores.mean_of_best(self.options.best);
        let p = self.calibration.map(|calibration| calibration.p(joined));
        Ok(Manipulation {
            p,
            logit: Some(joined),
            picture_logit: Some(logit),
            pictures,
            signs: p.zip(self.calibration).and_then(|(p, calibration)| calibration.signs(p)),
            reason_not: None,
        })
    }

    /// Ends all tracks: at a cut, a flush or a jump in time nobody is who they were.
    pub fn cut(&mut self) {
        self.tracks.clear();
    }

    /// Tracks that are remembered.
    pub fn tracks(&self) -> usize {
        self.tracks.len()
    }

    /// Scores that are remembered, of all tracks.
    pub fn scores(&self) -> usize {
        self.tracks.values().map(Scores::len).sum()
    }

    /// Lets go of what no later picture can ask for: scores that left the window, and those of a time that is yet to
    /// come, since time has gone back.
    fn forget(&mut self, pts_ns: u64) {
        let window_ns = self.options.window_ns;
        self.tracks.retain(|_, scores| {
            scores.keep(pts_ns, window_ns);
            scores.len() > 0
        });
    }

    /// Makes room for a track that is new.
    fn make_room(&mut self, track: u64) {
        if self.tracks.len() < MAX_TRACKS || self.tracks.contains_key(&track) {
            return;
        }
        let stalest = self.tracks.iter().min_by_key(|(_, scores)| scores.last_ns()).map(|(track, _)| *track);
        if let Some(stalest) = stalest {
            self.tracks.remove(&stalest);
        }
    }
}
