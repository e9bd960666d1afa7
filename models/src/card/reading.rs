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

/// Whether the lips' text is better than what was heard: a logistic model of what they read, how well they must fit the sound,
/// and how both texts are joined; learnt on clips.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LipGate {
    /// Factor of the mean probability of the words that lips alone say.
    pub certainty: f32,
    /// Factor of how far lips alone and both together agree, 0..1.
    pub agreement: f32,
    /// Added to both.
    pub offset: f32,
    /// Under this probability lips have no say, where speech stands out over the noise by 5 dB or less.
    pub least: f32,
    /// The same just under 15 dB; on a line between. From 15 dB on only `least_heard` counts.
    pub least_calm: f32,
    /// Confidence in lip-sync under which they have none either, where speech stands out over the noise by 15 dB or more.
    pub least_sync: f32,
    /// By how much less that may be for each dB less, down to 5.
    pub sync_per_db: f32,
    /// Lips alone that agree with sound alone by so much, 0..1, have a say whatever else is known.
    pub least_heard: f32,
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
        let LipGate {
            certainty,
            agreement,
            offset,
            least,
            least_calm,
            least_sync,
            sync_per_db,
            least_heard,
            lips_weight,
            heard_weight,
            ..
        } = *gate;
        let weights = [least_sync, sync_per_db, lips_weight, heard_weight];
        let finite =
            [certainty, agreement, offset, least, least_calm, least_heard].iter().all(|number| number.is_finite());
        if !finite || weights.iter().any(|weight| !weight.is_finite() || *weight < 0.0) {
            return Err("lip_reading: a gate has finite numbers, and weights are none under 0".into());
        }
        Ok(())
    }
}
