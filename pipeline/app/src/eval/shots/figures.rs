// SPDX-License-Identifier: Apache-2.0
//! What the found boundaries are worth.

use std::{collections::BTreeMap, fmt::Write};

use polygraph_core::evaluation::{Bootstrap, Estimate};
use serde::Serialize;

use super::{Boundary, Item};

/// Intervals are over stretches of this length: errors of one stretch may have one cause.
const STRETCH_S: f64 = 10.0;

/// Which found boundary is which labelled one.
#[derive(Clone, Debug, Default)]
pub struct Judged {
    /// Numbers of the labelled and the found one, their kinds being the same or not, and by how much start and end are off.
    pub pairs: Vec<Pair>,
    /// Numbers of labelled ones.
    pub missed: Vec<usize>,
    /// Numbers of found ones.
    pub wrong: Vec<usize>,
    /// Matched, missed and wrong ones of each stretch.
    stretches: BTreeMap<u64, [f64; 3]>,
}

#[derive(Clone, Copy, Debug)]
pub struct Pair {
    gradual: bool,
    same_kind: bool,
    off_s: [f64; 2],
}

/// Holds found boundaries against labelled ones: each matches at most one, the nearest that it touches within the tolerance.
pub fn judge(truth: &[Boundary], found: &[Boundary], tolerance_s: f64) -> Judged {
    let touches = |a: &Boundary, b: &Boundary| a.start_s <= b.end_s + tolerance_s && b.start_s <= a.end_s + tolerance_s;
    let off = |a: &Boundary, b: &Boundary| (a.start_s - b.start_s).abs() + (a.end_s - b.end_s).abs();
    let stretch = |boundary: &Boundary| (boundary.end_s / STRETCH_S) as u64;
    let mut judged = Judged::default();
    let mut free: Vec<bool> = vec![true; found.len()];
    for (index, label) in truth.iter().enumerate().filter(|(_, label)| label.kind != "ignore") {
        let near = (0..found.len()).filter(|at| free[*at] && touches(label, &found[*at]));
        let nearest = near.min_by(|a, b| off(label, &found[*a]).total_cmp(&off(label, &found[*b])));
        let counts = judged.stretches.entry(stretch(label)).or_default();
        let Some(at) = nearest else {
            counts[1] += 1.0;
            judged.missed.push(index);
            continue;
        };
        free[at] = false;
        counts[0] += 1.0;
        judged.pairs.push(Pair {
            gradual: label.kind != "cut",
            same_kind: label.kind == found[at].kind,
            off_s: [(label.start_s - found[at].start_s).abs(), (label.end_s - found[at].end_s).abs()],
        });
    }
    let ignored = |found: &Boundary| truth.iter().any(|label| label.kind == "ignore" && touches(label, found));
    for (at, boundary) in found.iter().enumerate().filter(|(at, boundary)| free[*at] && !ignored(boundary)) {
        judged.stretches.entry(stretch(boundary)).or_default()[2] += 1.0;
        judged.wrong.push(at);
    }
    judged
}

/// One detector on one corpus.
#[derive(Clone, Debug, Serialize)]
pub struct Figures {
    pub corpus: String,
    pub detector: String,
    /// Labelled boundaries, and those found.
    pub labelled: usize,
    pub found: usize,
    pub precision: Option<Estimate>,
    pub recall: Option<Estimate>,
    pub f1: Option<Estimate>,
    /// Matched ones of the right kind.
    pub right_kind: usize,
    /// Matched gradual ones, and those of them whose start and end are both within the tolerance.
    pub gradual: usize,
    pub gradual_in_place: usize,
    /// Matched cuts, and those of them at the very picture.
    pub cuts: usize,
    pub cuts_exact: usize,
}

/// The figures of each detector on each corpus.
pub fn figures(items: &[Item], resamples: usize) -> Vec<Figures> {
    let bootstrap = Bootstrap { resamples, ..Bootstrap::default() };
    let mut groups: BTreeMap<(&str, &str), Vec<&Item>> = BTreeMap::new();
    for item in items {
        groups.entry((&item.corpus, &item.detector)).or_default().push(item);
    }
    groups.into_iter().map(|((corpus, detector), items)| one(corpus, detector, &items, &bootstrap)).collect()
}

fn one(corpus: &str, detector: &str, items: &[&Item], bootstrap: &Bootstrap) -> Figures {
    let stretches: Vec<[f64; 3]> = items.iter().flat_map(|item| item.judged.stretches.values().copied()).collect();
    let [precision, recall, f1] = bootstrap.estimate(stretches.len(), |drawn| {
        let sum = |part: usize| -> f64 { stretches.iter().zip(drawn).map(|(own, n)| own[part] * f64::from(*n)).sum() };
        let [matched, missed, wrong] = [sum(0), sum(1), sum(2)];
        let share = |of: f64| (of > 0.0).then(|| matched / of);
        [share(matched + wrong), share(matched + missed), share(matched + 0.5 * (missed + wrong))]
    });
    let pairs: Vec<&Pair> = items.iter().flat_map(|item| &item.judged.pairs).collect();
    let count = |which: &dyn Fn(&Pair) -> bool| pairs.iter().filter(|pair| which(pair)).count();
    let missed: usize = items.iter().map(|item| item.judged.missed.len()).sum();
    let wrong: usize = items.iter().map(|item| item.judged.wrong.len()).sum();
    let within = |pair: &Pair, most_s: f64| pair.off_s.iter().all(|off| *off <= most_s);
    Figures {
        corpus: corpus.to_owned(),
        detector: detector.to_owned(),
        labelled: pairs.len() + missed,
        found: pairs.len() + wrong,
        precision,
        recall,
        f1,
        right_kind: count(&|pair| pair.same_kind),
        gradual: count(&|pair| pair.gradual),
        gradual_in_place: count(&|pair| pair.gradual && within(pair, super::TOLERANCE_S)),
        cuts: count(&|pair| !pair.gradual),
        cuts_exact: count(&|pair| !pair.gradual && within(pair, 0.011)),
    }
}

/// The figures for people.
pub fn table(figures: &[Figures]) -> String {
    let mut text = String::new();
    let told = |estimate: Option<Estimate>| match estimate {
        Some(Estimate { value, interval: Some([low, high]) }) => format!("{value:.3} [{low:.3}, {high:.3}]"),
        Some(Estimate { value, interval: None }) => format!("{value:.3}"),
        None => "-".into(),
    };
    for one in figures {
        let _ = writeln!(
            text,
            "{:16} {:12} F1 {}  precision {}  recall {}  ({} labelled, {} found; gradual ones in place {} of {}, cuts at the \
             very picture {} of {}, of the right kind {})",
            one.corpus,
            one.detector,
            told(one.f1),
            told(one.precision),
            told(one.recall),
            one.labelled,
            one.found,
            one.gradual_in_place,
            one.gradual,
            one.cuts_exact,
            one.cuts,
            one.right_kind
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(kind: &str, start_s: f64, end_s: f64) -> Boundary {
        Boundary { kind: kind.into(), start_s, end_s }
    }

    #[test]
    fn each_label_is_met_once_and_what_is_ignored_counts_neither_way() {
        let truth = [at("cut", 1.0, 1.0), at("dissolve", 3.0, 4.0), at("ignore", 8.0, 9.0), at("cut", 20.0, 20.0)];
        let found = [at("cut", 1.08, 1.08), at("cut", 1.04, 1.04), at("wipe", 3.5, 3.9), at("cut", 8.5, 8.5)];
        let judged = judge(&truth, &found, 0.081);
        assert_eq!((judged.pairs.len(), judged.missed, judged.wrong), (2, vec![3], vec![0]));
        assert_eq!(judged.stretches[&0], [2.0, 0.0, 1.0]);
        assert!(judge(&truth[..1], &[at("cut", 1.12, 1.12)], 0.081).pairs.is_empty(), "three pictures are too many");
    }
}
