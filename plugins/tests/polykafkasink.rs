// SPDX-License-Identifier: Apache-2.0
//! `polykafkasink` without a broker: what it accepts is in its spool. With a real one: `tests/tests/kafka_sink.rs`.

#![allow(clippy::unwrap_used, missing_docs)]

use std::path::Path;
use std::sync::LazyLock;

use gst::prelude::*;
use gst_check::Harness;
use gst_video::VideoFormat;
use gstpolygraph::late::Late;
use gstpolygraph::meta::update_video;
use polygraph_core::record::{Record, Shot};
use polygraph_core::results::{FaceResults, NetworkRef, PtsRange, TransitionKind};
use polygraph_core::shot::Boundary;

const MS: u64 = 1_000_000;
/// Nobody listens at the port of `discard`.
const NOBODY: &str = "127.0.0.1:9";

static INIT: LazyLock<()> = LazyLock::new(|| {
    gst::init().unwrap();
    gstpolygraph::plugin_register_static().unwrap();
});

fn sink(spool: &Path, properties: &str) -> Harness {
    LazyLock::force(&INIT);
    let spool = spool.display();
    Harness::new_parse(&format!("polykafkasink brokers={NOBODY} spool={spool} drain-time=0 stream-id=s {properties}"))
}

fn stat(harness: &Harness, name: &str) -> u64 {
    let bin = harness.element().unwrap().downcast::<gst::Bin>();
    let element = bin.map_or_else(|element| element, |bin| bin.children().pop().unwrap());
    element.property::<gst::Structure>("stats").get(name).unwrap()
}

/// A picture at `pts_ns`; `change` says what was found.
fn picture(pts_ns: u64, change: impl FnOnce(&mut polygraph_core::results::VideoResults)) -> gst::Buffer {
    let mut buffer = gst::Buffer::with_size(64 * 64 * 3 / 2).unwrap();
    let picture = buffer.get_mut().unwrap();
    picture.set_pts(gst::ClockTime::from_nseconds(pts_ns));
    update_video(picture, change);
    buffer
}

fn looked_at(pts_ns: u64, analysed: bool) -> FaceResults {
    let network = NetworkRef { name: "n".into(), version: "1".into(), sha256: "0".repeat(64), provider: "cpu".into() };
    let pts = PtsRange { start_ns: pts_ns, end_ns: pts_ns + 40 * MS };
    FaceResults { pts, analysed, faces: Vec::new(), network, forensics: None, mouths: None }
}

fn video(harness: &mut Harness) {
    let info = gst_video::VideoInfo::builder(VideoFormat::I420, 64, 64).build().unwrap();
    harness.set_src_caps(info.to_caps().unwrap());
}

#[test]
fn records_and_what_pictures_carry_become_events() {
    let folder = tempfile::tempdir().unwrap();
    let mut harness = sink(folder.path(), "");
    video(&mut harness);
    harness.push(picture(0, |_| {})).unwrap();
    assert_eq!(stat(&harness, "produced"), 0, "nothing was found of it");
    harness.push(picture(40 * MS, |results| results.faces = Some(looked_at(40 * MS, false)))).unwrap();
    assert_eq!(stat(&harness, "produced"), 0, "a tracker looks at nothing");
    let (kind, at) = (TransitionKind::Cut, 60 * MS);
    let shot = Boundary { kind, start_ns: at, end_ns: at, key_ns: at, known_ns: 80 * MS, strength: 2.0 };
    assert!(harness.push_event(Late { shots: vec![shot], edges: vec![] }.event()));
    harness.push(picture(80 * MS, |results| results.faces = Some(looked_at(80 * MS, true)))).unwrap();
    assert_eq!(stat(&harness, "produced"), 3, "the stream's start, a shot, a frame");

    harness.set_src_caps_str("application/x-polygraph");
    let shot = Shot { pts_ns: 90, kind: TransitionKind::Cut, start_ns: 90, end_ns: 90, strength: 1.0, key_frame: None };
    harness.push(gst::Buffer::from_slice(serde_json::to_vec(&Record::Shot(shot)).unwrap())).unwrap();
    assert_eq!(stat(&harness, "produced"), 4);
    harness.push(gst::Buffer::from_slice(*b"rubbish")).unwrap();
    assert_eq!(stat(&harness, "produced"), 4, "what is no record stops nothing");
    harness.push_event(gst::event::Eos::new());
    assert_eq!(stat(&harness, "produced"), 5, "the stream's end");
}

#[test]
fn what_was_accepted_is_there_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let mut harness = sink(folder.path(), "");
    video(&mut harness);
    for n in 0..50 {
        harness.push(picture(n * 40 * MS, |results| results.faces = Some(looked_at(n * 40 * MS, true)))).unwrap();
    }
    let element = harness.element().unwrap();
    element.set_state(gst::State::Null).unwrap();
    assert_eq!((stat(&harness, "produced"), stat(&harness, "spooled"), stat(&harness, "queued")), (51, 51, 0));
    assert!(stat(&harness, "lag-bytes") > 0);
    drop(harness);
    let harness = sink(folder.path(), "");
    assert_eq!((stat(&harness, "replayed"), stat(&harness, "dropped")), (51, 0));
}

#[test]
fn what_cannot_work_is_one_clear_error() {
    LazyLock::force(&INIT);
    let folder = tempfile::tempdir().unwrap();
    let spool = folder.path().display();
    let config = folder.path().join("kafka.properties");
    std::fs::write(&config, "no.such.setting=1\n").unwrap();
    let first = sink(folder.path(), "");
    for (properties, says) in [
        (String::new(), "brokers"),
        (format!("brokers=: spool={spool}/2"), "host:port"),
        (format!("brokers={NOBODY} spool={spool}"), "in use"),
        (format!("brokers={NOBODY} spool={spool}/3 kafka-config={}", config.display()), "no.such.setting"),
    ] {
        let pipeline = gst::parse::launch(&format!("fakesrc ! polykafkasink {properties}")).unwrap();
        assert!(pipeline.set_state(gst::State::Paused).is_err(), "{properties}");
        let bus = pipeline.bus().unwrap();
        let message = bus.timed_pop_filtered(gst::ClockTime::from_seconds(10), &[gst::MessageType::Error]).unwrap();
        let gst::MessageView::Error(error) = message.view() else { unreachable!() };
        assert!(error.error().message().contains(says), "{properties}: {}", error.error());
        pipeline.set_state(gst::State::Null).unwrap();
    }
    drop(first);
}
