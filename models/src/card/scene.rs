// SPDX-License-Identifier: Apache-2.0
//! What a network for scenes can name, and when that is told.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What a network for scenes can name. Probabilities of groups are `softmax(scale * log-probability)`, by the card's
/// calibration.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Scene {
    /// The groups, in the order of the network's output; the one that is called `none` is of pictures that show no scene.
    pub groups: Vec<SceneGroup>,
    /// Factor of the logit of indoors against outdoors.
    pub place_scale: f32,
    /// Added to the scaled logit.
    pub place_offset: f32,
    /// The least probability with which `indoor` or `outdoor` is told.
    pub place_least: f32,
    /// What labels of users are made of.
    pub added: SceneAdded,
}

/// A group of scenes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SceneGroup {
    /// Its label.
    pub label: String,
    /// The part of the times that it was told in which it was right, as measured; a group that nobody measured is never told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub precision: Option<f32>,
}

/// The model of embeddings that labels of users are judged by: two Gaussians with diagonal covariances (Prince and Elder, 2007), pictures
/// of one label around its mean with variance 1, and the means of all labels around 0.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SceneAdded {
    /// Variances of the labels' means, one for each dimension of the embedding.
    pub between: Vec<f32>,
    /// Factor of the log-likelihood ratio: `p = sigmoid(scale * ratio + offset)`.
    pub scale: f32,
    /// Added to it.
    pub offset: f32,
    /// The least threshold that a label gets.
    pub least: f32,
}

impl Scene {
    /// What is wrong with its numbers, if anything.
    pub(super) fn validate(&self) -> Result<(), String> {
        let SceneAdded { between, scale, offset, least } = &self.added;
        for (what, p) in [("place_least", self.place_least), ("added.least", *least)] {
            if !(0.0..=1.0).contains(&p) {
                return Err(format!("scene: {what} {p} isn't within 0..1"));
            }
        }
        if ![self.place_scale, self.place_offset, *scale, *offset].iter().all(|number| number.is_finite()) {
            return Err("scene: a scale or an offset isn't finite".into());
        }
        if self.place_scale <= 0.0 || *scale <= 0.0 {
            return Err("scene: a scale that isn't over 0 would turn the order of scores round".into());
        }
        if between.is_empty() || !between.iter().all(|variance| variance.is_finite() && *variance > 0.0) {
            return Err("scene: `added.between` needs variances over 0".into());
        }
        let mut labels: Vec<_> = self.groups.iter().map(|group| group.label.as_str()).collect();
        labels.sort_unstable();
        if labels.is_empty() || labels.windows(2).any(|pair| pair[0] == pair[1]) {
            return Err("scene: it needs groups, each with a label of its own".into());
        }
        Ok(())
    }
}
