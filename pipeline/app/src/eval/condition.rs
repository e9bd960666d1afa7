// SPDX-License-Identifier: Apache-2.0
//! What is done to the pictures before the analysers see them.

use std::{fmt, str::FromStr};

use serde::{Serialize, Serializer};

/// A way to make pictures worse.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Condition {
    /// Nothing.
    Clean,
    /// H.264 at a constant quantiser.
    Qp(u32),
    /// Half the size and back.
    Half,
    /// Gaussian noise.
    Noise,
    /// Stills only: the still moves through a 640x360 picture that is encoded at a constant quantiser.
    Moving(u32),
    /// The faces' boxes are off by so many per cent of their size, around their centres: a detector that errs.
    Boxes(i32),
    /// Of voices.
    Sound(Sound),
}

/// A way to make sound worse.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sound {
    /// Opus at 24 kbit/s.
    Opus24,
    /// AAC at 64 kbit/s.
    Aac64,
    /// 300 to 3400 Hz and mu-law.
    Telephone,
    /// White noise 10 dB under the sound.
    Noise10,
}

impl Condition {
    /// All of them, in the order of a report.
    pub const ALL: [Self; 14] = [
        Self::Clean,
        Self::Qp(34),
        Self::Qp(36),
        Self::Qp(38),
        Self::Qp(42),
        Self::Half,
        Self::Noise,
        Self::Moving(38),
        Self::Boxes(10),
        Self::Boxes(-10),
        Self::Sound(Sound::Opus24),
        Self::Sound(Sound::Aac64),
        Self::Sound(Sound::Telephone),
        Self::Sound(Sound::Noise10),
    ];

    /// Whether it can be done to voices, and to pictures.
    pub fn suits(self) -> [bool; 2] {
        match self {
            Self::Clean => [true, true],
            Self::Sound(_) => [true, false],
            _ => [false, true],
        }
    }

    /// The quantiser, if pictures are encoded.
    pub fn quantizer(self) -> Option<u32> {
        match self {
            Self::Qp(qp) | Self::Moving(qp) => Some(qp),
            _ => None,
        }
    }

    /// For people.
    pub fn in_words(self) -> String {
        match self {
            Self::Clean => "as they are".into(),
            Self::Qp(qp) => format!("H.264 at QP {qp}"),
            Self::Half => "half the size and back".into(),
            Self::Noise => "Gaussian noise, sigma 8 of 255".into(),
            Self::Moving(qp) => format!("stills moving through 640x360, H.264 at QP {qp}"),
            Self::Boxes(percent) => format!("as they are, faces' boxes {percent:+} %"),
            Self::Sound(Sound::Opus24) => "Opus at 24 kbit/s".into(),
            Self::Sound(Sound::Aac64) => "AAC at 64 kbit/s".into(),
            Self::Sound(Sound::Telephone) => "300 to 3400 Hz, mu-law".into(),
            Self::Sound(Sound::Noise10) => "white noise 10 dB under the sound".into(),
        }
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Clean => f.write_str("clean"),
            Self::Qp(qp) => write!(f, "qp{qp}"),
            Self::Half => f.write_str("half"),
            Self::Noise => f.write_str("noise"),
            Self::Moving(qp) => write!(f, "moving{qp}"),
            Self::Boxes(percent) => write!(f, "boxes{percent:+}"),
            Self::Sound(Sound::Opus24) => f.write_str("opus24"),
            Self::Sound(Sound::Aac64) => f.write_str("aac64"),
            Self::Sound(Sound::Telephone) => f.write_str("telephone"),
            Self::Sound(Sound::Noise10) => f.write_str("noise10db"),
        }
    }
}

impl FromStr for Condition {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL.into_iter().find(|condition| condition.to_string() == text).ok_or_else(|| {
            let known: Vec<_> = Self::ALL.iter().map(ToString::to_string).collect();
            format!("there is `{}`", known.join("`, `"))
        })
    }
}

impl Serialize for Condition {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
