// SPDX-License-Identifier: Apache-2.0
//! What must hold of an evaluation's figures whatever the scores are.

// clippy.toml lets #[test] functions unwrap; here the helpers do too.
#![allow(clippy::unwrap_used)]

use polygraph_core::evaluation::{
    Bootstrap, Decision, Platt, Random, Ranking, Reliability, Sample, positive_predictive_value, risk_coverage,
    threshold_at,
};
use proptest::prelude::*;

/// Few values, so that ties are common.
fn samples() -> impl Strategy<Value = Vec<Sample>> {
    let one = (0..20i32, any::<bool>(), 0..6usize).prop_map(|(score, manipulated, person)| Sample {
        score: f64::from(score) / 4.0 - 2.0,
        manipulated,
        person,
    });
    prop::collection::vec(one, 1..60)
}

/// AUC by its definition, pair by pair.
fn pairwise(samples: &[Sample]) -> Option<f64> {
    let mut pairs = Vec::new();
    for high in samples.iter().filter(|sample| sample.manipulated) {
        for low in samples.iter().filter(|sample| !sample.manipulated) {
            pairs.push(if high.score > low.score {
                1.0
            } else if high.score == low.score {
                0.5
            } else {
                0.0
            });
        }
    }
    (!pairs.is_empty()).then(|| pairs.iter().sum::<f64>() / pairs.len() as f64)
}

fn rate(samples: &[Sample], manipulated: bool, threshold: f64) -> f64 {
    let class: Vec<_> = samples.iter().filter(|sample| sample.manipulated == manipulated).collect();
    class.iter().filter(|sample| sample.score >= threshold).count() as f64 / class.len() as f64
}

proptest! {
    #[test]
    fn auc_is_the_part_of_pairs_in_order(samples in samples()) {
        let auc = Ranking::new(samples.clone()).auc();
        match (auc, pairwise(&samples)) {
            (Some(auc), Some(want)) => prop_assert!((auc - want).abs() < 1e-9, "{auc} is not {want}"),
            (auc, want) => prop_assert_eq!(auc, want),
        }
    }

    #[test]
    fn a_resample_is_the_items_repeated(samples in samples(), drawn in prop::collection::vec(0..3u32, 6)) {
        let repeated = samples.iter().flat_map(|sample| std::iter::repeat_n(*sample, drawn[sample.person] as usize));
        let want = pairwise(&repeated.collect::<Vec<_>>());
        let ranking = Ranking::new(samples.clone());
        // The ranking numbers persons by first appearance in order of falling score.
        let mut sorted = samples;
        sorted.sort_by(|a, b| b.score.total_cmp(&a.score));
        let mut order = Vec::new();
        for sample in &sorted {
            if !order.contains(&sample.person) {
                order.push(sample.person);
            }
        }
        let drawn: Vec<_> = order.iter().map(|person| drawn[*person]).collect();
        match (ranking.figures(&drawn, None).auc, want) {
            (Some(auc), Some(want)) => prop_assert!((auc - want).abs() < 1e-9, "{auc} is not {want}"),
            (auc, want) => prop_assert_eq!(auc, want),
        }
    }

    #[test]
    fn figures_are_parts_and_agree_with_the_curve(samples in samples(), threshold in -3.0..3.0f64) {
        let ranking = Ranking::new(samples.clone());
        let found = ranking.figures(&vec![1; ranking.persons()], Some(threshold));
        let all = [found.auc, found.eer, found.average_precision, found.tpr_at_1, found.tpr_at_5, found.tpr,
            found.fpr, found.within_person_auc];
        prop_assert!(all.into_iter().flatten().all(|value| (-1e-12..=1.0 + 1e-12).contains(&value)), "{found:?}");
        if let Some(tpr) = found.tpr {
            prop_assert!((tpr - rate(&samples, true, threshold)).abs() < 1e-12);
        }
        if let Some(fpr) = found.fpr {
            prop_assert!((fpr - rate(&samples, false, threshold)).abs() < 1e-12);
        }
        let roc = ranking.roc();
        prop_assert!(roc.windows(2).all(|pair| pair[0][0] <= pair[1][0] && pair[0][1] <= pair[1][1]));
        if let Some(auc) = found.auc {
            let area: f64 = roc.windows(2).map(|p| (p[1][0] - p[0][0]) * (p[1][1] + p[0][1]) / 2.0).sum();
            prop_assert!((area - auc).abs() < 1e-9);
            prop_assert!(found.tpr_at_1 <= found.tpr_at_5);
        }
    }

    #[test]
    fn a_threshold_keeps_its_promise(genuine in prop::collection::vec(0..50i32, 1..80), fpr in 0.0..0.5f64) {
        let genuine: Vec<f64> = genuine.into_iter().map(f64::from).collect();
        let threshold = threshold_at(fpr, &genuine).unwrap();
        let alarms = genuine.iter().filter(|score| **score >= threshold).count() as f64;
        prop_assert!(alarms <= fpr * genuine.len() as f64);
        // No lower threshold that parts the items differently keeps it.
        let quiet = genuine.iter().copied().filter(|score| *score < threshold).fold(f64::MIN, f64::max);
        let more = genuine.iter().filter(|score| **score >= quiet).count() as f64;
        prop_assert!(more > fpr * genuine.len() as f64);
    }

    #[test]
    fn calibration_keeps_the_order_and_is_a_probability(seed in any::<u64>(), gap in 0.5..4.0f64) {
        let mut random = Random::new(seed);
        let mut noise = || (0..6).map(|_| random.unit() - 0.5).sum::<f64>();
        let items: Vec<_> = (0..200).map(|n| (noise() + if n % 2 == 0 { gap } else { 0.0 }, n % 2 == 0)).collect();
        let fit = Platt::fit(&items).unwrap();
        prop_assert!(fit.scale > 0.0);
        let p: Vec<f64> = items.iter().map(|(logit, _)| fit.p(*logit)).collect();
        prop_assert!(p.iter().all(|p| (0.0..=1.0).contains(p)));
        // Maximum likelihood makes the mean probability the mean target: one half, with both classes weighing the same.
        prop_assert!((p.iter().sum::<f64>() / 200.0 - 0.5).abs() < 1e-6);
    }

    #[test]
    fn bins_lose_nobody(samples in samples(), bins in 1..20usize) {
        let samples: Vec<_> = samples.into_iter().map(|s| Sample { score: (s.score + 2.0) / 5.0, ..s }).collect();
        if let Some(reliability) = Reliability::new(samples.clone(), bins) {
            let found = reliability.bins();
            prop_assert!(found.len() <= bins);
            prop_assert_eq!(found.iter().map(|bin| bin.count).sum::<usize>(), samples.len());
            prop_assert!((found.iter().map(|bin| bin.mass).sum::<f64>() - 1.0).abs() < 1e-9);
            prop_assert!(found.windows(2).all(|pair| pair[0].p < pair[1].p));
        }
    }

    #[test]
    fn coverage_rises_to_the_part_that_was_judged(
        decisions in prop::collection::vec((prop::option::of(0..9u8), any::<bool>(), any::<bool>()), 1..40)
    ) {
        let decisions: Vec<_> = decisions.into_iter().map(|(confidence, wrong, manipulated)| Decision {
            confidence: confidence.map(f64::from), wrong, manipulated,
        }).collect();
        if let Some(found) = risk_coverage(&decisions) {
            prop_assert!(found.points.windows(2).all(|pair| pair[0][0] < pair[1][0]));
            prop_assert!(found.points.iter().all(|[_, risk]| (-1e-12..=1.0 + 1e-9).contains(risk)));
            let judged = |class: bool| {
                let all: Vec<_> = decisions.iter().filter(|decision| decision.manipulated == class).collect();
                all.iter().filter(|decision| decision.confidence.is_some()).count() as f64 / all.len() as f64
            };
            prop_assert!((found.points.last().unwrap()[0] - (judged(true) + judged(false)) / 2.0).abs() < 1e-9);
        }
    }

    #[test]
    fn alarms_are_righter_where_there_is_more_to_find(tpr in 0.01..1.0f64, fpr in 0.01..1.0f64) {
        let at = |prevalence| positive_predictive_value(tpr, fpr, prevalence).unwrap();
        prop_assert!(at(0.01) < at(0.1) && at(0.1) < at(0.5));
        prop_assert!((at(0.5) - tpr / (tpr + fpr)).abs() < 1e-12);
    }
}

/// Two equally good halves; in the second all items of a person share their noise.
#[test]
fn errors_that_sit_in_persons_widen_the_interval() {
    let width = |shared: bool| {
        let mut random = Random::new(5);
        let mut samples = Vec::new();
        for person in 0..40 {
            let offset = 4.0 * random.unit();
            for n in 0..20 {
                let noise = if shared { offset } else { 4.0 * random.unit() };
                samples.push(Sample { score: noise + f64::from(n % 2), manipulated: n % 2 == 1, person });
            }
        }
        // Each person has one class only, so that its offset counts.
        samples.retain(|sample| sample.manipulated == (sample.person % 2 == 0));
        let found = Ranking::new(samples).estimate(None, &Bootstrap::default()).auc.unwrap();
        let [low, high] = found.interval.unwrap();
        assert!(low <= found.value && found.value <= high);
        high - low
    };
    assert!(width(true) > 2.0 * width(false), "{} {}", width(true), width(false));
}

#[test]
fn a_seed_gives_the_same_interval() {
    let mut random = Random::new(9);
    let samples: Vec<_> = (0..300)
        .map(|n| Sample {
            score: random.unit() + f64::from(n % 2) * 0.3,
            manipulated: n % 2 == 1,
            person: n as usize / 6,
        })
        .collect();
    let estimate =
        |seed| Ranking::new(samples.clone()).estimate(Some(0.8), &Bootstrap { seed, ..Bootstrap::default() });
    assert_eq!(estimate(1), estimate(1));
    assert_ne!(estimate(1), estimate(2));
}
