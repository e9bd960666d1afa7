// SPDX-License-Identifier: Apache-2.0
//! What is wanted of a stream.

use std::{fmt, time::Duration};

use polygraph_core::event::StreamId;
use polygraph_core::supervision::Times;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::source;
use crate::graph::Analysis;

/// rtspsrc's own jitterbuffer waits two seconds.
const LATENCY: Duration = Duration::from_millis(200);

/// How RTP comes from an RTSP server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Transport {
    /// Within the RTSP connection: nothing is lost on the way.
    #[default]
    Tcp,
    /// By UDP.
    Udp,
    /// By UDP multicast.
    Multicast,
    /// By UDP, and by TCP when none comes.
    Auto,
}

/// Who we are to a source.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// Name.
    pub user: String,
    /// Password; printed nowhere.
    pub password: String,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("user", &self.user).finish_non_exhaustive()
    }
}

/// A stream as it is wanted.
#[derive(Clone, Debug, PartialEq)]
pub struct Wanted {
    /// Its id in events.
    pub id: StreamId,
    /// `rtsp`, `rtsps`, `rtmp`, `rtmps`, `http`, `https`, `srt`, `udp`, `rtp`, `file`, or `test://PATTERN` with a
    /// pattern of `videotestsrc`; or a path.
    pub uri: String,
    /// A file is shown again and again, as from a camera.
    pub looped: bool,
    /// How RTP comes from an RTSP server.
    pub transport: Transport,
    /// How long the jitter buffer of RTSP and SRT waits.
    pub latency: Duration,
    /// For RTSP and HTTP; those in the URI count as well.
    pub credentials: Option<Credentials>,
    /// Whether a server's certificate has to be valid.
    pub verify_tls: bool,
    /// What is looked and listened for.
    pub analysis: Analysis,
    /// When it counts as stalled or gone; `None` for what fits the kind of source.
    pub times: Option<Times>,
}

impl Wanted {
    /// With the defaults for everything but its id and URI.
    pub fn new(id: &str, uri: impl Into<String>) -> Self {
        Self {
            id: StreamId::new(id),
            uri: uri.into(),
            looped: false,
            transport: Transport::default(),
            latency: LATENCY,
            credentials: None,
            verify_tls: true,
            analysis: Analysis::default(),
            times: None,
        }
    }

    /// When it counts as stalled or gone.
    pub(super) fn times(&self) -> Times {
        self.times.clone().unwrap_or_else(|| source::times(&self.uri))
    }
}
