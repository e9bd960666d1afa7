// SPDX-License-Identifier: Apache-2.0
//! The shot detector on made-up pictures.

#![allow(clippy::unwrap_used)]

use polygraph_core::cut::{CutOptions, HEIGHT, Thumbnail, WIDTH};
use polygraph_core::results::TransitionKind;
use polygraph_core::shot::{Boundary, LOOK, ShotDetector};
use proptest::prelude::*;

const FRAME: u64 = 40_000_000;

/// A scene of its own forms and colours, seen from `x`.
fn scene(seed: u32, x: f32) -> Vec<f32> {
    let hash =
        |k: u32| (seed.wrapping_mul(0x9E37_79B9).wrapping_add(k.wrapping_mul(0x85EB_CA6B)) >> 13 & 0xff) as f32 / 255.0;
    let mut rgb = Vec::with_capacity(WIDTH * HEIGHT * 3);
    for row in 0..HEIGHT {
        for column in 0..WIDTH {
            let (u, v) = (column as f32 + x, row as f32);
            let wave = |k: u32| ((u * (0.1 + 0.3 * hash(k)) + v * (0.2 * hash(k + 1) - 0.1)) + 6.0 * hash(k + 2)).sin();
            let form = wave(1) * 0.5 + wave(4) * 0.3 + ((v * (0.15 + 0.2 * hash(7))) + 6.0 * hash(8)).sin() * 0.4;
            rgb.extend((0..3).map(|channel| (0.2 + 0.5 * hash(10 + channel) + 0.3 * form).clamp(0.0, 1.0)));
        }
    }
    rgb
}

fn mix(a: &[f32], b: &[f32], share: f32) -> Vec<f32> {
    a.iter().zip(b).map(|(a, b)| a * (1.0 - share) + b * share).collect()
}

fn boundaries(pictures: impl IntoIterator<Item = Vec<f32>>, frame_ns: u64) -> Vec<Boundary> {
    let mut detector = ShotDetector::new(CutOptions::default());
    let mut found = Vec::new();
    for (at, rgb) in (0..).zip(pictures) {
        found.extend(detector.push(at * frame_ns, Thumbnail::new(&rgb).unwrap()));
    }
    found.extend(detector.flush());
    found
}

/// Kinds and pictures of the boundaries.
fn brief(found: &[Boundary]) -> Vec<(TransitionKind, u64, u64)> {
    found.iter().map(|found| (found.kind, found.start_ns / FRAME, found.end_ns / FRAME)).collect()
}

#[test]
fn cuts_are_told_at_their_picture_and_soon() {
    let found = boundaries((0..100u32).map(|n| scene(n / 25, n as f32 * 0.1)), FRAME);
    assert_eq!(brief(&found), [25, 50, 75].map(|at| (TransitionKind::Cut, at, at)));
    for cut in &found {
        assert!(cut.known_ns <= cut.end_ns + (LOOK + LOOK / 2) * FRAME, "{cut:?}");
        assert!((cut.end_ns..cut.known_ns).contains(&cut.key_ns) && cut.strength >= 1.0, "{cut:?}");
    }
}

#[test]
fn a_dissolve_has_its_range_and_is_no_cut() {
    for length in [8, 16, 30] {
        let share = |n: u32| ((n as f32 - 59.0) / (length + 1) as f32).clamp(0.0, 1.0);
        let shown = (0..160u32).map(|n| mix(&scene(1, n as f32 * 0.02), &scene(2, n as f32 * 0.02), share(n)));
        let found = boundaries(shown, FRAME);
        let [one] = &found[..] else { panic!("{length}: {found:?}") };
        assert_eq!(one.kind, TransitionKind::Dissolve);
        let (start, end) = (one.start_ns / FRAME, one.end_ns / FRAME);
        assert!(start.abs_diff(60) <= 2 && end.abs_diff(60 + length) <= 2, "{length}: {start} to {end}");
    }
}

#[test]
fn a_wipe_is_one() {
    let edge = |n: u32| ((n as f32 - 59.0) / 21.0).clamp(0.0, 1.0) * WIDTH as f32;
    let shown = (0..140u32).map(|n| {
        let (old, new) = (scene(1, 0.0), scene(2, 0.0));
        let pixel = |at: usize| if ((at / 3 % WIDTH) as f32) < edge(n) { new[at] } else { old[at] };
        (0..old.len()).map(pixel).collect()
    });
    let found = brief(&boundaries(shown, FRAME));
    let [(TransitionKind::Wipe, start, end)] = found[..] else { panic!("{found:?}") };
    assert!(start.abs_diff(60) <= 2 && end.abs_diff(80) <= 2, "{found:?}");
}

#[test]
fn a_fade_through_black_is_one_boundary_and_a_long_black_makes_two() {
    for (black, expected) in [(5, 1), (60, 2)] {
        let light = |n: u32| match n {
            0..50 => 1.0,
            50..60 => 1.0 - (n - 49) as f32 / 11.0,
            n if n < 60 + black => 0.0,
            n => ((n - 59 - black) as f32 / 11.0).min(1.0),
        };
        let shown = (0..200u32).map(|n| {
            let seed = if n < 60 { 1 } else { 2 };
            scene(seed, 0.0).into_iter().map(|value| value * light(n)).collect()
        });
        let found = boundaries(shown, FRAME);
        assert!(
            found.iter().all(|found| found.kind == TransitionKind::Fade) && found.len() == expected,
            "{black}: {found:?}"
        );
        assert_eq!(found[0].start_ns, 50 * FRAME, "{black}");
        assert_eq!(found[expected - 1].end_ns, u64::from(70 + black) * FRAME, "{black}");
    }
}

#[test]
fn flashes_pans_and_stills_are_no_boundaries() {
    let flash = (0..120u32).map(|n| {
        let light = if (60..63).contains(&n) { 0.9 } else { 0.0 };
        mix(&scene(5, n as f32 * 0.1), &vec![1.0; WIDTH * HEIGHT * 3], light)
    });
    assert_eq!(boundaries(flash, FRAME), [], "flash");
    let pan = |n: u32| (n as f32 - 50.0).clamp(0.0, 20.0) * 4.0;
    assert_eq!(boundaries((0..120).map(|n| scene(3, pan(n))), FRAME), [], "a pan of four pixels a picture, at once");
    assert_eq!(boundaries((0..120).map(|_| scene(3, 0.0)), FRAME), [], "still");
}

#[test]
fn fifty_pictures_a_second_have_the_same_cuts() {
    let found = boundaries((0..200u32).map(|n| scene(n / 51, n as f32 * 0.05)), FRAME / 2);
    let at: Vec<_> = found.iter().map(|found| found.end_ns / (FRAME / 2)).collect();
    assert_eq!(at, [51, 102, 153], "at the very picture, though only each second one is looked at");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Whatever is shown, boundaries are in range, told after their end, and none is told twice.
    #[test]
    fn boundaries_make_sense(shots in prop::collection::vec((0u32..40, 1u32..40, 0f32..3.0), 1..6)) {
        let pictures = shots.iter().flat_map(|(seed, count, speed)| (0..*count).map(move |n| scene(*seed, n as f32 * speed)));
        let count = shots.iter().map(|(_, count, _)| u64::from(*count)).sum::<u64>();
        let found = boundaries(pictures, FRAME);
        for one in &found {
            prop_assert!(one.start_ns <= one.end_ns && one.end_ns <= one.known_ns && one.known_ns < count * FRAME);
            prop_assert!(one.strength >= 1.0);
        }
        let mut ends: Vec<_> = found.iter().map(|found| found.end_ns).collect();
        ends.sort_unstable();
        prop_assert!(ends.windows(2).all(|pair| pair[0] < pair[1]));
    }
}
