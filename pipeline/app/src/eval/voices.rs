// SPDX-License-Identifier: Apache-2.0
//! The part of `polygraph eval` that is about voices: recordings through `polyvoice`, and how well its scores tell
//! synthetic voices from genuine ones, corpus by corpus.

mod calibrate;
mod judge;
mod report;

use std::{
    collections::BTreeMap,
    fs,
    path::Path,
    process::ExitCode,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use polygraph_core::evaluation::Bootstrap;
use polygraph_models::{Engine, voice::CARD};

use super::{
    INTERRUPTED, circumstances,
    condition::Condition,
    manifest::{Item, Manifest, Split},
};
use crate::sync::lock;
use crate::{
    analyze,
    cli::Eval,
    error::{Error, Result},
};
use judge::Heard;

/// What became of the items of one condition, by their numbers.
type Outcomes = BTreeMap<usize, Heard>;

/// Measures, or calibrates, and writes and prints what came out.
pub fn run(eval: &Eval, manifest: &Manifest, split: Split, items: &[(usize, &Item)]) -> Result<ExitCode> {
    analyze::init()?;
    let engine = Engine::shared(eval.provider)?;
    let network = engine.load(CARD)?;
    analyze::stop_on_ctrl_c();
    let conditions = if eval.calibrate { &[Condition::Clean][..] } else { &eval.conditions };
    let mut runs = Vec::new();
    for condition in conditions {
        if !eval.quiet {
            errln!("{condition}: {} recordings", items.len());
        }
        match all(eval, *condition, items)? {
            Some(outcomes) => runs.push((*condition, outcomes)),
            None => return Ok(ExitCode::from(INTERRUPTED)),
        }
    }
    let bootstrap = Bootstrap { resamples: eval.resamples, ..Bootstrap::default() };
    if let (true, Some((_, outcomes))) = (eval.calibrate, runs.first()) {
        out!("{}", calibrate::snippet(manifest, outcomes, &bootstrap)?);
    }
    let about = report::About {
        polygraph: env!("CARGO_PKG_VERSION").to_owned(),
        commit: circumstances::commit(),
        date: circumstances::now(),
        hardware: circumstances::hardware(),
        split,
        limit: eval.limit,
        network: gstpolygraph::analyser::network_ref(network.identity()),
        resamples: eval.resamples,
    };
    let threshold = network.card().calibration.numbers().and_then(|(_, _, threshold)| threshold);
    let report = report::build(about, manifest, &runs, threshold.is_some(), &bootstrap);
    if let Some(out) = &eval.out {
        write(out, &report)?;
    }
    if !eval.quiet && !eval.calibrate {
        out!("{report}");
    }
    Ok(ExitCode::SUCCESS)
}

/// All items under a condition, several at a time; `None` when the user asked to stop.
fn all(eval: &Eval, condition: Condition, items: &[(usize, &Item)]) -> Result<Option<Outcomes>> {
    let jobs = eval.jobs.unwrap_or_else(|| thread::available_parallelism().map_or(1, usize::from));
    let (next, found, failure) = (AtomicUsize::new(0), Mutex::new(Outcomes::new()), Mutex::new(None));
    thread::scope(|scope| {
        for _ in 0..jobs {
            scope.spawn(|| {
                while let Some((number, item)) = items.get(next.fetch_add(1, Ordering::Relaxed)) {
                    if analyze::interrupted() {
                        return;
                    }
                    match judge::item(item, condition, eval.provider) {
                        Ok(heard) => {
                            lock(&found).insert(*number, heard);
                        }
                        Err(error) => {
                            next.store(items.len(), Ordering::Relaxed);
                            lock(&failure).get_or_insert(error);
                        }
                    }
                }
            });
        }
    });
    if let Some(error) = failure.into_inner().unwrap_or_else(PoisonError::into_inner) {
        return Err(error);
    }
    let found = found.into_inner().unwrap_or_else(PoisonError::into_inner);
    Ok((!analyze::interrupted()).then_some(found))
}

fn write(out: &Path, report: &report::Report) -> Result<()> {
    fs::create_dir_all(out).map_err(Error::file(out))?;
    let json = out.join("eval.json");
    let text = serde_json::to_string_pretty(report)
        .map_err(|why| Error::File { path: json.display().to_string(), why: why.into() })?;
    fs::write(&json, text + "\n").map_err(Error::file(&json))
}
