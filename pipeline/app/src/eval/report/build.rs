// SPDX-License-Identifier: Apache-2.0
//! From outcomes to a report.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet, HashMap},
};

use polygraph_core::evaluation::{
    Bootstrap, Decision, Estimate, Figures, Persons, Platt, Ranking, Reliability, Sample, paired,
    positive_predictive_value, risk_coverage,
};

use super::{
    About, BaselineFigures, Calibrated, Calibration, FalseAlarms, Group, ItemLine, Listed, Measured, Report, SMALL,
    WORST, fairness,
    group::{Ended, sample},
};
use crate::eval::{
    baselines::Baseline,
    manifest::{Item, Manifest, Split},
    outcome::Outcome,
    work::Run,
};

/// Bins of the reliability diagram.
const BINS: usize = 10;
/// A curve has at most so many points in the report.
const POINTS: usize = 500;

impl Calibration {
    /// The logit at which signs begin.
    pub fn logit(&self) -> f64 {
        Platt { scale: self.scale, offset: self.offset }.logit(self.threshold)
    }
}

/// The part of alarms that are right where 1 % and where 10 % of all items are manipulated.
pub fn predictive_values(ranking: &Ranking, threshold: f64, bootstrap: &Bootstrap) -> [Option<Estimate>; 2] {
    bootstrap.estimate(ranking.persons(), |drawn| {
        let Figures { tpr, fpr, .. } = ranking.figures(drawn, Some(threshold));
        [0.01, 0.1].map(|prevalence| positive_predictive_value(tpr?, fpr?, prevalence))
    })
}

/// Puts a report together.
pub fn build(about: About, manifest: &Manifest, runs: &[Run], baselines: &[Baseline], bootstrap: &Bootstrap) -> Report {
    let calibration = about.calibration;
    let conditions =
        runs.iter().map(|run| measured(run, &ended(manifest, run), calibration.as_ref(), bootstrap)).collect();
    let first = runs.first().map(|run| ended(manifest, run)).unwrap_or_default();
    let mut report = Report {
        warnings: warnings(manifest, &about, &first),
        conditions,
        baselines: baseline_figures(&first, baselines, bootstrap),
        small: Vec::new(),
        items: runs.iter().flat_map(|run| ended(manifest, run).into_iter().map(|one| line(run, one))).collect(),
        about,
    };
    report.small = small(&report.items, runs);
    report
}

fn ended<'a>(manifest: &'a Manifest, run: &'a Run) -> Vec<Ended<'a>> {
    run.outcomes.iter().filter_map(|(number, outcome)| Some((manifest.items.get(*number)?, outcome))).collect()
}

fn line(run: &Run, (item, outcome): Ended<'_>) -> ItemLine {
    ItemLine {
        path: item.path.clone(),
        label: item.label(),
        corpus: item.corpus.clone(),
        manipulation: item.manipulation.clone(),
        person: item.person,
        condition: run.condition,
        outcome: outcome.clone(),
    }
}

fn measured(run: &Run, items: &[Ended<'_>], calibration: Option<&Calibration>, bootstrap: &Bootstrap) -> Measured {
    let pairs = pairs(items);
    let ranking = Ranking::new(items.iter().filter_map(sample));
    let overall = Group::of("all", items, calibration, bootstrap);
    let ppv = calibration.map(|calibration| predictive_values(&ranking, calibration.logit(), bootstrap));
    Measured {
        condition: run.condition,
        title: run.condition.in_words(),
        psnr_db: run.psnr_db,
        seconds: run.seconds,
        by_corpus: by_corpus(items, calibration, bootstrap),
        by_manipulation: by_manipulation(items, calibration, bootstrap),
        paired: paired(&pairs, bootstrap),
        pairs: pairs.len(),
        roc: thinned(&ranking.roc()),
        risk_coverage: calibration.and_then(|calibration| risk(items, calibration)),
        reliability: reliability(items, bootstrap),
        false_alarms: ppv.map(|ppv| false_alarms(items, ppv, bootstrap)),
        overall,
    }
}

fn by_corpus(items: &[Ended<'_>], calibration: Option<&Calibration>, bootstrap: &Bootstrap) -> Vec<Group> {
    let mut corpora: BTreeMap<&str, Vec<Ended<'_>>> = BTreeMap::new();
    for one in items {
        corpora.entry(&one.0.corpus).or_default().push(*one);
    }
    corpora.iter().map(|(corpus, items)| Group::of(corpus, items, calibration, bootstrap)).collect()
}

fn by_manipulation(items: &[Ended<'_>], calibration: Option<&Calibration>, bootstrap: &Bootstrap) -> Vec<Group> {
    let names: BTreeSet<&str> = items.iter().map(|(item, _)| item.manipulation.as_str()).collect();
    let of = |name: &&str| {
        let own: Vec<Ended<'_>> = items.iter().filter(|(item, _)| item.manipulation == *name).copied().collect();
        let corpora: BTreeSet<&str> = own.iter().map(|(item, _)| item.corpus.as_str()).collect();
        let genuine = || items.iter().filter(|(item, _)| !item.manipulated).copied();
        let near: Vec<_> = genuine().filter(|(item, _)| corpora.contains(item.corpus.as_str())).collect();
        let genuine = if near.is_empty() { genuine().collect() } else { near };
        Group::of(name, &[own, genuine].concat(), calibration, bootstrap)
    };
    names.iter().filter(|name| !name.is_empty()).map(of).collect()
}

/// Judged pairs: person, score of the original, score of the manipulated item.
fn pairs<'a>(items: &[Ended<'a>]) -> Vec<(usize, f64, f64)> {
    let score = |outcome: &Outcome| outcome.score().map(|score| score.logit);
    let pair = |item: &'a Item| Some((item.corpus.as_str(), item.pair.as_deref()?));
    let originals: HashMap<(&str, &str), (usize, f64)> = items
        .iter()
        .filter(|(item, _)| !item.manipulated)
        .filter_map(|(item, outcome)| Some((pair(item)?, (item.person, score(outcome)?))))
        .collect();
    let manipulated = items.iter().filter(|(item, _)| item.manipulated);
    manipulated
        .filter_map(|(item, outcome)| {
            let (person, original) = *originals.get(&pair(item)?)?;
            Some((person, original, score(outcome)?))
        })
        .collect()
}

fn risk(items: &[Ended<'_>], calibration: &Calibration) -> Option<polygraph_core::evaluation::RiskCoverage> {
    let threshold = calibration.logit();
    let decision = |(item, outcome): &Ended<'_>| Decision {
        confidence: outcome.score().map(|score| (score.logit - threshold).abs()),
        wrong: outcome.signs() != item.manipulated,
        manipulated: item.manipulated,
    };
    let mut curve = risk_coverage(&items.iter().map(decision).collect::<Vec<_>>())?;
    curve.points = thinned(&curve.points);
    Some(curve)
}

fn reliability(items: &[Ended<'_>], bootstrap: &Bootstrap) -> Option<Calibrated> {
    // Persons numbered from 0, as resampling wants them.
    let mut numbers = BTreeMap::new();
    let mut samples = Vec::new();
    for (item, outcome) in items {
        let Some(p) = outcome.score().and_then(|score| score.p) else { continue };
        let next = numbers.len();
        let person = *numbers.entry(item.person).or_insert(next);
        samples.push(Sample { score: p, manipulated: item.manipulated, person });
    }
    let reliability = Reliability::new(samples, BINS)?;
    Some(Calibrated { ece: reliability.ece(numbers.len(), bootstrap), bins: reliability.bins() })
}

fn false_alarms(items: &[Ended<'_>], ppv: [Option<Estimate>; 2], bootstrap: &Bootstrap) -> FalseAlarms {
    let judged = |(item, outcome): &&Ended<'_>| !item.manipulated && outcome.score().is_some();
    let genuine: Vec<Ended<'_>> = items.iter().filter(judged).copied().collect();
    let persons =
        Persons::of(&genuine.iter().map(|(item, outcome)| (item.person, outcome.signs())).collect::<Vec<_>>());
    let alarmed = persons.rates().iter().filter(|rate| rate.alarms > 0);
    FalseAlarms {
        persons: persons.rates().len(),
        persons_alarmed: persons.alarmed(),
        worst_decile: persons.worst_decile(),
        worst: alarmed.take(WORST).copied().collect(),
        proxies: fairness::proxies(&genuine, bootstrap),
        ppv,
        not_assessed: "age and sex: not assessed",
    }
}

/// Other means, each in the direction in which it is better.
fn baseline_figures(items: &[Ended<'_>], baselines: &[Baseline], bootstrap: &Bootstrap) -> Vec<BaselineFigures> {
    let size = |(item, _): &Ended<'_>| item.file.as_ref().ok().map(|(_, bytes)| *bytes as f64);
    let sharpness = |(_, outcome): &Ended<'_>| outcome.traits.map(|traits| traits.sharpness);
    let mut figures = vec![
        figures("file size alone", items, size, bootstrap),
        figures("sharpness alone", items, sharpness, bootstrap),
    ];
    figures.extend(baselines.iter().map(|baseline| {
        let score = |(item, _): &Ended<'_>| baseline.scores.get(&item.path).copied().filter(|score| score.is_finite());
        figures_as_given(&baseline.name, items, score, bootstrap)
    }));
    figures
}

/// Of a value whose direction isn't known: the better one is taken, to the network's disadvantage.
fn figures(
    name: &str,
    items: &[Ended<'_>],
    value: impl Fn(&Ended<'_>) -> Option<f64>,
    bootstrap: &Bootstrap,
) -> BaselineFigures {
    let higher = figures_as_given(name, items, &value, bootstrap);
    if higher.auc.is_none_or(|auc| auc.value >= 0.5) {
        return higher;
    }
    let lower = figures_as_given(name, items, |one| value(one).map(|value| -value), bootstrap);
    BaselineFigures { direction: "lower", ..lower }
}

fn figures_as_given(
    name: &str,
    items: &[Ended<'_>],
    value: impl Fn(&Ended<'_>) -> Option<f64>,
    bootstrap: &Bootstrap,
) -> BaselineFigures {
    // Only items that both have.
    let both: Vec<(Sample, f64)> = items.iter().filter_map(|one| Some((sample(one)?, value(one)?))).collect();
    let auc = |samples: Vec<Sample>| Ranking::new(samples).estimate(None, bootstrap).auc;
    BaselineFigures {
        name: name.to_owned(),
        direction: "higher",
        items: both.len(),
        auc: auc(both.iter().map(|(sample, value)| Sample { score: *value, ..*sample }).collect()),
        network_auc: auc(both.iter().map(|(sample, _)| *sample).collect()),
    }
}

/// Small corpora of the first condition, the highest score first.
fn small(items: &[ItemLine], runs: &[Run]) -> Vec<Listed> {
    let Some(first) = runs.first() else { return Vec::new() };
    let mut corpora: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (number, item) in items.iter().enumerate().take(first.outcomes.len()) {
        corpora.entry(&item.corpus).or_default().push(number);
    }
    let listed = corpora.into_iter().filter(|(_, items)| items.len() < SMALL);
    listed
        .map(|(corpus, mut numbers)| {
            let logit = |number: &usize| items[*number].outcome.score().map_or(f64::MIN, |score| score.logit);
            numbers.sort_by(|a, b| logit(b).total_cmp(&logit(a)));
            Listed { corpus: corpus.to_owned(), items: numbers }
        })
        .collect()
}

fn warnings(manifest: &Manifest, about: &About, first: &[Ended<'_>]) -> Vec<String> {
    let mut warnings = Vec::new();
    let persons = |split: Split| -> BTreeSet<usize> {
        manifest.items.iter().filter(|item| item.split == split).map(|item| item.person).collect()
    };
    let shared = persons(Split::Calibration).intersection(&persons(Split::Test)).count();
    if shared > 0 {
        warnings.push(format!("persons that are in both splits, so that the threshold has seen them: {shared}"));
    }
    if about.split == Split::Calibration {
        warnings.push("these are calibration items: scale, offset and threshold were chosen on them".into());
    }
    if let Some(limit) = about.limit {
        warnings.push(format!("at most {limit} items of each corpus and label were taken (--limit)"));
    }
    if !about.gates {
        warnings.push("faces were scored that are refused in use (--no-gates)".into());
    }
    if about.calibration.is_none() {
        warnings.push("the network's card has no calibration with a threshold: nothing alarms".into());
    }
    let mut people: HashMap<usize, usize> = HashMap::new();
    first.iter().for_each(|(item, _)| *people.entry(item.person).or_default() += 1);
    let mut sizes: Vec<_> = people.values().copied().collect();
    sizes.sort_by_key(|size| Reverse(*size));
    if let Some(most) = sizes.first().filter(|most| sizes.len() < 10 || **most * 2 > first.len()) {
        warnings.push(format!(
            "of {} items {most} are of one person, and there are {} persons in all: intervals over few persons are too \
             narrow",
            first.len(),
            sizes.len()
        ));
    }
    warnings
}

/// A curve of not too many points, ends included.
fn thinned(points: &[[f64; 2]]) -> Vec<[f64; 2]> {
    let step = points.len().div_ceil(POINTS).max(1);
    let last = points.len().saturating_sub(1);
    points.iter().enumerate().filter(|(at, _)| at % step == 0 || *at == last).map(|(_, point)| *point).collect()
}
