// SPDX-License-Identifier: Apache-2.0
//! What is shown: labels of a shot out of single looks at its pictures.
//!
//! The network's probabilities are calibrated for one picture. Their mean over a shot's looks stays calibrated (a linear
//! opinion pool, Stone, 1961) and doesn't flicker; a label is told when it is likely enough, and otherwise `none`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::results::NetworkRef;

/// The label that says that none of the known ones is likely enough.
pub const NONE: &str = "none";
/// The labels of where a shot was taken.
pub const PLACES: [&str; 2] = ["outdoor", "indoor"];

/// Looks that the mean goes back at least: a long shot that pans into another room is told anew after as many.
const MEMORY: u32 = 8;

/// A label, and how likely it is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SceneLabel {
    /// A group of scenes, `none`, `indoor`, `outdoor`, or a label that a user added.
    pub label: String,
    /// Calibrated probability over the shot so far, 0..1. Of `none`: that the likeliest group would be wrong.
    pub p: f32,
}

/// What a shot shows.
#[derive(Clone, Debug, PartialEq)]
pub struct SceneResults {
    /// The network looked at this very picture; otherwise the labels are those of the shot so far.
    pub analysed: bool,
    /// The group or `none` first.
    pub labels: Vec<SceneLabel>,
    /// The network.
    pub network: NetworkRef,
}

/// One look at one picture: calibrated probabilities.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Look {
    /// Of each group, in the network's order; they add up to 1.
    pub groups: Vec<f32>,
    /// That it was taken indoors.
    pub indoor: f32,
    /// Of each label that users added, by itself.
    pub added: Vec<f32>,
}

/// A label, and when it is told.
#[derive(Clone, Debug, PartialEq)]
pub struct Rule {
    /// The label.
    pub label: String,
    /// The least probability with which it is told; a group with more than 1 is never told.
    pub least: f32,
}

/// When labels are told.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rules {
    /// Of the groups, in the network's order. The one that is called [`NONE`] is of pictures that show no scene at all.
    pub groups: Vec<Rule>,
    /// Of indoors and outdoors.
    pub place: f32,
    /// Of the labels that users added.
    pub added: Vec<Rule>,
}

/// The labels of a shot, look by look.
#[derive(Clone, Debug, Default)]
pub struct ShotScene {
    rules: Rules,
    mean: Look,
    looks: u32,
}

impl ShotScene {
    /// No look yet.
    pub fn new(rules: Rules) -> Self {
        Self { rules, ..Self::default() }
    }

    /// Another shot begins.
    pub fn cut(&mut self) {
        self.looks = 0;
    }

    /// Nobody has looked at this shot yet.
    pub fn is_new(&self) -> bool {
        self.looks == 0
    }

    /// Takes a look in. One whose numbers aren't as many as the rules are, or are no probabilities, is refused: `false`.
    pub fn push(&mut self, look: Look) -> bool {
        let Rules { groups, added, .. } = &self.rules;
        let sound = |p: &f32| (0.0..=1.0).contains(p);
        let as_many = look.groups.len() == groups.len() && look.added.len() == added.len();
        if !as_many || !look.groups.iter().chain(&look.added).chain([&look.indoor]).all(sound) {
            return false;
        }
        if self.is_new() {
            self.mean = look;
        } else {
            let part = 1.0 / (self.looks + 1).min(MEMORY) as f32;
            let blend = |mean: &mut f32, seen: f32| *mean += (seen - *mean) * part;
            self.mean.groups.iter_mut().zip(look.groups).for_each(|(mean, seen)| blend(mean, seen));
            self.mean.added.iter_mut().zip(look.added).for_each(|(mean, seen)| blend(mean, seen));
            blend(&mut self.mean.indoor, look.indoor);
        }
        self.looks = self.looks.saturating_add(1);
        true
    }

    /// The shot's labels so far; none before the first look.
    pub fn labels(&self) -> Vec<SceneLabel> {
        if self.is_new() {
            return Vec::new();
        }
        let Rules { groups, added, place } = &self.rules;
        let best = groups.iter().zip(&self.mean.groups).max_by(|a, b| a.1.total_cmp(b.1));
        let mut labels = Vec::new();
        let mut shows_none = false;
        if let Some((rule, &p)) = best {
            shows_none = rule.label == NONE;
            labels.push(match p >= rule.least {
                true => SceneLabel { label: rule.label.clone(), p },
                false if shows_none => SceneLabel { label: NONE.to_owned(), p },
                false => SceneLabel { label: NONE.to_owned(), p: 1.0 - p },
            });
        }
        let indoor = self.mean.indoor;
        let (side, p) = if indoor >= 0.5 { (1, indoor) } else { (0, 1.0 - indoor) };
        // A chart was taken nowhere.
        if !shows_none && p >= *place {
            labels.push(SceneLabel { label: PLACES[side].to_owned(), p });
        }
        let known = added.iter().zip(&self.mean.added).filter(|(rule, p)| **p >= rule.least);
        labels.extend(known.map(|(rule, &p)| SceneLabel { label: rule.label.clone(), p }));
        labels
    }
}
