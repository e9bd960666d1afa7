// SPDX-License-Identifier: Apache-2.0
//! `polylips` by its pads: what comes out for what goes in, and that nothing ever waits for good.

#![allow(clippy::unwrap_used, reason = "a panic in a test's helper is the report too")]

mod lips;

use polygraph_core::record::{IncidentState, Missing, Record};
use polygraph_core::results::TransitionKind;

use lips::{Lips, frame, picture, sound};

const MS: u64 = 1_000_000;

#[test]
fn a_picture_meets_the_sound_of_its_time() {
    let mut lips = Lips::new("live=false");
    lips.audio().push(sound(0, 40)).unwrap();
    lips.audio().push(sound(40, 40)).unwrap();
    lips.video().push(picture(40, true)).unwrap();
    lips.audio().push(sound(80, 40)).unwrap();
    let (buffer, record) = lips.pull();
    assert_eq!(buffer.pts(), Some(gst::ClockTime::from_mseconds(40)));
    let Record::Frame(frame) = record else { panic!("{record:?}") };
    assert_eq!(frame.pts_ns, 40 * MS);
    assert_eq!(frame.audio.unwrap().loudness.momentary_lufs, Some(-40.0));
    assert_eq!((frame.missing, frame.networks.len()), (vec![], 1));
    assert_eq!(lips.caps().unwrap().to_string(), "application/x-polygraph");
}

#[test]
fn what_is_known_late_is_told_in_its_turn() {
    let mut lips = Lips::new("live=false");
    lips.video().push(picture(0, true)).unwrap();
    lips.video().push(picture(40, true)).unwrap();
    // Before the picture at which it was known, and about one before that.
    lips.video().push_event(lips::late(40, 80));
    lips.video().push(picture(80, true)).unwrap();
    lips.audio().push_event(gst::event::Eos::new());
    let times: Vec<_> = (0..2).map(|_| frame(lips.pull().1).0).collect();
    assert_eq!(times, [0, 40]);
    let (buffer, record) = lips.pull();
    let Record::Shot(shot) = record else { panic!("{record:?}") };
    assert_eq!(
        (shot.kind, shot.pts_ns, shot.start_ns, shot.end_ns),
        (TransitionKind::Dissolve, 40 * MS, 20 * MS, 40 * MS)
    );
    assert_eq!((shot.key_frame.unwrap().pts_ns, buffer.pts()), (60 * MS, Some(40 * gst::ClockTime::MSECOND)));
    assert_eq!(frame(lips.pull().1).0, 80);
}

#[test]
fn sound_that_stays_away_is_missing_from_where_it_ended() {
    let mut lips = Lips::new("live=false faults=missing_audio fault-limits=missing_audio_s=1");
    for at in 0..100 {
        lips.video().push(picture(40 * at, false)).unwrap();
    }
    for at in (0..10).chain(50..100) {
        lips.audio().push(sound(40 * at, 40)).unwrap();
    }
    lips.video().push_event(gst::event::Eos::new());
    lips.audio().push_event(gst::event::Eos::new());
    let incident = |record: Record| match record {
        Record::Incident(incident) => incident,
        other => panic!("{other:?}"),
    };
    let (open, close) = (incident(lips.pull().1), incident(lips.pull().1));
    assert_eq!((open.state, open.rule.as_str(), open.start_ns), (IncidentState::Open, "fault.missing_audio", 400 * MS));
    assert_eq!(open.pts_ns, 1400 * MS, "when it had lasted for the limit");
    assert_eq!((close.state, close.start_ns, close.end_ns), (IncidentState::Close, 400 * MS, 2000 * MS));
}

#[test]
fn records_carry_stream_time() {
    let mut lips = Lips::video_only("live=false");
    let mut segment = gst::FormattedSegment::<gst::ClockTime>::new();
    segment.set_start(gst::ClockTime::from_seconds(100));
    segment.set_time(gst::ClockTime::from_seconds(3));
    segment.set_base(gst::ClockTime::from_seconds(1));
    lips.video().push_event(gst::event::Segment::new(&segment));
    lips.video().push(picture(100_040, true)).unwrap();
    let (buffer, record) = lips.pull();
    assert_eq!(frame(record), (3040, vec![Missing::AudioAbsent]));
    let out = lips.segment();
    assert_eq!(out.to_stream_time(buffer.pts()), Some(gst::ClockTime::from_mseconds(3040)));
    assert_eq!(out.to_running_time(buffer.pts()), Some(gst::ClockTime::from_mseconds(1040)));
}

#[test]
fn pictures_alone_are_told_at_once_and_end() {
    let mut lips = Lips::video_only("live=false");
    for (at, analysed) in [(0, true), (40, false), (80, true)] {
        lips.video().push(picture(at, analysed)).unwrap();
    }
    lips.video().push(lips::bare(120)).unwrap();
    assert_eq!(frame(lips.pull().1), (0, vec![Missing::AudioAbsent]));
    assert_eq!(frame(lips.pull().1), (80, vec![Missing::AudioAbsent]));
    lips.video().push_event(gst::event::Eos::new());
    lips.await_eos();
    let stats = lips.stats("stats");
    assert_eq!(stats, "input=4 analysed=2 late=0 skipped-no-results=1 skipped-not-analysed=1");
}

#[test]
fn sound_alone_says_nothing_and_ends() {
    let mut lips = Lips::audio_only("live=false");
    for at in 0..100 {
        lips.audio().push(sound(at * 10, 10)).unwrap();
    }
    lips.audio().push_event(gst::event::Eos::new());
    lips.await_eos();
    assert!(lips.try_pull().is_none());
}

#[test]
fn the_end_waits_for_both_pads_in_either_order() {
    for first_is_video in [true, false] {
        let mut lips = Lips::new("live=false");
        lips.video().push(picture(0, true)).unwrap();
        if first_is_video {
            lips.video().push_event(gst::event::Eos::new());
            lips.audio().push(sound(0, 80)).unwrap();
            assert_eq!(frame(lips.pull().1), (0, vec![]));
            lips.audio().push_event(gst::event::Eos::new());
        } else {
            lips.audio().push_event(gst::event::Eos::new());
            assert_eq!(frame(lips.pull().1), (0, vec![Missing::AudioAbsent]));
            lips.video().push_event(gst::event::Eos::new());
        }
        lips.await_eos();
    }
}

#[test]
fn a_gap_in_the_sound_is_not_waited_for() {
    let mut lips = Lips::new("live=false");
    lips.audio().push(sound(0, 40)).unwrap();
    lips.video().push(picture(1000, true)).unwrap();
    let gap = gst::event::Gap::builder(gst::ClockTime::from_mseconds(40));
    lips.audio().push_event(gap.duration(gst::ClockTime::from_seconds(2)).build());
    assert_eq!(frame(lips.pull().1), (1000, vec![Missing::AudioGap]));
}

#[test]
fn live_pictures_leave_without_sound_that_is_late() {
    let mut lips = Lips::new("live=true max-wait-time=1000000");
    lips.video().push(picture(0, true)).unwrap();
    assert_eq!(frame(lips.pull().1), (0, vec![Missing::AudioLate]));
    assert_eq!(lips.stats("stats"), "input=1 analysed=0 late=1");
}

#[test]
fn a_file_whose_sound_stalls_goes_on() {
    let mut lips = Lips::new("live=false stall-time=20000000 max-queue=2");
    // More than fits: the third push waits until the stall is noticed, and none is lost.
    for at in 0..8 {
        lips.video().push(picture(at * 40, true)).unwrap();
    }
    for at in 0..8 {
        assert_eq!(frame(lips.pull().1), (at * 40, vec![Missing::AudioLate]));
    }
}

#[test]
fn basepad_and_refresh_do_not_wait() {
    for (mode, expected) in [("basepad", vec![Missing::AudioLate]), ("refresh", vec![])] {
        let mut lips = Lips::new(&format!("live=false sync-mode={mode}"));
        lips.audio().push(sound(0, 40)).unwrap();
        lips.video().push(picture(1000, true)).unwrap();
        assert_eq!(frame(lips.pull().1), (1000, expected));
    }
}

#[test]
fn a_seek_forgets_what_waited() {
    let mut lips = Lips::new("live=false");
    lips.video().push(picture(5000, true)).unwrap();
    lips.flush();
    lips.video().push(picture(0, true)).unwrap();
    lips.audio().push(sound(0, 80)).unwrap();
    assert_eq!(frame(lips.pull().1), (0, vec![]));
    assert_eq!(lips.stats("stats"), "input=2 analysed=1 late=0 skipped-flush=1");
}

#[test]
fn a_released_pad_is_not_waited_for() {
    let mut lips = Lips::new("live=false");
    lips.video().push(picture(0, true)).unwrap();
    lips.release_audio();
    assert_eq!(frame(lips.pull().1), (0, vec![Missing::AudioAbsent]));
    lips.video().push_event(gst::event::Eos::new());
    lips.await_eos();
}

#[test]
fn sound_that_the_source_announced_is_waited_for() {
    let mut lips = Lips::video_only("live=false");
    lips.announce(&[gst::StreamType::VIDEO, gst::StreamType::AUDIO]);
    lips.video().push(picture(0, true)).unwrap();
    lips.video().push_event(gst::event::Eos::new());
    lips.request_audio();
    lips.audio().push(sound(0, 80)).unwrap();
    assert_eq!(frame(lips.pull().1), (0, vec![]));
    lips.audio().push_event(gst::event::Eos::new());
    lips.await_eos();
}

#[test]
fn announced_sound_that_nobody_links_holds_nothing_up_for_good() {
    let mut lips = Lips::video_only("live=false");
    lips.announce(&[gst::StreamType::VIDEO]);
    lips.video().push(picture(0, true)).unwrap();
    lips.video().push_event(gst::event::Eos::new());
    assert_eq!(frame(lips.pull().1), (0, vec![Missing::AudioAbsent]));
    lips.await_eos();
}

#[test]
fn live_latency_is_that_of_the_source_and_the_wait() {
    let mut lips = Lips::new("live=auto max-wait-time=300000000");
    lips.video().set_upstream_latency(gst::ClockTime::from_mseconds(40));
    assert_eq!(lips.latency(), Some(gst::ClockTime::from_mseconds(340)));
}

#[test]
fn records_after_downstream_has_had_enough_are_refused() {
    let mut lips = Lips::video_only("live=false");
    lips.refuse_records();
    let refused = (0..1000).map(|at| lips.video().push(picture(at * 40, true))).find_map(Result::err);
    assert_eq!(refused, Some(gst::FlowError::Eos));
}

#[test]
fn the_element_can_be_stopped_and_started_while_pictures_wait() {
    let mut lips = Lips::new("live=false max-queue=1");
    for _ in 0..3 {
        lips.video().push(picture(0, true)).unwrap();
        lips.restart();
    }
}
