// SPDX-License-Identifier: Apache-2.0
//! How far a stream's scores lie from those that a network was calibrated on.
//!
//! A calibrated probability means what it says on material like that of its calibration, and no single score tells whether a
//! stream is. Many scores do. Those of one person, camera and codec are alike, so that any stream's spread differs from that of a
//! hundred people's together, and indices that compare spreads call every stream strange: of the clips that the face network was calibrated
//! on, each against all, most have a population stability index of 2.7 to 4.1, where 0.25 should mean another population. So a stream is held
//! against the clips as a whole: its mean logit, in standard deviations of the clips' mean logits. Of clips of the calibration all
//! but one lie within 2.5. It says that a stream is other than those, not that it is manipulated: another kind of camera, or a stream
//! full of manipulated faces. It is coarse: clips of the GRID corpus, a studio that no such clip shows, lie within 1.7 on average, and
//! nothing else that was tried goes beyond 3.

/// Scores that are remembered, by weight: the last but so many weighs 1/e. Seven minutes of a face.
const MEMORY: f64 = 2000.0;
/// Fewer say nothing of a stream.
const LEAST: f64 = 500.0;
/// Nearer to 0 or 1 no probability is taken: its logit would outweigh all others.
const EDGE: f64 = 1e-6;

/// The scores of one network in one stream, against clips of its calibration.
#[derive(Clone, Debug)]
pub struct Drift {
    typical: f64,
    deviation: f64,
    sum: f64,
    weight: f64,
}

impl Drift {
    /// Against clips whose mean logits have this mean and this standard deviation, which is over 0.
    pub fn new(typical: f64, deviation: f64) -> Self {
        Self { typical, deviation, sum: 0.0, weight: 0.0 }
    }

    /// Takes a probability. One that is no number is none.
    pub fn push(&mut self, p: f64) {
        if p.is_nan() {
            return;
        }
        let p = p.clamp(EDGE, 1.0 - EDGE);
        let kept = 1.0 - 1.0 / MEMORY;
        self.sum = self.sum * kept + (p / (1.0 - p)).ln();
        self.weight = self.weight * kept + 1.0;
    }

    /// How many standard deviations the latest scores' mean logit lies from the clips': over 0 where they are more suspicious;
    /// `None` while there are few.
    pub fn deviations(&self) -> Option<f64> {
        (self.weight >= LEAST).then(|| (self.sum / self.weight - self.typical) / self.deviation)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn p(logit: f64) -> f64 {
        1.0 / (1.0 + (-logit).exp())
    }

    #[test]
    fn scores_as_they_were_calibrated_are_no_drift_and_others_are() {
        let of = |logit: f64, count: u32| {
            let mut drift = Drift::new(-1.0, 1.5);
            // Around their mean, as a person's scores are.
            (0..count).for_each(|n| drift.push(p(logit + 0.8 * f64::from(n).sin())));
            drift.deviations()
        };
        assert_eq!(of(-1.0, 400), None, "few say nothing");
        assert!(of(-1.0, 5000).unwrap().abs() < 0.01);
        assert!((of(5.0, 5000).unwrap() - 4.0).abs() < 0.01);
        assert!((of(-4.0, 5000).unwrap() + 2.0).abs() < 0.01);
    }

    #[test]
    fn what_was_long_ago_is_forgotten() {
        let mut drift = Drift::new(0.0, 1.0);
        (0..5000).for_each(|_| drift.push(p(6.0)));
        let far = drift.deviations().unwrap();
        (0..20_000).for_each(|_| drift.push(p(0.0)));
        assert!(far > 5.9 && drift.deviations().unwrap() < 0.001);
    }

    proptest! {
        #[test]
        fn no_score_whatever_makes_it_no_number(scores in proptest::collection::vec(proptest::num::f64::ANY, 600..700)) {
            let mut drift = Drift::new(0.0, 1.0);
            scores.iter().for_each(|score| drift.push(*score));
            prop_assert!(drift.deviations().is_none_or(f64::is_finite));
        }
    }
}
