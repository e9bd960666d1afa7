// SPDX-License-Identifier: Apache-2.0
//! Pictures of incidents, shots and faces.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use polygraph_core::event::StreamId;

use super::{Shared, problem::Problem};

/// Names of a stream's pictures, `EPOCH-NAME`, the latest epoch first.
pub async fn list(State(app): Shared, Path(id): Path<String>) -> Result<Json<Vec<String>>, Problem> {
    // A stream's id is a folder's name.
    if StreamId::new(&id).as_str() != id || id.starts_with('.') {
        return Err(Problem::unknown("such stream"));
    }
    match &app.hub.evidence {
        Some(evidence) => evidence.of(&id).await.map(Json).map_err(away),
        None => Ok(Json(Vec::new())),
    }
}

/// One picture. It is gone after the days that the configuration says.
pub async fn picture(State(app): Shared, Path((id, name)): Path<(String, String)>) -> Result<Response, Problem> {
    let plain = |text: &str| !text.is_empty() && text.chars().all(|c| c.is_alphanumeric() || matches!(c, '-' | '_'));
    let picture = match &app.hub.evidence {
        Some(evidence) if plain(&name) && StreamId::new(&id).as_str() == id && !id.starts_with('.') => {
            evidence.picture(&id, &name).await.map_err(away)?
        }
        _ => None,
    };
    let picture = picture.ok_or_else(|| Problem::unknown("such picture; it may have expired"))?;
    Ok(([(header::CONTENT_TYPE, "image/jpeg")], picture).into_response())
}

/// Where evidence is kept nobody answers.
fn away(why: String) -> Problem {
    Problem::new(StatusCode::BAD_GATEWAY, format!("where evidence is kept: {why}"))
}
