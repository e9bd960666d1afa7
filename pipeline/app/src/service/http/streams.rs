// SPDX-License-Identifier: Apache-2.0
//! Streams: add, change, remove, list, and what happened in them lately.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::{JsonRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use tokio::task::spawn_blocking;

use super::{App, Shared, problem::Problem, view::StreamView};
use crate::service::config::StreamConfig;
use crate::service::timeline::Timeline;
use crate::sync::lock;

/// All streams and how they are.
pub async fn list(State(app): Shared) -> Result<Json<Vec<StreamView>>, Problem> {
    let all = spawn_blocking(move || app.streams.all()).await?;
    Ok(Json(all.into_iter().map(StreamView::new).collect()))
}

/// Add a stream; it is kept over restarts.
pub async fn add(
    State(app): Shared,
    body: Result<Json<StreamConfig>, JsonRejection>,
) -> Result<(StatusCode, Json<StreamView>), Problem> {
    let Json(config) = body?;
    let id = config.id.clone();
    let adding = Arc::clone(&app);
    spawn_blocking(move || adding.streams.add(config)).await??;
    Ok((StatusCode::CREATED, Json(view(app, id).await?)))
}

/// One stream.
pub async fn get(State(app): Shared, Path(id): Path<String>) -> Result<Json<StreamView>, Problem> {
    view(app, id).await.map(Json)
}

/// Change a stream, or add it. One that stays the same is not interrupted.
pub async fn put(
    State(app): Shared,
    Path(id): Path<String>,
    body: Result<Json<StreamConfig>, JsonRejection>,
) -> Result<(StatusCode, Json<StreamView>), Problem> {
    let Json(config) = body?;
    if config.id != id {
        return Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "the id of the body is not that of the path"));
    }
    let changing = Arc::clone(&app);
    let was = spawn_blocking(move || changing.streams.put(config)).await??;
    let status = if was { StatusCode::OK } else { StatusCode::CREATED };
    Ok((status, Json(view(app, id).await?)))
}

/// Stop a stream and forget it.
pub async fn remove(State(app): Shared, Path(id): Path<String>) -> Result<StatusCode, Problem> {
    spawn_blocking(move || app.streams.remove(&id)).await??;
    Ok(StatusCode::NO_CONTENT)
}

/// From when on.
#[derive(Deserialize)]
pub struct Since {
    /// Only what is later, milliseconds since 1970.
    #[serde(default)]
    since_ms: u64,
}

/// Scores, words, shots and states of the last minutes.
pub async fn timeline(
    State(app): Shared,
    Path(id): Path<String>,
    since: Result<Query<Since>, QueryRejection>,
) -> Result<Json<Timeline>, Problem> {
    let Query(Since { since_ms }) = since?;
    let Some(timeline) = app.hub.timeline(&id) else { return Err(Problem::unknown("such stream")) };
    let timeline = lock(&timeline);
    Ok(Json(timeline.since(since_ms)))
}

/// A small picture of it, about a second old.
pub async fn thumbnail(State(app): Shared, Path(id): Path<String>) -> Result<Response, Problem> {
    let jpeg = spawn_blocking(move || app.streams.thumbnail(&id)).await?;
    match jpeg.map_err(Problem::failed)? {
        Some(jpeg) => {
            let headers = [(header::CONTENT_TYPE, "image/jpeg"), (header::CACHE_CONTROL, "no-store")];
            Ok((headers, jpeg).into_response())
        }
        None => Err(Problem::unknown("picture of such a stream now")),
    }
}

async fn view(app: Arc<App>, id: String) -> Result<StreamView, Problem> {
    let found = spawn_blocking(move || app.streams.get(&id)).await?;
    found.map(StreamView::new).ok_or_else(|| Problem::unknown("such stream"))
}
