// SPDX-License-Identifier: Apache-2.0
//! What analysers found in the sound.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{NetworkRef, PtsRange};

/// Loudness by EBU R 128 (ITU-R BS.1770), in LUFS. `None` under the -70 LUFS gate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Loudness {
    /// Over the last 400 ms.
    pub momentary_lufs: Option<f32>,
    /// Over the last 3 s.
    pub short_term_lufs: Option<f32>,
    /// Over the whole stream so far, gated.
    pub integrated_lufs: Option<f32>,
}

/// Speech activity of one window of sound.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SpeechWindow {
    /// The window.
    pub pts: PtsRange,
    /// The network's speech probability, 0..1.
    pub p: f32,
}

/// All that is known of one buffer of sound: the content of `PolyAudioMeta`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AudioResults {
    /// The buffer's own range.
    pub pts: PtsRange,
    /// Speech windows that ENDED within this buffer, in order.
    pub speech: Vec<SpeechWindow>,
    /// Loudness at the buffer's end.
    pub loudness: Loudness,
    /// The sound has been under the silence threshold for the silence time.
    pub silent: bool,
    /// The speech-activity network; `None` when speech activity is off.
    pub network: Option<NetworkRef>,
    /// Signs that the voice was synthesised, as last judged; `None` when nobody looks for them.
    pub synthetic: Option<Synthetic>,
    /// The network behind `synthetic`.
    pub voice: Option<NetworkRef>,
    /// The sound as networks hear it, in pieces that ended within this buffer, in order; empty unless asked for.
    pub heard: Vec<Heard>,
}

/// A piece of sound: mono at 16 kHz, -1..1.
#[derive(Clone, Debug, PartialEq)]
pub struct Heard {
    /// Its range.
    pub pts: PtsRange,
    /// The samples.
    pub samples: Arc<[f32]>,
}

/// Whether a voice shows signs of being synthesised, over the window that ends at the moment, or why that can't be judged.
///
/// With `reason_not` there is no finding, and `p`, `logit` and `signs` are absent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Synthetic {
    /// Calibrated probability, 0..1; absent where the network has no calibration.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub p: Option<f32>,
    /// Logit, not calibrated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub logit: Option<f32>,
    /// Signs of synthesis were found: `p` is at least the network's threshold.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signs: Option<bool>,
    /// Why the voice can't be judged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason_not: Option<VoiceReasonNot>,
}

/// Why a voice can't be judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum VoiceReasonNot {
    /// Too little was spoken in the window.
    TooLittleSpeech,
    /// It is too quiet.
    TooQuiet,
    /// It is clipped.
    Clipped,
}

impl VoiceReasonNot {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::TooLittleSpeech, Self::TooQuiet, Self::Clipped];

    /// Its name in events, metas and accounts.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::TooLittleSpeech => "too_little_speech",
            Self::TooQuiet => "too_quiet",
            Self::Clipped => "clipped",
        }
    }

    /// The reason of that name.
    pub fn of_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.as_str() == name)
    }

    /// Its name for people, after "could not be judged".
    pub fn in_words(self) -> &'static str {
        match self {
            Self::TooLittleSpeech => "too little speech",
            Self::TooQuiet => "too quiet",
            Self::Clipped => "clipped",
        }
    }
}
