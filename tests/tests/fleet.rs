// SPDX-License-Identifier: Apache-2.0
//! Workers that share streams by way of three real brokers: one is killed, one is cut off, one is added, one is stopped in
//! order. What they covered, where two of them overlapped and where nobody was is measured from the frames on Kafka, and
//! printed.

// clippy.toml lets #[test] functions unwrap; here the helpers do too.
#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use polygraph_tests::broker::{Cluster, free_port};
use polygraph_tests::command::polygraph;
use polygraph_tests::consumer::{Received, consume};
use polygraph_tests::line::Line;
use polygraph_tests::media;
use polygraph_tests::service::get;
use serde_json::Value;

/// A fleet that takes longer hangs.
const PATIENCE: Duration = Duration::from_secs(180);
/// Frames of a stream come each second; what is longer is a gap.
const GAP: f64 = 2.5;

/// How a fleet is tried.
struct Plan {
    streams: usize,
    /// Workers at the start; the last is at the end of the line that is cut.
    workers: usize,
    session_s: u64,
    /// For how long one is cut off.
    cut: Duration,
}

/// A worker's process; killed when dropped.
struct Worker(Child);

impl Worker {
    fn start(mut command: Command, brokers: &str, folder: &Path, name: &str, session_s: u64, more: &[&str]) -> Self {
        let media = media::original("carphone_pristine.mp4").parent().unwrap().to_owned();
        let worker = command
            .args(["worker", "--kafka", brokers, "--name", name, "--kafka-timeout", "60"])
            .args(["--session-timeout", &session_s.to_string()])
            .arg("--spool")
            .arg(folder.join(name))
            .arg("--allow-files")
            .arg(media)
            .args(more)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn();
        Self(worker.unwrap())
    }

    fn signal(&self, name: &str) {
        // Of a namespace's command it is `ip`, which has become the worker by then.
        let sent = Command::new("kill").args(["-s", name, &self.0.id().to_string()]).status().unwrap();
        assert!(sent.success(), "the worker is gone");
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // It has mostly ended.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// `polygraph streams` and arguments; what it printed.
fn streams(brokers: &str, arguments: &[&str]) -> String {
    let run = Command::new(polygraph())
        .arg("streams")
        .args(arguments)
        .args(["--kafka", brokers, "--kafka-timeout", "60"])
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&run.stderr);
    assert!(said.is_empty(), "{said}");
    String::from_utf8(run.stdout).unwrap()
}

/// Who runs each stream, by `polygraph streams list`; nobody where it doesn't run.
fn actual(brokers: &str) -> BTreeMap<String, String> {
    let line = |line: &str| {
        let line: Value = serde_json::from_str(line).unwrap();
        let runs = line["present"] == true && line["actual"]["state"] == "running";
        let worker = line["actual"]["worker"].as_str().filter(|_| runs).unwrap_or_default();
        (line["stream"].as_str().unwrap().to_owned(), worker.to_owned())
    };
    streams(brokers, &["list", "--json"]).lines().map(line).collect()
}

/// Waits until all streams run, on workers that fit.
fn await_running(brokers: &str, count: usize, fits: impl Fn(&BTreeSet<String>) -> bool) -> BTreeMap<String, String> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let now = actual(brokers);
        let workers: BTreeSet<_> = now.values().cloned().collect();
        if now.len() == count && !workers.contains("") && fits(&workers) {
            return now;
        }
        assert!(Instant::now() < deadline, "{now:?}");
    }
}

fn now_s() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs_f64()
}

/// A stream's frames: wall time and generation, in order of time.
fn frames(received: &[Received]) -> BTreeMap<String, Vec<(f64, u64)>> {
    let mut frames = BTreeMap::<_, Vec<_>>::new();
    for frame in received {
        let data: Value = serde_json::from_str(&frame.payload).unwrap();
        let at = data["clock"]["wall_ns"].as_u64().unwrap() as f64 / 1e9;
        frames.entry(frame.key.clone()).or_default().push((at, frame.headers["generation"].parse().unwrap()));
    }
    frames.values_mut().for_each(|frames| frames.sort_by(|a, b| a.0.total_cmp(&b.0)));
    frames
}

/// Longest time without a frame from `from` to `to`, and how long two generations told of the same time.
fn gap_and_overlap(frames: &[(f64, u64)], (from, to): (f64, f64)) -> (f64, f64) {
    let within: Vec<_> = frames.iter().filter(|(at, _)| (from..to).contains(at)).collect();
    let times = [from].into_iter().chain(within.iter().map(|(at, _)| *at)).chain([to]);
    let times: Vec<_> = times.collect();
    let gap = times.windows(2).map(|pair| pair[1] - pair[0]).fold(0.0, f64::max);
    let mut spans = BTreeMap::<u64, (f64, f64)>::new();
    for (at, generation) in &within {
        let span = spans.entry(*generation).or_insert((*at, *at));
        span.1 = *at;
    }
    let spans: Vec<_> = spans.into_values().collect();
    let overlap = spans.windows(2).map(|pair| (pair[0].1 - pair[1].0).max(0.0)).sum();
    (gap, overlap)
}

fn report(frames: &BTreeMap<String, Vec<(f64, u64)>>, what: &str, span: (f64, f64)) {
    let all: Vec<_> = frames.values().map(|frames| gap_and_overlap(frames, span)).collect();
    let longest = all.iter().map(|(gap, _)| *gap).fold(0.0, f64::max);
    let hit = all.iter().filter(|(gap, _)| *gap > GAP).count();
    let overlap = all.iter().map(|(_, overlap)| *overlap).fold(0.0, f64::max);
    println!("{what:28} {hit:2} streams had a gap, the longest {longest:4.1} s; longest overlap {overlap:4.1} s");
}

fn share_of_time_covered(frames: &BTreeMap<String, Vec<(f64, u64)>>, (from, to): (f64, f64)) -> f64 {
    let missing = |frames: &Vec<(f64, u64)>| {
        let times = frames.iter().map(|(at, _)| *at).filter(|at| (from..to).contains(at));
        let times: Vec<_> = [from].into_iter().chain(times).chain([to]).collect();
        times.windows(2).map(|pair| pair[1] - pair[0]).filter(|gap| *gap > GAP).sum::<f64>()
    };
    1.0 - frames.values().map(missing).sum::<f64>() / ((to - from) * frames.len() as f64)
}

fn contents(received: &[Received]) -> BTreeMap<&str, &str> {
    let mut contents = BTreeMap::new();
    for event in received {
        let id = event.headers["ce_id"].as_str();
        let before = contents.insert(id, event.payload.as_str());
        assert!(before.is_none_or(|before| before == event.payload), "{id} has two contents");
    }
    contents
}

/// Names of streams of which each is in another partition, so that every worker has some.
fn names(count: usize) -> Vec<String> {
    let free = |partition| {
        let mut names = (0..).map(|n| format!("s{n}"));
        names.find(|name| (murmur2(name.as_bytes()) & 0x7fff_ffff) as usize % count == partition).unwrap()
    };
    (0..count).map(free).collect()
}

/// What a worker tells Prometheus: how many streams it has, that these run, and that some of what they found is acknowledged.
fn assert_tells(address: &str) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let text = get(address, "/metrics").text();
        let runs = |line: &&str| line.starts_with("polygraph_stream_state{state=\"running\"") && line.ends_with("} 1");
        let running = text.lines().filter(runs).count();
        let acknowledged = text.lines().any(|line| {
            let value = line.strip_prefix("polygraph_delivery_acknowledged_total{topic=\"polygraph.frames\"} ");
            value.is_some_and(|value| value != "0")
        });
        if running > 0 && text.contains(&format!("polygraph_worker_streams {running}\n")) && acknowledged {
            return;
        }
        assert!(Instant::now() < deadline, "{text}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// As Kafka's clients hash keys.
fn murmur2(key: &[u8]) -> u32 {
    const M: u32 = 0x5bd1_e995;
    let mut hash = 0x9747_b28c ^ key.len() as u32;
    let chunks = key.chunks_exact(4);
    let rest = chunks.remainder();
    for chunk in chunks {
        let word = u32::from_le_bytes(chunk.try_into().unwrap()).wrapping_mul(M);
        hash = hash.wrapping_mul(M) ^ (word ^ word >> 24).wrapping_mul(M);
    }
    if !rest.is_empty() {
        hash ^= rest.iter().rev().fold(0, |word, byte| word << 8 | u32::from(*byte));
        hash = hash.wrapping_mul(M);
    }
    hash = (hash ^ hash >> 13).wrapping_mul(M);
    hash ^ hash >> 15
}

fn rough_day(plan: &Plan) {
    let line = Line::new();
    let cluster = Cluster::start(|ports| line.addresses(ports));
    let (near, far) = (cluster.address(), cluster.far());
    let folder = tempfile::tempdir().unwrap();
    let clip = media::original("carphone_pristine.mp4").display().to_string();
    let Plan { streams: count, workers, session_s, cut } = *plan;
    let more = ["--no-transcript", "--no-forensics", "--analysis-fps", "1", "--partitions", &count.to_string()];
    for stream in names(count) {
        streams(&near, &[&["set", &stream, &clip], &more[..]].concat());
    }
    let plain = |name: &str| Worker::start(Command::new(polygraph()), &near, folder.path(), name, session_s, &[]);
    let told = format!("127.0.0.1:{}", free_port());
    let heard = ["--metrics", &told];
    let w2 = Worker::start(Command::new(polygraph()), &near, folder.path(), "w2", session_s, &heard);
    let mut crew = BTreeMap::from([("w1".to_owned(), plain("w1")), ("w2".to_owned(), w2)]);
    let lonely = Worker::start(line.command(&polygraph()), &far, folder.path(), "far", session_s, &[]);
    await_running(&near, count, |who| who.len() == workers);
    assert_tells(&told);
    let began = now_s();

    let killed = now_s();
    crew.remove("w1").unwrap().signal("KILL");
    await_running(&near, count, |who| !who.contains("w1") && who.contains("far"));
    let cut_off = now_s();
    line.cut();
    let outage = Instant::now();
    await_running(&near, count, |who| !who.contains("far"));
    // The outage is what is under test.
    std::thread::sleep(cut.saturating_sub(outage.elapsed()));
    line.mend();
    let mended = now_s();
    await_running(&near, count, |who| who.contains("far"));
    let added = now_s();
    crew.insert("w4".into(), plain("w4"));
    await_running(&near, count, |who| who.contains("w4"));
    let stopped = now_s();
    let w2 = crew.get_mut("w2").unwrap();
    w2.signal("TERM");
    await_running(&near, count, |who| !who.contains("w2"));
    let ended = now_s();
    assert!(w2.0.wait().unwrap().success(), "a stop in order is a success");
    crew.remove("w2");
    let mut others: Vec<_> = crew.into_values().chain([lonely]).collect();
    others.iter().for_each(|worker| worker.signal("TERM"));
    others.iter_mut().for_each(|worker| assert!(worker.0.wait().unwrap().success()));

    let received = consume(&near, "polygraph.frames");
    let frames = frames(&received);
    assert_eq!(frames.len(), count);
    println!(
        "{count} streams, {workers} workers, session {session_s} s, cut off for {} s by a {}",
        cut.as_secs(),
        line.kind()
    );
    report(&frames, "killed:", (killed, cut_off));
    report(&frames, "cut off:", (cut_off, mended));
    report(&frames, "back again:", (mended, added));
    report(&frames, "a fourth added:", (added, stopped));
    report(&frames, "stopped in order:", (stopped, ended));
    let covered = share_of_time_covered(&frames, (began, ended));
    println!("covered: {:.1} % of {:.0} s", covered * 100.0, ended - began);

    // No id with two contents, and what the fenced worker found later is in its audit file only.
    let told = consume(&near, "polygraph.streams");
    let sent: BTreeMap<_, _> = contents(&received).into_iter().chain(contents(&told)).collect();
    let audit = std::fs::read_to_string(folder.path().join("far/audit.ndjson")).unwrap();
    let kept: Vec<Value> = audit.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    println!("{} events on Kafka, {} in the audit file of the worker that was cut off", sent.len(), kept.len());
    assert!(!kept.is_empty(), "the worker that was cut off never noticed");
    for line in &kept {
        let id = line["event"]["id"].as_str().unwrap();
        assert!(!sent.contains_key(id), "{id} came after the fence and is on Kafka");
    }
    // Whoever takes a stream over has a higher generation.
    for (stream, frames) in &frames {
        let mut firsts = BTreeMap::<u64, f64>::new();
        for (at, generation) in frames {
            firsts.entry(*generation).or_insert(*at);
        }
        let firsts: Vec<_> = firsts.into_values().collect();
        assert!(firsts.is_sorted(), "{stream}: a later run has a lower generation");
    }
}

#[test]
fn kafka_outage_streams_go_on_elsewhere_when_a_worker_dies_or_is_cut_off() {
    rough_day(&Plan { streams: 4, workers: 3, session_s: 3, cut: Duration::from_secs(4) });
}

/// As users have it: twelve streams, three workers, the session timeout of ten seconds, a minute without a network.
#[test]
#[ignore = "takes four minutes; ./dev test --long"]
fn kafka_outage_long_twelve_streams_on_three_workers() {
    rough_day(&Plan { streams: 12, workers: 3, session_s: 10, cut: Duration::from_secs(60) });
}
