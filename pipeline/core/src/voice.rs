// SPDX-License-Identifier: Apache-2.0
//! When a voice is judged, by which stretch of sound, and what the scores mean through time.
//!
//! Pure and driven by pieces of sound with their speech activity. [`Listener`] keeps the last 4 s. As soon as enough was
//! spoken, and then every second, it hands out the stretch from the first to the last speech in them, or names why nobody
//! should be asked about it: what comes before and after speech is no voice, and tells recordings apart. Logits of the
//! stretches of the last seconds are joined, each by how much was spoken in it.

use std::collections::VecDeque;

use crate::forensics::Calibration;
use crate::results::{PtsRange, Synthetic, VoiceReasonNot};

/// Samples of a piece: 32 ms at 16 kHz.
pub const PIECE: usize = 512;
/// Pieces of the window: 4 s.
const PIECES: usize = 125;
/// Nanoseconds of a piece.
const PIECE_NS: u64 = 32_000_000;

/// What is asked for, and when.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct VoiceOptions {
    /// Time from one stretch to the next, in nanoseconds.
    pub hop_ns: u64,
    /// Least speech of a window, in nanoseconds.
    pub min_speech_ns: u64,
    /// Least level of what is spoken, root mean square in dBFS.
    pub min_level_db: f32,
    /// Most of the spoken samples that may be at full scale, 0..1.
    pub max_clipped: f32,
    /// Least speech probability of a piece that counts as spoken.
    pub speech: f32,
}

impl Default for VoiceOptions {
    /// A second of speech is the shortest that was trained on. -50 dBFS is 27 dB under the level of broadcasts; there the
    /// steps of 16 bit sound and codecs' noise show. One sample in two hundred at full scale is heard as distortion.
    fn default() -> Self {
        Self {
            hop_ns: 1_000_000_000,
            min_speech_ns: 1_000_000_000,
            min_level_db: -50.0,
            max_clipped: 0.005,
            speech: 0.5,
        }
    }
}

/// A stretch of sound that should be judged.
#[derive(Clone, Debug, PartialEq)]
pub struct Stretch {
    /// From the first to the last speech of the window.
    pub pts: PtsRange,
    /// 16 kHz mono, 1 to 4 s.
    pub samples: Vec<f32>,
    /// How much of it was spoken, in nanoseconds.
    pub spoken_ns: u64,
}

/// What comes of a piece of sound.
#[derive(Clone, Debug, PartialEq)]
pub enum Turn {
    /// This should be judged; [`Listener::judged`] wants the logit.
    Judge(Stretch),
    /// Nobody should be asked about what was heard lately.
    Refused(Synthetic),
}

struct Piece {
    pts: PtsRange,
    samples: [f32; PIECE],
    spoken: bool,
}

/// Keeps the last seconds of one stream's sound and says when to judge them.
pub struct Listener {
    options: VoiceOptions,
    calibration: Option<Calibration>,
    pieces: VecDeque<Piece>,
    /// Pieces since the last turn.
    waited: u64,
    /// The last turn had enough speech. Otherwise the next comes as soon as there is enough.
    spoke: bool,
    /// Ends of the stretches that were judged lately, their logits and what was spoken in them.
    scores: VecDeque<(u64, f32, u64)>,
}

impl Listener {
    /// One who has heard nothing. Without a calibration there are logits, and neither probability nor finding.
    pub fn new(options: VoiceOptions, calibration: Option<Calibration>) -> Self {
        let (pieces, scores) = (VecDeque::with_capacity(PIECES), VecDeque::new());
        Self { options, calibration, pieces, waited: 0, spoke: false, scores }
    }

    /// Hears a piece that follows the one before, with its speech probability (`None` where that isn't known).
    pub fn hear(&mut self, pts: PtsRange, samples: &[f32; PIECE], speech: Option<f32>) -> Option<Turn> {
        if self.pieces.len() == PIECES {
            self.pieces.pop_front();
        }
        let spoken = speech.is_some_and(|p| p >= self.options.speech);
        self.pieces.push_back(Piece { pts, samples: *samples, spoken });
        let spoken_ns = self.spoken_ns();
        let enough = spoken_ns >= self.options.min_speech_ns;
        let hop = (self.options.hop_ns / PIECE_NS).max(1);
        self.waited = self.waited.saturating_add(1);
        let due = if self.spoke { self.waited >= hop } else { enough || self.waited >= hop };
        if !due {
            return None;
        }
        self.waited = 0;
        self.spoke = enough;
        Some(self.turn(spoken_ns, enough))
    }

    /// Takes the logit of a stretch and says what is known of the voice now. A logit that isn't finite is left out.
    pub fn judged(&mut self, stretch: &Stretch, logit: f32) -> Synthetic {
        let now = stretch.pts.end_ns;
        if logit.is_finite() {
            self.scores.push_back((now, logit, stretch.spoken_ns));
        }
        let reach = PIECES as u64 * PIECE_NS;
        self.scores.retain(|(at, _, _)| *at <= now && now - at < reach);
        let weight: f64 = self.scores.iter().map(|(_, _, spoken)| *spoken as f64).sum();
        let sum: f64 = self.scores.iter().map(|(_, logit, spoken)| f64::from(*logit) * *spoken as f64).sum();
        let logit = (weight > 0.0).then(|| (sum / weight) as f32);
        let p = self.calibration.zip(logit).map(|(calibration, logit)| calibration.p(logit));
        let signs = self.calibration.zip(p).and_then(|(calibration, p)| calibration.signs(p));
        Synthetic { p, logit, signs, reason_not: None }
    }

    /// Forgets all: a flush, new caps or a hole in the sound.
    pub fn restart(&mut self) {
        self.pieces.clear();
        self.scores.clear();
        (self.waited, self.spoke) = (0, false);
    }

    fn spoken_ns(&self) -> u64 {
        self.pieces.iter().filter(|piece| piece.spoken).count() as u64 * PIECE_NS
    }

    fn turn(&mut self, spoken_ns: u64, enough: bool) -> Turn {
        let refused = |reason| Turn::Refused(Synthetic { reason_not: Some(reason), ..Synthetic::default() });
        if !enough {
            self.scores.clear();
            return refused(VoiceReasonNot::TooLittleSpeech);
        }
        let spoken = || self.pieces.iter().filter(|piece| piece.spoken).flat_map(|piece| &piece.samples);
        let count = spoken().count().max(1) as f64;
        let power = spoken().map(|sample| f64::from(*sample).powi(2)).sum::<f64>() / count;
        if 10.0 * (power + 1e-12).log10() < f64::from(self.options.min_level_db) {
            return refused(VoiceReasonNot::TooQuiet);
        }
        let clipped = spoken().filter(|sample| sample.abs() >= FULL_SCALE).count() as f64;
        if clipped / count > f64::from(self.options.max_clipped) {
            return refused(VoiceReasonNot::Clipped);
        }
        let first = self.pieces.iter().position(|piece| piece.spoken).unwrap_or(0);
        let last = self.pieces.iter().rposition(|piece| piece.spoken).unwrap_or(0);
        let pieces = self.pieces.range(first..=last);
        let pts = PtsRange { start_ns: self.pieces[first].pts.start_ns, end_ns: self.pieces[last].pts.end_ns };
        Turn::Judge(Stretch { pts, samples: pieces.flat_map(|piece| piece.samples).collect(), spoken_ns })
    }
}

/// Samples from here on are clipped; resampling blunts them a little.
const FULL_SCALE: f32 = 0.985;

#[cfg(test)]
mod tests;
