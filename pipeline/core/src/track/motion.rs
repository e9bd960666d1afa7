// SPDX-License-Identifier: Apache-2.0
//! How a face moves between two looks.

use crate::geometry::{Point, Rect};
use crate::results::FacePoints;

/// Time over which the velocity is averaged: the detector's box trembles.
const SMOOTH_S: f32 = 0.3;
/// A face that isn't seen goes on at its velocity for about this long: heads turn round.
const COAST_S: f32 = 0.4;
/// How far from its place a face may be found, in boxes: at once, more for each second, and at most.
const REACH: [f32; 3] = [0.6, 1.0, 1.4];

/// A smoothed velocity, in parts of the picture a second.
#[derive(Clone, Copy, Debug)]
pub(super) struct Motion {
    since_ns: u64,
    vx: f32,
    vy: f32,
}

impl Motion {
    /// Of a face that is seen for the first time.
    pub fn new(since_ns: u64) -> Self {
        Self { since_ns, vx: 0.0, vy: 0.0 }
    }

    /// When the face was first seen.
    pub fn since_ns(&self) -> u64 {
        self.since_ns
    }

    /// Learns from two looks that lie `passed_ns` apart.
    pub fn update(&mut self, before: &Rect, now: &Rect, passed_ns: u64) {
        let passed = seconds(passed_ns);
        if passed <= 0.0 {
            return;
        }
        let (a, b) = (before.center(), now.center());
        let new = 1.0 - (-passed / SMOOTH_S).exp();
        self.vx += new * ((b.x - a.x) / passed - self.vx);
        self.vy += new * ((b.y - a.y) / passed - self.vy);
    }

    /// Where a box is after `passed_ns`: at constant velocity first, then coming to rest.
    pub fn predict(&self, rect: &Rect, passed_ns: u64) -> Rect {
        let way = COAST_S * (1.0 - (-seconds(passed_ns) / COAST_S).exp());
        Rect { x: rect.x + self.vx * way, y: rect.y + self.vy * way, ..*rect }
    }
}

/// How far from where it should be a face may be found, in boxes, when it was not seen for a time.
pub(super) fn reach(unseen_ns: u64) -> f32 {
    let [at_once, a_second, most] = REACH;
    (at_once + a_second * seconds(unseen_ns)).min(most)
}

/// Points that move with their box.
pub(super) fn shift(points: &FacePoints, dx: f32, dy: f32) -> FacePoints {
    let to = |point: Point| Point { x: point.x + dx, y: point.y + dy };
    FacePoints {
        right_eye: to(points.right_eye),
        left_eye: to(points.left_eye),
        nose: to(points.nose),
        mouth: to(points.mouth),
        right_ear: to(points.right_ear),
        left_ear: to(points.left_ear),
    }
}

fn seconds(ns: u64) -> f32 {
    ns as f32 / 1e9
}
