// SPDX-License-Identifier: Apache-2.0
//! The independent consumer: `kcat`, which shares no code of ours.

use std::collections::BTreeMap;
use std::process::{Command, Stdio};

use serde_json::Value;

/// A message as `kcat` has read it.
#[derive(Clone, Debug)]
pub struct Received {
    /// Where it was.
    pub topic: String,
    /// Which part of the topic.
    pub partition: i64,
    /// Where in the partition.
    pub offset: i64,
    /// Its key.
    pub key: String,
    /// Its headers.
    pub headers: BTreeMap<String, String>,
    /// Its value.
    pub payload: String,
}

/// All messages of a topic, in order of partition and offset.
pub fn consume(brokers: &str, topic: &str) -> Vec<Received> {
    let read = Command::new("kcat")
        .args(["-C", "-q", "-e", "-J", "-o", "beginning", "-X", "isolation.level=read_committed"])
        .args(["-b", brokers, "-t", topic])
        .stdin(Stdio::null())
        .output()
        .expect("kcat is missing: apt install kcat (./dev test does)");
    assert!(read.status.success(), "kcat on {topic}: {}", String::from_utf8_lossy(&read.stderr));
    let text = String::from_utf8(read.stdout).expect("kcat's JSON is UTF-8");
    let mut all: Vec<_> = text.lines().map(parse).collect();
    all.sort_by_key(|message| (message.partition, message.offset));
    all
}

fn parse(line: &str) -> Received {
    let value: Value = serde_json::from_str(line).unwrap_or_else(|err| panic!("kcat's JSON ({err}): {line}"));
    let text = |name: &str| value[name].as_str().unwrap_or_else(|| panic!("no {name} in {line}")).to_owned();
    let number = |name: &str| value[name].as_i64().unwrap_or_else(|| panic!("no {name} in {line}"));
    Received {
        topic: text("topic"),
        partition: number("partition"),
        offset: number("offset"),
        key: text("key"),
        headers: headers(&value["headers"]),
        payload: text("payload"),
    }
}

/// `kcat` writes a flat list of names and values or, in newer versions, an object.
fn headers(value: &Value) -> BTreeMap<String, String> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    match value {
        Value::Object(map) => map.iter().map(|(name, value)| (name.clone(), text(value))).collect(),
        Value::Array(list) => list.chunks_exact(2).map(|pair| (text(&pair[0]), text(&pair[1]))).collect(),
        _ => BTreeMap::new(),
    }
}
