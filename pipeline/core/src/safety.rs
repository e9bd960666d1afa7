// SPDX-License-Identifier: Apache-2.0
//! What in a picture may be unfit to be shown.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::geometry::Rect;
use crate::results::NetworkRef;

/// One thing that a network for content safety found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SafetyFinding {
    /// The network's own label.
    pub label: String,
    /// Its score, 0..1; a probability only where the network's card has a calibration.
    pub score: f32,
    /// Where it is; absent for a network that judges whole pictures.
    #[serde(rename = "box", default, skip_serializing_if = "Option::is_none")]
    pub rect: Option<Rect>,
    /// The label is one of those for which evidence is blurred.
    pub sensitive: bool,
}

/// What was found in the shot's last picture that was looked at.
#[derive(Clone, Debug, PartialEq)]
pub struct SafetyResults {
    /// The network looked at this very picture.
    pub analysed: bool,
    /// The findings that reach their label's threshold, the highest score first.
    pub findings: Vec<SafetyFinding>,
    /// The network.
    pub network: NetworkRef,
}

impl SafetyResults {
    /// Whether a picture of this shot is to be blurred before people get it as evidence.
    pub fn is_sensitive(&self) -> bool {
        self.findings.iter().any(|finding| finding.sensitive)
    }
}
