// SPDX-License-Identifier: Apache-2.0
//! What a recogniser that reads lips can say, and when it may.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What a recogniser that reads lips can say, and when it may.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LipReading {
    /// What a class is: `word`.
    pub unit: Unit,
    /// The lexicon: class n is the nth of these, from 1; class 0 is the blank.
    pub words: Vec<String>,
    /// Steps of 40 ms from what is read to what is said of it.
    pub delay: usize,
    /// When lips may have a say; absent where nobody has learnt it, and they never have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gate: Option<LipGate>,
}

/// What a class of connectionist temporal classification is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Unit {
    /// A word of a closed lexicon: nothing else can be said.
    Word,
}

/// A logistic model of whether the lips' text is better than what was heard, and how both are joined; learnt on clips.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LipGate {
    /// Factor of the mean probability of the words that lips alone say.
    pub certainty: f32,
    /// Factor of how far lips alone and both together agree, 0..1.
    pub agreement: f32,
    /// Factor of the confidence in lip-sync.
    pub sync: f32,
    /// Factor of the mouth's mean motion.
    pub activity: f32,
    /// Added to all of these.
    pub offset: f32,
    /// Under this probability lips have no say.
    pub least: f32,
    /// With fewer words than these lips alone have no say: of one or two words anybody's lips may make the network sure.
    pub least_words: usize,
    /// Weight of the logarithm of the lips' probability beside that of both.
    pub lips_weight: f32,
    /// What each word that differs from the sound's text costs, in nats.
    pub heard_weight: f32,
}

impl LipReading {
    /// What is wrong with it, if anything.
    pub(super) fn validate(&self) -> Result<(), String> {
        if self.words.is_empty() || self.words.iter().any(String::is_empty) {
            return Err("lip_reading: a lexicon has words, and each word letters".into());
        }
        let Some(gate) = &self.gate else { return Ok(()) };
        let LipGate { certainty, agreement, sync, activity, offset, least, lips_weight, heard_weight, .. } = *gate;
        let numbers = [certainty, agreement, sync, activity, offset, least, lips_weight, heard_weight];
        if numbers.iter().any(|number| !number.is_finite()) || lips_weight < 0.0 || heard_weight < 0.0 {
            return Err("lip_reading: a gate has finite numbers, and weights are none under 0".into());
        }
        Ok(())
    }
}
