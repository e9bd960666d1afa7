// SPDX-License-Identifier: Apache-2.0
//! When something happened, and how well that is known.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

/// Where the wall time of an event comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ClockSource {
    /// The time at which the first data of the epoch arrived, plus PTS.
    Arrival,
    /// The sender's clock, by the RTCP sender reports of an RTP stream.
    RtcpSr,
    /// An HLS playlist's `EXT-X-PROGRAM-DATE-TIME` of the epoch's first segment, plus PTS.
    ProgramDateTime,
    /// The file's modification time plus PTS: stable from run to run, and no time of recording.
    File,
}

/// The clock of an event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Clock {
    /// Where the wall time comes from.
    pub source: ClockSource,
    /// Nanoseconds since 1970-01-01T00:00:00Z.
    pub wall_ns: u64,
    /// The stretch of the stream within which PTS never steps.
    pub epoch: String,
}

/// A stretch of a stream within which PTS never steps: a whole file, or one connection to a live source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Epoch {
    /// Its name: for files made of content and settings, so that a repeat has the same one; else a ULID.
    pub name: String,
    /// Where wall time comes from.
    pub source: ClockSource,
    /// Wall time of PTS 0, in nanoseconds since 1970.
    pub wall_start_ns: u64,
}

impl Epoch {
    /// The epoch of a file: `content` is the SHA-256 of its bytes, `settings` whatever changes the results.
    pub fn of_file(content: &[u8; 32], settings: &str, modified_ns: u64) -> Self {
        let settings: [u8; 32] = Sha256::digest(settings.as_bytes()).into();
        let name = format!("{}-{}", hex(&content[..8]), hex(&settings[..4]));
        Self { name, source: ClockSource::File, wall_start_ns: modified_ns }
    }

    /// The epoch of a live source that was connected at `now_ns`; `name` is a fresh ULID.
    pub fn of_connection(name: String, now_ns: u64) -> Self {
        Self { name, source: ClockSource::Arrival, wall_start_ns: now_ns }
    }

    /// A better source of wall time is known from here on: the wall clock may step, PTS doesn't.
    pub fn set_clock(&mut self, source: ClockSource, wall_start_ns: u64) {
        (self.source, self.wall_start_ns) = (source, wall_start_ns);
    }

    /// The clock of what is shown at `pts_ns`.
    pub fn clock(&self, pts_ns: u64) -> Clock {
        let wall_ns = self.wall_start_ns.saturating_add(pts_ns);
        Clock { source: self.source, wall_ns, epoch: self.name.clone() }
    }
}

/// Nanoseconds since 1970 as RFC 3339, in UTC.
pub fn rfc3339(wall_ns: u64) -> String {
    // A u64 of nanoseconds ends in the year 2554, well within what both calls take.
    OffsetDateTime::from_unix_timestamp_nanos(wall_ns.into())
        .ok()
        .and_then(|time| time.format(&Rfc3339).ok())
        .unwrap_or_default()
}

fn hex(bytes: &[u8]) -> impl fmt::Display + '_ {
    struct Hex<'a>(&'a [u8]);
    impl fmt::Display for Hex<'_> {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
        }
    }
    Hex(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_files_epoch_depends_on_content_and_settings_alone() {
        let epoch = |byte, settings| Epoch::of_file(&[byte; 32], settings, 7).name;
        assert_eq!(epoch(1, "a"), epoch(1, "a"));
        assert_ne!(epoch(1, "a"), epoch(2, "a"));
        assert_ne!(epoch(1, "a"), epoch(1, "b"));
        assert_eq!(Epoch::of_file(&[1; 32], "a", 7).name, Epoch::of_file(&[1; 32], "a", 8).name);
    }

    #[test]
    fn wall_times_are_rfc_3339_from_the_first_to_the_last() {
        assert_eq!(rfc3339(0), "1970-01-01T00:00:00Z");
        assert_eq!(rfc3339(1_700_000_000_250_000_000), "2023-11-14T22:13:20.25Z");
        assert!(rfc3339(u64::MAX).starts_with("2554-"));
    }
}
