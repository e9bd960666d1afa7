// SPDX-License-Identifier: Apache-2.0
//! What a fleet of workers is told and tells: the records of the topics `polygraph.desired` and `polygraph.status`, one JSON
//! object for each stream, whose id is the key.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// How a stream is wanted. A stream is taken back by a record without a value.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Wanted {
    /// Where it comes from: rtsp, rtmp, http, https, srt or udp; or a file that every worker has at that place, which is
    /// shown again and again.
    pub uri: String,
    /// How many pictures a second are searched for faces, 0.1 to 240.
    #[serde(default = "Wanted::default_fps")]
    pub analysis_fps: f64,
    /// Look for small faces too.
    #[serde(default)]
    pub tiles: bool,
    /// Write down what is said.
    #[serde(default = "yes")]
    pub transcript: bool,
    /// Look for signs of manipulation in faces.
    #[serde(default = "yes")]
    pub forensics: bool,
}

fn yes() -> bool {
    true
}

impl Wanted {
    fn default_fps() -> f64 {
        5.0
    }

    /// A stream with everything on.
    pub fn new(uri: impl Into<String>) -> Self {
        Self { uri: uri.into(), analysis_fps: Self::default_fps(), tiles: false, transcript: true, forensics: true }
    }

    /// Reads what somebody wrote.
    ///
    /// # Errors
    /// One line that says what is wrong with it.
    pub fn read(record: &[u8]) -> Result<Self, String> {
        // An array of the fields' values in their order would be read as well; nobody shall rely on that.
        let object: Map<String, Value> = serde_json::from_slice(record).map_err(|error| error.to_string())?;
        let wanted: Self = serde_json::from_value(object.into()).map_err(|error| error.to_string())?;
        if !(0.1..=240.0).contains(&wanted.analysis_fps) {
            return Err(format!("analysis_fps is {} and must be from 0.1 to 240", wanted.analysis_fps));
        }
        if wanted.uri.is_empty() {
            return Err("the uri is empty".into());
        }
        Ok(wanted)
    }
}

/// How a stream is, as the worker says that has it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Status {
    /// The worker's name.
    pub worker: String,
    /// Rises with each run of the stream; of two that tell of it, believe the higher.
    pub generation: u64,
    /// How it is: a state of `stream` events, or `refused`, `handed_over`, `lost`.
    pub state: String,
    /// Why, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Since when, in milliseconds since 1970, by the worker's clock.
    pub since_ms: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uri_is_enough_and_what_is_wrong_is_told() {
        assert_eq!(Wanted::read(br#"{"uri":"rtsp://cam/1"}"#), Ok(Wanted::new("rtsp://cam/1")));
        for (record, says) in [
            ("", "EOF"),
            (r#"["rtsp://cam/1"]"#, "a map"),
            (r#"{"url":"rtsp://cam/1"}"#, "unknown field `url`"),
            (r#"{"uri":""}"#, "empty"),
            (r#"{"uri":"rtsp://cam/1","analysis_fps":0}"#, "analysis_fps is 0"),
        ] {
            let why = Wanted::read(record.as_bytes()).unwrap_err();
            assert!(why.contains(says), "{record}: {why}");
        }
    }
}
