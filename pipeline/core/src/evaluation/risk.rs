// SPDX-License-Identifier: Apache-2.0
//! What is won by keeping silent where one isn't sure.

use serde::Serialize;

/// A decision about an item.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Decision {
    /// How far the score lies from the threshold; items are given up from the least on. `None`: not judged at all.
    pub confidence: Option<f64>,
    /// The decision was wrong.
    pub wrong: bool,
    /// The truth.
    pub manipulated: bool,
}

/// The risk of a detector that answers for the surest part of items only (El-Yaniv and Wiener, 2010).
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct RiskCoverage {
    /// `[coverage, risk]` by rising coverage; ends where items were not judged.
    pub points: Vec<[f64; 2]>,
    /// Mean risk over the coverages reached (AURC, Geifman et al., 2019).
    pub area: f64,
}

/// Follows the risk (the part of wrong decisions) as coverage grows, both classes weighing the same. `None` when a
/// class is missing or nothing was judged.
pub fn risk_coverage(decisions: &[Decision]) -> Option<RiskCoverage> {
    let count = |class: bool| decisions.iter().filter(|decision| decision.manipulated == class).count() as f64;
    let weights = [0.5 / count(false), 0.5 / count(true)];
    let mut judged: Vec<_> = decisions.iter().filter_map(|decision| Some((decision.confidence?, *decision))).collect();
    if judged.is_empty() || weights.iter().any(|weight| !weight.is_finite()) {
        return None;
    }
    judged.sort_by(|a, b| b.0.total_cmp(&a.0));
    let (mut coverage, mut wrong, mut area) = (0.0, 0.0, 0.0);
    let mut points = Vec::new();
    for (at, (confidence, decision)) in judged.iter().enumerate() {
        let weight = weights[usize::from(decision.manipulated)];
        coverage += weight;
        wrong += if decision.wrong { weight } else { 0.0 };
        // Equally sure decisions are taken or given up together.
        if judged.get(at + 1).is_none_or(|(next, _)| next < confidence) {
            let before = points.last().map_or(0.0, |[coverage, _]: &[f64; 2]| *coverage);
            area += (coverage - before) * wrong / coverage;
            points.push([coverage, wrong / coverage]);
        }
    }
    Some(RiskCoverage { points, area: area / coverage })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decision(confidence: impl Into<Option<f64>>, wrong: bool, manipulated: bool) -> Decision {
        Decision { confidence: confidence.into(), wrong, manipulated }
    }

    #[test]
    fn risk_grows_as_unsure_decisions_are_taken() {
        let decisions = [
            decision(3.0, false, true),
            decision(2.0, false, false),
            decision(1.0, true, true),
            decision(None, true, false),
        ];
        let found = risk_coverage(&decisions).unwrap();
        assert_eq!(found.points, [[0.25, 0.0], [0.5, 0.0], [0.75, 1.0 / 3.0]]);
        assert!((found.area - 0.25 / 3.0 / 0.75).abs() < 1e-12);
    }

    #[test]
    fn equally_sure_decisions_go_together() {
        let decisions = [decision(1.0, true, true), decision(1.0, false, false)];
        assert_eq!(risk_coverage(&decisions).unwrap().points, [[1.0, 0.5]]);
    }

    #[test]
    fn nothing_judged_or_one_class_is_no_curve() {
        assert_eq!(risk_coverage(&[decision(1.0, false, true)]), None);
        assert_eq!(risk_coverage(&[decision(None, false, true), decision(None, false, false)]), None);
    }
}
