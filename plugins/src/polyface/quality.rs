// SPDX-License-Identifier: Apache-2.0
//! How well a picture shows a face: its size, its sharpness, and whether it looks at us.

use polygraph_core::forensics::frontality;
use polygraph_core::track::Detection;
use polygraph_models::picture::Picture;

/// Height in pixels from which a face is shown as well as anybody needs.
const FULL_SIZE: f32 = 96.0;
/// Mean step of luma between neighbours, as a part of the face's contrast, of a face that is sharp at that size.
const FULL_SHARPNESS: f32 = 0.25;
/// Rows and columns of the grid over the face at which sharpness is measured.
const GRID: usize = 32;

/// 0..1: the geometric mean of size, sharpness and frontality, each 0..1. A rank of pictures of one face, no
/// probability.
pub(super) fn quality(picture: &Picture<'_>, face: &Detection) -> f32 {
    let size = (face.rect.h * picture.height as f32 / FULL_SIZE).clamp(0.0, 1.0);
    // In parts of the picture: a rank needs no pixels.
    (size * sharpness(picture, face.rect.into()) * frontality(&face.points, [1.0, 1.0])).cbrt()
}

/// Luma's steps over a distance of 1/64 of the face's width, against its contrast. Blur makes steps small and leaves
/// the contrast; light changes both alike.
fn sharpness(picture: &Picture<'_>, [x, y, w, h]: [f32; 4]) -> f32 {
    let (width, height) = (picture.width as f32, picture.height as f32);
    let step = ((w * width / 64.0) as usize).max(1);
    let luma = |column: usize, row: usize| f32::from(picture.planes[0][row * picture.strides[0] + column]);
    let (mut steps, mut sum, mut squares, mut count) = (0.0, 0.0, 0.0, 0.0f32);
    for i in 0..GRID * GRID {
        let at = |k: usize, from: f32, length: f32| from + length * (k as f32 + 0.5) / GRID as f32;
        let (column, row) = (at(i % GRID, x, w) * width, at(i / GRID, y, h) * height);
        let inside = column >= 0.0 && row >= 0.0;
        let (column, row) = (column as usize, row as usize);
        if !inside || column + step >= picture.width || row >= picture.height {
            continue;
        }
        let (here, next) = (luma(column, row), luma(column + step, row));
        steps += (here - next).abs();
        sum += here;
        squares += here * here;
        count += 1.0;
    }
    if count < 1.0 {
        return 0.0;
    }
    let contrast = (squares / count - (sum / count).powi(2)).max(0.0).sqrt();
    // Two levels of noise don't make a black face sharp.
    (steps / count / (contrast + 2.0) / FULL_SHARPNESS).clamp(0.0, 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use polygraph_core::geometry::Point;
    use polygraph_core::results::FacePoints;
    use polygraph_models::picture::{Matrix, PixelFormat};

    /// Quality of a face over the whole of a square luma picture.
    fn of(luma: &[u8], side: usize, nose: f32) -> f32 {
        let picture = Picture {
            format: PixelFormat::I420,
            width: side,
            height: side,
            planes: [luma, &[], &[]],
            strides: [side, 0, 0],
            matrix: Matrix::Bt709,
            full_range: false,
            pixel_aspect: 1.0,
        };
        let points = [[0.3, 0.4], [0.7, 0.4], [nose, 0.5], [0.5, 0.7], [0.2, 0.5], [0.8, 0.5]];
        let [right_eye, left_eye, nose, mouth, right_ear, left_ear] = points.map(Point::from);
        let points = FacePoints { right_eye, left_eye, nose, mouth, right_ear, left_ear };
        let rect = [0.0, 0.0, 1.0, 1.0].into();
        quality(&picture, &Detection { rect, points, score: 0.9, quality: 0.0 })
    }

    fn stripes(side: usize, period: usize) -> Vec<u8> {
        let value = |i: usize| 128.0 + 60.0 * (std::f32::consts::TAU * (i % side) as f32 / period as f32).sin();
        (0..side * side).map(|i| value(i) as u8).collect()
    }

    #[test]
    fn sharp_big_and_frontal_is_best() {
        let best = of(&stripes(128, 16), 128, 0.5);
        assert!(best > 0.9, "{best}");
        assert!(of(&stripes(128, 128), 128, 0.5) < 0.8 * best, "a blurred face");
        assert!(of(&stripes(32, 4), 32, 0.5) < 0.8 * best, "a small face");
        assert!(of(&stripes(128, 16), 128, 0.25) < 0.8 * best, "a profile");
        assert_eq!(of(&vec![128; 128 * 128], 128, 0.5), 0.0);
    }
}
