// SPDX-License-Identifier: Apache-2.0
//! The last seconds of sound, and pictures of it.

use std::collections::VecDeque;
use std::ops::Range;

use gstpolygraph::polyanalyze::Sound;
use image::{Rgb, RgbImage};
use realfft::{RealFftPlanner, num_complex::Complex};

/// Hz.
const RATE: u64 = 16_000;
/// What is kept, 4 MB: the sound of a file may be twenty seconds ahead of its pictures, whose incidents ask for it.
const KEPT_NS: u64 = 60_000_000_000;
/// Samples of a column's window, 32 ms: harmonics of a voice are apart, and syllables too.
const WINDOW: usize = 512;
/// Samples from one column to the next.
const HOP: usize = 160;
/// Rows: 0 to 8 kHz, from the bottom to the top.
const ROWS: u32 = WINDOW as u32 / 2;
/// What is so far below the loudest is black, in dB.
const RANGE_DB: f32 = 80.0;
/// From the softest to the loudest.
const COLOURS: [[f32; 3]; 5] =
    [[0.0, 0.0, 4.0], [81.0, 18.0, 124.0], [183.0, 55.0, 121.0], [252.0, 137.0, 97.0], [252.0, 253.0, 191.0]];
const MARK: Rgb<u8> = Rgb([64, 224, 255]);
/// Of the strokes at each second and each 2 kHz, in pixels.
const STROKE: u32 = 6;

/// The last minute.
#[derive(Debug, Default)]
pub struct Ring(VecDeque<Sound>);

impl Ring {
    /// Takes sound that follows on the last.
    pub fn push(&mut self, sound: Sound) {
        self.0.push_back(sound);
        let end_ns = self.end_ns();
        while self.0.front().is_some_and(|first| first.pts_ns + KEPT_NS < end_ns) {
            self.0.pop_front();
        }
    }

    /// Where the sound that is known ends, in stream time; 0 without any.
    pub fn end_ns(&self) -> u64 {
        self.0.back().map_or(0, end_ns)
    }

    /// A spectrogram of what there is of a time, with a line at a moment; `None` where there is nothing. A second is a hundred
    /// pixels wide; the strokes at the bottom are a second apart, those at the left 2 kHz.
    pub fn spectrogram(&self, time_ns: Range<u64>, moment_ns: u64) -> Option<RgbImage> {
        let begin_ns = self.0.iter().find(|sound| end_ns(sound) > time_ns.start)?.pts_ns.max(time_ns.start);
        let end_ns = self.end_ns().min(time_ns.end);
        // What is missing is silent.
        let mut samples = vec![0.0; samples(end_ns.checked_sub(begin_ns)?)];
        for sound in &self.0 {
            for (n, sample) in sound.samples.iter().enumerate() {
                let at_ns = sound.pts_ns + n as u64 * 1_000_000_000 / RATE;
                if let Some(place) = at_ns.checked_sub(begin_ns).and_then(|since| samples.get_mut(self::samples(since)))
                {
                    *place = if sample.is_finite() { *sample } else { 0.0 };
                }
            }
        }
        let columns = columns(&samples)?;
        let loudest = columns.iter().flatten().fold(f32::MIN, |most, level| most.max(*level));
        let mut picture = RgbImage::from_fn(columns.len() as u32, ROWS, |x, y| {
            let level = columns[x as usize][(ROWS - 1 - y) as usize];
            colour(1.0 + (level - loudest) / RANGE_DB)
        });
        draw_scales(&mut picture, begin_ns);
        if let Some(x) = moment_ns.checked_sub(begin_ns).map(column).filter(|x| *x < picture.width()) {
            (0..ROWS).for_each(|y| picture.put_pixel(x, y, MARK));
        }
        Some(picture)
    }
}

fn end_ns(sound: &Sound) -> u64 {
    sound.pts_ns + sound.samples.len() as u64 * 1_000_000_000 / RATE
}

fn samples(time_ns: u64) -> usize {
    usize::try_from(time_ns * RATE / 1_000_000_000).unwrap_or(usize::MAX)
}

fn column(since_ns: u64) -> u32 {
    u32::try_from(samples(since_ns) / HOP).unwrap_or(u32::MAX)
}

/// Power of each window's frequencies but the highest, in dB; `None` when there is less than a window.
fn columns(samples: &[f32]) -> Option<Vec<Vec<f32>>> {
    let forward = RealFftPlanner::<f32>::new().plan_fft_forward(WINDOW);
    let (mut input, mut output) = (forward.make_input_vec(), forward.make_output_vec());
    let hann: Vec<f32> = (0..WINDOW).map(|n| (std::f32::consts::PI * n as f32 / WINDOW as f32).sin().powi(2)).collect();
    let mut levels = |window: &[f32]| {
        input.iter_mut().zip(window.iter().zip(&hann)).for_each(|(input, (sample, weight))| *input = sample * weight);
        forward.process(&mut input, &mut output).ok()?;
        let level = |value: &Complex<f32>| 10.0 * (value.norm_sqr() + 1e-9).log10();
        Some(output[..ROWS as usize].iter().map(level).collect())
    };
    let columns: Vec<_> = samples.windows(WINDOW).step_by(HOP).map_while(&mut levels).collect();
    (!columns.is_empty()).then_some(columns)
}

fn colour(level: f32) -> Rgb<u8> {
    let place = level.clamp(0.0, 1.0) * (COLOURS.len() - 1) as f32;
    let below = (place as usize).min(COLOURS.len() - 2);
    let share = place - below as f32;
    Rgb([0, 1, 2].map(|n| (COLOURS[below][n] + share * (COLOURS[below + 1][n] - COLOURS[below][n])) as u8))
}

fn draw_scales(picture: &mut RgbImage, begin_ns: u64) {
    const LIGHT: Rgb<u8> = Rgb([255; 3]);
    let (width, height) = picture.dimensions();
    let first = begin_ns.div_ceil(1_000_000_000);
    let seconds = (first..).map(|second| column(second * 1_000_000_000 - begin_ns)).take_while(|x| *x < width);
    for x in seconds {
        (height - STROKE.min(height)..height).for_each(|y| picture.put_pixel(x, y, LIGHT));
    }
    for quarter in 1..4 {
        (0..STROKE.min(width)).for_each(|x| picture.put_pixel(x, height * quarter / 4, LIGHT));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Half a second of a tone.
    fn tone(pts_ns: u64, hertz: f32) -> Sound {
        let sample = |n: usize| (std::f32::consts::TAU * hertz * n as f32 / RATE as f32).sin();
        Sound { pts_ns, samples: (0..8000).map(sample).collect() }
    }

    fn bright(picture: &RgbImage, x: u32, hertz: u32) -> bool {
        picture.get_pixel(x, ROWS - 1 - hertz * ROWS / 8000).0[0] > 200
    }

    #[test]
    fn a_tone_is_a_line_at_its_height_and_a_moment_is_marked() {
        let mut ring = Ring::default();
        for half in 0..6 {
            ring.push(tone(half * 500_000_000, if half < 3 { 1000.0 } else { 5000.0 }));
        }
        let picture = ring.spectrogram(500_000_000..9_000_000_000, 1_500_000_000).unwrap();
        assert!((245..=250).contains(&picture.width()), "two and a half seconds: {}", picture.width());
        assert!(bright(&picture, 40, 1000) && !bright(&picture, 40, 5000));
        assert!(bright(&picture, 200, 5000) && !bright(&picture, 200, 1000));
        assert_eq!(*picture.get_pixel(100, 17), MARK);
    }

    #[test]
    fn a_minute_is_kept_and_holes_are_silent() {
        let mut ring = Ring::default();
        (0..200).for_each(|half| ring.push(tone(half * 500_000_000, 500.0)));
        assert!(ring.0.len() <= 122, "{}", ring.0.len());
        assert!(ring.spectrogram(0..1_000_000_000, 0).is_none(), "it is gone");
        ring.push(tone(102_000_000_000, 500.0));
        let picture = ring.spectrogram(99_000_000_000..110_000_000_000, 0).unwrap();
        assert!(bright(&picture, 50, 500) && bright(&picture, 320, 500));
        assert!(!bright(&picture, 200, 500), "nothing came there");
        assert!(Ring::default().spectrogram(0..9, 0).is_none());
    }
}
