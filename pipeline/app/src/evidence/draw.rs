// SPDX-License-Identifier: Apache-2.0
//! Boxes around faces, and patches over them.

use gstpolygraph::polyanalyze;
use image::{
    ImageBuffer, ImageFormat, ImageResult, Pixel, PixelWithColorType, Rgb, RgbImage, codecs::jpeg::JpegEncoder,
    imageops,
};
use polygraph_core::geometry::Rect;

/// JPEG quality, of 100.
pub const QUALITY: u8 = 85;
/// The colour of the box of the face that an incident is about, and of the others'.
const BOXES: [Rgb<u8>; 2] = [Rgb([255, 72, 48]), Rgb([235, 235, 235])];
/// What is blurred becomes so many patches wide.
const PATCHES: u32 = 12;
/// Part of a face's box that is blurred beyond each of its edges: hair and ears tell people apart too.
const MARGIN: f32 = 0.25;

/// A JPEG file of a picture.
pub fn jpeg<P>(picture: &ImageBuffer<P, Vec<u8>>, quality: u8) -> ImageResult<Vec<u8>>
where
    P: Pixel<Subpixel = u8> + PixelWithColorType,
{
    let mut file = Vec::new();
    picture.write_with_encoder(JpegEncoder::new_with_quality(&mut file, quality))?;
    Ok(file)
}

/// The picture of a JPEG file.
pub fn read(file: &[u8]) -> ImageResult<RgbImage> {
    Ok(image::load_from_memory_with_format(file, ImageFormat::Jpeg)?.into_rgb8())
}

/// Boxes around faces; that of the track that it is about stands out.
pub fn boxes(picture: &mut RgbImage, faces: &[(u64, Rect)], about: Option<u64>) {
    let (width, height) = (picture.width() as f32, picture.height() as f32);
    // The one that it is about is drawn last, over the others.
    let others = faces.iter().filter(|(track, _)| Some(*track) != about);
    for (track, rect) in others.chain(faces.iter().filter(|(track, _)| Some(*track) == about)) {
        let own = Some(*track) == about;
        let edges = [rect.x * width, rect.y * height, (rect.x + rect.w) * width, (rect.y + rect.h) * height];
        outline(picture, edges, BOXES[usize::from(!own)], if own { 3 } else { 1 });
    }
}

/// Draws a rectangle of lines so many pixels wide, as far as it lies in the picture.
fn outline(picture: &mut RgbImage, [left, top, right, bottom]: [f32; 4], colour: Rgb<u8>, line: i64) {
    let (left, top, right, bottom) = (left as i64, top as i64, right as i64, bottom as i64);
    let mut fill = |xs: std::ops::Range<i64>, ys: std::ops::Range<i64>| {
        let (width, height) = (i64::from(picture.width()), i64::from(picture.height()));
        for y in ys.start.max(0)..ys.end.min(height) {
            for x in xs.start.max(0)..xs.end.min(width) {
                picture.put_pixel(x as u32, y as u32, colour);
            }
        }
    };
    fill(left..right, top..top + line);
    fill(left..right, bottom - line..bottom);
    fill(left..left + line, top..bottom);
    fill(right - line..right, top..bottom);
}

/// Blurs faces, and what is near them.
pub fn hide(picture: &mut RgbImage, faces: impl IntoIterator<Item = Rect>) {
    let (width, height) = (picture.width() as f32, picture.height() as f32);
    for Rect { x, y, w, h } in faces {
        let edge = |at: f32, length: f32| (at * length).clamp(0.0, length) as u32;
        let (left, right) = (edge(x - MARGIN * w, width), edge(x + (1.0 + MARGIN) * w, width));
        let (top, bottom) = (edge(y - MARGIN * h, height), edge(y + (1.0 + MARGIN) * h, height));
        if left < right && top < bottom {
            let part = imageops::crop_imm(picture, left, top, right - left, bottom - top).to_image();
            imageops::replace(picture, &coarse(&part, PATCHES), left.into(), top.into());
        }
    }
}

/// The picture in so many coarse patches from left to right.
pub fn coarse(picture: &RgbImage, patches: u32) -> RgbImage {
    polyanalyze::coarse(picture, patches, (patches * picture.height()).div_ceil(picture.width().max(1)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_box_is_drawn_around_the_face_that_it_is_about() {
        let rect = Rect { x: 0.25, y: 0.25, w: 0.5, h: 0.5 };
        let mut picture = RgbImage::from_pixel(64, 36, Rgb([128; 3]));
        boxes(&mut picture, &[(7, rect)], Some(7));
        assert_eq!(*picture.get_pixel(17, 18), BOXES[0]);
        assert_eq!(picture.get_pixel(32, 18).0, [128; 3], "the face itself is left alone");
        let outside = Rect { x: -2.0, y: 0.5, w: 9.0, h: 9.0 };
        boxes(&mut picture, &[(7, outside)], None);
    }

    #[test]
    fn of_a_hidden_face_no_detail_is_left_and_the_rest_stays() {
        let striped = |x: u32, _| if x.is_multiple_of(2) { Rgb([0; 3]) } else { Rgb([255; 3]) };
        let mut picture = RgbImage::from_fn(320, 180, striped);
        hide(&mut picture, [Rect { x: 0.4, y: 0.2, w: 0.2, h: 0.5 }, Rect { x: 0.95, y: 0.9, w: 0.4, h: 0.4 }]);
        for at in [(160, 80), (161, 80), (130, 40)] {
            assert!(
                picture.get_pixel(at.0, at.1).0[0].abs_diff(127) < 20,
                "{at:?}: {:?}",
                picture.get_pixel(at.0, at.1)
            );
        }
        assert_eq!((picture.get_pixel(20, 80).0[0], picture.get_pixel(21, 80).0[0]), (0, 255));
    }
}
