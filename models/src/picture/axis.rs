// SPDX-License-Identifier: Apache-2.0
//! Filter weights along one axis: area average when the picture shrinks, bilinear when it grows.

/// One of `N` in fixed point. Weights of a sample add up to this, so that a weighted sum of bytes fits 16 bits:
/// eight lanes a multiplication, even on plain SSE2.
pub(super) const ONE: u16 = 256;

/// For each sample of the output: which input it is made of, and how much of it lies on the picture.
pub(super) struct Axis {
    /// Inputs that each sample looks at.
    pub taps: usize,
    /// First input of each sample; `start + taps` never exceeds the length of the input.
    pub starts: Vec<usize>,
    /// `taps` weights for each sample; they add up to [`ONE`].
    pub weights: Vec<u16>,
    /// The part of each sample that lies on the picture, 0..=1.
    pub cover: Vec<f32>,
}

impl Axis {
    /// Maps `count` samples onto `origin..origin + length` of an input of `limit` (at least one) values.
    pub fn new(origin: f64, length: f64, count: usize, limit: usize) -> Self {
        let step = length / count as f64;
        let reach = if step > 1.0 { step.ceil() as usize + 1 } else { 2 };
        let taps = reach.min(limit);
        let mut axis = Self {
            taps,
            starts: Vec::with_capacity(count),
            weights: Vec::with_capacity(count * taps),
            cover: Vec::with_capacity(count),
        };
        let mut weights = vec![0.0; taps];
        for sample in 0..count {
            let (from, to) = (origin + sample as f64 * step, origin + (sample + 1) as f64 * step);
            let on_picture = (to.min(limit as f64) - from.max(0.0)).max(0.0);
            // Bilinear weights lie around the sample's centre, a box from its edge to its edge.
            let first = if step > 1.0 { from } else { (from + to) / 2.0 - 0.5 };
            let start = (first.floor().max(0.0) as usize).min(limit - taps);
            for (tap, weight) in weights.iter_mut().enumerate() {
                let input = (start + tap) as f64;
                *weight = if step > 1.0 {
                    (to.min(input + 1.0) - from.max(input)).max(0.0)
                } else {
                    let first = first.clamp(0.0, (limit - 1) as f64);
                    (1.0 - (first - input).abs()).max(0.0)
                };
            }
            if weights.iter().sum::<f64>() <= 0.0 {
                // Off the picture: any input will do, it is covered by nothing.
                weights[0] = 1.0;
            }
            axis.starts.push(start);
            axis.cover.push((on_picture / step) as f32);
            axis.push_weights(&weights);
        }
        axis
    }

    /// Rounds the running sum and not each weight, so that the weights add up to [`ONE`] exactly.
    fn push_weights(&mut self, weights: &[f64]) {
        let scale = f64::from(ONE) / weights.iter().sum::<f64>();
        let (mut sum, mut before) = (0.0, 0u16);
        for weight in weights {
            sum += weight * scale;
            let now = sum.round() as u16;
            self.weights.push(now - before);
            before = now;
        }
    }

    /// First input, weights and cover of one sample.
    pub fn sample(&self, sample: usize) -> (usize, &[u16], f32) {
        (self.starts[sample], &self.weights[sample * self.taps..][..self.taps], self.cover[sample])
    }

    /// The inputs that any sample looks at.
    pub fn span(&self) -> std::ops::Range<usize> {
        let first = self.starts.iter().copied().min().unwrap_or(0);
        let last = self.starts.iter().copied().max().unwrap_or(0);
        first..last + self.taps
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_add_up_for_every_scale_and_place() {
        for (origin, length, count, limit) in [
            (0.0, 1280.0, 256, 1280),
            (-280.0, 1280.0, 256, 720),
            (3.3, 10.7, 64, 1280),
            (-1000.0, 10.0, 7, 33),
            (0.0, 1e8, 3, 5),
            (0.0, 1.0, 5, 1),
        ] {
            let axis = Axis::new(origin, length, count, limit);
            for sample in 0..count {
                let (start, weights, cover) = axis.sample(sample);
                assert_eq!(weights.iter().sum::<u16>(), ONE);
                assert!(start + weights.len() <= limit);
                assert!((0.0..=1.0001).contains(&cover));
            }
        }
    }

    #[test]
    fn shrinking_by_two_averages_pairs() {
        let axis = Axis::new(0.0, 8.0, 4, 8);
        for sample in 0..4 {
            let (start, weights, cover) = axis.sample(sample);
            let used: Vec<_> =
                weights.iter().enumerate().filter(|(_, w)| **w > 0).map(|(tap, w)| (start + tap, *w)).collect();
            assert_eq!(used, [(2 * sample, 128), (2 * sample + 1, 128)]);
            assert_eq!(cover, 1.0);
        }
    }

    #[test]
    fn half_a_sample_over_the_edge_is_half_covered() {
        let axis = Axis::new(-1.0, 8.0, 4, 8);
        assert_eq!(axis.sample(0).2, 0.5);
        assert_eq!(axis.sample(1).2, 1.0);
    }
}
