// SPDX-License-Identifier: Apache-2.0
//! What the service and its worker processes say to each other: one JSON object a line, by the worker's standard input
//! and output.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use polygraph_core::accounting::Counters;
use polygraph_core::supervision::State;
use polygraph_models::Usage;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::service::{config::Allow, evidence::Place};
use crate::supervise::Status;

/// The first line to a worker.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Hello {
    /// What may be opened.
    pub allow: Allow,
    /// What runs the networks.
    pub provider: String,
    /// Where evidence is kept, if it is.
    pub evidence: Option<Place>,
}

/// To a worker.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Order {
    /// A stream's description, with its secrets as they were given.
    Start(serde_json::Value),
    /// A stream's id. `Over` answers.
    Stop(String),
    /// Other rates for a stream.
    Rates(String, f64, u32),
    /// A small picture of a stream is wanted. `Picture` answers when there is one.
    Picture(String),
}

/// From a worker.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Report {
    /// An event's line, and the delay of its picture.
    Event(String, Option<Duration>),
    /// How a stream is.
    Status(String, Box<Status>),
    /// A stream ended.
    Over(String),
    /// A stream could not be started, and why.
    Refused(String, String),
    /// A picture of a stream's evidence was taken and couldn't be written.
    EvidenceLost(String),
    /// A stream's small picture, a JPEG in hexadecimal digits.
    Picture(String, String),
    /// How the worker is; at least every second.
    Alive {
        /// Loaded networks.
        networks: Vec<Network>,
        /// What each has cost.
        usage: BTreeMap<String, Usage>,
        /// Reports that found no room on their way.
        lost: u64,
    },
}

/// A loaded network and what runs it.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Network {
    /// Its card's name.
    pub network: String,
    /// The provider that was asked for.
    pub asked: String,
    /// The provider that runs it.
    pub actual: String,
    /// Nodes of its graph by what runs them.
    pub nodes: BTreeMap<String, usize>,
    /// Why `auto` did not get what it would have liked.
    pub fell_back: Option<String>,
}

impl From<polygraph_models::ProviderReport> for Network {
    fn from(report: polygraph_models::ProviderReport) -> Self {
        Self {
            asked: report.asked.as_str().to_owned(),
            actual: report.actual.as_str().to_owned(),
            nodes: report.placements.into_iter().map(|placement| (placement.provider, placement.nodes)).collect(),
            network: report.network,
            fell_back: report.fell_back,
        }
    }
}

/// Of a stream that nothing was told of yet.
pub fn unknown() -> Status {
    Status {
        state: State::Connecting,
        reason: None,
        since: SystemTime::now(),
        epoch: None,
        clock: None,
        reconnects: 0,
        abandoned: 0,
        video: None,
        audio: None,
        frozen: Duration::ZERO,
        rates: None,
        counters: Counters::new(),
    }
}
