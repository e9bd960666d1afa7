// SPDX-License-Identifier: Apache-2.0
//! How far a stream's scores lie from those that a network was calibrated on.
//!
//! A calibrated probability means what it says on material like that of its calibration, and nothing tells from one score whether
//! a stream is. Many scores do: the population stability index compares how they are spread over the tenths of the
//! calibration's, `sum (share - 0.1) * ln(share / 0.1)`. Credit scoring, where it comes from, takes less than 0.1 for the same
//! population and more than 0.25 for another. It says that a stream is other than the calibration, not that it is manipulated:
//! pictures of another camera, or a stream full of manipulated faces.
//!
//! Source: S. Lewis, An Introduction to Credit Scoring, 1992; its distribution: B. Yurdakul, Statistical Properties of
//! Population Stability Index, 2018.

/// Parts that the calibration's scores are cut into, as many in each.
const PARTS: usize = 10;
/// Scores that are remembered, by weight: the last of so many weighs 1/e.
const MEMORY: f64 = 2000.0;
/// Fewer say nothing: ten parts take some scores each to be told from chance, and scores that follow on each other are alike.
const LEAST: f64 = 500.0;
/// Added to each part: an empty one would be infinitely far.
const EVEN: f64 = 0.5;

/// The scores of one network in one stream against its calibration's.
#[derive(Clone, Debug)]
pub struct Drift {
    edges: [f64; PARTS - 1],
    counts: [f64; PARTS],
}

impl Drift {
    /// Against scores with these deciles, ascending.
    pub fn new(deciles: [f64; PARTS - 1]) -> Self {
        Self { edges: deciles, counts: [0.0; PARTS] }
    }

    /// Takes a score. One that is no number is none.
    pub fn push(&mut self, score: f64) {
        if score.is_nan() {
            return;
        }
        self.counts.iter_mut().for_each(|count| *count *= 1.0 - 1.0 / MEMORY);
        self.counts[self.edges.partition_point(|edge| *edge <= score)] += 1.0;
    }

    /// The population stability index of the latest scores, 0 or more; `None` while there are few.
    pub fn index(&self) -> Option<f64> {
        let all: f64 = self.counts.iter().sum();
        let expected = 1.0 / PARTS as f64;
        let share = |count: &f64| (count + EVEN) / (all + EVEN * PARTS as f64);
        let terms = self.counts.iter().map(share).map(|share| (share - expected) * (share / expected).ln());
        (all >= LEAST).then(|| terms.sum())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const DECILES: [f64; 9] = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9];

    /// The index of scores that run through a range by even steps.
    fn of(range: std::ops::Range<f64>, count: u32) -> Option<f64> {
        let mut drift = Drift::new(DECILES);
        let width = range.end - range.start;
        // By the golden ratio, so that any stretch of them is even too.
        (0..count).for_each(|n| drift.push(range.start + width * (f64::from(n) * 0.618_034).fract()));
        drift.index()
    }

    #[test]
    fn the_same_scores_are_no_drift_and_others_are() {
        assert_eq!(of(0.0..1.0, 400), None, "few say nothing");
        assert!(of(0.0..1.0, 5000).unwrap() < 0.01);
        // All in the upper half: ln 2 times half, and what the empty parts add.
        assert!(of(0.5..1.0, 5000).unwrap() > 0.6);
        assert!(of(5.0..9.0, 5000).unwrap() > 2.0, "beyond every decile");
    }

    #[test]
    fn what_was_long_ago_is_forgotten() {
        let mut drift = Drift::new(DECILES);
        (0..5000).for_each(|_| drift.push(0.95));
        let far = drift.index().unwrap();
        (0..20_000_u32).for_each(|n| drift.push((f64::from(n) * 0.618_034).fract()));
        assert!(far > 2.0 && drift.index().unwrap() < 0.05);
    }

    #[test]
    fn what_is_no_number_is_no_score() {
        let mut drift = Drift::new(DECILES);
        (0..1000).for_each(|_| drift.push(f64::NAN));
        assert_eq!(drift.index(), None);
    }

    proptest! {
        #[test]
        fn it_is_never_less_than_zero(scores in proptest::collection::vec(-1.0..2.0, 700..900)) {
            let mut drift = Drift::new(DECILES);
            scores.into_iter().for_each(|score| drift.push(score));
            prop_assert!(drift.index().unwrap() >= 0.0);
        }
    }
}
