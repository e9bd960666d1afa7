// SPDX-License-Identifier: Apache-2.0
//! Frames as other systems write them, against samples that were written from their documentation.

// clippy.toml lets #[test] functions unwrap; here the helpers do too.
#![allow(clippy::unwrap_used)]

use polygraph_core::event::{Clock, ClockSource, Data, Kind};
use polygraph_core::profile::{Envelope, Profile};
use polygraph_core::record::{Frame, PictureSize};
use polygraph_core::results::{Face, FacePoints, Manipulation, ReasonNot};
use serde_json::Value;

const ENVELOPE: Envelope<'_> = Envelope {
    id: "camera-7/01J/frame/1400000000/0",
    stream: "camera-7",
    source: "/streams/camera-7",
    time: "2026-11-25T20:00:01.4Z",
};

/// Three faces: one with signs, one without, one that can't be judged; and one that nobody judged.
fn data(picture: Option<PictureSize>) -> Data<Frame> {
    let face = |track, x: f32, manipulation| Face {
        track,
        rect: [x, 0.25, 0.125, 0.5].into(),
        points: FacePoints::default(),
        score: 0.75,
        quality: 0.5,
        detected: true,
        manipulation,
        ..Face::default()
    };
    let judged = |p, signs| Manipulation { p: Some(p), signs: Some(signs), ..Manipulation::default() };
    let faces = vec![
        face(0, 0.0, Some(judged(0.9375, true))),
        face(3, 0.25, Some(judged(0.25, false))),
        face(4, 0.5, Some(Manipulation { reason_not: Some(ReasonNot::TooSmall), ..Manipulation::default() })),
        face(5, 0.75, None),
    ];
    let content = Frame { pts_ns: 1_400_000_000, picture, faces, ..Frame::default() };
    // 2026-11-25T20:00:01.400Z
    let clock = Clock { source: ClockSource::Arrival, wall_ns: 1_795_636_801_400_000_000, epoch: "01J".into() };
    Data { content, clock }
}

const SIZE: PictureSize = PictureSize { width: 640, height: 480 };

fn sample(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

#[test]
fn dlstreamer_reads_a_frame_as_its_own() {
    let frame = Profile::DlStreamer.frame(ENVELOPE, &data(Some(SIZE))).unwrap();
    assert_eq!(frame, sample(include_str!("profiles/dlstreamer.json")));
}

#[test]
fn deepstream_reads_a_frame_as_its_own() {
    let frame = Profile::DeepStreamMinimal.frame(ENVELOPE, &data(Some(SIZE))).unwrap();
    assert_eq!(frame, sample(include_str!("profiles/deepstream-minimal.json")));
}

#[test]
fn without_the_pictures_size_boxes_stay_parts_of_the_picture() {
    let frame = Profile::DlStreamer.frame(ENVELOPE, &data(None)).unwrap();
    let object = &frame["objects"][1];
    assert_eq!((frame.get("resolution"), object.get("x")), (None, None), "nobody knows pixels");
    assert_eq!(object["detection"]["bounding_box"]["x_max"], 0.375);
    let frame = Profile::DeepStreamMinimal.frame(ENVELOPE, &data(None)).unwrap();
    assert_eq!(frame["objects"][3], "5|0.75|0.25|0.875|0.75|face");
}

#[test]
fn a_profile_has_its_own_name_for_frames_and_leaves_the_rest_alone() {
    for profile in Profile::ALL {
        assert_eq!(profile.as_str().parse(), Ok(profile));
        let names = profile.names(Kind::Frame).map(|(event_type, _)| Kind::of_type(&event_type));
        assert_eq!(names, (profile != Profile::Polygraph).then_some(None), "{profile} would be taken for ours");
        assert_eq!(profile.names(Kind::Transcript), None);
    }
    assert!("deepstream".parse::<Profile>().unwrap_err().contains("deepstream-minimal"));
}
