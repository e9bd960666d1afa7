// SPDX-License-Identifier: Apache-2.0
//! The front end: one long-term spectrum and one level for everybody, and the spectrogram. Number by number what
//! `models/training/polytrain/voice/frontend.py` does; `tests/voice_of_training.rs` holds both together.

use std::f64::consts::PI;
use std::ops::Range;
use std::sync::{Arc, LazyLock};

use realfft::{ComplexToReal, RealFftPlanner, RealToComplex, num_complex::Complex};

use super::RATE;

/// Bands of the spectrogram, each a pair of bins.
pub const CELLS: usize = 128;

const SIZE: usize = 512;
const BINS: usize = SIZE / 2 + 1;
/// Step of the equaliser's frames.
const HOP: usize = 256;
/// Step of the spectrogram's: 10 ms.
const STEP: usize = 160;
/// Sound below and above these is taken away, in hertz.
const LOWEST: f64 = 80.0;
const HIGHEST: f64 = 7600.0;
/// Bands of the equaliser, evenly spaced in mel.
const BANDS: usize = 24;
/// How far the equaliser may go, in decibels.
const MOST_DB: f64 = 18.0;
/// A frame this far under the loudest one is a pause and has no say in the spectrum, in decibels.
const PAUSE_DB: f64 = 35.0;
/// Root mean square of every stretch.
const LEVEL: f64 = 0.05;
/// What is added to power before its logarithm.
const FLOOR: f32 = 1e-4;

/// Windows, bands and transforms, made once.
pub(super) struct Front {
    forward: Arc<dyn RealToComplex<f32>>,
    inverse: Arc<dyn ComplexToReal<f32>>,
    hann: Vec<f32>,
    root: Vec<f32>,
    /// Bins of each band of the equaliser, its centre in hertz.
    bands: Vec<(Range<usize>, f64)>,
}

impl Front {
    /// The one that all share.
    pub(super) fn shared() -> &'static Self {
        static FRONT: LazyLock<Front> = LazyLock::new(Front::new);
        &FRONT
    }

    fn new() -> Self {
        let mut planner = RealFftPlanner::new();
        let hann: Vec<f32> =
            (0..SIZE).map(|n| (0.5 - 0.5 * (2.0 * PI * n as f64 / SIZE as f64).cos()) as f32).collect();
        let mel = |hertz: f64| 1127.0 * (hertz / 700.0).ln_1p();
        let edge = |n: usize| {
            let at = mel(LOWEST) + (mel(HIGHEST) - mel(LOWEST)) * n as f64 / BANDS as f64;
            700.0 * (at / 1127.0).exp_m1()
        };
        let bin = |hertz: f64| (0..BINS).find(|bin| frequency(*bin) >= hertz).unwrap_or(BINS);
        let bands = (0..BANDS).map(|n| (bin(edge(n))..bin(edge(n + 1)), (edge(n) + edge(n + 1)) / 2.0)).collect();
        Self {
            forward: planner.plan_fft_forward(SIZE),
            inverse: planner.plan_fft_inverse(SIZE),
            root: hann.iter().map(|value| value.sqrt()).collect(),
            hann,
            bands,
        }
    }

    /// The sound with everybody's long-term spectrum and level.
    pub(super) fn equalise(&self, sound: &[f32]) -> Vec<f32> {
        let mut spectra = self.spectra(sound, HOP, &self.root);
        let gains = self.gains(&spectra);
        let mut out = vec![0.0f32; spectra.len() * HOP + SIZE];
        let mut piece = vec![0.0f32; SIZE];
        for (at, spectrum) in spectra.iter_mut().enumerate() {
            spectrum.iter_mut().zip(&gains).for_each(|(value, gain)| *value *= *gain);
            // The ends of a real signal's spectrum have no imaginary part; the lengths are the planner's own.
            spectrum[0].im = 0.0;
            spectrum[BINS - 1].im = 0.0;
            if self.inverse.process(spectrum, &mut piece).is_err() {
                continue;
            }
            let into = &mut out[at * HOP..at * HOP + SIZE];
            into.iter_mut()
                .zip(&piece)
                .zip(&self.root)
                .for_each(|((out, made), root)| *out += made * root / SIZE as f32);
        }
        let mut out = out[SIZE / 2..SIZE / 2 + sound.len()].to_vec();
        let power = out.iter().map(|value| f64::from(*value).powi(2)).sum::<f64>() / out.len().max(1) as f64;
        let scale = (LEVEL / (power.sqrt() + 1e-9)) as f32;
        out.iter_mut().for_each(|value| *value *= scale);
        out
    }

    /// Rows of [`CELLS`] values of log power, one for each 10 ms.
    pub(super) fn spectrogram(&self, wave: &[f32]) -> Vec<f32> {
        self.spectra(wave, STEP, &self.hann)
            .iter()
            .flat_map(|spectrum| {
                spectrum[1..].chunks_exact(2).map(|pair| ((pair[0].norm_sqr() + pair[1].norm_sqr()) / 2.0 + FLOOR).ln())
            })
            .collect()
    }

    /// Spectra of windowed frames, the first centred on the first sample, zeros around.
    fn spectra(&self, wave: &[f32], hop: usize, window: &[f32]) -> Vec<Vec<Complex<f32>>> {
        let mut padded = vec![0.0f32; SIZE / 2];
        padded.extend_from_slice(wave);
        padded.resize(SIZE / 2 + wave.len() + SIZE, 0.0);
        let mut frame = vec![0.0f32; SIZE];
        (0..wave.len() / hop + 1)
            .map(|at| {
                let piece = &padded[at * hop..at * hop + SIZE];
                frame.iter_mut().zip(piece).zip(window).for_each(|((to, from), window)| *to = from * window);
                let mut spectrum = vec![Complex::default(); BINS];
                // Lengths are the planner's own, the only thing that can be wrong.
                let done = self.forward.process(&mut frame, &mut spectrum);
                debug_assert!(done.is_ok());
                spectrum
            })
            .collect()
    }

    /// Gain of each bin that brings the frames' mean spectrum to everybody's.
    fn gains(&self, spectra: &[Vec<Complex<f32>>]) -> Vec<f32> {
        let power = |value: &Complex<f32>| f64::from(value.re).powi(2) + f64::from(value.im).powi(2);
        let energies: Vec<f64> = spectra.iter().map(|spectrum| spectrum.iter().map(power).sum()).collect();
        let least = energies.iter().copied().fold(0.0, f64::max) * 10f64.powf(-PAUSE_DB / 10.0);
        let loud: Vec<_> =
            spectra.iter().zip(&energies).filter(|(_, energy)| **energy >= least).map(|(it, _)| it).collect();
        let level = |bins: &Range<usize>| {
            let sum: f64 = loud.iter().flat_map(|spectrum| &spectrum[bins.clone()]).map(power).sum();
            10.0 * (sum / (loud.len() * bins.len()).max(1) as f64 + 1e-12).log10()
        };
        let mut wanted: Vec<f64> = self.bands.iter().map(|(bins, centre)| target(*centre) - level(bins)).collect();
        let mean = wanted.iter().sum::<f64>() / wanted.len() as f64;
        wanted.iter_mut().for_each(|db| *db = (*db - mean).clamp(-MOST_DB, MOST_DB));
        (0..BINS).map(|bin| self.gain(frequency(bin), &wanted)).collect()
    }

    /// Gain at a frequency, between the decibels that the bands' centres want.
    fn gain(&self, hertz: f64, wanted: &[f64]) -> f32 {
        if !(LOWEST..=HIGHEST).contains(&hertz) {
            return 0.0;
        }
        let above = self.bands.partition_point(|(_, centre)| *centre < hertz);
        let db = match above {
            0 => wanted[0],
            n if n == wanted.len() => wanted[n - 1],
            n => {
                let (low, high) = (self.bands[n - 1].1, self.bands[n].1);
                wanted[n - 1] + (wanted[n] - wanted[n - 1]) * (hertz - low) / (high - low)
            }
        };
        10f64.powf(db / 20.0) as f32
    }
}

fn frequency(bin: usize) -> f64 {
    bin as f64 * RATE as f64 / SIZE as f64
}

/// The spectrum that all get, in decibels: flat to 500 Hz, then falling by 6 dB an octave.
fn target(hertz: f64) -> f64 {
    -6.0 * (hertz.max(500.0) / 500.0).log2()
}
