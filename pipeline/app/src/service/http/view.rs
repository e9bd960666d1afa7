// SPDX-License-Identifier: Apache-2.0
//! Streams as the API shows them: without passwords.

use polygraph_core::accounting::Counters;
use polygraph_core::load::{PARTIAL_INTERVALS_MS, Rates};
use schemars::JsonSchema;
use serde::Serialize;

use crate::service::config::StreamConfig;
use crate::supervise::Status;
use crate::{uri, wall};

/// A stream and how it is.
#[derive(Debug, Serialize, JsonSchema)]
pub struct StreamView {
    /// Its id.
    pub id: String,
    /// Where it comes from, without user, password and query.
    pub uri: String,
    /// connecting, running, stalled, recovering, failed or stopped.
    pub state: &'static str,
    /// Why, for people.
    pub reason: Option<String>,
    /// Since when, milliseconds since 1970.
    pub since_ms: u64,
    /// The epoch of its last connection.
    pub epoch: Option<String>,
    /// Where its wall time comes from.
    pub clock: Option<polygraph_core::event::ClockSource>,
    /// Connections after the first.
    pub reconnects: u64,
    /// Pipelines that did not end in time, and have not yet.
    pub abandoned: u64,
    /// Such as `1280x720, 25 fps`.
    pub video: Option<String>,
    /// Such as `48000 Hz, 2 channels`.
    pub audio: Option<String>,
    /// For how long the picture has been the same, seconds.
    pub frozen_s: f64,
    /// Pictures a second that are searched for faces now; fewer than `config` asks for when the machine has too much to do.
    pub analysis_fps: f64,
    /// Milliseconds between two partial transcripts now.
    pub partial_interval_ms: u32,
    /// Whether the configuration file names it; else the API added it.
    pub from_file: bool,
    /// How it is wanted; passwords as `***`.
    pub config: StreamConfig,
    /// The accounts of its analysers: input = analysed + skipped + late.
    pub counters: Counters,
}

impl StreamView {
    pub fn new((mut config, from_file, status): (StreamConfig, bool, Status)) -> Self {
        config.uri = uri::shown(&config.uri);
        let rates = status
            .rates
            .unwrap_or(Rates { analysis_fps: config.analysis_fps, partial_interval_ms: PARTIAL_INTERVALS_MS[0] });
        Self {
            id: config.id.clone(),
            uri: config.uri.clone(),
            state: status.state.as_str(),
            reason: status.reason,
            since_ms: wall::ms(status.since),
            epoch: status.epoch,
            clock: status.clock,
            reconnects: status.reconnects,
            abandoned: status.abandoned,
            video: status.video,
            audio: status.audio,
            frozen_s: status.frozen.as_secs_f64(),
            analysis_fps: rates.analysis_fps,
            partial_interval_ms: rates.partial_interval_ms,
            from_file,
            config,
            counters: status.counters,
        }
    }
}
