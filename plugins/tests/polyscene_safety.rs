// SPDX-License-Identifier: Apache-2.0
//! Content safety in polyscene. No picture that isn't fit to be shown is kept here: what can be held against the truth is
//! that NudeNet's faces are where faces are.

#![allow(clippy::unwrap_used, reason = "a panic in a test's helper is the report too")]

mod common;

use common::{MS, buffer, harness, info, init, scene, through};
use gst::prelude::*;
use gst_video::VideoFormat;
use polygraph_core::geometry::Rect;
use polygraph_models::{Store, card, safety::CARD, store::State};

const SIZE: (u32, u32) = (640, 360);
const FACES: &str = "FACE_FEMALE=0.3,FACE_MALE=0.3";

/// Whether somebody accepted the network's licence and fetched it; nothing here does.
fn fetched() -> bool {
    let there = Store::open(Store::default_dir()).state(card(CARD).unwrap()).is_ok_and(|state| state == State::Ready);
    if !there {
        eprintln!("skipped: {CARD} isn't here; `polygraph models fetch {CARD} --accept {CARD}` accepts AGPL-3.0");
    }
    there
}

/// Why the element doesn't start.
fn refused(property: &str, value: &str) -> String {
    init();
    let element = gst::ElementFactory::make("polyscene").property("safety", true).property(property, value);
    let pipeline = gst::Pipeline::new();
    pipeline.add(&element.build().unwrap()).unwrap();
    assert!(pipeline.set_state(gst::State::Paused).is_err());
    let message = pipeline.bus().unwrap().pop_filtered(&[gst::MessageType::Error]).unwrap();
    pipeline.set_state(gst::State::Null).unwrap();
    let gst::MessageView::Error(error) = message.view() else { unreachable!() };
    error.error().message().to_owned()
}

#[test]
fn a_network_that_is_none_for_content_safety_is_refused() {
    let why = refused("safety-network", "blazeface-back");
    assert!(why.contains("blazeface-back") && why.contains("no card for content safety"), "{why}");
    assert!(refused("safety-network", "nudenet").contains("there is no network `nudenet`"));
}

#[test]
fn faces_are_found_where_they_are_and_only_what_reaches_its_threshold_is_told() {
    if !fetched() {
        return;
    }
    let info = info(VideoFormat::I420, SIZE);
    let picture = scene(SIZE, (300, 60));
    let look = |thresholds: &str| {
        let launch = format!("polyscene safety=true provider=cpu safety-thresholds={thresholds}");
        let mut harness = harness(&launch, &info);
        through(&mut harness, buffer(&info, &picture, 0)).safety.unwrap()
    };
    let found = look(FACES);
    assert!(found.analysed && found.network.name == CARD && !found.is_sensitive());
    let [face] = &found.findings[..] else { panic!("{found:?}") };
    assert!(face.label.starts_with("FACE_") && face.score >= 0.3, "{face:?}");
    // The portrait's face, in the picture's parts.
    let side = 256.0;
    let truth = Rect {
        x: (300.0 + 0.336 * side) / 640.0,
        y: (60.0 + 0.145 * side) / 360.0,
        w: 0.205 * side / 640.0,
        h: 0.205 * side / 360.0,
    };
    let rect = face.rect.unwrap();
    let centre = |rect: Rect| (rect.x + rect.w / 2.0, rect.y + rect.h / 2.0);
    let ((x, y), (wanted_x, wanted_y)) = (centre(rect), centre(truth));
    assert!((x - wanted_x).abs() < 0.03 && (y - wanted_y).abs() < 0.06, "{rect:?}, not {truth:?}");
    assert!((0.5..2.2).contains(&(rect.w / truth.w)) && (0.5..2.2).contains(&(rect.h / truth.h)), "{rect:?}");
    assert!(look("FACE_FEMALE=1,FACE_MALE=1").findings.is_empty());
}

#[test]
fn a_shot_is_looked_at_at_its_first_picture_and_once_a_second() {
    if !fetched() {
        return;
    }
    let info = info(VideoFormat::I420, SIZE);
    let picture = scene(SIZE, (100, 60));
    let launch = format!("polyscene safety=true provider=cpu safety-thresholds={FACES}");
    let mut harness = harness(&launch, &info);
    let mut looked = Vec::new();
    for n in 0..30 {
        let known = through(&mut harness, buffer(&info, &picture, n * 40 * MS)).safety.unwrap();
        assert_eq!(known.findings.len(), 1, "findings hold until the next look");
        looked.extend(known.analysed.then_some(n));
    }
    assert_eq!(looked, [0, 25]);
}

#[test]
fn a_threshold_of_a_label_that_there_is_not_is_refused() {
    if fetched() {
        let why = refused("safety-thresholds", "FACE=0.5");
        assert!(why.contains("has no label `FACE`"), "{why}");
    }
}
