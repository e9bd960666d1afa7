// SPDX-License-Identifier: Apache-2.0
//! Word errors of each text, and how far they differ.

use std::{collections::BTreeSet, fmt::Write};

use polygraph_core::evaluation::{Bootstrap, Estimate};
use polygraph_core::record::WordTimes;
use polygraph_core::wer::WordErrors;
use serde::Serialize;

use super::{Found, Item};

/// One figure with its 95 % interval over clips.
#[derive(Clone, Debug, Serialize)]
pub struct Figure {
    pub measure: String,
    pub value: f64,
    pub low: Option<f64>,
    pub high: Option<f64>,
    pub unit: &'static str,
    /// Corpus and condition.
    pub data: String,
    pub clips: usize,
    /// Insertions, deletions, substitutions and words said, where the figure is a word error rate.
    pub counts: Option<[usize; 4]>,
}

type Of = fn(&Found) -> &str;
/// The columns.
const TEXTS: [(&str, Of); 5] = [
    ("Moonshine", |found| &found.heard),
    ("our network, sound only", |found| &found.sound),
    ("our network, lips only", |found| &found.lips),
    ("our network, both", |found| &found.both),
    ("as told", |found| &found.told),
];

/// All figures, corpus by corpus and condition by condition. Intervals are over clips: most are of one speaker.
pub fn figures(items: &[Item], resamples: usize) -> Vec<Figure> {
    let bootstrap = Bootstrap { resamples, ..Bootstrap::default() };
    let parts: BTreeSet<(&str, &str)> =
        items.iter().map(|item| (item.line.corpus.as_str(), item.line.condition.as_str())).collect();
    let mut all = Vec::new();
    for (corpus, condition) in parts {
        let of: Vec<&Item> =
            items.iter().filter(|item| item.line.corpus == corpus && item.line.condition == condition).collect();
        let data = format!("{corpus}, {condition}");
        let errors = TEXTS.map(|(_, text)| of.iter().map(|item| errors(item, text)).collect::<Vec<_>>());
        for ((name, _), errors) in TEXTS.iter().zip(&errors) {
            let [estimate] = bootstrap.estimate(of.len(), |drawn| [rate(errors, drawn)]);
            let sum = |part: fn(&WordErrors) -> usize| errors.iter().map(part).sum::<usize>();
            let counts = [sum(|e| e.insertions), sum(|e| e.deletions), sum(|e| e.substitutions), sum(|e| e.words)];
            all.extend(
                estimate.map(|estimate| {
                    figure(&format!("word error rate, {name}"), &data, estimate, of.len(), Some(counts))
                }),
            );
        }
        for (name, a, b) in [("both less sound only", 3, 1), ("as told less Moonshine", 4, 0)] {
            let difference = |drawn: &[u32]| [rate(&errors[a], drawn).zip(rate(&errors[b], drawn)).map(|(a, b)| a - b)];
            let [estimate] = bootstrap.estimate(of.len(), difference);
            let measure = format!("word error rate, {name}");
            all.extend(estimate.map(|estimate| figure(&measure, &data, estimate, of.len(), None)));
        }
        all.extend(shares(&of, &data));
    }
    all
}

fn errors(item: &Item, text: Of) -> WordErrors {
    WordErrors::between(&item.line.text, item.found.as_ref().map_or("", text))
}

/// The rate over drawn clips.
fn rate(errors: &[WordErrors], drawn: &[u32]) -> Option<f64> {
    let sum = |part: fn(&WordErrors) -> usize| {
        errors.iter().zip(drawn).map(|(errors, times)| part(errors) * *times as usize).sum::<usize>() as f64
    };
    let words = sum(|errors| errors.words);
    (words > 0.0).then(|| sum(WordErrors::edits) / words)
}

/// How often lips counted, how far aligned times are off, and how much partials flicker.
fn shares(items: &[&Item], data: &str) -> Vec<Figure> {
    let found: Vec<&Found> = items.iter().filter_map(|item| item.found.as_ref()).collect();
    let used =
        found.iter().filter(|found| found.finals.iter().any(|told| told.lip_reading.as_ref().is_some_and(|r| r.used)));
    let plain = |value: f64| Estimate { value, interval: None };
    let mut all = vec![figure(
        "clips whose text lips made",
        data,
        plain(used.count() as f64 / items.len().max(1) as f64),
        items.len(),
        None,
    )];
    let mut off: Vec<f64> = items.iter().flat_map(|item| times_off(item)).collect();
    off.sort_by(f64::total_cmp);
    if let Some(median) = off.get(off.len() / 2) {
        all.push(figure("aligned words' times, median error, ms", data, plain(*median), off.len(), None));
        all.push(figure(
            "aligned words' times, 95th percentile of the error, ms",
            data,
            plain(off[off.len() * 95 / 100]),
            off.len(),
            None,
        ));
    }
    let [changed, words] =
        found.iter().fold([0, 0], |sum, found| [sum[0] + found.flicker[0], sum[1] + found.flicker[1]]);
    if words > 0 {
        all.push(figure(
            "words of partials that the next revision changes",
            data,
            plain(changed as f64 / words as f64),
            items.len(),
            None,
        ));
    }
    all
}

/// How far starts and ends of aligned words are from what the list says, in ms; only of texts that are right.
fn times_off(item: &Item) -> Vec<f64> {
    let times: Vec<[f64; 2]> = item
        .line
        .times
        .split_whitespace()
        .filter_map(|pair| pair.split_once('-'))
        .filter_map(|(start, end)| Some([start.parse().ok()?, end.parse().ok()?]))
        .collect();
    let Some(found) = &item.found else { return Vec::new() };
    let words: Vec<_> =
        found.finals.iter().filter(|told| told.word_times == WordTimes::Aligned).flat_map(|told| &told.words).collect();
    if words.len() != times.len() || found.told != item.line.text {
        return Vec::new();
    }
    let ms = |ns: u64| ns as f64 / 1e6;
    let pairs = words.iter().zip(times);
    pairs.flat_map(|(word, [start, end])| [(ms(word.start_ns) - start).abs(), (ms(word.end_ns) - end).abs()]).collect()
}

fn figure(measure: &str, data: &str, estimate: Estimate, clips: usize, counts: Option<[usize; 4]>) -> Figure {
    let Estimate { value, interval } = estimate;
    Figure {
        measure: measure.to_owned(),
        value,
        low: interval.map(|[low, _]| low),
        high: interval.map(|[_, high]| high),
        unit: "1",
        data: data.to_owned(),
        clips,
        counts,
    }
}

/// The figures for people.
pub fn table(figures: &[Figure]) -> String {
    let mut text = String::new();
    for Figure { measure, value, low, high, data, clips, counts, .. } in figures {
        let interval = low.zip(*high).map_or(String::new(), |(low, high)| format!(" [{low:.3}, {high:.3}]"));
        let counts = counts.map_or(String::new(), |[i, d, s, n]| format!(" ins {i} del {d} sub {s} of {n}"));
        let _ = writeln!(text, "{data:24} {measure:52} {value:.3}{interval}  ({clips} clips){counts}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eval::speech::Line;

    fn item(text: &str, heard: &str, both: &str) -> Item {
        let line = Line {
            video: String::new(),
            sound: String::new(),
            text: text.to_owned(),
            times: String::new(),
            corpus: "grid".to_owned(),
            condition: "0 dB".to_owned(),
        };
        let found = Found { heard: heard.to_owned(), both: both.to_owned(), told: both.to_owned(), ..Found::default() };
        Item { line, found: Some(found) }
    }

    #[test]
    fn rates_and_their_difference_are_over_all_words() {
        let items = [item("bin blue", "bin blue", "bin blue"), item("a b c d e f", "", "a b c d e g")];
        let figures = figures(&items, 50);
        let value = |measure: &str| figures.iter().find(|figure| figure.measure == measure).unwrap();
        assert_eq!(value("word error rate, Moonshine").value, 0.75);
        assert_eq!(value("word error rate, Moonshine").counts, Some([0, 6, 0, 8]));
        assert_eq!(value("word error rate, our network, both").value, 0.125);
        assert_eq!(value("word error rate, as told less Moonshine").value, -0.625);
        assert_eq!(table(&figures).lines().count(), figures.len());
    }

    #[test]
    fn a_clip_that_cannot_be_read_has_lost_all_its_words() {
        let mut lost = item("bin blue", "", "");
        lost.found = None;
        let rate = figures(&[lost], 10).remove(0);
        assert_eq!((rate.value, rate.counts), (1.0, Some([0, 2, 0, 2])));
    }
}
