// SPDX-License-Identifier: Apache-2.0
//! Where the mouths are: squares that follow the head and not the lips, so that what moves in them is the mouth.
//!
//! Causal, for live streams: a detection is never corrected by a later one. The eyes and the nose say where the head is,
//! since the detector's mouth and box move with the jaw. Where the mouth lies on the head, how large it is and how far it
//! is turned change slowly, and are smoothed more.

use crate::results::Face;

/// Side of a mouth's square in sides of the face's box: lips, chin and the folds beside the nose.
const SIDE: f64 = 0.55;
/// What a new detection counts for the head's shape: half of the past is gone after three detections.
const SHAPE: f64 = 0.2;
/// What a new picture counts for the head's place.
const PLACE: f64 = 0.6;
/// Shorter squares show no lips, in shown pixels.
pub const LEAST_SIDE_PX: f64 = 20.0;
/// Least time between two pictures that are cut: of 50 or 60 a second every other one.
const LEAST_STEP_NS: u64 = 30_000_000;

/// A mouth's square in shown pixels (the picture's width times its pixel aspect).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MouthSquare {
    /// Whose mouth.
    pub track: u64,
    /// Its centre, from the top left corner of the picture.
    pub centre: [f64; 2],
    /// Its side.
    pub side: f64,
    /// How far it is turned, clockwise as it is seen, in radians.
    pub angle: f64,
}

/// One head.
#[derive(Clone, Copy, Debug)]
struct Head {
    track: u64,
    place: [f64; 2],
    side: f64,
    angle: f64,
    /// From the head's place to the mouth, in sides and turned upright.
    mouth: [f64; 2],
}

/// Follows the heads of a stream.
#[derive(Clone, Debug, Default)]
pub struct Mouths {
    heads: Vec<Head>,
    last_ns: Option<u64>,
}

impl Mouths {
    /// The squares of a picture's faces in their order, or `None` when too little time has gone by since the last ones.
    /// `width` and `height` are the picture's shown pixels. Faces whose mouths are too small have none.
    pub fn place(&mut self, pts_ns: u64, faces: &[Face], [width, height]: [f64; 2]) -> Option<Vec<MouthSquare>> {
        if self.last_ns.is_some_and(|last| pts_ns >= last && pts_ns - last < LEAST_STEP_NS) {
            return None;
        }
        self.last_ns = Some(pts_ns);
        let heads = faces.iter().filter_map(|face| {
            let seen = Head::seen(face, [width, height])?;
            let known = self.heads.iter().find(|head| head.track == face.track);
            Some(known.map_or(seen, |known| known.follow(&seen, face.detected)))
        });
        self.heads = heads.collect();
        Some(self.heads.iter().map(Head::mouth_square).filter(|square| square.side >= LEAST_SIDE_PX).collect())
    }

    /// Forgets all heads, as at a cut or a flush.
    pub fn reset(&mut self) {
        *self = Self::default();
    }
}

impl Head {
    /// As this picture alone shows it; `None` for a face without an extent.
    fn seen(face: &Face, [width, height]: [f64; 2]) -> Option<Self> {
        let at = |point: crate::geometry::Point| [f64::from(point.x) * width, f64::from(point.y) * height];
        let points = &face.points;
        let [right, left, nose, mouth] = [points.right_eye, points.left_eye, points.nose, points.mouth].map(at);
        let place = [0, 1].map(|axis| (right[axis] + left[axis] + nose[axis]) / 3.0);
        let side = (f64::from(face.rect.w) * width + f64::from(face.rect.h) * height) / 2.0;
        let angle = (left[1] - right[1]).atan2(left[0] - right[0]);
        let mouth = turn([mouth[0] - place[0], mouth[1] - place[1]], -angle).map(|way| way / side);
        let head = Self { track: face.track, place, side, angle, mouth };
        let numbers = [place[0], place[1], side, angle, mouth[0], mouth[1]];
        (side > 0.0 && numbers.iter().all(|number| number.is_finite())).then_some(head)
    }

    fn follow(&self, seen: &Self, detected: bool) -> Self {
        // Between detections the tracker only shifts a face: its shape is that of the last detection.
        let shape = if detected { SHAPE } else { 0.0 };
        let mix = |old: f64, new: f64, share: f64| old + share * (new - old);
        let mut turned = seen.angle - self.angle;
        turned -= std::f64::consts::TAU * (turned / std::f64::consts::TAU).round();
        Self {
            track: self.track,
            place: [0, 1].map(|axis| mix(self.place[axis], seen.place[axis], PLACE)),
            side: mix(self.side, seen.side, shape),
            angle: self.angle + shape * turned,
            mouth: [0, 1].map(|axis| mix(self.mouth[axis], seen.mouth[axis], shape)),
        }
    }

    fn mouth_square(&self) -> MouthSquare {
        let [x, y] = turn(self.mouth, self.angle).map(|way| way * self.side);
        MouthSquare {
            track: self.track,
            centre: [self.place[0] + x, self.place[1] + y],
            side: SIDE * self.side,
            angle: self.angle,
        }
    }
}

/// Turns a vector clockwise as it is seen.
fn turn([x, y]: [f64; 2], angle: f64) -> [f64; 2] {
    let (sin, cos) = angle.sin_cos();
    [x * cos - y * sin, x * sin + y * cos]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geometry::{Point, Rect};
    use crate::results::FacePoints;

    const SIZE: [f64; 2] = [640.0, 320.0];

    /// A face of 100 shown pixels whose eyes' middle is at (x, y), turned by an angle, its mouth `open` pixels lower.
    fn face(x: f64, y: f64, angle: f64, open: f64) -> Face {
        let at = |dx: f64, dy: f64| {
            let [dx, dy] = turn([dx, dy], angle);
            Point { x: ((x + dx) / SIZE[0]) as f32, y: ((y + dy) / SIZE[1]) as f32 }
        };
        let points = FacePoints {
            right_eye: at(-20.0, 0.0),
            left_eye: at(20.0, 0.0),
            nose: at(0.0, 21.0),
            mouth: at(0.0, 45.0 + open),
            ..FacePoints::default()
        };
        let rect = Rect {
            x: ((x - 50.0) / SIZE[0]) as f32,
            y: ((y - 50.0) / SIZE[1]) as f32,
            w: (100.0 / SIZE[0]) as f32,
            h: (100.0 / SIZE[1]) as f32,
        };
        Face { track: 3, rect, points, detected: true, ..Face::default() }
    }

    #[test]
    fn the_square_lies_on_the_mouth_whatever_the_turn() {
        for angle in [-3.1, -0.5, 0.0, 0.3, 3.1] {
            let squares = Mouths::default().place(0, &[face(300.0, 150.0, angle, 0.0)], SIZE).unwrap();
            let [x, y] = turn([0.0, 45.0], angle);
            let MouthSquare { track, centre, side, angle: turned } = squares[0];
            assert!((centre[0] - 300.0 - x).abs() < 0.01 && (centre[1] - 150.0 - y).abs() < 0.01, "{centre:?}");
            assert!(track == 3 && (side - 55.0).abs() < 0.01 && (turned - angle).abs() < 1e-3);
        }
    }

    #[test]
    fn a_jaw_that_drops_hardly_moves_it() {
        let mut mouths = Mouths::default();
        let mut lowest: f64 = 0.0;
        for n in 0..50_u64 {
            let open = if n % 5 == 3 { 8.0 } else { 0.0 };
            let squares = mouths.place(n * 40_000_000, &[face(300.0, 150.0, 0.0, open)], SIZE).unwrap();
            lowest = lowest.max(squares[0].centre[1] - 195.0);
        }
        assert!(lowest < 3.0, "it followed the jaw by {lowest} of 8 pixels");
    }

    #[test]
    fn it_follows_a_head_that_moves() {
        let mut mouths = Mouths::default();
        for n in 0..25_u64 {
            let x = 200.0 + 4.0 * n as f64;
            let squares = mouths.place(n * 40_000_000, &[face(x, 150.0, 0.0, 0.0)], SIZE).unwrap();
            assert!((squares[0].centre[0] - x).abs() < 4.0, "{} instead of {x}", squares[0].centre[0]);
        }
    }

    #[test]
    fn of_fifty_pictures_a_second_every_other_one_is_cut() {
        let mut mouths = Mouths::default();
        let cut = (0..50_u64).filter(|n| mouths.place(n * 20_000_000, &[], SIZE).is_some()).count();
        assert_eq!(cut, 25);
        mouths.reset();
        let cut = (0..30_u64).filter(|n| mouths.place(n * 1_000_000_000 / 30, &[], SIZE).is_some()).count();
        assert_eq!(cut, 30);
    }

    #[test]
    fn nonsense_has_no_mouth() {
        let flat = Face { rect: Rect { w: 0.0, h: 0.0, ..Rect::default() }, ..face(1.0, 1.0, 0.0, 0.0) };
        let mut lost = face(1.0, 1.0, 0.0, 0.0);
        lost.points.nose.x = f32::NAN;
        assert_eq!(Mouths::default().place(0, &[flat, lost], SIZE), Some(Vec::new()));
    }
}
