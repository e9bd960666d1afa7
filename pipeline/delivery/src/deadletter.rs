// SPDX-License-Identifier: Apache-2.0
//! Dead letters: records that Kafka refused for good, with the reason. They go to a topic of their own or, when that
//! refuses them too, into a file.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::block::Record;
use crate::message::Topic;
use crate::spool::now_ms;

/// The file of dead letters in a spool's folder.
pub const DEAD_LETTER_FILE: &str = "deadletter.ndjson";
/// Header of a dead letter: where it was to go.
pub(crate) const TOPIC_HEADER: &str = "dead_letter_topic";
/// Header of a dead letter: why it could not.
pub(crate) const REASON_HEADER: &str = "dead_letter_reason";

/// The file, one JSON object a line.
#[derive(Debug)]
pub(crate) struct DeadLetterFile {
    path: PathBuf,
    max_bytes: u64,
}

impl DeadLetterFile {
    pub(crate) fn of(folder: &Path, max_bytes: u64) -> Self {
        Self { path: folder.join(DEAD_LETTER_FILE), max_bytes }
    }

    /// Appends a record and syncs it to the disk; `false` when it would make the file too large. Whoever looks after the
    /// file may move it away at any time, and the next record begins another.
    pub(crate) fn append(&self, topic: Topic, record: &Record<'_>, reason: &str) -> std::io::Result<bool> {
        let mut file = File::options().create(true).append(true).open(&self.path)?;
        let mut line = line(topic, record, reason).to_string();
        line.push('\n');
        let before = file.metadata()?.len();
        if before + line.len() as u64 > self.max_bytes {
            return Ok(false);
        }
        let written = file.write_all(line.as_bytes()).and_then(|()| file.sync_data());
        if written.is_err() {
            // It comes again: half a line would spoil the next one, and a whole one would be there twice.
            let _ = file.set_len(before);
        }
        written.map(|()| true)
    }
}

fn line(topic: Topic, record: &Record<'_>, reason: &str) -> Value {
    let headers: Vec<_> = record.headers.iter().map(|(name, value)| json!([name, text(value)])).collect();
    let mut line = json!({
        "time_ms": now_ms(),
        "topic": topic.name(),
        "reason": reason,
        "key": text(record.key),
        "headers": headers,
    });
    match std::str::from_utf8(record.payload) {
        Ok(payload) => line["payload"] = payload.into(),
        Err(_) => line["payload_hex"] = hex(record.payload).into(),
    }
    line
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_line_is_the_whole_record_with_its_reason() {
        let folder = tempfile::tempdir().unwrap();
        let file = DeadLetterFile::of(folder.path(), 1000);
        for payload in [&b"{\"a\":\"\n\"}"[..], &[0xff, 0x00]] {
            let record = Record { key: b"s", headers: vec![("ce_id", b"1")], payload };
            assert!(file.append(Topic::Shots, &record, "too large").unwrap());
        }
        let large = Record { key: b"s", headers: vec![], payload: &[b'x'; 1000] };
        assert!(!file.append(Topic::Shots, &large, "too large").unwrap(), "there was no room");
        let text = std::fs::read_to_string(folder.path().join("deadletter.ndjson")).unwrap();
        let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(lines[0]["payload"], "{\"a\":\"\n\"}");
        assert_eq!(lines[1]["payload_hex"], "ff00");
        assert_eq!(lines[0]["headers"], json!([["ce_id", "1"]]));
        assert!(lines.iter().all(|line| line["reason"] == "too large" && line["topic"] == "polygraph.shots"));
    }
}
