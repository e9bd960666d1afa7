// SPDX-License-Identifier: Apache-2.0
//! Broadcast faults: a feed that is black, frozen, silent, too loud, or not there.
//!
//! Pure and driven by PTS. [`PictureFaults`] and [`SoundFaults`] are fed what elements measure, [`Presence`] where either
//! side has come to; each gives [`Edge`]s, where a fault begins and where it ends. [`Told`] makes incidents of them.
//!
//! A fault begins with the first picture or block of sound that has it, and is told as soon as it has lasted for its limit:
//! what is shorter, as a fade to black between two shots, is none. Words and defaults are those of the field: EBU R 128, its
//! supplement s1 and EBU Tech 3341 (ITU-R BS.1770) for loudness, ITU-R BT.1359-1 for lip-sync, and for what no standard
//! names those of ffmpeg's `blackdetect`, `freezedetect` and `silencedetect`. [`Limits`] has them.

mod bars;
mod limits;
mod picture;
mod presence;
mod rate;
mod sound;
mod span;
mod told;

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use bars::colour_bars;
pub use limits::{LimitError, Limits};
pub use picture::{PictureFaults, PictureSeen};
pub use presence::{LipFaults, Presence};
pub use rate::FrameRate;
pub use sound::{BLOCK_MS, Block, LoudnessSeen, SoundFaults};
pub use span::Span;
pub use told::Told;

/// What is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FaultKind {
    /// The picture is black.
    Black,
    /// The picture doesn't change.
    Frozen,
    /// Colour bars are shown.
    ColourBars,
    /// The picture's size or shape changed.
    PictureSize,
    /// The frame rate changed.
    FrameRate,
    /// No picture comes, while sound does.
    MissingVideo,
    /// All channels are silent.
    Silence,
    /// Momentary loudness (400 ms) is over its limit.
    LoudnessMomentary,
    /// Short-term loudness (3 s) is over its limit.
    LoudnessShortTerm,
    /// Integrated loudness is away from its target.
    LoudnessIntegrated,
    /// The true peak level is over its limit.
    TruePeak,
    /// The sound is clipped.
    Clipping,
    /// Left and right are in opposite phase.
    PhaseInverted,
    /// No sound comes, while pictures do.
    MissingAudio,
    /// Lips and sound are apart.
    LipSync,
}

impl FaultKind {
    /// All of them.
    pub const ALL: [Self; 15] = [
        Self::Black,
        Self::Frozen,
        Self::ColourBars,
        Self::PictureSize,
        Self::FrameRate,
        Self::MissingVideo,
        Self::Silence,
        Self::LoudnessMomentary,
        Self::LoudnessShortTerm,
        Self::LoudnessIntegrated,
        Self::TruePeak,
        Self::Clipping,
        Self::PhaseInverted,
        Self::MissingAudio,
        Self::LipSync,
    ];
    /// Those that are found in pictures alone.
    pub const PICTURE: [Self; 5] = [Self::Black, Self::Frozen, Self::ColourBars, Self::PictureSize, Self::FrameRate];
    /// Those that are found in sound alone.
    pub const SOUND: [Self; 7] = [
        Self::Silence,
        Self::LoudnessMomentary,
        Self::LoudnessShortTerm,
        Self::LoudnessIntegrated,
        Self::TruePeak,
        Self::Clipping,
        Self::PhaseInverted,
    ];

    /// Its name in events, settings and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Black => "black",
            Self::Frozen => "frozen",
            Self::ColourBars => "colour_bars",
            Self::PictureSize => "picture_size",
            Self::FrameRate => "frame_rate",
            Self::MissingVideo => "missing_video",
            Self::Silence => "silence",
            Self::LoudnessMomentary => "loudness_momentary",
            Self::LoudnessShortTerm => "loudness_short_term",
            Self::LoudnessIntegrated => "loudness_integrated",
            Self::TruePeak => "true_peak",
            Self::Clipping => "clipping",
            Self::PhaseInverted => "phase_inverted",
            Self::MissingAudio => "missing_audio",
            Self::LipSync => "lip_sync",
        }
    }

    /// The kind of that name.
    pub fn of_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }

    /// The unit of its depth; `None` where it has none.
    pub fn unit(self) -> Option<&'static str> {
        match self {
            Self::Black => Some("share of dark pixels"),
            Self::Frozen => Some("dB of change"),
            Self::Silence => Some("dBFS"),
            Self::LoudnessMomentary | Self::LoudnessShortTerm | Self::LoudnessIntegrated => Some("LUFS"),
            Self::TruePeak => Some("dBTP"),
            Self::Clipping => Some("clipped samples"),
            Self::PhaseInverted => Some("correlation"),
            Self::LipSync => Some("ms"),
            Self::FrameRate => Some("fps"),
            Self::ColourBars | Self::PictureSize | Self::MissingVideo | Self::MissingAudio => None,
        }
    }
}

impl fmt::Display for FaultKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Kinds of faults that are looked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Faults(u32);

impl Faults {
    /// None of them.
    pub const NONE: Self = Self(0);

    /// All of them.
    pub fn all() -> Self {
        FaultKind::ALL.into_iter().collect()
    }

    /// Whether a kind is looked for.
    pub fn has(self, kind: FaultKind) -> bool {
        self.0 >> kind as u32 & 1 == 1
    }

    /// Whether any of these is.
    pub fn any(self, kinds: &[FaultKind]) -> bool {
        kinds.iter().any(|kind| self.has(*kind))
    }

    /// Whether none is.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Reads names with commas between: kinds, `all`, or `picture` and `sound` for what is found in either alone. Empty is
    /// none.
    ///
    /// # Errors
    /// One line that names what isn't known.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut faults = Self::NONE;
        for name in text.split(',').map(str::trim).filter(|name| !name.is_empty()) {
            let more: Self = match name {
                "all" => Self::all(),
                "picture" => FaultKind::PICTURE.into_iter().collect(),
                "sound" => FaultKind::SOUND.into_iter().collect(),
                name => {
                    let all = FaultKind::ALL.map(FaultKind::as_str).join(", ");
                    let kind = FaultKind::of_name(name);
                    let unknown = || format!("`{name}` is no fault; there are all, picture, sound, {all}");
                    kind.ok_or_else(unknown).map(|kind| Self(1 << kind as u32))?
                }
            };
            faults.0 |= more.0;
        }
        Ok(faults)
    }

    /// The kinds, in order.
    pub fn kinds(self) -> impl Iterator<Item = FaultKind> {
        FaultKind::ALL.into_iter().filter(move |kind| self.has(*kind))
    }
}

impl FromIterator<FaultKind> for Faults {
    fn from_iter<I: IntoIterator<Item = FaultKind>>(kinds: I) -> Self {
        Self(kinds.into_iter().fold(0, |set, kind| set | 1 << kind as u32))
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.kinds().map(FaultKind::as_str).collect::<Vec<_>>().join(","))
    }
}

/// Where a fault begins or ends. Times are those of whoever measures: PTS inside elements, stream time outside.
#[derive(Clone, Debug, PartialEq)]
pub struct Edge {
    /// What is wrong.
    pub kind: FaultKind,
    /// It is over; `false`: it has begun.
    pub over: bool,
    /// When it began.
    pub start_ns: u64,
    /// One past where it was last seen.
    pub end_ns: u64,
    /// When this was known.
    pub known_ns: u64,
    /// How bad it was at its worst, in [`FaultKind::unit`].
    pub depth: Option<f32>,
    /// What exactly, where a number doesn't say it.
    pub detail: Option<String>,
}

/// What an incident says of the fault that it is about.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Fault {
    /// What is wrong.
    pub kind: FaultKind,
    /// How bad it was at its worst, in `unit`; absent where there is no measure of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub depth: Option<f32>,
    /// The unit of `depth`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
}
