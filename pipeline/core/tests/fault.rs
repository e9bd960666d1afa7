// SPDX-License-Identifier: Apache-2.0
//! The detectors of broadcast faults on made-up measures.

#![allow(clippy::unwrap_used)]

use polygraph_core::cut::{HEIGHT, WIDTH};
use polygraph_core::fault::{
    Block, Edge, FaultKind, Faults, FrameRate, Limits, LipFaults, LoudnessSeen, PictureFaults, PictureSeen, Presence,
    SoundFaults, Span, Told, colour_bars,
};
use polygraph_core::record::IncidentState;
use polygraph_core::results::{LipSync, Loudness};
use polygraph_core::timeline::Side;
use proptest::prelude::*;

const FRAME: u64 = 40_000_000;
const S: u64 = 1_000_000_000;

/// Start, end and kind of all faults that began and are over, and how many go on.
fn whole(edges: &[Edge]) -> (Vec<(FaultKind, u64, u64)>, usize) {
    let over: Vec<_> =
        edges.iter().filter(|edge| edge.over).map(|edge| (edge.kind, edge.start_ns, edge.end_ns)).collect();
    let open = edges.iter().filter(|edge| !edge.over).count() - over.len();
    (over, open)
}

proptest! {
    /// A fault is each run of the condition that lasts for the limit, shorter breaks included, from its first to its last moment;
    /// it is told once that it begins, not before the limit, and once that it is over.
    #[test]
    fn a_span_is_a_run_that_lasts(
        runs in prop::collection::vec((any::<bool>(), 1u64..12), 0..40), limit in 0u64..15, gap in 0u64..6,
    ) {
        let held: Vec<bool> = runs.iter().flat_map(|(on, count)| vec![*on; *count as usize]).collect();
        let mut span = Span::new(FaultKind::Black);
        let mut edges = Vec::new();
        for (at, on) in (0u64..).zip(&held) {
            edges.extend(match on {
                true => span.on((at, at + 1), limit, None, f32::max),
                false => span.off(at, gap),
            });
        }
        edges.extend(span.end(held.len() as u64));
        // By another way: runs joined over short breaks.
        let mut expected: Vec<(u64, u64)> = Vec::new();
        for (at, _) in (0u64..).zip(&held).filter(|(_, on)| **on) {
            match expected.last_mut() {
                Some(last) if at <= last.1 + gap => last.1 = at + 1,
                _ => expected.push((at, at + 1)),
            }
        }
        expected.retain(|(start, end)| end - start >= limit);
        let (over, open) = whole(&edges);
        prop_assert_eq!(open, 0);
        prop_assert_eq!(over.iter().map(|(_, start, end)| (*start, *end)).collect::<Vec<_>>(), expected);
        for edge in edges.iter().filter(|edge| !edge.over) {
            prop_assert!(edge.known_ns >= edge.start_ns + limit);
        }
    }

    /// Whatever comes and stays away, what is told of a side's absence lies where it was absent, and ends.
    #[test]
    fn a_missing_side_is_told_where_it_is_missing(holes in prop::collection::vec(0u64..60, 1..20), limit in 1u64..40) {
        let limits = Limits { missing_audio_s: limit as f64 / 10.0, ..Limits::default() };
        let mut presence = Presence::new(Faults::all(), limits);
        let (mut at, mut edges, mut expected) = (0, Vec::new(), Vec::new());
        for hole in holes {
            if hole * S / 10 >= (limits.missing_audio_s * 1e9) as u64 && hole > 1 && at > 0 {
                expected.push((FaultKind::MissingAudio, at, at + hole * S / 10));
            }
            at += hole * S / 10;
            edges.extend(presence.data(Side::Audio, (at, at + S / 10)));
            at += S / 10;
        }
        prop_assert_eq!(whole(&edges), (expected, 0));
    }

    /// Limits that are written are read as the same.
    #[test]
    fn limits_are_read_as_they_are_written(black in 0f64..10.0, silence in -120f64..0.0) {
        let limits = Limits { black_s: black, silence_dbfs: silence, ..Limits::default() };
        prop_assert_eq!(Limits::parse(&limits.written()), Ok(limits));
    }
}

#[test]
fn limits_say_what_is_wrong_with_them() {
    assert_eq!(Limits::default().written(), "");
    let why = |text| Limits::parse(text).unwrap_err().to_string();
    assert!(why("black=2").contains("black_s"), "{}", why("black=2"));
    assert_eq!(why("black_s"), "`black_s` isn't NAME=NUMBER");
    assert_eq!(why("black_share=2"), "black_share is from 0 to 1");
    assert!(Faults::parse("blck").unwrap_err().contains("black"));
    assert_eq!(Faults::parse("frozen, black").unwrap().to_string(), "black,frozen");
}

/// Luma of a picture that moves with `at`.
fn moving(at: u64) -> Vec<f32> {
    (0..200u64).map(|x| 0.5 + 0.4 * ((x * 7 + at * 13) as f32 * 0.1).sin()).collect()
}

fn pictures(limits: Limits, shown: impl Iterator<Item = Vec<f32>>) -> Vec<Edge> {
    let mut faults = PictureFaults::new(Faults::all(), limits);
    let mut edges = Vec::new();
    for (at, luma) in (0u64..).zip(shown) {
        let pts = (at * FRAME, (at + 1) * FRAME);
        edges.extend(faults.push(&PictureSeen { pts, luma: &luma, size: (640, 360, 1.0), bars: false }));
    }
    edges.extend(faults.restart());
    edges
}

#[test]
fn black_is_told_as_black_and_not_as_frozen_too() {
    let shown = (0..300).map(|at| if (100..200).contains(&at) { vec![0.02; 200] } else { moving(at) });
    assert_eq!(whole(&pictures(Limits::default(), shown)), (vec![(FaultKind::Black, 100 * FRAME, 200 * FRAME)], 0));
}

#[test]
fn a_fade_to_black_that_is_shorter_than_the_limit_is_no_fault() {
    let light = |at: u64| ((at as f32 - 100.0).abs() / 60.0).min(1.0);
    let shown = (0..200).map(|at| moving(at).into_iter().map(|luma| luma * light(at)).collect());
    assert_eq!(pictures(Limits { black_s: 1.0, ..Limits::default() }, shown), []);
}

#[test]
fn a_freeze_lasts_through_refreshes_and_a_ticking_clock_is_none() {
    // Coded anew every second, a little differently all over.
    let refreshed = |at: u64| moving(100).into_iter().map(|luma| luma + 0.004 * (at / 25 % 2) as f32).collect();
    let shown = (0..300).map(|at| if (100..200).contains(&at) { refreshed(at) } else { moving(at) });
    let (over, open) = whole(&pictures(Limits::default(), shown));
    assert_eq!((over, open), (vec![(FaultKind::Frozen, 100 * FRAME, 200 * FRAME)], 0));
    let clock = |at: u64| {
        let mut luma = moving(0);
        luma[..3].fill((at / 25 % 5) as f32 / 5.0);
        luma
    };
    assert_eq!(pictures(Limits::default(), (0..300).map(clock)), []);
}

#[test]
fn a_change_of_size_or_rate_is_a_moment() {
    let mut faults = PictureFaults::new(Faults::all(), Limits::default());
    let (mut edges, mut pts) = (Vec::new(), 0);
    for at in 0..200u64 {
        let (step, width) = if at < 100 { (FRAME, 640) } else { (FRAME / 2, 720) };
        let luma = moving(at);
        edges.extend(faults.push(&PictureSeen {
            pts: (pts, pts + step),
            luma: &luma,
            size: (width, 360, 1.0),
            bars: false,
        }));
        pts += step;
    }
    let changed = 100 * FRAME;
    let (over, open) = whole(&edges);
    assert_eq!(over, [(FaultKind::PictureSize, changed, changed), (FaultKind::FrameRate, changed, changed)]);
    assert_eq!((open, edges[2].depth), (0, Some(50.0)));
    assert_eq!(edges[0].detail.as_deref(), Some("from 640x360 to 720x360"));
}

#[test]
fn a_rate_that_only_wavers_is_the_same() {
    let mut rate = FrameRate::default();
    // Stamps in ms of 29.97 pictures a second, and some that came late.
    let told = (0..600u64).filter_map(|at| {
        let late = if at % 17 == 0 { 9 } else { 0 };
        rate.push((at * 1001 / 30 + late) * 1_000_000, 0.1)
    });
    assert_eq!(told.count(), 0);
}

fn bars(colours: &[[f32; 3]], rows: usize) -> Vec<f32> {
    let pixel = |at: usize| if at / WIDTH < rows { colours[at % WIDTH * colours.len() / WIDTH] } else { [0.1; 3] };
    (0..WIDTH * HEIGHT).flat_map(pixel).collect()
}

#[test]
fn bars_of_both_kinds_are_bars_and_stripes_are_none() {
    const A: f32 = 0.75;
    let smpte = [[A, A, A], [A, A, 0.0], [0.0, A, A], [0.0, A, 0.0], [A, 0.0, A], [A, 0.0, 0.0], [0.0, 0.0, A]];
    assert!(colour_bars(&bars(&smpte, 18)));
    let mut ebu = smpte.to_vec();
    ebu[0] = [1.0; 3];
    ebu.push([0.0; 3]);
    assert!(colour_bars(&bars(&ebu, HEIGHT)));
    let mut other = smpte;
    other.swap(2, 4);
    assert!(!colour_bars(&bars(&other, 18)));
    assert!(!colour_bars(&bars(&[[0.0; 3], [1.0; 3]].repeat(4), 18)));
    assert!(!colour_bars(&vec![0.5; WIDTH * HEIGHT * 3]));
    assert!(!colour_bars(&[]));
}

/// Sound in blocks of 20 ms: level in dBFS, correlation, clipped samples.
fn sounds(blocks: impl Iterator<Item = (f32, f32, u32)>) -> Vec<Edge> {
    let mut faults = SoundFaults::new(Faults::all(), Limits::default());
    let mut edges = Vec::new();
    for (at, (level, correlation, clipped)) in (0u64..).zip(blocks) {
        let (rms, pts) = (10f32.powf(level / 20.0), (at * S / 50, (at + 1) * S / 50));
        let energy = rms * rms * 960.0;
        let stereo = Some([energy, energy, correlation * energy]);
        edges.extend(faults.block(&Block { pts, rms, clipped, stereo }));
    }
    edges.extend(faults.restart());
    edges
}

#[test]
fn silence_phase_and_clipping_are_found_where_they_are() {
    let ms = |ms: u64| ms * 1_000_000;
    let silent = sounds((0..500).map(|at| (if (100..250).contains(&at) { -75.0 } else { -20.0 }, 0.9, 0)));
    assert_eq!(whole(&silent), (vec![(FaultKind::Silence, ms(2000), ms(5000))], 0));
    // Every fifth block is noise.
    let inverted = |at: u64| if (100..250).contains(&at) && at % 5 != 3 { -0.95 } else { 0.3 };
    let phase = sounds((0..500).map(|at| (-20.0, inverted(at), 0)));
    assert_eq!(whole(&phase), (vec![(FaultKind::PhaseInverted, ms(2000), ms(5000))], 0));
    let clipped = sounds((0..500).map(|at| (-10.0, 0.9, if (100..250).contains(&at) && at % 3 == 0 { 12 } else { 0 })));
    assert_eq!(whole(&clipped), (vec![(FaultKind::Clipping, ms(2040), ms(5000))], 0));
    let now_and_then = sounds((0..500).map(|at| (-10.0, 0.9, if at % 60 == 0 { 5 } else { 0 })));
    assert_eq!(now_and_then, [], "a peak that just reaches full scale");
    let pauses = sounds((0..500).map(|at| (if at % 80 < 60 { -70.0 } else { -20.0 }, 0.9, 0)));
    assert_eq!(pauses, [], "pauses of speech");
}

#[test]
fn loudness_is_a_fault_while_it_is_out_of_range() {
    let mut faults = SoundFaults::new(Faults::all(), Limits::default());
    let mut edges = Vec::new();
    for at in 0u64..1000 {
        let loud = (300..400).contains(&at);
        let loudness = Loudness {
            momentary_lufs: Some(if loud { -12.0 } else { -23.0 }),
            short_term_lufs: None,
            integrated_lufs: Some(if at < 700 { -23.5 } else { -25.0 }),
        };
        let true_peak_dbtp = Some(if at % 10 == 0 && loud { -0.2 } else { -6.0 });
        let pts = (at * S / 10, (at + 1) * S / 10);
        edges.extend(faults.loudness(&LoudnessSeen { pts, loudness, true_peak_dbtp }));
    }
    edges.extend(faults.restart());
    let mut over = whole(&edges).0;
    over.sort();
    let expected = [
        (FaultKind::LoudnessMomentary, 30 * S, 40 * S),
        (FaultKind::LoudnessIntegrated, 70 * S, 100 * S),
        (FaultKind::TruePeak, 30 * S, 39 * S + S / 10),
    ];
    assert_eq!(over, expected);
}

#[test]
fn a_fault_is_one_incident_that_opens_and_closes() {
    let edge = |over, end_ns| Edge {
        kind: FaultKind::Silence,
        over,
        start_ns: S,
        end_ns,
        known_ns: end_ns,
        depth: Some(-80.0),
        detail: None,
    };
    let mut told = Told::default();
    let open = told.take(&edge(false, 3 * S)).unwrap();
    let close = told.take(&edge(true, 9 * S)).unwrap();
    assert_eq!(
        (open.incident, open.state, close.incident, close.state),
        (0, IncidentState::Open, 0, IncidentState::Close)
    );
    assert_eq!((close.rule.as_str(), close.start_ns, close.end_ns), ("fault.silence", S, 9 * S));
    assert_eq!(close.message, "the sound is silent (-80 dBFS at most)");
    let fault = close.fault.unwrap();
    assert_eq!((fault.kind, fault.depth, fault.unit.as_deref()), (FaultKind::Silence, Some(-80.0), Some("dBFS")));
    assert!(told.take(&edge(true, 9 * S)).is_none(), "the end of what never began");
    assert_eq!(told.take(&edge(false, 12 * S)).unwrap().incident, 1);
}

#[test]
fn lips_and_sound_that_are_apart_are_a_fault_until_they_meet_again() {
    let at = |offset_ms: f32| LipSync { offset_ms: Some(offset_ms), ..LipSync::default() };
    let mut lips = LipFaults::new(Limits::default());
    let mut edges = Vec::new();
    for n in 0..100u64 {
        let found = [at(if (20..60).contains(&n) { 320.0 } else { 40.0 })];
        // Pauses of speech, in which nothing can be said, change nothing.
        edges.extend(if n % 10 == 9 { lips.unknown(n * S / 5) } else { lips.push(n * S / 5, found.iter()) });
    }
    edges.extend(lips.end());
    let (over, open) = whole(&edges);
    assert_eq!((over, open), (vec![(FaultKind::LipSync, 4 * S, 58 * S / 5)], 0));
    assert_eq!(edges[0].depth, Some(320.0));
    let mut noticed = LipFaults::new(Limits::default());
    assert!((0..100u64).all(|n| noticed.push(n * S / 5, [at(-60.0)].iter()).is_none()), "noticed, and accepted");
}
