// SPDX-License-Identifier: Apache-2.0
//! `polyface` with its real network, on a real portrait and on the GRID corpus.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use common::{MS, assert_closes, astronaut, buffer, grid, harness, info, run, scene, stat, through};
use gst::prelude::*;
use gst_check::Harness;
use gst_video::{VideoFormat, VideoRegionOfInterestMeta};
use gstpolygraph::meta::{update_video, video_results};
use image::RgbImage;
use polygraph_core::results::{Face, FaceResults, PtsRange, Transition, TransitionKind};

const SIZE: (u32, u32) = (512, 512);

fn faces(harness: &mut Harness, picture: &RgbImage, pts_ns: u64) -> Option<FaceResults> {
    let info = info(VideoFormat::I420, (picture.width(), picture.height()));
    through(harness, buffer(&info, picture, pts_ns)).faces
}

fn element(harness: &Harness) -> gst::Element {
    harness.element().unwrap()
}

#[track_caller]
fn only(results: Option<FaceResults>) -> Face {
    let results = results.expect("somebody looked or carried");
    let [face] = &results.faces[..] else { panic!("one face was expected: {results:?}") };
    face.clone()
}

#[test]
fn the_portrait_has_one_face_in_both_formats() {
    for format in [VideoFormat::I420, VideoFormat::Nv12] {
        let info = info(format, SIZE);
        let mut harness = harness("polyface", &info);
        let results = through(&mut harness, buffer(&info, &astronaut(), 7 * MS)).faces.unwrap();
        assert!(results.analysed);
        assert_eq!(results.pts, PtsRange { start_ns: 7 * MS, end_ns: 47 * MS });
        assert_eq!((&*results.network.name, &*results.network.provider), ("blazeface-back", "cpu"));
        let face = only(Some(results));
        let centre = face.rect.center();
        assert!((centre.x - 0.44).abs() < 0.03 && (centre.y - 0.25).abs() < 0.03, "{format:?}: {face:?}");
        assert!(face.detected && face.score > 0.8 && face.quality > 0.3, "{face:?}");
        assert!(face.points.right_eye.x < face.points.left_eye.x && face.points.nose.y < face.points.mouth.y);
    }
}

#[test]
fn five_looks_a_second_and_the_tracker_between() {
    let mut harness = harness("polyface", &info(VideoFormat::I420, SIZE));
    let picture = astronaut();
    for n in 0..25 {
        let results = faces(&mut harness, &picture, n * 40 * MS).unwrap();
        assert_eq!(results.analysed, n % 5 == 0, "picture {n}");
        let face = only(Some(results));
        assert_eq!((face.track, face.detected), (0, n % 5 == 0));
    }
    let element = element(&harness);
    assert_eq!((stat(&element, "analysed"), stat(&element, "skipped-interval")), (5, 20));
    assert_closes(&element, 25);
}

#[test]
fn a_rate_of_zero_looks_at_every_picture() {
    let mut harness = harness("polyface analysis-fps=0", &info(VideoFormat::I420, SIZE));
    let picture = astronaut();
    assert!((0..4).all(|n| faces(&mut harness, &picture, n * 40 * MS).unwrap().analysed));
}

#[test]
fn a_moving_face_keeps_its_id_and_is_carried_on_its_way() {
    let size = (960, 360);
    let info = info(VideoFormat::I420, size);
    let mut harness = harness("polyface", &info);
    let (mut looked, mut behind) = (0.0, Vec::new());
    for n in 0..40i64 {
        let face = only(faces(&mut harness, &scene(size, (6 * n, 60)), n as u64 * 40 * MS));
        assert_eq!(face.track, 0, "picture {n}");
        // Where the box lies on the face.
        let at = face.rect.center().x * 960.0 - (6 * n) as f32;
        if face.detected {
            looked = at;
        } else if n > 15 {
            // The velocity has been learnt.
            behind.push((at - looked).abs());
        }
    }
    // It moves 30 pixels between looks; left where it was seen it would be up to 24 off.
    assert!(behind.iter().all(|off| *off < 8.0), "{behind:?}");
}

#[test]
fn an_id_outlives_a_short_occlusion_and_no_long_one() {
    for (hidden, same) in [(20, true), (60, false)] {
        let mut harness = harness("polyface", &info(VideoFormat::I420, SIZE));
        let (picture, nobody) = (astronaut(), RgbImage::from_pixel(512, 512, image::Rgb([110, 115, 120])));
        assert_eq!(only(faces(&mut harness, &picture, 0)).track, 0);
        for n in 1..hidden {
            let seen = faces(&mut harness, &nobody, n * 40 * MS);
            if n >= 5 {
                assert!(seen.is_none_or(|seen| seen.faces.is_empty()), "nobody is there in picture {n}");
            }
        }
        let again = only(faces(&mut harness, &picture, hidden * 40 * MS));
        assert_eq!(again.track == 0, same, "after {hidden} pictures");
    }
}

#[test]
fn no_id_outlives_a_cut_and_its_first_picture_is_looked_at() {
    let info = info(VideoFormat::I420, SIZE);
    let mut harness = harness("polyface", &info);
    let picture = astronaut();
    assert_eq!(only(faces(&mut harness, &picture, 0)).track, 0);
    let mut first = buffer(&info, &picture, 80 * MS);
    let pts = PtsRange { start_ns: 80 * MS, end_ns: 80 * MS };
    let cut = Transition { kind: TransitionKind::Cut, pts, strength: 2.0 };
    update_video(first.get_mut().unwrap(), |known| known.transition = Some(cut));
    let known = through(&mut harness, first);
    assert_eq!(known.transition, Some(cut), "what others found stays");
    let results = known.faces.unwrap();
    assert!(results.analysed);
    assert_eq!(only(Some(results)).track, 1);
}

#[test]
fn a_flush_a_jump_back_and_new_caps_start_anew() {
    let info = info(VideoFormat::I420, SIZE);
    let mut harness = harness("polyface", &info);
    let picture = astronaut();
    assert_eq!(only(faces(&mut harness, &picture, 1_000 * MS)).track, 0);
    let back = faces(&mut harness, &picture, 200 * MS).unwrap();
    assert!(back.analysed, "a jump back is looked at");
    assert_eq!(only(Some(back)).track, 1);
    let ahead = faces(&mut harness, &picture, 90_000 * MS).unwrap();
    assert!(ahead.analysed && ahead.faces[0].track == 2);
    assert!(harness.push_event(gst::event::FlushStart::new()));
    assert!(harness.push_event(gst::event::FlushStop::new(true)));
    let segment = gst::FormattedSegment::<gst::ClockTime>::new();
    assert!(harness.push_event(gst::event::Segment::new(&segment)));
    assert_eq!(only(faces(&mut harness, &picture, 90_040 * MS)).track, 3);
    let smaller = common::info(VideoFormat::Nv12, (641, 361));
    harness.set_src_caps(smaller.to_caps().unwrap());
    let results = through(&mut harness, buffer(&smaller, &scene((641, 361), (60, 60)), 90_080 * MS)).faces;
    assert_eq!(only(results).track, 4);
}

#[test]
fn pictures_keep_their_memory_even_when_shared() {
    let info = info(VideoFormat::I420, SIZE);
    let mut harness = harness("polyface", &info);
    let input = buffer(&info, &astronaut(), 0);
    let kept = input.clone();
    let out = harness.push_and_pull(input).unwrap();
    assert!(std::ptr::eq(out.peek_memory(0), kept.peek_memory(0)), "the pixels were copied");
    assert!(video_results(&kept).is_none(), "somebody else's buffer was written to");
}

#[test]
fn regions_of_interest_mirror_the_faces_when_wanted() {
    for (launch, count) in [("polyface", 1), ("polyface roi-meta=false", 0)] {
        let info = info(VideoFormat::I420, SIZE);
        let mut harness = harness(launch, &info);
        let out = harness.push_and_pull(buffer(&info, &astronaut(), 0)).unwrap();
        let regions: Vec<_> = out.iter_meta::<VideoRegionOfInterestMeta>().collect();
        assert_eq!(regions.len(), count);
        for region in regions {
            let rect = only(video_results(&out).unwrap().faces).rect;
            assert_eq!(region.roi_type(), "face");
            assert_eq!(region.rect().0, (rect.x * 512.0).round() as u32);
            assert_eq!(region.param("polygraph-face").unwrap().get::<u64>("track"), Ok(0));
        }
    }
}

#[test]
fn messages_are_posted_when_wanted() {
    let info = info(VideoFormat::I420, SIZE);
    let mut harness = harness("polyface post-messages=true", &info);
    let bus = gst::Bus::new();
    element(&harness).set_bus(Some(&bus));
    faces(&mut harness, &astronaut(), 0);
    faces(&mut harness, &astronaut(), 40 * MS);
    let posted: Vec<_> = std::iter::from_fn(|| bus.pop_filtered(&[gst::MessageType::Element])).collect();
    let [message] = &posted[..] else { panic!("one look, one message: {posted:?}") };
    let structure = message.structure().unwrap();
    assert_eq!(structure.name(), "polygraph-faces");
    assert_eq!(structure.get::<gst::Array>("faces").unwrap().len(), 1);
    element(&harness).set_bus(None);
}

#[test]
fn odd_and_tiny_pictures_pass() {
    for size in [(1, 1), (2, 3), (17, 1), (1, 33), (641, 361), (355, 289)] {
        for format in [VideoFormat::I420, VideoFormat::Nv12] {
            let info = info(format, size);
            let mut harness = harness("polyface tiles=true", &info);
            let picture = RgbImage::from_pixel(size.0, size.1, image::Rgb([90, 100, 110]));
            let results = through(&mut harness, buffer(&info, &picture, 0)).faces.unwrap();
            assert!(results.analysed && results.faces.is_empty(), "{size:?} {format:?}");
        }
    }
}

#[test]
fn pictures_without_a_time_follow_those_before() {
    let info = info(VideoFormat::I420, SIZE);
    let mut harness = harness("polyface", &info);
    let picture = astronaut();
    assert_eq!(through(&mut harness, buffer(&info, &picture, None)).faces, None);
    assert!(faces(&mut harness, &picture, 0).unwrap().analysed);
    let looks: Vec<bool> =
        (1..6).map(|_| through(&mut harness, buffer(&info, &picture, None)).faces.unwrap().analysed).collect();
    assert_eq!(looks, [false, false, false, false, true], "40 ms each, a look at 200 ms");
    assert_eq!(stat(&element(&harness), "skipped-no-pts"), 1);
    assert_closes(&element(&harness), 7);
}

#[test]
fn late_pictures_are_counted_and_one_a_second_is_looked_at() {
    let info = info(VideoFormat::I420, SIZE);
    let mut harness = harness("polyface", &info);
    let picture = astronaut();
    assert!(faces(&mut harness, &picture, 0).unwrap().analysed);
    let late = gst::event::Qos::new(gst::QOSType::Underflow, 2.0, 5_000_000_000, gst::ClockTime::ZERO);
    assert!(harness.push_upstream_event(late));
    let looks: Vec<u64> =
        (1..51).filter(|n| faces(&mut harness, &picture, n * 40 * MS).is_some_and(|seen| seen.analysed)).collect();
    assert_eq!(looks, [25, 50], "only the floor");
    // From 200 ms on each picture is due until one is looked at.
    assert_eq!(stat(&element(&harness), "late"), 40);
    assert_closes(&element(&harness), 51);
}

#[test]
fn gaps_and_broken_buffers_pass_and_are_counted() {
    let info = info(VideoFormat::I420, SIZE);
    let mut harness = harness("polyface", &info);
    let mut gap = buffer(&info, &astronaut(), 0);
    gap.get_mut().unwrap().set_flags(gst::BufferFlags::GAP);
    assert_eq!(through(&mut harness, gap).faces, None);
    let mut short = gst::Buffer::with_size(10).unwrap();
    short.get_mut().unwrap().set_pts(40 * gst::ClockTime::MSECOND);
    assert_eq!(through(&mut harness, short).faces, None);
    let element = element(&harness);
    assert_eq!((stat(&element, "skipped-gap"), stat(&element, "skipped-unreadable")), (1, 1));
    assert_closes(&element, 2);
}

#[test]
fn it_adds_no_latency_and_lets_events_through() {
    let mut harness = harness("polyface", &info(VideoFormat::I420, SIZE));
    harness.set_upstream_latency(30 * gst::ClockTime::MSECOND);
    assert_eq!(harness.query_latency(), Some(30 * gst::ClockTime::MSECOND));
    faces(&mut harness, &astronaut(), 0);
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
fn a_speaker_of_the_grid_corpus_is_one_track_from_start_to_end() {
    for clip in grid() {
        let launch = format!(
            "filesrc location=\"{}\" ! decodebin ! videoconvert ! polyscene ! polyface ! appsink name=out",
            clip.display()
        );
        let (mut looks, mut tracks) = (Vec::new(), std::collections::BTreeSet::new());
        run(&launch, |buffer| {
            if let Some(results) = video_results(buffer).and_then(|known| known.faces) {
                tracks.extend(results.faces.iter().map(|face| face.track));
                if results.analysed {
                    looks.push(results.faces.len());
                }
            }
        });
        assert!(looks.len() >= 14, "{}: {looks:?}", clip.display());
        assert_eq!(tracks.len(), 1, "{}: {looks:?}", clip.display());
        // Some clips begin with a grey picture, until the first key frame.
        assert!(looks.iter().skip(1).all(|count| *count == 1), "{}: {looks:?}", clip.display());
    }
}
