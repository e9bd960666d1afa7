// SPDX-License-Identifier: Apache-2.0
//! The evaluation of scenes: labelled stills through the shipped `polyscene`. `FOLDER/scenes.csv` lists them.

mod page;

use std::{collections::BTreeMap, fs, path::Path, process::ExitCode};

use polygraph_core::evaluation::{
    Answer, Bootstrap, ClassFigures, ClassRow, Estimate, class_figures, class_rows, confusion, share,
};
use polygraph_core::results::VideoResults;
use polygraph_core::scene::{NONE, PLACES, SceneLabel};
use polygraph_models::{card, scene::CARD};
use serde::{Deserialize, Serialize};

use super::{
    Condition, INTERRUPTED,
    listed::{self, Circumstances},
    shown::{self, Listed, Question},
};
use crate::{
    cli::Eval,
    error::{Error, Result},
};

/// The list, in an evaluation's folder.
pub const LIST: &str = "scenes.csv";

/// A line of the list.
#[derive(Clone, Debug, Deserialize)]
pub struct Line {
    path: String,
    /// The group, several that are right with `|` between, or `none`.
    label: String,
    /// `indoor`, `outdoor`, or nothing.
    place: String,
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

/// What was said of a still.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Said {
    /// The likeliest group, whatever its probability, and that.
    group: Option<(String, f32)>,
    /// `indoor` or `outdoor`, with its probability.
    place: Option<(String, f32)>,
}

/// A corpus under a condition.
#[derive(Debug, Serialize)]
struct Measured {
    condition: Condition,
    corpus: String,
    items: usize,
    unreadable: usize,
    figures: ClassFigures,
    /// Part of the items of which the right place is said.
    place: Option<Estimate>,
    /// Of items that show no scene: the part that isn't given a label.
    refused: Option<Estimate>,
    classes: Vec<ClassRow>,
    /// Rows: what it is; columns: what is said.
    confusion: Vec<Vec<u32>>,
}

#[derive(Debug, Serialize)]
struct About {
    #[serde(flatten)]
    circumstances: Circumstances,
    folder: String,
    network: String,
    threshold: f64,
}

#[derive(Debug, Serialize)]
struct Report {
    about: About,
    labels: Vec<String>,
    measured: Vec<Measured>,
}

/// Runs all stills of the list, and writes `scenes.json` and `scenes.html`.
pub fn run(eval: &Eval) -> Result<ExitCode> {
    let lines = read(&eval.folder, eval.limit)?;
    let card = card(CARD)?;
    let labels: Vec<String> =
        card.scene.iter().flat_map(|scene| &scene.groups).map(|group| group.label.clone()).collect();
    let threshold = card.calibration.threshold.unwrap_or(1.0);
    check(&lines, &labels, &eval.folder)?;
    let bootstrap = Bootstrap { resamples: eval.resamples, ..Bootstrap::default() };
    let question = Question { switches: &["scenes"], answer: said };
    let measured = shown::each_corpus(eval, &lines, &question, |condition, corpus, items| {
        measure(condition, corpus, items, &labels, threshold, &bootstrap)
    })?;
    let Some(measured) = measured else { return Ok(ExitCode::from(INTERRUPTED)) };
    let about = About {
        circumstances: Circumstances::now(),
        folder: eval.folder.file_name().unwrap_or_default().to_string_lossy().into_owned(),
        network: format!("{} {}", card.name, card.version),
        threshold,
    };
    let report = Report { about, labels, measured };
    out!("{}", page::table(&report));
    if let Some(out) = &eval.out {
        write(out, &report)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// The likeliest group and place of a picture.
fn said(results: VideoResults) -> Option<Said> {
    let mut said = Said::default();
    for SceneLabel { label, p } in results.scene?.labels {
        if PLACES.contains(&label.as_str()) {
            said.place = Some((label, p));
        } else if said.group.is_none() {
            said.group = Some((label, p));
        }
    }
    Some(said)
}

fn measure(
    condition: Condition,
    corpus: &str,
    items: &[(&Line, Option<&Said>)],
    labels: &[String],
    threshold: f64,
    bootstrap: &Bootstrap,
) -> Measured {
    let said = |said: &Said| said.group.clone().unwrap_or((NONE.to_owned(), 0.0));
    let answers: Vec<Answer> =
        items.iter().filter_map(|(line, found)| answer(line, &said((*found)?), labels)).collect();
    let numbered = |so: Vec<bool>| so.into_iter().enumerate().collect::<Vec<_>>();
    let places = items.iter().filter(|(line, _)| !line.place.is_empty()).filter_map(|(line, found)| {
        let place = (*found)?.place.as_ref().map(|(place, _)| place.as_str());
        Some(place == Some(line.place.as_str()))
    });
    let blank = items.iter().filter(|(line, _)| line.label == NONE).filter_map(|(_, found)| {
        let (label, p) = said((*found)?);
        Some(label == NONE || f64::from(p) < threshold)
    });
    Measured {
        condition,
        corpus: corpus.to_owned(),
        items: items.len(),
        unreadable: items.iter().filter(|(_, found)| found.is_none()).count(),
        figures: class_figures(&answers, labels.len(), threshold, bootstrap),
        place: share(&numbered(places.collect()), bootstrap),
        refused: share(&numbered(blank.collect()), bootstrap),
        classes: class_rows(&answers, labels.len(), threshold),
        confusion: confusion(&answers, labels.len()),
    }
}

/// An item's answer: of several right labels that one counts which was said.
fn answer(line: &Line, (label, p): &(String, f32), labels: &[String]) -> Option<Answer> {
    let place = |label: &str| labels.iter().position(|known| known == label);
    let right = line.label.split('|').find(|right| right == label).or_else(|| line.label.split('|').next())?;
    Some(Answer { truth: place(right)?, said: place(label)?, p: f64::from(*p) })
}

/// Says which line names a label that there isn't.
fn check(lines: &[Line], labels: &[String], folder: &Path) -> Result<()> {
    for line in lines {
        let unknown = line.label.split('|').find(|label| !labels.iter().any(|known| known == label));
        if let Some(label) = unknown {
            let why = format!("{LIST}: {} has the label `{label}`; there are {}", line.path, labels.join(", "));
            return Err(Error::input(folder.display().to_string(), why));
        }
        if !["", "indoor", "outdoor"].contains(&line.place.as_str()) {
            let why =
                format!("{LIST}: {} has the place `{}`; there are indoor, outdoor and none", line.path, line.place);
            return Err(Error::input(folder.display().to_string(), why));
        }
    }
    Ok(())
}

fn read(folder: &Path, limit: Option<usize>) -> Result<Vec<Line>> {
    let mut lines: Vec<Line> = listed::read(&folder.join(LIST))?;
    let mut taken: BTreeMap<(String, String), usize> = BTreeMap::new();
    lines.retain(|line| {
        let taken = taken.entry((line.corpus.clone(), line.label.clone())).or_default();
        *taken += 1;
        limit.is_none_or(|limit| *taken <= limit)
    });
    Ok(lines)
}

fn write(out: &Path, report: &Report) -> Result<()> {
    listed::write(out, "scenes.json", serde_json::to_string(report))?;
    let html = out.join("scenes.html");
    fs::write(&html, page::html(report)).map_err(Error::file(&html))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(label: &str, place: &str) -> Line {
        Line { path: "a.jpg".into(), label: label.into(), place: place.into(), corpus: "c".into() }
    }

    fn told(group: &str, p: f32, place: &str) -> Said {
        Said { group: Some((group.into(), p)), place: Some((place.into(), 0.9)) }
    }

    #[test]
    fn of_several_right_labels_each_is_right_and_none_is_told_apart_from_rejected() {
        let labels: Vec<String> = ["street", "buildings", "home", "none"].map(String::from).to_vec();
        let lines =
            [line("street|buildings", "outdoor"), line("home", "indoor"), line("home", "indoor"), line("none", "")];
        let said = [
            Some(told("buildings", 0.9, "outdoor")),
            Some(told("street", 0.4, "outdoor")),
            None,
            Some(told("home", 0.3, "indoor")),
        ];
        let items: Vec<_> = lines.iter().zip(&said).map(|(line, found)| (line, found.as_ref())).collect();
        let measured = measure(Condition::Clean, "c", &items, &labels, 0.6, &Bootstrap::default());
        assert_eq!((measured.items, measured.unreadable), (4, 1));
        assert!((measured.figures.micro.unwrap().value - 1.0 / 3.0).abs() < 1e-9);
        assert!((measured.place.unwrap().value - 0.5).abs() < 1e-9);
        // A picture without a scene that is given a label only under the threshold is none of these.
        assert!((measured.refused.unwrap().value - 1.0).abs() < 1e-9);
        assert_eq!(measured.confusion[2], [1, 0, 0, 0]);
    }

    #[test]
    fn a_label_or_place_that_there_is_not_is_named() {
        let labels = ["home".to_owned()];
        let refused = check(&[line("hose", "indoor")], &labels, Path::new("f")).unwrap_err().to_string();
        assert!(refused.contains("`hose`") && refused.contains("home"), "{refused}");
        assert!(check(&[line("home", "inside")], &labels, Path::new("f")).is_err());
    }
}
