// SPDX-License-Identifier: Apache-2.0
//! The squares of a picture that the network looks at, one call each.

use super::{Detection, SIDE};
use crate::picture::{Picture, Region};

/// Side of a tile, as a part of the picture's shorter side: six tiles for 16:9.
const TILE: f64 = 2.0 / 3.0;
/// The least part of a tile that its neighbour shows too. A face bigger than that is big enough for the view of the
/// whole picture.
const OVERLAP: f64 = 1.0 / 6.0;
/// Pictures whose shorter side is longer are also looked at in tiles of half that side.
const MANY_LINES: f64 = 1440.0;

/// One square of the picture.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct View {
    /// The square, in pixels. It isn't square where the pixels aren't.
    pub region: Region,
    /// The picture's size in pixels.
    size: [f64; 2],
}

/// The whole picture, letterboxed; then its tiles, if they are wanted and show more than the whole.
pub(super) fn views(picture: &Picture<'_>, tiles: bool) -> Vec<View> {
    let size = [picture.width as f64, picture.height as f64];
    let aspect = f64::from(picture.pixel_aspect);
    // In units of a pixel's height a square is a square.
    let shown = [size[0] * aspect, size[1]];
    let view =
        |x: f64, y: f64, side: f64| View { region: Region { x: x / aspect, y, w: side / aspect, h: side }, size };
    let whole = shown[0].max(shown[1]);
    let mut views = vec![view((shown[0] - whole) / 2.0, (shown[1] - whole) / 2.0, whole)];
    let side = TILE * shown[0].min(shown[1]);
    // Tiles smaller than the network's input would only be blown up.
    if tiles && side >= SIDE as f64 {
        views.extend(tile(shown, side).map(|[x, y]| view(x, y, side)));
        if shown[0].min(shown[1]) > MANY_LINES {
            views.extend(tile(shown, side / 2.0).map(|[x, y]| view(x, y, side / 2.0)));
        }
    }
    views
}

/// Top left corners of the tiles.
fn tile(shown: [f64; 2], side: f64) -> impl Iterator<Item = [f64; 2]> {
    let [columns, rows] = shown.map(|length| {
        let count = ((length - side) / (side * (1.0 - OVERLAP)) - 1e-6).ceil().max(0.0) as usize + 1;
        let step = if count > 1 { (length - side) / (count - 1) as f64 } else { 0.0 };
        (0..count).map(move |at| at as f64 * step)
    });
    rows.flat_map(move |y| columns.clone().map(move |x| [x, y]))
}

impl View {
    /// Whether a detection, in 0..1 of the view, isn't cut off by an edge behind which the picture goes on. A face
    /// that is cut is seen whole by another view, and half a face makes a wrong box.
    pub fn shows_whole(&self, seen: &Detection) -> bool {
        let Region { x, y, w, h } = self.region;
        let [left, top, width, height] = seen.rect.map(f64::from);
        // Half a pixel of tolerance: the corners of tiles are fractions.
        let inside = |from: f64, length: f64, origin: f64, side: f64, limit: f64| {
            (from >= 0.0 || origin <= 0.5) && (from + length <= 1.0 || origin + side >= limit - 0.5)
        };
        inside(left, width, x, w, self.size[0]) && inside(top, height, y, h, self.size[1])
    }

    /// Turns 0..1 of the view into 0..1 of the picture.
    pub fn to_picture(self, seen: &Detection) -> Detection {
        let Region { x, y, w, h } = self.region;
        let map = |at: f32, origin: f64, side: f64, size: f64| ((origin + f64::from(at) * side) / size) as f32;
        let [left, top, width, height] = seen.rect;
        Detection {
            rect: [
                map(left, x, w, self.size[0]),
                map(top, y, h, self.size[1]),
                map(width, 0.0, w, self.size[0]),
                map(height, 0.0, h, self.size[1]),
            ],
            points: seen.points.map(|[px, py]| [map(px, x, w, self.size[0]), map(py, y, h, self.size[1])]),
            score: seen.score,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::picture::{Matrix, PixelFormat};

    fn of(width: usize, height: usize, pixel_aspect: f32, tiles: bool) -> Vec<View> {
        let (format, matrix) = (PixelFormat::I420, Matrix::Bt709);
        let (planes, strides) = ([&[] as &[u8]; 3], [0; 3]);
        views(&Picture { format, width, height, planes, strides, matrix, full_range: false, pixel_aspect }, tiles)
    }

    #[test]
    fn the_whole_is_letterboxed_either_way() {
        assert_eq!(of(1280, 720, 1.0, false)[0].region, Region { x: 0.0, y: -280.0, w: 1280.0, h: 1280.0 });
        assert_eq!(of(720, 1280, 1.0, false)[0].region, Region { x: -280.0, y: 0.0, w: 1280.0, h: 1280.0 });
        // PAL at 16:9: 720 pixels that are 64/45 wide.
        let pal = of(720, 576, 64.0 / 45.0, false)[0].region;
        assert!((pal.h - 1024.0).abs() < 1e-3 && (pal.w - 720.0).abs() < 1e-3 && pal.x.abs() < 1e-3, "{pal:?}");
    }

    #[test]
    fn tiles_cover_the_picture_and_overlap() {
        for (width, height, count) in [
            (1280, 720, 1 + 3 * 2),
            (720, 1280, 1 + 3 * 2),
            (640, 640, 1 + 2 * 2),
            (360, 288, 1),
            (3840, 2160, 1 + 3 * 2 + 7 * 4),
        ] {
            let views = of(width, height, 1.0, true);
            assert_eq!(views.len(), count, "{width}x{height}");
            for view in &views[1..] {
                let Region { x, y, w, h } = view.region;
                assert!(x >= 0.0 && y >= 0.0 && x + w <= width as f64 + 1e-6 && y + h <= height as f64 + 1e-6);
            }
        }
        let corners: Vec<_> = of(1280, 720, 1.0, true)[1..].iter().map(|v| (v.region.x, v.region.y)).collect();
        assert_eq!(corners, [(0.0, 0.0), (400.0, 0.0), (800.0, 0.0), (0.0, 240.0), (400.0, 240.0), (800.0, 240.0)]);
    }

    #[test]
    fn a_face_cut_by_an_inner_edge_is_left_to_another_view() {
        let [whole, left, _, right, ..] = of(1280, 720, 1.0, true)[..] else { panic!("six tiles") };
        let at = |x: f32| Detection { rect: [x, 0.4, 0.2, 0.2], points: [[x, 0.5]; 6], score: 0.9 };
        assert!(left.shows_whole(&at(-0.1)), "the picture's own edge cuts for everybody");
        assert!(!left.shows_whole(&at(0.9)));
        assert!(!right.shows_whole(&at(-0.1)));
        assert!(right.shows_whole(&at(0.9)) && right.shows_whole(&at(0.4)));
        assert!(whole.shows_whole(&at(-0.1)) && whole.shows_whole(&at(0.9)));
    }

    #[test]
    fn a_detection_goes_back_to_its_place_in_the_picture() {
        let [_, _, _, right, ..] = of(1280, 720, 1.0, true)[..] else { panic!("six tiles") };
        let seen = Detection { rect: [0.5, 0.25, 0.1, 0.2], points: [[1.0, 0.0]; 6], score: 0.9 };
        let face = right.to_picture(&seen);
        let want = [1040.0 / 1280.0, 120.0 / 720.0, 48.0 / 1280.0, 96.0 / 720.0];
        assert!(face.rect.iter().zip(want).all(|(a, b)| (a - b).abs() < 1e-6), "{face:?}");
        assert_eq!(face.points[0], [1.0, 0.0]);
    }
}
