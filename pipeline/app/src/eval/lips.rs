// SPDX-License-Identifier: Apache-2.0
//! The evaluation of lips and sound: clips with their own sound, with another's, with sound that is shifted, pairs of faces
//! and portraits, through the shipped elements. `FOLDER/lips.csv` lists them.

mod figures;
mod run;

use std::{collections::BTreeMap, process::ExitCode};

use serde::{Deserialize, Serialize};

use super::{
    INTERRUPTED,
    listed::{self, Circumstances},
};
use crate::{
    analyze::{self, interrupted},
    cli::Eval,
    error::Result,
};
use figures::Figure;

/// The list, in an evaluation's folder.
pub const LIST: &str = "lips.csv";

/// What is done with a clip, and so what is right to say of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Its own sound, late by `offset_ms`.
    Genuine,
    /// Another's sound.
    Swapped,
    /// Two faces side by side; the one at the left speaks.
    SpeaksLeft,
    /// The one at the right does.
    SpeaksRight,
    /// A still picture of a face under a voice.
    Portrait,
}

/// A line of the list.
#[derive(Clone, Debug, Deserialize)]
struct Line {
    video: String,
    sound: String,
    offset_ms: i64,
    person: String,
    corpus: String,
    kind: Kind,
}

/// What was found in a clip.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Found {
    /// Confidence of the longest window at the end.
    pub confidence: Option<f32>,
    /// The offset that was told last.
    pub offset_ms: Option<f32>,
    /// Signs of a mismatch at the end.
    pub signs: Option<bool>,
    /// Why nothing could be said at the end.
    pub reason_not: Option<String>,
    /// Frames in which the face at the left, and at the right, was named as the speaker.
    pub named: [u32; 2],
    /// Seconds in which somebody spoke, and in how many of them it was nobody visible.
    pub spoken_seconds: u32,
    pub unseen_seconds: u32,
}

/// A clip, what was done with it, and what was found.
#[derive(Clone, Debug, Serialize)]
pub struct Item {
    pub video: String,
    pub sound: String,
    pub offset_ms: i64,
    pub person: String,
    pub corpus: String,
    pub kind: Kind,
    /// Absent where the clip can't be read.
    pub found: Option<Found>,
}

#[derive(Serialize)]
struct Report {
    about: Circumstances,
    figures: Vec<Figure>,
    items: Vec<Item>,
}

/// Runs all clips of the list and writes `lips.json`.
pub fn run(eval: &Eval) -> Result<ExitCode> {
    let lines: Vec<Line> = listed::read(&eval.folder.join(LIST))?;
    analyze::init()?;
    analyze::stop_on_ctrl_c();
    let mut items = Vec::with_capacity(lines.len());
    for (number, line) in lines.iter().enumerate() {
        if interrupted() {
            return Ok(ExitCode::from(INTERRUPTED));
        }
        let Line { video, sound, offset_ms, person, corpus, kind } = line.clone();
        let paths = [&video, &sound].map(|path| eval.folder.join(path));
        let found = run::clip(&paths, offset_ms, eval.provider).map_err(|why| {
            errln!("polygraph: {video} with the sound of {sound}: {why}");
        });
        items.push(Item { video, sound, offset_ms, person, corpus, kind, found: found.ok() });
        if !eval.quiet && (number + 1) % 50 == 0 {
            errln!("{} of {} clips", number + 1, lines.len());
        }
    }
    let figures = figures::figures(&items, eval.resamples);
    out!("{}", figures::table(&figures));
    if let Some(out) = &eval.out {
        let report = Report { about: Circumstances::now(), figures, items };
        listed::write(out, "lips.json", serde_json::to_string_pretty(&report))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Numbers for persons, in order of their appearance.
fn numbers(items: &[&Item]) -> Vec<usize> {
    let mut known = BTreeMap::new();
    items
        .iter()
        .map(|item| {
            let next = known.len();
            *known.entry(item.person.as_str()).or_insert(next)
        })
        .collect()
}
