// SPDX-License-Identifier: Apache-2.0
//! A repeat of a run gives the same events under the same ids; another run never does. Every event fits the published
//! schemas.

// clippy.toml lets #[test] functions unwrap; here the helpers do too.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::PathBuf;

use polygraph_tests::command::{analyze, analyzed};
use polygraph_tests::events::{Events, id};
use polygraph_tests::media;
use serde_json::Value;

const KINDS: [&str; 4] = ["stream", "frame", "transcript", "shot"];

/// The events of a kind. Counters are left out: which of two elements passes a picture over depends on the machine.
fn of_kind(events: &Events, kind: &str) -> Vec<Value> {
    let event_type = format!("io.polygraph.{kind}.v1");
    let mut of_kind: Vec<_> = events.0.iter().filter(|event| event["type"] == event_type.as_str()).cloned().collect();
    for event in &mut of_kind {
        event["data"]["counters"].take();
    }
    assert!(!of_kind.is_empty(), "no {kind} events: nothing is compared");
    of_kind
}

fn schema(name: &str) -> Value {
    let path: PathBuf = polygraph_tests::root().join("pipeline/core/schemas").join(format!("{name}.schema.json"));
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

#[test]
fn a_repeat_gives_the_same_events_and_other_settings_other_ids() {
    let folder = tempfile::tempdir().unwrap();
    let clip = folder.path().join("clip.mp4");
    media::programme(&clip);
    let (first, second) = (analyzed(&clip, &[]), analyzed(&clip, &[]));
    // Words and pictures come from different threads: each kind has its order, all together have none.
    for kind in KINDS {
        assert_eq!(of_kind(&first, kind), of_kind(&second, kind), "{kind}");
    }
    let other = analyzed(&clip, &["--analysis-fps", "4"]);
    assert!(other.ids().iter().all(|id| !first.ids().contains(id)), "ids of another run");
}

#[test]
fn every_event_of_a_run_and_of_a_failed_run_fits_the_schemas() {
    let folder = tempfile::tempdir().unwrap();
    let [whole, cut] = ["whole.mp4", "cut.mp4"].map(|name| folder.path().join(name));
    media::programme(&whole);
    media::truncated(&whole, 60, &cut);
    let out = folder.path().join("out");
    assert!(!analyze(&cut, &out, &[]).finish().status.success());

    let envelope = jsonschema::validator_for(&schema("event")).unwrap();
    let data = KINDS.map(|kind| jsonschema::validator_for(&schema(kind)).unwrap());
    let mut seen = [0_usize; 4];
    for events in [analyzed(&whole, &[]), Events::read(&out.join("events.ndjson"))] {
        for event in &events.0 {
            let kind = KINDS.iter().position(|kind| event["type"] == format!("io.polygraph.{kind}.v1")).unwrap();
            seen[kind] += 1;
            for (validator, value) in [(&envelope, event), (&data[kind], &event["data"])] {
                let errors: Vec<_> = validator.iter_errors(value).map(|error| error.to_string()).collect();
                assert!(errors.is_empty(), "{}: {}", id(event), errors.join("; "));
            }
        }
    }
    assert!(seen.iter().all(|count| *count > 0), "a kind of event is missing: {seen:?}");
}

#[test]
fn the_schemas_refuse_what_is_no_event() {
    let envelope = jsonschema::validator_for(&schema("event")).unwrap();
    let frame = jsonschema::validator_for(&schema("frame")).unwrap();
    assert!(!envelope.is_valid(&serde_json::json!({"specversion": "1.0"})));
    assert!(!frame.is_valid(&serde_json::json!({"pts_ns": "now", "faces": []})));
}
