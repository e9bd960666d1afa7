// SPDX-License-Identifier: Apache-2.0
//! The schemas of events, generated from the Rust types: JSON Schema for each kind's data and for the envelope, and
//! an AsyncAPI 3 document for the Kafka topics. They are committed in `pipeline/core/schemas` and compared by a test.

use schemars::{JsonSchema, generate::SchemaSettings};
use serde_json::{Value, json};

use super::envelope::{Data, Event, Kind};
use crate::fleet::{Status, Wanted};
use crate::record::{Frame, Incident, Shot, Stream, Transcript};

/// The Kafka topic of a kind of event.
pub fn topic(kind: Kind) -> String {
    format!("polygraph.{kind}s")
}

/// JSON Schema (2020-12) of a kind's data.
pub fn of_data(kind: Kind) -> Value {
    let mut schema = match kind {
        Kind::Stream => generate::<Data<Stream>>(),
        Kind::Frame => generate::<Data<Frame>>(),
        Kind::Transcript => generate::<Data<Transcript>>(),
        Kind::Shot => generate::<Data<Shot>>(),
        Kind::Incident => generate::<Data<Incident>>(),
    };
    schema["$id"] = json!(kind.schema());
    schema["title"] = json!(kind.event_type());
    schema
}

/// JSON Schema (2020-12) of a line of `events.ndjson`.
pub fn of_event() -> Value {
    let mut schema = generate::<Event>();
    schema["$id"] = json!("urn:polygraph:schema:event:v1");
    schema
}

/// JSON Schema (2020-12) of a record of the topic `polygraph.desired`.
pub fn of_wanted() -> Value {
    let mut schema = generate::<Wanted>();
    schema["$id"] = json!("urn:polygraph:schema:desired:v1");
    schema
}

/// JSON Schema (2020-12) of a record of the topic `polygraph.status`.
pub fn of_status() -> Value {
    let mut schema = generate::<Status>();
    schema["$id"] = json!("urn:polygraph:schema:status:v1");
    schema
}

/// What Kafka carries, as an AsyncAPI 3.0 document; payloads refer to the schema files beside it.
pub fn asyncapi() -> Value {
    let by_kind = |make: &dyn Fn(Kind) -> Value, others: &dyn Fn(&'static str) -> Value| -> Value {
        let kinds = Kind::ALL.into_iter().map(|kind| (kind.as_str().to_owned(), make(kind)));
        let others = OTHERS.into_iter().map(|name| (name.to_owned(), others(name)));
        kinds.chain(others).collect::<serde_json::Map<_, _>>().into()
    };
    json!({
        "asyncapi": "3.0.0",
        "info": {
            "title": "Polygraph events",
            "version": "1",
            "description": "CloudEvents 1.0 in the binary content mode of the Kafka binding. The key is the stream's \
                            id, so that a stream's events stay in order. A repeated event has the same `ce_id`.",
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": "application/json",
        "channels": by_kind(
            &|kind| channel(kind.as_str(), &topic(kind), "delete"),
            &|name| channel(name, &format!("polygraph.{name}"), if name == "deadletter" { "delete" } else { "compact" }),
        ),
        "operations": by_kind(&|kind| operation(kind.as_str(), "send"), &|name| {
            operation(name, if name == "desired" { "receive" } else { "send" })
        }),
        "components": {
            "messages": by_kind(&message, &other_message),
            "schemas": {"headers": headers(), "dead_letter_headers": dead_letter_headers()},
        },
    })
}

/// Topics of which no event is told: what was refused, and what a fleet of workers is told and tells.
const OTHERS: [&str; 3] = ["deadletter", "desired", "status"];

fn channel(name: &str, topic: &str, policy: &str) -> Value {
    json!({
        "address": topic,
        "messages": {name: {"$ref": format!("#/components/messages/{name}")}},
        "bindings": {"kafka": {
            "topic": topic,
            "topicConfiguration": {"cleanup.policy": [policy]},
            "bindingVersion": "0.5.0",
        }},
    })
}

fn operation(name: &str, action: &str) -> Value {
    json!({"action": action, "channel": {"$ref": format!("#/channels/{name}")}})
}

fn other_message(name: &'static str) -> Value {
    let key =
        json!({"kafka": {"key": {"type": "string", "description": "id of the stream"}, "bindingVersion": "0.5.0"}});
    if name == "deadletter" {
        return json!({
            "name": "dead letter",
            "summary": "What Kafka refused for good, as it was to be sent",
            "headers": {"$ref": "#/components/schemas/dead_letter_headers"},
            "bindings": key,
        });
    }
    json!({
        "name": name,
        "contentType": "application/json",
        "payload": {"$ref": format!("{name}.schema.json")},
        "bindings": key,
    })
}

fn dead_letter_headers() -> Value {
    json!({
        "type": "object",
        "required": ["dead_letter_topic", "dead_letter_reason"],
        "properties": {
            "dead_letter_topic": {"type": "string", "description": "where it was to go"},
            "dead_letter_reason": {"type": "string", "description": "why it could not"},
        },
    })
}

fn message(kind: Kind) -> Value {
    json!({
        "name": kind.event_type(),
        "contentType": "application/json",
        "headers": {"$ref": "#/components/schemas/headers"},
        "payload": {"$ref": format!("{kind}.schema.json")},
        "bindings": {"kafka": {"key": {"type": "string", "description": "id of the stream"}, "bindingVersion": "0.5.0"}},
    })
}

fn headers() -> Value {
    let text = |description: &str| json!({"type": "string", "description": description});
    json!({
        "type": "object",
        "required": ["ce_specversion", "ce_id", "ce_source", "ce_type", "content-type", "epoch", "generation"],
        "properties": {
            "ce_specversion": {"type": "string", "const": "1.0"},
            "ce_id": text("stream/epoch/kind/pts/seq"),
            "ce_source": text("/streams/STREAM"),
            "ce_type": text("io.polygraph.KIND.v1"),
            "ce_subject": text("id of the stream"),
            "ce_time": text("wall time by the event's clock, RFC 3339"),
            "ce_dataschema": text("name of the data's JSON Schema"),
            "content-type": {"type": "string", "const": "application/json"},
            "epoch": text("the stretch of the stream within which PTS never steps"),
            "generation": text("decimal; of two with the same stream, consumers prefer the highest"),
        },
    })
}

fn generate<T: JsonSchema>() -> Value {
    SchemaSettings::draft2020_12().into_generator().into_root_schema_for::<T>().to_value()
}
