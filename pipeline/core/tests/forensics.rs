// SPDX-License-Identifier: Apache-2.0
//! Scores of pictures become findings about tracks: by hand, and by property.

#![allow(clippy::unwrap_used)]

use polygraph_core::forensics::{Calibration, Gates, JoinOptions, Judge, MAX_SCORES, MAX_TRACKS, Measures, Score};
use polygraph_core::geometry::Point;
use polygraph_core::results::{FacePoints, Manipulation, ReasonNot};
use proptest::prelude::*;

const MS: u64 = 1_000_000;

/// Every picture counts, from the first one on.
const AT_ONCE: JoinOptions = JoinOptions { window_ns: 2_000 * MS, best: 0.6, least: 1 };

fn judge() -> Judge {
    Judge::new(AT_ONCE, None)
}

fn score(at_ms: u64, logit: f32, quality: f32) -> Score {
    Score { track: 0, pts_ns: at_ms * MS, logit, quality }
}

/// What is known after the last of these scores.
fn last(scores: &[Score]) -> Manipulation {
    let mut judge = judge();
    scores.iter().map(|score| judge.judge(*score).unwrap()).last().unwrap()
}

#[test]
fn five_pictures_a_second_give_a_mean_of_six() {
    let scores: Vec<_> = (0..30).map(|n| score(n * 200, n as f32, 0.5)).collect();
    let known = last(&scores);
    // Pictures 20 to 29 are in the window; all are as good, so the last six count.
    assert_eq!((known.logit, known.pictures), (Some((24 + 25 + 26 + 27 + 28 + 29) as f32 / 6.0), 6));
    assert_eq!(known.picture_logit, Some(29.0));
    assert_eq!((known.p, known.signs, known.reason_not), (None, None, None), "nothing is calibrated");
}

#[test]
fn the_best_pictures_count() {
    let known = last(&[score(0, 4.0, 0.9), score(200, 2.0, 0.8), score(400, -9.0, 0.1)]);
    assert_eq!((known.logit, known.pictures), (Some(3.0), 2));
    assert_eq!(last(&[score(0, 4.0, 0.0)]).pictures, 1, "one picture is enough, however bad");
}

#[test]
fn what_left_the_window_does_not_count() {
    let known = last(&[score(0, 100.0, 1.0), score(2000, 1.0, 0.1)]);
    assert_eq!((known.logit, known.pictures), (Some(1.0), 1));
    let known = last(&[score(1, 100.0, 1.0), score(2000, 1.0, 0.1)]);
    assert_eq!((known.logit, known.pictures), (Some(100.0), 1), "the better one of two");
}

#[test]
fn tracks_are_told_apart_and_end_at_cuts() {
    let mut judge = judge();
    judge.judge(score(0, 5.0, 0.5)).unwrap();
    let other = judge.judge(Score { track: 1, ..score(0, -5.0, 0.5) }).unwrap();
    assert_eq!((other.logit, judge.tracks()), (Some(-5.0), 2));
    judge.cut();
    assert_eq!((judge.tracks(), judge.scores()), (0, 0));
    assert_eq!(judge.judge(score(40, -1.0, 0.1)).unwrap().logit, Some(-1.0));
}

#[test]
fn a_time_that_goes_back_begins_anew_and_one_that_stands_replaces() {
    assert_eq!(last(&[score(1000, 9.0, 1.0), score(900, 1.0, 0.1)]).logit, Some(1.0));
    let mut judge = judge();
    judge.judge(score(1000, 9.0, 1.0)).unwrap();
    assert_eq!(judge.judge(score(1000, 1.0, 0.1)).unwrap().logit, Some(1.0));
    assert_eq!(judge.scores(), 1);
}

#[test]
fn a_calibrated_score_is_a_probability_and_a_finding() {
    let calibration = Calibration::new(2.0, -1.0, Some(0.5)).unwrap();
    let mut judge = Judge::new(AT_ONCE, Some(calibration));
    let known = judge.judge(score(0, 0.5, 0.5)).unwrap();
    assert_eq!((known.p, known.signs), (Some(0.5), Some(true)), "at the threshold there are signs");
    judge.cut();
    let known = judge.judge(score(0, 0.4, 0.5)).unwrap();
    assert!(known.p.unwrap() < 0.5 && known.signs == Some(false));
    let without = Calibration::new(2.0, -1.0, None).unwrap();
    let known = Judge::new(AT_ONCE, Some(without)).judge(score(0, 0.5, 0.5)).unwrap();
    assert_eq!((known.p, known.signs), (Some(0.5), None), "no threshold, no finding");
    for extreme in [f32::MAX, f32::MIN] {
        judge.cut();
        let p = judge.judge(score(0, extreme, 0.5)).unwrap().p.unwrap();
        assert_eq!(p, f32::from(extreme > 0.0));
    }
}

#[test]
fn a_track_that_was_seen_too_briefly_has_no_finding() {
    let calibration = Calibration::new(1.0, 0.0, Some(0.5)).unwrap();
    let mut judge = Judge::new(JoinOptions { least: 3, ..AT_ONCE }, Some(calibration));
    let brief =
        Manipulation { picture_logit: Some(9.0), reason_not: Some(ReasonNot::TooBrief), ..Manipulation::default() };
    assert_eq!(judge.judge(score(0, 9.0, 0.5)).unwrap(), brief);
    assert_eq!(judge.judge(score(200, 9.0, 0.5)).unwrap(), brief);
    let known = judge.judge(score(400, 9.0, 0.5)).unwrap();
    assert_eq!((known.signs, known.pictures, known.reason_not), (Some(true), 2, None), "{known:?}");
    // Two of them have left the window by then.
    assert_eq!(judge.judge(score(2200, 9.0, 0.5)).unwrap(), brief);
    judge.cut();
    assert_eq!(judge.judge(score(2300, 9.0, 0.5)).unwrap(), brief, "a cut begins anew");
}

#[test]
fn what_makes_no_calibration_is_refused() {
    for (scale, offset, threshold) in [
        (f64::NAN, 0.0, 0.5),
        (0.0, 0.0, 0.5),
        (-1.0, 0.0, 0.5),
        (f64::INFINITY, 0.0, 0.5),
        (1.0, f64::NAN, 0.5),
        (1.0, 0.0, 1.1),
        (1.0, 0.0, f64::NAN),
    ] {
        assert!(Calibration::new(scale, offset, Some(threshold)).is_err(), "{scale} {offset} {threshold}");
    }
}

/// A face that passes every gate.
const GOOD: Measures = Measures { side_px: 200.0, sharpness: 0.5, frontality: 0.9, compression: 0.0, padding: 0.0 };

#[test]
fn each_gate_names_its_reason() {
    let gates = Gates::default();
    assert_eq!(gates.reason_not(&GOOD), None);
    for (face, reason) in [
        (Measures { side_px: 39.9, ..GOOD }, ReasonNot::TooSmall),
        (Measures { sharpness: 0.05, ..GOOD }, ReasonNot::Blurred),
        (Measures { frontality: 0.0, ..GOOD }, ReasonNot::Profile),
        (Measures { compression: 1.0, ..GOOD }, ReasonNot::Compressed),
        (Measures { padding: 0.06, ..GOOD }, ReasonNot::CutOff),
        (Measures { side_px: f32::NAN, ..GOOD }, ReasonNot::TooSmall),
        (Measures { sharpness: f32::NAN, ..GOOD }, ReasonNot::Blurred),
        (Measures { frontality: f32::NAN, ..GOOD }, ReasonNot::Profile),
        (Measures { compression: f32::NAN, ..GOOD }, ReasonNot::Compressed),
        (Measures { padding: f32::NAN, ..GOOD }, ReasonNot::CutOff),
    ] {
        assert_eq!(gates.reason_not(&face), Some(reason), "{face:?}");
    }
}

#[test]
fn open_gates_keep_out_what_is_cut_off_alone() {
    let poor = Measures { side_px: 1.0, sharpness: 0.0, frontality: 0.0, compression: 1.0, padding: 0.05 };
    assert_eq!(Gates::open().reason_not(&poor), None);
    assert_eq!(Gates::open().reason_not(&Measures { padding: 0.06, ..poor }), Some(ReasonNot::CutOff));
}

#[test]
fn frontality_is_that_of_the_head_and_not_of_the_picture() {
    let at = |x: f32, y: f32| Point { x, y };
    let points = |nose| FacePoints { nose, right_ear: at(0.2, 0.5), left_ear: at(0.8, 0.5), ..FacePoints::default() };
    let of = |nose| polygraph_core::forensics::frontality(&points(nose), [640.0, 480.0]);
    assert!((of(at(0.5, 0.6)) - 1.0).abs() < 1e-6);
    assert!((of(at(0.35, 0.6)) - 0.5).abs() < 1e-6 && (of(at(0.65, 0.6)) - 0.5).abs() < 1e-6);
    assert_eq!(of(at(0.9, 0.6)), 0.0);
    // Tilted by 45 degrees in pixels that are shown: the nose lies on the middle of the ears' axis or straight below.
    let tilted = FacePoints {
        nose: at(0.5 - 0.1 / 1.6, 0.6),
        right_ear: at(0.5 - 0.2 / 1.6, 0.3),
        left_ear: at(0.5 + 0.2 / 1.6, 0.7),
        ..FacePoints::default()
    };
    assert!((polygraph_core::forensics::frontality(&tilted, [1600.0, 1000.0]) - 1.0).abs() < 1e-5);
    assert_eq!(polygraph_core::forensics::frontality(&FacePoints::default(), [640.0, 480.0]), 0.0);
}

/// Scores of a few tracks, mostly forward in time, with now and then a jump back or rubbish.
fn scores() -> impl Strategy<Value = Vec<Score>> {
    let value = prop_oneof![9 => -20.0_f32..20.0, 1 => prop::num::f32::ANY];
    let step = prop_oneof![20 => 0_i64..400, 1 => -5000_i64..5000];
    prop::collection::vec((0_u64..5, step, value, 0.0_f32..1.0), 1..200).prop_map(|steps| {
        let mut at = 10_000_i64;
        let score = |(track, step, logit, quality): (u64, i64, f32, f32)| {
            at = (at + step).max(0);
            Score { track, pts_ns: at as u64 * MS, logit, quality }
        };
        steps.into_iter().map(score).collect()
    })
}

proptest! {
    /// Held against the plain definition: the track's scores since time last went back and in the window, the best
    /// part of them by quality.
    #[test]
    fn the_mean_is_that_of_the_definition(scores in scores()) {
        let mut judge = judge();
        let mut history: Vec<Score> = Vec::new();
        for score in scores {
            let found = judge.judge(score);
            if !score.logit.is_finite() {
                prop_assert!(found.is_err());
                continue;
            }
            let found = found.unwrap();
            // A track that was seen later than now is another one.
            let ahead: Vec<u64> = history.iter().filter(|old| old.pts_ns > score.pts_ns).map(|old| old.track).collect();
            history.retain(|old| !ahead.contains(&old.track) && score.pts_ns - old.pts_ns < 2_000 * MS);
            history.retain(|old| !(old.track == score.track && old.pts_ns == score.pts_ns));
            history.push(score);
            let mut own: Vec<_> = history.iter().filter(|old| old.track == score.track).rev().collect();
            let count = ((own.len() as f32 * 0.6).round() as usize).max(1);
            own.sort_by(|a, b| b.quality.total_cmp(&a.quality));
            let mean = own[..count].iter().map(|old| f64::from(old.logit)).sum::<f64>() / count as f64;
            prop_assert_eq!(found.pictures as usize, count);
            prop_assert!((f64::from(found.logit.unwrap()) - mean).abs() < 1e-4 * mean.abs().max(1.0));
            prop_assert_eq!(found.picture_logit, Some(score.logit));
        }
    }

    #[test]
    fn memory_is_bounded(tracks in 1_u64..1000, step_ns in 0_u64..MS, window_ns in 0_u64..u64::MAX) {
        let options = JoinOptions { window_ns, ..AT_ONCE };
        let mut judge = Judge::new(options, None);
        for n in 0..800 {
            let score = Score { track: n % tracks, pts_ns: n * step_ns, logit: 0.0, quality: 0.5 };
            let found = judge.judge(score).unwrap();
            prop_assert!(judge.tracks() <= MAX_TRACKS && judge.scores() <= MAX_TRACKS * MAX_SCORES);
            prop_assert!((1..=MAX_SCORES as u32).contains(&found.pictures));
        }
    }

    #[test]
    fn what_is_no_number_leaves_no_trace(good in -9.0_f32..9.0) {
        let mut judge = judge();
        judge.judge(score(0, good, 0.5)).unwrap();
        for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            prop_assert!(judge.judge(score(40, bad, 0.5)).is_err());
            prop_assert!(judge.judge(score(40, 1.0, bad)).is_err());
        }
        prop_assert_eq!(judge.scores(), 1);
        prop_assert_eq!(judge.judge(score(80, good, 0.5)).unwrap().logit, Some(good));
    }
}
