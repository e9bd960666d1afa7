// SPDX-License-Identifier: Apache-2.0
//! The last seconds of sound, by PTS.

use super::RATE;

/// Nanoseconds of a second.
const SECOND: u64 = 1_000_000_000;

/// Deviation from the sample count that is jitter of the stamps and no hole.
const JITTER_NS: u64 = 40_000_000;

/// The longest hole that is filled with silence; a longer one breaks the sound.
const MAX_FILL_NS: u64 = SECOND;

/// How a piece of sound joined on to what was there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Join {
    /// It is the first, or follows at once.
    Contiguous,
    /// After a small hole, which was filled with silence.
    Filled,
    /// It repeated sound that was there; the repetition was left out.
    Trimmed,
    /// Nothing joins it to what was there, which is forgotten.
    Broken,
}

/// A stretch of sound at 16 kHz.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Stretch {
    /// PTS of the first sample.
    pub start_ns: u64,
    /// Mono, in -1..=1.
    pub samples: Vec<f32>,
}

/// Sound at 16 kHz from some PTS to another, without holes.
#[derive(Clone, Debug, Default)]
pub struct Sound {
    /// PTS of the first sample; counted from the stamp that opened the stretch, so stamps' jitter doesn't add up.
    origin_ns: u64,
    /// Samples since `origin_ns` that have been dropped.
    dropped: u64,
    samples: Vec<f32>,
    bad: u64,
}

impl Sound {
    /// PTS of the first sample that is still here.
    pub fn start_ns(&self) -> u64 {
        self.origin_ns + to_ns(self.dropped)
    }

    /// PTS after the last sample.
    pub fn end_ns(&self) -> u64 {
        self.origin_ns + to_ns(self.dropped + self.samples.len() as u64)
    }

    /// Samples that were no finite numbers, and were replaced by silence.
    pub fn bad_samples(&self) -> u64 {
        self.bad
    }

    /// Whether no sound has come since the start or the last [`Sound::clear`].
    pub fn is_empty(&self) -> bool {
        self.dropped == 0 && self.samples.is_empty()
    }

    /// How sound at `pts_ns` would join on to what is here.
    pub fn joins(&self, pts_ns: u64) -> Join {
        let end = self.end_ns();
        if self.is_empty() || end.abs_diff(pts_ns) <= JITTER_NS {
            Join::Contiguous
        } else if end.abs_diff(pts_ns) > MAX_FILL_NS {
            Join::Broken
        } else if pts_ns > end {
            Join::Filled
        } else {
            Join::Trimmed
        }
    }

    /// Appends sound.
    pub fn push(&mut self, pts_ns: u64, samples: &[f32]) -> Join {
        let join = self.joins(pts_ns);
        let end = self.end_ns();
        let mut samples = samples;
        match join {
            Join::Contiguous if self.is_empty() => self.origin_ns = pts_ns,
            Join::Contiguous => {}
            Join::Broken => {
                self.clear();
                self.origin_ns = pts_ns;
            }
            Join::Filled => self.samples.resize(self.samples.len() + to_samples(pts_ns - end), 0.0),
            Join::Trimmed => samples = samples.get(to_samples(end - pts_ns)..).unwrap_or_default(),
        }
        let bad = &mut self.bad;
        self.samples.extend(samples.iter().map(|&sample| {
            if sample.is_finite() {
                return sample.clamp(-1.0, 1.0);
            }
            *bad += 1;
            0.0
        }));
        join
    }

    /// The sound between two PTS, as far as it is here.
    pub fn between(&self, start_ns: u64, end_ns: u64) -> &[f32] {
        let index = |ns: u64| to_samples(ns.saturating_sub(self.start_ns())).min(self.samples.len());
        let (start, end) = (index(start_ns), index(end_ns));
        &self.samples[start..end.max(start)]
    }

    /// The same, with the PTS of its first sample.
    pub fn stretch(&self, start_ns: u64, end_ns: u64) -> Stretch {
        let start_ns = start_ns.clamp(self.start_ns(), self.end_ns());
        Stretch { start_ns, samples: self.between(start_ns, end_ns).to_vec() }
    }

    /// Forgets what is older than a PTS.
    pub fn drop_before(&mut self, pts_ns: u64) {
        let old = to_samples(pts_ns.saturating_sub(self.start_ns())).min(self.samples.len());
        // In steps of a second, for moving the rest costs time.
        if old as u64 >= RATE {
            self.samples.drain(..old);
            self.dropped += old as u64;
        }
    }

    /// Forgets everything but the count of bad samples.
    pub fn clear(&mut self) {
        *self = Self { bad: self.bad, ..Self::default() };
    }
}

fn to_ns(samples: u64) -> u64 {
    samples.saturating_mul(SECOND) / RATE
}

fn to_samples(ns: u64) -> usize {
    // Rounded, since a PTS made of a sample count was rounded down.
    ((u128::from(ns) * u128::from(RATE) + u128::from(SECOND / 2)) / u128::from(SECOND)) as usize
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MS: u64 = 1_000_000;

    #[test]
    fn small_holes_become_silence_and_large_ones_break() {
        let mut sound = Sound::default();
        assert_eq!(sound.push(5 * SECOND, &[0.5; 1600]), Join::Contiguous);
        assert_eq!(sound.push(5 * SECOND + 300 * MS, &[0.5; 1600]), Join::Filled);
        assert_eq!(sound.between(5 * SECOND + 100 * MS, 5 * SECOND + 300 * MS), [0.0; 3200]);
        assert_eq!(sound.end_ns(), 5 * SECOND + 400 * MS);
        assert_eq!(sound.push(9 * SECOND, &[0.25; 160]), Join::Broken);
        assert_eq!((sound.start_ns(), sound.end_ns()), (9 * SECOND, 9 * SECOND + 10 * MS));
    }

    #[test]
    fn repeated_sound_is_left_out() {
        let mut sound = Sound::default();
        sound.push(0, &[0.5; 3200]);
        assert_eq!(sound.push(100 * MS, &[0.25; 3200]), Join::Trimmed);
        assert_eq!(sound.end_ns(), 300 * MS);
        assert_eq!(sound.between(200 * MS, 300 * MS), [0.25; 1600]);
    }

    #[test]
    fn what_is_no_number_is_silent_and_counted() {
        let mut sound = Sound::default();
        sound.push(0, &[f32::NAN, f32::INFINITY, 0.5, 7.0]);
        assert_eq!(sound.between(0, SECOND), [0.0, 0.0, 0.5, 1.0]);
        assert_eq!(sound.bad_samples(), 2);
    }

    proptest! {
        #[test]
        fn jitter_of_stamps_neither_loses_nor_invents_samples(stamps in prop::collection::vec(0..30 * MS, 1..80)) {
            let mut sound = Sound::default();
            for (i, jitter) in stamps.iter().enumerate() {
                let pts = SECOND + i as u64 * 20 * MS + if i == 0 { 0 } else { *jitter };
                prop_assert_eq!(sound.push(pts, &[i as f32 / 100.0; 320]), Join::Contiguous);
            }
            prop_assert_eq!(sound.end_ns() - sound.start_ns(), stamps.len() as u64 * 20 * MS);
        }

        #[test]
        fn any_sequence_of_stamps_is_survived(pieces in prop::collection::vec((0..u64::MAX / 4, 0..2000usize), 1..40)) {
            let mut sound = Sound::default();
            for (pts, length) in pieces {
                sound.push(pts, &vec![0.1; length]);
                sound.drop_before(pts / 2);
                prop_assert!(sound.end_ns() >= sound.start_ns());
                prop_assert!(sound.between(0, u64::MAX).len() <= 80_000);
            }
        }
    }
}
