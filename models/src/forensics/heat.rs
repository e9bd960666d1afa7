// SPDX-License-Identifier: Apache-2.0
//! Where a face looks manipulated, as a picture for people. Not for the hot path: it encodes a JPEG.

use std::io;

use image::{Rgb, RgbImage, codecs::jpeg::JpegEncoder};

use super::{CELLS, FaceCrop, SIDE};
use crate::{Error, Result};

/// How much of the crop still shows under the hottest cell.
const SHOWN: f32 = 0.4;
/// The colour of heat.
const HEAT: [f32; 3] = [255.0, 40.0, 0.0];
/// JPEG's quality, 1..=100: evidence isn't to be blamed for its own compression.
const QUALITY: u8 = 92;

impl FaceCrop {
    /// The crop as it is, and beside it the crop under the map of its [`Score`](super::Score): a JPEG file of twice
    /// [`SIDE`] by [`SIDE`] pixels.
    ///
    /// The colder a cell's logit, the clearer the crop is seen; the hotter, the redder. The scale is absolute, so that a
    /// face without anything odd in it stays clear. A cell covers a sixty-fourth of the crop and what is seen around it:
    /// a hint where to look, and no outline.
    ///
    /// # Errors
    /// [`Error::Io`] when it can't be encoded.
    pub fn evidence(&self, map: &[f32; CELLS * CELLS]) -> Result<Vec<u8>> {
        let side = SIDE as u32;
        let picture = RgbImage::from_fn(2 * side, side, |x, y| {
            let (column, row) = ((x % side) as usize, y as usize);
            let plain = self.pixel(column, row);
            if x < side { Rgb(plain.map(|v| v.round() as u8)) } else { Rgb(under(plain, heat(map, column, row))) }
        });
        let mut file = Vec::new();
        picture
            .write_with_encoder(JpegEncoder::new_with_quality(&mut file, QUALITY))
            .map_err(|error| Error::io("a picture of evidence")(io::Error::other(error)))?;
        Ok(file)
    }

    /// Red, green and blue, 0..=255.
    fn pixel(&self, column: usize, row: usize) -> [f32; 3] {
        [0, 1, 2].map(|plane| 255.0 * self.pixels[plane * SIDE * SIDE + row * SIDE + column])
    }
}

fn under(plain: [f32; 3], heat: f32) -> [u8; 3] {
    let part = (1.0 - SHOWN) * heat;
    [0, 1, 2].map(|i| ((1.0 - part) * plain[i] + part * HEAT[i]).round() as u8)
}

/// 0..=1 at a pixel: the logistic function of the map, bilinear between the centres of its cells.
fn heat(map: &[f32; CELLS * CELLS], column: usize, row: usize) -> f32 {
    let place = |pixel: usize| {
        let at = ((pixel as f32 + 0.5) * CELLS as f32 / SIDE as f32 - 0.5).clamp(0.0, (CELLS - 1) as f32);
        (at as usize, (at as usize + 1).min(CELLS - 1), at.fract())
    };
    let ((left, right, x), (upper, lower, y)) = (place(column), place(row));
    let line = |row: usize| map[row * CELLS + left] * (1.0 - x) + map[row * CELLS + right] * x;
    1.0 / (1.0 + (-(line(upper) * (1.0 - y) + line(lower) * y)).exp())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hot_cell_is_red_and_the_cold_ones_are_clear() {
        let crop = FaceCrop { pixels: vec![0.5; 3 * SIDE * SIDE], padding: 0.0, side_px: 100.0 };
        let mut map = [-20.0; CELLS * CELLS];
        map[2 * CELLS + 5] = 20.0;
        let file = crop.evidence(&map).unwrap();
        let picture = image::load_from_memory(&file).unwrap().to_rgb8();
        assert_eq!(picture.dimensions(), (256, 128));
        let [hot, cold, plain] = [(128 + 88, 40), (128 + 20, 100), (88, 40)].map(|(x, y)| picture.get_pixel(x, y).0);
        let grey = |pixel: [u8; 3]| pixel.iter().all(|v| v.abs_diff(128) < 12);
        assert!(hot[0] > 180 && hot[1] < 100, "{hot:?}");
        assert!(grey(cold) && grey(plain), "{cold:?} {plain:?}");
    }
}
