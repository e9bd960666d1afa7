// SPDX-License-Identifier: Apache-2.0
//! `polyscene` on made-up shots, on a music video and on the GRID corpus.

#![allow(clippy::unwrap_used)]

mod common;

use common::{MS, assert_closes, astronaut, buffer, grid, harness, info, run, stat, through};
use gst_check::Harness;
use gst_video::{VideoFormat, VideoInfo};
use gstpolygraph::meta::video_results;
use image::{RgbImage, imageops};
use polygraph_core::results::{PtsRange, Transition, TransitionKind};
use polygraph_models::Store;

const SIZE: (u32, u32) = (640, 362);

/// Two shots: the portrait, or its mirror image in other colours.
fn shot(size: (u32, u32), second: bool) -> RgbImage {
    let mut picture = imageops::resize(&astronaut(), size.0, size.1, imageops::FilterType::Triangle);
    if second {
        imageops::flip_horizontal_in_place(&mut picture);
        picture.pixels_mut().for_each(|pixel| pixel.0 = [255 - pixel.0[2], pixel.0[0] / 2, pixel.0[1]]);
    }
    picture
}

fn push(harness: &mut Harness, info: &VideoInfo, second: bool, pts_ns: impl Into<Option<u64>>) -> Option<Transition> {
    let picture = shot((info.width(), info.height()), second);
    through(harness, buffer(info, &picture, pts_ns)).transition
}

#[test]
fn the_first_picture_of_a_new_shot_carries_the_cut() {
    for format in [VideoFormat::I420, VideoFormat::Nv12] {
        let info = info(format, SIZE);
        let mut harness = harness("polyscene", &info);
        for n in 0..30 {
            let found = push(&mut harness, &info, n >= 15, n * 40 * MS);
            assert_eq!(found.is_some(), n == 15, "{format:?}: picture {n}");
            if let Some(cut) = found {
                assert_eq!(cut.kind, TransitionKind::Cut);
                assert_eq!(cut.pts, PtsRange { start_ns: 600 * MS, end_ns: 600 * MS });
                assert!(cut.strength >= 1.0);
            }
        }
        let element = harness.element().unwrap();
        assert_eq!(stat(&element, "analysed"), 30);
        assert_closes(&element, 30);
    }
}

#[test]
fn a_threshold_of_one_finds_nothing_and_min_shot_is_kept() {
    let info = info(VideoFormat::I420, SIZE);
    let mut deaf = harness("polyscene threshold=1", &info);
    assert!((0..4).all(|n| push(&mut deaf, &info, n >= 2, n * 40 * MS).is_none()));
    let mut patient = harness("polyscene min-shot=1000000000", &info);
    let found: Vec<u64> =
        (0..60u64).filter(|n| push(&mut patient, &info, n / 5 % 2 == 1, n * 40 * MS).is_some()).collect();
    assert!(!found.is_empty() && found.windows(2).all(|pair| pair[1] - pair[0] >= 25), "{found:?}");
}

#[test]
fn a_flush_a_jump_and_new_caps_are_no_cuts() {
    let info = info(VideoFormat::I420, SIZE);
    let mut harness = harness("polyscene", &info);
    assert_eq!(push(&mut harness, &info, false, 5_000 * MS), None);
    assert_eq!(push(&mut harness, &info, true, 1_000 * MS), None, "a jump back");
    assert_eq!(push(&mut harness, &info, false, 60_000 * MS), None, "a jump ahead");
    assert!(harness.push_event(gst::event::FlushStart::new()));
    assert!(harness.push_event(gst::event::FlushStop::new(true)));
    assert!(harness.push_event(gst::event::Segment::new(&gst::FormattedSegment::<gst::ClockTime>::new())));
    assert_eq!(push(&mut harness, &info, true, 60_040 * MS), None, "a flush");
    let other = common::info(VideoFormat::Nv12, (355, 289));
    harness.set_src_caps(other.to_caps().unwrap());
    assert_eq!(push(&mut harness, &other, false, 60_080 * MS), None, "new caps");
    assert!(push(&mut harness, &other, true, 60_120 * MS).is_some());
}

#[test]
fn odd_and_tiny_pictures_pass() {
    for size in [(1, 1), (2, 3), (17, 1), (1, 433), (641, 361), (355, 289)] {
        for format in [VideoFormat::I420, VideoFormat::Nv12] {
            let info = info(format, size);
            let mut harness = harness("polyscene", &info);
            for n in 0..3 {
                push(&mut harness, &info, n == 2, n * 40 * MS);
            }
            assert_eq!(stat(&harness.element().unwrap(), "analysed"), 3, "{size:?} {format:?}");
        }
    }
}

#[test]
fn pictures_keep_their_memory_even_when_shared() {
    let info = info(VideoFormat::I420, SIZE);
    let mut harness = harness("polyscene", &info);
    push(&mut harness, &info, false, 0);
    let input = buffer(&info, &shot(SIZE, true), 40 * MS);
    let kept = input.clone();
    let out = harness.push_and_pull(input).unwrap();
    assert!(video_results(&out).is_some_and(|known| known.transition.is_some()));
    assert!(std::ptr::eq(out.peek_memory(0), kept.peek_memory(0)), "the pixels were copied");
    assert!(video_results(&kept).is_none(), "somebody else's buffer was written to");
}

#[test]
fn what_cannot_be_judged_passes_and_is_counted() {
    let info = info(VideoFormat::I420, SIZE);
    let mut harness = harness("polyscene", &info);
    assert_eq!(push(&mut harness, &info, false, None), None);
    push(&mut harness, &info, false, 0);
    let mut gap = buffer(&info, &shot(SIZE, true), 40 * MS);
    gap.get_mut().unwrap().set_flags(gst::BufferFlags::GAP);
    assert_eq!(through(&mut harness, gap).transition, None);
    let mut short = gst::Buffer::with_size(10).unwrap();
    short.get_mut().unwrap().set_pts(80 * gst::ClockTime::MSECOND);
    assert_eq!(through(&mut harness, short).transition, None);
    assert!(push(&mut harness, &info, true, None).is_some(), "one without a time follows those before");
    let element = harness.element().unwrap();
    let skipped = ["no-pts", "gap", "unreadable"].map(|why| stat(&element, &format!("skipped-{why}")));
    assert_eq!((skipped, stat(&element, "analysed")), ([1, 1, 1], 2));
    assert_closes(&element, 5);
}

#[test]
fn it_adds_no_latency_and_lets_events_through() {
    let info = info(VideoFormat::I420, SIZE);
    let mut harness = harness("polyscene", &info);
    harness.set_upstream_latency(30 * gst::ClockTime::MSECOND);
    assert_eq!(harness.query_latency(), Some(30 * gst::ClockTime::MSECOND));
    push(&mut harness, &info, false, 0);
    let wanted = [gst::EventType::Gap, gst::EventType::Eos];
    assert!(harness.push_event(gst::event::Gap::new(40 * gst::ClockTime::MSECOND, 40 * gst::ClockTime::MSECOND)));
    assert!(harness.push_event(gst::event::Eos::new()));
    let seen: Vec<_> = std::iter::from_fn(|| harness.try_pull_event())
        .map(|event| event.type_())
        .filter(|t| wanted.contains(t))
        .collect();
    assert_eq!(seen, wanted);
}

/// PTS in seconds of the cuts of a file.
fn cuts_of(location: &std::path::Path) -> Vec<f64> {
    let mut cuts = Vec::new();
    let location = location.display();
    run(
        &format!("filesrc location=\"{location}\" ! decodebin ! videoconvert ! polyscene ! appsink name=out"),
        |buffer| {
            if let Some(cut) = video_results(buffer).and_then(|known| known.transition) {
                assert_eq!(buffer.pts().unwrap().nseconds(), cut.pts.start_ns);
                cuts.push(cut.pts.start_ns as f64 / 1e9);
            }
        },
    );
    cuts
}

/// The cuts of the first 45 s of the clip that comes with TransNetV2, found by eye; seconds by PTS.
const SEEN: [f64; 34] = [
    0.16, 0.76, 2.08, 2.52, 4.20, 5.36, 7.52, 8.04, 8.84, 9.52, 10.52, 11.36, 12.12, 14.92, 17.48, 18.32, 23.00, 24.60,
    26.68, 27.88, 29.04, 30.52, 31.16, 32.08, 33.28, 34.68, 36.40, 37.80, 38.52, 39.68, 40.60, 42.40, 43.76, 44.40,
];

#[test]
fn a_music_video_has_the_cuts_that_people_see() {
    let clip = Store::default_dir().join("media/test.mp4");
    assert!(clip.exists(), "{} is missing; `./dev test` fetches it", clip.display());
    let found: Vec<f64> = cuts_of(&clip).into_iter().filter(|at| *at < 45.0).collect();
    let same = |a: f64, b: f64| (a - b).abs() < 0.02;
    let wrong: Vec<_> = found.iter().filter(|at| !SEEN.iter().any(|seen| same(**at, *seen))).collect();
    let missed: Vec<_> = SEEN.iter().filter(|seen| !found.iter().any(|at| same(*at, **seen))).collect();
    assert!(wrong.is_empty() && missed.len() <= 1, "wrong {wrong:?}, missed {missed:?}");
}

#[test]
fn a_speaker_of_the_grid_corpus_is_one_shot() {
    for clip in grid() {
        assert_eq!(cuts_of(&clip), [] as [f64; 0], "{}", clip.display());
    }
}
