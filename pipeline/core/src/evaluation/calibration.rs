// SPDX-License-Identifier: Apache-2.0
//! From a logit to a probability, and from probabilities to a threshold.

use serde::Serialize;

/// Steps of Newton's method at most; ten are usual.
const MOST_STEPS: usize = 100;
/// Added to the Hessian's diagonal, so that it can be inverted when all logits are alike.
const RIDGE: f64 = 1e-12;

/// Platt scaling: `p = sigmoid(scale * logit + offset)` (Platt, "Probabilistic outputs for support vector machines",
/// 1999).
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Platt {
    /// Factor of the logit.
    pub scale: f64,
    /// Added to it.
    pub offset: f64,
}

/// Why nothing could be fitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FitError {
    /// A class is missing.
    #[error("there are {genuine} genuine and {manipulated} manipulated items with a score; both are needed")]
    OneClass {
        /// Genuine items.
        genuine: usize,
        /// Manipulated items.
        manipulated: usize,
    },
    /// The scores run against the labels.
    #[error("manipulated items don't score higher than genuine ones: there is nothing to calibrate")]
    Reversed,
}

impl Platt {
    /// Fits logits to labels (`true`: manipulated) by maximum likelihood with Platt's smoothed targets, by Newton's
    /// method with backtracking (Lin, Lin and Weng, "A note on Platt's probabilistic outputs", 2007).
    ///
    /// Both classes weigh the same, whatever their numbers: `p` is the probability at even odds, and a folder with four
    /// fakes for each original doesn't make it higher.
    ///
    /// # Errors
    /// [`FitError`] when there is nothing to fit.
    pub fn fit(items: &[(f64, bool)]) -> Result<Self, FitError> {
        let manipulated = items.iter().filter(|(_, manipulated)| *manipulated).count();
        let genuine = items.len() - manipulated;
        if genuine == 0 || manipulated == 0 {
            return Err(FitError::OneClass { genuine, manipulated });
        }
        let target = |class: bool| {
            if class { (manipulated as f64 + 1.0) / (manipulated as f64 + 2.0) } else { 1.0 / (genuine as f64 + 2.0) }
        };
        let weight = |class: bool| 0.5 / if class { manipulated as f64 } else { genuine as f64 };
        let points: Vec<_> =
            items.iter().map(|(x, class)| Point { x: *x, target: target(*class), weight: weight(*class) }).collect();
        let fit = newton(&points);
        if fit.scale > 0.0 { Ok(fit) } else { Err(FitError::Reversed) }
    }

    /// The probability that belongs to a logit.
    pub fn p(&self, logit: f64) -> f64 {
        sigmoid(self.scale * logit + self.offset)
    }

    /// The logit that belongs to a probability.
    pub fn logit(&self, p: f64) -> f64 {
        ((p / (1.0 - p)).ln() - self.offset) / self.scale
    }
}

struct Point {
    x: f64,
    target: f64,
    weight: f64,
}

fn newton(points: &[Point]) -> Platt {
    let mut fit = Platt { scale: 0.0, offset: 0.0 };
    let mut loss = cross_entropy(points, fit);
    for _ in 0..MOST_STEPS {
        // Gradient and Hessian of the weighted cross entropy.
        let (mut ga, mut gb, mut haa, mut hab, mut hbb) = (0.0, 0.0, RIDGE, 0.0, RIDGE);
        for Point { x, target, weight } in points {
            let p = fit.p(*x);
            let (first, second) = (weight * (p - target), weight * p * (1.0 - p));
            ga += first * x;
            gb += first;
            haa += second * x * x;
            hab += second * x;
            hbb += second;
        }
        let determinant = haa * hbb - hab * hab;
        let step = [(hbb * ga - hab * gb) / determinant, (haa * gb - hab * ga) / determinant];
        let Some((next, lower)) = backtrack(points, fit, step, loss) else { break };
        let gain = loss - lower;
        (fit, loss) = (next, lower);
        if gain < 1e-14 {
            break;
        }
    }
    fit
}

/// The longest of the halved steps that lowers the loss.
fn backtrack(points: &[Point], fit: Platt, [da, db]: [f64; 2], loss: f64) -> Option<(Platt, f64)> {
    let halved = (0..40).map(|halvings| 0.5f64.powi(halvings));
    halved
        .map(|part| Platt { scale: fit.scale - part * da, offset: fit.offset - part * db })
        .map(|next| (next, cross_entropy(points, next)))
        .find(|(_, lower)| *lower < loss)
}

fn cross_entropy(points: &[Point], fit: Platt) -> f64 {
    let loss = |Point { x, target, weight }: &Point| {
        let z = fit.scale * x + fit.offset;
        // ln(1 + exp(-|z|)) never overflows.
        weight * (z.max(0.0) - target * z + (-z.abs()).exp().ln_1p())
    };
    points.iter().map(loss).sum()
}

fn sigmoid(z: f64) -> f64 {
    1.0 / (1.0 + (-z).exp())
}

/// The threshold at which at most the part `fpr` of genuine items alarms (an item alarms at or over it): half way
/// between the last that may alarm and the first that may not. `None` without items.
pub fn threshold_at(fpr: f64, genuine: &[f64]) -> Option<f64> {
    let mut scores = genuine.to_vec();
    scores.sort_by(|a, b| b.total_cmp(a));
    let quiet = *scores.get((fpr * scores.len() as f64) as usize)?;
    // Items tied with the first quiet one are quiet as well.
    let alarm = scores.iter().rev().find(|score| **score > quiet);
    let between = alarm.map(|alarm| quiet + (alarm - quiet) / 2.0).filter(|between| *between > quiet);
    Some(between.unwrap_or_else(|| quiet.next_up()))
}

/// The part of alarms that are right when the part `prevalence` of all items is manipulated (Bayes). `None` when
/// nothing alarms.
pub fn positive_predictive_value(tpr: f64, fpr: f64, prevalence: f64) -> Option<f64> {
    let (right, wrong) = (tpr * prevalence, fpr * (1.0 - prevalence));
    (right + wrong > 0.0).then(|| right / (right + wrong))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_known_logistic_curve_is_found_again() {
        // Expected counts of p = sigmoid(2 x - 1) on a grid, half of all genuine: as many as to make smoothing vanish.
        let truth = Platt { scale: 2.0, offset: -1.0 };
        let mut items = Vec::new();
        let xs: Vec<f64> = (-20..=20).map(|n| f64::from(n) / 8.0).collect();
        for x in xs {
            let manipulated = (truth.p(x) * 2000.0).round() as usize;
            items.extend((0..2000).map(|n| (x, n < manipulated)));
        }
        let fit = Platt::fit(&items).unwrap();
        // Even odds shift the offset by the log of the classes' ratio and leave the scale.
        let manipulated = items.iter().filter(|(_, class)| *class).count() as f64;
        let shift = (manipulated / (items.len() as f64 - manipulated)).ln();
        assert!((fit.scale - 2.0).abs() < 0.05, "{fit:?}");
        assert!((fit.offset + 1.0 + shift).abs() < 0.05, "{fit:?}, shift {shift}");
    }

    #[test]
    fn separable_scores_stay_finite() {
        let items: Vec<_> = (0..20).map(|n| (f64::from(n), n >= 10)).collect();
        let fit = Platt::fit(&items).unwrap();
        assert!(fit.scale.is_finite() && (0.85..0.999).contains(&fit.p(19.0)), "{fit:?}");
        assert!((fit.logit(fit.p(3.5)) - 3.5).abs() < 1e-9);
    }

    #[test]
    fn nothing_is_fitted_to_one_class_or_to_reversed_scores() {
        let genuine = FitError::OneClass { genuine: 2, manipulated: 0 };
        assert_eq!(Platt::fit(&[(0.0, false), (1.0, false)]), Err(genuine));
        assert_eq!(Platt::fit(&[(1.0, false), (2.0, false), (0.0, true)]), Err(FitError::Reversed));
        assert_eq!(Platt::fit(&[(1.0, false), (1.0, true)]), Err(FitError::Reversed));
    }

    #[test]
    fn the_threshold_lets_no_more_alarm_than_it_may() {
        let genuine: Vec<f64> = (0..40).map(f64::from).collect();
        assert_eq!(threshold_at(0.05, &genuine), Some(37.5));
        assert_eq!(threshold_at(0.05, &[0.1, 0.3]), Some(0.3f64.next_up()), "two items: none may alarm");
        assert_eq!(threshold_at(0.5, &[0.2, 0.2, 0.2, 0.9]), Some(0.55));
        assert_eq!(threshold_at(0.05, &[]), None);
    }

    #[test]
    fn rare_manipulations_make_alarms_wrong() {
        let value = positive_predictive_value(0.5, 0.05, 0.01).unwrap();
        assert!((value - 0.005 / 0.0545).abs() < 1e-12);
        assert_eq!(positive_predictive_value(0.0, 0.0, 0.1), None);
    }
}
