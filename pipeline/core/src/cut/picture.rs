// SPDX-License-Identifier: Apache-2.0
//! Small pictures, and how much two of them differ.

/// Width of a thumbnail in pixels.
pub const WIDTH: usize = 48;
/// Height of a thumbnail in pixels.
pub const HEIGHT: usize = 27;

/// Levels of each colour in the histogram.
const LEVELS: usize = 6;
/// Variance of luma (0..1) below which structure is noise: five levels of 255.
const NOISE: f32 = 4e-4;

/// A picture of 48x27 pixels: its luma and its colours' histogram.
#[derive(Clone, Debug)]
pub struct Thumbnail {
    luma: Vec<f32>,
    mean: f32,
    variance: f32,
    histogram: Vec<f32>,
}

impl Thumbnail {
    /// From RGB pixels of 0..1, row by row, three values a pixel; `None` when it isn't 48x27 of them.
    pub fn new(rgb: &[f32]) -> Option<Self> {
        if rgb.len() != WIDTH * HEIGHT * 3 {
            return None;
        }
        let pixels = (WIDTH * HEIGHT) as f32;
        let mut luma = Vec::with_capacity(WIDTH * HEIGHT);
        let mut histogram = vec![0.0; LEVELS * LEVELS * LEVELS];
        for pixel in rgb.chunks_exact(3) {
            luma.push(0.299 * pixel[0] + 0.587 * pixel[1] + 0.114 * pixel[2]);
            spread(&mut histogram, pixel, 1.0 / pixels);
        }
        let mean = luma.iter().sum::<f32>() / pixels;
        let variance = luma.iter().map(|value| (value - mean).powi(2)).sum::<f32>() / pixels;
        Some(Self { luma, mean, variance, histogram })
    }

    /// Luma of each pixel, 0..1.
    pub(crate) fn luma(&self) -> &[f32] {
        &self.luma
    }

    /// The mean of luma.
    pub(crate) fn mean(&self) -> f32 {
        self.mean
    }

    /// The standard deviation of luma: 0 of a plain picture.
    pub(crate) fn deviation(&self) -> f32 {
        self.variance.sqrt()
    }

    /// 0 for the same picture to 1 for one that has nothing in common: the geometric mean of the differences in
    /// structure and in colour.
    pub fn difference(&self, other: &Self) -> f32 {
        (self.structure(other) * self.colour(other)).sqrt()
    }

    /// 1 - the structure and contrast term of SSIM (Wang et al., 2004) over the whole, at the shift of up to one pixel
    /// that fits best, so that a pan or a shaking camera is the same picture.
    fn structure(&self, other: &Self) -> f32 {
        let shifts = (-1..=1).flat_map(|dy| (-1..=1).map(move |dx| (dx, dy)));
        let alike = shifts.map(|(dx, dy)| self.covariance(other, dx, dy)).fold(f32::MIN, f32::max);
        let alike = (2.0 * alike + NOISE) / (self.variance + other.variance + NOISE);
        (1.0 - alike).clamp(0.0, 1.0)
    }

    fn covariance(&self, other: &Self, dx: isize, dy: isize) -> f32 {
        let (mut sum, mut count) = (0.0, 0.0f32);
        for row in 1..HEIGHT - 1 {
            let here = &self.luma[row * WIDTH + 1..(row + 1) * WIDTH - 1];
            let from = row.wrapping_add_signed(dy) * WIDTH + 1usize.wrapping_add_signed(dx);
            let there = &other.luma[from..from + WIDTH - 2];
            sum += here.iter().zip(there).map(|(a, b)| (a - self.mean) * (b - other.mean)).sum::<f32>();
            count += here.len() as f32;
        }
        sum / count
    }

    /// Half the sum of what the histograms differ by, 0..1.
    fn colour(&self, other: &Self) -> f32 {
        self.histogram.iter().zip(&other.histogram).map(|(a, b)| (a - b).abs()).sum::<f32>() / 2.0
    }
}

/// Counts a pixel in the bins around its colour, shared out linearly: a slow fade doesn't leap from bin to bin.
fn spread(histogram: &mut [f32], pixel: &[f32], weight: f32) {
    let parts: [(usize, f32); 3] = std::array::from_fn(|channel| {
        let at = pixel[channel].clamp(0.0, 1.0) * (LEVELS - 1) as f32;
        let low = (at as usize).min(LEVELS - 2);
        (low, at - low as f32)
    });
    for corner in 0..8 {
        let (mut bin, mut share) = (0, weight);
        for (channel, (low, part)) in parts.iter().enumerate() {
            let high = corner >> channel & 1;
            bin = bin * LEVELS + low + high;
            share *= if high == 1 { *part } else { 1.0 - part };
        }
        histogram[bin] += share;
    }
}
