// SPDX-License-Identifier: Apache-2.0
//! Whether two pictures are one scene, seen by a camera that moves.

use super::history::{Shown, dot};
use crate::cut::{HEIGHT, WIDTH};

/// Farthest shift that is looked for between two pictures, in pixels of a thumbnail: half of its width, a third of its height.
const FAR: (isize, isize) = (24, 9);
/// And between neighbours that should differ by little.
const NEAR: (isize, isize) = (6, 3);
/// Pictures that correlate by this where they overlap are of one scene.
const SAME: f32 = 0.85;
/// A shift explains two pictures when it correlates them by so much more than none.
const GAIN: f32 = 0.03;

/// The shift at which two pictures correlate best.
#[derive(Clone, Copy, Debug)]
struct Shift {
    moved: bool,
    correlation: f32,
    /// Without any shift.
    still: f32,
}

/// Whether a picture is the one before it, moved: a pan, however fast.
pub(super) fn panned(before: &Shown, now: &Shown) -> bool {
    let shift = best(before, now, FAR);
    shift.moved && shift.correlation >= SAME
}

/// Whether neighbours differ by a movement of the camera, in most of the pairs.
pub(super) fn moving(pictures: &[&Shown]) -> bool {
    let pairs = pictures.windows(2).count();
    let moved = pictures.windows(2).filter(|pair| {
        let shift = best(pair[0], pair[1], NEAR);
        shift.moved && shift.correlation >= shift.still + GAIN
    });
    2 * moved.count() > pairs
}

fn best(a: &Shown, b: &Shown, (far_x, far_y): (isize, isize)) -> Shift {
    let still = correlation(a, b, 0, 0);
    let mut best = Shift { moved: false, correlation: still, still };
    for dy in -far_y..=far_y {
        for dx in -far_x..=far_x {
            let correlation = correlation(a, b, dx, dy);
            if correlation > best.correlation {
                best = Shift { moved: (dx, dy) != (0, 0), correlation, still };
            }
        }
    }
    best
}

/// Correlation of luma where the pictures overlap when the second is shifted.
fn correlation(a: &Shown, b: &Shown, dx: isize, dy: isize) -> f32 {
    let (columns, rows) = (WIDTH - dx.unsigned_abs(), HEIGHT - dy.unsigned_abs());
    let start = |by: isize| by.max(0).unsigned_abs();
    let (mut both, mut own, mut other) = (0.0, 0.0, 0.0);
    for row in 0..rows {
        let here = &a.luma[(row + start(dy)) * WIDTH + start(dx)..][..columns];
        let there = &b.luma[(row + start(-dy)) * WIDTH + start(-dx)..][..columns];
        both += dot(here, there);
        own += dot(here, here);
        other += dot(there, there);
    }
    both / (own * other).sqrt().max(1e-6)
}
