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
}

impl Condition {
    /// All of them, in the order of a report.
    pub const ALL: [Self; 9] = [
        Self::Clean,
        Self::Qp(34),
        Self::Qp(38),
        Self::Qp(42),
        Self::Half,
        Self::Noise,
        Self::Moving(38),
        Self::Boxes(10),
        Self::Boxes(-10),
    ];

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
