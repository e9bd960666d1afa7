// SPDX-License-Identifier: Apache-2.0
//! `polygraph analyze --kafka` and `polygraph replay` against a real broker: what a consumer gets is what the file
//! says, whatever happens to the broker.

// clippy.toml lets #[test] functions unwrap; here the helpers do too.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::{Path, PathBuf};

use polygraph_tests::broker::{Broker, nobody};
use polygraph_tests::command::{Run, analyze, start};
use polygraph_tests::consumer::{Received, consume};
use polygraph_tests::events::{Events, id};
use polygraph_tests::media;
use serde_json::Value;
use tempfile::TempDir;

const KINDS: [&str; 4] = ["stream", "frame", "transcript", "shot"];

/// A folder with a clip in it, and room for results.
struct Scene {
    folder: TempDir,
    clip: PathBuf,
}

impl Scene {
    fn new(make: impl Fn(&Path)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clip = folder.path().join("clip.mp4");
        make(&clip);
        Self { folder, clip }
    }

    fn out(&self) -> PathBuf {
        self.folder.path().join("out")
    }

    fn events(&self) -> Events {
        Events::read(&self.out().join("events.ndjson"))
    }

    /// `[produced, acknowledged]` by the summary.
    fn counts(&self) -> [u64; 2] {
        let text = fs::read_to_string(self.out().join("summary.json")).unwrap();
        let summary: Value = serde_json::from_str(&text).unwrap();
        ["produced", "acknowledged"].map(|name| summary["kafka"][name].as_u64().unwrap())
    }
}

/// Fails unless the broker has exactly these events, in their order, as CloudEvents in binary mode.
fn assert_published(broker: &Broker, events: &Events) {
    for kind in KINDS {
        let event_type = format!("io.polygraph.{kind}.v1");
        let sent: Vec<_> = events.0.iter().filter(|event| event["type"] == event_type.as_str()).collect();
        assert!(!sent.is_empty(), "the clip has no {kind} events: nothing is compared");
        let received = consume(&broker.address(), &format!("polygraph.{kind}s"));
        let ids: Vec<_> = received.iter().map(|message| message.headers["ce_id"].as_str()).collect();
        assert_eq!(ids, sent.iter().map(|event| id(event)).collect::<Vec<_>>(), "{kind}");
        for (event, message) in sent.into_iter().zip(&received) {
            assert_same(event, message);
        }
    }
}

fn assert_same(event: &Value, message: &Received) {
    for attribute in ["id", "source", "type", "specversion", "time", "subject"] {
        assert_eq!(event[attribute], message.headers[&format!("ce_{attribute}")].as_str(), "{attribute}: {event}");
    }
    assert_eq!(event["datacontenttype"], message.headers["content-type"].as_str());
    assert_eq!(event["data"]["clock"]["epoch"], message.headers["epoch"].as_str());
    assert!(message.headers["generation"].parse::<u64>().is_ok(), "{:?}", message.headers);
    assert_eq!(event["subject"], message.key.as_str());
    let data: Value = serde_json::from_str(&message.payload).unwrap();
    assert_eq!(event["data"], data);
}

#[test]
fn a_consumer_gets_every_event_of_the_file() {
    let broker = Broker::start();
    let scene = Scene::new(media::programme);
    let run = analyze(&scene.clip, &scene.out(), &["--kafka", &broker.address(), "--stream-id", "studio 1"]).finish();
    run.assert_success();
    let events = scene.events();
    events.assert_sane();
    assert_published(&broker, &events);
    assert_eq!(scene.counts(), [events.0.len() as u64; 2]);
}

#[test]
fn without_a_broker_the_analysis_is_whole_and_replay_delivers_it() {
    let scene = Scene::new(media::programme);
    let nobody = nobody();
    let run = analyze(&scene.clip, &scene.out(), &["--kafka", &nobody, "--kafka-timeout", "1"]).finish();
    let events = scene.events();
    events.assert_sane();
    assert_eq!(events.states(), ["started", "ended"]);
    assert!(events.text().to_lowercase().contains("best of times"), "{}", events.text());
    let file = scene.out().join("events.ndjson");
    assert_tells_shortfall(&run, events.0.len(), &file, &nobody);
    assert_eq!(scene.counts(), [events.0.len() as u64, 0]);

    let broker = Broker::start();
    let replay = || start(["replay", file.to_str().unwrap(), "--kafka", &broker.address()]).finish();
    replay().assert_success();
    assert_published(&broker, &events);
}

/// One line that says how much is missing, why, and what to do.
fn assert_tells_shortfall(run: &Run, events: usize, file: &Path, brokers: &str) {
    let line = run.error_line();
    assert!(line.contains(&format!("{events} of {events} events")), "{line}");
    assert!(line.contains("refused"), "{line}");
    assert!(line.contains(&format!("polygraph replay {} --kafka {brokers}", file.display())), "{line}");
    assert_eq!(run.status.code(), Some(1));
}

#[test]
fn a_broker_that_is_killed_during_the_run_and_comes_back_gets_every_event_once() {
    let mut broker = Broker::start();
    // Long enough to be under way when the broker dies.
    let scene = Scene::new(|clip| media::ffmpeg("-i {test.mp4} -t 60 -c copy", clip));
    let address = broker.address();
    let mut running = analyze(&scene.clip, &scene.out(), &["--kafka", &address, "--kafka-timeout", "120"]);
    let file = scene.out().join("events.ndjson");
    while running.is_running() && fs::read_to_string(&file).unwrap_or_default().lines().count() < 10 {
        std::thread::yield_now();
    }
    broker.kill();
    assert!(running.is_running(), "the run was over before the broker died: {:?}", running.finish());
    broker.restart();
    running.finish().assert_success();
    let events = scene.events();
    let published: usize =
        KINDS.iter().map(|kind| consume(&broker.address(), &format!("polygraph.{kind}s")).len()).sum();
    assert_eq!(published, events.0.len(), "lost or repeated");
    let frames = consume(&broker.address(), "polygraph.frames");
    let ids: Vec<_> = frames.iter().map(|message| message.headers["ce_id"].as_str()).collect();
    assert_eq!(ids, events.ids().into_iter().filter(|id| id.contains("/frame/")).collect::<Vec<_>>());
    assert_eq!(scene.counts(), [events.0.len() as u64; 2]);
}

#[test]
fn a_list_of_brokers_that_is_none_is_refused_before_the_work() {
    let scene = Scene::new(media::programme);
    let run = analyze(&scene.clip, &scene.out(), &["--kafka", "kafka://host"]).finish();
    assert!(run.error_line().contains("write host:port"), "{}", run.stderr);
    assert!(!scene.out().join("events.ndjson").exists(), "it was analysed all the same");
}

/// Settings for librdkafka in a file.
fn properties(scene: &Scene, text: &str) -> String {
    let file = scene.folder.path().join("kafka.properties");
    fs::write(&file, text).unwrap();
    file.display().to_string()
}

#[test]
fn what_is_left_in_a_spool_is_replayed_from_it() {
    let scene = Scene::new(media::programme);
    let spool = scene.folder.path().join("spool");
    let spool = spool.to_str().unwrap();
    let nobody = nobody();
    let arguments = ["--kafka", &nobody, "--kafka-timeout", "1", "--spool", spool];
    let run = analyze(&scene.clip, &scene.out(), &arguments).finish();
    let events = scene.events();
    events.assert_sane();
    let (line, all) = (run.error_line(), events.0.len());
    assert!(line.contains(&format!("{all} of {all} events")) && line.contains("refused"), "{line}");
    assert!(line.contains(&format!("polygraph replay --from spool:{spool} --kafka {nobody}")), "{line}");

    let broker = Broker::start();
    let config = properties(&scene, "client.id = replayer\n");
    let from = format!("spool:{spool}");
    let replay =
        || start(["replay", "--from", &from, "--kafka", &broker.address(), "--kafka-config", &config]).finish();
    let first = replay();
    first.assert_success();
    assert!(first.stdout.contains(&format!("{all} events were in the spool, {all} acknowledged")), "{}", first.stdout);
    assert_published(&broker, &events);
    assert!(replay().stdout.contains("0 events were in the spool"));
}

#[test]
fn topics_are_made_and_checked() {
    let broker = Broker::start();
    let topics = |verb: &str, more: &[&str]| {
        start(["topics", verb, "--kafka", &broker.address()].into_iter().chain(more.iter().copied())).finish()
    };
    let missing = topics("check", &[]);
    assert_eq!(missing.status.code(), Some(1), "{missing:?}");
    assert!(missing.stdout.contains("polygraph.frames: does not exist"), "{}", missing.stdout);
    let made = topics("create", &["--partitions", "3", "--replicas", "1"]);
    made.assert_success();
    assert!(made.stdout.contains("polygraph.deadletter: made"), "{}", made.stdout);
    assert!(topics("create", &[]).stdout.contains("all topics are there"));
    let check = topics("check", &[]);
    check.assert_success();
    assert!(check.stdout.contains("polygraph.incidents: 3 partitions, 1 replicas"), "{}", check.stdout);
    let away = start(["topics", "check", "--kafka", &nobody(), "--kafka-timeout", "2"]).finish();
    assert!(away.error_line().contains("refused"), "{}", away.stderr);
}

#[test]
fn a_setting_that_librdkafka_does_not_know_is_refused_before_the_work() {
    let scene = Scene::new(media::programme);
    let config = properties(&scene, "sasl.pasword = hunter2\n");
    let arguments = ["--kafka", &nobody(), "--kafka-config", &config];
    let run = analyze(&scene.clip, &scene.out(), &arguments).finish();
    assert!(run.error_line().contains("sasl.pasword") && !run.stderr.contains("hunter2"), "{}", run.stderr);
    assert!(!scene.out().join("events.ndjson").exists(), "it was analysed all the same");
}
