// SPDX-License-Identifier: Apache-2.0
//! The API as OpenAPI 3.1, from a table of its operations and the Rust types of their bodies. A test holds the table
//! against the router.

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, SchemaGenerator};
use serde_json::{Map, Value, json};

use super::problem::Problem;
use super::view::StreamView;
use super::{deepstream, incidents, system};
use crate::service::config::StreamConfig;
use crate::service::incidents::Incident;
use crate::service::streams::Changed;
use crate::service::timeline::Timeline;

/// What an answer's body is.
enum Body {
    Nothing,
    Json(Value),
    Other(&'static str),
}

/// One operation.
struct Operation {
    method: &'static str,
    path: &'static str,
    tag: &'static str,
    summary: &'static str,
    query: &'static [(&'static str, &'static str)],
    request: Option<Value>,
    success: (u16, Body),
    failures: &'static [u16],
}

const FILTER: &[(&str, &str)] = &[
    ("streams", "ids of streams, with commas between; all without"),
    ("kinds", "stream, frame, transcript, shot, incident, with commas between; all without"),
    ("after", "begin after the event of this id; the header Last-Event-ID does the same"),
];
/// A WebSocket has no Last-Event-ID.
const FILTER_AND_AFTER: [(&str, &str); 3] = [FILTER[0], FILTER[1], ("after", "begin after the event of this id")];
const WEBSOCKET: &str = "Events as a WebSocket, subprotocol cloudevents.json: one CloudEvent a message, of which \
     io.polygraph.gap.v1 says that the id to begin after isn't known any more. A page, which can't set Authorization, offers \
     its token as a second subprotocol, polygraph.token.BASE64URL. Whoever reads too slowly (1013) or answers no ping within \
     10 s (1008) is closed, and resumes after the last id; messages over 4096 bytes are refused (1009)";
/// What is wrong with a body.
const BODY: &[u16] = &[400, 413, 415, 422];

/// The OpenAPI document; committed as `pipeline/app/schemas/openapi.json` and compared by a test.
pub fn document() -> Value {
    let settings =
        SchemaSettings::draft2020_12().with(|settings| settings.definitions_path = "/components/schemas".into());
    let mut types = settings.into_generator();
    let problem = of::<Problem>(&mut types);
    let mut paths = Map::new();
    for operation in operations(&mut types) {
        let (path, method) = (operation.path.to_owned(), operation.method);
        let entry = paths.entry(path).or_insert_with(|| json!({}));
        entry[method] = operation.document(&problem);
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Polygraph",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Live streams, their events and incidents. Events are CloudEvents; their schemas are in pipeline/core/schemas.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "paths": paths,
        "components": {
            "schemas": types.take_definitions(true),
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
    })
}

fn of<T: JsonSchema>(types: &mut SchemaGenerator) -> Value {
    types.subschema_for::<T>().to_value()
}

impl Operation {
    fn document(self, problem: &Value) -> Value {
        let mut parameters: Vec<_> = names(self.path)
            .map(|name| json!({"name": name, "in": "path", "required": true, "schema": {"type": "string"}}))
            .collect();
        parameters.extend(self.query.iter().map(|(name, description)| {
            let number = name.ends_with("_ms");
            let schema = match *name {
                "unacknowledged" => json!({"type": "boolean"}),
                _ if number => json!({"type": "integer", "minimum": 0}),
                _ => json!({"type": "string"}),
            };
            json!({"name": name, "in": "query", "description": description, "schema": schema})
        }));
        let (status, body) = self.success;
        let content = match body {
            Body::Nothing => json!({"description": "done"}),
            Body::Json(schema) => json!({"description": "done", "content": {"application/json": {"schema": schema}}}),
            Body::Other(kind) => json!({"description": "done", "content": {kind: {}}}),
        };
        let mut responses = Map::from_iter([(status.to_string(), content)]);
        let public = self.tag == "public";
        let always: &[u16] = if public { &[429] } else { &[401, 403, 429] };
        for failure in self.failures.iter().chain(always) {
            let content = json!({"application/problem+json": {"schema": problem}});
            responses.insert(failure.to_string(), json!({"description": "refused", "content": content}));
        }
        let mut operation = json!({
            "tags": [self.tag], "summary": self.summary, "responses": responses,
            "operationId": format!("{}{}", self.method, self.path.replace(['/', '{', '}', '.'], "_")),
        });
        if !parameters.is_empty() {
            operation["parameters"] = parameters.into();
        }
        if let Some(schema) = self.request {
            operation["requestBody"] = json!({"required": true, "content": {"application/json": {"schema": schema}}});
        }
        if !public {
            operation["security"] = json!([{"token": []}]);
        }
        operation
    }
}

/// The names in a path's braces.
fn names(path: &str) -> impl Iterator<Item = &str> {
    path.split('{').skip(1).filter_map(|rest| rest.split('}').next())
}

fn operations(types: &mut SchemaGenerator) -> Vec<Operation> {
    let stream = of::<StreamView>(types);
    let wanted = of::<StreamConfig>(types);
    let incident = of::<Incident>(types);
    let deepstream = (of::<deepstream::Request>(types), of::<deepstream::Answer>(types));
    let list = |item: &Value| Body::Json(json!({"type": "array", "items": item}));
    let get = |path, tag, summary, body| Operation {
        method: "get",
        path,
        tag,
        summary,
        query: &[],
        request: None,
        success: (200, body),
        failures: if names(path).next().is_some() { &[404] } else { &[] },
    };
    let post = |path, tag, summary, request, body, failures| Operation {
        method: "post",
        path,
        tag,
        summary,
        query: &[],
        request,
        success: (200, body),
        failures,
    };
    let json = |schema: &Value| Body::Json(schema.clone());
    vec![
        get("/healthz", "public", "The process lives and answers", Body::Other("text/plain")),
        get("/readyz", "public", "The service can do its work; 503 when not", Body::Json(of::<system::Ready>(types))),
        get("/api/v1/openapi.json", "public", "This document", Body::Json(json!({"type": "object"}))),
        get("/metrics", "system", "What Prometheus reads", Body::Other("text/plain")),
        get("/api/v1/cards", "system", "The networks' cards", list(&json!({"type": "object"}))),
        get("/api/v1/system", "system", "Load, providers, store and Kafka", Body::Json(json!({"type": "object"}))),
        post(
            "/api/v1/reload",
            "system",
            "Read the configuration again; start and stop only what changed",
            None,
            Body::Json(of::<Changed>(types)),
            &[422],
        ),
        get("/api/v1/streams", "streams", "All streams and how they are", list(&stream)),
        Operation {
            success: (201, json(&stream)),
            ..post(
                "/api/v1/streams",
                "streams",
                "Add a stream; it is kept over restarts",
                Some(wanted.clone()),
                Body::Nothing,
                &[400, 409, 413, 415, 422, 503],
            )
        },
        get("/api/v1/streams/{id}", "streams", "One stream", json(&stream)),
        Operation {
            method: "put",
            ..post(
                "/api/v1/streams/{id}",
                "streams",
                "Change a stream, or add it (201). One that stays the same is not interrupted",
                Some(wanted),
                json(&stream),
                &[400, 413, 415, 422, 503],
            )
        },
        Operation {
            method: "delete",
            success: (204, Body::Nothing),
            ..get("/api/v1/streams/{id}", "streams", "Stop a stream and forget it", Body::Nothing)
        },
        Operation {
            query: &[("since_ms", "only what is later, milliseconds since 1970")],
            failures: &[400, 404],
            ..get(
                "/api/v1/streams/{id}/timeline",
                "streams",
                "Scores, words, shots and states of the last minutes",
                Body::Json(of::<Timeline>(types)),
            )
        },
        get(
            "/api/v1/streams/{id}/thumbnail",
            "streams",
            "A small picture, about a second old",
            Body::Other("image/jpeg"),
        ),
        get(
            "/api/v1/streams/{id}/evidence",
            "evidence",
            "Names of a stream's evidence, the latest epoch first",
            list(&json!({"type": "string"})),
        ),
        get(
            "/api/v1/streams/{id}/evidence/{name}",
            "evidence",
            "A picture: of a shot, an incident or a face",
            Body::Other("image/jpeg"),
        ),
        Operation {
            query: FILTER,
            failures: &[400],
            ..get("/api/v1/events", "events", "Events as Server-Sent Events", Body::Other("text/event-stream"))
        },
        Operation {
            query: &FILTER_AND_AFTER,
            success: (101, Body::Nothing),
            failures: &[400, 426],
            ..get("/api/v1/events/ws", "events", WEBSOCKET, Body::Nothing)
        },
        Operation {
            query: &[("stream", "of this stream only"), ("unacknowledged", "only those that nobody has acknowledged")],
            failures: &[400],
            ..get("/api/v1/incidents", "incidents", "Incidents, the latest first", list(&incident))
        },
        get("/api/v1/incidents/{id}", "incidents", "One incident", json(&incident)),
        post(
            "/api/v1/incidents/{id}/acknowledge",
            "incidents",
            "Say that somebody has seen it",
            None,
            json(&incident),
            &[404],
        ),
        post(
            "/api/v1/incidents/{id}/comments",
            "incidents",
            "Comment on it",
            Some(of::<incidents::Comment>(types)),
            json(&incident),
            &[400, 404, 413, 415, 422],
        ),
        post(
            "/api/v1/stream/add",
            "deepstream",
            "Add a stream, as DeepStream does",
            Some(deepstream.0.clone()),
            json(&deepstream.1),
            &[400, 409, 413, 415, 422, 503],
        ),
        Operation {
            failures: &[400, 404, 413, 415, 422],
            ..post(
                "/api/v1/stream/remove",
                "deepstream",
                "Remove a stream, as DeepStream does",
                Some(deepstream.0),
                json(&deepstream.1),
                BODY,
            )
        },
    ]
}
