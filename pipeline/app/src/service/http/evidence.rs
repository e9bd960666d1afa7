// SPDX-License-Identifier: Apache-2.0
//! Blurred pictures of faces where they scored highest.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use tokio::task::spawn_blocking;

use super::{Shared, problem::Problem};

/// Names of a stream's pictures, `EPOCH-TRACK`, the latest first.
pub async fn list(State(app): Shared, Path(id): Path<String>) -> Result<Json<Vec<String>>, Problem> {
    // A stream's id is a folder's name.
    if polygraph_core::event::StreamId::new(&id).as_str() != id || id.starts_with('.') {
        return Err(Problem::unknown("such stream"));
    }
    let names = spawn_blocking(move || app.hub.faces.as_ref().map(|faces| faces.of(&id))).await?;
    Ok(Json(names.unwrap_or_default()))
}

/// One picture. It is gone after the days that the configuration says.
pub async fn picture(State(app): Shared, Path((id, name)): Path<(String, String)>) -> Result<Response, Problem> {
    let picture = spawn_blocking(move || app.hub.faces.as_ref().and_then(|faces| faces.picture(&id, &name))).await?;
    let picture = picture.ok_or_else(|| Problem::unknown("such picture; it may have expired"))?;
    Ok(([(header::CONTENT_TYPE, "image/jpeg")], picture).into_response())
}
