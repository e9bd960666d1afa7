// SPDX-License-Identifier: Apache-2.0
//! `polygraph eval`: the shipped analysers over a folder of labelled items, faces or voices, and a report of how good they
//! are. The folder is described in `eval/README.md`.

mod baselines;
mod calibrate;
mod chain;
mod circumstances;
mod clips;
mod condition;
mod degrade;
mod lips;
mod listed;
mod manifest;
mod moving;
mod observe;
mod outcome;
mod page;
mod report;
mod scenes;
mod shots;
mod shown;
mod speech;
pub mod still;
mod stills;
mod texts;
mod voices;
mod work;

use std::{collections::HashMap, fs, path::Path, process::ExitCode, time::Instant};

use polygraph_core::evaluation::Bootstrap;
use polygraph_models::{Engine, Provider, forensics::CARD};

use crate::{
    analyze,
    cli::Eval,
    error::{Error, Result},
};
pub use condition::Condition;
use manifest::{Item, Kind, Manifest, Split};
use report::Report;

/// What `--help` says of the folder: the document that developers read, too.
pub const FOLDER: &str = include_str!("eval/README.md");

/// The card of the one that finds them.
const FACES: &str = "blazeface-back";
/// As shells report a process that SIGINT ended.
const INTERRUPTED: u8 = 130;

/// What every pipeline of a run shares.
pub struct Setup {
    /// What runs the networks.
    pub provider: Provider,
    /// Pictures of a clip that are searched for faces each second.
    pub analysis_fps: f64,
    /// Faces of too low a quality are refused, as shipped.
    pub gates: bool,
    /// Pipelines side by side.
    pub jobs: usize,
    /// No progress.
    pub quiet: bool,
}

/// Measures, or calibrates, and writes and prints what came out.
pub fn run(eval: &Eval) -> Result<ExitCode> {
    if eval.folder.join(lips::LIST).exists() {
        return lips::run(eval);
    }
    if eval.folder.join(scenes::LIST).exists() {
        return scenes::run(eval);
    }
    if eval.folder.join(texts::LIST).exists() {
        return texts::run(eval);
    }
    if eval.folder.join(speech::LIST).exists() {
        return speech::run(eval);
    }
    if eval.folder.join(shots::LIST).exists() {
        return shots::run(eval);
    }
    let manifest = Manifest::read(&eval.folder)?;
    let split = if eval.calibrate { Split::Calibration } else { Split::Test };
    let chosen = choose(&manifest, split, eval.limit);
    if chosen.is_empty() {
        let name = if eval.calibrate { "calibration" } else { "test" };
        return Err(Error::input(eval.folder.display().to_string(), format!("no item has split `{name}`")));
    }
    if let Some(voices) = kinds(eval, &chosen)? {
        return voices::run(eval, &manifest, split, &voices);
    }
    let baselines = baselines::read(&eval.folder, split)?;
    analyze::init()?;
    // Loaded once for all pipelines, and a missing network is told in one line.
    let engine = Engine::shared(eval.provider)?;
    engine.load(CARD)?;
    engine.load(FACES)?;
    analyze::stop_on_ctrl_c();
    let jobs = eval.jobs.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from));
    let setup = Setup {
        provider: eval.provider,
        analysis_fps: eval.analysis_fps,
        gates: !eval.no_gates,
        jobs,
        quiet: eval.quiet,
    };
    let began = Instant::now();
    let conditions = if eval.calibrate { &[Condition::Clean][..] } else { &eval.conditions };
    let mut runs = Vec::new();
    for condition in conditions {
        match work::run(&setup, *condition, &chosen)? {
            Some(run) => runs.push(run),
            None => return Ok(ExitCode::from(INTERRUPTED)),
        }
    }
    let bootstrap = Bootstrap { resamples: eval.resamples, ..Bootstrap::default() };
    if eval.calibrate {
        out!("{}", calibrate::snippet(&manifest, &runs, &bootstrap)?);
        if eval.out.is_none() {
            return Ok(ExitCode::SUCCESS);
        }
    }
    let about = circumstances::about(eval, split, &setup, &engine, began.elapsed())?;
    let report = report::build(about, &manifest, &runs, &baselines, &bootstrap);
    if let Some(out) = &eval.out {
        write(out, &report)?;
    }
    if !eval.quiet && !eval.calibrate {
        out!("{}", page::summary(&report));
    }
    Ok(ExitCode::SUCCESS)
}

/// The items, if they are voices; `None` for pictures.
fn kinds<'a>(eval: &Eval, chosen: &[(usize, &'a Item)]) -> Result<Option<Vec<(usize, &'a Item)>>> {
    let wrong = |why: String| Err(Error::input(eval.folder.display().to_string(), why));
    let voices = chosen.iter().filter(|(_, item)| item.kind == Kind::Sound).count();
    if voices > 0 && voices < chosen.len() {
        return wrong("it has voices and pictures; give each a folder of its own".into());
    }
    let side = usize::from(voices == 0);
    match eval.conditions.iter().find(|condition| !condition.suits()[side]) {
        Some(condition) => wrong(format!("condition `{condition}` is none for {}", ["voices", "pictures"][side])),
        None => Ok((voices > 0).then(|| chosen.to_vec())),
    }
}

/// The items of a split with their numbers, at most `limit` of each corpus and label: those that come first by a hash
/// of their paths, so that a quick run is no run of the first persons only, and takes the same items every time.
fn choose(manifest: &Manifest, split: Split, limit: Option<usize>) -> Vec<(usize, &Item)> {
    let own = manifest.items.iter().enumerate().filter(|(_, item)| item.split == split);
    let mut items: Vec<_> = own.map(|(number, item)| (hash(&item.path), number, item)).collect();
    items.sort_unstable_by_key(|(hash, number, _)| (*hash, *number));
    let mut taken: HashMap<(&str, bool), usize> = HashMap::new();
    let mut chosen: Vec<_> = items
        .into_iter()
        .filter(|(_, _, item)| {
            let taken = taken.entry((&item.corpus, item.manipulated)).or_default();
            *taken += 1;
            limit.is_none_or(|limit| *taken <= limit)
        })
        .map(|(_, number, item)| (number, item))
        .collect();
    chosen.sort_unstable_by_key(|(number, _)| *number);
    chosen
}

/// FNV-1a.
fn hash(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

fn write(out: &Path, report: &Report) -> Result<()> {
    fs::create_dir_all(out).map_err(Error::file(out))?;
    let json = out.join("eval.json");
    let text = serde_json::to_string_pretty(report)
        .map_err(|why| Error::File { path: json.display().to_string(), why: why.into() })?;
    fs::write(&json, text + "\n").map_err(Error::file(&json))?;
    let html = out.join("eval.html");
    fs::write(&html, page::html(report)).map_err(Error::file(&html))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_takes_the_same_items_of_every_corpus_and_label() {
        let mut manifest = Manifest::default();
        for number in 0..40 {
            manifest.items.push(Item {
                path: format!("{number}.png"),
                manipulated: number % 2 == 1,
                person: number,
                corpus: if number < 20 { "a" } else { "b" }.into(),
                manipulation: String::new(),
                split: if number % 10 < 8 { Split::Test } else { Split::Calibration },
                pair: None,
                kind: manifest::Kind::Still,
                file: Err(String::new()),
            });
        }
        let chosen = choose(&manifest, Split::Test, Some(3));
        assert_eq!(chosen.len(), 12);
        assert!(chosen.windows(2).all(|pair| pair[0].0 < pair[1].0));
        assert_eq!(chosen, choose(&manifest, Split::Test, Some(3)));
        assert_eq!(choose(&manifest, Split::Test, None).len(), 32);
        let fewer: Vec<_> = choose(&manifest, Split::Test, Some(2)).iter().map(|(number, _)| *number).collect();
        assert!(fewer.iter().all(|number| chosen.iter().any(|(other, _)| other == number)));
    }
}
