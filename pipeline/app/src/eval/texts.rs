// SPDX-License-Identifier: Apache-2.0
//! The evaluation of text on screen: stills with known lines through the shipped `polyscene`. `FOLDER/texts.csv` lists them.

use std::{fmt::Write, process::ExitCode};

use polygraph_core::evaluation::{Bootstrap, Estimate};
use polygraph_core::results::VideoResults;
use polygraph_core::screen_text::likeness;
use polygraph_core::wer::edits;
use polygraph_models::{card, text::READER};
use serde::{Deserialize, Serialize};

use super::{
    Condition, INTERRUPTED,
    listed::{self, Circumstances},
    shown::{self, Listed, Question},
};
use crate::{cli::Eval, error::Result};

/// The list, in an evaluation's folder.
pub const LIST: &str = "texts.csv";
/// A line with this part of its signs right was found.
const FOUND: f64 = 0.5;

/// A line of the list.
#[derive(Clone, Debug, Deserialize)]
struct Line {
    path: String,
    /// The lines that stand in it, with `|` between.
    lines: String,
    corpus: String,
}

impl Listed for Line {
    fn path(&self) -> &str {
        &self.path
    }

    fn corpus(&self) -> &str {
        &self.corpus
    }
}

/// How a still was read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Tally {
    lines: usize,
    exact: usize,
    found: usize,
    signs: usize,
    edits: usize,
    /// Lines that stand in no truth.
    invented: usize,
}

/// A corpus under a condition.
#[derive(Debug, Serialize)]
struct Measured {
    condition: Condition,
    corpus: String,
    items: usize,
    unreadable: usize,
    lines: usize,
    /// Part of the lines that were read without a fault.
    exact: Option<Estimate>,
    /// Part of the lines that were found.
    found: Option<Estimate>,
    /// Edits by signs.
    character_error_rate: Option<Estimate>,
    /// Lines by still that stand in no truth.
    invented: Option<Estimate>,
}

#[derive(Debug, Serialize)]
struct Report {
    about: Circumstances,
    network: String,
    measured: Vec<Measured>,
}

/// Runs all stills of the list, and writes `texts.json`.
pub fn run(eval: &Eval) -> Result<ExitCode> {
    let mut lines: Vec<Line> = listed::read(&eval.folder.join(LIST))?;
    lines.truncate(eval.limit.unwrap_or(usize::MAX));
    let card = card(READER)?;
    let bootstrap = Bootstrap { resamples: eval.resamples, ..Bootstrap::default() };
    let question = Question { switches: &["text"], answer: lines_of };
    let measured = shown::each_corpus(eval, &lines, &question, |condition, corpus, items| {
        let tallies: Vec<_> = items.iter().map(|(line, read)| Some(Tally::of(&line.lines, (*read)?))).collect();
        measure(condition, corpus, &tallies, &bootstrap)
    })?;
    let Some(measured) = measured else { return Ok(ExitCode::from(INTERRUPTED)) };
    let network = format!("{} {}", card.name, card.version);
    let report = Report { about: Circumstances::now(), network, measured };
    out!("{}", table(&report));
    if let Some(out) = &eval.out {
        listed::write(out, "texts.json", serde_json::to_string(&report))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// The lines of a picture.
fn lines_of(results: VideoResults) -> Option<Vec<String>> {
    Some(results.text?.lines.into_iter().map(|line| line.text).collect())
}

impl Tally {
    /// Gives each line of the truth what was read most like it, the most alike first.
    fn of(truth: &str, read: &[String]) -> Self {
        let truth: Vec<&str> = truth.split('|').filter(|line| !line.is_empty()).collect();
        let signs = |text: &str| text.chars().collect::<Vec<_>>();
        let mut pairs: Vec<_> = (0..truth.len())
            .flat_map(|at| (0..read.len()).map(move |other| (at, other)))
            .map(|(at, other)| (likeness(truth[at], &read[other]), at, other))
            .filter(|(alike, ..)| *alike >= FOUND)
            .collect();
        pairs.sort_by(|a, b| b.0.total_cmp(&a.0));
        let mut tally = Self { lines: truth.len(), invented: read.len(), ..Self::default() };
        tally.signs = truth.iter().map(|line| line.chars().count()).sum();
        let (mut of_truth, mut of_read) = (vec![true; truth.len()], vec![true; read.len()]);
        for (_, at, other) in pairs {
            if of_truth[at] && of_read[other] {
                (of_truth[at], of_read[other]) = (false, false);
                tally.found += 1;
                tally.invented -= 1;
                tally.exact += usize::from(truth[at] == read[other]);
                tally.edits += edits(&signs(truth[at]), &signs(&read[other]));
            }
        }
        let lost = truth.iter().zip(of_truth).filter(|(_, lost)| *lost);
        tally.edits += lost.map(|(line, _)| line.chars().count()).sum::<usize>();
        tally
    }
}

fn measure(condition: Condition, corpus: &str, stills: &[Option<Tally>], bootstrap: &Bootstrap) -> Measured {
    let known: Vec<Tally> = stills.iter().flatten().copied().collect();
    let [exact, found, character_error_rate, invented] = bootstrap.estimate(known.len(), |drawn| {
        let sum = |of: fn(&Tally) -> usize| -> f64 {
            known.iter().zip(drawn).map(|(tally, times)| of(tally) as f64 * f64::from(*times)).sum()
        };
        let (lines, signs, items) = (sum(|it| it.lines), sum(|it| it.signs), sum(|_| 1));
        let by = |part: f64, whole: f64| (whole > 0.0).then(|| part / whole);
        [
            by(sum(|it| it.exact), lines),
            by(sum(|it| it.found), lines),
            by(sum(|it| it.edits), signs),
            by(sum(|it| it.invented), items),
        ]
    });
    Measured {
        condition,
        corpus: corpus.to_owned(),
        items: stills.len(),
        unreadable: stills.len() - known.len(),
        lines: known.iter().map(|tally| tally.lines).sum(),
        exact,
        found,
        character_error_rate,
        invented,
    }
}

/// The figures as lines.
fn table(report: &Report) -> String {
    let mut text = String::new();
    for one in &report.measured {
        let Measured { condition, corpus, items, unreadable, lines, .. } = one;
        let condition = condition.in_words();
        let _ = writeln!(text, "{corpus}, {condition}: {lines} lines in {items} stills, {unreadable} unreadable");
        let figures = [
            ("lines read without a fault", one.exact),
            ("lines found", one.found),
            ("character error rate", one.character_error_rate),
            ("lines that aren't there, by still", one.invented),
        ];
        for (name, estimate) in figures.into_iter().filter_map(|(name, it)| Some((name, it?))) {
            let _ = writeln!(text, "  {name:36} {}", listed::in_words(estimate));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_line_is_counted_once_and_what_is_missing_has_lost_all_its_signs() {
        let read = ["LIVE 14:33", "BREAKlNG NEWS", "@@@"].map(str::to_owned);
        let tally = Tally::of("BREAKING NEWS|LIVE 14:33|Weather", &read);
        assert_eq!(tally, Tally { lines: 3, exact: 1, found: 2, signs: 30, edits: 1 + 7, invented: 1 });
        assert_eq!(Tally::of("", &[]), Tally::default());
    }

    #[test]
    fn a_still_that_was_not_read_is_told_and_counts_for_nothing() {
        let tally = Tally::of("abc", &["abc".to_owned()]);
        let figures = measure(Condition::Clean, "c", &[Some(tally), None], &Bootstrap::default());
        assert_eq!((figures.items, figures.unreadable, figures.lines), (2, 1, 1));
        assert_eq!((figures.exact.unwrap().value, figures.character_error_rate.unwrap().value), (1.0, 0.0));
        assert!(measure(Condition::Clean, "c", &[], &Bootstrap::default()).exact.is_none());
    }
}
