// SPDX-License-Identifier: Apache-2.0
//! Workers that share streams by way of real brokers: one is killed, one is cut off, one is added, one is stopped in
//! order. What they covered, where two of them overlapped and where nobody was is measured from the frames on Kafka, and
//! printed.

// clippy.toml lets #[test] functions unwrap; here the helpers do too.
#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use polygraph_tests::broker::{Cluster, free_port};
use polygraph_tests::command::polygraph;
use polygraph_tests::consumer::{Received, consume};
use polygraph_tests::line::Line;
use polygraph_tests::media;
use polygraph_tests::metrics::{series, sum};
use polygraph_tests::service::get;
use serde_json::Value;
use tempfile::TempDir;

/// A fleet that takes longer hangs.
const PATIENCE: Duration = Duration::from_secs(180);
/// Frames of a stream come each second; what is longer is a gap.
const GAP: f64 = 2.5;

/// The worker at the end of the line that is cut.
const FAR: &str = "far";

/// How a fleet is tried.
#[derive(Clone, Copy)]
struct Plan {
    brokers: usize,
    streams: usize,
    /// Workers at the start; the one called [`FAR`] is at the end of the line.
    workers: &'static [&'static str],
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
        let running = sum(&series(&text, "polygraph_stream_state"), "state=\"running\"");
        let acknowledged = sum(&series(&text, "polygraph_delivery_acknowledged_total"), "topic=\"polygraph.frames\"");
        let streams = series(&text, "polygraph_worker_streams").get("").copied();
        if running > 0.0 && streams == Some(running) && acknowledged > 0.0 {
            return;
        }
        assert!(Instant::now() < deadline, "{text}");
        thread::sleep(Duration::from_millis(100));
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

/// Brokers, workers, and what is done to them; each step ends when all streams run again.
struct Fleet {
    plan: Plan,
    line: Line,
    cluster: Cluster,
    folder: TempDir,
    crew: BTreeMap<String, Worker>,
    /// Where the worker `w2` has its metrics.
    told: String,
    /// What was done, and when.
    steps: Vec<(&'static str, f64)>,
}

impl Fleet {
    fn start(plan: Plan) -> Self {
        let line = Line::new();
        let cluster = Cluster::start(plan.brokers, |ports| line.addresses(ports));
        let folder = tempfile::tempdir().unwrap();
        let clip = media::original("carphone_pristine.mp4").display().to_string();
        let partitions = plan.streams.to_string();
        let more = ["--no-transcript", "--no-forensics", "--analysis-fps", "1", "--partitions", &partitions];
        let address = cluster.address();
        let want = |stream: &String| streams(&address, &[&["set", stream, &clip], &more[..]].concat());
        let names = names(plan.streams);
        // The first makes the topics; the others come while the workers start.
        want(&names[0]);
        let mut fleet = Self {
            plan,
            line,
            cluster,
            folder,
            crew: BTreeMap::new(),
            told: format!("127.0.0.1:{}", free_port()),
            steps: Vec::new(),
        };
        plan.workers.iter().for_each(|name| fleet.join(name));
        names[1..].iter().for_each(|stream| drop(want(stream)));
        fleet.await_running(|who| who.len() == plan.workers.len());
        fleet
    }

    fn join(&mut self, name: &str) {
        let (near, session_s) = (self.cluster.address(), self.plan.session_s);
        let (command, brokers) = match name {
            FAR => (self.line.command(&polygraph()), self.cluster.far()),
            _ => (Command::new(polygraph()), near),
        };
        let more: &[&str] = if name == "w2" { &["--metrics", &self.told] } else { &[] };
        let worker = Worker::start(command, &brokers, self.folder.path(), name, session_s, more);
        self.crew.insert(name.to_owned(), worker);
    }

    fn begin(&mut self, step: &'static str) {
        self.steps.push((step, now_s()));
    }

    fn kill(&mut self) {
        self.begin("killed:");
        self.crew.remove("w1").unwrap().signal("KILL");
        self.await_running(|who| !who.contains("w1"));
        assert_tells(&self.told);
    }

    fn cut_off(&mut self) {
        self.begin("cut off:");
        self.line.cut();
        let outage = Instant::now();
        self.await_running(|who| !who.contains(FAR));
        // The outage is what is under test.
        thread::sleep(self.plan.cut.saturating_sub(outage.elapsed()));
        self.line.mend();
        self.begin("back again:");
        self.await_running(|who| who.contains(FAR));
    }

    fn add(&mut self) {
        self.begin("one more added:");
        self.join("w4");
        self.await_running(|who| who.contains("w4"));
    }

    fn stop_one(&mut self) {
        self.begin("stopped in order:");
        self.crew["w2"].signal("TERM");
        self.await_running(|who| !who.contains("w2"));
        let mut w2 = self.crew.remove("w2").unwrap();
        assert!(w2.0.wait().unwrap().success(), "a stop in order is a success");
    }

    /// Waits until all streams run, on workers that fit.
    fn await_running(&self, fits: impl Fn(&BTreeSet<String>) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let now = actual(&self.cluster.address());
            let workers: BTreeSet<_> = now.values().cloned().collect();
            if now.len() == self.plan.streams && !workers.contains("") && fits(&workers) {
                return;
            }
            assert!(Instant::now() < deadline, "{now:?}");
        }
    }

    /// Stops all, prints what was covered, and holds what is on Kafka against what must be.
    fn end(mut self) {
        self.begin("ended");
        let mut crew: Vec<_> = std::mem::take(&mut self.crew).into_values().collect();
        crew.iter().for_each(|worker| worker.signal("TERM"));
        crew.iter_mut().for_each(|worker| assert!(worker.0.wait().unwrap().success()));
        let brokers = self.cluster.address();
        let (received, told) = thread::scope(|scope| {
            let told = scope.spawn(|| consume(&brokers, "polygraph.streams"));
            (consume(&brokers, "polygraph.frames"), told.join().unwrap())
        });
        let frames = frames(&received);
        assert_eq!(frames.len(), self.plan.streams);
        self.report(&frames);

        // No id with two contents, and what the fenced worker found later is in its audit file only.
        let sent: BTreeMap<_, _> = contents(&received).into_iter().chain(contents(&told)).collect();
        if self.steps.iter().any(|(step, _)| *step == "cut off:") {
            assert_fenced(&self.folder.path().join(FAR).join("audit.ndjson"), &sent);
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

    fn report(&self, frames: &BTreeMap<String, Vec<(f64, u64)>>) {
        let Plan { brokers, streams, workers, session_s, cut } = self.plan;
        let (cut, kind) = (cut.as_secs(), self.line.kind());
        println!(
            "{brokers} brokers, {streams} streams, {} workers, session {session_s} s, cuts of {cut} s by a {kind}",
            workers.len()
        );
        for pair in self.steps.windows(2) {
            report(frames, pair[0].0, (pair[0].1, pair[1].1));
        }
        let span = (self.steps[0].1, self.steps[self.steps.len() - 1].1);
        println!("covered: {:.1} % of {:.0} s", share_of_time_covered(frames, span) * 100.0, span.1 - span.0);
    }
}

/// The audit file has something, and nothing of it is on Kafka.
fn assert_fenced(audit: &Path, sent: &BTreeMap<&str, &str>) {
    let audit = std::fs::read_to_string(audit).unwrap();
    let kept: Vec<Value> = audit.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    println!("{} events on Kafka, {} in the audit file of the worker that was cut off", sent.len(), kept.len());
    assert!(!kept.is_empty(), "the worker that was cut off never noticed");
    for line in &kept {
        let id = line["event"]["id"].as_str().unwrap();
        assert!(!sent.contains_key(id), "{id} came after the fence and is on Kafka");
    }
}

/// Few of each, for a worker takes seconds to start on two cores that three brokers share.
const SHORT: Plan = Plan { brokers: 3, streams: 2, workers: &["w1", "w2"], session_s: 2, cut: Duration::from_secs(3) };

#[test]
fn kafka_outage_streams_go_on_elsewhere_when_a_worker_dies() {
    let mut fleet = Fleet::start(SHORT);
    fleet.kill();
    fleet.end();
}

#[test]
fn kafka_outage_streams_go_on_elsewhere_when_a_worker_comes() {
    let mut fleet = Fleet::start(Plan { workers: &["w2"], ..SHORT });
    fleet.add();
    fleet.end();
}

#[test]
fn kafka_outage_streams_go_on_elsewhere_when_a_worker_stops() {
    let mut fleet = Fleet::start(SHORT);
    fleet.stop_one();
    fleet.end();
}

#[test]
fn kafka_outage_streams_go_on_elsewhere_when_a_worker_is_cut_off() {
    let mut fleet = Fleet::start(Plan { workers: &["w2", FAR], ..SHORT });
    fleet.cut_off();
    fleet.end();
}

/// As users have it: twelve streams, three workers, three brokers, the session timeout of ten seconds, a minute without a
/// network.
#[test]
#[ignore = "takes two minutes; ./dev test --long"]
fn kafka_outage_long_twelve_streams_on_three_workers() {
    let mut fleet = Fleet::start(Plan {
        brokers: 3,
        streams: 12,
        workers: &["w1", "w2", FAR],
        session_s: 10,
        cut: Duration::from_secs(60),
    });
    fleet.kill();
    fleet.cut_off();
    fleet.add();
    fleet.stop_one();
    fleet.end();
}
