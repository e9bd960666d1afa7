// SPDX-License-Identifier: Apache-2.0
//! The events of a run, as any reader of `events.ndjson` sees them.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use serde_json::Value;

/// The events of a run, in the order of the file.
#[derive(Clone, Debug)]
pub struct Events(pub Vec<Value>);

impl Events {
    /// Reads a file; fails the test on a line that is no JSON.
    pub fn read(path: &Path) -> Self {
        let text = fs::read_to_string(path).unwrap_or_else(|err| panic!("{}: {err}", path.display()));
        assert!(text.is_empty() || text.ends_with('\n'), "{}: the last line is cut off", path.display());
        let parse = |line| serde_json::from_str(line).unwrap_or_else(|err| panic!("{err}: {line}"));
        Self(text.lines().map(parse).collect())
    }

    /// The data of all events of a kind: `stream`, `frame`, `transcript` or `shot`.
    pub fn data<'a>(&'a self, kind: &str) -> impl Iterator<Item = &'a Value> {
        let event_type = format!("io.polygraph.{kind}.v1");
        self.0.iter().filter(move |event| event["type"] == event_type.as_str()).map(|event| &event["data"])
    }

    /// The ids, in the order of the file.
    pub fn ids(&self) -> Vec<&str> {
        self.0.iter().map(id).collect()
    }

    /// The words of all finals, joined.
    pub fn text(&self) -> String {
        let finals = self.data("transcript").filter(|data| data["final"] == true);
        finals.filter_map(|data| data["text"].as_str()).collect::<Vec<_>>().join(" ")
    }

    /// The face tracks, each with the times at which it was seen, in seconds.
    pub fn tracks(&self) -> BTreeMap<u64, Vec<f64>> {
        let mut tracks: BTreeMap<u64, Vec<f64>> = BTreeMap::new();
        for frame in self.data("frame") {
            for face in faces(frame) {
                tracks.entry(face["track"].as_u64().expect("a track")).or_default().push(seconds(frame));
            }
        }
        tracks
    }

    /// The states that the stream told of, in order.
    pub fn states(&self) -> Vec<&str> {
        self.data("stream").filter_map(|data| data["state"].as_str()).collect()
    }

    /// The last `stream` event's data.
    pub fn last_state(&self) -> &Value {
        self.data("stream").last().expect("a stream event")
    }

    /// What holds for every run: ids are unique, the stream starts first and ends last, the accounts close.
    pub fn assert_sane(&self) {
        let ids: BTreeSet<_> = self.ids().into_iter().collect();
        assert_eq!(ids.len(), self.0.len(), "an id occurs twice");
        for (index, event) in self.0.iter().enumerate() {
            assert_eq!(event["specversion"], "1.0", "{event}");
            let ends = index == 0 || index == self.0.len() - 1;
            assert!(!ends || event["type"] == "io.polygraph.stream.v1", "neither start nor end: {event}");
        }
        assert_eq!(self.states().first(), Some(&"started"));
        assert!(matches!(self.states().last(), Some(&"ended" | &"failed")), "{:?}", self.states());
        for (element, account) in self.last_state()["counters"].as_object().expect("counters") {
            let skipped: u64 =
                account["skipped"].as_object().expect("skipped").values().filter_map(Value::as_u64).sum();
            let sum = account["analysed"].as_u64().unwrap_or_default() + account["late"].as_u64().unwrap_or_default();
            assert_eq!(account["input"].as_u64(), Some(sum + skipped), "{element} has lost count: {account}");
        }
    }
}

/// The id of an event.
pub fn id(event: &Value) -> &str {
    event["id"].as_str().expect("an id")
}

/// The faces of a frame's data.
pub fn faces(frame: &Value) -> &[Value] {
    frame["faces"].as_array().expect("faces")
}

/// When a frame or shot is shown, in seconds.
pub fn seconds(data: &Value) -> f64 {
    data["pts_ns"].as_u64().expect("pts_ns") as f64 / 1e9
}

/// `[x, y]` of a point of a face, in parts of the picture.
pub fn point(face: &Value, name: &str) -> [f64; 2] {
    [0, 1].map(|axis| face["points"][name][axis].as_f64().unwrap_or_else(|| panic!("no {name} in {face}")))
}
