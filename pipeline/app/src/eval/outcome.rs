// SPDX-License-Identifier: Apache-2.0
//! What became of an item.

use std::collections::BTreeMap;

use polygraph_core::{evaluation::Skin, results::Face};
use serde::Serialize;

/// How an item ended; every item ends in exactly one way.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case", tag = "status")]
pub enum Status {
    /// A face was scored.
    Judged(Score),
    /// Faces were found, and none could be judged: the most frequent reason.
    NotJudged {
        /// By the name it has in events.
        reason: String,
    },
    /// No face was found in any picture.
    NotFound,
    /// The file can't be read.
    Unreadable {
        /// For people.
        why: String,
    },
}

/// The greatest score of an item: that of the track and moment that come first to an alarm.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Score {
    /// Highest logit of a track over two seconds, not calibrated.
    pub logit: f64,
    /// Its calibrated probability; absent where the network has no calibration.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub p: Option<f64>,
    /// Signs of manipulation were found at any moment; absent without a threshold.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signs: Option<bool>,
    /// Pictures in that track's mean.
    pub pictures: u32,
    /// When, in nanoseconds from the item's start.
    pub at_ns: u64,
}

/// What a face looks like in the picture that shows it best.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Traits {
    /// Quality by `polyface`, by which that picture was chosen.
    pub quality: f64,
    /// Height of the face's box in pixels.
    pub size: f64,
    /// Mean absolute Laplacian of luma in the box, in levels of 255.
    pub sharpness: f64,
    /// Of the cheeks.
    pub skin: Skin,
}

/// What became of an item, and what it looked like.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Outcome {
    /// How it ended.
    #[serde(flatten)]
    pub status: Status,
    /// Absent when no face was found.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub traits: Option<Traits>,
}

impl Outcome {
    /// Of an item that can't be read.
    pub fn unreadable(why: impl Into<String>) -> Self {
        Self { status: Status::Unreadable { why: why.into() }, traits: None }
    }

    /// The score, if a face was judged.
    pub fn score(&self) -> Option<&Score> {
        match &self.status {
            Status::Judged(score) => Some(score),
            _ => None,
        }
    }

    /// Whether signs of manipulation were found; an item that was not judged raises no alarm.
    pub fn signs(&self) -> bool {
        self.score().is_some_and(|score| score.signs == Some(true))
    }
}

/// What was seen of an item so far.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    best: Option<Score>,
    signs: bool,
    reasons: BTreeMap<&'static str, u32>,
    faces: u32,
    /// Of the best picture.
    pub traits: Option<Traits>,
}

impl Seen {
    /// Takes note of a face at a moment.
    pub fn face(&mut self, face: &Face, at_ns: u64) {
        self.faces += 1;
        let Some(found) = &face.manipulation else { return };
        if let Some(reason) = found.reason_not {
            *self.reasons.entry(reason.as_str()).or_default() += 1;
        }
        self.signs |= found.signs == Some(true);
        let Some(logit) = found.logit.map(f64::from).filter(|logit| logit.is_finite()) else { return };
        if self.best.is_none_or(|best| logit > best.logit) {
            let (p, pictures) = (found.p.map(f64::from), found.pictures);
            self.best = Some(Score { logit, p, signs: found.signs, pictures, at_ns });
        }
    }

    /// Whether any face was found.
    pub fn found(&self) -> bool {
        self.faces > 0
    }

    /// What became of the item, now that all of it was seen.
    pub fn outcome(self) -> Outcome {
        let status = match self.best {
            Some(best) => Status::Judged(Score { signs: best.signs.map(|_| self.signs), ..best }),
            None if self.faces == 0 => Status::NotFound,
            None => {
                let reason = self.reasons.iter().max_by_key(|(_, count)| **count);
                Status::NotJudged { reason: reason.map_or("not_scored", |(reason, _)| reason).to_owned() }
            }
        };
        Outcome { status, traits: self.traits }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use polygraph_core::{
        geometry::Rect,
        results::{FacePoints, Manipulation, ReasonNot},
    };

    fn face(manipulation: Option<Manipulation>) -> Face {
        let (rect, points) = (Rect::default(), FacePoints::default());
        Face { track: 0, rect, points, score: 0.9, quality: 0.5, detected: true, manipulation, ..Face::default() }
    }

    fn scored(logit: f32, signs: bool) -> Face {
        let found = Manipulation { logit: Some(logit), p: Some(0.5), signs: Some(signs), ..Manipulation::default() };
        face(Some(found))
    }

    fn reason(reason: ReasonNot) -> Face {
        face(Some(Manipulation { reason_not: Some(reason), ..Manipulation::default() }))
    }

    #[test]
    fn the_highest_moment_is_the_score_and_any_sign_counts() {
        let mut seen = Seen::default();
        for (at, one) in [scored(1.0, true), scored(2.0, false), scored(f32::NAN, false)].iter().enumerate() {
            seen.face(one, at as u64);
        }
        let outcome = seen.outcome();
        assert_eq!((outcome.score().unwrap().logit, outcome.score().unwrap().at_ns), (2.0, 1));
        assert!(outcome.signs());
    }

    #[test]
    fn what_was_not_judged_says_why() {
        assert_eq!(Seen::default().outcome().status, Status::NotFound);
        let mut seen = Seen::default();
        for one in [reason(ReasonNot::Blurred), reason(ReasonNot::TooSmall), reason(ReasonNot::TooSmall), face(None)] {
            seen.face(&one, 0);
        }
        assert_eq!(seen.outcome().status, Status::NotJudged { reason: "too_small".into() });
        let mut seen = Seen::default();
        seen.face(&face(None), 0);
        assert_eq!(seen.outcome().status, Status::NotJudged { reason: "not_scored".into() });
    }
}
