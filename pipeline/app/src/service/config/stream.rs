// SPDX-License-Identifier: Apache-2.0
//! One stream of the configuration; the API takes the same.

use std::collections::BTreeMap;
use std::time::Duration;

use polygraph_core::event::StreamId;
use polygraph_core::fault::{Faults, Limits};
use polygraph_core::load::Demand;
use polygraph_models::Provider;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Secret;
use crate::graph::Analysis;
use crate::supervise::{Credentials, Transport, Wanted, source_times};

/// A stream.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StreamConfig {
    /// Its id in events: letters, digits, `.`, `_` and `-`, at most 64.
    pub id: String,
    /// rtsp, rtsps, rtmp, http (HLS), srt, udp (MPEG-TS), `file:///PATH` or `test://PATTERN`.
    pub uri: String,
    /// A file is shown again and again, as from a camera.
    #[serde(default, rename = "loop")]
    pub looped: bool,
    /// How RTP comes from an RTSP server.
    #[serde(default)]
    pub transport: Transport,
    /// How long the jitter buffer of RTSP and SRT waits, in milliseconds.
    #[serde(default = "latency_ms")]
    pub latency_ms: u32,
    /// For RTSP and HTTP.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// The password of `user`: `env:NAME`, `file:PATH` or as it is. It is never given out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<Secret>,
    /// Whether a server's certificate has to be valid.
    #[serde(default = "yes")]
    pub verify_tls: bool,
    /// Pictures a second that are searched for faces.
    #[serde(default = "analysis_fps")]
    pub analysis_fps: f64,
    /// Look for small faces too, at several times the cost.
    #[serde(default)]
    pub tiles: bool,
    /// Write down what is said.
    #[serde(default = "yes")]
    pub transcript: bool,
    /// Look for signs of manipulation in faces.
    #[serde(default = "yes")]
    pub forensics: bool,
    /// Compare lips and sound: lip-sync and who speaks.
    #[serde(default = "yes")]
    pub lip_sync: bool,
    /// Let lips help the transcript: experimental, of one speaker's 51 words. Takes `transcript` and `lip_sync`.
    #[serde(default)]
    pub lip_reading: bool,
    /// Label what is shown: scenes, indoors or outdoors.
    #[serde(default = "yes")]
    pub scenes: bool,
    /// Look for what may be unfit to be shown. The network is fetched only when its licence was accepted by name:
    /// `polygraph models fetch nudenet-320n --accept nudenet-320n`.
    #[serde(default)]
    pub safety: bool,
    /// Least scores of content safety's labels, in place of the card's.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub safety_thresholds: BTreeMap<String, f32>,
    /// Read the text that stands on the screen: captions, name straps, signs.
    #[serde(default)]
    pub screen_text: bool,
    /// Look for faces; without, there are no frame events.
    #[serde(default = "yes")]
    pub faces: bool,
    /// Look for shot boundaries.
    #[serde(default = "yes")]
    pub shots: bool,
    /// Look for speech, loudness, silence and signs of a synthetic voice.
    #[serde(default = "yes")]
    pub voice: bool,
    /// Broadcast faults to look for: `all`, `picture`, `sound`, or their names.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub faults: Vec<String>,
    /// From where on something is a fault.
    #[serde(default)]
    pub fault_limits: Limits,
    /// From 0 to 9: when the machine has too much to do, streams of a lower priority make do with less first.
    #[serde(default = "priority")]
    pub priority: u8,
    /// Pictures a second that are searched for faces at least, however much there is to do.
    #[serde(default = "floor_fps")]
    pub floor_fps: f64,
    /// Seconds without pictures after which it counts as stalled; default by the kind of source (2, HLS 8).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stall_s: Option<f64>,
    /// Seconds without pictures after which it is connected anew; default by the kind of source (5, HLS 20).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restart_s: Option<f64>,
}

fn latency_ms() -> u32 {
    200
}

fn yes() -> bool {
    true
}

fn priority() -> u8 {
    5
}

fn floor_fps() -> f64 {
    1.0
}

fn analysis_fps() -> f64 {
    5.0
}

impl StreamConfig {
    /// With the defaults for everything but id and URI.
    pub fn new(id: String, uri: String) -> Self {
        Self {
            id,
            uri,
            looped: false,
            transport: Transport::default(),
            latency_ms: latency_ms(),
            user: None,
            password: None,
            verify_tls: true,
            analysis_fps: analysis_fps(),
            tiles: false,
            transcript: true,
            forensics: true,
            lip_sync: true,
            lip_reading: false,
            scenes: true,
            safety: false,
            safety_thresholds: BTreeMap::new(),
            screen_text: false,
            faces: true,
            shots: true,
            voice: true,
            faults: Vec::new(),
            fault_limits: Limits::default(),
            priority: priority(),
            floor_fps: floor_fps(),
            stall_s: None,
            restart_s: None,
        }
    }

    /// All that is wrong with it, each with the key's name.
    pub fn wrong(&self) -> Vec<String> {
        let mut wrong = Vec::new();
        let id = &self.id;
        if let Some((label, _)) = self.safety_thresholds.iter().find(|(_, score)| !(0.0..=1.0).contains(*score)) {
            wrong.push(format!("safety_thresholds.{label}: a score of 0..1"));
        }
        if id.is_empty() || id.len() > 64 || StreamId::new(id).as_str() != id {
            wrong.push("id: letters, digits, `.`, `_` and `-`, 1 to 64 of them".to_owned());
        }
        let has_control = self.uri.chars().any(|c| c.is_control() || c == ' ');
        if self.uri.len() > 2048 || has_control || !self.uri.contains("://") {
            wrong.push("uri: SCHEME://..., without spaces, at most 2048 characters".to_owned());
        }
        if !(0.1..=240.0).contains(&self.analysis_fps) {
            wrong.push("analysis_fps: from 0.1 to 240".to_owned());
        }
        if !(0.1..=240.0).contains(&self.floor_fps) {
            wrong.push("floor_fps: from 0.1 to 240".to_owned());
        }
        if let Err(why) = Faults::parse(&self.faults.join(",")) {
            wrong.push(format!("faults: {why}"));
        }
        if let Err(why) = self.fault_limits.check() {
            wrong.push(format!("fault_limits: {why}"));
        }
        if self.lip_reading && !(self.transcript && self.lip_sync) {
            wrong.push("lip_reading: takes transcript and lip_sync, one of which is off".to_owned());
        }
        if self.priority > 9 {
            wrong.push("priority: from 0 to 9".to_owned());
        }
        if self.latency_ms > 60_000 {
            wrong.push("latency_ms: at most 60000".to_owned());
        }
        if self.user.is_some() != self.password.is_some() {
            wrong.push("user and password come together".to_owned());
        }
        if let Some(Err(why)) = self.password.as_ref().map(Secret::value) {
            wrong.push(format!("password: {why}"));
        }
        if self.looped && !crate::supervise::is_file(&self.uri) {
            wrong.push("loop: only files can be looped".to_owned());
        }
        for (name, seconds) in [("stall_s", self.stall_s), ("restart_s", self.restart_s)] {
            if seconds.is_some_and(|seconds| !(0.5..=3600.0).contains(&seconds)) {
                wrong.push(format!("{name}: from 0.5 to 3600"));
            }
        }
        wrong
    }

    /// Whether it can become the other without being connected anew.
    pub fn goes_on_as(&self, other: &Self) -> bool {
        let Self { priority, floor_fps, .. } = *other;
        Self { priority, floor_fps, ..self.clone() } == *other
    }

    /// What it would like of the machine.
    pub fn demand(&self) -> Demand {
        Demand { priority: self.priority, analysis_fps: self.analysis_fps, floor_fps: self.floor_fps }
    }

    /// As JSON with its secret as it was given, for the service's own file.
    pub fn with_secrets(&self) -> serde_json::Value {
        let mut value = serde_json::to_value(self).unwrap_or_default();
        if let Some(password) = &self.password {
            value["password"] = password.written().into();
        }
        value
    }

    /// For the supervisor.
    ///
    /// # Errors
    /// When the password isn't there any more.
    pub fn wanted(&self, provider: Provider, evidence: bool) -> Result<Wanted, String> {
        let mut times = source_times(&self.uri);
        let seconds = |value: Option<f64>, default| value.map_or(default, Duration::from_secs_f64);
        times.stall = seconds(self.stall_s, times.stall);
        times.restart = seconds(self.restart_s, times.restart.max(times.stall));
        let credentials = match (&self.user, &self.password) {
            (Some(user), Some(password)) => Some(Credentials { user: user.clone(), password: password.value()? }),
            _ => None,
        };
        Ok(Wanted {
            id: StreamId::new(&self.id),
            uri: self.uri.clone(),
            looped: self.looped,
            transport: self.transport,
            latency: Duration::from_millis(self.latency_ms.into()),
            credentials,
            verify_tls: self.verify_tls,
            analysis: Analysis {
                fps: self.analysis_fps,
                tiles: self.tiles,
                transcript: self.transcript,
                forensics: self.forensics,
                lip_sync: self.lip_sync,
                scenes: self.scenes,
                safety: self.safety,
                safety_thresholds: thresholds(&self.safety_thresholds),
                blur_unsafe: true,
                screen_text: self.screen_text,
                faces: self.faces,
                shots: self.shots,
                voice: self.voice,
                faults: Faults::parse(&self.faults.join(",")).unwrap_or_default(),
                fault_limits: self.fault_limits,
                lip_reading: self.lip_reading,
                evidence: evidence && self.forensics && self.faces,
                key_frames: evidence,
                provider,
            },
            times: Some(times),
        })
    }
}

/// As `polyanalyze` takes them.
fn thresholds(by_label: &BTreeMap<String, f32>) -> String {
    by_label.iter().map(|(label, score)| format!("{label}={score}")).collect::<Vec<_>>().join(",")
}
