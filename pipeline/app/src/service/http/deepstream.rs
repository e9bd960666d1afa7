// SPDX-License-Identifier: Apache-2.0
//! NVIDIA DeepStream's way to add and remove streams, so that its clients need no change
//! (`POST /api/v1/stream/add|remove`).

use axum::Json;
use axum::extract::State;
use axum::extract::rejection::JsonRejection;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::task::spawn_blocking;

use super::{Shared, problem::Problem};
use crate::service::config::StreamConfig;

/// DeepStream's request. What it says besides is let pass.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct Request {
    value: Sensor,
}

/// DeepStream's camera.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct Sensor {
    /// Becomes the stream's id.
    camera_id: String,
    /// Becomes its URI.
    #[serde(default)]
    camera_url: String,
}

/// DeepStream's answer.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Answer {
    status: &'static str,
    reason: &'static str,
}

/// Add a stream, as DeepStream does.
pub async fn add(State(app): Shared, body: Result<Json<Request>, JsonRejection>) -> Result<Json<Answer>, Problem> {
    let Json(Request { value }) = body?;
    let config = StreamConfig::new(value.camera_id, value.camera_url);
    spawn_blocking(move || app.streams.add(config)).await??;
    Ok(Json(Answer { status: "HTTP/1.1 200 OK", reason: "STREAM_ADD_SUCCESS" }))
}

/// Remove a stream, as DeepStream does.
pub async fn remove(State(app): Shared, body: Result<Json<Request>, JsonRejection>) -> Result<Json<Answer>, Problem> {
    let Json(Request { value }) = body?;
    spawn_blocking(move || app.streams.remove(&value.camera_id)).await??;
    Ok(Json(Answer { status: "HTTP/1.1 200 OK", reason: "STREAM_REMOVE_SUCCESS" }))
}
