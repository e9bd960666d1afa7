// SPDX-License-Identifier: Apache-2.0
//! What the found things are worth.

use std::{collections::BTreeSet, fmt::Write};

use polygraph_core::evaluation::{Bootstrap, Estimate, Ranking, Sample, share};
use serde::Serialize;

use super::{Found, Item, Kind, numbers};

/// From picture to picture, of 25 a second.
const PICTURE_MS: f32 = 40.0;

/// One figure with its 95 % interval over persons.
#[derive(Clone, Debug, Serialize)]
pub struct Figure {
    pub measure: String,
    pub value: f64,
    pub low: Option<f64>,
    pub high: Option<f64>,
    pub unit: &'static str,
    pub data: String,
    /// Clips, and persons.
    pub clips: usize,
    pub persons: usize,
}

/// All figures that the items allow, corpus by corpus.
pub fn figures(items: &[Item], resamples: usize) -> Vec<Figure> {
    let bootstrap = Bootstrap { resamples, ..Bootstrap::default() };
    let corpora: BTreeSet<&str> = items.iter().map(|item| item.corpus.as_str()).collect();
    let mut all = Vec::new();
    for corpus in corpora {
        let of = |kinds: &[Kind]| -> Vec<&Item> {
            items.iter().filter(|item| item.corpus == corpus && kinds.contains(&item.kind)).collect()
        };
        let mut shares = Shares { corpus, bootstrap: &bootstrap, figures: &mut all };
        let genuine = of(&[Kind::Genuine]);
        let within = |item: &Item, found: &Found| {
            // Counted in whole pictures, as detectors of offsets are.
            found.offset_ms.is_some_and(|offset| ((offset - item.offset_ms as f32) / PICTURE_MS).round().abs() <= 1.0)
        };
        shares.add("offset within one picture", &genuine, within);
        let told: Vec<&Item> = genuine
            .iter()
            .copied()
            .filter(|item| item.found.as_ref().is_some_and(|found| found.offset_ms.is_some()))
            .collect();
        shares.add("offset within one picture, where one is told", &told, within);
        shares.add("an offset is told", &genuine, |_, found| found.offset_ms.is_some());
        shares.add("signs of a mismatch in genuine clips", &genuine, |_, found| found.signs == Some(true));
        let swapped = of(&[Kind::Swapped]);
        shares.add("signs of a mismatch with another's sound", &swapped, |_, found| found.signs == Some(true));
        let pairs = of(&[Kind::SpeaksLeft, Kind::SpeaksRight]);
        shares.add("the speaker of two is named", &pairs, |item, found| {
            let [right, wrong] = match item.kind {
                Kind::SpeaksLeft => found.named,
                _ => [found.named[1], found.named[0]],
            };
            right > wrong
        });
        shares.add("of two the wrong one is named", &pairs, |item, found| {
            let [right, wrong] = match item.kind {
                Kind::SpeaksLeft => found.named,
                _ => [found.named[1], found.named[0]],
            };
            wrong > right
        });
        all.extend(swaps(corpus, &genuine, &swapped, &bootstrap));
        all.extend(portraits(corpus, &of(&[Kind::Portrait])));
    }
    all
}

struct Shares<'a> {
    corpus: &'a str,
    bootstrap: &'a Bootstrap,
    figures: &'a mut Vec<Figure>,
}

impl Shares<'_> {
    /// The share of clips of which something holds; it doesn't of a clip that can't be read.
    fn add(&mut self, measure: &str, items: &[&Item], holds: impl Fn(&Item, &Found) -> bool) {
        let persons = numbers(items);
        let so = |item: &&Item| item.found.as_ref().is_some_and(|found| holds(item, found));
        let all: Vec<(usize, bool)> = persons.iter().copied().zip(items.iter().map(so)).collect();
        self.figures
            .extend(share(&all, self.bootstrap).map(|estimate| figure(measure, self.corpus, estimate, &persons)));
    }
}

fn figure(measure: &str, corpus: &str, estimate: Estimate, persons: &[usize]) -> Figure {
    let Estimate { value, interval } = estimate;
    Figure {
        measure: measure.to_owned(),
        value,
        low: interval.map(|[low, _]| low),
        high: interval.map(|[_, high]| high),
        unit: "1",
        data: corpus.to_owned(),
        clips: persons.len(),
        persons: persons.iter().collect::<BTreeSet<_>>().len(),
    }
}

/// How well the confidence tells one's own sound from another's. Clips without any are left out.
fn swaps(corpus: &str, genuine: &[&Item], swapped: &[&Item], bootstrap: &Bootstrap) -> Option<Figure> {
    let items: Vec<&Item> = genuine.iter().filter(|item| item.offset_ms == 0).chain(swapped).copied().collect();
    let persons = numbers(&items);
    let samples: Vec<Sample> = items
        .iter()
        .zip(&persons)
        .filter_map(|(item, person)| {
            let confidence = item.found.as_ref()?.confidence?;
            Some(Sample { score: -f64::from(confidence), manipulated: item.kind == Kind::Swapped, person: *person })
        })
        .collect();
    let scored: Vec<usize> = samples.iter().map(|sample| sample.person).collect();
    let estimate = Ranking::new(samples).estimate(None, bootstrap).auc?;
    Some(figure("AUC of own against another's sound", corpus, estimate, &scored))
}

/// Seconds of speech over portraits in which it is said that nobody visible speaks.
fn portraits(corpus: &str, items: &[&Item]) -> Option<Figure> {
    let found: Vec<&Found> = items.iter().filter_map(|item| item.found.as_ref()).collect();
    let spoken: u32 = found.iter().map(|found| found.spoken_seconds).sum();
    let unseen: u32 = found.iter().map(|found| found.unseen_seconds).sum();
    let value = f64::from(unseen) / f64::from(spoken);
    let measure = format!("seconds of speech with no visible speech ({unseen} of {spoken})");
    let persons = numbers(items);
    (spoken > 0).then(|| figure(&measure, corpus, Estimate { value, interval: None }, &persons))
}

/// The figures for people.
pub fn table(figures: &[Figure]) -> String {
    let mut text = String::new();
    for Figure { measure, value, low, high, data, clips, persons, .. } in figures {
        let interval = low.zip(*high).map_or(String::new(), |(low, high)| format!(" [{low:.3}, {high:.3}]"));
        let _ = writeln!(text, "{data:16} {measure:58} {value:.3}{interval}  ({clips} clips, {persons} persons)");
    }
    text
}
