// SPDX-License-Identifier: Apache-2.0
//! What analysers found in a picture that gets a record of its own.

use crate::results::{Face, NetworkRef, VideoResults};
use crate::safety::SafetyFinding;
use crate::scene::SceneLabel;
use crate::screen_text::TextLine;

/// The part of a frame's record that the picture gives.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub faces: Vec<Face>,
    pub scene: Vec<SceneLabel>,
    pub safety: Vec<SafetyFinding>,
    pub screen_text: Vec<TextLine>,
    pub networks: Vec<NetworkRef>,
}

impl Found {
    /// `None` where no analyser looked at this very picture. Where faces are looked for at all (`searched`), their rate is that
    /// of the records; scene, safety and text hold for a shot and come along.
    pub(super) fn of(results: VideoResults, searched: bool) -> Option<Self> {
        let VideoResults { faces, scene, safety, text, .. } = results;
        let shown = scene.as_ref().is_some_and(|scene| scene.analysed)
            || safety.as_ref().is_some_and(|it| it.analysed)
            || text.as_ref().is_some_and(|text| text.analysed);
        if !faces.as_ref().map_or(shown && !searched, |faces| faces.analysed) {
            return None;
        }
        let mut found = Self::default();
        if let Some(faces) = faces {
            found.faces = faces.faces;
            found.networks.push(faces.network);
            found.networks.extend(faces.forensics);
        }
        if let Some(scene) = scene {
            found.scene = scene.labels;
            found.networks.push(scene.network);
        }
        if let Some(safety) = safety {
            found.safety = safety.findings;
            found.networks.push(safety.network);
        }
        if let Some(text) = text {
            found.screen_text = text.lines;
            found.networks.extend(text.networks);
        }
        Some(found)
    }
}
