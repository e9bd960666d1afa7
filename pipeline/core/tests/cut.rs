// SPDX-License-Identifier: Apache-2.0
//! The cut detector on made-up shots.

#![allow(clippy::unwrap_used)]

use polygraph_core::cut::{CutDetector, CutOptions, HEIGHT, Thumbnail, WIDTH};
use proptest::prelude::*;

const FRAME: u64 = 40_000_000;

/// A scene of its own forms and colours, seen from `x`, at a brightness of `light`.
fn scene(seed: u32, x: f32, light: f32) -> Thumbnail {
    let mut rgb = Vec::with_capacity(WIDTH * HEIGHT * 3);
    let tone =
        |k: u32| (seed.wrapping_mul(0x9E37_79B9).wrapping_add(k.wrapping_mul(0x85EB_CA6B)) >> 16 & 0xff) as f32 / 255.0;
    for row in 0..HEIGHT {
        for column in 0..WIDTH {
            let (u, v) = (column as f32 + x, row as f32);
            for channel in 0..3 {
                let wave = (u * (0.08 + 0.2 * tone(1)) + 6.0 * tone(2)).sin()
                    * (v * (0.1 + 0.2 * tone(3)) + 6.0 * tone(4)).sin();
                let value = 0.15 + 0.6 * tone(5 + channel) + 0.2 * wave;
                rgb.push((light * value).clamp(0.0, 1.0));
            }
        }
    }
    Thumbnail::new(&rgb).unwrap()
}

/// Numbers of the pictures that are first of a shot.
fn cuts(pictures: impl IntoIterator<Item = Thumbnail>) -> Vec<u64> {
    let mut detector = CutDetector::new(CutOptions::default());
    (0..).zip(pictures).filter_map(|(n, picture)| detector.push(n * FRAME, picture).map(|_| n)).collect()
}

#[test]
fn each_new_scene_is_a_cut_at_its_first_picture() {
    let shots = (0..100u32).map(|n| scene(n / 25, n as f32 * 0.1, 1.0));
    assert_eq!(cuts(shots), [25, 50, 75]);
}

#[test]
fn a_cut_from_black_and_one_to_black_count() {
    let black = || scene(1, 0.0, 0.0);
    let shots = (0..60).map(|n| if (20..40).contains(&n) { scene(7, 0.0, 1.0) } else { black() });
    assert_eq!(cuts(shots), [20, 40]);
}

#[test]
fn a_pan_a_fade_and_a_still_are_no_cuts() {
    assert_eq!(cuts((0..100).map(|n| scene(3, n as f32 * 0.8, 1.0))), [] as [u64; 0], "pan");
    assert_eq!(cuts((0..100).map(|n| scene(3, 0.0, 1.0 - n as f32 / 50.0))), [] as [u64; 0], "fade");
    assert_eq!(cuts((0..100).map(|_| scene(3, 0.0, 1.0))), [] as [u64; 0], "still");
}

#[test]
fn a_flash_has_at_most_a_beginning() {
    let white = Thumbnail::new(&[1.0; WIDTH * HEIGHT * 3]).unwrap();
    let shots = (0..60).map(|n| if (30..33).contains(&n) { white.clone() } else { scene(5, n as f32 * 0.1, 1.0) });
    assert_eq!(cuts(shots), [30], "its end shows what was before");
    // A real shot of that length is followed by another.
    let shots = (0..60).map(|n| match n {
        0..30 => scene(5, 0.0, 1.0),
        30..36 => scene(9, 0.0, 1.0),
        _ => scene(20, 0.0, 1.0),
    });
    assert_eq!(cuts(shots), [30, 36]);
}

#[test]
fn a_shot_has_its_least_length() {
    let mut detector = CutDetector::new(CutOptions { min_shot_ns: 10 * FRAME, ..CutOptions::default() });
    let pictures = (0..30u64).map(|n| scene(n as u32, 0.0, 1.0));
    let cuts: Vec<u64> =
        (0..).zip(pictures).filter_map(|(n, picture)| detector.push(n * FRAME, picture).map(|_| n)).collect();
    assert!(!cuts.is_empty() && cuts.windows(2).all(|pair| pair[1] - pair[0] >= 10), "{cuts:?}");
}

#[test]
fn after_a_reset_the_next_picture_is_the_first() {
    let mut detector = CutDetector::new(CutOptions::default());
    assert_eq!(detector.push(0, scene(1, 0.0, 1.0)), None);
    detector.reset();
    assert_eq!(detector.push(FRAME, scene(2, 0.0, 1.0)), None);
    assert!(detector.push(9 * FRAME, scene(7, 0.0, 1.0)).is_some_and(|strength| strength >= 1.0));
}

proptest! {
    /// Differences are 0..1, and 0 for the same picture, whatever the pixels.
    #[test]
    fn a_difference_is_a_distance(
        a in prop::collection::vec(0f32..=1.0, WIDTH * HEIGHT * 3),
        b in prop::collection::vec(0f32..=1.0, WIDTH * HEIGHT * 3),
    ) {
        let (a, b) = (Thumbnail::new(&a).unwrap(), Thumbnail::new(&b).unwrap());
        let there = a.difference(&b);
        prop_assert!((0.0..=1.0).contains(&there));
        prop_assert!(a.difference(&a) < 1e-3);
    }
}

#[test]
fn thumbnails_have_one_size() {
    assert!(Thumbnail::new(&[0.0; 30]).is_none());
}
