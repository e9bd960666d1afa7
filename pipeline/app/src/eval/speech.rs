// SPDX-License-Identifier: Apache-2.0
//! The evaluation of speech recognition that reads lips: clips with what is said in them, through the shipped elements,
//! with all texts that could be told beside each other. `FOLDER/speech.csv` lists them.

mod figures;
mod run;

use std::process::ExitCode;

use polygraph_core::record::Transcript;
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
pub const LIST: &str = "speech.csv";

/// A line of the list.
#[derive(Clone, Debug, Deserialize, Serialize)]
struct Line {
    /// The picture's file, and the sound's.
    video: String,
    sound: String,
    /// What is said.
    text: String,
    /// When each word begins and ends, in ms, `a-b` with spaces between; may be empty.
    #[serde(default)]
    times: String,
    corpus: String,
    /// Figures are given for each corpus and condition.
    condition: String,
}

/// What was told of a clip, all utterances' texts joined.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Found {
    /// What the transcript says.
    pub told: String,
    /// What Moonshine heard.
    pub heard: String,
    /// What our network says without eyes, without ears, and with both.
    pub sound: String,
    pub lips: String,
    pub both: String,
    /// The finals, with the gate's evidence.
    pub finals: Vec<Transcript>,
    /// Words of partials that the next revision of the same utterance did not keep, and all words of partials.
    pub flicker: [usize; 2],
}

/// A clip and what was found in it; absent where it can't be read.
#[derive(Clone, Debug, Serialize)]
pub struct Item {
    #[serde(flatten)]
    line: Line,
    pub found: Option<Found>,
}

#[derive(Serialize)]
struct Report {
    about: Circumstances,
    figures: Vec<Figure>,
    items: Vec<Item>,
}

/// Runs all clips of the list and writes `speech.json`.
pub fn run(eval: &Eval) -> Result<ExitCode> {
    let lines: Vec<Line> = listed::read(&eval.folder.join(LIST))?;
    analyze::init()?;
    analyze::stop_on_ctrl_c();
    let mut items = Vec::with_capacity(lines.len());
    for (number, line) in lines.into_iter().enumerate() {
        if interrupted() {
            return Ok(ExitCode::from(INTERRUPTED));
        }
        let paths = [&line.video, &line.sound].map(|path| eval.folder.join(path));
        let found = run::clip(&paths, eval.provider).map_err(|why| {
            errln!("polygraph: {} with the sound of {}: {why}", line.video, line.sound);
        });
        items.push(Item { line, found: found.ok() });
        if !eval.quiet && (number + 1) % 50 == 0 {
            errln!("{} clips", number + 1);
        }
    }
    let figures = figures::figures(&items, eval.resamples);
    out!("{}", figures::table(&figures));
    if let Some(out) = &eval.out {
        let report = Report { about: Circumstances::now(), figures, items };
        listed::write(out, "speech.json", serde_json::to_string(&report))?;
    }
    Ok(ExitCode::SUCCESS)
}
