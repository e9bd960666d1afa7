// SPDX-License-Identifier: Apache-2.0
//! Intervals by drawing persons with replacement.

use serde::Serialize;

/// A figure with its 95 % interval.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Estimate {
    /// On the items as they are.
    pub value: f64,
    /// The 2.5th and 97.5th percentile over resamples; none with fewer than two persons.
    pub interval: Option<[f64; 2]>,
}

/// The percentile bootstrap (Efron and Tibshirani, 1993, chapter 13) over clusters: a resample draws as many persons as
/// there are, and each brings all of its items. So an error that sits in a person widens the interval as it should.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bootstrap {
    /// How many resamples.
    pub resamples: usize,
    /// The same seed draws the same persons.
    pub seed: u64,
}

impl Default for Bootstrap {
    fn default() -> Self {
        Self { resamples: 1000, seed: 0x706f_6c79 }
    }
}

impl Bootstrap {
    /// Estimates `N` figures at once. `statistic` is given how often each of the `persons` was drawn; a figure that a
    /// resample leaves undefined (no item of a class) doesn't count there.
    pub fn estimate<const N: usize>(
        &self,
        persons: usize,
        statistic: impl Fn(&[u32]) -> [Option<f64>; N],
    ) -> [Option<Estimate>; N] {
        let mut drawn = vec![1; persons];
        let values = statistic(&drawn);
        let mut resampled: [Vec<f64>; N] = std::array::from_fn(|_| Vec::with_capacity(self.resamples));
        let mut random = Random::new(self.seed);
        for _ in 0..if persons < 2 { 0 } else { self.resamples } {
            drawn.fill(0);
            for _ in 0..persons {
                drawn[random.below(persons)] += 1;
            }
            for (all, value) in resampled.iter_mut().zip(statistic(&drawn)) {
                all.extend(value);
            }
        }
        let mut figures = values.into_iter().zip(resampled);
        std::array::from_fn(|_| {
            let (value, resampled) = figures.next()?;
            Some(Estimate { value: value?, interval: interval(resampled) })
        })
    }
}

fn interval(mut values: Vec<f64>) -> Option<[f64; 2]> {
    values.sort_by(f64::total_cmp);
    Some([quantile(&values, 0.025)?, quantile(&values, 0.975)?])
}

/// The quantile `q` of sorted values, between neighbours by proportion.
pub(super) fn quantile(sorted: &[f64], q: f64) -> Option<f64> {
    let at = q * sorted.len().checked_sub(1)? as f64;
    let below = sorted[at as usize];
    let above = sorted[(at as usize + 1).min(sorted.len() - 1)];
    Some(below + (above - below) * at.fract())
}

/// SplitMix64 (Steele, Lea and Flood, 2014): small, and the same on every machine. Not for secrets.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// The same seed gives the same numbers.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next 64 bits.
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// 0..1.
    pub fn unit(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// 0..`limit`; the bias of the multiplication is under `limit` / 2^64.
    pub fn below(&mut self, limit: usize) -> usize {
        ((u128::from(self.bits()) * limit as u128) >> 64) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_generator_is_splitmix64() {
        // The first outputs of the reference implementation for seed 1234567.
        let mut random = Random::new(1_234_567);
        assert_eq!(random.bits(), 6_457_827_717_110_365_317);
        assert_eq!(random.bits(), 3_203_168_211_198_807_973);
    }

    #[test]
    fn the_interval_of_a_mean_is_that_of_theory() {
        // 400 persons with a value 0 or 1 each: the standard error of the mean is 0.025.
        let values: Vec<f64> = (0..400).map(|n| f64::from(n % 2)).collect();
        let mean = |drawn: &[u32]| {
            let sum: f64 = values.iter().zip(drawn).map(|(value, drawn)| value * f64::from(*drawn)).sum();
            [Some(sum / 400.0)]
        };
        let [estimate] = Bootstrap::default().estimate(400, mean);
        let Estimate { value, interval } = estimate.unwrap();
        let [low, high] = interval.unwrap();
        assert_eq!(value, 0.5);
        assert!((low - (0.5 - 1.96 * 0.025)).abs() < 0.006, "{low}");
        assert!((high - (0.5 + 1.96 * 0.025)).abs() < 0.006, "{high}");
    }

    #[test]
    fn one_person_has_no_interval() {
        let [estimate] = Bootstrap::default().estimate(1, |_| [Some(0.7)]);
        assert_eq!(estimate, Some(Estimate { value: 0.7, interval: None }));
    }

    #[test]
    fn quantiles_lie_between_neighbours() {
        assert_eq!(quantile(&[1.0, 2.0, 3.0], 0.5), Some(2.0));
        assert_eq!(quantile(&[1.0, 2.0], 0.25), Some(1.25));
        assert_eq!(quantile(&[4.0], 0.975), Some(4.0));
        assert_eq!(quantile(&[], 0.5), None);
    }
}
