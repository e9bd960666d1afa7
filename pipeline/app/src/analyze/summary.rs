// SPDX-License-Identifier: Apache-2.0
//! `summary.json`, and the first lines of what is printed at the end.

use std::{collections::BTreeMap, fmt, fs, path::Path, time::Duration};

use polygraph_core::{
    accounting::Counters,
    event::Epoch,
    provenance::{CredentialsState, Provenance},
    record::Incident,
    report::{Found, Track, Voice},
};
use polygraph_models::{Card, Engine, cards};
use serde::Serialize;

use super::{graph::Graph, input::Input, outputs::Outputs};
use crate::{
    error::{Error, Result},
    publish::Outcome,
    webhook::Posted,
};

/// What a run came to. Times are stream time in nanoseconds where the name says `ns`, else seconds.
#[derive(Serialize)]
pub struct Summary {
    pub(super) input: String,
    pub(super) stream: String,
    pub(super) epoch: String,
    /// `ended`, `failed` or `interrupted`.
    state: &'static str,
    /// Why it failed, and where.
    pub(super) failure: Option<String>,
    /// Stream time that was analysed, seconds.
    pub(super) analysed_s: f64,
    /// What the file says it lasts, seconds.
    duration_s: Option<f64>,
    wall_s: f64,
    /// Analysed over wall time.
    pub(super) speed: f64,
    pub(super) events: u64,
    found: Found,
    /// Each incident as it was told last.
    incidents: Vec<Incident>,
    tracks: Vec<Track>,
    /// Signs of a synthetic voice; absent when nobody looked for them.
    #[serde(skip_serializing_if = "Option::is_none")]
    voice: Option<Voice>,
    integrated_lufs: Option<f32>,
    /// Content credentials of the file; absent of what can't have any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub provenance: Option<Provenance>,
    /// Of each analyser: input = analysed + skipped + late.
    pub counters: Counters,
    /// How often each network ran, by card.
    network_runs: BTreeMap<String, u64>,
    /// Asked-for and actual provider and nodes of each network.
    providers: Vec<String>,
    /// What whoever uses these results has to know of the networks behind them.
    notes: Vec<String>,
    /// Present with a webhook.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub webhook: Option<Posted>,
    /// Present with `--kafka`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kafka: Option<Delivery>,
}

/// What became of the events at Kafka.
#[derive(Serialize)]
pub struct Delivery {
    produced: u64,
    acknowledged: u64,
    failed: BTreeMap<String, u64>,
    last_error: Option<String>,
    /// With `--spool`: found in the spool, and sent with the others.
    #[serde(skip_serializing_if = "Option::is_none")]
    replayed: Option<u64>,
    /// With `--spool`: left in it.
    #[serde(skip_serializing_if = "Option::is_none")]
    spooled: Option<u64>,
}

impl From<&Outcome> for Delivery {
    fn from(outcome: &Outcome) -> Self {
        match outcome {
            Outcome::Straight(report) => Self {
                produced: report.counts.produced,
                acknowledged: report.counts.acknowledged,
                failed: report.counts.failed.clone(),
                last_error: report.last_error.clone(),
                replayed: None,
                spooled: None,
            },
            Outcome::Spooled(delivery) => {
                let sum = delivery.tallies.sum();
                Self {
                    produced: sum.produced,
                    acknowledged: sum.acknowledged,
                    failed: sum.dropped.into_iter().chain(sum.dead_lettered).collect(),
                    last_error: delivery.last_error.clone(),
                    replayed: Some(sum.replayed),
                    spooled: Some(sum.spooled),
                }
            }
        }
    }
}

impl Summary {
    /// Of a run that is over.
    pub fn new(input: &Input, epoch: &Epoch, graph: &Graph, outputs: &Outputs, wall: Duration) -> Self {
        let analysed_s = graph.watch.end_ns() as f64 / 1e9;
        let report = outputs.report();
        Self {
            input: input.given.clone(),
            stream: input.stream.to_string(),
            epoch: epoch.name.clone(),
            state: if graph.ended_early() { "interrupted" } else { "ended" },
            failure: None,
            analysed_s,
            duration_s: graph.known_duration().map(|duration| duration.nseconds() as f64 / 1e9),
            wall_s: wall.as_secs_f64(),
            speed: analysed_s / wall.as_secs_f64().max(f64::EPSILON),
            events: outputs.written(),
            found: report.found(),
            incidents: report.incidents().iter().cloned().collect(),
            tracks: report.tracks().collect(),
            voice: report.voice().cloned(),
            integrated_lufs: report.integrated_lufs(),
            provenance: None,
            counters: Counters::new(),
            network_runs: BTreeMap::new(),
            providers: Vec::new(),
            notes: Vec::new(),
            webhook: None,
            kafka: None,
        }
    }

    /// Says why the run failed.
    pub fn failed(&mut self, failure: &str) {
        self.state = "failed";
        self.failure = Some(failure.to_owned());
    }

    /// Takes note of what the networks ran on, and how often.
    pub fn engine(&mut self, engine: &Engine) {
        self.network_runs = engine.runs();
        let ran = |card: &&Card| self.network_runs.get(&card.name).is_some_and(|runs| *runs > 0);
        let note = |card: &Card| Some(format!("network {}: {}", card.name, card.licence.commercial_caveat()?));
        self.notes = cards().iter().filter(ran).filter_map(note).collect();
        self.providers = engine.reports().iter().map(ToString::to_string).collect();
    }

    /// Writes `summary.json`.
    pub fn write(&self, folder: &Path) -> Result<()> {
        let path = folder.join("summary.json");
        let text = serde_json::to_string_pretty(self)
            .map_err(|why| Error::File { path: path.display().to_string(), why: why.into() })?;
        fs::write(&path, text + "\n").map_err(Error::file(&path))
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { input, analysed_s, wall_s, speed, events, .. } = self;
        writeln!(f, "{input}: {analysed_s:.1} s in {wall_s:.1} s, {speed:.1} x real time; {events} events")?;
        if let Some(Delivery { produced, acknowledged, .. }) = &self.kafka {
            writeln!(f, "Kafka: {produced} produced, {acknowledged} acknowledged")?;
        }
        // That a file has none is the rule, and nothing to tell everybody.
        if let Some(provenance) = self.provenance.as_ref().filter(|it| it.state != CredentialsState::None) {
            writeln!(f, "Content credentials: {provenance}")?;
        }
        self.notes.iter().try_for_each(|note| writeln!(f, "Note: {note}"))
    }
}
