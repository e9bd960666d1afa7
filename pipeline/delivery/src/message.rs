// SPDX-License-Identifier: Apache-2.0
//! What is sent, and where to.

use std::fmt;

/// The topic of what Kafka refused for good.
pub const DEAD_LETTERS: &str = "polygraph.deadletter";

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
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Topic {
    /// What happens to streams as a whole.
    Streams,
    /// Analysed pictures.
    Frames,
    /// Words.
    Transcripts,
    /// Shot boundaries.
    Shots,
    /// What a person should look at.
    Incidents,
}

impl Topic {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Streams, Self::Frames, Self::Transcripts, Self::Shots, Self::Incidents];

    /// What is given up first when there is no room, and what last: a picture has thousands of neighbours, an incident
    /// none.
    pub const EXPENDABLE: [Self; 5] = [Self::Frames, Self::Shots, Self::Transcripts, Self::Streams, Self::Incidents];

    /// The name at the broker.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Streams => "polygraph.streams",
            Self::Frames => "polygraph.frames",
            Self::Transcripts => "polygraph.transcripts",
            Self::Shots => "polygraph.shots",
            Self::Incidents => "polygraph.incidents",
        }
    }

    /// Its place in [`Topic::ALL`].
    pub(crate) const fn index(self) -> usize {
        self as usize
    }

    /// The topics that may be given up to make room for this one, those first that are missed least; itself last.
    pub(crate) fn gives_way_to(self) -> impl Iterator<Item = Self> {
        let place = Self::EXPENDABLE.iter().position(|topic| *topic == self).unwrap_or_default();
        Self::EXPENDABLE.into_iter().take(place + 1)
    }
}

impl fmt::Display for Topic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
