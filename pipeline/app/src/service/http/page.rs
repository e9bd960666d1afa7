// SPDX-License-Identifier: Apache-2.0
//! The live page: plain files, compiled in.

use axum::extract::Path;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::problem::Problem;

const INDEX: &str = include_str!("../../../../../dashboards/page/index.html");
const FILES: [(&str, &str, &str); 9] = [
    ("page.css", "text/css", include_str!("../../../../../dashboards/page/page.css")),
    ("icon.svg", "image/svg+xml", include_str!("../../../../../dashboards/page/icon.svg")),
    ("main.js", "text/javascript", include_str!("../../../../../dashboards/page/main.js")),
    ("api.js", "text/javascript", include_str!("../../../../../dashboards/page/api.js")),
    ("wall.js", "text/javascript", include_str!("../../../../../dashboards/page/wall.js")),
    ("stream.js", "text/javascript", include_str!("../../../../../dashboards/page/stream.js")),
    ("axis.js", "text/javascript", include_str!("../../../../../dashboards/page/axis.js")),
    ("inbox.js", "text/javascript", include_str!("../../../../../dashboards/page/inbox.js")),
    ("system.js", "text/javascript", include_str!("../../../../../dashboards/page/system.js")),
];

/// The page.
pub async fn index() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "text/html; charset=utf-8"), (header::CACHE_CONTROL, "no-cache")], INDEX)
}

/// One of its files.
pub async fn file(Path(name): Path<String>) -> Response {
    match FILES.iter().find(|(own, _, _)| *own == name) {
        Some((_, kind, text)) => {
            ([(header::CONTENT_TYPE, *kind), (header::CACHE_CONTROL, "no-cache")], *text).into_response()
        }
        None => Problem::unknown("such file").into_response(),
    }
}

/// Anything else.
pub async fn missing() -> Problem {
    Problem::new(StatusCode::NOT_FOUND, "there is nothing here; /api/v1/openapi.json says what is")
}
