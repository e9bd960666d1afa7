// SPDX-License-Identifier: Apache-2.0
//! What the network for scenes sees and says in the product is what it saw and said in training: `tests/data/scene` holds a
//! public-domain portrait, squeezed by the training's code, and what PyTorch said of it
//! (`models/training/polytrain/scene/fixture.py`).
#![allow(clippy::unwrap_used, reason = "a panic in a test's helper is the report too")]

mod common;

use common::engine;
use polygraph_models::{
    card,
    picture::{Matrix, Picture, PixelFormat},
    scene::{CARD, SIDE, SceneNetwork, ScenePicture},
};
use serde::Deserialize;

const WIDTH: usize = 320;
const HEIGHT: usize = 180;

#[derive(Deserialize)]
struct Answer {
    /// Log-probabilities.
    groups: Vec<f32>,
    /// Logit.
    indoor: f32,
    embedding: Vec<f32>,
}

fn squeezed() -> ScenePicture {
    let planes = include_bytes!("data/scene/portrait.i420");
    let (luma, chroma) = planes.split_at(WIDTH * HEIGHT);
    let (cb, cr) = chroma.split_at(WIDTH * HEIGHT / 4);
    let picture = Picture {
        format: PixelFormat::I420,
        width: WIDTH,
        height: HEIGHT,
        planes: [luma, cb, cr],
        strides: [WIDTH, WIDTH / 2, WIDTH / 2],
        matrix: Matrix::Bt601,
        full_range: false,
        pixel_aspect: 1.0,
    };
    ScenePicture::new(&picture).unwrap()
}

#[test]
fn the_product_squeezes_a_picture_as_the_training_does() {
    let wanted = include_bytes!("data/scene/squeezed.rgb");
    let found = squeezed();
    let value = |plane: usize, at: usize| found.pixels()[plane * SIDE * SIDE + at];
    let mut apart: Vec<f32> =
        wanted.iter().enumerate().map(|(n, byte)| (value(n % 3, n / 3) * 255.0 - f32::from(*byte)).abs()).collect();
    apart.sort_by(f32::total_cmp);
    let mean = apart.iter().sum::<f32>() / apart.len() as f32;
    let most = apart[apart.len() * 99 / 100];
    assert!(mean < 1.5 && most < 10.0, "{mean} of 255 in the mean, 99 % under {most}");
    let turned = |n: usize| value(n % 3, (n / 3 % SIDE) * SIDE + n / 3 / SIDE);
    let off = wanted.iter().enumerate().map(|(n, byte)| (turned(n) * 255.0 - f32::from(*byte)).abs()).sum::<f32>();
    assert!(off / wanted.len() as f32 > 10.0, "the comparison would not notice rows that are columns");
}

#[test]
fn the_product_says_what_the_training_says() {
    let wanted: Answer = serde_json::from_str(include_str!("data/scene/answer.json")).unwrap();
    let network = SceneNetwork::load(&engine()).unwrap();
    let seen = network.look(&squeezed()).unwrap();
    let scene = network.scene().unwrap();
    let (scale, ..) = card(CARD).unwrap().calibration.numbers().unwrap();
    let powers: Vec<f64> = wanted.groups.iter().map(|log| (scale * f64::from(*log)).exp()).collect();
    let sum: f64 = powers.iter().sum();
    // Bytes between OpenCV's steps, and another path of colour, cost that much.
    for (found, wanted) in seen.groups.iter().zip(&powers) {
        assert!((f64::from(*found) - wanted / sum).abs() < 0.06, "{:?} {powers:?}", seen.groups);
    }
    let indoor = 1.0 / (1.0 + (-(scene.place_scale * wanted.indoor + scene.place_offset)).exp());
    assert!((seen.indoor - indoor).abs() < 0.06, "{} {indoor}", seen.indoor);
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>();
    let (a, b) = (&seen.embedding, &wanted.embedding);
    let cosine = dot(a, b) / (dot(a, a) * dot(b, b)).sqrt();
    assert!(cosine > 0.97, "{cosine}");
    assert!((seen.groups.iter().sum::<f32>() - 1.0).abs() < 1e-4);
}
