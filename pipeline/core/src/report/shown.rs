// SPDX-License-Identifier: Apache-2.0
//! What a run showed: stretches of one scene, and what content safety found.

use std::{collections::BTreeMap, fmt};

use serde::Serialize;

use crate::record::Frame;
use crate::scene::PLACES;

/// Stretches that are kept; a run of more is of many short shots, and the labels' shares say enough.
const MOST: usize = 500;
/// Labels that a line names.
const NAMED: usize = 5;

/// What a run showed.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Shown {
    /// Pictures with labels of the scene.
    pub pictures: u64,
    /// In how many of them each label was told.
    pub labels: BTreeMap<String, u64>,
    /// Stretches of one label of the scene, in order.
    pub stretches: Vec<Stretch>,
    /// What content safety found, by label.
    pub safety: BTreeMap<String, Flagged>,
}

/// Pictures of one label of the scene, one after the other.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Stretch {
    /// Stream time of the first one.
    pub first_ns: u64,
    /// Stream time of the last one.
    pub last_ns: u64,
    /// The label.
    pub label: String,
    /// The highest probability with which it was told.
    pub p: f32,
    /// `indoor` or `outdoor`, as told last; empty when neither was.
    pub place: String,
}

/// Something that content safety found.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Flagged {
    /// Stream time of the first picture with it.
    pub first_ns: u64,
    /// Pictures with it.
    pub pictures: u64,
    /// The highest score.
    pub score: f32,
}

impl Shown {
    pub(super) fn take(&mut self, frame: &Frame) {
        for found in &frame.safety {
            let flagged = self.safety.entry(found.label.clone());
            let flagged = flagged.or_insert(Flagged { first_ns: frame.pts_ns, pictures: 0, score: 0.0 });
            flagged.pictures += 1;
            flagged.score = flagged.score.max(found.score);
        }
        let Some(scene) = frame.scene.first() else { return };
        self.pictures += 1;
        for label in &frame.scene {
            *self.labels.entry(label.label.clone()).or_default() += 1;
        }
        let place = frame.scene.iter().find(|label| PLACES.contains(&label.label.as_str()));
        let place = place.map_or(String::new(), |place| place.label.clone());
        let room = self.stretches.len() < MOST;
        match self.stretches.last_mut().filter(|last| last.label == scene.label) {
            Some(last) => {
                last.last_ns = frame.pts_ns;
                last.p = last.p.max(scene.p);
                if !place.is_empty() {
                    last.place = place;
                }
            }
            None if room => self.stretches.push(Stretch {
                first_ns: frame.pts_ns,
                last_ns: frame.pts_ns,
                label: scene.label.clone(),
                p: scene.p,
                place,
            }),
            None => {}
        }
    }

    /// Nobody looked.
    pub fn is_empty(&self) -> bool {
        self.pictures == 0 && self.safety.is_empty()
    }
}

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.pictures > 0 {
            let mut labels: Vec<_> = self.labels.iter().collect();
            labels.sort_by_key(|(label, count)| (std::cmp::Reverse(**count), *label));
            let share = |count: &u64| 100 * *count / self.pictures;
            let named: Vec<_> =
                labels.iter().take(NAMED).map(|(label, count)| format!("{label} {} %", share(count))).collect();
            writeln!(f, "Scenes: {}", named.join(", "))?;
        }
        for (label, Flagged { first_ns, pictures, score }) in &self.safety {
            let first = super::Clock(*first_ns);
            writeln!(f, "Content safety: {label} in {pictures} pictures from {first} on (score up to {score:.2})")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::safety::SafetyFinding;
    use crate::scene::SceneLabel;

    fn frame(second: u64, labels: &[(&str, f32)], unsafe_score: Option<f32>) -> Frame {
        let scene = labels.iter().map(|(label, p)| SceneLabel { label: (*label).to_owned(), p: *p }).collect();
        let finding = |score| SafetyFinding { label: "X_EXPOSED".to_owned(), score, rect: None, sensitive: true };
        let safety = unsafe_score.map(finding).into_iter().collect();
        Frame { pts_ns: second * 1_000_000_000, scene, safety, ..Frame::default() }
    }

    #[test]
    fn stretches_of_one_scene_are_one_line_and_shares_add_up() {
        let mut shown = Shown::default();
        for (second, label) in ["office", "office", "street", "office"].into_iter().enumerate() {
            let place = if label == "street" { ("outdoor", 0.9) } else { ("indoor", 0.9) };
            shown.take(&frame(second as u64, &[(label, 0.6 + second as f32 / 10.0), place], None));
        }
        shown.take(&frame(4, &[], Some(0.4)));
        shown.take(&frame(5, &[], Some(0.7)));
        let told: Vec<_> = shown.stretches.iter().map(|one| (one.label.as_str(), one.last_ns - one.first_ns)).collect();
        assert_eq!(told, [("office", 1_000_000_000), ("street", 0), ("office", 0)]);
        assert!((shown.stretches[0].p - 0.7).abs() < 1e-6 && shown.stretches[0].place == "indoor");
        assert_eq!(
            shown.to_string(),
            "Scenes: indoor 75 %, office 75 %, outdoor 25 %, street 25 %\n\
             Content safety: X_EXPOSED in 2 pictures from 0:04.0 on (score up to 0.70)\n"
        );
    }

    #[test]
    fn nobody_looked_and_nothing_is_said() {
        let mut shown = Shown::default();
        shown.take(&frame(0, &[], None));
        assert!(shown.is_empty() && shown.to_string().is_empty());
    }
}
