// SPDX-License-Identifier: Apache-2.0
//! What a run found of a face's signs of manipulation. Words for users: signs were found, or none were found, or it
//! could not be judged. Never "fake" or "authentic": no network can know that.

use std::{collections::BTreeMap, fmt};

use serde::Serialize;

use crate::results::{Manipulation, ReasonNot};

/// What is to be said of a face.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// In a picture at least, the joined score reached the threshold.
    SignsFound,
    /// It was scored, and never reached the threshold.
    NoneFound,
    /// No picture of it could be scored.
    NotJudged,
    /// It was scored by a network whose scores mean nothing yet.
    NotCalibrated,
}

/// All that a run found of one face's signs of manipulation.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Judged {
    /// What is to be said.
    pub verdict: Verdict,
    /// Pictures that were scored.
    pub scored: u64,
    /// Pictures at which there were signs of manipulation.
    pub with_signs: u64,
    /// The highest probability of the track; absent without a calibration.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub highest_p: Option<f32>,
    /// The highest logit of the track, not calibrated.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub highest_logit: Option<f32>,
    /// Pictures that could not be scored, by reason.
    pub not_judged: BTreeMap<ReasonNot, u64>,
}

impl Judged {
    /// What the first picture that somebody looked at says.
    pub(super) fn first(found: &Manipulation) -> Self {
        let mut judged = Self {
            verdict: Verdict::NotJudged,
            scored: 0,
            with_signs: 0,
            highest_p: None,
            highest_logit: None,
            not_judged: BTreeMap::new(),
        };
        judged.take(found);
        judged
    }

    /// Takes note of a further picture.
    pub(super) fn take(&mut self, found: &Manipulation) {
        if let Some(reason) = found.reason_not {
            *self.not_judged.entry(reason).or_default() += 1;
            return;
        }
        let higher = |old: Option<f32>, new: Option<f32>| [old, new].into_iter().flatten().reduce(f32::max);
        self.scored += 1;
        self.with_signs += u64::from(found.signs == Some(true));
        self.highest_p = higher(self.highest_p, found.p);
        self.highest_logit = higher(self.highest_logit, found.logit);
        self.verdict = match (self.verdict, found.signs) {
            (Verdict::SignsFound, _) | (_, Some(true)) => Verdict::SignsFound,
            (_, Some(false)) => Verdict::NoneFound,
            (Verdict::NotJudged, None) => Verdict::NotCalibrated,
            (before, None) => before,
        };
    }
}

impl fmt::Display for Judged {
    /// Nothing where scores mean nothing: the report says so once, for all faces.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.verdict {
            Verdict::SignsFound => {
                write!(f, ": signs of manipulation found in {} of {} pictures", self.with_signs, self.scored)
            }
            Verdict::NoneFound => write!(f, ": no signs of manipulation found in {} pictures", self.scored),
            Verdict::NotJudged => {
                let most = self.not_judged.iter().max_by_key(|(_, count)| **count);
                let why = most.map_or("nobody looked", |(reason, _)| reason.in_words());
                write!(f, ": could not be judged ({why})")
            }
            Verdict::NotCalibrated => Ok(()),
        }
    }
}
