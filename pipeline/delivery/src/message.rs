// SPDX-License-Identifier: Apache-2.0
//! What is sent, and where to.

use std::fmt;

/// One event ready for the wire.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Where it goes.
    pub topic: Topic,
    /// Messages of one key keep their order; the id of the stream.
    pub key: String,
    /// Names and values, in this order.
    pub headers: Vec<(String, String)>,
    /// The value.
    pub payload: Vec<u8>,
}

/// The topics of Polygraph.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Topic {
    /// What happens to streams as a whole.
    Streams,
    /// Analysed pictures.
    Frames,
    /// Words.
    Transcripts,
    /// Shot boundaries.
    Shots,
}

impl Topic {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Streams, Self::Frames, Self::Transcripts, Self::Shots];

    /// The name at the broker.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Streams => "polygraph.streams",
            Self::Frames => "polygraph.frames",
            Self::Transcripts => "polygraph.transcripts",
            Self::Shots => "polygraph.shots",
        }
    }
}

impl fmt::Display for Topic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
