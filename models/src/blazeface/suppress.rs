// SPDX-License-Identifier: Apache-2.0
//! Weighted non-maximum suppression: what overlaps the best is blended into it (Bazarevsky et al., 2019, 4).

use super::Detection;
use crate::picture::{common, iou};

/// Overlap (intersection over union) from which two detections are one face.
const SAME: f32 = 0.3;
/// Part of the smaller box inside of the bigger from which the weaker of two detections is dropped: views of different
/// scale see a face that is too small or too big for one of them with a box of the wrong size.
const NESTED: f32 = 0.8;

/// One detection a face, the best first. Boxes and points are means weighted by score; the score is the best's.
pub(super) fn blend(mut found: Vec<Detection>) -> Vec<Detection> {
    found.sort_by(|a, b| b.score.total_cmp(&a.score));
    let mut faces = Vec::new();
    while let Some(best) = found.first().copied() {
        let (same, others): (Vec<_>, Vec<_>) =
            found.into_iter().enumerate().partition(|(at, other)| *at == 0 || iou(&best.rect, &other.rect) > SAME);
        faces.push(mean(best.score, same.iter().map(|(_, face)| face)));
        found = others.into_iter().map(|(_, face)| face).filter(|face| !nested(&best.rect, &face.rect)).collect();
    }
    faces
}

fn mean<'a>(score: f32, faces: impl Iterator<Item = &'a Detection>) -> Detection {
    let mut sum = Detection { rect: [0.0; 4], points: [[0.0; 2]; 6], score };
    let mut weight = 0.0;
    for face in faces {
        // A score of 0 passes a threshold of 0: it must not divide by nothing.
        let part = face.score.max(f32::EPSILON);
        weight += part;
        add(&mut sum.rect, &face.rect, part);
        add(sum.points.as_flattened_mut(), face.points.as_flattened(), part);
    }
    for value in sum.rect.iter_mut().chain(sum.points.as_flattened_mut()) {
        *value /= weight;
    }
    sum
}

fn add(sum: &mut [f32], values: &[f32], part: f32) {
    for (sum, value) in sum.iter_mut().zip(values) {
        *sum += part * value;
    }
}

fn nested(a: &[f32; 4], b: &[f32; 4]) -> bool {
    common(a, b) > NESTED * (a[2] * a[3]).min(b[2] * b[3])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn face(x: f32, score: f32) -> Detection {
        Detection { rect: [x, 0.1, 0.2, 0.2], points: [[x, 0.2]; 6], score }
    }

    #[test]
    fn one_face_of_many_boxes_is_their_weighted_mean() {
        let faces = blend(vec![face(0.12, 0.6), face(0.7, 0.7), face(0.1, 0.9)]);
        assert_eq!(faces.len(), 2);
        assert_eq!(faces[0].score, 0.9);
        assert!((faces[0].rect[0] - (0.1 * 0.9 + 0.12 * 0.6) / 1.5).abs() < 1e-6);
        assert!((faces[0].points[5][0] - faces[0].rect[0]).abs() < 1e-6);
        assert_eq!(faces[1].score, 0.7);
        assert!((faces[1].rect[0] - 0.7).abs() < 1e-6);
    }

    #[test]
    fn a_weaker_box_of_the_wrong_size_is_dropped_and_not_blended() {
        let small = Detection { rect: [0.4, 0.4, 0.02, 0.03], ..face(0.4, 0.8) };
        let around = Detection { rect: [0.38, 0.38, 0.06, 0.1], ..face(0.4, 0.5) };
        assert_eq!(blend(vec![around, small])[0].rect.map(|v| (v * 100.0).round()), [40.0, 40.0, 2.0, 3.0]);
        assert_eq!(blend(vec![around, small]).len(), 1);
    }

    #[test]
    fn neighbours_stay_apart_and_nothing_stays_nothing() {
        assert!(blend(Vec::new()).is_empty());
        assert_eq!(blend(vec![face(0.1, 0.9), face(0.28, 0.8)]).len(), 2);
        assert!(blend(vec![face(0.1, 0.0)])[0].rect[0].is_finite());
    }
}
