// SPDX-License-Identifier: Apache-2.0
//! A still that moves through a larger picture: what a face crop is to a live encoder. A crop alone, encoded at the
//! rate of a stream, is near lossless and proves nothing.

use image::{RgbImage, imageops};
use polygraph_core::evaluation::Random;

use super::still::{Area, Planes};

/// Size of the picture.
pub const SIZE: (usize, usize) = (640, 360);
/// Pictures of an item, at 25 a second.
pub const PICTURES: usize = 15;
/// From picture to picture.
pub const STEP_NS: u64 = 40_000_000;
/// The still's longer side in the picture, at most.
const LARGEST: f32 = 216.0;
/// Growth from the first picture to the last.
const GROWTH: f32 = 0.10;
/// Way from the first picture to the last, in pixels.
const WAY: [f32; 2] = [56.0, 24.0];
/// Shades of the texture's coarsest layer; each layer is twice as fine and half as strong.
const STRENGTH: f32 = 80.0;
/// Layers of the texture.
const LAYERS: usize = 6;

/// A textured background, the same for all items: value noise of six octaves in three colours.
pub struct Stage {
    background: Planes,
}

impl Stage {
    /// Paints it.
    pub fn new() -> Self {
        let (width, height) = SIZE;
        let mut random = Random::new(360);
        let mut picture = vec![[120.0f32; 3]; width * height];
        for layer in 0..LAYERS {
            let cell = 96 >> layer;
            let columns = width / cell + 2;
            let grid: Vec<[f32; 3]> = (0..columns * (height / cell + 2))
                .map(|_| std::array::from_fn(|_| STRENGTH / (1 << layer) as f32 * (2.0 * random.unit() as f32 - 1.0)))
                .collect();
            for (at, pixel) in picture.iter_mut().enumerate() {
                let (x, y) = ((at % width) as f32 / cell as f32, (at / width) as f32 / cell as f32);
                let corner = |dx: usize, dy: usize| grid[(y as usize + dy) * columns + x as usize + dx];
                for (channel, value) in pixel.iter_mut().enumerate() {
                    let mix = |a: f32, b: f32, t: f32| a + (b - a) * t;
                    let upper = mix(corner(0, 0)[channel], corner(1, 0)[channel], x.fract());
                    let lower = mix(corner(0, 1)[channel], corner(1, 1)[channel], x.fract());
                    *value += mix(upper, lower, y.fract());
                }
            }
        }
        let bytes = picture.into_iter().flatten().map(|value| value as u8).collect();
        let picture = RgbImage::from_raw(width as u32, height as u32, bytes).unwrap_or_default();
        Self { background: Planes::of(&picture) }
    }
}

/// A still on its way.
pub struct Actor {
    still: Planes,
    /// Of the middle picture, to the still's own size.
    scale: f32,
    start: [f32; 2],
    way: [f32; 2],
}

impl Actor {
    /// `number` chooses where it starts and which way it goes.
    pub fn new(still: &RgbImage, number: usize) -> Self {
        // More than twice too large would alias under bilinear sampling.
        let longer = still.width().max(still.height()) as f32;
        let scale = (LARGEST / longer).min(1.0);
        let still = if scale < 0.5 {
            let side = |length: u32| ((length as f32 * scale) as u32).max(16);
            &imageops::resize(still, side(still.width()), side(still.height()), imageops::FilterType::Triangle)
        } else {
            still
        };
        let scale = (LARGEST / still.width().max(still.height()) as f32).min(1.0);
        let still = Planes::of(still);
        let mut random = Random::new(number as u64);
        let sign = |random: &mut Random| if random.bits() & 1 == 0 { 1.0 } else { -1.0 };
        let way = WAY.map(|way| way * sign(&mut random));
        let largest = scale * (1.0 + GROWTH / 2.0);
        let (w, h) = (still.width as f32 * largest, still.height as f32 * largest);
        let mut from = |room: f32, way: f32| {
            let free = room - way.abs() - 4.0;
            2.0 + random.unit() as f32 * free.max(0.0) + (-way).max(0.0)
        };
        let start = [from(SIZE.0 as f32 - w, way[0]), from(SIZE.1 as f32 - h, way[1])];
        Self { still, scale, start, way }
    }

    /// Picture `number` of [`PICTURES`], and where the still lies in it.
    pub fn picture(&self, stage: &Stage, number: usize) -> (Planes, Area) {
        let along = number as f32 / (PICTURES - 1) as f32;
        let scale = self.scale * (1.0 + GROWTH * (along - 0.5));
        let [x, y] = [0, 1].map(|axis| self.start[axis] + self.way[axis] * along);
        let mut planes = stage.background.clone();
        for plane in 0..3 {
            let half = plane.min(1); // Chroma has half the size.
            let of = Plane { data: &self.still.data[plane], width: self.still.width >> half };
            let by = 1.0 / (1 << half) as f32;
            paste(&of, &mut planes.data[plane], SIZE.0 >> half, [x * by, y * by], scale);
        }
        let length = |side: usize| (side as f32 * scale) as usize;
        let area = Area { x: x as usize, y: y as usize, w: length(self.still.width), h: length(self.still.height) };
        (planes, area)
    }
}

struct Plane<'a> {
    data: &'a [u8],
    width: usize,
}

/// Draws a plane with its top left corner at `at`, bilinear.
fn paste(of: &Plane<'_>, onto: &mut [u8], stride: usize, [left, top]: [f32; 2], scale: f32) {
    let (width, height) = (of.width, of.data.len() / of.width);
    let rows = onto.len() / stride;
    let range = |from: f32, length: usize, most: usize| {
        (from.ceil().max(0.0) as usize)..((from + length as f32 * scale).ceil() as usize).min(most)
    };
    // Sample positions with pixel centres at one half; edges are repeated.
    let sample = |at: usize, from: f32, length: usize| {
        let place = ((at as f32 + 0.5 - from) / scale - 0.5).clamp(0.0, (length - 1) as f32);
        (place as usize, (place as usize + 1).min(length - 1), place.fract())
    };
    let columns: Vec<_> = range(left, width, stride).map(|x| (x, sample(x, left, width))).collect();
    for y in range(top, height, rows) {
        let (upper, lower, down) = sample(y, top, height);
        let [upper, lower] = [upper, lower].map(|row| &of.data[row * width..][..width]);
        for (x, (one, other, across)) in &columns {
            let mix = |row: &[u8]| {
                let (a, b) = (f32::from(row[*one]), f32::from(row[*other]));
                a + (b - a) * across
            };
            let (a, b) = (mix(upper), mix(lower));
            onto[y * stride + x] = (a + (b - a) * down + 0.5) as u8;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_still_stays_in_the_picture_and_moves() {
        let stage = Stage::new();
        for (size, number) in [((224, 224), 0), ((100, 80), 1), ((1500, 900), 2), ((90, 260), 3), ((224, 224), 4)] {
            let still = RgbImage::from_pixel(size.0, size.1, image::Rgb([255, 0, 0]));
            let actor = Actor::new(&still, number);
            let mut places = Vec::new();
            for picture in 0..PICTURES {
                let (planes, area) = actor.picture(&stage, picture);
                assert!(area.x + area.w <= SIZE.0 && area.y + area.h <= SIZE.1, "{size:?}: {area:?}");
                let luma = planes.data[0][(area.y + area.h / 2) * SIZE.0 + area.x + area.w / 2];
                assert_eq!(luma, 81, "{size:?}: no red at {area:?}");
                places.push(area);
            }
            assert!(places[0].x.abs_diff(places[PICTURES - 1].x) >= 50);
            assert!(places[PICTURES - 1].w > places[0].w);
        }
    }

    #[test]
    fn the_background_has_texture() {
        let stage = Stage::new();
        let luma = &stage.background.data[0];
        let steps: f64 = luma.windows(2).map(|pair| f64::from(pair[0].abs_diff(pair[1]))).sum();
        assert!(steps / luma.len() as f64 > 0.5, "{}", steps / luma.len() as f64);
    }
}
