// SPDX-License-Identifier: Apache-2.0
//! `eval.json` of voices, and what is printed: equal error rates corpus by corpus, the worst one named, never only pooled.

use std::{collections::BTreeMap, fmt};

use polygraph_core::evaluation::{Bootstrap, Estimate, Figures, Ranking, Sample, paired, share};
use polygraph_core::results::NetworkRef;
use serde::Serialize;

use super::{Outcomes, judge::Heard};
use crate::eval::{
    condition::Condition,
    manifest::{Item, Manifest, Split},
};

/// A figure of fewer items counts only by the worse end of its interval.
const FEW: usize = 30;

/// An evaluation of voices.
#[derive(Debug, Serialize)]
pub struct Report {
    /// Under which circumstances.
    pub about: About,
    /// One for each condition.
    pub conditions: Vec<Measured>,
    /// Every recording of every condition.
    pub items: Vec<Line>,
}

/// Under which circumstances.
#[derive(Debug, Serialize)]
pub struct About {
    /// Version of the command.
    pub polygraph: String,
    /// Commit that it was built from, if known.
    pub commit: Option<String>,
    /// When, RFC 3339.
    pub date: String,
    /// Processor, cores, memory.
    pub hardware: String,
    /// Which items.
    pub split: Split,
    /// Items per corpus and label at most.
    pub limit: Option<usize>,
    /// The network.
    pub network: NetworkRef,
    /// Resamples of each interval.
    pub resamples: usize,
}

/// What was measured under one condition.
#[derive(Debug, Serialize)]
pub struct Measured {
    /// Its name.
    pub condition: Condition,
    /// In words.
    pub title: String,
    /// By genuine corpus.
    pub corpora: Vec<Corpus>,
    /// By kind of synthesis.
    pub kinds: Vec<Kind>,
    /// Recordings that were not judged, by why.
    pub not_judged: BTreeMap<String, usize>,
}

/// Genuine recordings of one corpus against what is synthetic.
#[derive(Debug, Serialize)]
pub struct Corpus {
    /// Its name.
    pub corpus: String,
    /// Judged genuine recordings.
    pub genuine: usize,
    /// Speakers, or recordings where speakers aren't told.
    pub persons: usize,
    /// Part of them with signs of a synthetic voice.
    pub false_alarms: Option<Estimate>,
    /// Against each kind of synthesis that has no original, by its name, and against all of this corpus's copies.
    pub against: Vec<Against>,
    /// Part of the pairs in which the copy scores higher than its own original.
    pub copies_in_order: Option<Estimate>,
}

/// Two sets of recordings.
#[derive(Debug, Serialize)]
pub struct Against {
    /// `copies`, or a synthesiser.
    pub kind: String,
    /// Judged recordings of it.
    pub synthetic: usize,
    /// Fewer than 30 of either: met or missed by the interval's worse end only.
    pub few: bool,
    /// Equal error rate.
    pub eer: Option<Estimate>,
    /// Area under the ROC curve.
    pub auc: Option<Estimate>,
}

/// How often one kind of synthesis is found.
#[derive(Debug, Serialize)]
pub struct Kind {
    /// Its name.
    pub kind: String,
    /// Judged recordings.
    pub judged: usize,
    /// Part of them with signs of a synthetic voice.
    pub found: Option<Estimate>,
}

/// One recording.
#[derive(Debug, Serialize)]
pub struct Line {
    /// Under this condition.
    pub condition: Condition,
    /// Relative to the folder.
    pub path: String,
    /// What became of it.
    #[serde(flatten)]
    pub heard: Heard,
}

/// A judged recording.
struct Judged<'a> {
    item: &'a Item,
    logit: f64,
    signs: bool,
}

/// Makes figures of the outcomes. `calibrated`: signs mean something.
pub fn build(
    about: About,
    manifest: &Manifest,
    runs: &[(Condition, Outcomes)],
    calibrated: bool,
    bootstrap: &Bootstrap,
) -> Report {
    let conditions = runs.iter().map(|(condition, found)| measured(*condition, manifest, found, calibrated, bootstrap));
    let conditions = conditions.collect();
    let lines = runs.iter().flat_map(|(condition, found)| {
        found.iter().filter_map(|(number, heard)| {
            let path = manifest.items.get(*number)?.path.clone();
            Some(Line { condition: *condition, path, heard: heard.clone() })
        })
    });
    Report { about, conditions, items: lines.collect() }
}

fn measured(
    condition: Condition,
    manifest: &Manifest,
    found: &Outcomes,
    calibrated: bool,
    bootstrap: &Bootstrap,
) -> Measured {
    let (mut judged, mut not_judged) = (Vec::new(), BTreeMap::new());
    for (item, heard) in found.iter().filter_map(|(number, heard)| Some((manifest.items.get(*number)?, heard))) {
        let why = match heard {
            Heard::Judged { logit, signs } => {
                judged.push(Judged { item, logit: *logit, signs: *signs == Some(true) });
                continue;
            }
            Heard::NotJudged { reason } => reason.map_or("no_speech", |reason| reason.as_str()).to_owned(),
            Heard::Unreadable { .. } => "unreadable".to_owned(),
        };
        *not_judged.entry(format!("{}: {why}", name(item))).or_default() += 1;
    }
    let mut names: Vec<&str> = judged.iter().filter(|one| !one.item.manipulated).map(|one| &*one.item.corpus).collect();
    names.sort_unstable();
    names.dedup();
    let corpora = names.into_iter().map(|name| corpus(name, &judged, calibrated, bootstrap)).collect();
    let mut kinds: BTreeMap<&str, Vec<(usize, bool)>> = BTreeMap::new();
    for one in judged.iter().filter(|one| one.item.manipulated) {
        kinds.entry(&one.item.manipulation).or_default().push((one.item.person, one.signs));
    }
    let kinds = kinds.into_iter().map(|(kind, items)| Kind {
        kind: kind.to_owned(),
        judged: items.len(),
        found: calibrated.then(|| share(&items, bootstrap)).flatten(),
    });
    Measured { condition, title: condition.in_words(), corpora, kinds: kinds.collect(), not_judged }
}

/// Corpus of a genuine recording, kind of a synthetic one.
fn name(item: &Item) -> &str {
    if item.manipulated { &item.manipulation } else { &item.corpus }
}

fn corpus(name: &str, judged: &[Judged<'_>], calibrated: bool, bootstrap: &Bootstrap) -> Corpus {
    let genuine: Vec<&Judged<'_>> =
        judged.iter().filter(|one| !one.item.manipulated && one.item.corpus == name).collect();
    let mut kinds: BTreeMap<&str, Vec<&Judged<'_>>> = BTreeMap::new();
    for one in judged.iter().filter(|one| one.item.manipulated) {
        if one.item.pair.is_none() {
            kinds.entry(&one.item.manipulation).or_default().push(one);
        } else if one.item.corpus == name {
            kinds.entry("copies").or_default().push(one);
        }
    }
    let alarms: Vec<_> = genuine.iter().map(|one| (one.item.person, one.signs)).collect();
    let original = |copy: &Judged<'_>| genuine.iter().find(|one| one.item.pair == copy.item.pair);
    let copies = kinds.get("copies").into_iter().flatten();
    let pairs: Vec<_> = copies.filter_map(|copy| Some((copy.item.person, original(copy)?.logit, copy.logit))).collect();
    let mut persons: Vec<usize> = alarms.iter().map(|(person, _)| *person).collect();
    persons.sort_unstable();
    persons.dedup();
    Corpus {
        corpus: name.to_owned(),
        genuine: genuine.len(),
        persons: persons.len(),
        false_alarms: calibrated.then(|| share(&alarms, bootstrap)).flatten(),
        against: kinds.into_iter().map(|(kind, fakes)| against(kind, &genuine, &fakes, bootstrap)).collect(),
        copies_in_order: paired(&pairs, bootstrap),
    }
}

fn against(kind: &str, genuine: &[&Judged<'_>], fakes: &[&Judged<'_>], bootstrap: &Bootstrap) -> Against {
    let samples = genuine.iter().chain(fakes).map(|one| Sample {
        score: one.logit,
        manipulated: one.item.manipulated,
        person: one.item.person,
    });
    let Figures { eer, auc, .. } = Ranking::new(samples).estimate(None, bootstrap);
    let few = genuine.len().min(fakes.len()) < FEW;
    Against { kind: kind.to_owned(), synthetic: fakes.len(), few, eer, auc }
}

/// A rate in per cent with its interval.
fn percent(estimate: Option<&Estimate>) -> String {
    let Some(Estimate { value, interval }) = estimate else { return "-".into() };
    let range = interval.map(|[low, high]| format!(" ({:.1} to {:.1})", 100.0 * low, 100.0 * high));
    format!("{:.1}{}", 100.0 * value, range.unwrap_or_default())
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for measured in &self.conditions {
            writeln!(
                f,
                "{} ({}): equal error rates in per cent, with 95 % intervals",
                measured.condition, measured.title
            )?;
            for corpus in &measured.corpora {
                writeln!(f, "  {}, {} genuine of {} speakers:", corpus.corpus, corpus.genuine, corpus.persons)?;
                for against in &corpus.against {
                    let few = if against.few { ", few" } else { "" };
                    let eer = percent(against.eer.as_ref());
                    writeln!(f, "    against {:10} {eer}, {} recordings{few}", against.kind, against.synthetic)?;
                }
                let (order, alarms) = (percent(corpus.copies_in_order.as_ref()), percent(corpus.false_alarms.as_ref()));
                writeln!(f, "    copies above their originals {order}; false alarms {alarms}")?;
            }
            if let Some((corpus, worst)) = measured.worst("kokoro") {
                writeln!(f, "  worst corpus against kokoro: {corpus}, {}", percent(Some(&worst)))?;
            }
            for kind in &measured.kinds {
                writeln!(
                    f,
                    "  found of {:16} {}, {} recordings",
                    kind.kind,
                    percent(kind.found.as_ref()),
                    kind.judged
                )?;
            }
            for (what, count) in &measured.not_judged {
                writeln!(f, "  not judged, {what}: {count}")?;
            }
        }
        Ok(())
    }
}

impl Measured {
    /// The corpus that is told worst from a kind of synthesis, and its equal error rate.
    fn worst(&self, kind: &str) -> Option<(&str, Estimate)> {
        let rates = self.corpora.iter().filter_map(|corpus| {
            let against = corpus.against.iter().find(|against| against.kind == kind)?;
            Some((&*corpus.corpus, against.eer?))
        });
        rates.max_by(|(_, a), (_, b)| a.value.total_cmp(&b.value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eval::manifest;

    fn item(corpus: &str, kind: &str, person: usize, pair: Option<&str>) -> Item {
        Item {
            path: format!("{corpus}{kind}{person}.wav"),
            manipulated: !kind.is_empty(),
            person,
            corpus: corpus.into(),
            manipulation: kind.into(),
            split: Split::Test,
            pair: pair.map(str::to_owned),
            kind: manifest::Kind::Sound,
            file: Err(String::new()),
        }
    }

    #[test]
    fn each_corpus_has_its_own_rate_and_the_worst_is_named() {
        let (mut manifest, mut found) = (Manifest::default(), Outcomes::new());
        let mut add = |item: Item, logit: f64| {
            found.insert(manifest.items.len(), Heard::Judged { logit, signs: Some(logit > 0.0) });
            manifest.items.push(item);
        };
        for n in 0..40 {
            let pair = format!("{n}");
            add(item("near", "", n, Some(&pair)), -2.0);
            add(item("near", "world", n, Some(&pair)), -1.0);
            add(item("far", "", 100 + n, None), if n % 2 == 0 { 1.0 } else { -3.0 });
            add(item("kokoro", "kokoro", 200 + n, None), 0.5);
        }
        found.insert(manifest.items.len(), Heard::NotJudged { reason: None });
        manifest.items.push(item("far", "", 300, None));
        let bootstrap = Bootstrap { resamples: 50, ..Bootstrap::default() };
        let measured = measured(Condition::Clean, &manifest, &found, true, &bootstrap);
        let [far, near] = &measured.corpora[..] else { panic!("two corpora") };
        assert_eq!((far.genuine, near.genuine, near.persons), (40, 40, 40));
        assert_eq!(near.copies_in_order.unwrap().value, 1.0);
        let eer =
            |corpus: &Corpus, kind| corpus.against.iter().find(|one| one.kind == kind).unwrap().eer.unwrap().value;
        assert_eq!((eer(near, "copies"), eer(near, "kokoro")), (0.0, 0.0));
        assert!((eer(far, "kokoro") - 0.5).abs() < 0.26);
        assert_eq!(measured.worst("kokoro").unwrap().0, "far");
        assert_eq!((far.false_alarms.unwrap().value, near.false_alarms.unwrap().value), (0.5, 0.0));
        assert_eq!(measured.not_judged, BTreeMap::from([("far: no_speech".to_owned(), 1)]));
    }
}
