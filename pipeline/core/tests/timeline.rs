// SPDX-License-Identifier: Apache-2.0
//! What the join promises, whatever arrives in whatever order.

#![allow(clippy::unwrap_used, reason = "a panic in a test's helper is the report too")]

mod timeline_input;

use polygraph_core::record::{Missing, Record};
use polygraph_core::results::{FaceResults, PtsRange, VideoResults};
use polygraph_core::scene::{SceneLabel, SceneResults};
use polygraph_core::timeline::{Join, Output, Picture, Settings, Side, SyncPolicy};
use proptest::prelude::*;

use timeline_input::{Arrival, MS, network, pictures, sounds};

/// Brings all arrivals of both sides in the order that `turns` says (`true`: a picture), taking what may leave
/// whenever `takes` says so. No time goes by: whoever waits for a timeout waits for ever.
fn drive(
    settings: Settings,
    video: &[Arrival],
    audio: &[Arrival],
    turns: &[bool],
    takes: &[bool],
) -> (Join, Vec<Output>) {
    let mut join = Join::new(settings);
    join.link(Side::Video, 0);
    join.link(Side::Audio, 0);
    let (mut left, mut records) = ([video, audio], Vec::new());
    let mut turns = turns.iter().cycle();
    let mut takes = takes.iter().cycle();
    while left.iter().any(|side| !side.is_empty()) {
        let sides = if *turns.next().unwrap() { [Side::Video, Side::Audio] } else { [Side::Audio, Side::Video] };
        let mut moved = false;
        for side in sides {
            let queue = &mut left[side as usize];
            if queue.is_empty() || join.blocked_until(side, 0).is_some() {
                continue;
            }
            queue[0].bring(&mut join, 0);
            *queue = &queue[1..];
            moved = true;
            break;
        }
        if !moved || *takes.next().unwrap() {
            let before = records.len();
            records.extend(std::iter::from_fn(|| join.pop(0)));
            assert!(moved || records.len() > before, "both sides wait for one another");
        }
    }
    records.extend(std::iter::from_fn(|| join.pop(0)));
    (join, records)
}

fn turns() -> impl Strategy<Value = Vec<bool>> {
    // Runs of one side, as a demuxer gives them, and not only a coin's even mix.
    prop::collection::vec((any::<bool>(), 1_usize..40), 1..40)
        .prop_map(|runs| runs.into_iter().flat_map(|(side, length)| vec![side; length]).collect())
}

fn policies() -> impl Strategy<Value = SyncPolicy> {
    prop::sample::select(vec![SyncPolicy::Slowest, SyncPolicy::BasePad, SyncPolicy::Refresh])
}

fn queues() -> impl Strategy<Value = usize> {
    prop_oneof![1_usize..8, 8_usize..200]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    /// Files: what comes out is a matter of the data and of nothing else.
    #[test]
    fn slowest_does_not_depend_on_the_interleaving(
        video in pictures(), audio in sounds(),
        one in turns(), other in turns(), takes in prop::collection::vec(any::<bool>(), 1..20),
        tolerance_ns in prop_oneof![Just(0), 1..200 * MS], ahead_ns in prop_oneof![Just(0), 1..2_000 * MS],
        max_queue in 64_usize..200,
    ) {
        let settings = Settings { tolerance_ns, ahead_ns, max_queue, ..Settings::default() };
        let (_, first) = drive(settings, &video, &audio, &one, &[true]);
        let (_, second) = drive(settings, &video, &audio, &other, &takes);
        prop_assert_eq!(first, second);
    }

    /// Files: pictures are neither lost nor doubled, records are in order, and the end is reached.
    #[test]
    fn files_lose_nothing_and_end(
        video in pictures(), audio in sounds(), turns in turns(),
        policy in policies(), max_queue in queues(), max_lead_ms in 1_u64..5_000, ahead_ms in 0_u64..2_000,
    ) {
        let ahead_ns = ahead_ms * MS;
        let settings = Settings { policy, max_queue, ahead_ns, max_lead_ns: max_lead_ms * MS, ..Settings::default() };
        let (join, records) = drive(settings, &video, &audio, &turns, &[false, true]);
        prop_assert!(join.finished());
        prop_assert!(join.pictures().closes() && join.sounds().closes());
        prop_assert!(policy != SyncPolicy::Slowest || join.pictures().late == 0);
        prop_assert_eq!(join.pictures().input, timeline_input::count(&video));
        prop_assert_eq!(join.sounds().input, timeline_input::count(&audio));
        prop_assert!(records.is_sorted_by_key(|output| output.running_ns));
        let expected = timeline_input::expected_times(&video);
        let found: Vec<_> = records.iter().map(|output| output.running_ns).collect();
        prop_assert_eq!(found, expected);
    }

    /// Live: nobody waits longer than was allowed, memory has a bound, and what is dropped is counted.
    #[test]
    fn live_is_bounded_in_time_and_memory(
        video in pictures(), audio in sounds(), turns in turns(), takes in prop::collection::vec(any::<bool>(), 1..20),
        steps in prop::collection::vec(0_u64..50, 1..20), policy in policies(), max_queue in queues(),
    ) {
        let settings = Settings { policy, max_queue, max_wait_ns: 100 * MS, live: true, ..Settings::default() };
        let mut join = Join::new(settings);
        join.link(Side::Video, 0);
        join.link(Side::Audio, 0);
        let (mut left, mut records, mut now) = ([&video[..], &audio[..]], Vec::new(), 0);
        let (mut takes, mut steps) = (takes.iter().cycle(), steps.iter().cycle());
        for turn in turns.iter().cycle() {
            let wanted = usize::from(!turn);
            let side = if left[wanted].is_empty() { 1 - wanted } else { wanted };
            let Some((first, rest)) = left[side].split_first() else { break };
            first.bring(&mut join, now);
            left[side] = rest;
            now += steps.next().unwrap() * MS;
            if *takes.next().unwrap() {
                records.extend(std::iter::from_fn(|| join.pop(now)));
                prop_assert!(join.next_deadline().is_none_or(|at| at > now && at <= now + 100 * MS));
            }
            prop_assert!(join.queued(Side::Video) <= max_queue && join.queued(Side::Audio) <= max_queue);
        }
        now += 100 * MS;
        records.extend(std::iter::from_fn(|| join.pop(now)));
        prop_assert!(join.finished());
        prop_assert!(records.is_sorted_by_key(|output| output.running_ns));
        prop_assert!(join.pictures().closes());
        prop_assert_eq!(join.pictures().input, timeline_input::count(&video));
        let frames = records.iter().filter(|output| matches!(output.record, Record::Frame(_))).count() as u64;
        prop_assert_eq!(frames, join.pictures().analysed + join.pictures().late);
    }
}

fn frames(records: &[Output]) -> Vec<(u64, Option<f32>, Vec<Missing>)> {
    records
        .iter()
        .filter_map(|output| match &output.record {
            Record::Frame(frame) => Some((
                output.running_ns / MS,
                frame.audio.and_then(|audio| audio.loudness.momentary_lufs),
                frame.missing.clone(),
            )),
            _ => None,
        })
        .collect()
}

fn drain(join: &mut Join, now: u64) -> Vec<(u64, Option<f32>, Vec<Missing>)> {
    frames(&std::iter::from_fn(|| join.pop(now)).collect::<Vec<_>>())
}

fn linked(settings: Settings) -> Join {
    let mut join = Join::new(settings);
    join.link(Side::Video, 0);
    join.link(Side::Audio, 0);
    join
}

#[test]
fn a_picture_takes_the_sound_of_its_own_time() {
    let mut join = linked(Settings::default());
    Arrival::face(1000).bring(&mut join, 0);
    Arrival::sound(960, 40).bring(&mut join, 0);
    assert_eq!(drain(&mut join, 0), [], "the sound at 1000 ms is not here yet");
    Arrival::sound(1000, 40).bring(&mut join, 0);
    assert_eq!(drain(&mut join, 0), [(1000, Some(-1000.0), vec![])]);
}

#[test]
fn a_picture_of_a_file_waits_for_later_sound_that_it_is_compared_with() {
    for (live, expected) in [(false, vec![]), (true, vec![(1000, Some(-1000.0), vec![])])] {
        let mut join = linked(Settings { ahead_ns: 600 * MS, live, ..Settings::default() });
        Arrival::face(1000).bring(&mut join, 0);
        Arrival::sound(1000, 400).bring(&mut join, 0);
        assert_eq!(drain(&mut join, 0), expected, "live: {live}");
        Arrival::sound(1400, 200).bring(&mut join, 0);
        assert_eq!(drain(&mut join, 0).len(), 1 - expected.len());
    }
    let mut join = linked(Settings { ahead_ns: 600 * MS, ..Settings::default() });
    Arrival::face(1000).bring(&mut join, 0);
    Arrival::sound(1000, 40).bring(&mut join, 0);
    join.end(Side::Audio, 0);
    assert_eq!(drain(&mut join, 0).len(), 1, "no more will come");
}

#[test]
fn speech_is_read_from_the_window_that_covers_the_picture() {
    let mut join = linked(Settings::default());
    Arrival::face(1000).bring(&mut join, 0);
    Arrival::speech(980, 40, &[(960, 992, 0.1), (992, 1024, 0.7)]).bring(&mut join, 0);
    Arrival::speech(1020, 40, &[(1024, 1056, 0.2)]).bring(&mut join, 0);
    let Some(Record::Frame(frame)) = join.pop(0).map(|output| output.record) else { panic!("no frame") };
    assert_eq!(frame.audio.unwrap().speech, Some(0.7));
    assert_eq!(frame.networks, [network("faces"), network("speech")]);
}

#[test]
fn every_network_behind_a_frame_is_named() {
    let mut join = linked(Settings::default());
    let Arrival::Picture(mut picture) = Arrival::face(1000) else { panic!("no picture") };
    picture.results.faces.as_mut().unwrap().forensics = Some(network("forensics"));
    Arrival::Picture(picture).bring(&mut join, 0);
    Arrival::End(Side::Audio).bring(&mut join, 0);
    let Some(Record::Frame(frame)) = join.pop(0).map(|output| output.record) else { panic!("no frame") };
    assert_eq!(frame.networks, [network("faces"), network("forensics")]);
}

#[test]
fn what_is_missing_is_told_apart() {
    let mut join = linked(Settings::default());
    for at in [0, 1000, 2000, 3000] {
        Arrival::face(at).bring(&mut join, 0);
    }
    Arrival::sound(900, 200).bring(&mut join, 0);
    Arrival::sound(2500, 400).bring(&mut join, 0);
    Arrival::End(Side::Audio).bring(&mut join, 0);
    assert_eq!(
        drain(&mut join, 0),
        [
            (0, None, vec![Missing::AudioAbsent]),
            (1000, Some(-900.0), vec![]),
            (2000, None, vec![Missing::AudioGap]),
            (3000, None, vec![Missing::AudioAbsent]),
        ]
    );
}

#[test]
fn live_waits_as_long_as_allowed_and_says_late() {
    let mut join = linked(Settings { live: true, ..Settings::default() });
    Arrival::face(0).bring(&mut join, 7);
    let deadline = 7 + 500 * MS;
    assert_eq!(join.next_deadline(), Some(deadline));
    assert_eq!(drain(&mut join, deadline - 1), []);
    assert_eq!(drain(&mut join, deadline), [(0, None, vec![Missing::AudioLate])]);
    assert_eq!((join.pictures().analysed, join.pictures().late), (0, 1));
}

#[test]
fn basepad_and_refresh_wait_for_nothing() {
    for (policy, expected) in
        [(SyncPolicy::BasePad, (None, vec![Missing::AudioLate])), (SyncPolicy::Refresh, (Some(-500.0), vec![]))]
    {
        let mut join = linked(Settings { policy, ..Settings::default() });
        Arrival::sound(500, 40).bring(&mut join, 0);
        Arrival::face(1000).bring(&mut join, 0);
        assert_eq!(drain(&mut join, 0), [(1000, expected.0, expected.1)], "{policy:?}");
    }
}

#[test]
fn pictures_without_sound_do_not_wait() {
    let mut join = Join::new(Settings::default());
    join.link(Side::Video, 0);
    Arrival::face(0).bring(&mut join, 0);
    assert_eq!(drain(&mut join, 0), [(0, None, vec![Missing::AudioAbsent])]);
}

#[test]
fn promised_sound_is_waited_for_but_not_for_ever() {
    let wait = 2_000 * MS;
    let mut join = Join::new(Settings::default());
    join.link(Side::Video, 0);
    join.expect(Side::Audio, wait);
    Arrival::face(0).bring(&mut join, 0);
    assert_eq!(drain(&mut join, wait - 1), []);
    assert!(join.next_deadline().is_some_and(|at| at <= wait));
    assert_eq!(drain(&mut join, wait), [(0, None, vec![Missing::AudioAbsent])]);

    join.expect(Side::Audio, wait);
    Arrival::face(40).bring(&mut join, wait);
    join.link(Side::Audio, wait);
    assert_eq!(drain(&mut join, wait * 2), [], "now it is linked and only has to come");
    Arrival::sound(0, 200).bring(&mut join, wait * 2);
    assert_eq!(drain(&mut join, wait * 2), [(40, Some(0.0), vec![])]);
}

#[test]
fn a_file_whose_sound_stalls_goes_on_and_heals() {
    let settings = Settings { max_queue: 4, ..Settings::default() };
    let mut join = linked(settings);
    for at in 0..4 {
        assert_eq!(join.blocked_until(Side::Video, 0), None);
        Arrival::face(at * 40).bring(&mut join, 0);
    }
    assert!(join.blocked_until(Side::Video, 0).is_some(), "pictures are held back");
    assert_eq!(drain(&mut join, settings.stall_ns - 1), []);
    assert_eq!(join.next_deadline(), Some(settings.stall_ns));
    assert_eq!(drain(&mut join, settings.stall_ns).len(), 4);
    Arrival::face(160).bring(&mut join, settings.stall_ns);
    assert_eq!(drain(&mut join, settings.stall_ns).len(), 1, "one wait is enough");
    Arrival::sound(160, 40).bring(&mut join, settings.stall_ns);
    Arrival::face(200).bring(&mut join, settings.stall_ns);
    assert_eq!(drain(&mut join, settings.stall_ns), [], "it has come back: it is waited for again");
    assert_eq!(join.pictures().late, 5);
}

#[test]
fn nobody_is_blamed_while_nothing_is_taken() {
    let settings = Settings::default();
    let mut join = linked(settings);
    Arrival::face(0).bring(&mut join, 0);
    join.resumed(settings.stall_ns * 3);
    assert_eq!(drain(&mut join, settings.stall_ns * 3), []);
}

#[test]
fn a_flush_forgets_one_side() {
    let mut join = linked(Settings::default());
    Arrival::face(5000).bring(&mut join, 0);
    Arrival::sound(4960, 40).bring(&mut join, 0);
    join.flush(Side::Video, 0);
    join.flush(Side::Audio, 0);
    Arrival::face(0).bring(&mut join, 0);
    assert_eq!(drain(&mut join, 0), [], "the sound from before the seek is gone");
    Arrival::sound(0, 80).bring(&mut join, 0);
    assert_eq!(drain(&mut join, 0), [(0, Some(0.0), vec![])]);
    assert_eq!(join.pictures().skipped["flush"], 1);
    assert_eq!(join.sounds().skipped["flush"], 1);
}

#[test]
fn an_unlinked_side_is_not_waited_for() {
    let mut join = linked(Settings::default());
    Arrival::face(0).bring(&mut join, 0);
    join.unlink(Side::Audio);
    assert_eq!(drain(&mut join, 0), [(0, None, vec![Missing::AudioAbsent])]);
    Arrival::End(Side::Video).bring(&mut join, 0);
    assert!(join.finished());
}

/// Where nobody looks for faces, a picture that was looked at for its scene gets a record; where somebody does, their rate
/// counts, and the scene comes along.
#[test]
fn a_scene_makes_a_record_by_itself_only_without_faces() {
    let scene = |analysed| {
        let labels = vec![SceneLabel { label: "kitchen".to_owned(), p: 0.75 }];
        Some(SceneResults { analysed, labels, network: network("scenes") })
    };
    let picture = |at_ms: u64, results| Picture { running_ns: at_ms * MS, stream_ns: at_ms * MS, size: None, results };
    let found = |analysed| {
        let pts = PtsRange::default();
        let network = network("faces");
        Some(FaceResults { pts, analysed, faces: Vec::new(), network, forensics: None, mouths: None })
    };
    let mut join = Join::new(Settings::default());
    join.link(Side::Video, 0);
    let plain = |scene| VideoResults { scene, ..VideoResults::default() };
    let with_faces = |scene, faces| VideoResults { scene, faces, ..VideoResults::default() };
    join.video(picture(0, plain(scene(true))), 0);
    join.video(picture(40, plain(scene(false))), 0);
    join.video(picture(80, with_faces(scene(true), found(false))), 0);
    join.video(picture(120, with_faces(scene(false), found(true))), 0);
    // Between two looks for faces, with no face in sight.
    join.video(picture(160, plain(scene(true))), 0);
    join.end(Side::Video, 0);
    let records: Vec<_> = std::iter::from_fn(|| join.pop(0)).map(|output| output.record).collect();
    let [Record::Frame(alone), Record::Frame(beside)] = &records[..] else { panic!("{records:?}") };
    assert_eq!((alone.pts_ns, beside.pts_ns), (0, 120 * MS));
    for frame in [alone, beside] {
        assert_eq!(frame.scene[0].label, "kitchen");
        assert!(frame.networks.iter().any(|from| from.name == "scenes"));
    }
    assert_eq!(join.pictures().skipped["not-analysed"], 3);
}
