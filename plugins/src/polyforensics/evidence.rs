// SPDX-License-Identifier: Apache-2.0
//! Pictures of a track's highest score, for people.

use std::collections::BTreeMap;

/// Name of the element message.
pub const EVIDENCE: &str = "polygraph-evidence";
/// Tracks whose highest score is remembered; ids are never used again, so the smallest are over.
const MOST_TRACKS: usize = 1024;

/// What an element message [`EVIDENCE`] says.
#[derive(Clone, Debug, PartialEq)]
pub struct Evidence {
    /// The face's track.
    pub track: u64,
    /// PTS of the picture, in nanoseconds.
    pub pts_ns: u64,
    /// The picture's logit, the track's highest so far.
    pub logit: f32,
    /// A JPEG file: the face, and beside it the face under a map of where it looks manipulated.
    pub picture: Vec<u8>,
}

impl Evidence {
    /// Reads a message; `None` when it is another one.
    pub fn read(message: &gst::message::Element) -> Option<Self> {
        let structure = message.structure().filter(|structure| structure.name() == EVIDENCE)?;
        Some(Self {
            track: structure.get("track").ok()?,
            pts_ns: structure.get::<gst::ClockTime>("pts").ok()?.nseconds(),
            logit: structure.get("logit").ok()?,
            picture: structure.get::<gst::Buffer>("picture").ok()?.map_readable().ok()?.to_vec(),
        })
    }

    pub(super) fn write(self) -> gst::Structure {
        gst::Structure::builder(EVIDENCE)
            .field("track", self.track)
            .field("pts", gst::ClockTime::from_nseconds(self.pts_ns))
            .field("logit", self.logit)
            .field("picture", gst::Buffer::from_mut_slice(self.picture))
            .build()
    }
}

/// The highest score of each track.
#[derive(Debug, Default)]
pub(super) struct Highest(BTreeMap<u64, f32>);

impl Highest {
    /// Whether a score is its track's highest so far.
    pub(super) fn is_new(&mut self, track: u64, logit: f32) -> bool {
        let highest = self.0.entry(track).or_insert(f32::NEG_INFINITY);
        let new = logit > *highest;
        *highest = highest.max(logit);
        if self.0.len() > MOST_TRACKS {
            self.0.pop_first();
        }
        new
    }
}
