// SPDX-License-Identifier: Apache-2.0
//! One of many classes: how often the likeliest is right, how sure that can be known beforehand, and what is taken for what.

use serde::Serialize;

use super::{Bootstrap, Estimate};

/// Bins of the calibration error.
const BINS: usize = 15;

/// What was said of one item.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Answer {
    /// Its class.
    pub truth: usize,
    /// The class that was said.
    pub said: usize,
    /// The probability with which it was said, 0..1.
    pub p: f64,
}

/// Figures of answers, each with its interval over items.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct ClassFigures {
    /// Part of the items of which the right class is said.
    pub micro: Option<Estimate>,
    /// The same, each class weighing the same.
    pub macro_: Option<Estimate>,
    /// Part of the items that are answered at the threshold.
    pub coverage: Option<Estimate>,
    /// Part of the answered ones that is right.
    pub precision: Option<Estimate>,
    /// Expected calibration error of the said class, in 15 bins of equal mass.
    pub ece: Option<Estimate>,
}

/// One class at the threshold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct ClassRow {
    /// Items of the class.
    pub items: u32,
    /// Part of them of which it is said, whatever the probability.
    pub recall: Option<f64>,
    /// Times that it is said at the threshold ...
    pub told: u32,
    /// ... and the part in which it is right.
    pub precision: Option<f64>,
}

/// All figures; `classes` are counted from 0.
pub fn class_figures(answers: &[Answer], classes: usize, threshold: f64, bootstrap: &Bootstrap) -> ClassFigures {
    let mut order: Vec<usize> = (0..answers.len()).collect();
    order.sort_by(|a, b| answers[*a].p.total_cmp(&answers[*b].p));
    let [micro, macro_, coverage, precision, ece] = bootstrap.estimate(answers.len(), |drawn| {
        let (mut own, mut hits) = (vec![0.0; classes], vec![0.0; classes]);
        let (mut all, mut right, mut told, mut told_right) = (0.0, 0.0, 0.0, 0.0);
        for (answer, times) in answers.iter().zip(drawn) {
            let times = f64::from(*times);
            let hit = if answer.said == answer.truth { times } else { 0.0 };
            all += times;
            right += hit;
            own[answer.truth] += times;
            hits[answer.truth] += hit;
            if answer.p >= threshold {
                told += times;
                told_right += hit;
            }
        }
        let parts: Vec<f64> =
            own.iter().zip(&hits).filter(|(own, _)| **own > 0.0).map(|(own, hits)| hits / own).collect();
        let part = |some: f64, of: f64| (of > 0.0).then(|| some / of);
        [
            part(right, all),
            part(parts.iter().sum(), parts.len() as f64),
            part(told, all),
            part(told_right, told),
            part(calibration_error(answers, &order, drawn), all),
        ]
    });
    ClassFigures { micro, macro_, coverage, precision, ece }
}

/// The sum over bins of |said - so|, each weighed by its items.
fn calibration_error(answers: &[Answer], order: &[usize], drawn: &[u32]) -> f64 {
    let per_bin = order.len().div_ceil(BINS).max(1);
    let bins = order.chunks(per_bin).map(|bin| {
        bin.iter().fold([0.0, 0.0], |[said, so], at| {
            let (answer, times) = (answers[*at], f64::from(drawn[*at]));
            [said + times * answer.p, so + if answer.said == answer.truth { times } else { 0.0 }]
        })
    });
    bins.map(|[said, so]| (said - so).abs()).sum()
}

/// Each class by itself.
pub fn class_rows(answers: &[Answer], classes: usize, threshold: f64) -> Vec<ClassRow> {
    let count = |holds: &dyn Fn(&Answer) -> bool| answers.iter().filter(|answer| holds(answer)).count() as u32;
    let part = |some: u32, of: u32| (of > 0).then(|| f64::from(some) / f64::from(of));
    (0..classes)
        .map(|class| {
            let items = count(&|answer| answer.truth == class);
            let found = count(&|answer| answer.truth == class && answer.said == class);
            let told = count(&|answer| answer.said == class && answer.p >= threshold);
            let right = count(&|answer| answer.said == class && answer.p >= threshold && answer.truth == class);
            ClassRow { items, recall: part(found, items), told, precision: part(right, told) }
        })
        .collect()
}

/// How many items of each class (rows) were taken for each (columns), whatever the probability.
pub fn confusion(answers: &[Answer], classes: usize) -> Vec<Vec<u32>> {
    let mut matrix = vec![vec![0; classes]; classes];
    for answer in answers {
        matrix[answer.truth][answer.said] += 1;
    }
    matrix
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(truth: usize, said: usize, p: f64) -> Answer {
        Answer { truth, said, p }
    }

    /// Class 0: three of four right; class 1: one of two; class 2: none of one; class 3 has no items.
    fn answers() -> Vec<Answer> {
        [(0, 0, 0.9), (0, 0, 0.8), (0, 0, 0.7), (0, 1, 0.4), (1, 1, 0.6), (1, 0, 0.95), (2, 0, 0.3)]
            .map(|(truth, said, p)| answer(truth, said, p))
            .to_vec()
    }

    fn value(estimate: Option<Estimate>) -> f64 {
        estimate.unwrap().value
    }

    #[test]
    fn figures_are_those_counted_by_hand() {
        let bootstrap = Bootstrap { resamples: 200, ..Bootstrap::default() };
        let figures = class_figures(&answers(), 4, 0.65, &bootstrap);
        assert!((value(figures.micro) - 4.0 / 7.0).abs() < 1e-12);
        assert!((value(figures.macro_) - (0.75 + 0.5 + 0.0) / 3.0).abs() < 1e-12);
        assert!((value(figures.coverage) - 4.0 / 7.0).abs() < 1e-12);
        assert!((value(figures.precision) - 0.75).abs() < 1e-12);
        let [low, high] = figures.micro.unwrap().interval.unwrap();
        assert!(low < 4.0 / 7.0 && 4.0 / 7.0 < high);
        let rows = class_rows(&answers(), 4, 0.65);
        assert_eq!(rows[0], ClassRow { items: 4, recall: Some(0.75), told: 4, precision: Some(0.75) });
        assert_eq!(rows[1], ClassRow { items: 2, recall: Some(0.5), told: 0, precision: None });
        assert_eq!(rows[3], ClassRow::default());
        assert_eq!(confusion(&answers(), 4)[1], [1, 1, 0, 0]);
    }

    #[test]
    fn probabilities_that_come_true_have_no_calibration_error() {
        let bootstrap = Bootstrap { resamples: 0, ..Bootstrap::default() };
        // Of ten at 0.8 eight are right, and so on; bins of 15 parts of 1500 items hold one probability each.
        let calm = |off: f64| -> Vec<Answer> {
            (0..1500)
                .map(|n| {
                    let bin = n / 100;
                    let p = 0.05 + 0.06 * f64::from(bin);
                    let right = f64::from(n % 100) < (100.0 * p).round();
                    answer(0, usize::from(!right), (p + off).clamp(0.0, 1.0))
                })
                .collect()
        };
        assert!(value(class_figures(&calm(0.0), 2, 0.5, &bootstrap).ece) < 0.005);
        assert!((value(class_figures(&calm(0.1), 2, 0.5, &bootstrap).ece) - 0.1).abs() < 0.01);
    }

    #[test]
    fn nothing_is_said_of_no_items() {
        assert_eq!(class_figures(&[], 3, 0.5, &Bootstrap::default()), ClassFigures::default());
    }
}
