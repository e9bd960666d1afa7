// SPDX-License-Identifier: Apache-2.0
//! Properties of the face tracker.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;

use polygraph_core::geometry::Rect;
use polygraph_core::track::{Detection, TrackOptions, Tracker};
use proptest::prelude::*;

const MS: u64 = 1_000_000;
const LOOK: u64 = 200 * MS;

fn seen(x: f32, y: f32, side: f32, score: f32) -> Detection {
    Detection { rect: Rect { x, y, w: side, h: side }, score, ..Detection::default() }
}

/// A detection that may be rubbish.
fn any_detection() -> impl Strategy<Value = Detection> {
    let value = prop_oneof![8 => -0.5f32..1.5, 1 => Just(f32::NAN), 1 => Just(0.0f32)];
    (value.clone(), value.clone(), value, 0.5f32..1.0).prop_map(|(x, y, side, score)| seen(x, y, side, score))
}

#[derive(Clone, Debug)]
enum Step {
    Look(u64, Vec<Detection>),
    Carry(u64),
    Cut,
}

fn any_steps() -> impl Strategy<Value = Vec<Step>> {
    let pts = 0..10_000 * MS;
    let step = prop_oneof![
        6 => (pts.clone(), prop::collection::vec(any_detection(), 0..6)).prop_map(|(pts, seen)| Step::Look(pts, seen)),
        3 => pts.prop_map(Step::Carry),
        1 => Just(Step::Cut),
    ];
    prop::collection::vec(step, 0..60)
}

proptest! {
    /// Whatever comes, in whatever order of time: one id is one face of a picture, and none outlives a cut.
    #[test]
    fn ids_are_unique_and_end_at_cuts(steps in any_steps()) {
        let mut tracker = Tracker::new(TrackOptions::default());
        let (mut ended, mut alive) = (BTreeSet::new(), BTreeSet::new());
        for step in steps {
            let (faces, limit) = match step {
                Step::Look(pts, seen) => (tracker.detected(pts, &seen), seen.len()),
                Step::Carry(pts) => (tracker.carry(pts), usize::MAX),
                Step::Cut => {
                    tracker.cut();
                    ended.append(&mut alive);
                    continue;
                }
            };
            let ids: BTreeSet<u64> = faces.iter().map(|face| face.track).collect();
            prop_assert_eq!(ids.len(), faces.len(), "two faces with one id");
            prop_assert!(faces.len() <= limit);
            prop_assert!(ids.is_disjoint(&ended), "an id was used again");
            prop_assert!(faces.iter().all(|face| face.rect.x.is_finite() && face.rect.area() > 0.0));
            alive.extend(ids);
        }
    }

    /// A face that walks, trembles and is hidden for up to a second is one track.
    #[test]
    fn a_walker_who_is_hidden_is_one_track(
        speed in -0.15f32..0.15,
        tremble in prop::collection::vec(-0.03f32..0.03, 60),
        hidden_at in 5u64..40,
        hidden_for in 0u64..5,
    ) {
        let side = 0.25f32;
        let mut tracker = Tracker::new(TrackOptions::default());
        for (n, tremble) in (0u64..).zip(tremble) {
            // There and back.
            let way = (speed * n as f32 * 0.2 / side).rem_euclid(4.0);
            let x = 0.1 + side * if way < 2.0 { way } else { 4.0 - way };
            let hidden = (hidden_at..hidden_at + hidden_for).contains(&n);
            let now: Vec<_> = (!hidden).then(|| seen(x + side * tremble, 0.3, side, 0.9)).into_iter().collect();
            let faces = tracker.detected(n * LOOK, &now);
            prop_assert_eq!(faces.len(), now.len());
            prop_assert!(faces.iter().all(|face| face.track == 0), "lost at look {}", n);
        }
    }

    /// Neighbours keep their ids in whatever order the detector names them.
    #[test]
    fn neighbours_are_not_mixed_up(order in prop::collection::vec(any::<bool>(), 1..40), apart in 1.2f32..3.0) {
        let mut tracker = Tracker::new(TrackOptions::default());
        for (n, swap) in (0u64..).zip(order) {
            let mut now = [seen(0.1, 0.3, 0.2, 0.8), seen(0.1 + 0.2 * apart, 0.3, 0.2, 0.9)];
            if swap {
                now.swap(0, 1);
            }
            let mut faces = tracker.detected(n * LOOK, &now);
            faces.sort_by(|a, b| a.rect.x.total_cmp(&b.rect.x));
            let ids: Vec<u64> = faces.iter().map(|face| face.track).collect();
            prop_assert_eq!(ids, vec![1, 0], "the better one was named first");
        }
    }

    /// Between looks a face at constant velocity is carried to where it is.
    #[test]
    fn carried_boxes_go_with_the_face(speed in -0.3f32..0.3, between in 0u64..200) {
        let mut tracker = Tracker::new(TrackOptions::default());
        let at = |ms: u64| 0.5 + speed * ms as f32 / 1_000.0;
        for n in 0..8 {
            tracker.detected(n * LOOK, &[seen(at(n * 200), 0.3, 0.2, 0.9)]);
        }
        let ms = 7 * 200 + between;
        let carried = tracker.carry(ms * MS);
        prop_assert!(!carried[0].detected);
        let off = (carried[0].rect.x - at(ms)).abs();
        // Left where it was seen it would be off by all of the way.
        prop_assert!(off <= 0.3 * (speed * between as f32 / 1_000.0).abs() + 1e-4, "off by {}", off);
    }
}

#[test]
fn a_weak_face_is_believed_when_it_is_seen_again() {
    let mut tracker = Tracker::new(TrackOptions::default());
    let weak = [seen(0.4, 0.4, 0.2, 0.66)];
    assert_eq!(tracker.detected(0, &weak), []);
    assert_eq!(tracker.carry(100 * MS), []);
    assert_eq!(tracker.detected(LOOK, &weak).len(), 1);
    // Once believed, its scores may be weak.
    assert_eq!(tracker.detected(2 * LOOK, &weak)[0].track, 0);

    let mut tracker = Tracker::new(TrackOptions::default());
    assert_eq!(tracker.detected(0, &weak), []);
    assert_eq!(tracker.detected(LOOK, &[]), []);
    assert_eq!(tracker.detected(2 * LOOK, &weak), [], "one look in between didn't find it");
    assert_eq!(tracker.detected(3 * LOOK, &[seen(0.4, 0.4, 0.2, 0.9)])[0].track, 0);
}

#[test]
fn a_face_that_is_gone_is_not_reported_and_its_id_ends() {
    let mut tracker = Tracker::new(TrackOptions::default());
    let face = [seen(0.4, 0.4, 0.2, 0.9)];
    assert_eq!(tracker.detected(0, &face)[0].track, 0);
    assert_eq!(tracker.detected(LOOK, &[]), []);
    assert_eq!(tracker.carry(LOOK + 40 * MS), []);
    assert_eq!(tracker.detected(10 * LOOK, &face)[0].track, 1);
}

#[test]
fn another_size_is_another_face() {
    let mut tracker = Tracker::new(TrackOptions::default());
    assert_eq!(tracker.detected(0, &[seen(0.4, 0.4, 0.1, 0.9)])[0].track, 0);
    assert_eq!(tracker.detected(LOOK, &[seen(0.2, 0.2, 0.5, 0.9)])[0].track, 1);
}

#[test]
fn the_best_comes_first() {
    let mut tracker = Tracker::new(TrackOptions::default());
    let now = [seen(0.1, 0.1, 0.1, 0.8), seen(0.5, 0.5, 0.1, 0.95), seen(0.8, 0.1, 0.1, 0.9)];
    let scores: Vec<f32> = tracker.detected(0, &now).iter().map(|face| face.score).collect();
    assert_eq!(scores, [0.95, 0.9, 0.8]);
    let carried: Vec<f32> = tracker.carry(MS).iter().map(|face| face.score).collect();
    assert_eq!(carried, scores);
}
