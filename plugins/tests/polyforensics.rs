// SPDX-License-Identifier: Apache-2.0
//! `polyforensics` with its real network, on a real portrait. How good the network is, is not tested here: which faces are
//! scored, and what becomes of the scores.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use std::sync::OnceLock;

use common::{MS, assert_closes, astronaut, buffer, harness, info, stat, through};
use gst::prelude::*;
use gst_check::Harness;
use gst_video::VideoFormat;
use gstpolygraph::meta::{VIDEO_META, update_video, video_results};
use gstpolygraph::polyforensics::Evidence;
use image::{RgbImage, imageops};
use polygraph_core::geometry::Rect;
use polygraph_core::results::{
    Face, FaceResults, Manipulation, PtsRange, RESULTS_VERSION, ReasonNot, Transition, TransitionKind,
};

const SIZE: (u32, u32) = (512, 512);

/// What polyface finds in the portrait.
fn seen() -> FaceResults {
    static SEEN: OnceLock<FaceResults> = OnceLock::new();
    let look = || {
        let info = info(VideoFormat::I420, SIZE);
        through(&mut harness("polyface", &info), buffer(&info, &astronaut(), 0)).faces.unwrap()
    };
    SEEN.get_or_init(look).clone()
}

/// The portrait's face.
fn face() -> Face {
    let [face] = &seen().faces[..] else { panic!("one face was expected") };
    face.clone()
}

/// The same, a little to the side: the crop and its score are others.
fn moved(by: f32) -> Face {
    let face = face();
    Face { rect: Rect { x: face.rect.x + by, ..face.rect }, ..face }
}

/// A picture in which these faces were found.
fn found(format: VideoFormat, picture: &RgbImage, pts_ns: u64, faces: Vec<Face>) -> gst::Buffer {
    let info = info(format, (picture.width(), picture.height()));
    let mut buffer = buffer(&info, picture, pts_ns);
    let pts = PtsRange { start_ns: pts_ns, end_ns: pts_ns + 40 * MS };
    update_video(buffer.get_mut().unwrap(), |known| known.faces = Some(FaceResults { pts, faces, ..seen() }));
    buffer
}

fn portrait(pts_ns: u64, faces: Vec<Face>) -> gst::Buffer {
    found(VideoFormat::I420, &astronaut(), pts_ns, faces)
}

fn forensics(properties: &str) -> Harness {
    harness(&format!("polyforensics least-pictures=1 {properties}"), &info(VideoFormat::I420, SIZE))
}

fn element(harness: &Harness) -> gst::Element {
    harness.element().unwrap()
}

/// What is known of the faces of a picture behind the element.
fn judged(harness: &mut Harness, buffer: gst::Buffer) -> Vec<Option<Manipulation>> {
    through(harness, buffer).faces.unwrap().faces.into_iter().map(|face| face.manipulation).collect()
}

/// What is known of a picture's only face.
#[track_caller]
fn only(harness: &mut Harness, buffer: gst::Buffer) -> Manipulation {
    let [Some(known)] = judged(harness, buffer)[..] else { panic!("one face with a finding was expected") };
    known
}

#[test]
fn the_portrait_is_scored_alike_in_both_formats() {
    let mut logits = Vec::new();
    for format in [VideoFormat::I420, VideoFormat::Nv12] {
        let mut harness = harness("polyforensics least-pictures=1", &info(format, SIZE));
        let results = through(&mut harness, found(format, &astronaut(), 7 * MS, vec![face()])).faces.unwrap();
        let network = results.forensics.expect("the network is named");
        assert_eq!((&*network.name, &*network.provider), ("face-forensics", "cpu"));
        assert_eq!(network.sha256.len(), 64);
        let known = results.faces[0].manipulation.unwrap();
        assert_eq!((known.pictures, known.reason_not), (1, None));
        assert_eq!(known.logit, known.picture_logit);
        logits.push(known.logit.unwrap());
        assert_eq!(Face { manipulation: None, ..results.faces[0].clone() }, face(), "what polyface said stays");
        assert_closes(&element(&harness), 1);
        assert_eq!(stat(&element(&harness), "analysed"), 1);
    }
    assert!((logits[0] - logits[1]).abs() < 1e-4, "{logits:?}");
}

#[test]
fn a_face_straight_from_polyface_is_scored() {
    let info = info(VideoFormat::I420, SIZE);
    let bin = gst::parse::bin_from_description("polyface ! polyforensics", true).unwrap();
    let mut harness = Harness::with_element(&bin, Some("sink"), Some("src"));
    harness.set_src_caps(info.to_caps().unwrap());
    for n in 0..6 {
        let faces = through(&mut harness, buffer(&info, &astronaut(), n * 40 * MS)).faces.unwrap();
        // Two looks of the detector, four pictures of its tracker.
        assert_eq!(faces.faces[0].manipulation.is_some(), n % 5 == 0, "picture {n}");
        assert_eq!(faces.forensics.is_some(), n % 5 == 0, "picture {n}");
    }
}

#[test]
fn scores_are_joined_over_two_seconds() {
    let mut harness = forensics("gates=false");
    let mut scores: Vec<(f32, f32)> = Vec::new();
    for n in 0..15u64 {
        // A quality of its own each, none of them in order.
        let quality = (n * 7 % 15) as f32 / 15.0;
        let face = Face { quality, ..moved(0.004 * n as f32) };
        let known = only(&mut harness, portrait(n * 200 * MS, vec![face]));
        scores.push((quality, known.picture_logit.unwrap()));
        let mut window = scores[scores.len().saturating_sub(10)..].to_vec();
        window.sort_by(|a, b| b.0.total_cmp(&a.0));
        window.truncate((window.len() as f32 * 0.6).round().max(1.0) as usize);
        let mean = window.iter().map(|(_, logit)| logit).sum::<f32>() / window.len() as f32;
        assert_eq!(known.pictures as usize, window.len(), "picture {n}");
        assert!((known.logit.unwrap() - mean).abs() < 1e-3, "picture {n}: {known:?}, not {mean}");
    }
    assert!(scores.windows(2).any(|pair| pair[0].1 != pair[1].1), "all pictures score the same");
}

#[test]
fn there_is_no_finding_about_a_face_seen_too_briefly() {
    let mut harness = harness("polyforensics", &info(VideoFormat::I420, SIZE));
    for n in 0..4 {
        let known = only(&mut harness, portrait(n * 200 * MS, vec![face()]));
        let brief = (n < 2).then_some(ReasonNot::TooBrief);
        assert_eq!((known.reason_not, known.logit.is_none()), (brief, brief.is_some()), "picture {n}: {known:?}");
        assert!(known.picture_logit.is_some(), "picture {n}: it was scored");
    }
}

#[test]
fn a_shorter_window_joins_fewer() {
    let mut harness = forensics("gates=false window=300000000");
    let pictures: Vec<u32> =
        (0..4).map(|n| only(&mut harness, portrait(n * 200 * MS, vec![face()])).pictures).collect();
    assert_eq!(pictures, [1; 4]);
}

#[test]
fn tracks_have_scores_of_their_own() {
    let mut harness = forensics("gates=false");
    let pair = || vec![face(), Face { track: 7, ..moved(0.05) }];
    let first = judged(&mut harness, portrait(0, pair()));
    let second = judged(&mut harness, portrait(200 * MS, pair()));
    for at in 0..2 {
        assert_eq!(first[at].unwrap().logit, second[at].unwrap().logit, "the same pictures give the same mean");
    }
    assert_ne!(first[0].unwrap().logit, first[1].unwrap().logit);
}

#[test]
fn a_cut_a_flush_a_jump_back_and_new_caps_begin_anew() {
    let mut harness = forensics("gates=false");
    let pictures = |harness: &mut Harness, buffer| only(harness, buffer).pictures;
    let one = |n: u64| portrait(n * 200 * MS, vec![face()]);
    for (n, want) in [(0, 1), (1, 1), (2, 2)] {
        assert_eq!(pictures(&mut harness, one(n)), want);
    }
    let mut first = one(3);
    let pts = PtsRange { start_ns: 600 * MS, end_ns: 600 * MS };
    let cut = Transition { kind: TransitionKind::Cut, pts, strength: 2.0 };
    update_video(first.get_mut().unwrap(), |known| known.transition = Some(cut));
    assert_eq!(pictures(&mut harness, first), 1, "a cut");
    (4..6).for_each(|n| {
        only(&mut harness, one(n));
    });
    assert!(harness.push_event(gst::event::FlushStart::new()));
    assert!(harness.push_event(gst::event::FlushStop::new(true)));
    assert!(harness.push_event(gst::event::Segment::new(&gst::FormattedSegment::<gst::ClockTime>::new())));
    assert_eq!(pictures(&mut harness, one(6)), 1, "a flush");
    (7..9).for_each(|n| {
        only(&mut harness, one(n));
    });
    assert_eq!(pictures(&mut harness, one(1)), 1, "a jump back");
    (2..4).for_each(|n| {
        only(&mut harness, one(n));
    });
    harness.set_src_caps(info(VideoFormat::Nv12, SIZE).to_caps().unwrap());
    let again = found(VideoFormat::Nv12, &astronaut(), 800 * MS, vec![face()]);
    assert_eq!(pictures(&mut harness, again), 1, "new caps");
}

#[test]
fn what_nobody_detected_is_left_alone() {
    let mut harness = forensics("");
    let info = info(VideoFormat::I420, SIZE);
    let plain = harness.push_and_pull(buffer(&info, &astronaut(), 0)).unwrap();
    assert_eq!(video_results(&plain), None, "works without polyface, and adds nothing");
    assert_eq!(judged(&mut harness, portrait(40 * MS, vec![])), []);
    let carried = Face { detected: false, ..face() };
    assert_eq!(judged(&mut harness, portrait(80 * MS, vec![carried])), [None]);
    assert_closes(&element(&harness), 0);
}

#[test]
fn a_newer_layout_passes_as_it_is() {
    let mut harness = forensics("");
    let mut newer = portrait(0, vec![face()]);
    let mut meta = gst::meta::CustomMeta::from_mut_buffer(newer.get_mut().unwrap(), VIDEO_META).unwrap();
    meta.mut_structure().set("version", RESULTS_VERSION + 1);
    let out = harness.push_and_pull(newer).unwrap();
    let meta = gst::meta::CustomMeta::from_buffer(&out, VIDEO_META).unwrap();
    assert_eq!(meta.structure().get::<u32>("version"), Ok(RESULTS_VERSION + 1));
    assert!(meta.structure().has_field("faces"));
}

/// A face on a blurred portrait, on one that kept only its coarse shades, and so on: each with the reason that is told.
fn poor() -> Vec<(&'static str, RgbImage, Face, ReasonNot)> {
    let portrait = astronaut();
    let blurred = imageops::blur(&portrait, 20.0);
    let mut grainy = blurred.clone();
    // A camera's noise: the blur is the lens's, and no codec took anything away.
    for (n, pixel) in grainy.pixels_mut().enumerate() {
        let noise = (n as u32).wrapping_mul(0x9E37_79B9).wrapping_mul(n as u32 | 1) >> 29;
        pixel.0 = pixel.0.map(|v| v.saturating_add(noise as u8));
    }
    let coarse = imageops::resize(&portrait, 32, 32, imageops::FilterType::Triangle);
    let coarse = imageops::resize(&coarse, 512, 512, imageops::FilterType::Nearest);
    let mut small = RgbImage::from_pixel(512, 512, image::Rgb([110, 115, 120]));
    imageops::overlay(&mut small, &imageops::resize(&portrait, 128, 128, imageops::FilterType::Triangle), 0, 0);
    let shrunk = |v: f32| v / 4.0;
    let (rect, points) = (face().rect, face().points);
    let little = Rect { x: shrunk(rect.x), y: shrunk(rect.y), w: shrunk(rect.w), h: shrunk(rect.h) };
    let mut turned = points;
    turned.nose = points.right_ear;
    vec![
        ("blurred", grainy, face(), ReasonNot::Blurred),
        ("coarse", coarse, face(), ReasonNot::Compressed),
        ("small", small, Face { rect: little, ..face() }, ReasonNot::TooSmall),
        ("turned", portrait.clone(), Face { points: turned, ..face() }, ReasonNot::Profile),
        ("cut off", portrait, Face { rect: Rect { x: -0.1, ..rect }, ..face() }, ReasonNot::CutOff),
    ]
}

#[test]
fn faces_that_cannot_be_judged_say_why() {
    for (name, picture, face, reason) in poor() {
        let mut harness = forensics("");
        let known = only(&mut harness, found(VideoFormat::I420, &picture, 0, vec![face.clone()]));
        assert_eq!(known, Manipulation { reason_not: Some(reason), ..Manipulation::default() }, "{name}");
        assert_eq!(stat(&element(&harness), &format!("skipped-{}", reason.as_str())), 1, "{name}");
        assert_closes(&element(&harness), 1);

        let mut open = forensics("gates=false");
        let known = only(&mut open, found(VideoFormat::I420, &picture, 0, vec![face]));
        assert_eq!(known.logit.is_none(), reason == ReasonNot::CutOff, "{name}: {known:?}");
    }
}

#[test]
fn the_least_size_is_what_it_is_set_to() {
    let side = 0.95 * 512.0 * (face().rect.w + face().rect.h) / 2.0;
    for (least, reason) in [(side - 1.0, None), (side + 1.0, Some(ReasonNot::TooSmall))] {
        let mut harness = forensics(&format!("min-face-size={least}"));
        assert_eq!(only(&mut harness, portrait(0, vec![face()])).reason_not, reason, "{least}");
    }
}

#[test]
fn the_largest_faces_are_scored_first() {
    let mut harness = forensics("max-faces=1 gates=false");
    let larger = Face { track: 9, rect: Rect { w: face().rect.w * 1.2, ..face().rect }, score: 0.1, ..face() };
    let carried = Face { track: 3, detected: false, rect: Rect { w: 0.9, h: 0.9, ..face().rect }, ..face() };
    let known = judged(&mut harness, portrait(0, vec![face(), larger, carried, moved(0.01)]));
    assert_eq!(known.iter().map(Option::is_some).collect::<Vec<_>>(), [false, true, false, false]);
    assert_eq!(stat(&element(&harness), "skipped-max-faces"), 2);
    assert_closes(&element(&harness), 3);
}

#[test]
fn rubbish_is_counted_and_never_scored() {
    let mut harness = forensics("gates=false");
    let rubbish = [
        Face { rect: Rect { x: f32::NAN, ..face().rect }, ..face() },
        Face { rect: Rect { w: f32::INFINITY, ..face().rect }, ..face() },
        Face { rect: Rect { w: 0.0, h: 0.0, ..face().rect }, ..face() },
        Face { quality: f32::NAN, ..face() },
    ];
    for face in &rubbish {
        assert_eq!(judged(&mut harness, portrait(0, vec![face.clone()])), [None], "{face:?}");
    }
    let mut gap = portrait(40 * MS, vec![face()]);
    gap.get_mut().unwrap().set_flags(gst::BufferFlags::GAP);
    assert_eq!(judged(&mut harness, gap), [None]);
    let mut short = gst::Buffer::with_size(10).unwrap();
    let pts = PtsRange { start_ns: 80 * MS, end_ns: 120 * MS };
    update_video(short.get_mut().unwrap(), |known| known.faces = Some(FaceResults { pts, ..seen() }));
    assert_eq!(judged(&mut harness, short), [None]);
    let element = element(&harness);
    assert_eq!((stat(&element, "skipped-unreadable"), stat(&element, "skipped-gap")), (5, 1));
    assert_closes(&element, 6);
    assert!(only(&mut harness, portrait(120 * MS, vec![face()])).logit.unwrap().is_finite(), "it goes on");
}

#[test]
fn late_pictures_are_counted_and_one_a_second_is_scored() {
    let mut harness = forensics("gates=false");
    assert!(judged(&mut harness, portrait(0, vec![face()]))[0].is_some());
    let late = gst::event::Qos::new(gst::QOSType::Underflow, 2.0, 5_000_000_000, gst::ClockTime::ZERO);
    assert!(harness.push_upstream_event(late));
    let scored: Vec<u64> =
        (1..11).filter(|n| judged(&mut harness, portrait(n * 200 * MS, vec![face()]))[0].is_some()).collect();
    assert_eq!(scored, [5, 10], "only the floor");
    assert_eq!(stat(&element(&harness), "late"), 8);
    assert_closes(&element(&harness), 11);
}

#[test]
fn pictures_keep_their_memory_even_when_shared() {
    let mut harness = forensics("");
    let input = portrait(0, vec![face()]);
    let kept = input.clone();
    let out = harness.push_and_pull(input).unwrap();
    assert!(std::ptr::eq(out.peek_memory(0), kept.peek_memory(0)), "the pixels were copied");
    assert_eq!(video_results(&kept).unwrap().faces.unwrap().forensics, None, "somebody else's buffer was written to");
}

#[test]
fn it_adds_no_latency_and_lets_events_through() {
    let mut harness = forensics("");
    harness.set_upstream_latency(30 * gst::ClockTime::MSECOND);
    assert_eq!(harness.query_latency(), Some(30 * gst::ClockTime::MSECOND));
    only(&mut harness, portrait(0, vec![face()]));
    let wanted = [gst::EventType::Gap, gst::EventType::Eos];
    assert!(harness.push_event(gst::event::Gap::new(40 * gst::ClockTime::MSECOND, 40 * gst::ClockTime::MSECOND)));
    assert!(harness.push_event(gst::event::Eos::new()));
    let seen: Vec<_> = std::iter::from_fn(|| harness.try_pull_event())
        .map(|event| event.type_())
        .filter(|t| wanted.contains(t))
        .collect();
    assert_eq!(seen, wanted);
}

#[test]
fn evidence_is_posted_for_each_new_highest_score() {
    for (properties, want) in [("evidence=true", 1), ("", 0)] {
        let mut harness = forensics(properties);
        let bus = gst::Bus::new();
        element(&harness).set_bus(Some(&bus));
        let known = only(&mut harness, portrait(80 * MS, vec![face()]));
        only(&mut harness, portrait(280 * MS, vec![face()]));
        let messages = std::iter::from_fn(|| bus.pop_filtered(&[gst::MessageType::Element]));
        let posted: Vec<_> = messages
            .filter_map(|message| match message.view() {
                gst::MessageView::Element(message) => Evidence::read(message),
                _ => None,
            })
            .collect();
        assert_eq!(posted.len(), want, "the same score isn't higher");
        for evidence in posted {
            assert_eq!((evidence.track, evidence.pts_ns), (0, 80 * MS));
            assert_eq!(Some(evidence.logit), known.picture_logit);
            let picture = image::load_from_memory(&evidence.picture).unwrap();
            assert_eq!((picture.width(), picture.height()), (256, 128));
        }
        element(&harness).set_bus(None);
    }
}

/// In a process of its own, since a process has one store.
#[test]
fn a_missing_network_is_one_clear_error() {
    const CHILD: &str = "POLYGRAPH_TEST_WITHOUT_THE_NETWORK";
    if std::env::var_os(CHILD).is_none() {
        let home = tempfile::tempdir().unwrap();
        let runtime = polygraph_models::Store::default_dir().join("onnxruntime");
        std::os::unix::fs::symlink(runtime.canonicalize().unwrap(), home.path().join("onnxruntime")).unwrap();
        let child = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "a_missing_network_is_one_clear_error"])
            .env(CHILD, "1")
            .env("POLYGRAPH_HOME", home.path())
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&child.stdout);
        assert!(child.status.success() && said.contains("1 passed"), "{said}");
        return;
    }
    common::init();
    let pipeline = gst::parse::launch("videotestsrc num-buffers=1 ! polyforensics ! fakesink").unwrap();
    assert!(
        pipeline.set_state(gst::State::Paused).is_err() || pipeline.state(gst::ClockTime::from_seconds(30)).0.is_err()
    );
    let bus = pipeline.bus().unwrap();
    let errors: Vec<_> = std::iter::from_fn(|| bus.pop_filtered(&[gst::MessageType::Error]))
        .filter_map(|message| match message.view() {
            gst::MessageView::Error(error) => Some(error.error().to_string()),
            _ => None,
        })
        .collect();
    pipeline.set_state(gst::State::Null).unwrap();
    let [error] = &errors[..] else { panic!("not one error: {errors:?}") };
    assert!(error.contains("face-forensics") && error.contains("polygraph models fetch"), "{error}");
}
