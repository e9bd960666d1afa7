// SPDX-License-Identifier: Apache-2.0
//! What of a face decides whether it can be judged, measured cheaply: some tens of microseconds a face.

use polygraph_core::forensics::{Measures, frontality};
use polygraph_core::results::Face;
use polygraph_models::forensics::{FaceCrop, SIDE};
use polygraph_models::picture::Picture;

/// Pixels of a crop between two values whose step is measured: 1/64 of the face, what a face of 64 pixels can just show.
/// Nearer neighbours of a small face are interpolated, and it would always be blurred.
const STEP: usize = 2;
/// Steps and contrast of luma up to this, 0..1, are noise: they don't make a black face sharp.
const NOISE: f32 = 2.0 / 255.0;
/// Places each way at which the picture is asked for detail.
const PLACES: usize = 96;

/// Measures a face and its crop.
pub(super) fn measure(picture: &Picture<'_>, face: &Face, crop: &FaceCrop) -> Measures {
    let shown = [picture.width as f32 * picture.pixel_aspect, picture.height as f32];
    Measures {
        side_px: crop.side_px,
        sharpness: sharpness(crop.pixels()),
        frontality: frontality(&face.points, shown),
        compression: without_detail(picture, face.rect.into()),
        padding: crop.padding,
    }
}

/// Energy of the steps over [`STEP`] pixels of the crop's luma against its contrast: the square root of 1 - r, with r the
/// correlation of values that far apart. 1 is noise, 0 a face without any edge. Blur makes steps small and leaves the
/// contrast; light changes both alike.
fn sharpness(pixels: &[f32]) -> f32 {
    let luma: Vec<f32> = (0..SIDE * SIDE)
        .map(|i| 0.299 * pixels[i] + 0.587 * pixels[SIDE * SIDE + i] + 0.114 * pixels[2 * SIDE * SIDE + i])
        .collect();
    let count = luma.len() as f32;
    let mean = luma.iter().sum::<f32>() / count;
    let variance = luma.iter().map(|v| (v - mean).powi(2)).sum::<f32>() / count;
    let across = luma.chunks_exact(SIDE).flat_map(|row| row.iter().zip(&row[STEP..]));
    let down = luma.iter().zip(&luma[STEP * SIDE..]);
    let steps = across.chain(down).map(|(a, b)| (a - b).powi(2)).sum::<f32>();
    let step = steps / (2 * SIDE * (SIDE - STEP)) as f32;
    ((step / 2.0).max(0.0) / (variance + NOISE * NOISE)).sqrt().clamp(0.0, 1.0)
}

/// The part of the places in a face, in the picture as it was decoded, where four neighbouring pixels have no detail at
/// all: no noise, no grain, only a slope. What a quantiser takes away first are diagonal frequencies, and in every block
/// the same ones; a camera's noise is everywhere. Each codec does so, whatever its blocks and its filter against their
/// edges, and motion compensation carries it on.
///
/// Measured on a portrait and on the sequence `carphone`, H.264: 0.07 to 0.10 before it was encoded, 0.15 to 0.19 at a
/// quantiser of 26, 0.22 to 0.28 at 38, 0.25 to 0.37 at 46. A speaker of the GRID corpus (MPEG-1): 0.25. A drawing, or a
/// picture that was enlarged, has none either.
fn without_detail(picture: &Picture<'_>, [x, y, w, h]: [f32; 4]) -> f32 {
    let span = |from: f32, length: f32, size: usize| {
        let edge = |at: f32| (at * size as f32).clamp(0.0, size as f32 - 1.0) as usize;
        (edge(from), edge(from + length))
    };
    let ((left, right), (top, bottom)) = (span(x, w, picture.width), span(y, h, picture.height));
    let every = |from: usize, to: usize| (to.saturating_sub(from) / PLACES).max(1);
    let (mut without, mut count) = (0u32, 0u32);
    for row in (top..bottom).step_by(every(top, bottom)) {
        let line = |row: usize| &picture.planes[0][row * picture.strides[0]..][left..=right];
        let (upper, lower) = (line(row), line(row + 1));
        for column in (0..right - left).step_by(every(left, right)) {
            let [a, b, c, d] = [upper[column], upper[column + 1], lower[column], lower[column + 1]].map(i16::from);
            without += u32::from(a - b == c - d);
            count += 1;
        }
    }
    if count == 0 { 1.0 } else { without as f32 / count as f32 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use polygraph_models::picture::{Matrix, PixelFormat};

    /// A grey picture's luma.
    fn picture(luma: &[u8], side: usize) -> Picture<'_> {
        Picture {
            format: PixelFormat::I420,
            width: side,
            height: side,
            planes: [luma, &[128; 128 * 128], &[128; 128 * 128]],
            strides: [side, 128, 128],
            matrix: Matrix::Bt709,
            full_range: false,
            pixel_aspect: 1.0,
        }
    }

    fn of(value: impl Fn(f32, f32) -> f32) -> (f32, f32) {
        let luma: Vec<u8> = (0..256 * 256).map(|i| value((i % 256) as f32, (i / 256) as f32) as u8).collect();
        let picture = picture(&luma, 256);
        let crop = FaceCrop::new(&picture, [0.1, 0.1, 0.8, 0.8], [0.3, 0.4], [0.7, 0.4]).unwrap();
        (sharpness(crop.pixels()), without_detail(&picture, [0.1, 0.1, 0.8, 0.8]))
    }

    /// Deterministic noise of -1..1.
    fn noise(x: f32, y: f32) -> f32 {
        let hash =
            ((x as u32).wrapping_mul(0x9E37_79B9) ^ (y as u32).wrapping_mul(0x85EB_CA6B)).wrapping_mul(0x2C1B_3C6D);
        (hash >> 8) as f32 / (1 << 23) as f32 - 1.0
    }

    fn waves(x: f32, period: f32) -> f32 {
        128.0 + 60.0 * (std::f32::consts::TAU * x / period).sin()
    }

    #[test]
    fn sharpness_falls_with_blur_and_not_with_light() {
        let (sharp, soft) = (of(|x, _| waves(x, 16.0)).0, of(|x, _| waves(x, 128.0)).0);
        assert!(sharp > 0.3 && soft < sharp / 4.0, "{sharp} {soft}");
        let dim = of(|x, _| 128.0 + (waves(x, 16.0) - 128.0) / 4.0).0;
        assert!((dim - sharp).abs() < 0.1 * sharp, "{dim} {sharp}");
        let black = of(|x, y| 16.5 + noise(x, y)).0;
        assert!(black < 0.3, "{black}");
    }

    #[test]
    fn detail_is_found_in_noise_and_not_in_slopes() {
        let grainy = of(|x, y| waves(x, 64.0) + 4.0 * noise(x, y)).1;
        let quantised = of(|x, y| waves((x / 8.0).floor() * 8.0, 64.0) + (y / 8.0).floor()).1;
        assert!(grainy < 0.15 && quantised > 0.9, "{grainy} {quantised}");
    }

    #[test]
    fn faces_without_pixels_have_no_detail() {
        let luma = [128; 4];
        for rect in
            [[0.5, 0.5, 0.0, 0.0], [2.0, 2.0, 1.0, 1.0], [-3.0, 0.0, 1.0, 1.0], [f32::NAN; 4], [0.5, 0.5, -1.0, -1.0]]
        {
            assert_eq!(without_detail(&picture(&luma, 2), rect), 1.0, "{rect:?}");
        }
        assert_eq!(without_detail(&picture(&luma, 1), [0.0, 0.0, 1.0, 1.0]), 1.0);
    }
}
