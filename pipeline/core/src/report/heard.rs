// SPDX-License-Identifier: Apache-2.0
//! What a run found of signs of a synthetic voice. The words are those of faces: found, none found, or why not judged.

use std::{collections::BTreeMap, fmt};

use serde::Serialize;

use super::judged::Verdict;
use crate::results::{Synthetic, VoiceReasonNot};

/// All that a run found of signs of a synthetic voice, picture by picture.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Voice {
    /// What is to be said.
    pub verdict: Verdict,
    /// Pictures at which the voice was judged.
    pub judged: u64,
    /// Pictures at which there were signs of a synthetic voice.
    pub with_signs: u64,
    /// The highest probability; absent without a calibration.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub highest_p: Option<f32>,
    /// Pictures at which the voice could not be judged, by reason.
    pub not_judged: BTreeMap<VoiceReasonNot, u64>,
}

impl Default for Voice {
    fn default() -> Self {
        Self { verdict: Verdict::NotJudged, judged: 0, with_signs: 0, highest_p: None, not_judged: BTreeMap::new() }
    }
}

impl Voice {
    /// Takes note of what was known at a picture.
    pub(super) fn take(&mut self, found: &Synthetic) {
        if let Some(reason) = found.reason_not {
            *self.not_judged.entry(reason).or_default() += 1;
            return;
        }
        self.judged += 1;
        self.with_signs += u64::from(found.signs == Some(true));
        self.highest_p = [self.highest_p, found.p].into_iter().flatten().reduce(f32::max);
        self.verdict = match (self.verdict, found.signs) {
            (Verdict::SignsFound, _) | (_, Some(true)) => Verdict::SignsFound,
            (_, Some(false)) => Verdict::NoneFound,
            (Verdict::NotJudged, None) => Verdict::NotCalibrated,
            (before, None) => before,
        };
    }
}

impl fmt::Display for Voice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.verdict {
            Verdict::SignsFound => write!(
                f,
                "signs of a synthetic voice found in {} of {} pictures with speech (experimental)",
                self.with_signs, self.judged
            ),
            Verdict::NoneFound => {
                write!(f, "no signs of a synthetic voice found in {} pictures with speech (experimental)", self.judged)
            }
            Verdict::NotJudged => {
                let most = self.not_judged.iter().max_by_key(|(_, count)| **count);
                let why = most.map_or("nobody looked", |(reason, _)| reason.in_words());
                write!(f, "could not be judged ({why})")
            }
            Verdict::NotCalibrated => write!(f, "scores are not calibrated: nothing can be said of them"),
        }
    }
}
