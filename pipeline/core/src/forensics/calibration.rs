// SPDX-License-Identifier: Apache-2.0
//! From a track's logit to a probability and a finding.

use crate::evaluation::Platt;

/// Platt scaling of a track's logit, and the least `p` that is called a sign of manipulation; without one there are
/// probabilities and no findings.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Calibration {
    platt: Platt,
    threshold: Option<f32>,
}

/// Numbers that make no calibration.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
#[error(
    "scale {scale}, offset {offset} and threshold {threshold:?} make no calibration: the scale must be over 0, all \
     finite, the threshold within 0..1"
)]
pub struct BadCalibration {
    /// The slope.
    pub scale: f64,
    /// The intercept.
    pub offset: f64,
    /// The least probability that counts.
    pub threshold: Option<f64>,
}

impl Calibration {
    /// A calibration.
    ///
    /// # Errors
    /// [`BadCalibration`] when a number isn't finite, the slope would turn the order of scores round, or the threshold
    /// is no probability.
    pub fn new(scale: f64, offset: f64, threshold: Option<f64>) -> Result<Self, BadCalibration> {
        let probable = threshold.is_none_or(|threshold| (0.0..=1.0).contains(&threshold));
        let sound = scale.is_finite() && scale > 0.0 && offset.is_finite() && probable;
        if sound {
            Ok(Self { platt: Platt { scale, offset }, threshold: threshold.map(|threshold| threshold as f32) })
        } else {
            Err(BadCalibration { scale, offset, threshold })
        }
    }

    /// The probability of a logit, 0..1.
    pub fn p(&self, logit: f32) -> f32 {
        self.platt.p(f64::from(logit)) as f32
    }

    /// Whether a probability is called a sign of manipulation; `None` without a threshold.
    pub fn signs(&self, p: f32) -> Option<bool> {
        self.threshold.map(|threshold| p >= threshold)
    }
}
