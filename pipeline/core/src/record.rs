// SPDX-License-Identifier: Apache-2.0
//! The records that leave a pipeline: the payload of `application/x-polygraph` buffers, one JSON object a
//! buffer, and the `data` of the CloudEvents that [`crate::event`] makes of them.
//!
//! Times are stream time in nanoseconds: the position in a file, the time since the start of a live epoch.

mod incident;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::accounting::Counters;
use crate::provenance::Provenance;
use crate::results::{Face, Fused, Loudness, NetworkRef, Synthetic, TransitionKind};
use crate::safety::SafetyFinding;
use crate::scene::SceneLabel;
use crate::screen_text::TextLine;
use crate::shot::Boundary;

pub use incident::{Evidence, EvidenceKind, EvidenceState, Incident, IncidentKind, IncidentState, Severity};

/// What an element says, before it has an envelope.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Record {
    /// An analysed picture with the sound that belongs to it.
    Frame(Frame),
    /// Words.
    Transcript(Transcript),
    /// A shot boundary.
    Shot(Shot),
    /// What people are to look at.
    Incident(Incident),
}

impl Record {
    /// The time by which records of a stream are told apart and sorted.
    pub fn pts_ns(&self) -> u64 {
        match self {
            Self::Frame(frame) => frame.pts_ns,
            Self::Transcript(transcript) => transcript.start_ns,
            Self::Shot(shot) => shot.pts_ns,
            Self::Incident(incident) => incident.pts_ns,
        }
    }
}

/// An analysed picture with the sound that belongs to it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Frame {
    /// When the picture is shown.
    pub pts_ns: u64,
    /// How large the picture is; absent where nobody knew.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub picture: Option<PictureSize>,
    /// The faces, the best first; empty when none was found.
    pub faces: Vec<Face>,
    /// What the shot shows: a label of the scene, or `none` where none is likely enough, `indoor` or `outdoor`, and labels that
    /// users added. Empty when nobody looked.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub scene: Vec<SceneLabel>,
    /// What in it may be unfit to be shown. Empty when nothing was found, or nobody looked; `networks` tells which.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub safety: Vec<SafetyFinding>,
    /// The text that stands in it, line by line. Empty when there is none, or nobody looked; `networks` tells which.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub screen_text: Vec<TextLine>,
    /// The sound at that moment; absent when there is none (see `missing`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub audio: Option<AudioState>,
    /// The senses that were not there in time.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub missing: Vec<Missing>,
    /// The track of the face that speaks; absent when none does or nobody can tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub speaker_track: Option<u64>,
    /// Somebody speaks, faces are seen, and none of them is the speaker: a portrait, or a silent face, under a voice.
    /// A finding of its own, not a manipulation. Absent when nobody can tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub no_visible_speech: Option<bool>,
    /// The networks behind the scores.
    pub networks: Vec<NetworkRef>,
    /// The fused verdict of the worst face, or of a voice that is no face's; absent where there is neither.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fused: Option<Fused>,
}

/// The size of a picture in pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PictureSize {
    /// From left to right.
    pub width: u32,
    /// From top to bottom.
    pub height: u32,
}

/// The sound at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AudioState {
    /// Speech probability of the window around the picture; absent when speech activity is off.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub speech: Option<f32>,
    /// EBU R 128 loudness.
    pub loudness: Loudness,
    /// Silence by the threshold and time of `polyvoice`.
    pub silent: bool,
    /// Signs that the voice was synthesised; absent when nobody looked for them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub synthetic: Option<Synthetic>,
}

/// A sense that a frame had to do without, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Missing {
    /// The stream has no sound, or it has ended or not begun.
    AudioAbsent,
    /// Sound exists but came after the wait was over.
    AudioLate,
    /// A hole in the sound.
    AudioGap,
}

/// Words, revised until they are final.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Transcript {
    /// Counts the utterances of a stream from 0.
    pub utterance: u64,
    /// Counts the revisions of an utterance from 0; the final one is the last.
    pub revision: u32,
    /// Start of the utterance.
    pub start_ns: u64,
    /// End of what was heard so far.
    pub end_ns: u64,
    /// No revision will follow.
    #[serde(rename = "final")]
    pub is_final: bool,
    /// The words, joined.
    pub text: String,
    /// The words, one by one.
    pub words: Vec<Word>,
    /// How the words' times were made.
    pub word_times: WordTimes,
    /// The face that says it; absent when none does or nobody can tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub speaker_track: Option<u64>,
    /// What was heard without looking, where lips were looked at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audio_only_text: Option<String>,
    /// What the lips said, and whether that counted; absent where nobody looked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lip_reading: Option<LipReading>,
    /// Why the text is to be taken with care; absent where nothing speaks against it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub doubt: Option<TextDoubt>,
    /// The networks behind the text.
    pub networks: Vec<NetworkRef>,
}

/// What the lips said of an utterance.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct LipReading {
    /// The text is that of lips and sound together.
    pub used: bool,
    /// Probability that what lips read is right, 0..1: by the gate that the network's card has.
    pub weight: f32,
    /// Why they counted, or why not.
    pub why: LipsWhy,
    /// How far speech stands out over the noise, in dB; a rough guess, absent for sound that is too short.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub snr_db: Option<f32>,
    /// What the lips alone say.
    pub lips_text: String,
    /// What lips and sound together say.
    pub text: String,
    /// How sure the network is of what the lips alone say, 0..1.
    pub certainty: f32,
    /// How far both texts agree, 0..1.
    pub agreement: f32,
    /// How far what the lips alone say is what the sound alone says, 0..1.
    #[serde(default)]
    pub heard_agreement: f32,
    /// How well lips and sound fit; absent when nobody can tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sync_confidence: Option<f32>,
    /// How much the mouth moves, in parts of its contrast.
    pub activity: f32,
    /// Share of the utterance in which the mouth was seen.
    pub seen: f32,
    /// What the twin says that only hears, where it was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sound_text: Option<String>,
}

/// Why lips counted in a text, or why not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LipsWhy {
    /// They move, and are sure and fit the sound, or say what sound alone says.
    Sure,
    /// They aren't sure enough.
    #[default]
    Unsure,
    /// They are sure, and don't fit the sound: it may be another's.
    Unsynced,
    /// No mouth was seen for long enough.
    NoMouth,
    /// Several faces are seen, and none is known to speak.
    NoSpeaker,
    /// The mouth doesn't move.
    StillMouth,
}

impl LipsWhy {
    /// Its name in statistics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Sure => "sure",
            Self::Unsure => "unsure",
            Self::Unsynced => "unsynced",
            Self::NoMouth => "no-mouth",
            Self::NoSpeaker => "no-speaker",
            Self::StillMouth => "still-mouth",
        }
    }
}

/// Why a text is to be taken with care.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TextDoubt {
    /// It was heard in noise while the only mouth that is seen was closed: somebody out of view may have said it.
    MouthClosed,
}

/// One word and where it was said.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Word {
    /// As written.
    pub text: String,
    /// Start.
    pub start_ns: u64,
    /// End.
    pub end_ns: u64,
    /// Mean probability that the recogniser gave the word's tokens, 0..1; not calibrated.
    pub p: f32,
    /// It wasn't heard so without looking: the lips changed it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub read_from_lips: bool,
}

/// How the words' times were made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum WordTimes {
    /// Shared out over the speech of the utterance.
    #[default]
    Estimated,
    /// By forced alignment.
    Aligned,
}

/// A shot boundary. It is told late: when it is sure that it is none of a flash's, and when a transition is over.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Shot {
    /// First picture of the new shot alone.
    pub pts_ns: u64,
    /// How the shots are joined.
    pub kind: TransitionKind,
    /// First picture that isn't of the old shot alone; that of a cut is the first of the new one.
    pub start_ns: u64,
    /// First picture of the new shot alone.
    pub end_ns: u64,
    /// Strength, from 1 (the threshold); not a probability.
    pub strength: f32,
    /// A picture that stands for the new shot; `not_kept` where only its time is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_frame: Option<Evidence>,
}

impl Shot {
    /// The record of a boundary, whose times are stream time.
    pub fn of(found: &Boundary) -> Self {
        let key_frame = Evidence {
            kind: EvidenceKind::KeyFrame,
            pts_ns: found.key_ns,
            path: None,
            sha256: None,
            state: EvidenceState::NotKept,
        };
        Self {
            pts_ns: found.end_ns,
            kind: found.kind,
            start_ns: found.start_ns,
            end_ns: found.end_ns,
            strength: found.strength,
            key_frame: Some(key_frame),
        }
    }
}

/// What happens to a stream as a whole.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Stream {
    /// What happened.
    pub state: StreamState,
    /// Stream time of it.
    pub pts_ns: u64,
    /// Why, for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// What was counted so far.
    pub counters: Counters,
    /// Events that were given up for want of room, by topic, since that began: of all streams that share the spool.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub dropped: BTreeMap<String, u64>,
    /// Content credentials of the file that is analysed: with `started`, of kinds of files that can have some.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provenance: Option<Provenance>,
}

impl Stream {
    /// A state, at a stream time, with nothing more to say.
    pub fn new(state: StreamState, pts_ns: u64) -> Self {
        Self { state, pts_ns, reason: None, counters: Counters::new(), dropped: BTreeMap::new(), provenance: None }
    }
}

/// The states that a stream tells of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum StreamState {
    /// A live stream is connected for the first time.
    Connecting,
    /// Pictures or sound of a live stream come.
    Running,
    /// Nothing new came from a live stream for a while.
    Stalled,
    /// A live stream broke and is connected anew, again and again.
    Recovering,
    /// A live stream was ended, or a file in the service is over.
    Stopped,
    /// The first data of a file's analysis came.
    Started,
    /// The stream came to its end.
    Ended,
    /// An error ended it, or keeps the service from it; `reason` says which and where.
    Failed,
    /// There is no room for all events on their way to Kafka: from here on some are given up.
    DroppingBegan,
    /// There is room again; `dropped` says how many were given up.
    DroppingEnded,
}

impl StreamState {
    /// The states of a live stream, which the service knows.
    pub const LIVE: [Self; 6] =
        [Self::Connecting, Self::Running, Self::Stalled, Self::Recovering, Self::Failed, Self::Stopped];

    /// Its name in events, the API and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Connecting => "connecting",
            Self::Running => "running",
            Self::Stalled => "stalled",
            Self::Recovering => "recovering",
            Self::Stopped => "stopped",
            Self::Started => "started",
            Self::Ended => "ended",
            Self::Failed => "failed",
            Self::DroppingBegan => "dropping_began",
            Self::DroppingEnded => "dropping_ended",
        }
    }
}
