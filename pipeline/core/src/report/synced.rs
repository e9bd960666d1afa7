// SPDX-License-Identifier: Apache-2.0
//! What a run found of a face's lips and the sound.

use std::{collections::BTreeMap, fmt};

use serde::Serialize;

use crate::results::{Face, LipSync, SyncReasonNot};

/// All that a run found of one face's lips.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Synced {
    /// Pictures at which an offset could be told.
    pub judged: u64,
    /// Pictures at which there were signs that lips and sound don't belong together.
    pub with_signs: u64,
    /// Median of how late the sound was, in ms.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub median_offset_ms: Option<f32>,
    /// Pictures at which the face was the speaker.
    pub speaking: u64,
    /// Pictures at which nothing could be said, by reason.
    pub not_judged: BTreeMap<SyncReasonNot, u64>,
    #[serde(skip)]
    offsets: Vec<f32>,
}

impl Synced {
    /// Takes note of a picture.
    pub(super) fn take(&mut self, face: &Face, found: &LipSync) {
        self.speaking += u64::from(face.speaking == Some(true));
        self.with_signs += u64::from(found.signs == Some(true));
        if let Some(reason) = found.reason_not {
            *self.not_judged.entry(reason).or_default() += 1;
        }
        if let Some(offset) = found.offset_ms {
            self.judged += 1;
            let behind = self.offsets.partition_point(|known| *known < offset);
            self.offsets.insert(behind, offset);
            self.median_offset_ms = self.offsets.get(self.offsets.len() / 2).copied();
        }
    }
}

impl fmt::Display for Synced {
    /// The end of a face's line; nothing for a face whose lips nobody could compare.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.with_signs > self.judged {
            write!(f, "; signs that the voice isn't its own")?;
        } else if let Some(offset) = self.median_offset_ms {
            let way = if offset < 0.0 { "early" } else { "late" };
            write!(f, "; lips fit the sound, which is {:.0} ms {way}", offset.abs())?;
        } else if self.not_judged.get(&SyncReasonNot::StillMouth).is_some_and(|still| *still > 10) {
            write!(f, "; doesn't speak")?;
        }
        Ok(())
    }
}
