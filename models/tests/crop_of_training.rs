// SPDX-License-Identifier: Apache-2.0
//! The crop that the network sees is the crop that it was trained on: `tests/data/crop` holds what the training's code made
//! of a public-domain portrait (`models/training/polytrain/fixture.py`), by way of RGB; here it is made from Y'CbCr.
#![allow(clippy::unwrap_used, reason = "a panic in a test's helper is the report too")]

use polygraph_models::picture::{Matrix, Picture, PixelFormat, Square};
use serde::Deserialize;

/// Side of the portrait in pixels.
const SIDE: usize = 256;
/// Side of a crop in pixels.
const CROP: usize = 128;
/// Part of the detector's box that the crop takes.
const SCALE: f64 = 0.95;

#[derive(Deserialize)]
struct Example {
    name: String,
    /// `[x, y, w, h]` in pixels.
    #[serde(rename = "box")]
    rect: [f32; 4],
    /// Right eye, left eye, in pixels.
    eyes: [[f32; 2]; 2],
    /// Rows of RGB bytes, hexadecimal.
    rgb: String,
}

impl Example {
    /// Planes R, G, B in 0..1.
    fn tensor(&self) -> Vec<f32> {
        let bytes: Vec<u8> =
            (0..self.rgb.len()).step_by(2).map(|at| u8::from_str_radix(&self.rgb[at..at + 2], 16).unwrap()).collect();
        (0..3).flat_map(|plane| bytes.iter().skip(plane).step_by(3).map(|byte| f32::from(*byte) / 255.0)).collect()
    }
}

/// The product's crop of an example, and the part of it that lies outside of the portrait.
fn product(example: &Example, planes: &[u8]) -> (Vec<f32>, f32) {
    let (luma, chroma) = planes.split_at(SIDE * SIDE);
    let (cb, cr) = chroma.split_at(SIDE * SIDE / 4);
    let picture = Picture {
        format: PixelFormat::I420,
        width: SIDE,
        height: SIDE,
        planes: [luma, cb, cr],
        strides: [SIDE, SIDE / 2, SIDE / 2],
        matrix: Matrix::Bt601,
        full_range: false,
        pixel_aspect: 1.0,
    };
    let part = |pixels: f32| pixels / SIDE as f32;
    let [right, left] = example.eyes.map(|eye| eye.map(part));
    let square = Square::of_face(&picture, example.rect.map(part), right, left, SCALE);
    let mut out = vec![0.0; 3 * CROP * CROP];
    let padding = picture.crop(&square, CROP, &mut out).unwrap();
    (out, padding)
}

#[test]
fn the_product_crops_as_the_training_does() {
    let planes = include_bytes!("data/crop/portrait.i420");
    let examples: Vec<Example> = serde_json::from_str(include_str!("data/crop/crops.json")).unwrap();
    assert_eq!(examples.len(), 4);
    for example in &examples {
        let (found, padding) = product(example, planes);
        let mut apart: Vec<f32> = found.iter().zip(example.tensor()).map(|(a, b)| (a - b).abs() * 255.0).collect();
        apart.sort_by(f32::total_cmp);
        let mean = apart.iter().sum::<f32>() / apart.len() as f32;
        let most = apart[apart.len() * 99 / 100];
        // OpenCV rounds to bytes after each step and takes each colour sample for four pixels; that much may differ.
        assert!(mean < 1.5 && most < 8.0, "{}: {mean} of 255 in the mean, 99 % under {most}", example.name);
        assert_eq!(padding > 0.01, example.name.contains("over the edge"), "{}: {padding}", example.name);
    }
}

#[test]
fn another_angle_is_another_crop() {
    let planes = include_bytes!("data/crop/portrait.i420");
    let examples: Vec<Example> = serde_json::from_str(include_str!("data/crop/crops.json")).unwrap();
    let turned = examples.iter().find(|example| example.name.contains("20 degrees")).unwrap();
    let upright = Example { eyes: [[90.0, 60.0], [131.0, 60.0]], name: String::new(), rgb: String::new(), ..*turned };
    let (found, _) = product(&upright, planes);
    let apart = found.iter().zip(turned.tensor()).map(|(a, b)| (a - b).abs() * 255.0).sum::<f32>() / found.len() as f32;
    assert!(apart > 5.0, "the comparison would not notice a turn: {apart}");
}
