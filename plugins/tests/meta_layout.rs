// SPDX-License-Identifier: Apache-2.0
//! What is written into a meta is read back; what a newer plugin wrote is left alone.
#![allow(clippy::unwrap_used, reason = "a panic in a test's helper is the report too")]

use gstpolygraph::meta::{AUDIO_META, VIDEO_META, audio_results, update_audio, update_video, video_results};
use polygraph_core::geometry::{Point, Rect};
use polygraph_core::results::*;
use polygraph_core::safety::{SafetyFinding, SafetyResults};
use polygraph_core::scene::{SceneLabel, SceneResults};
use polygraph_core::screen_text::{TextLine, TextResults};

fn network() -> NetworkRef {
    NetworkRef { name: "n".into(), version: "1.2".into(), sha256: "ab".into(), provider: "cpu".into() }
}

fn face(track: u64) -> Face {
    let at = |x: f32| Point { x, y: x / 2.0 };
    Face {
        track,
        rect: Rect { x: -0.1, y: 0.2, w: 0.3, h: 0.4 },
        points: FacePoints {
            right_eye: at(0.1),
            left_eye: at(0.2),
            nose: at(0.3),
            mouth: at(0.4),
            right_ear: at(0.5),
            left_ear: at(0.6),
        },
        score: 0.75,
        quality: 0.5,
        detected: track == 0,
        manipulation: (track == 0).then_some(Manipulation {
            p: Some(0.93),
            logit: Some(2.1),
            picture_logit: Some(-2.4),
            pictures: 6,
            signs: Some(true),
            reason_not: None,
        }),
        ..Face::default()
    }
}

#[test]
fn two_analysers_add_to_one_picture() {
    gst::init().unwrap();
    let mut buffer = gst::Buffer::new();
    let buffer = buffer.get_mut().unwrap();
    assert_eq!(video_results(buffer), None);
    let pts = PtsRange { start_ns: 5, end_ns: u64::MAX };
    let transition = Transition { kind: TransitionKind::Cut, pts, strength: 1.5 };
    update_video(buffer, |results| results.transition = Some(transition));
    let faces = faces_of(vec![face(0), face(u64::MAX)]);
    update_video(buffer, |results| results.faces = Some(faces.clone()));
    assert_eq!(
        video_results(buffer),
        Some(VideoResults { transition: Some(transition), faces: Some(faces), ..VideoResults::default() })
    );
    assert_eq!(buffer.iter_meta::<gst::Meta>().count(), 1, "one meta holds all results");
}

fn faces_of(faces: Vec<Face>) -> FaceResults {
    let pts = PtsRange { start_ns: 5, end_ns: u64::MAX };
    let mouths = vec![Mouth { track: 0, pixels: (0..MOUTH_SIDE * MOUTH_SIDE).map(|n| n as u8).collect() }];
    FaceResults { pts, analysed: true, faces, network: network(), forensics: Some(network()), mouths: Some(mouths) }
}

#[test]
fn scene_and_safety_are_read_back_beside_faces() {
    gst::init().unwrap();
    let mut buffer = gst::Buffer::new();
    let buffer = buffer.get_mut().unwrap();
    let label = |label: &str, p| SceneLabel { label: label.to_owned(), p };
    let scene = SceneResults {
        analysed: true,
        labels: vec![label("kitchen", 0.75), label("indoor", 0.98), label("our studio", 0.6)],
        network: network(),
    };
    let finding = |rect| SafetyFinding { label: "FACE_FEMALE".to_owned(), score: 0.5, rect, sensitive: rect.is_none() };
    let rect = Some([0.1, 0.2, 0.3, 0.4].into());
    let safety = SafetyResults { analysed: false, findings: vec![finding(rect), finding(None)], network: network() };
    update_video(buffer, |results| results.scene = Some(scene.clone()));
    update_video(buffer, |results| results.faces = Some(faces_of(Vec::new())));
    update_video(buffer, |results| results.safety = Some(safety.clone()));
    let known = video_results(buffer).unwrap();
    assert_eq!((known.scene, known.safety), (Some(scene), Some(safety)));
    assert!(known.faces.is_some());
}

#[test]
fn text_is_read_back_line_by_line() {
    gst::init().unwrap();
    let mut buffer = gst::Buffer::new();
    let buffer = buffer.get_mut().unwrap();
    let line = |text: &str| TextLine { text: text.to_owned(), score: 0.75, rect: [0.1, 0.2, 0.3, 0.4].into() };
    let lines = vec![line("Überschrift \"zitiert\", {gst}; (string)"), line("新闻")];
    let text = TextResults { analysed: true, lines, networks: [network(), network()] };
    update_video(buffer, |results| results.text = Some(text.clone()));
    assert_eq!(video_results(buffer).unwrap().text, Some(text));
}

#[test]
fn each_reason_not_to_judge_is_read_back() {
    gst::init().unwrap();
    for reason in ReasonNot::ALL {
        let mut buffer = gst::Buffer::new();
        let buffer = buffer.get_mut().unwrap();
        let manipulation = Some(Manipulation { reason_not: Some(reason), ..Manipulation::default() });
        let faces = faces_of(vec![Face { manipulation, ..face(1) }]);
        update_video(buffer, |results| results.faces = Some(faces.clone()));
        assert_eq!(video_results(buffer).unwrap().faces, Some(faces));
    }
}

/// Gives the meta on pictures another layout's number.
fn relabel(buffer: &mut gst::BufferRef, version: u32) {
    let mut meta = gst::meta::CustomMeta::from_mut_buffer(buffer, VIDEO_META).unwrap();
    meta.mut_structure().set("version", version);
}

#[test]
fn the_first_layout_is_one_without_manipulation() {
    gst::init().unwrap();
    let mut buffer = gst::Buffer::new();
    let buffer = buffer.get_mut().unwrap();
    let faces = FaceResults { forensics: None, mouths: None, ..faces_of(vec![face(1)]) };
    update_video(buffer, |results| results.faces = Some(faces.clone()));
    relabel(buffer, 1);
    assert_eq!(video_results(buffer).unwrap().faces, Some(faces));
}

#[test]
fn sound_is_read_back() {
    gst::init().unwrap();
    let mut buffer = gst::Buffer::new();
    let buffer = buffer.get_mut().unwrap();
    let pts = PtsRange { start_ns: 1, end_ns: 2 };
    let written = AudioResults {
        pts,
        speech: vec![SpeechWindow { pts, p: 0.25 }, SpeechWindow { pts, p: 1.0 }],
        loudness: Loudness { momentary_lufs: Some(-23.0), short_term_lufs: None, integrated_lufs: Some(-70.0) },
        silent: true,
        network: Some(network()),
        synthetic: Some(Synthetic { p: Some(0.25), logit: Some(-1.5), signs: Some(false), reason_not: None }),
        voice: Some(network()),
        heard: vec![Heard { pts, samples: [0.5, -1.0, f32::MIN_POSITIVE].into() }],
    };
    update_audio(buffer, |results| *results = written.clone());
    assert_eq!(audio_results(buffer), Some(written));
}

#[test]
fn a_newer_layout_is_left_alone() {
    gst::init().unwrap();
    let mut buffer = gst::Buffer::new();
    let buffer = buffer.get_mut().unwrap();
    update_video(buffer, |_| ());
    assert!(video_results(buffer).is_some());
    relabel(buffer, RESULTS_VERSION + 1);
    assert_eq!(video_results(buffer), None);
    update_video(buffer, |_| panic!("nobody can add to what can't be read"));
    relabel(buffer, RESULTS_VERSION);
    assert!(video_results(buffer).is_some(), "what a newer plugin wrote was overwritten");

    update_audio(buffer, |_| ());
    let mut meta = gst::meta::CustomMeta::from_mut_buffer(buffer, AUDIO_META).unwrap();
    meta.mut_structure().remove_field("speech");
    assert_eq!(audio_results(buffer), None, "a lying meta is refused, not believed in part");
}
