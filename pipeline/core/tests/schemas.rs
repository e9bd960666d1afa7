// SPDX-License-Identifier: Apache-2.0
//! The committed schemas are those of the Rust types. `POLYGRAPH_BLESS=1 cargo test -p polygraph-core` rewrites them.

use std::{env, fs, path::Path};

use polygraph_core::event::{Kind, schema};
use serde_json::Value;

fn documents() -> Vec<(String, Value)> {
    let of_kind = |kind: Kind| (format!("{kind}.schema.json"), schema::of_data(kind));
    let mut documents: Vec<_> = Kind::ALL.into_iter().map(of_kind).collect();
    documents.push(("event.schema.json".into(), schema::of_event()));
    documents.push(("desired.schema.json".into(), schema::of_wanted()));
    documents.push(("status.schema.json".into(), schema::of_status()));
    documents.push(("asyncapi.json".into(), schema::asyncapi()));
    documents
}

#[test]
fn the_committed_schemas_are_those_of_the_types() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("schemas");
    for (name, mut document) in documents() {
        // One order, whatever the crates of a build ask of serde_json.
        document.sort_all_objects();
        let text = format!("{}\n", serde_json::to_string_pretty(&document).unwrap());
        let path = folder.join(&name);
        if env::var_os("POLYGRAPH_BLESS").is_some() {
            fs::write(&path, &text).unwrap();
        }
        let committed = fs::read_to_string(&path).unwrap_or_default();
        assert!(committed == text, "{name} isn't what the types say: POLYGRAPH_BLESS=1 cargo test -p polygraph-core");
    }
}

#[test]
fn schemas_are_valid_and_refuse_what_is_not_an_event() {
    for (name, document) in documents().into_iter().filter(|(name, _)| name.ends_with(".schema.json")) {
        let validator = jsonschema::validator_for(&document).unwrap_or_else(|err| panic!("{name}: {err}"));
        assert!(!validator.is_valid(&serde_json::json!({"pts_ns": "soon"})), "{name} takes anything");
    }
}

#[test]
fn asyncapi_refers_only_to_what_is_there() {
    let document = schema::asyncapi();
    let mut references = Vec::new();
    collect(&document, &mut references);
    assert!(references.len() >= 3 * Kind::ALL.len());
    for reference in references {
        let found = match reference.strip_prefix('#') {
            Some(pointer) => document.pointer(pointer).is_some(),
            None => documents().iter().any(|(name, _)| *name == reference),
        };
        assert!(found, "{reference} leads nowhere");
    }
}

fn collect(value: &Value, references: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            references.extend(fields.get("$ref").and_then(Value::as_str).map(str::to_owned));
            fields.values().for_each(|value| collect(value, references));
        }
        Value::Array(values) => values.iter().for_each(|value| collect(value, references)),
        _ => {}
    }
}
