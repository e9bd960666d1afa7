// SPDX-License-Identifier: Apache-2.0
//! `polyfuse` by itself: frames get verdicts, all else passes as it came.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a panic in a test's helper is the report too")]

mod common;

use gst::prelude::*;
use gst_check::Harness;
use polygraph_core::record::{Frame, Record, Shot};
use polygraph_core::results::{Face, FacePoints, FusedVerdict, Manipulation, TransitionKind};

fn harness() -> Harness {
    common::init();
    let mut harness = Harness::new("polyfuse");
    harness.set_src_caps_str("application/x-polygraph");
    harness
}

fn line(record: &Record) -> Vec<u8> {
    let mut line = serde_json::to_vec(record).unwrap();
    line.push(b'\n');
    line
}

/// What comes out for bytes, and when.
fn passed(harness: &mut Harness, bytes: Vec<u8>) -> (Vec<u8>, Option<gst::ClockTime>) {
    let mut buffer = gst::Buffer::from_mut_slice(bytes);
    buffer.get_mut().unwrap().set_pts(gst::ClockTime::from_mseconds(40));
    harness.push(buffer).unwrap();
    let out = harness.pull().unwrap();
    let bytes = out.map_readable().unwrap().to_vec();
    (bytes, out.pts())
}

fn account(harness: &Harness, field: &str) -> u64 {
    let stats: gst::Structure = harness.element().unwrap().property("stats");
    stats.get::<u64>(field).unwrap_or_default()
}

#[test]
fn a_frame_gets_a_verdict_for_its_face_and_for_itself() {
    let mut harness = harness();
    let manipulation = Some(Manipulation { p: Some(0.95), signs: Some(true), ..Manipulation::default() });
    let face = Face {
        track: 3,
        rect: [0.4, 0.3, 0.2, 0.3].into(),
        points: FacePoints::default(),
        score: 0.9,
        quality: 0.9,
        detected: true,
        manipulation,
        ..Face::default()
    };
    let frame = Frame { pts_ns: 40_000_000, faces: vec![face], ..Frame::default() };
    let (bytes, pts) = passed(&mut harness, line(&Record::Frame(frame)));
    assert_eq!(pts, Some(gst::ClockTime::from_mseconds(40)));
    assert!(bytes.ends_with(b"}\n"), "one object and a line's end");
    let Record::Frame(frame) = serde_json::from_slice(&bytes).unwrap() else { panic!("no frame") };
    assert_eq!(frame.faces[0].fused.unwrap().verdict, FusedVerdict::Manipulated);
    assert_eq!(frame.fused.unwrap().track, Some(3));
    assert_eq!((account(&harness, "input"), account(&harness, "analysed")), (1, 1));
}

#[test]
fn what_is_no_frame_passes_as_it_came() {
    let mut harness = harness();
    let shot = Shot { pts_ns: 1, kind: TransitionKind::Cut, start_ns: 1, end_ns: 1, strength: 2.0, key_frame: None };
    for bytes in
        [line(&Record::Shot(shot)), b"no JSON".to_vec(), b"{\"frame\": broken".to_vec(), b"{\"frame\":1}".to_vec()]
    {
        assert_eq!(passed(&mut harness, bytes.clone()).0, bytes);
    }
    let counts = ["input", "analysed", "skipped-unreadable"].map(|field| account(&harness, field));
    assert_eq!(counts, [2, 0, 2], "only what begins like a frame is one");
}
