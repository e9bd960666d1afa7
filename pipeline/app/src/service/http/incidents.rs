// SPDX-License-Identifier: Apache-2.0
//! Incidents, and what people say to them.

use std::sync::Arc;

use axum::extract::rejection::{JsonRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::{Extension, Json};
use schemars::JsonSchema;
use serde::Deserialize;
use tokio::task::spawn_blocking;

use super::{App, Shared, gate::Caller, problem::Problem};
use crate::service::incidents::{Incident, Note};
use crate::wall;

/// Which incidents.
#[derive(Debug, Deserialize)]
pub struct Filter {
    /// Of this stream only.
    stream: Option<String>,
    /// Only those that nobody has acknowledged.
    #[serde(default)]
    unacknowledged: bool,
}

/// Incidents, the latest first.
pub async fn list(
    State(app): Shared,
    filter: Result<Query<Filter>, QueryRejection>,
) -> Result<Json<Vec<Incident>>, Problem> {
    let Query(filter) = filter?;
    let mut all = app.hub.incidents.all();
    all.retain(|incident| filter.stream.as_ref().is_none_or(|stream| *stream == incident.stream));
    all.retain(|incident| !filter.unacknowledged || incident.acknowledged.is_none());
    Ok(Json(all))
}

/// One incident.
pub async fn get(State(app): Shared, Path(id): Path<String>) -> Result<Json<Incident>, Problem> {
    let mut incident = app.hub.incidents.get(&id).ok_or_else(|| Problem::unknown("such incident"))?;
    // Where nobody answers now it isn't known what is gone.
    if let Some(evidence) = &app.hub.evidence
        && let Ok(gone) = evidence.gone(&incident.stream, &incident.pictures()).await
    {
        incident.expire(&gone);
    }
    Ok(Json(incident))
}

/// Say that somebody has seen it. The first to do so is kept.
pub async fn acknowledge(
    State(app): Shared,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
) -> Result<Json<Incident>, Problem> {
    note(app, id, true, caller, String::new()).await
}

/// A comment.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Comment {
    /// At most 2000 characters.
    text: String,
}

/// Comment on an incident.
pub async fn comment(
    State(app): Shared,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
    body: Result<Json<Comment>, JsonRejection>,
) -> Result<Json<Incident>, Problem> {
    let Json(Comment { text }) = body?;
    if text.trim().is_empty() || text.chars().count() > 2000 {
        return Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "a comment has 1 to 2000 characters"));
    }
    note(app, id, false, caller, text).await
}

async fn note(
    app: Arc<App>,
    id: String,
    acknowledge: bool,
    by: Caller,
    text: String,
) -> Result<Json<Incident>, Problem> {
    let note = Note { by: by.name, at_ms: wall::now_ms(), text };
    let noted = spawn_blocking(move || app.hub.incidents.note(&id, acknowledge, note)).await?;
    noted.map_err(Problem::failed)?.map(Json).ok_or_else(|| Problem::unknown("such incident"))
}
