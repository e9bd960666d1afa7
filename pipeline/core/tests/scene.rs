// SPDX-License-Identifier: Apache-2.0
//! The labels of a shot, look by look.

#![allow(clippy::unwrap_used)]

use polygraph_core::scene::{Look, Rule, Rules, SceneLabel, ShotScene};
use proptest::prelude::*;

fn rule(label: &str, least: f32) -> Rule {
    Rule { label: label.to_owned(), least }
}

/// Groups: kitchen and street are told from 0.6 on, "newsroom" never, and "none" shows no scene.
fn rules() -> Rules {
    Rules {
        groups: vec![rule("kitchen", 0.6), rule("street", 0.6), rule("newsroom", 2.0), rule("none", 0.6)],
        place: 0.8,
        added: vec![rule("our-studio", 0.7)],
    }
}

fn look(groups: [f32; 4], indoor: f32, added: f32) -> Look {
    Look { groups: groups.to_vec(), indoor, added: vec![added] }
}

/// Labels and probabilities in hundredths.
fn told(shot: &ShotScene) -> Vec<(String, i32)> {
    shot.labels().into_iter().map(|SceneLabel { label, p }| (label, (100.0 * p).round() as i32)).collect()
}

fn wanted(labels: &[(&str, i32)]) -> Vec<(String, i32)> {
    labels.iter().map(|(label, p)| ((*label).to_owned(), *p)).collect()
}

#[test]
fn a_shot_has_no_labels_before_the_first_look_and_after_a_cut() {
    let mut shot = ShotScene::new(rules());
    assert!(shot.is_new() && told(&shot).is_empty());
    assert!(shot.push(look([0.9, 0.05, 0.03, 0.02], 0.99, 0.0)));
    assert_eq!(told(&shot), wanted(&[("kitchen", 90), ("indoor", 99)]));
    shot.cut();
    assert!(shot.is_new() && told(&shot).is_empty());
    // Nothing of the shot before counts.
    assert!(shot.push(look([0.1, 0.8, 0.05, 0.05], 0.1, 0.75)));
    assert_eq!(told(&shot), wanted(&[("street", 80), ("outdoor", 90), ("our-studio", 75)]));
}

#[test]
fn what_is_not_likely_enough_is_none_of_these() {
    let mut shot = ShotScene::new(rules());
    assert!(shot.push(look([0.5, 0.4, 0.05, 0.05], 0.6, 0.69)));
    assert_eq!(told(&shot), wanted(&[("none", 50)]));
}

#[test]
fn a_label_without_a_measured_figure_is_not_told_however_likely() {
    let mut shot = ShotScene::new(rules());
    assert!(shot.push(look([0.01, 0.01, 0.97, 0.01], 0.99, 0.0)));
    assert_eq!(told(&shot), wanted(&[("none", 3), ("indoor", 99)]));
}

#[test]
fn a_chart_shows_no_scene_and_was_taken_nowhere() {
    let mut shot = ShotScene::new(rules());
    assert!(shot.push(look([0.01, 0.01, 0.01, 0.97], 0.99, 0.0)));
    assert_eq!(told(&shot), wanted(&[("none", 97)]));
}

#[test]
fn one_odd_picture_does_not_change_a_shots_label() {
    let mut shot = ShotScene::new(rules());
    for _ in 0..4 {
        assert!(shot.push(look([0.9, 0.06, 0.02, 0.02], 0.95, 0.0)));
    }
    assert!(shot.push(look([0.1, 0.86, 0.02, 0.02], 0.05, 0.0)));
    assert_eq!(told(&shot)[0], ("kitchen".to_owned(), 74));
    // A camera that walks out of the kitchen is in the street in the end.
    for _ in 0..20 {
        assert!(shot.push(look([0.05, 0.91, 0.02, 0.02], 0.02, 0.0)));
    }
    assert_eq!(told(&shot)[0].0, "street");
}

#[test]
fn a_look_that_is_no_answer_is_refused_and_changes_nothing() {
    let mut shot = ShotScene::new(rules());
    assert!(shot.push(look([0.9, 0.05, 0.03, 0.02], 0.99, 0.0)));
    let before = told(&shot);
    for bad in [
        Look { groups: vec![1.0], ..look([0.0; 4], 0.5, 0.5) },
        Look { added: vec![], ..look([0.2; 4], 0.5, 0.5) },
        look([f32::NAN, 0.0, 0.0, 0.0], 0.5, 0.5),
        look([0.2; 4], 1.5, 0.5),
        look([0.2; 4], 0.5, -0.1),
    ] {
        assert!(!shot.push(bad.clone()), "{bad:?}");
        assert_eq!(told(&shot), before);
    }
}

proptest! {
    /// Whatever is seen: one label of the scene, at most one place, and probabilities.
    #[test]
    fn labels_are_always_sound(looks in prop::collection::vec((0.0_f32..1.0, 0.0_f32..1.0, 0.0_f32..1.0, 0.0_f32..1.0), 1..40)) {
        let mut shot = ShotScene::new(rules());
        for (first, rest, indoor, added) in looks {
            let others = (1.0 - first) / 2.0;
            prop_assert!(shot.push(look([first, others * rest, others * (1.0 - rest), others], indoor, added)));
            let labels = shot.labels();
            prop_assert!((0.0..=1.0).contains(&labels[0].p));
            let known = ["kitchen", "street", "none"];
            prop_assert_eq!(labels.iter().filter(|label| known.contains(&label.label.as_str())).count(), 1);
            prop_assert!(labels.iter().filter(|label| ["indoor", "outdoor"].contains(&label.label.as_str())).count() <= 1);
            prop_assert!(labels.iter().all(|label| label.label != "newsroom"));
        }
    }
}
