// SPDX-License-Identifier: Apache-2.0
//! What a network is worth: what its scores mean, and how good it was found to be.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What a network's scores mean.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Calibration {
    /// How scores were made probabilities.
    pub method: CalibrationMethod,
    /// What a score can be used for.
    pub note: String,
    /// Factor of the logit: `p = sigmoid(scale * logit + offset)`. Over 0; for `platt` and `temperature`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scale: Option<f64>,
    /// Added to the scaled logit; for `platt`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offset: Option<f64>,
    /// The least `p`, 0..=1, that is told as a finding. Only with a calibration.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub threshold: Option<f64>,
    /// What a finding is worth where the thing sought is rare.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub at_prevalence: Vec<AtPrevalence>,
}

/// What a network says of genuine clips of its calibration, as the product tells it: what the scores of a stream are held
/// against.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Typical {
    /// The mean of the clips' mean logits, of calibrated probabilities.
    pub logit: f64,
    /// The standard deviation of the clips' mean logits, over 0.
    pub deviation: f64,
    /// Which clips, and how many.
    pub data: String,
}

impl Typical {
    /// What is wrong with it, if anything.
    pub(super) fn validate(&self) -> Result<(), String> {
        let sound = self.logit.is_finite() && self.deviation.is_finite() && self.deviation > 0.0;
        if sound { Ok(()) } else { Err("typical: a logit and a deviation over 0 are wanted".into()) }
    }
}

/// What a score at the threshold or over it means where a part of all that is looked at is what is sought.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AtPrevalence {
    /// That part, e.g. 0.01 where one in a hundred is.
    pub prevalence: f64,
    /// The part of the findings that are right then: the positive predictive value.
    pub predictive_value: f64,
    /// Lower end of its 95 % confidence interval.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub low: Option<f64>,
    /// Upper end of its 95 % confidence interval.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub high: Option<f64>,
}

/// How scores were made probabilities.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum CalibrationMethod {
    /// They were not: a score orders, it is no probability.
    None,
    /// Platt scaling (Platt, 1999).
    Platt,
    /// Temperature scaling (Guo et al., 2017).
    Temperature,
    /// Isotonic regression (Zadrozny and Elkan, 2002).
    Isotonic,
}

/// How good a network is, as measured by us.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Quality {
    /// What is known and what isn't.
    pub note: String,
    /// Figures; empty until measured.
    #[serde(default)]
    pub measured: Vec<Measurement>,
}

/// One figure.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Measurement {
    /// Name of the measure, e.g. `word error rate`.
    pub measure: String,
    /// Its value ...
    pub value: f64,
    /// Lower end of its 95 % confidence interval, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub low: Option<f64>,
    /// Upper end of its 95 % confidence interval.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub high: Option<f64>,
    /// ... in this unit.
    pub unit: String,
    /// On which material.
    pub data: String,
    /// When, as YYYY-MM-DD.
    pub date: String,
    /// At which commit.
    pub commit: String,
}

impl Calibration {
    /// Scale, offset and threshold of `p = sigmoid(scale * logit + offset)`. `None` where nobody has calibrated.
    pub fn numbers(&self) -> Option<(f64, f64, Option<f64>)> {
        // Temperature scaling has no offset.
        Some((self.scale?, self.offset.unwrap_or(0.0), self.threshold))
    }

    /// What is wrong with its numbers, if anything.
    pub(super) fn validate(&self) -> Result<(), String> {
        let wanted = match self.method {
            CalibrationMethod::Platt => [true, true],
            CalibrationMethod::Temperature => [true, false],
            CalibrationMethod::None | CalibrationMethod::Isotonic => [false, false],
        };
        for ((name, number), wanted) in [("scale", self.scale), ("offset", self.offset)].into_iter().zip(wanted) {
            match number {
                Some(number) if !number.is_finite() => {
                    return Err(format!("calibration: {name} {number} isn't finite"));
                }
                None if wanted => return Err(format!("calibration: its method needs `{name}`")),
                Some(_) if !wanted => return Err(format!("calibration: its method has no `{name}`")),
                _ => {}
            }
        }
        if let Some(scale) = self.scale.filter(|scale| *scale <= 0.0) {
            return Err(format!("calibration: a scale of {scale} would turn the order of scores round"));
        }
        if let Some(threshold) = self.threshold {
            if self.method == CalibrationMethod::None {
                return Err("calibration: a threshold on scores that are no probabilities means nothing".into());
            }
            part("calibration: threshold", threshold)?;
        }
        for meaning in &self.at_prevalence {
            part("calibration: prevalence", meaning.prevalence)?;
            part("calibration: predictive_value", meaning.predictive_value)?;
            interval("calibration: predictive_value", meaning.predictive_value, meaning.low, meaning.high)?;
        }
        Ok(())
    }
}

impl Quality {
    /// What is wrong with its figures, if anything.
    pub(super) fn validate(&self) -> Result<(), String> {
        self.measured.iter().try_for_each(|figure| interval(&figure.measure, figure.value, figure.low, figure.high))
    }
}

fn part(what: &str, value: f64) -> Result<(), String> {
    if (0.0..=1.0).contains(&value) { Ok(()) } else { Err(format!("{what} {value} isn't within 0..1")) }
}

/// A figure lies within its interval, and all three are finite.
fn interval(what: &str, value: f64, low: Option<f64>, high: Option<f64>) -> Result<(), String> {
    let (least, greatest) = (low.unwrap_or(value), high.unwrap_or(value));
    let sound = [least, value, greatest].iter().all(|number| number.is_finite()) && least <= value && value <= greatest;
    if sound { Ok(()) } else { Err(format!("{what}: {value} doesn't lie within {least} to {greatest}")) }
}
