// SPDX-License-Identifier: Apache-2.0
//! What was measured through time, in columns, for plots and tables.

use serde::Serialize;

use crate::fusion::{Options, Signals};
use crate::record::Frame;

/// Moments that are kept at most: four hours at five pictures a second. Beyond, two neighbours become one.
pub const MAX_MOMENTS: usize = 72_000;

/// Columns of equal length, one row for each analysed picture; `None` where nothing is known.
///
/// Of several faces a moment has the highest probability of each part.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Series {
    /// Stream time, seconds.
    pub time: Vec<f64>,
    /// Fused probability of the worst face.
    pub fused: Vec<Option<f32>>,
    /// By the faces' pictures.
    pub picture: Vec<Option<f32>>,
    /// By lips that don't fit the sound.
    pub mismatch: Vec<Option<f32>>,
    /// By the voice; kept even where it doesn't count in the verdict.
    pub voice: Vec<Option<f32>>,
    /// Probability of speech.
    pub speech: Vec<Option<f32>>,
    /// Momentary loudness, LUFS.
    pub loudness: Vec<Option<f32>>,
    /// Faces that are seen.
    pub faces: Vec<Option<f32>>,
    /// How many pictures a row stands for.
    pub pictures_a_row: u32,
    /// Pictures of the row that is being filled.
    #[serde(skip)]
    filled: u32,
}

impl Series {
    pub(super) fn take(&mut self, frame: &Frame) {
        let row = row(frame);
        if self.pictures_a_row == 0 {
            self.pictures_a_row = 1;
        }
        if self.filled > 0 && self.filled < self.pictures_a_row {
            for (column, value) in self.columns().into_iter().zip(row) {
                let last = column.last_mut();
                if let Some(last) = last {
                    *last = higher(*last, value);
                }
            }
            self.filled += 1;
            return;
        }
        if self.time.len() >= MAX_MOMENTS {
            self.thin();
        }
        self.time.push(frame.pts_ns as f64 / 1e9);
        for (column, value) in self.columns().into_iter().zip(row) {
            column.push(value);
        }
        self.filled = 1;
    }

    /// The columns' names, as in JSON and CSV, but for `time`.
    pub const NAMES: [&'static str; 7] = ["fused", "picture", "mismatch", "voice", "speech", "loudness", "faces"];

    /// The columns but for `time`, in the order of [`Series::NAMES`].
    pub fn values(&self) -> [&[Option<f32>]; 7] {
        [&self.fused, &self.picture, &self.mismatch, &self.voice, &self.speech, &self.loudness, &self.faces]
    }

    fn columns(&mut self) -> [&mut Vec<Option<f32>>; 7] {
        [
            &mut self.fused,
            &mut self.picture,
            &mut self.mismatch,
            &mut self.voice,
            &mut self.speech,
            &mut self.loudness,
            &mut self.faces,
        ]
    }

    /// Two rows become one: the higher values, for a peak must not get lost.
    fn thin(&mut self) {
        let mut odd = false;
        self.time.retain(|_| {
            odd = !odd;
            odd
        });
        for column in self.columns() {
            *column = column.chunks(2).map(|pair| pair.iter().copied().reduce(higher).flatten()).collect();
        }
        self.pictures_a_row *= 2;
    }
}

fn higher(one: Option<f32>, other: Option<f32>) -> Option<f32> {
    [one, other].into_iter().flatten().reduce(f32::max)
}

fn row(frame: &Frame) -> [Option<f32>; 7] {
    let all = Options { voice: true, ..Options::default() };
    let parts = frame.faces.iter().map(|face| Signals::of_face(face, frame, &all).parts());
    let parts = parts.reduce(|one, other| one.highest(other)).unwrap_or_default();
    [
        frame.fused.and_then(|fused| fused.p),
        parts.picture,
        parts.mismatch,
        frame.audio.and_then(|audio| audio.synthetic?.p),
        frame.audio.and_then(|audio| audio.speech),
        frame.audio.and_then(|audio| audio.loudness.momentary_lufs),
        Some(frame.faces.len() as f32),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::AudioState;

    fn loud(n: usize) -> Frame {
        let loudness = crate::results::Loudness { momentary_lufs: Some(n as f32), ..Default::default() };
        Frame {
            pts_ns: n as u64 * 1_000_000_000,
            audio: Some(AudioState { loudness, ..Default::default() }),
            ..Frame::default()
        }
    }

    #[test]
    fn columns_are_as_long_as_the_time_and_bounded_and_keep_peaks() {
        let mut series = Series::default();
        for n in 0..MAX_MOMENTS * 2 + 3 {
            series.take(&loud(n));
        }
        assert!(series.time.len() <= MAX_MOMENTS);
        assert!(series.values().iter().all(|column| column.len() == series.time.len()));
        assert!(series.time.is_sorted());
        assert_eq!(series.loudness[0], Some(3.0), "of four pictures the loudest");
        assert_eq!(series.loudness.last().unwrap(), &Some((MAX_MOMENTS * 2 + 2) as f32), "nothing is lost at the end");
    }
}
