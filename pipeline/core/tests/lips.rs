// SPDX-License-Identifier: Apache-2.0
//! Lips and sound, with vectors made by hand: a sound is a walk of random vectors, and a mouth sees the same walk.
#![allow(clippy::unwrap_used, reason = "a panic in a test's helper is the report too")]

use polygraph_core::lips::{self, Bt1359, Calibration, SIZE, Told, Vector, WINDOWS, Watch, WindowCalibration};
use polygraph_core::results::{LipSync, SyncReasonNot};
use proptest::prelude::*;

/// A vector of length 1 that only its number decides.
fn vector(number: i64) -> Vector {
    let mut state = (number as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut values = [0.0; SIZE];
    for value in &mut values {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        *value = (state >> 40) as f32 / (1 << 24) as f32 - 0.5;
    }
    let length = values.iter().map(|value| value * value).sum::<f32>().sqrt();
    values.map(|value| value / length)
}

fn calibration() -> Calibration {
    let (scale, offset, far) = (-8.0, 8.0, 2.0);
    let window = |steps| Some(WindowCalibration { steps, scale, offset, far, least_confidence: 1.2, threshold: 0.9 });
    Calibration { windows: WINDOWS.map(window), speaking: 0.8, still: 0.05, talks: 0.1 }
}

/// What somebody shows: the step of the sound that their mouth belongs to, and how much it moves.
#[derive(Clone, Copy)]
struct Shown {
    track: u64,
    late: i64,
    motion: f32,
}

const IN_SYNC: Shown = Shown { track: 1, late: 0, motion: 0.3 };
/// Nobody's sound.
const FOREIGN: i64 = 100_000;

/// Steps `0..count` of sound and mouths, told every fifth step.
fn run(watch: &mut Watch, steps: std::ops::Range<i64>, speech: f32, shown: &[Shown]) -> Told {
    let tracks: Vec<u64> = shown.iter().map(|shown| shown.track).collect();
    let mut told = Told::default();
    for step in steps {
        watch.hear(step, vector(step));
        watch.speech(step, speech);
        for Shown { track, late, motion } in shown {
            watch.see(*track, step, vector(step + late));
            watch.moved(*track, step, *motion);
        }
        if step % 5 == 0 {
            told = watch.tell(&tracks, step);
        }
    }
    told
}

fn of(told: &Told, track: u64) -> (LipSync, Option<bool>) {
    told.faces.iter().find(|(of, ..)| *of == track).map(|(_, sync, speaking)| (*sync, *speaking)).unwrap()
}

#[test]
fn the_windows_grow_with_what_was_seen() {
    let mut watch = Watch::new(calibration());
    let brief = of(&run(&mut watch, 0..15, 1.0, &[IN_SYNC]), 1).0;
    assert_eq!(brief.reason_not, Some(SyncReasonNot::TooBrief));
    let lengths: Vec<u64> =
        [15..31, 31..76, 76..151].map(|steps| of(&run(&mut watch, steps, 1.0, &[IN_SYNC]), 1).0.window_ns).into();
    assert_eq!(lengths, [1_000_000_000, 3_000_000_000, 6_000_000_000]);
}

#[test]
fn nobody_speaks_then_nothing_is_said() {
    let told = run(&mut Watch::new(calibration()), 0..101, 0.1, &[IN_SYNC]);
    let (sync, speaking) = of(&told, 1);
    assert_eq!((sync.reason_not, speaking), (Some(SyncReasonNot::NoSpeech), None));
    assert_eq!((told.speaker, told.no_visible_speech), (None, None));
}

#[test]
fn a_still_portrait_under_a_voice_does_not_speak() {
    let portrait = Shown { late: FOREIGN, motion: 0.01, ..IN_SYNC };
    let told = run(&mut Watch::new(calibration()), 0..101, 1.0, &[portrait]);
    let (sync, speaking) = of(&told, 1);
    assert_eq!((sync.reason_not, sync.signs, speaking), (Some(SyncReasonNot::StillMouth), None, Some(false)));
    assert_eq!((told.speaker, told.no_visible_speech), (None, Some(true)));
}

#[test]
fn anothers_voice_is_a_mismatch() {
    let told = run(&mut Watch::new(calibration()), 0..101, 1.0, &[Shown { late: FOREIGN, ..IN_SYNC }]);
    let (sync, speaking) = of(&told, 1);
    assert_eq!((sync.signs, sync.offset_ms, speaking), (Some(true), None, Some(false)));
}

#[test]
fn the_same_fit_is_the_likelier_a_mismatch_the_further_off_it_is() {
    let p = |late: i64| {
        let told = run(&mut Watch::new(calibration()), 0..101, 1.0, &[Shown { late, ..IN_SYNC }]);
        of(&told, 1).0.mismatch_p.unwrap()
    };
    let logit = |p: f32| (p / (1.0 - p)).ln();
    let (near, far) = (logit(p(lips::NEAR)), logit(p(lips::NEAR + 1)));
    assert!((far - near - 2.0).abs() < 0.7, "{near} and {far}");
}

#[test]
fn of_two_faces_the_one_that_fits_speaks() {
    let other = Shown { track: 2, late: FOREIGN, ..IN_SYNC };
    let told = run(&mut Watch::new(calibration()), 0..101, 1.0, &[other, IN_SYNC]);
    assert_eq!((told.speaker, told.no_visible_speech), (Some(1), Some(false)));
    assert_eq!((of(&told, 1).1, of(&told, 2).1), (Some(true), Some(false)));
}

#[test]
fn an_alarm_takes_ten_seconds() {
    let mut watch = Watch::new(calibration());
    let late = Shown { late: -6, ..IN_SYNC };
    assert_eq!(of(&run(&mut watch, 0..201, 1.0, &[late]), 1).0.timing, None);
    let (sync, _) = of(&run(&mut watch, 201..301, 1.0, &[late]), 1);
    assert_eq!(sync.timing, Some(Bt1359::Unacceptable), "{sync:?}");
}

#[test]
fn the_limits_are_those_of_the_recommendation() {
    let classes = [-91.0, -90.0, -46.0, -45.0, 0.0, 125.0, 126.0, 185.0, 186.0].map(Bt1359::of);
    use Bt1359::{Detectable as D, Unacceptable as U, Undetectable as N};
    assert_eq!(classes, [U, D, D, N, N, N, D, D, U]);
}

/// A dark mouth, this wide and high and so far from the middle, on a lit face; 48 by 48 pixels.
fn drawn(wide: f32, high: f32, right: f32, down: f32, light: f32) -> Vec<u8> {
    let at = |n: usize| (n as f32 - 23.5) / 24.0;
    let pixel = |n: usize| {
        let (x, y) = (at(n % 48) - right / 24.0, at(n / 48) - down / 24.0);
        let inside = (-(x / wide).powi(2) - (y / high).powi(2)).exp();
        (light + 40.0 * x - 90.0 * inside) as u8
    };
    (0..48 * 48).map(pixel).collect()
}

#[test]
fn a_mouth_that_opens_moves_and_a_portrait_does_not() {
    let face = drawn(0.5, 0.2, 0.0, 0.0, 160.0);
    assert_eq!(lips::motion(&face, &face), 0.0);
    let opened = lips::motion(&face, &drawn(0.5, 0.35, 0.0, 0.0, 160.0));
    assert!(opened > 0.1, "{opened}");
    for (what, other) in [
        ("a lamp", drawn(0.5, 0.2, 0.0, 0.0, 190.0)),
        ("a slide to the right", drawn(0.5, 0.2, 1.0, 0.0, 160.0)),
        ("a slide up and left", drawn(0.5, 0.2, -0.7, -0.7, 160.0)),
    ] {
        let moved = lips::motion(&face, &other);
        assert!(moved < opened / 5.0, "{what}: {moved} of {opened}");
    }
    assert_eq!(lips::motion(&[7; 64], &[9; 64]), 0.0, "no contrast");
    assert_eq!(lips::motion(&face, &face[1..]), 0.0, "no pair");
}

#[test]
fn of_a_mouth_that_hardly_moves_nothing_is_said() {
    let faint = Shown { late: FOREIGN, motion: 0.07, ..IN_SYNC };
    // From the first second on, however much of the window was seen through.
    for seen in [30, 60, 86, 101, 160] {
        let (sync, _) = of(&run(&mut Watch::new(calibration()), 0..seen, 1.0, &[faint]), 1);
        assert_eq!((sync.reason_not, sync.signs), (Some(SyncReasonNot::StillMouth), None), "{seen} steps");
    }
}

proptest! {
    /// Whatever the offset, when sound comes and what is missing, the offset that is told is right within a step.
    #[test]
    fn the_offset_is_found(late in -14_i64..=14, start in 0_i64..1_000_000, lost in prop::collection::vec(0_i64..150, 0..20)) {
        let mut watch = Watch::new(calibration());
        for step in 0..150 {
            if !lost.contains(&step) {
                watch.hear(start + step, vector(start + step));
            }
            watch.speech(start + step, 1.0);
            watch.see(9, start + step, vector(start + step - late));
            watch.moved(9, start + step, 0.3);
        }
        let (sync, _) = of(&watch.tell(&[9], start + 149), 9);
        let offset = sync.offset_ms.ok_or_else(|| TestCaseError::fail(format!("{sync:?}")))?;
        // The mouth shows what was heard `late` steps before: the sound is early by as much.
        prop_assert!((offset + late as f32 * 40.0).abs() <= 40.0, "{offset} for {late}");
    }

    /// Nothing that is brought in any order, with any hole or jump, panics or is told without a reason.
    #[test]
    fn any_order_is_survived(steps in prop::collection::vec((-500_i64..500, 0_u64..40, 0_u8..4), 0..300)) {
        let mut watch = Watch::new(calibration());
        for (step, track, what) in steps {
            match what {
                0 => watch.hear(step, vector(step)),
                1 => watch.speech(step, 1.0),
                2 => watch.see(track, step, vector(step)),
                _ => {
                    for (_, sync, _) in watch.tell(&[track, track + 1], step).faces {
                        prop_assert!(sync.reason_not.is_some() != sync.signs.is_some(), "{sync:?}");
                    }
                }
            }
        }
    }
}
