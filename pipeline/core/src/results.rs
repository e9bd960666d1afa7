// SPDX-License-Identifier: Apache-2.0
//! What analysers found, as it travels beside the pictures and the sound inside a pipeline.
//!
//! Times here are the PTS of the buffers, in nanoseconds; [`crate::record`] has what leaves the pipeline.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::geometry::{Point, Rect};
use crate::lips::Bt1359;
use crate::safety::SafetyResults;
use crate::scene::SceneResults;
use crate::screen_text::TextResults;

mod sound;

pub use sound::{AudioResults, Heard, Loudness, SpeechWindow, Synthetic, VoiceReasonNot};

/// The version of the results' layout inside the metas; a reader refuses a newer one.
///
/// 2 added [`Face::manipulation`] and [`FaceResults::forensics`]; 3 [`FaceResults::mouths`] and [`AudioResults::heard`];
/// 4 [`AudioResults::synthetic`] and [`AudioResults::voice`]; 5 [`VideoResults::scene`] and [`VideoResults::safety`]; 6
/// [`VideoResults::text`]. A meta of an older layout is one without them.
pub const RESULTS_VERSION: u32 = 6;

/// The network behind a score, so that a reader can tell two scores' origins apart.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct NetworkRef {
    /// The card's name, e.g. `blazeface-back`.
    pub name: String,
    /// The card's version.
    pub version: String,
    /// SHA-256 of the network's file, hexadecimal.
    pub sha256: String,
    /// The execution provider that ran it: `cpu`, `cuda` or `tensorrt`.
    pub provider: String,
}

/// A half-open range of PTS, in nanoseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PtsRange {
    /// First nanosecond.
    pub start_ns: u64,
    /// One past the last nanosecond.
    pub end_ns: u64,
}

/// The six points of a face that BlazeFace gives, in its order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct FacePoints {
    /// The eye at the left of the picture when the face is upright.
    pub right_eye: Point,
    /// The other eye.
    pub left_eye: Point,
    /// Tip of the nose.
    pub nose: Point,
    /// Centre of the mouth.
    pub mouth: Point,
    /// Tragion at the left of the picture.
    pub right_ear: Point,
    /// The other tragion.
    pub left_ear: Point,
}

/// One face in one picture.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Face {
    /// Identity through time. It survives short occlusions, and no cut.
    pub track: u64,
    /// The detector's box.
    #[serde(rename = "box")]
    pub rect: Rect,
    /// Eyes, nose, mouth and ears.
    pub points: FacePoints,
    /// The detector's score, 0..1: not a probability.
    pub score: f32,
    /// How well the picture shows the face, 0..1: size, sharpness, pose. Not a probability.
    pub quality: f32,
    /// Found by the detector in this very picture; otherwise carried on by the tracker.
    pub detected: bool,
    /// Signs of manipulation; absent when nobody looked for them in this picture.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub manipulation: Option<Manipulation>,
    /// Whether its lips and the sound belong together; absent when nobody compared them. Only records have it: it comes
    /// of the join of picture and sound.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lip_sync: Option<LipSync>,
    /// The voice that is heard comes from this face; absent when nobody can tell. Only records have it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub speaking: Option<bool>,
    /// The fused verdict of all senses; made where records are joined, never in a meta.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fused: Option<Fused>,
}

/// Whether the lips of a face and the sound belong together, over a window that ends at the picture.
///
/// With `reason_not` there is no finding, and `offset_ms`, `mismatch_p` and `signs` are absent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct LipSync {
    /// Length of the window in ns: the longest that the face was seen through, up to 6 s.
    pub window_ns: u64,
    /// How much later than its picture the sound is, in ms; negative where it is early.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offset_ms: Option<f32>,
    /// How much better the best offset fits than the others, from 0; not a probability.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confidence: Option<f32>,
    /// Calibrated probability that lips and sound don't belong together, whatever the offset, 0..1; absent where the
    /// network has no calibration.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mismatch_p: Option<f32>,
    /// Whether viewers notice or mind the offset (ITU-R BT.1359-1), by its median over the last ten seconds; absent before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timing: Option<Bt1359>,
    /// Signs that another voice was put over the face: `mismatch_p` is at least the network's threshold.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signs: Option<bool>,
    /// Why nothing can be said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason_not: Option<SyncReasonNot>,
}

/// Why lips and sound can't be compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SyncReasonNot {
    /// The face was seen, or sound was there, for too short a time.
    TooBrief,
    /// Too little was spoken.
    NoSpeech,
    /// The mouth doesn't move.
    StillMouth,
    /// The mouth can't be seen well: too small, or from the side.
    Unclear,
    /// No offset fits clearly better than the others.
    LowConfidence,
}

/// Whether a face shows signs of manipulation, over the last two seconds of its track, or why that can't be judged.
///
/// With `reason_not` there is no finding, and `p` and `logit` are absent. Only a face that was seen too briefly has a score
/// of this picture.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Manipulation {
    /// Calibrated probability of manipulation of the track, 0..1; absent where the network has no calibration.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub p: Option<f32>,
    /// Logit of the track, not calibrated: the mean over its best pictures.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub logit: Option<f32>,
    /// Logit of this picture alone, not calibrated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub picture_logit: Option<f32>,
    /// How many pictures are in the track's mean.
    #[serde(default)]
    pub pictures: u32,
    /// Signs of manipulation were found: `p` is at least the network's threshold.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signs: Option<bool>,
    /// Why the face can't be judged in this picture.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason_not: Option<ReasonNot>,
}

/// Why a face can't be judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ReasonNot {
    /// It has too few pixels.
    TooSmall,
    /// It lacks the detail that its size could show.
    Blurred,
    /// It looks away from the camera.
    Profile,
    /// Compression left too little of it.
    Compressed,
    /// Too much of it lies outside of the picture.
    CutOff,
    /// Too few pictures of it were scored in the last seconds.
    TooBrief,
}

impl ReasonNot {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::TooSmall, Self::Blurred, Self::Profile, Self::Compressed, Self::CutOff, Self::TooBrief];

    /// Its name in events, metas and accounts.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::TooSmall => "too_small",
            Self::Blurred => "blurred",
            Self::Profile => "profile",
            Self::Compressed => "compressed",
            Self::CutOff => "cut_off",
            Self::TooBrief => "too_brief",
        }
    }

    /// The reason of that name.
    pub fn of_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.as_str() == name)
    }

    /// Its name for people, after "could not be judged: it is ...".
    pub fn in_words(self) -> &'static str {
        match self {
            Self::TooSmall => "too small",
            Self::Blurred => "blurred",
            Self::Profile => "seen from the side",
            Self::Compressed => "too heavily compressed",
            Self::CutOff => "cut off by the picture's edge",
            Self::TooBrief => "seen too briefly",
        }
    }
}

/// A kind of evidence that speaks for or against manipulation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// How the face looks: [`Manipulation`].
    Picture,
    /// How the voice sounds.
    Voice,
    /// Whether the lips and the sound belong together.
    Mismatch,
}

impl Part {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Picture, Self::Voice, Self::Mismatch];

    /// Its name in events and rules.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Picture => "picture",
            Self::Voice => "voice",
            Self::Mismatch => "mismatch",
        }
    }

    /// Its name for people, after "most of all in".
    pub fn in_words(self) -> &'static str {
        match self {
            Self::Picture => "the picture",
            Self::Voice => "the voice",
            Self::Mismatch => "lips that don't fit the sound",
        }
    }
}

/// A number for each part that is known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Parts {
    /// Of [`Part::Picture`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub picture: Option<f32>,
    /// Of [`Part::Voice`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub voice: Option<f32>,
    /// Of [`Part::Mismatch`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mismatch: Option<f32>,
}

impl Parts {
    /// The number of a part.
    pub fn get(&self, part: Part) -> Option<f32> {
        match part {
            Part::Picture => self.picture,
            Part::Voice => self.voice,
            Part::Mismatch => self.mismatch,
        }
    }

    /// Sets the number of a part.
    pub fn set(&mut self, part: Part, value: Option<f32>) {
        match part {
            Part::Picture => self.picture = value,
            Part::Voice => self.voice = value,
            Part::Mismatch => self.mismatch = value,
        }
    }

    /// Nothing is known of any part.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Of each part the higher one.
    pub fn highest(self, other: Self) -> Self {
        let mut highest = self;
        for part in Part::ALL {
            highest.set(part, [self.get(part), other.get(part)].into_iter().flatten().reduce(f32::max));
        }
        highest
    }

    /// The part with the greatest number.
    pub fn greatest(&self) -> Option<Part> {
        let known = Part::ALL.into_iter().filter_map(|part| Some((part, self.get(part)?)));
        known.max_by(|a, b| a.1.total_cmp(&b.1)).map(|(part, _)| part)
    }
}

/// What all senses together say of manipulation.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Fused {
    /// In one word.
    pub verdict: FusedVerdict,
    /// Probability of manipulation of any kind at even odds, 0..1; absent when no part is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub p: Option<f32>,
    /// The probability of each part that was counted, as its network gave it.
    #[serde(default, skip_serializing_if = "Parts::is_empty")]
    pub parts: Parts,
    /// How much each part counted in `p`; they add up to 1.
    #[serde(default, skip_serializing_if = "Parts::is_empty")]
    pub contributions: Parts,
    /// In a frame's verdict: the track of the face that it is about; absent when it is about the sound alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub track: Option<u64>,
}

/// A verdict in one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FusedVerdict {
    /// Signs of manipulation were found.
    Manipulated,
    /// None were found, by a look at the face itself.
    NoManipulationFound,
    /// The evidence is too thin to say either.
    Inconclusive,
}

impl FusedVerdict {
    /// Its name in events and rules.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Manipulated => "manipulated",
            Self::NoManipulationFound => "no_manipulation_found",
            Self::Inconclusive => "inconclusive",
        }
    }
}

/// The faces of one picture; an empty list says that somebody looked and found none.
#[derive(Clone, Debug, PartialEq)]
pub struct FaceResults {
    /// When the picture was shown.
    pub pts: PtsRange,
    /// The detector ran on this picture (`false`: boxes carried on by the tracker).
    pub analysed: bool,
    /// The faces, the best first.
    pub faces: Vec<Face>,
    /// The detector.
    pub network: NetworkRef,
    /// The network behind the faces' [`Manipulation`]; `None` when nobody looked for signs of it.
    pub forensics: Option<NetworkRef>,
    /// The mouths of the faces, for who reads lips; `None` in a picture whose mouths weren't cut.
    pub mouths: Option<Vec<Mouth>>,
}

/// Pixels of a [`Mouth`], each way.
pub const MOUTH_SIDE: usize = 48;

/// The mouth of a face, cut upright from the picture by [`crate::mouth`].
#[derive(Clone, Debug, PartialEq)]
pub struct Mouth {
    /// Whose.
    pub track: u64,
    /// Luma of [`MOUTH_SIDE`] by [`MOUTH_SIDE`] pixels, row by row, full range.
    pub pixels: Arc<[u8]>,
}

/// How one shot becomes the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TransitionKind {
    /// Between two neighbouring pictures.
    Cut,
    /// The new picture grows through the old one.
    Dissolve,
    /// The old picture goes black, or another plain colour, and the new one comes out of it.
    Fade,
    /// An edge moves over the picture, with the old one on one side of it and the new one on the other.
    Wipe,
}

impl TransitionKind {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Cut, Self::Dissolve, Self::Fade, Self::Wipe];

    /// Its name in events, metas and reports.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Cut => "cut",
            Self::Dissolve => "dissolve",
            Self::Fade => "fade",
            Self::Wipe => "wipe",
        }
    }

    /// The kind of that name.
    pub fn of_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }
}

/// A cut, found at the first picture of the new shot: at once, so that whoever follows faces knows of it in time. Events tell
/// of boundaries as [`crate::shot`] finds them, which looks ahead.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Transition {
    /// How.
    pub kind: TransitionKind,
    /// PTS range of the transition; for a cut it starts and ends at the new shot's first picture.
    pub pts: PtsRange,
    /// Strength, from 0; 1 is the threshold. Not a probability.
    pub strength: f32,
}

/// All that is known of one picture: the content of `PolyVideoMeta`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct VideoResults {
    /// Set on the first picture after a cut.
    pub transition: Option<Transition>,
    /// Set when faces were looked for or carried on.
    pub faces: Option<FaceResults>,
    /// What the shot shows, once somebody looked.
    pub scene: Option<SceneResults>,
    /// What in the shot may be unfit to be shown, once somebody looked.
    pub safety: Option<SafetyResults>,
    /// The text that stands in the shot, once somebody looked.
    pub text: Option<TextResults>,
}
