// SPDX-License-Identifier: Apache-2.0
//! Thumbnails straight from the planes, reading only as many rows as they need.

use polygraph_core::cut::{HEIGHT, Thumbnail, WIDTH};
use polygraph_models::picture::{Picture, PictureError};

/// Rows of the picture that are averaged for one of the thumbnail; more than that are passed over. What a thumbnail
/// costs is fetching these rows from memory; with twice as many the same cuts are found.
const ROWS: usize = 2;

/// The picture's thumbnail; `scratch` is kept for its memory.
pub(super) fn thumbnail(picture: &Picture<'_>, scratch: &mut Vec<f32>) -> Result<Option<Thumbnail>, PictureError> {
    scratch.resize(WIDTH * HEIGHT * 3, 0.0);
    picture.mosaic((WIDTH, HEIGHT), ROWS, scratch)?;
    Ok(Thumbnail::new(scratch))
}

#[cfg(test)]
mod tests {
    use super::*;
    use polygraph_models::picture::{Matrix, PixelFormat};

    #[test]
    fn a_thumbnail_shows_the_same_picture_as_a_full_sampling() {
        for (width, height) in [(1280, 720), (641, 361), (355, 1081), (64, 217), (3840, 2161)] {
            let (half_w, half_h) = (width / 2 + width % 2, height / 2 + height % 2);
            let ramp = |w: usize, h: usize| (0..w * h).map(|i| (40 + (i / w) * 160 / h) as u8).collect::<Vec<_>>();
            let (luma, chroma) = (ramp(width, height), ramp(half_w, half_h));
            let picture = Picture {
                format: PixelFormat::I420,
                width,
                height,
                planes: [&luma, &chroma, &chroma],
                strides: [width, half_w, half_w],
                matrix: Matrix::Bt601,
                full_range: false,
                pixel_aspect: 1.0,
            };
            let mut whole = vec![0.0; WIDTH * HEIGHT * 3];
            picture.sample(&picture.region(), (WIDTH, HEIGHT), [0.0, 1.0], &mut whole).unwrap();
            let mut thin = Vec::new();
            thumbnail(&picture, &mut thin).unwrap().unwrap();
            let off = whole.iter().zip(&thin).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            assert!(off < 0.03, "{width}x{height}: off by {off}");
        }
    }
}
