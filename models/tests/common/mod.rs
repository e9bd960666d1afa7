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

/// The passage of A Tale of Two Cities that the Moonshine package carries, 44 s at 16 kHz.
pub fn two_cities() -> Vec<f32> {
    let mut reader = hound::WavReader::open(media("two_cities.wav")).unwrap();
    assert_eq!((reader.spec().sample_rate, reader.spec().channels), (48_000, 1));
    let wave: Vec<f32> = reader.samples::<i16>().map(|sample| f32::from(sample.unwrap()) / 32_768.0).collect();
    third(&wave)
}

/// A third of the rate, behind a windowed-sinc low-pass filter.
fn third(wave: &[f32]) -> Vec<f32> {
    const HALF: isize = 36;
    let tap = |i: isize| {
        let x = i as f32 * std::f32::consts::PI / 3.3;
        let window = 0.5 + 0.5 * (std::f32::consts::PI * i as f32 / (HALF + 1) as f32).cos();
        if i == 0 { window / 3.3 } else { window * x.sin() / x / 3.3 }
    };
    let taps: Vec<f32> = (-HALF..=HALF).map(tap).collect();
    let at = |centre: usize| {
        let sample = |i: isize| usize::try_from(centre as isize + i).ok().and_then(|i| wave.get(i)).unwrap_or(&0.0);
        taps.iter().zip(-HALF..=HALF).map(|(tap, i)| tap * sample(i)).sum()
    };
    (0..wave.len()).step_by(3).map(at).collect()
}

/// Deterministic white noise of that peak.
pub fn white_noise(samples: usize, peak: f32) -> Vec<f32> {
    let mut state = 0x2545_F491_4F6C_DD1Du64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        peak * ((state >> 40) as f32 / (1 << 23) as f32 - 1.0)
    };
    (0..samples).map(|_| next()).collect()
}

/// Plucked chords with overtones and a beat, 16 kHz.
pub fn tune(samples: usize) -> Vec<f32> {
    let chords = [[220.0, 277.2, 329.6], [196.0, 246.9, 293.7], [174.6, 220.0, 261.6]];
    let sample = |i: usize| {
        let (t, beat) = (i as f32 / 16_000.0, i / 8_000);
        let decay = (-4.0 * (t % 0.5)).exp();
        let tone = |f: f32, k: f32| (std::f32::consts::TAU * f * k * t).sin() / k;
        let chord = chords[beat % 3].iter().flat_map(|f| [1.0, 2.0, 3.0].map(|k| tone(*f, k))).sum::<f32>();
        0.08 * decay * chord
    };
    (0..samples).map(sample).collect()
}
