// SPDX-License-Identifier: Apache-2.0
//! The evaluation of shot boundaries: programmes with labelled boundaries, through the shipped elements. `FOLDER/shots.csv`
//! lists them.

mod figures;
mod run;

use std::{path::Path, process::ExitCode};

use polygraph_core::results::TransitionKind;
use serde::{Deserialize, Serialize};

use super::{
    INTERRUPTED,
    listed::{self, Circumstances},
};
use crate::{
    analyze::{self, interrupted},
    cli::Eval,
    error::{Error, Result},
};
use figures::Figures;

/// The list, in an evaluation's folder.
pub const LIST: &str = "shots.csv";

/// A line of the list.
#[derive(Clone, Debug, Deserialize)]
struct Line {
    video: String,
    truth: String,
    corpus: String,
    /// What another detector found, to be shown beside ours.
    #[serde(default)]
    other: Option<String>,
    /// Its name.
    #[serde(default)]
    name: Option<String>,
}

/// A boundary of a truth's or a detector's list.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Boundary {
    /// `cut`, `dissolve`, `fade`, `wipe`; in a truth also `ignore`: what is found there counts neither way.
    pub kind: String,
    /// First picture that isn't of the old shot alone, in seconds of stream time.
    pub start_s: f64,
    /// First picture of the new shot alone.
    pub end_s: f64,
}

/// What came of a programme.
#[derive(Clone, Debug, Serialize)]
pub struct Item {
    pub video: String,
    pub corpus: String,
    /// Whose boundaries these are.
    pub detector: String,
    pub matched: usize,
    /// Labelled boundaries that weren't found.
    pub missed: Vec<Boundary>,
    /// Found boundaries that aren't labelled.
    pub wrong: Vec<Boundary>,
    #[serde(skip)]
    judged: figures::Judged,
}

#[derive(Serialize)]
struct About {
    #[serde(flatten)]
    circumstances: Circumstances,
    /// How far a boundary may be off, in seconds.
    tolerance_s: f64,
}

#[derive(Serialize)]
struct Report {
    about: About,
    figures: Vec<Figures>,
    items: Vec<Item>,
}

/// Two pictures of 25 a second, and their rounding.
const TOLERANCE_S: f64 = 0.081;

/// Runs all programmes of the list and writes `shots.json`.
pub fn run(eval: &Eval) -> Result<ExitCode> {
    let lines: Vec<Line> = listed::read(&eval.folder.join(LIST))?;
    let truths: Vec<Vec<Boundary>> =
        lines.iter().map(|line| boundaries(&eval.folder.join(&line.truth))).collect::<Result<_>>()?;
    analyze::init()?;
    analyze::stop_on_ctrl_c();
    let mut items = Vec::new();
    for (line, truth) in lines.iter().zip(&truths) {
        if interrupted() {
            return Ok(ExitCode::from(INTERRUPTED));
        }
        let found = run::programme(&eval.folder.join(&line.video)).map_err(|why| Error::input(&line.video, why))?;
        items.push(item(line, "polygraph", truth, &found));
        if let (Some(other), Some(name)) = (&line.other, &line.name) {
            let found = boundaries(&eval.folder.join(other))?;
            items.push(item(line, name, truth, &found));
        }
        if !eval.quiet {
            errln!("{}: done", line.video);
        }
    }
    let figures = figures::figures(&items, eval.resamples);
    out!("{}", figures::table(&figures));
    if let Some(out) = &eval.out {
        let about = About { circumstances: Circumstances::now(), tolerance_s: 0.08 };
        let report = Report { about, figures, items };
        listed::write(out, "shots.json", serde_json::to_string_pretty(&report))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn item(line: &Line, detector: &str, truth: &[Boundary], found: &[Boundary]) -> Item {
    let judged = figures::judge(truth, found, TOLERANCE_S);
    let of = |list: &[usize], from: &[Boundary]| list.iter().map(|index| from[*index].clone()).collect();
    Item {
        video: line.video.clone(),
        corpus: line.corpus.clone(),
        detector: detector.to_owned(),
        matched: judged.pairs.len(),
        missed: of(&judged.missed, truth),
        wrong: of(&judged.wrong, found),
        judged,
    }
}

fn boundaries(path: &Path) -> Result<Vec<Boundary>> {
    let all: Vec<Boundary> = listed::read(path)?;
    let known = |kind: &str| kind == "ignore" || TransitionKind::of_name(kind).is_some();
    match all.iter().position(|boundary| !known(&boundary.kind) || boundary.end_s < boundary.start_s) {
        None => Ok(all),
        Some(line) => Err(Error::Manifest {
            path: path.display().to_string(),
            line: line as u64 + 2,
            column: "kind",
            why: "cut, dissolve, fade, wipe or ignore, and an end that isn't before the start".into(),
        }),
    }
}
