// SPDX-License-Identifier: Apache-2.0
//! Items in the order of their scores, and the figures that follow from the order.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{Bootstrap, Estimate, Sample};

/// The figures of a ranking; `T` is a value or an [`Estimate`]. Those that need both classes, a threshold or persons
/// with both classes are absent without.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Figures<T> {
    /// Area under the ROC curve: the part of pairs of a manipulated and a genuine item that are in the right order,
    /// ties counted half (Mann-Whitney).
    pub auc: Option<T>,
    /// Where the part of genuine items that alarm is the part of manipulated ones that don't, on the ROC curve's line.
    pub eer: Option<T>,
    /// Mean precision over the recalls that thresholds reach, no interpolation. It depends on the part of manipulated
    /// items.
    pub average_precision: Option<T>,
    /// Best part of manipulated items that alarm at a threshold at which at most 1 % of genuine ones do.
    pub tpr_at_1: Option<T>,
    /// The same at 5 %.
    pub tpr_at_5: Option<T>,
    /// Part of manipulated items at or over the threshold.
    pub tpr: Option<T>,
    /// Part of genuine items at or over the threshold.
    pub fpr: Option<T>,
    /// AUC over pairs of the same person: without the offset by person and camera.
    pub within_person_auc: Option<T>,
}

impl<T> Figures<T> {
    fn from_array(array: [Option<T>; 8]) -> Self {
        let [auc, eer, average_precision, tpr_at_1, tpr_at_5, tpr, fpr, within_person_auc] = array;
        Self { auc, eer, average_precision, tpr_at_1, tpr_at_5, tpr, fpr, within_person_auc }
    }

    fn into_array(self) -> [Option<T>; 8] {
        let Self { auc, eer, average_precision, tpr_at_1, tpr_at_5, tpr, fpr, within_person_auc } = self;
        [auc, eer, average_precision, tpr_at_1, tpr_at_5, tpr, fpr, within_person_auc]
    }
}

/// Items by falling score; persons are numbered anew from 0.
#[derive(Clone, Debug, Default)]
pub struct Ranking {
    samples: Vec<Sample>,
    /// One past the last item of each group of equal scores.
    ends: Vec<usize>,
    /// Of each person: right pairs and all pairs of its own items.
    within: Vec<[f64; 2]>,
}

impl Ranking {
    /// Orders items.
    pub fn new(samples: impl IntoIterator<Item = Sample>) -> Self {
        let mut ranking = Self::ordered(samples);
        let mut by_person = vec![Vec::new(); ranking.within.len()];
        for sample in &ranking.samples {
            by_person[sample.person].push(*sample);
        }
        for (own, samples) in ranking.within.iter_mut().zip(by_person) {
            let manipulated = samples.iter().filter(|sample| sample.manipulated).count();
            let pairs = (manipulated * (samples.len() - manipulated)) as f64;
            let auc = Self::ordered(samples).auc();
            *own = [auc.unwrap_or_default() * pairs, pairs];
        }
        ranking
    }

    fn ordered(samples: impl IntoIterator<Item = Sample>) -> Self {
        let mut samples: Vec<Sample> = samples.into_iter().collect();
        samples.sort_by(|a, b| b.score.total_cmp(&a.score));
        let mut numbers = BTreeMap::new();
        for sample in &mut samples {
            let next = numbers.len();
            sample.person = *numbers.entry(sample.person).or_insert(next);
        }
        let ends =
            (1..=samples.len()).filter(|end| samples.get(*end).is_none_or(|next| next.score != samples[end - 1].score));
        Self { ends: ends.collect(), within: vec![[0.0; 2]; numbers.len()], samples }
    }

    /// How many items there are, genuine and manipulated.
    pub fn counts(&self) -> [usize; 2] {
        let manipulated = self.samples.iter().filter(|sample| sample.manipulated).count();
        [self.samples.len() - manipulated, manipulated]
    }

    /// How many persons there are.
    pub fn persons(&self) -> usize {
        self.within.len()
    }

    /// How many persons have both classes.
    pub fn persons_with_both(&self) -> usize {
        self.within.iter().filter(|[_, pairs]| *pairs > 0.0).count()
    }

    /// The area under the ROC curve.
    pub fn auc(&self) -> Option<f64> {
        self.figures(&vec![1; self.persons()], None).auc
    }

    /// All figures, with intervals. `threshold` is on the scale of the scores.
    pub fn estimate(&self, threshold: Option<f64>, bootstrap: &Bootstrap) -> Figures<Estimate> {
        let figures = |drawn: &[u32]| self.figures(drawn, threshold).into_array();
        Figures::from_array(bootstrap.estimate(self.persons(), figures))
    }

    /// All figures, with the items of each person counted as often as it was drawn.
    ///
    /// # Panics
    /// When `drawn` has fewer entries than there are persons.
    pub fn figures(&self, drawn: &[u32], threshold: Option<f64>) -> Figures<f64> {
        let mut totals = Totals::default();
        for sample in &self.samples {
            totals.add(sample, drawn);
        }
        let mut walk = Walk { totals, tpr_at_1: 0.0, tpr_at_5: 0.0, auc: 0.0, ap: 0.0, eer: None, at: [0.0; 2] };
        let mut sum = Totals::default();
        let mut over = Totals::default();
        let mut start = 0;
        for end in &self.ends {
            let group = &self.samples[start..*end];
            let before = sum;
            group.iter().for_each(|sample| sum.add(sample, drawn));
            if threshold.is_some_and(|threshold| group[0].score >= threshold) {
                over = sum;
            }
            walk.step(before, sum);
            start = *end;
        }
        let mut figures = walk.figures();
        if threshold.is_some() {
            figures.tpr = ratio(over.manipulated, totals.manipulated);
            figures.fpr = ratio(over.genuine, totals.genuine);
        }
        let weighted = |part: usize| self.within.iter().zip(drawn).map(|(own, n)| own[part] * f64::from(*n)).sum();
        figures.within_person_auc = ratio(weighted(0), weighted(1));
        figures
    }

    /// The vertices of the ROC curve from (0, 0) to (1, 1), as `[fpr, tpr]`; empty without both classes.
    pub fn roc(&self) -> Vec<[f64; 2]> {
        let [genuine, manipulated] = self.counts();
        if genuine == 0 || manipulated == 0 {
            return Vec::new();
        }
        let mut points = vec![[0.0, 0.0]];
        let (mut fp, mut tp, mut start) = (0, 0, 0);
        for end in &self.ends {
            let hits = self.samples[start..*end].iter().filter(|sample| sample.manipulated).count();
            (tp, fp, start) = (tp + hits, fp + end - start - hits, *end);
            points.push([fp as f64 / genuine as f64, tp as f64 / manipulated as f64]);
        }
        points
    }
}

fn ratio(part: f64, whole: f64) -> Option<f64> {
    (whole > 0.0).then(|| part / whole)
}

#[derive(Clone, Copy, Debug, Default)]
struct Totals {
    genuine: f64,
    manipulated: f64,
}

impl Totals {
    fn add(&mut self, sample: &Sample, drawn: &[u32]) {
        let weight = f64::from(drawn[sample.person]);
        if sample.manipulated {
            self.manipulated += weight;
        } else {
            self.genuine += weight;
        }
    }
}

/// A walk down the ranking, from one group of equal scores to the next.
struct Walk {
    totals: Totals,
    tpr_at_1: f64,
    tpr_at_5: f64,
    auc: f64,
    ap: f64,
    eer: Option<f64>,
    /// `[fpr, tpr]` so far.
    at: [f64; 2],
}

impl Walk {
    fn step(&mut self, before: Totals, now: Totals) {
        let (hits, alarms) = (now.manipulated - before.manipulated, now.genuine - before.genuine);
        if hits + alarms == 0.0 {
            return; // None of the group was drawn.
        }
        self.auc += alarms * (before.manipulated + hits / 2.0);
        self.ap += hits * now.manipulated / (now.manipulated + now.genuine);
        let [fpr, tpr] = [now.genuine / self.totals.genuine, now.manipulated / self.totals.manipulated];
        if fpr <= 0.01 {
            self.tpr_at_1 = tpr;
        }
        if fpr <= 0.05 {
            self.tpr_at_5 = tpr;
        }
        let [fpr_before, tpr_before] = std::mem::replace(&mut self.at, [fpr, tpr]);
        if self.eer.is_none() && fpr + tpr >= 1.0 {
            // Where the line from the last vertex to this one meets fpr = 1 - tpr.
            let along = (1.0 - fpr_before - tpr_before) / (fpr - fpr_before + tpr - tpr_before);
            self.eer = Some(fpr_before + along * (fpr - fpr_before));
        }
    }

    fn figures(&self) -> Figures<f64> {
        let Totals { genuine, manipulated } = self.totals;
        if genuine <= 0.0 || manipulated <= 0.0 {
            return Figures::default();
        }
        Figures {
            auc: Some(self.auc / genuine / manipulated),
            eer: self.eer,
            average_precision: Some(self.ap / manipulated),
            tpr_at_1: Some(self.tpr_at_1),
            tpr_at_5: Some(self.tpr_at_5),
            ..Figures::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ranking(genuine: &[f64], manipulated: &[f64]) -> Ranking {
        let sample = |scores: &[f64], manipulated| {
            scores.iter().enumerate().map(|(person, score)| Sample { score: *score, manipulated, person }).collect()
        };
        let both: Vec<Vec<Sample>> = vec![sample(genuine, false), sample(manipulated, true)];
        Ranking::new(both.concat())
    }

    fn figures(ranking: &Ranking, threshold: Option<f64>) -> Figures<f64> {
        ranking.figures(&vec![1; ranking.persons()], threshold)
    }

    fn near(value: Option<f64>, want: f64) {
        assert!(value.is_some_and(|value| (value - want).abs() < 1e-12), "{value:?} is not {want}");
    }

    #[test]
    fn the_textbook_example_of_scikit_learn() {
        // roc_auc_score and average_precision_score of its documentation: labels 0 0 1 1.
        let four = ranking(&[0.1, 0.4], &[0.35, 0.8]);
        let found = figures(&four, Some(0.4));
        near(found.auc, 0.75);
        near(found.average_precision, 0.5 + 0.5 * 2.0 / 3.0);
        near(found.tpr, 0.5);
        near(found.fpr, 0.5);
        near(found.eer, 0.5);
        assert_eq!(four.roc(), [[0.0, 0.0], [0.0, 0.5], [0.5, 0.5], [0.5, 1.0], [1.0, 1.0]]);
    }

    #[test]
    fn ties_count_half() {
        near(figures(&ranking(&[1.0, 1.0], &[1.0, 1.0, 1.0]), None).auc, 0.5);
        near(figures(&ranking(&[0.0, 1.0], &[1.0, 2.0]), None).auc, 0.875);
        near(figures(&ranking(&[1.0], &[1.0]), None).eer, 0.5);
    }

    #[test]
    fn a_perfect_and_a_reversed_order() {
        let perfect = figures(&ranking(&[0.0, 0.1], &[0.8, 0.9]), Some(0.5));
        for value in [perfect.auc, perfect.average_precision, perfect.tpr_at_1, perfect.tpr_at_5, perfect.tpr] {
            near(value, 1.0);
        }
        near(perfect.eer, 0.0);
        near(perfect.fpr, 0.0);
        let reversed = figures(&ranking(&[0.8, 0.9], &[0.0, 0.1]), None);
        near(reversed.auc, 0.0);
        near(reversed.eer, 1.0);
        near(reversed.tpr_at_5, 0.0);
    }

    #[test]
    fn rates_at_a_false_positive_rate_are_those_of_thresholds() {
        // 100 genuine items of 0..99; at 5 % the threshold is over 94.
        let genuine: Vec<f64> = (0..100).map(f64::from).collect();
        let found = figures(&ranking(&genuine, &[94.5, 94.0, 99.5, 10.0]), None);
        near(found.tpr_at_5, 0.5);
        near(found.tpr_at_1, 0.25);
    }

    #[test]
    fn one_class_has_no_curve_but_a_rate() {
        let alone = ranking(&[0.2, 0.7], &[]);
        let found = figures(&alone, Some(0.5));
        assert_eq!((found.auc, found.eer, found.tpr), (None, None, None));
        near(found.fpr, 0.5);
        assert!(alone.roc().is_empty());
        assert_eq!(figures(&Ranking::default(), Some(0.5)), Figures::default());
    }

    #[test]
    fn within_persons_the_offset_of_a_person_is_gone() {
        // Two persons, each in perfect order, one of them far over the other.
        let samples = [(0.0, false, 7), (1.0, true, 7), (10.0, false, 9), (11.0, true, 9), (5.0, false, 1)];
        let ranking = Ranking::new(samples.map(|(score, manipulated, person)| Sample { score, manipulated, person }));
        let found = figures(&ranking, None);
        near(found.within_person_auc, 1.0);
        near(found.auc, 4.0 / 6.0);
        assert_eq!((ranking.persons(), ranking.persons_with_both()), (3, 2));
    }

    #[test]
    fn an_item_that_was_not_judged_raises_no_alarm() {
        let found = figures(&ranking(&[0.1, f64::NEG_INFINITY], &[0.9, f64::NEG_INFINITY]), Some(0.5));
        near(found.tpr, 0.5);
        near(found.fpr, 0.0);
        near(found.auc, 0.625);
    }
}
