// SPDX-License-Identifier: Apache-2.0
//! `polykafkasink` in pipelines that run in real time, with a real broker that stands still meanwhile.

// clippy.toml lets #[test] functions unwrap; here the helpers do too.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, Stdio};

use polygraph_tests::broker::{Broker, nobody};
use polygraph_tests::consumer::consume;
use polygraph_tests::media;
use polygraph_tests::sink::{account, await_line, streams, with_our_elements};

/// Four seconds.
const FRAMES: usize = 100;

#[test]
fn files_that_are_over_at_once_end_without_a_broker() {
    let clip = media::original("carphone_pristine.mp4");
    let folder = tempfile::tempdir().unwrap();
    // Of a sink that doesn't preroll GStreamer loses such an end more often than not.
    for n in 0..4 {
        let pipeline = format!(
            "timeout 60 gst-launch-1.0 -q filesrc location={} ! decodebin ! videoconvert ! polyface ! polykafkasink \
             brokers={} spool={} drain-time=0",
            clip.display(),
            nobody(),
            folder.path().join(n.to_string()).display()
        );
        let status = with_our_elements(&pipeline).status().unwrap();
        assert!(status.success(), "run {n}: {status}");
    }
}

#[test]
fn kafka_outage_live_pictures_go_on_and_every_event_arrives() {
    let rough = Broker::start();
    let folder = tempfile::tempdir().unwrap();
    let (clip, spools) = (folder.path().join("clip.mp4"), folder.path().join("spools"));
    media::ffmpeg(
        &format!("-i {{carphone_pristine.mp4}} -r 25 -frames:v {FRAMES} -an -c:v libx264 -preset ultrafast"),
        &clip,
    );
    // From before the start until all streams have ended.
    rough.pause();
    let mut outage = streams(&clip, &rough, &spools);
    await_line(&mut outage, "Got EOS");
    rough.resume();
    assert!(outage.wait().unwrap().success());
    assert!(account(&rough, &spools) > 0);
}

/// Records of equal length in a file, as a recorder of `application/x-polygraph` buffers would leave them.
fn records(file: &Path, count: u64) -> usize {
    const LENGTH: usize = 1000;
    let record = |number: u64| {
        let frame =
            serde_json::json!({"frame": {"pts_ns": number * 40_000_000, "faces": [], "networks": []}}).to_string();
        format!("{frame:LENGTH$}")
    };
    std::fs::write(file, (0..count).map(record).collect::<String>()).unwrap();
    LENGTH
}

#[test]
fn kafka_outage_a_stream_tells_when_events_are_given_up_and_how_many_were() {
    let broker = Broker::start();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("records");
    let length = records(&file, 60_000);
    broker.pause();
    let pipeline = format!(
        "gst-launch-1.0 -e -m filesrc location={} blocksize={length} ! application/x-polygraph ! \
         identity sleep-time=500 ! polykafkasink brokers={} stream-id=s spool={} spool-bytes=1048576 \
         drain-time=120000000000",
        file.display(),
        broker.address(),
        folder.path().join("spool").display()
    );
    let mut stream = with_our_elements(&pipeline).stdout(Stdio::piped()).spawn().unwrap();
    await_line(&mut stream, "dropping-began");
    broker.resume();
    await_line(&mut stream, "dropping-ended");
    // The stream goes on all the while; it ends in order when it is asked to.
    let asked = Command::new("kill").args(["-s", "INT", &stream.id().to_string()]).status().unwrap();
    assert!(asked.success() && stream.wait().unwrap().success());

    let told: Vec<serde_json::Value> = consume(&broker.address(), "polygraph.streams")
        .iter()
        .map(|message| serde_json::from_str(&message.payload).unwrap())
        .collect();
    let states: Vec<_> = told.iter().map(|data| data["state"].as_str().unwrap()).collect();
    assert_eq!(states, ["started", "dropping_began", "dropping_ended", "ended"]);
    let frames: BTreeSet<_> = consume(&broker.address(), "polygraph.frames")
        .iter()
        .map(|message| message.headers["ce_id"].split('/').nth(3).unwrap().parse::<u64>().unwrap() / 40_000_000)
        .collect();
    let sent = frames.last().unwrap() + 1;
    let dropped = &told[2]["dropped"];
    assert_eq!(dropped["polygraph.frames"], sent - frames.len() as u64, "{dropped}");
    assert_eq!(dropped.as_object().unwrap().len(), 1, "only frames are given up: {dropped}");
}
