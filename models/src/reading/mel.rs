// SPDX-License-Identifier: Apache-2.0
//! What the recogniser hears: log-mel spectra. `models/tests/reading_of_training.rs` holds them against the training's own.

use std::f64::consts::PI;
use std::sync::{Arc, LazyLock};

use realfft::{RealFftPlanner, RealToComplex, num_complex::Complex};

/// Samples of a frame, 20 ms ...
const FRAME: usize = 320;
/// ... and from one to the next.
const HOP: usize = 160;
const BINS: usize = FRAME / 2 + 1;
const BANDS: usize = 40;
/// Values of a step: four frames.
pub const FEATURES: usize = 4 * BANDS;
/// Samples before a step that its first frame begins with.
pub const LEAD: usize = 160;
/// Edges of the lowest and the highest band, in hertz.
const EDGES: [f64; 2] = [60.0, 7600.0];

struct Front {
    forward: Arc<dyn RealToComplex<f32>>,
    window: Vec<f32>,
    /// First bin of each band, and the weights from there on.
    bank: Vec<(usize, Vec<f32>)>,
}

impl Front {
    fn new() -> Self {
        let window = (0..FRAME).map(|n| (0.5 - 0.5 * (2.0 * PI * n as f64 / FRAME as f64).cos()) as f32).collect();
        let mel = |hertz: f64| 2595.0 * (1.0 + hertz / 700.0).log10();
        let [low, high] = EDGES.map(mel);
        let edge =
            |n: usize| 700.0 * (10_f64.powf((low + (high - low) * n as f64 / (BANDS + 1) as f64) / 2595.0) - 1.0);
        let bank = (0..BANDS).map(|band| weights([edge(band), edge(band + 1), edge(band + 2)])).collect();
        Self { forward: RealFftPlanner::new().plan_fft_forward(FRAME), window, bank }
    }
}

/// The triangle of a band over the bins. One that is narrower than a bin is its nearest.
fn weights([low, middle, high]: [f64; 3]) -> (usize, Vec<f32>) {
    let hertz = |bin: usize| bin as f64 * 16_000.0 / FRAME as f64;
    let weight = |bin: usize| ((hertz(bin) - low) / (middle - low)).min((high - hertz(bin)) / (high - middle)).max(0.0);
    let inside: Vec<usize> = (0..BINS).filter(|bin| weight(*bin) > 0.0).collect();
    match inside.first() {
        Some(first) => (*first, inside.iter().map(|bin| weight(*bin) as f32).collect()),
        None => ((middle * FRAME as f64 / 16_000.0).round() as usize, vec![1.0]),
    }
}

/// The features of all whole steps of 640 samples after the first [`LEAD`]: [`FEATURES`] each, frame by frame.
pub fn log_mel(samples: &[f32]) -> Vec<f32> {
    static FRONT: LazyLock<Front> = LazyLock::new(Front::new);
    let front = &*FRONT;
    let steps = samples.len().saturating_sub(LEAD) / super::STEP;
    let mut out = Vec::with_capacity(steps * FEATURES);
    let (mut frame, mut spectrum) = (vec![0.0; FRAME], vec![Complex::new(0.0, 0.0); BINS]);
    for number in 0..steps * 4 {
        let heard = &samples[number * HOP..number * HOP + FRAME];
        frame.iter_mut().zip(heard).zip(&front.window).for_each(|((to, sample), weight)| *to = sample * weight);
        // It fails for buffers of the wrong length only.
        if front.forward.process(&mut frame, &mut spectrum).is_err() {
            spectrum.fill(Complex::new(0.0, 0.0));
        }
        out.extend(front.bank.iter().map(|(first, weights)| {
            let power =
                weights.iter().zip(&spectrum[*first..]).map(|(weight, bin)| weight * bin.norm_sqr()).sum::<f32>();
            (power + 1e-5).ln()
        }));
    }
    out
}
