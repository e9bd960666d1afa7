// SPDX-License-Identifier: Apache-2.0
//! Incidents: what people are to look at, once, from its beginning to its end.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::fault::Fault;
use crate::results::{NetworkRef, Part, Parts};

/// What is told of an incident: that it began, how it goes on, that it is over.
///
/// Signs of manipulation are what is found; no network can know that a face or a voice is "fake".
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Incident {
    /// Counts the incidents of an epoch from 0; its `open`, `update`s and `close` share it.
    pub incident: u64,
    /// Which of these this is.
    pub state: IncidentState,
    /// How the signs behaved.
    pub kind: IncidentKind,
    /// The rule that was met: `manipulation` for what every stream is watched for, `fault.NAME` for a broadcast fault, or a rule
    /// of the user's.
    pub rule: String,
    /// How much it matters; it may rise from `open` to `close`, and never falls.
    pub severity: Severity,
    /// Stream time of the picture at which this was said.
    pub pts_ns: u64,
    /// Stream time at which it began.
    pub start_ns: u64,
    /// Stream time at which it was last seen.
    pub end_ns: u64,
    /// The face's track; absent when it isn't about a face.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub track: Option<u64>,
    /// The highest fused probability so far, 0..1; absent when the rule is about none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub p: Option<f32>,
    /// The highest probability of each part so far.
    #[serde(default, skip_serializing_if = "Parts::is_empty")]
    pub parts: Parts,
    /// The part that said most where `p` was highest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub leading: Option<Part>,
    /// What can be looked at; grows from `open` to `close`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub evidence: Vec<Evidence>,
    /// For people.
    pub message: String,
    /// The networks behind the scores.
    pub networks: Vec<NetworkRef>,
    /// Of a broadcast fault: what is wrong, and how bad; absent otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fault: Option<Fault>,
}

/// Where an incident is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum IncidentState {
    /// It began.
    Open,
    /// It goes on, and something about it changed; at most one a second.
    Update,
    /// It is over.
    Close,
}

/// How an incident's signs behaved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum IncidentKind {
    /// They reached a threshold.
    Threshold,
    /// They rose fast.
    Spike,
    /// They stayed for long.
    Sustained,
    /// The feed is broken; `fault` says how.
    Fault,
}

/// How much an incident matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Worth a note.
    Low,
    /// Somebody should look.
    Medium,
    /// Somebody should look now.
    High,
}

impl Severity {
    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
        }
    }
}

/// Something that people can look at or listen to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Evidence {
    /// What it is.
    pub kind: EvidenceKind,
    /// Stream time of its picture, or of the middle of its sound.
    pub pts_ns: u64,
    /// Where it is kept: a path within the evidence store; absent when it was not kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// SHA-256 of its content, hexadecimal; absent when it was not kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// Whether it can be had.
    pub state: EvidenceState,
}

/// What evidence shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum EvidenceKind {
    /// The whole picture, small, with the faces' boxes.
    KeyFrame,
    /// The face, and a map of where it looks manipulated.
    HeatMap,
    /// The sound of the seconds around.
    Spectrogram,
    /// The face's mouth over some seconds, eight pictures a second, row by row.
    MouthStrip,
}

/// Whether evidence can be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum EvidenceState {
    /// It is where `path` says.
    Kept,
    /// It was gone from the ring before it was asked for.
    Expired,
    /// There was no room for it, or it could not be written.
    NotKept,
}

impl EvidenceState {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Kept, Self::Expired, Self::NotKept];

    /// As in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Kept => "kept",
            Self::Expired => "expired",
            Self::NotKept => "not_kept",
        }
    }
}
