// SPDX-License-Identifier: Apache-2.0
//! How true probabilities are.

use serde::Serialize;

use super::{Bootstrap, Estimate, Sample};

/// Probabilities against what was so, in bins of equal mass, both classes weighing the same (even odds).
#[derive(Clone, Debug, PartialEq)]
pub struct Reliability {
    /// By rising score, which is a probability here.
    samples: Vec<Sample>,
    /// One past the last sample of each bin.
    ends: Vec<usize>,
}

/// One bin of a reliability diagram.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Bin {
    /// Items in it.
    pub count: usize,
    /// Part of the mass, 0..1.
    pub mass: f64,
    /// Mean probability.
    pub p: f64,
    /// Part that is manipulated, at even odds.
    pub manipulated: f64,
}

impl Reliability {
    /// Sorts samples, whose scores are probabilities, into at most `bins` bins of equal mass. Equal probabilities share
    /// a bin, so that the order of items plays no part. `None` without both classes.
    pub fn new(mut samples: Vec<Sample>, bins: usize) -> Option<Self> {
        samples.sort_by(|a, b| a.score.total_cmp(&b.score));
        let [genuine, manipulated] = weights(&samples, None)?;
        let (mut ends, mut mass) = (Vec::new(), 0.0);
        for (at, sample) in samples.iter().enumerate() {
            mass += if sample.manipulated { manipulated } else { genuine };
            let full = mass * bins as f64 >= (ends.len() + 1) as f64 - 1e-9;
            if full && samples.get(at + 1).is_none_or(|next| next.score > sample.score) {
                ends.push(at + 1);
            }
        }
        if ends.last() != Some(&samples.len()) {
            ends.push(samples.len());
        }
        Some(Self { samples, ends })
    }

    /// The bins, by rising probability.
    pub fn bins(&self) -> Vec<Bin> {
        self.sums(None).unwrap_or_default()
    }

    /// The expected calibration error: the mean distance of [`Bin::p`] and [`Bin::manipulated`] by mass (Naeini et al.,
    /// 2015; equal-mass bins after Nixon et al., 2019), with its interval over persons numbered under `persons`.
    pub fn ece(&self, persons: usize, bootstrap: &Bootstrap) -> Option<Estimate> {
        let [ece] = bootstrap.estimate(persons, |drawn| [self.sums(Some(drawn)).map(|bins| error(&bins))]);
        ece
    }

    fn sums(&self, drawn: Option<&[u32]>) -> Option<Vec<Bin>> {
        let [genuine, manipulated] = weights(&self.samples, drawn)?;
        let mut start = 0;
        let bin = |end: &usize| {
            let (mut mass, mut p, mut hits) = (0.0, 0.0, 0.0);
            for sample in &self.samples[start..*end] {
                let class = if sample.manipulated { manipulated } else { genuine };
                let weight = class * drawn.map_or(1.0, |drawn| f64::from(drawn[sample.person]));
                mass += weight;
                p += weight * sample.score;
                hits += if sample.manipulated { weight } else { 0.0 };
            }
            let count = end - start;
            start = *end;
            (mass > 0.0).then(|| Bin { count, mass, p: p / mass, manipulated: hits / mass })
        };
        Some(self.ends.iter().filter_map(bin).collect())
    }
}

fn error(bins: &[Bin]) -> f64 {
    bins.iter().map(|bin| bin.mass * (bin.p - bin.manipulated).abs()).sum()
}

/// Weights that give each class half of the mass: genuine, manipulated.
fn weights(samples: &[Sample], drawn: Option<&[u32]>) -> Option<[f64; 2]> {
    let mut counts = [0.0; 2];
    for sample in samples {
        counts[usize::from(sample.manipulated)] += drawn.map_or(1.0, |drawn| f64::from(drawn[sample.person]));
    }
    counts.iter().all(|count| *count > 0.0).then(|| counts.map(|count| 0.5 / count))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(score: f64, manipulated: bool) -> Sample {
        Sample { score, manipulated, person: 0 }
    }

    fn ece(samples: Vec<Sample>, bins: usize) -> f64 {
        Reliability::new(samples, bins).unwrap().ece(1, &Bootstrap::default()).unwrap().value
    }

    #[test]
    fn what_is_true_has_no_error() {
        let at = |p: f64, manipulated: usize| (0..10).map(move |n| sample(p, n < manipulated));
        let samples: Vec<_> = at(0.2, 2).chain(at(0.8, 8)).collect();
        assert!(ece(samples, 2) < 1e-12);
    }

    #[test]
    fn what_is_always_one_half_off_has_that_error() {
        let sure: Vec<_> = (0..10).map(|n| sample(1.0, n < 5)).collect();
        assert!((ece(sure, 10) - 0.5).abs() < 1e-12);
    }

    #[test]
    fn bins_have_equal_mass_and_classes_weigh_the_same() {
        // Four manipulated for each genuine item: at even odds the truth of p = 0.5 is a half all the same.
        let samples: Vec<_> = (0..500).map(|n| sample(0.5 + f64::from(n) * 1e-9, n % 5 > 0)).collect();
        let reliability = Reliability::new(samples, 10).unwrap();
        let bins = reliability.bins();
        assert_eq!(bins.len(), 10);
        assert!(bins.iter().all(|bin| (bin.mass - 0.1).abs() < 0.006 && (bin.manipulated - 0.5).abs() < 0.05));
        assert_eq!(bins.iter().map(|bin| bin.count).sum::<usize>(), 500);
    }

    #[test]
    fn one_class_can_not_be_held_against_anything() {
        assert_eq!(Reliability::new(vec![sample(0.5, true)], 5), None);
    }
}
