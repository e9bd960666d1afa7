// SPDX-License-Identifier: Apache-2.0
//! `polygraph eval --calibrate`: what a score of the network means, as lines for its card.

use std::collections::BTreeMap;

use polygraph_core::evaluation::{Bootstrap, Estimate, Figures, Platt, Ranking, Sample, threshold_at};

use super::{
    manifest::Manifest,
    report::{Calibration, predictive_values},
    work::Run,
};
use crate::error::{Error, Result};

/// Part of a corpus's genuine items that may alarm.
const FPR: f64 = 0.05;
/// Under this many genuine items a corpus's 5 % point is left out: it would be the highest score or two.
const FEWEST: usize = 20;
/// The card's threshold has so many decimals; it is rounded up, so that no more alarm than may.
const DECIMALS: f64 = 1e4;

/// A judged item.
#[derive(Clone, Copy)]
pub(super) struct Judged<'a> {
    pub corpus: &'a str,
    pub logit: f64,
    pub manipulated: bool,
    pub person: usize,
}

/// Lines of TOML for the card.
///
/// # Errors
/// When a class is missing or the scores run against the labels.
pub fn snippet(manifest: &Manifest, runs: &[Run], bootstrap: &Bootstrap) -> Result<String> {
    let outcomes = runs.iter().flat_map(|run| &run.outcomes);
    let judged: Vec<Judged<'_>> = outcomes
        .filter_map(|(number, outcome)| {
            let item = manifest.items.get(*number)?;
            let (corpus, manipulated, person) = (item.corpus.as_str(), item.manipulated, item.person);
            Some(Judged { corpus, logit: outcome.score()?.logit, manipulated, person })
        })
        .collect();
    of(&judged, bootstrap)
}

/// Lines of TOML for the card, of items that were judged.
pub(super) fn of(judged: &[Judged<'_>], bootstrap: &Bootstrap) -> Result<String> {
    let items: Vec<_> = judged.iter().map(|one| (one.logit, one.manipulated)).collect();
    let fit = Platt::fit(&items).map_err(|why| Error::Calibration(why.to_string()))?;
    let (threshold, points) = threshold(judged, &fit)?;
    let calibration = Calibration { scale: round(fit.scale, 6.0), offset: round(fit.offset, 6.0), threshold };
    Ok(text(&calibration, &points, judged, bootstrap))
}

/// The largest of the 5 % points of the genuine corpora, as a probability, and all of them.
fn threshold<'a>(judged: &[Judged<'a>], fit: &Platt) -> Result<(f64, Vec<Point<'a>>)> {
    let mut corpora: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
    for one in judged.iter().filter(|one| !one.manipulated) {
        corpora.entry(one.corpus).or_default().push(fit.p(one.logit));
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

fn text(calibration: &Calibration, points: &[Point<'_>], judged: &[Judged<'_>], bootstrap: &Bootstrap) -> String {
    let Calibration { scale, offset, threshold } = *calibration;
    let samples =
        judged.iter().map(|one| Sample { score: one.logit, manipulated: one.manipulated, person: one.person });
    let ranking = Ranking::new(samples);
    let Figures { tpr, fpr, .. } = ranking.figures(&vec![1; ranking.persons()], Some(calibration.logit()));
    let [genuine, manipulated] = ranking.counts();
    let mut lines = vec![format!("# {genuine} genuine and {manipulated} manipulated calibration items")];
    for Point { corpus, items, counts, p } in points {
        let note = if *counts { "" } else { " (too few to count)" };
        lines.push(format!("# 5 % point of {corpus:?}, {items} genuine items: p = {p:.4}{note}"));
    }
    lines.extend(["[calibration]".into(), "method = \"platt\"".into()]);
    lines.push(format!("scale = {scale:?}\noffset = {offset:?}\nthreshold = {threshold:?}"));
    let percent = |rate: Option<f64>| 100.0 * rate.unwrap_or_default();
    lines.push(format!(
        "note = \"p at even odds: both classes weighed the same. At the threshold {:.1} % of manipulated and {:.1} % of \
         genuine calibration items show signs.\"",
        percent(tpr),
        percent(fpr)
    ));
    let values = predictive_values(&ranking, calibration.logit(), bootstrap);
    lines.extend([0.01, 0.1].into_iter().zip(values).filter_map(|(prevalence, value)| Some(worth(prevalence, value?))));
    lines.join("\n") + "\n"
}

/// What a finding is worth at a prevalence.
fn worth(prevalence: f64, Estimate { value, interval }: Estimate) -> String {
    let range = interval.map(|[low, high]| format!("\nlow = {low:.3}\nhigh = {high:.3}")).unwrap_or_default();
    format!("\n[[calibration.at_prevalence]]\nprevalence = {prevalence}\npredictive_value = {value:.3}{range}")
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
            let one = |corpus, logit, manipulated| Judged { corpus, logit, manipulated, person: n as usize };
            judged.extend([one("a", noise, false), one("b", noise + 2.0, false), one("a", noise + 4.0, true)]);
        }
        judged.push(Judged { corpus: "tiny", logit: 9.0, manipulated: false, person: 100 });
        let fit = Platt { scale: 1.0, offset: -2.0 };
        let (found, points) = threshold(&judged, &fit).unwrap();
        let b = points.iter().find(|point| point.corpus == "b").unwrap();
        assert!(found >= b.p && found < b.p + 2e-4, "{found} {}", b.p);
        assert!(points.iter().any(|point| point.corpus == "tiny" && !point.counts));
        let calibration = Calibration { scale: 1.0, offset: -2.0, threshold: found };
        let text = text(&calibration, &points, &judged, &Bootstrap::default());
        assert!(text.contains("scale = 1.0\noffset = -2.0\n") && text.contains("too few to count"), "{text}");
        assert_eq!(text.matches("[[calibration.at_prevalence]]").count(), 2, "{text}");
    }
}
