// SPDX-License-Identifier: Apache-2.0
//! Media and networks for the tests; `./dev test` fetches both.

// Each test file uses its own part of this.
#![allow(dead_code, clippy::unwrap_used)]

use std::{path::PathBuf, sync::Arc};

use image::{RgbImage, imageops};
use polygraph_models::{
    Engine, Provider,
    picture::{Matrix, Picture, PixelFormat},
    store::Store,
};

pub fn engine() -> Arc<Engine> {
    Engine::shared(Provider::Cpu).unwrap()
}

/// A test medium; `./dev test` puts it there.
pub fn media(name: &str) -> PathBuf {
    let path = Store::default_dir().join("media").join(name);
    assert!(path.exists(), "{} is missing; `./dev test` fetches it", path.display());
    path
}

/// The portrait of an astronaut that scikit-image carries, 512x512.
pub fn astronaut() -> RgbImage {
    image::open(media("astronaut.png")).unwrap().to_rgb8()
}

/// The astronaut's face as a person would frame it: `[x, y, w, h]`, from the eyebrows to the chin.
pub const FACE: [f32; 4] = [0.336, 0.145, 0.205, 0.205];

/// Grey with some structure.
pub fn backdrop(width: u32, height: u32) -> RgbImage {
    RgbImage::from_fn(width, height, |x, y| image::Rgb([100 + (x / 16 % 20) as u8, 110 + (y / 16 % 20) as u8, 120]))
}

/// The astronaut scaled so that the face is `face` pixels high, on a backdrop, the face's centre at `at`.
pub fn pasted(size: (u32, u32), face: f32, at: (f32, f32)) -> RgbImage {
    let mut picture = backdrop(size.0, size.1);
    let side = face / FACE[3];
    let portrait = imageops::resize(&astronaut(), side as u32, side as u32, imageops::FilterType::Triangle);
    let left = at.0 - side * (FACE[0] + FACE[2] / 2.0);
    let top = at.1 - side * (FACE[1] + FACE[3] / 2.0);
    imageops::overlay(&mut picture, &portrait, left as i64, top as i64);
    picture
}

/// An I420 picture with its own memory, BT.709, limited range.
pub struct Yuv {
    size: (usize, usize),
    planes: [Vec<u8>; 3],
}

impl Yuv {
    pub fn new(rgb: &RgbImage) -> Self {
        let size = (rgb.width() as usize, rgb.height() as usize);
        let chroma = (size.0.div_ceil(2), size.1.div_ceil(2));
        let luma = |p: &image::Rgb<u8>| {
            let [r, g, b] = p.0.map(|v| f32::from(v) / 255.0);
            (0.2126 * r + 0.7152 * g + 0.0722 * b, r, b)
        };
        let side = |pick: fn((f32, f32, f32)) -> f32| {
            let mut plane = Vec::with_capacity(chroma.0 * chroma.1);
            for y in 0..chroma.1 {
                for x in 0..chroma.0 {
                    let pixel = rgb.get_pixel(2 * x as u32, 2 * y as u32);
                    plane.push((128.5 + 224.0 * pick(luma(pixel))) as u8);
                }
            }
            plane
        };
        let planes = [
            rgb.pixels().map(|p| (16.5 + 219.0 * luma(p).0) as u8).collect(),
            side(|(y, _, b)| (b - y) / 1.8556),
            side(|(y, r, _)| (r - y) / 1.5748),
        ];
        Self { size, planes }
    }

    pub fn picture(&self) -> Picture<'_> {
        let chroma = self.size.0.div_ceil(2);
        Picture {
            format: PixelFormat::I420,
            width: self.size.0,
            height: self.size.1,
            planes: [&self.planes[0], &self.planes[1], &self.planes[2]],
            strides: [self.size.0, chroma, chroma],
            matrix: Matrix::Bt709,
            full_range: false,
            pixel_aspect: 1.0,
        }
    }
}
