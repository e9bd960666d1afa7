// SPDX-License-Identifier: Apache-2.0
//! How the service is: for orchestrators, for Prometheus, for the page.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use polygraph_models::Usage;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Value, json};
use tokio::task::spawn_blocking;

use super::{App, Shared, problem::Problem};
use crate::metrics::delivery::Account;
use crate::service::metrics::Readings;
use crate::service::processes::wire::Network;
use crate::service::streams::Changed;

/// What `/metrics` says it is: Prometheus' text exposition format.
pub const EXPOSITION: [(header::HeaderName, &str); 1] =
    [(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")];

/// The process lives and answers.
pub async fn health() -> &'static str {
    "ok\n"
}

/// Whether the service can do its work.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Ready {
    /// It can.
    ready: bool,
    /// The provider that the engine settled on.
    provider: &'static str,
    /// Networks that are loaded; each is when a stream first needs it.
    networks: Vec<Network>,
    /// Events that found no room or no disk.
    lost_events: u64,
}

/// Loaded networks, and what each has cost: here, or in the worker processes.
fn networks(app: &App) -> (Vec<Network>, BTreeMap<String, Usage>) {
    match app.streams.processes() {
        Some(processes) => processes.networks(),
        None => (app.engine.reports().into_iter().map(Network::from).collect(), app.engine.usage()),
    }
}

/// The service can do its work: its engine runs and its store is written. Streams that are away don't matter here.
pub async fn ready(State(app): Shared) -> (StatusCode, Json<Ready>) {
    let counts = app.hub.store().counts();
    // It recovers as soon as the disk does.
    let ready = counts.waiting.load(Relaxed) < 16_000;
    let lost_events = counts.dropped.load(Relaxed) + counts.failed.load(Relaxed);
    let answer = Ready { ready, provider: app.engine.target().as_str(), networks: networks(&app).0, lost_events };
    (if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }, Json(answer))
}

/// What Prometheus reads.
pub async fn metrics(State(app): Shared) -> Result<Response, Problem> {
    let text = spawn_blocking(move || {
        let streams: Vec<_> = app.streams.all().into_iter().map(|(config, _, status)| (config.id, status)).collect();
        let (networks, usage) = networks(&app);
        let (store, delivery) = (Some(app.hub.store().counts()), app.hub.courier().map(Account::of));
        app.hub.metrics.text(&Readings { streams: &streams, networks: &networks, usage: &usage, store, delivery })
    })
    .await?;
    Ok((EXPOSITION, text.map_err(Problem::failed)?).into_response())
}

/// The networks' cards: what each is, how good it is, its licence.
pub async fn cards() -> Json<Value> {
    Json(serde_json::to_value(polygraph_models::cards()).unwrap_or_default())
}

/// Load, providers, Kafka and the store, for the page.
pub async fn system(State(app): Shared) -> Result<Json<Value>, Problem> {
    let system = spawn_blocking(move || read(&app)).await?;
    Ok(Json(system))
}

fn read(app: &Arc<App>) -> Value {
    let (networks, usage) = networks(app);
    let runs: BTreeMap<_, _> = usage.into_iter().map(|(network, usage)| (network, usage.runs)).collect();
    let counts = app.hub.store().counts();
    let kafka = app.hub.courier().map(|courier| {
        let (sum, lag) = (courier.tallies().sum(), courier.lag());
        json!({
            "acknowledged": sum.acknowledged, "queued": sum.queued, "spooled": sum.spooled,
            "dropped": sum.dropped, "dead_lettered": sum.dead_lettered, "spool_bytes": lag.bytes,
            "oldest_s": lag.seconds, "last_error": courier.last_error(),
        })
    });
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load: Vec<f64> = load.split_whitespace().take(3).filter_map(|number| number.parse().ok()).collect();
    json!({
        "version": env!("CARGO_PKG_VERSION"),
        "provider": app.engine.target().as_str(),
        "fell_back": app.engine.fell_back(),
        "networks": networks,
        "runs": runs,
        "workers": app.streams.processes().map(|processes| processes.all()),
        "load": load,
        "cores": std::thread::available_parallelism().map_or(1, usize::from),
        "memory_bytes": memory(),
        "store": {
            "bytes": counts.bytes.load(Relaxed), "written": counts.written.load(Relaxed),
            "dropped": counts.dropped.load(Relaxed), "failed": counts.failed.load(Relaxed),
            "waiting": counts.waiting.load(Relaxed),
        },
        "kafka": kafka,
    })
}

/// Resident memory of this process.
fn memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    Some(line.split_whitespace().next()?.parse::<u64>().ok()? * 1024)
}

/// Read the configuration again, and start and stop only what changed.
pub async fn reload(State(app): Shared) -> Result<Json<Changed>, Problem> {
    let changed = spawn_blocking(move || app.streams.reload()).await?;
    changed.map(Json).map_err(|error| Problem::new(StatusCode::UNPROCESSABLE_ENTITY, error.to_string()))
}

/// This API as OpenAPI.
pub async fn document() -> Json<Value> {
    Json(super::openapi())
}
