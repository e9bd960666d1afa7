// SPDX-License-Identifier: Apache-2.0
//! What a network for content safety gives: the contract of the task `safety`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What a network for content safety gives, and what of it is told.
///
/// Its one input is `[batch, 3, side, side]`: RGB planes of the whole picture, each side the same.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Safety {
    /// What its one output is.
    pub form: SafetyForm,
    /// Its labels, in the output's order.
    pub labels: Vec<SafetyLabel>,
}

/// What the output of a network for content safety is.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, tag = "kind")]
pub enum SafetyForm {
    /// `[batch, 4 + labels, candidates]`: centre x and y, width and height in pixels of the input, then a score of 0..1 for
    /// each label (Ultralytics' form). The picture is padded to a square at the right and bottom, black.
    Detector {
        /// Intersection over union from which on two boxes are one thing.
        overlap: f32,
    },
    /// `[batch, labels]`. The picture is squeezed into the square.
    Classifier {
        /// How its values become scores.
        activation: Activation,
    },
}

/// How a classifier's values become scores of 0..1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Activation {
    /// They are.
    None,
    /// One of the labels is right: softmax.
    Softmax,
    /// Each label by itself: the logistic function.
    Sigmoid,
}

/// A label of a network for content safety.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SafetyLabel {
    /// Its name.
    pub label: String,
    /// The least score that is told, unless a user sets another; over 1 for a label that isn't told.
    pub threshold: f32,
    /// Evidence from a picture with it is blurred.
    pub sensitive: bool,
}

impl Safety {
    /// What is wrong with it, if anything.
    pub(super) fn validate(&self) -> Result<(), String> {
        if self.labels.is_empty() {
            return Err("safety: it has no labels".into());
        }
        if let Some(bad) = self.labels.iter().find(|label| label.threshold.is_nan() || label.threshold < 0.0) {
            return Err(format!("safety: the threshold {} of `{}` is none", bad.threshold, bad.label));
        }
        match self.form {
            SafetyForm::Detector { overlap } if !(0.0..=1.0).contains(&overlap) => {
                Err(format!("safety: an overlap of {overlap} isn't within 0..1"))
            }
            _ => Ok(()),
        }
    }
}
