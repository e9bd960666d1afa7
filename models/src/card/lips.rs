// SPDX-License-Identifier: Apache-2.0
//! What the likeness of lips and sound means.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What the likeness of lips and sound means, as fixed on calibration clips.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LipSync {
    /// For each length of window that is judged.
    pub windows: Vec<LipSyncWindow>,
    /// From this probability on that it is the one who is heard, among all faces and nobody, a face speaks.
    pub speaking: f32,
    /// Mean motion of a mouth, in parts of its contrast, under which it is still.
    pub still: f32,
    /// Mean motion from which on a mouth moves as those of people who talk do; under it nothing is said of lips and sound.
    pub talks: f32,
}

/// One length of window.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LipSyncWindow {
    /// Its length in seconds: 1, 3 or 6.
    pub seconds: u32,
    /// Factor of the confidence, under 0: the probability of a mismatch is `sigmoid(scale * confidence + offset + far)`.
    pub scale: f32,
    /// Added to the scaled confidence.
    pub offset: f32,
    /// Added as well where the best offset is more than 200 ms.
    #[serde(default)]
    pub far: f32,
    /// From this confidence on the offset can be believed.
    pub least_confidence: f32,
    /// From this probability of a mismatch on there are signs of one.
    pub threshold: f32,
}

impl LipSync {
    /// What is wrong with its numbers, if anything.
    pub(super) fn validate(&self) -> Result<(), String> {
        let thresholds = self.windows.iter().map(|window| ("threshold", window.threshold));
        for (what, p) in thresholds.chain([("speaking", self.speaking)]) {
            if !(0.0..=1.0).contains(&p) {
                return Err(format!("lip_sync: {what} {p} isn't within 0..1"));
            }
        }
        if !(self.talks.is_finite() && 0.0 <= self.still && self.still <= self.talks) {
            return Err(format!(
                "lip_sync: still {} and talks {} are no motions, the lesser first",
                self.still, self.talks
            ));
        }
        for window in &self.windows {
            let LipSyncWindow { seconds, scale, offset, far, least_confidence, .. } = *window;
            if ![1, 3, 6].contains(&seconds) {
                return Err(format!("lip_sync: windows have 1, 3 or 6 seconds, not {seconds}"));
            }
            if !(scale < 0.0 && [scale, offset, far, least_confidence].iter().all(|number| number.is_finite())) {
                return Err(format!("lip_sync: the window of {seconds} s needs finite numbers, and a scale under 0"));
            }
        }
        Ok(())
    }
}
