// SPDX-License-Identifier: Apache-2.0
//! Pipelines with `polykafkasink` in processes of their own, and what they brought to Kafka.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::broker::Broker;
use crate::command::polygraph;
use crate::consumer::{Received, consume};

/// How many streams [`streams`] has.
pub const STREAMS: usize = 4;
/// Between two pictures at 25 a second.
const FRAME_NS: u64 = 40_000_000;

/// Four live streams of a clip, each of its pictures looked at, in one process. What the detector had no time for is in a
/// log beside the spools.
pub fn streams(clip: &Path, broker: &Broker, spools: &Path) -> Child {
    let chain = |n: usize| {
        format!(
            "filesrc location={} ! decodebin ! videoconvert ! clocksync ! polyface name=s{n} analysis-fps=0 ! polykafkasink \
             brokers={} stream-id=s{n} spool={} drain-time=120000000000",
            clip.display(),
            broker.address(),
            spools.join(n.to_string()).display()
        )
    };
    let pipeline: Vec<_> = (0..STREAMS).map(chain).collect();
    let line = format!("gst-launch-1.0 {}", pipeline.join(" "));
    let log = fs::File::create(log(spools)).expect("a file for the log");
    with_our_elements(&line)
        .envs([("GST_DEBUG", "polyface:2"), ("GST_DEBUG_NO_COLOR", "1")])
        .stdout(Stdio::piped())
        .stderr(log)
        .spawn()
        .expect("gst-launch-1.0")
}

/// A command that finds the elements of this build.
pub fn with_our_elements(line: &str) -> Command {
    let mut words = line.split_whitespace();
    let mut command = Command::new(words.next().expect("a command"));
    let elements = polygraph().parent().expect("the folder of the command").to_path_buf();
    command.args(words).env("GST_PLUGIN_PATH", elements).stdin(Stdio::null());
    command
}

/// Waits until the process says so.
pub fn await_line(child: &mut Child, says: &str) {
    let mut lines = BufReader::new(child.stdout.as_mut().expect("its output")).lines();
    assert!(lines.any(|line| line.expect("a line").contains(says)), "it ended without `{says}`");
}

/// Pictures that the detector had no time for, by stream: they were counted and no event was made of them. From the log of
/// [`streams`] with these spools.
fn not_looked_at(spools: &Path) -> BTreeMap<String, BTreeSet<u64>> {
    let log = fs::read_to_string(log(spools)).expect("the log of the streams");
    let mut found = BTreeMap::<_, BTreeSet<_>>::new();
    for line in log.lines() {
        let Some((before, after)) = line.split_once("> picture at ") else { continue };
        let (pts, _) = after.split_once(" ns not looked at").unwrap_or_else(|| panic!("not a skipped picture: {line}"));
        let (_, stream) = before.rsplit_once('<').expect("an element's name");
        found.entry(stream.to_owned()).or_default().insert(pts.parse().expect("a PTS"));
    }
    found
}

fn log(spools: &Path) -> PathBuf {
    spools.with_extension("log")
}

/// Proves of each stream that what was made of its pictures is on Kafka, from the first up to the last that is there, and
/// of at least so many: what is missing is what the detector had no time for, by its own log. How many frames are there.
pub fn account(broker: &Broker, spools: &Path, at_least: usize) -> usize {
    let (seen, skipped) = (frames(broker), not_looked_at(spools));
    assert_eq!(seen.len(), STREAMS);
    for (stream, seen) in &seen {
        let skipped = skipped.get(stream).cloned().unwrap_or_default();
        let count = seen.last().map_or(0, |last| *last / FRAME_NS + 1).max(at_least as u64);
        let made = (0..count).map(|frame| frame * FRAME_NS).filter(|pts| !skipped.contains(pts));
        let missing: Vec<_> = made.filter(|pts| !seen.contains(pts)).collect();
        println!("{stream}: {} of {count} frames, {} were not looked at", seen.len(), skipped.len());
        assert!(missing.is_empty(), "{stream}: {missing:?} are missing");
    }
    seen.values().map(BTreeSet::len).sum()
}

/// The times of each stream's frames. Repeats are gone; order and contents are checked.
fn frames(broker: &Broker) -> BTreeMap<String, BTreeSet<u64>> {
    let mut last = BTreeMap::new();
    let mut contents = BTreeMap::new();
    let mut found = BTreeMap::<_, BTreeSet<_>>::new();
    for Received { key, headers, payload, .. } in consume(&broker.address(), "polygraph.frames") {
        let id = headers["ce_id"].clone();
        assert_eq!(id.split('/').next(), Some(&*key), "{id}");
        let data: serde_json::Value = serde_json::from_str(&payload).expect("JSON");
        assert_eq!(data["pts_ns"].to_string(), id.split('/').nth(3).expect("a PTS in the id"), "{id}");
        let before = contents.insert(id.clone(), payload.clone());
        assert!(before.is_none_or(|before| before == payload), "{id} has two contents");
        let pts = data["pts_ns"].as_u64().expect("pts_ns");
        if found.entry(key.clone()).or_default().insert(pts) {
            assert!(last.insert(key, pts).is_none_or(|before| before < pts), "out of order at {pts}");
        }
    }
    found
}
