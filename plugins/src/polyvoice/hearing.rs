// SPDX-License-Identifier: Apache-2.0
//! The internal copy that networks hear: 16 kHz mono, in windows of 32 ms, with the PTS of the input.

use polygraph_core::results::PtsRange;
use polygraph_models::silero::WINDOW;
use rubato::audioadapter_buffers::direct::InterleavedSlice;
use rubato::{Async, FixedAsync, Resampler, SincInterpolationParameters, SincInterpolationType, WindowFunction};

/// Sample rate of the copy.
const RATE: u32 = 16_000;

/// Taps of the anti-aliasing filter: 50 dB down within 1 kHz above 8 kHz at 48 kHz, 2 million multiplications a second.
const TAPS: usize = 128;

/// Downmix, resampling and framing.
pub(super) struct Hearing {
    /// Channels that are heard, of each frame.
    heard: Vec<bool>,
    rate: u32,
    resampler: Option<Async<f32>>,
    /// Mono at the input's rate, not yet consumed.
    mono: Vec<f32>,
    /// Samples that the resampler still owes to its own delay.
    delay: usize,
    /// 16 kHz, not yet a whole window.
    ready: Vec<f32>,
    origin_ns: u64,
    windows: u64,
}

impl Hearing {
    /// `heard` says for each channel whether it belongs into the downmix.
    pub(super) fn new(rate: u32, heard: Vec<bool>) -> Result<Self, String> {
        let resampler = (rate != RATE).then(|| resampler(rate)).transpose()?;
        let mut hearing =
            Self { heard, rate, resampler, mono: Vec::new(), delay: 0, ready: Vec::new(), origin_ns: 0, windows: 0 };
        hearing.restart(0);
        Ok(hearing)
    }

    /// Forgets what was heard; the next frame is at `pts_ns`.
    pub(super) fn restart(&mut self, pts_ns: u64) {
        self.mono.clear();
        self.ready.clear();
        self.windows = 0;
        self.origin_ns = pts_ns;
        if let Some(resampler) = &mut self.resampler {
            resampler.reset();
            self.delay = resampler.output_delay();
        }
    }

    /// Takes interleaved frames that follow those before, and hands out each window that is complete.
    pub(super) fn push<E>(
        &mut self,
        frames: &[f32],
        mut hear: impl FnMut(PtsRange, &[f32; WINDOW]) -> Result<(), E>,
    ) -> Result<(), E> {
        self.downmix(frames);
        self.resample();
        let mut windows = self.ready.chunks_exact(WINDOW);
        let mut result = Ok(());
        for window in windows.by_ref() {
            let at = |n: u64| self.origin_ns + n * WINDOW as u64 * 1_000_000_000 / u64::from(RATE);
            let pts = PtsRange { start_ns: at(self.windows), end_ns: at(self.windows + 1) };
            self.windows += 1;
            if let Ok(window) = window.try_into() {
                result = result.and_then(|()| hear(pts, window));
            }
        }
        let rest = windows.remainder().len();
        self.ready.drain(..self.ready.len() - rest);
        result
    }

    /// The mean of the channels that are heard.
    fn downmix(&mut self, frames: &[f32]) {
        let Self { heard, mono, ready, resampler, .. } = self;
        let into = if resampler.is_some() { mono } else { ready };
        let weight = 1.0 / heard.iter().filter(|heard| **heard).count().max(1) as f32;
        into.extend(frames.chunks_exact(heard.len()).map(|frame| {
            let sum: f32 = frame.iter().zip(heard.iter()).filter(|(_, heard)| **heard).map(|(sample, _)| sample).sum();
            sum * weight
        }));
    }

    fn resample(&mut self) {
        let Some(resampler) = &mut self.resampler else { return };
        let mut out = [0.0f32; WINDOW];
        let mut used = 0;
        loop {
            let needed = resampler.input_frames_next();
            let Some(input) = self.mono.get(used..used + needed) else { break };
            let (Ok(input), Ok(mut output)) =
                (InterleavedSlice::new(input, 1, needed), InterleavedSlice::new_mut(&mut out, 1, WINDOW))
            else {
                break;
            };
            let Ok((read, written)) = resampler.process_into_buffer(&input, &mut output, None) else { break };
            used += read;
            let late = self.delay.min(written);
            self.delay -= late;
            self.ready.extend_from_slice(&out[late..written]);
        }
        self.mono.drain(..used);
    }

    /// Frames a second of the input.
    pub(super) fn rate(&self) -> u32 {
        self.rate
    }
}

fn resampler(rate: u32) -> Result<Async<f32>, String> {
    let parameters = SincInterpolationParameters {
        sinc_len: TAPS,
        f_cutoff: None,
        oversampling_factor: 128,
        interpolation: SincInterpolationType::Linear,
        window: WindowFunction::Blackman2,
    };
    let ratio = f64::from(RATE) / f64::from(rate);
    Async::new_sinc(ratio, 1.0, &parameters, WINDOW, 1, FixedAsync::Output)
        .map_err(|error| format!("sound of {rate} Hz can't be resampled: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A click at `at_ms` in stereo of some rate: where is it in the windows?
    fn click(rate: u32, at_ms: u64) -> f64 {
        let mut hearing = Hearing::new(rate, vec![true, true, false]).unwrap();
        hearing.restart(5_000_000_000);
        let mut sound = vec![0.0f32; rate as usize * 3];
        let frame = (u64::from(rate) * at_ms / 1000) as usize;
        for i in 0..16 {
            sound[(frame + i) * 3] = 1.0;
            sound[(frame + i) * 3 + 1] = 1.0;
        }
        let mut loudest = (0.0, 0.0);
        for piece in sound.chunks(3 * 441) {
            hearing
                .push(piece, |pts, window| {
                    for (i, sample) in window.iter().enumerate() {
                        if sample.abs() > loudest.0 {
                            loudest = (sample.abs(), pts.start_ns as f64 / 1e6 + i as f64 / 16.0);
                        }
                    }
                    Ok::<_, ()>(())
                })
                .unwrap();
        }
        loudest.1 - 5_000.0
    }

    #[test]
    fn windows_carry_the_time_of_the_input() {
        for rate in [8_000, 16_000, 22_050, 44_100, 48_000, 96_000] {
            let heard = click(rate, 500);
            let middle = 500.0 + 8_000.0 / f64::from(rate);
            assert!((heard - middle).abs() < 1.1, "{rate} Hz: a click at {middle} ms was heard at {heard} ms");
        }
    }

    #[test]
    fn only_positioned_channels_are_mixed() {
        let mut hearing = Hearing::new(16_000, vec![true, false]).unwrap();
        let frames: Vec<f32> = [0.5, -1.0].repeat(WINDOW);
        let mut windows = 0;
        hearing
            .push(&frames, |_, window| {
                windows += 1;
                assert!(window.iter().all(|sample| *sample == 0.5));
                Ok::<_, ()>(())
            })
            .unwrap();
        assert_eq!(windows, 1);
    }
}
