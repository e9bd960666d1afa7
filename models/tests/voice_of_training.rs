// SPDX-License-Identifier: Apache-2.0
//! What the network for voices hears is what it was trained on: `tests/data/voice` holds what the training's code made of
//! some pulses (`models/training/polytrain/voice/fixture.py`); here the product's front end makes it.
#![allow(clippy::unwrap_used, reason = "a panic in a test's helper is the report too")]

use polygraph_models::voice::{CELLS, Stretch};
use serde::Deserialize;

#[derive(Deserialize)]
struct Example {
    /// 16 bit samples, hexadecimal.
    samples: String,
    wave_step: usize,
    wave: Vec<f32>,
    bands_step: usize,
    bands: Vec<f32>,
}

#[test]
fn the_product_hears_as_the_training_does() {
    let example: Example = serde_json::from_str(include_str!("data/voice/pulses.json")).unwrap();
    let sample = |at: usize| u16::from_str_radix(&example.samples[at..at + 4], 16).unwrap() as i16;
    let samples: Vec<f32> = (0..example.samples.len()).step_by(4).map(|at| f32::from(sample(at)) / 32_768.0).collect();
    let stretch = Stretch::new(&samples).unwrap();
    assert_eq!(stretch.wave().len(), samples.len());
    assert_eq!(stretch.bands().len(), (samples.len() / 160 + 1) * CELLS);
    let farthest = |ours: &[f32], step: usize, theirs: &[f32]| {
        let ours: Vec<f32> = ours.iter().step_by(step).copied().collect();
        assert_eq!(ours.len(), theirs.len());
        ours.iter().zip(theirs).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
    };
    // The level is 0.05; band values go from -9 to 6.
    let (wave, bands) = (
        farthest(stretch.wave(), example.wave_step, &example.wave),
        farthest(stretch.bands(), example.bands_step, &example.bands),
    );
    assert!(wave < 2e-5 && bands < 0.02, "the farthest are {wave} and {bands} apart");
}
