// SPDX-License-Identifier: Apache-2.0
//! `polygraph eval --calibrate`: what a score of the network means, as lines for its card.

use std::collections::BTreeMap;

use polygraph_core::evaluation::{Platt, positive_predictive_value, threshold_at};

use super::{manifest::Manifest, report::Calibration, work::Run};
use crate::error::{Error, Result};

/// Part of a corpus's genuine items that may alarm.
const FPR: f64 = 0.05;
/// Under this many genuine items a corpus's 5 % point is left out: it would be the highest score or two.
const FEWEST: usize = 20;
/// The card's threshold has so many decimals; it is rounded up, so that no more alarm than may.
const DECIMALS: f64 = 1e4;

/// A judged item: corpus, logit, truth.
type Judged<'a> = (&'a str, f64, bool);

/// Lines of TOML for the card.
///
/// # Errors
/// When a class is missing or the scores run against the labels.
pub fn snippet(manifest: &Manifest, runs: &[Run]) -> Result<String> {
    let outcomes = runs.iter().flat_map(|run| &run.outcomes);
    let judged: Vec<Judged<'_>> = outcomes
        .filter_map(|(number, outcome)| {
            let item = manifest.items.get(*number)?;
            Some((item.corpus.as_str(), outcome.score()?.logit, item.manipulated))
        })
        .collect();
    let items: Vec<_> = judged.iter().map(|(_, logit, manipulated)| (*logit, *manipulated)).collect();
    let fit = Platt::fit(&items).map_err(|why| Error::Calibration(why.to_string()))?;
    let (threshold, points) = threshold(&judged, &fit)?;
    let calibration = Calibration { scale: round(fit.scale, 6.0), offset: round(fit.offset, 6.0), threshold };
    Ok(text(&calibration, &points, &judged))
}

/// The largest of the 5 % points of the genuine corpora, as a probability, and all of them.
fn threshold<'a>(judged: &[Judged<'a>], fit: &Platt) -> Result<(f64, Vec<Point<'a>>)> {
    let mut corpora: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
    for (corpus, logit, _) in judged.iter().filter(|(_, _, manipulated)| !manipulated) {
        corpora.entry(corpus).or_default().push(fit.p(*logit));
    }
    let most = corpora.values().map(Vec::len).max().unwrap_or_default();
    let points: Vec<Point<'_>> = corpora
        .into_iter()
        .filter_map(|(corpus, scores)| {
            let counts = scores.len() >= FEWEST.min(most);
            Some(Point { corpus, items: scores.len(), counts, p: threshold_at(FPR, &scores)? })
        })
        .collect();
    let largest = points.iter().filter(|point| point.counts).map(|point| point.p).max_by(f64::total_cmp);
    let largest = largest.ok_or_else(|| Error::Calibration("no genuine item was judged".into()))?;
    Ok(((largest * DECIMALS).ceil() / DECIMALS, points))
}

struct Point<'a> {
    corpus: &'a str,
    items: usize,
    /// Enough items to count.
    counts: bool,
    p: f64,
}

fn text(calibration: &Calibration, points: &[Point<'_>], judged: &[Judged<'_>]) -> String {
    let Calibration { scale, offset, threshold } = *calibration;
    let platt = Platt { scale, offset };
    let rate = |class: bool| {
        let own: Vec<_> = judged.iter().filter(|(_, _, manipulated)| *manipulated == class).collect();
        own.iter().filter(|(_, logit, _)| platt.p(*logit) >= threshold).count() as f64 / own.len().max(1) as f64
    };
    let (tpr, fpr) = (rate(true), rate(false));
    let ppv = |prevalence| positive_predictive_value(tpr, fpr, prevalence).map_or("none".into(), |v| format!("{v:.3}"));
    let manipulated = judged.iter().filter(|(_, _, manipulated)| *manipulated).count();
    let mut lines = Vec::new();
    let mut line = |line: String| lines.push(line);
    line(format!("# {} genuine and {manipulated} manipulated calibration items", judged.len() - manipulated));
    for Point { corpus, items, counts, p } in points {
        let note = if *counts { "" } else { " (too few to count)" };
        line(format!("# 5 % point of {corpus:?}, {items} genuine items: p = {p:.4}{note}"));
    }
    line("[calibration]".into());
    line("method = \"platt\"".into());
    line(format!("scale = {scale:?}"));
    line(format!("offset = {offset:?}"));
    line(format!("threshold = {threshold:?}"));
    let (one, ten) = (ppv(0.01), ppv(0.1));
    line(format!(
        "note = \"p at even odds. At the threshold {:.1} % of manipulated and {:.1} % of genuine calibration items show \
         signs: where 1 % of faces are manipulated, {one} of the alarms are right, where 10 % are, {ten}.\"",
        100.0 * tpr,
        100.0 * fpr
    ));
    lines.join("\n") + "\n"
}

fn round(value: f64, digits: f64) -> f64 {
    let factor = 10f64.powf(digits);
    (value * factor).round() / factor
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_threshold_is_the_larger_of_the_corpora() {
        // Genuine items of `b` score two higher.
        let mut judged = Vec::new();
        for n in 0..100 {
            let noise = f64::from(n) / 50.0 - 1.0;
            judged.extend([("a", noise, false), ("b", noise + 2.0, false), ("a", noise + 4.0, true)]);
        }
        judged.push(("tiny", 9.0, false));
        let fit = Platt { scale: 1.0, offset: -2.0 };
        let (found, points) = threshold(&judged, &fit).unwrap();
        let b = points.iter().find(|point| point.corpus == "b").unwrap();
        assert!(found >= b.p && found < b.p + 2e-4, "{found} {}", b.p);
        assert!(points.iter().any(|point| point.corpus == "tiny" && !point.counts));
        let text = text(&Calibration { scale: 1.0, offset: -2.0, threshold: found }, &points, &judged);
        assert!(text.contains("scale = 1.0\noffset = -2.0\n") && text.contains("too few to count"), "{text}");
    }
}
