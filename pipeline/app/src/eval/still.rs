// SPDX-License-Identifier: Apache-2.0
//! Stills as a decoder would show them: 4:2:0, BT.601, on a grey canvas that leaves room around a face crop.

use std::{fs::File, io::BufReader, path::Path};

use image::{ImageReader, Limits, RgbImage};

/// Longest side, in pixels, of a still that is taken for a face crop and gets a canvas of twice its size, so that the
/// detector has to find the face. A larger one is a photo and is shown as it is.
const LARGEST_CROP: u32 = 512;
/// A canvas is a multiple of this each way, so that crops of many sizes share few pipelines.
const STEP: u32 = 32;
/// A still of more pixels each way is not decoded.
pub const LARGEST: u32 = 8192;
/// What a decoder may take.
const MOST_BYTES: u64 = 512 << 20;
/// Mid grey in R'G'B'.
const GREY: u8 = 128;

/// A rectangle in pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Area {
    /// Left edge.
    pub x: usize,
    /// Top edge.
    pub y: usize,
    /// Width.
    pub w: usize,
    /// Height.
    pub h: usize,
}

/// A picture in planes of 4:2:0, no padding.
#[derive(Clone, Debug)]
pub struct Planes {
    /// Width in pixels, even.
    pub width: usize,
    /// Height in pixels, even.
    pub height: usize,
    /// Luma, then Cb, then Cr.
    pub data: [Vec<u8>; 3],
}

/// Decodes a JPEG or PNG file, whichever its content says it is.
///
/// # Errors
/// One line for a report.
pub fn decode(file: &Path) -> Result<RgbImage, String> {
    let file = File::open(file).map_err(|error| error.to_string())?;
    let mut reader = ImageReader::new(BufReader::new(file)).with_guessed_format().map_err(|error| error.to_string())?;
    let mut limits = Limits::default();
    (limits.max_image_width, limits.max_image_height) = (Some(LARGEST), Some(LARGEST));
    limits.max_alloc = Some(MOST_BYTES);
    reader.limits(limits);
    let picture = reader.decode().map_err(|error| error.to_string())?.to_rgb8();
    if picture.width() < 16 || picture.height() < 16 {
        return Err(format!("{}x{} pixels are too few", picture.width(), picture.height()));
    }
    Ok(picture)
}

/// The size of the canvas for a still of that size.
pub fn canvas(width: u32, height: u32) -> (u32, u32) {
    if width.max(height) <= LARGEST_CROP {
        return ((2 * width).next_multiple_of(STEP), (2 * height).next_multiple_of(STEP));
    }
    (width & !1, height & !1)
}

/// The size of a still by its header alone, for [`canvas`].
pub fn size(file: &Path) -> Option<(u32, u32)> {
    ImageReader::open(file).ok()?.with_guessed_format().ok()?.into_dimensions().ok()
}

/// Puts a still into the middle of its canvas, and says where it lies there.
pub fn on_canvas(still: &RgbImage, (width, height): (u32, u32)) -> (Planes, Area) {
    let mut picture = RgbImage::from_pixel(width, height, image::Rgb([GREY; 3]));
    let x = width.saturating_sub(still.width()) / 2;
    let y = height.saturating_sub(still.height()) / 2;
    image::imageops::overlay(&mut picture, still, x.into(), y.into());
    let (w, h) = (still.width().min(width) as usize, still.height().min(height) as usize);
    (Planes::of(&picture), Area { x: x as usize, y: y as usize, w, h })
}

impl Planes {
    /// Converts R'G'B' to Y'CbCr (ITU-R BT.601, limited range), chroma sited left as in MPEG-2 and H.264: filtered by
    /// 1 2 1 around every second column, and by the mean of two rows. An odd last row or column is left out.
    pub fn of(picture: &RgbImage) -> Self {
        let (width, height) = (picture.width() as usize & !1, picture.height() as usize & !1);
        let stride = 3 * picture.width() as usize;
        let pixels = picture.as_raw();
        let mut luma = Vec::with_capacity(width * height);
        for y in 0..height {
            let row = &pixels[y * stride..][..3 * width];
            luma.extend(row.as_chunks::<3>().0.iter().map(|rgb| ycbcr(rgb.map(f32::from))[0]));
        }
        let (mut cb, mut cr) = (Vec::with_capacity(width * height / 4), Vec::with_capacity(width * height / 4));
        for y in (0..height).step_by(2) {
            let rows = [&pixels[y * stride..][..3 * width], &pixels[(y + 1) * stride..][..3 * width]];
            for x in (0..width).step_by(2) {
                let around = [x.saturating_sub(1), x, x, (x + 1).min(width - 1)];
                let mean = std::array::from_fn(|channel| {
                    let sum = |row: &[u8]| around.iter().map(|x| f32::from(row[3 * x + channel])).sum::<f32>();
                    (sum(rows[0]) + sum(rows[1])) / 8.0
                });
                let [_, b, r] = ycbcr(mean);
                cb.push(b);
                cr.push(r);
            }
        }
        Self { width, height, data: [luma, cb, cr] }
    }
}

fn ycbcr([r, g, b]: [f32; 3]) -> [u8; 3] {
    let y = 0.299 * r + 0.587 * g + 0.114 * b;
    let luma = 16.0 + y * 219.0 / 255.0;
    let cb = 128.0 + (b - y) / 1.772 * 224.0 / 255.0;
    let cr = 128.0 + (r - y) / 1.402 * 224.0 / 255.0;
    // A float becomes the nearest byte; casts saturate.
    [luma, cb, cr].map(|value| (value + 0.5) as u8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colour_bars_are_those_of_bt_601() {
        assert_eq!(ycbcr([255.0; 3]), [235, 128, 128]);
        assert_eq!(ycbcr([0.0; 3]), [16, 128, 128]);
        assert_eq!(ycbcr([255.0, 0.0, 0.0]), [81, 90, 240]);
        assert_eq!(ycbcr([0.0, 0.0, 255.0]), [41, 240, 110]);
    }

    #[test]
    fn a_crop_gets_room_and_a_photo_none() {
        assert_eq!(canvas(224, 224), (448, 448));
        assert_eq!(canvas(223, 217), (448, 448));
        assert_eq!(canvas(1921, 1080), (1920, 1080));
    }

    #[test]
    fn the_still_lies_in_the_middle_of_grey() {
        let still = RgbImage::from_pixel(100, 60, image::Rgb([255; 3]));
        let (planes, area) = on_canvas(&still, canvas(100, 60));
        assert_eq!((planes.width, planes.height), (224, 128));
        assert_eq!(area, Area { x: 62, y: 34, w: 100, h: 60 });
        let luma = |x: usize, y: usize| planes.data[0][y * planes.width + x];
        assert_eq!([luma(62, 34), luma(161, 93)], [235, 235]);
        assert_eq!([luma(61, 34), luma(162, 93), luma(0, 0)], [126; 3]);
        assert_eq!(planes.data.each_ref().map(Vec::len), [224 * 128, 112 * 64, 112 * 64]);
    }

    #[test]
    fn what_is_no_picture_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.png");
        std::fs::write(&file, b"\x89PNG\r\n\x1a\nnothing of it").unwrap();
        assert!(decode(&file).is_err());
        std::fs::write(&file, "").unwrap();
        assert!(decode(&file).is_err() && size(&file).is_none());
        RgbImage::new(4, 4).save(&file).unwrap();
        assert!(decode(&file).unwrap_err().contains("too few"));
    }
}
