// SPDX-License-Identifier: Apache-2.0
//! Under which circumstances an evaluation was made.

use std::{fs, time::Duration};

use gstpolygraph::analyser::network_ref;
use polygraph_core::results::NetworkRef;
use polygraph_models::{Engine, card, forensics::CARD};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use super::{
    FACES, Setup,
    manifest::Split,
    report::{About, Calibration},
};
use crate::{cli::Eval, error::Result};

/// Everything that is known before a figure is looked at.
pub fn about(
    eval: &Eval,
    split: Split,
    setup: &Setup,
    engine: &std::sync::Arc<Engine>,
    took: Duration,
) -> Result<About> {
    let folder = eval.folder.canonicalize().unwrap_or_else(|_| eval.folder.clone());
    Ok(About {
        polygraph: env!("CARGO_PKG_VERSION").to_owned(),
        commit: commit(),
        date: now(),
        hardware: hardware(),
        folder: folder.file_name().unwrap_or_default().to_string_lossy().into_owned(),
        split,
        limit: eval.limit,
        analysis_fps: setup.analysis_fps,
        gates: setup.gates,
        networks: [CARD, FACES].into_iter().map(|name| network(engine, name)).collect::<Result<_>>()?,
        calibration: calibration()?,
        terms: terms()?,
        seconds: took.as_secs_f64(),
        jobs: setup.jobs,
        resamples: eval.resamples,
    })
}

fn network(engine: &std::sync::Arc<Engine>, name: &str) -> Result<NetworkRef> {
    Ok(network_ref(engine.load(name)?.identity()))
}

/// What the card says a score means, where it says so to the end.
fn calibration() -> Result<Option<Calibration>> {
    let numbers = card(CARD)?.calibration.numbers();
    Ok(numbers.and_then(|(scale, offset, threshold)| Some(Calibration { scale, offset, threshold: threshold? })))
}

/// The card's terms, and what they leave open.
fn terms() -> Result<String> {
    let licence = &card(CARD)?.licence;
    let caveat = licence.commercial_caveat().map(|caveat| format!(" Note: {caveat}."));
    Ok(format!("{}{}", licence.terms, caveat.unwrap_or_default()))
}

/// The time of day, RFC 3339.
pub(super) fn now() -> String {
    let now = OffsetDateTime::now_utc().replace_nanosecond(0).unwrap_or(OffsetDateTime::UNIX_EPOCH);
    // RFC 3339 can write every year that a clock shows.
    now.format(&Rfc3339).unwrap_or_default()
}

/// The commit that the elements were built from: the plugin's version ends in it.
pub(super) fn commit() -> Option<String> {
    let plugin = gst::Registry::get().find_plugin("polygraph")?;
    let version = plugin.version();
    let (_, commit) = version.split_once('-')?;
    (!commit.is_empty()).then(|| commit.to_owned())
}

/// Processor, cores and memory, as far as the system tells.
pub(super) fn hardware() -> String {
    let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpu.lines().find_map(|line| line.strip_prefix("model name")?.split_once(':'));
    let model = model.map_or("unknown processor", |(_, name)| name.trim());
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let memory = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let kilobytes =
        memory.lines().find_map(|line| line.strip_prefix("MemTotal:")?.split_whitespace().next()?.parse().ok());
    let memory = kilobytes.map(|kb: u64| format!(", {} GB", (kb + (1 << 19)) >> 20)).unwrap_or_default();
    format!("{model}, {cores} cores{memory}")
}
