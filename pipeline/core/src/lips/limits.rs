// SPDX-License-Identifier: Apache-2.0
//! How far apart sound and picture may be before viewers notice, and before they mind.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Recommendation ITU-R BT.1359-1 (1998), "Relative timing of sound and vision for broadcasting", in ms of lateness of the
/// sound: subjects detected 45 ms of advance and 125 ms of delay, and accepted 90 ms of advance and 185 ms of delay.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Bt1359 {
    /// Nobody notices.
    Undetectable,
    /// It is noticed, and minded by few: for information.
    Detectable,
    /// It is minded: an alarm.
    Unacceptable,
}

/// The limits of what is detected and of what is accepted: most advance and most delay of the sound, in ms.
pub const BT1359: [(f32, f32); 2] = [(-45.0, 125.0), (-90.0, 185.0)];

impl Bt1359 {
    /// The class of a lateness of the sound in ms, negative where it is early.
    pub fn of(offset_ms: f32) -> Self {
        let within = |(early, late): (f32, f32)| (early..=late).contains(&offset_ms);
        match BT1359.map(within) {
            [true, _] => Self::Undetectable,
            [false, true] => Self::Detectable,
            [false, false] => Self::Unacceptable,
        }
    }
}
