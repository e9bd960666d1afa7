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

/// Four live streams of a clip, each of its pictures looked at, in one process. Which those were is in a log
/// beside the spools.
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
        .envs([("GST_DEBUG", "polyface:6,polykafkasink:2"), ("GST_DEBUG_NO_COLOR", "1")])
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

/// Pictures that the detector looked at, by stream: each is a frame. From the log of [`streams`] with these spools.
fn looked_at(spools: &Path) -> BTreeMap<String, BTreeSet<u64>> {
    let log = fs::read_to_string(log(spools)).expect("the log of the streams");
    let mut found = BTreeMap::<_, BTreeSet<_>>::new();
    for line in log.lines() {
        let Some((before, after)) = line.split_once(" faces at ") else { continue };
        let pts = after.strip_suffix(" ns").unwrap_or_else(|| panic!("no PTS: {line}"));
        let stream = before.rsplit_once('<').and_then(|(_, name)| name.split_once('>')).expect("an element's name").0;
        found.entry(stream.to_owned()).or_default().insert(pts.parse().expect("a PTS"));
    }
    found
}

fn log(spools: &Path) -> PathBuf {
    spools.with_extension("log")
}

/// Proves of each stream that Kafka has a frame of each picture that was looked at, up to the last that is there, and of
/// nothing else. How many frames there are.
pub fn account(broker: &Broker, spools: &Path) -> usize {
    let (seen, looked_at) = (frames(broker), looked_at(spools));
    assert_eq!(seen.len(), STREAMS);
    for (stream, seen) in &seen {
        let last = seen.last().copied().unwrap_or_default();
        let made: BTreeSet<_> = looked_at[stream].range(..=last).copied().collect();
        println!("{stream}: {} frames, {} pictures were looked at", seen.len(), looked_at[stream].len());
        let differ: Vec<_> = made.symmetric_difference(seen).collect();
        assert!(differ.is_empty(), "{stream}: {differ:?} differ; {}", trace(broker, spools));
    }
    seen.values().map(BTreeSet::len).sum()
}

/// What the sinks complained of, and what became dead letters.
fn trace(broker: &Broker, spools: &Path) -> String {
    let log = fs::read_to_string(log(spools)).expect("the log of the streams");
    let complaints: Vec<_> = log.lines().filter(|line| line.contains("polykafkasink")).collect();
    let dead = consume(&broker.address(), "polygraph.deadletter");
    let dead: Vec<_> = dead.iter().map(|letter| (&letter.headers["ce_id"], &letter.headers)).collect();
    format!("{complaints:#?} {dead:#?}")
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
