// SPDX-License-Identifier: Apache-2.0
//! Other systems' JSON for frames, so that consumers written for them understand Polygraph.
//!
//! Only frames have a counterpart there; transcripts, shots, incidents and news of streams stay as they are. What a
//! profile can't say is lost: several findings, the networks' versions and hashes, the reason why a face can't be judged.
//! No code of those systems is used; field names are from their documentation and sources, as of November 2026.

mod deepstream;
mod dlstreamer;

use std::{fmt, str::FromStr};

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

use crate::event::{Data, Kind};
use crate::record::Frame;
use crate::results::Manipulation;

/// How frames are written where events leave.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Profile {
    /// As in the schemas here.
    #[default]
    Polygraph,
    /// As `gvametaconvert` of Intel DL Streamer writes them.
    #[serde(rename = "dlstreamer")]
    DlStreamer,
    /// As `nvmsgconv payload-type=1` of NVIDIA DeepStream writes them ("minimal", version 4.0).
    #[serde(rename = "deepstream-minimal")]
    DeepStreamMinimal,
}

/// What a frame's envelope says, for payloads that have no envelope.
#[derive(Clone, Copy, Debug)]
pub struct Envelope<'a> {
    /// The event's id.
    pub id: &'a str,
    /// The stream.
    pub stream: &'a str,
    /// `/streams/STREAM`.
    pub source: &'a str,
    /// Wall time, RFC 3339.
    pub time: &'a str,
}

impl Profile {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Polygraph, Self::DlStreamer, Self::DeepStreamMinimal];

    /// Its name in options.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Polygraph => "polygraph",
            Self::DlStreamer => "dlstreamer",
            Self::DeepStreamMinimal => "deepstream-minimal",
        }
    }

    /// The CloudEvents `type` and the schema's name of a converted event: nobody shall take it for one of ours. `None`
    /// where the profile changes nothing.
    pub fn names(self, kind: Kind) -> Option<(String, String)> {
        let changed = self != Self::Polygraph && kind == Kind::Frame;
        let name = self.as_str();
        changed.then(|| (format!("io.polygraph.{kind}.{name}.v1"), format!("urn:polygraph:schema:{kind}:{name}:v1")))
    }

    /// The payload of a frame; `None` for [`Profile::Polygraph`], whose payload is `data` itself.
    pub fn frame(self, envelope: Envelope<'_>, data: &Data<Frame>) -> Option<Value> {
        match self {
            Self::Polygraph => None,
            Self::DlStreamer => Some(dlstreamer::frame(envelope, data)),
            Self::DeepStreamMinimal => Some(deepstream::frame(envelope, data)),
        }
    }
}

impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Profile {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let names = || Self::ALL.map(Self::as_str).join(", ");
        Self::ALL.into_iter().find(|profile| profile.as_str() == text).ok_or_else(|| format!("one of {}", names()))
    }
}

/// A finding as a class: its label, its number, and how sure it is.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Class {
    label: &'static str,
    number: u32,
    p: Option<f32>,
}

/// The class of what was found in a face.
fn class(found: &Manipulation) -> Class {
    let (label, number) = match (found.reason_not, found.signs) {
        (Some(_), _) | (None, None) => ("not_judged", 2),
        (None, Some(true)) => ("signs_found", 1),
        (None, Some(false)) => ("none_found", 0),
    };
    // Of the class, as classifiers give it: 0.1 of manipulation is 0.9 of none.
    let p = found.p.map(|p| if number == 0 { 1.0 - p } else { p });
    Class { label, number, p }
}

/// Parts of the picture in pixels; parts stay parts where the picture's size isn't known.
fn pixels(frame: &Frame) -> (f32, f32) {
    frame.picture.map_or((1.0, 1.0), |size| (size.width as f32, size.height as f32))
}
