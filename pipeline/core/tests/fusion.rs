// SPDX-License-Identifier: Apache-2.0
//! Fusion: every combination of parts by hand, and what holds for all by property.

#![allow(clippy::unwrap_used)]

use polygraph_core::fusion::{Options, Signal, Signals, fuse, fuse_frame};
use polygraph_core::record::Frame;
use polygraph_core::results::{Face, FacePoints, FusedVerdict, Manipulation, Part};
use proptest::prelude::*;

use FusedVerdict::{Inconclusive, Manipulated, NoManipulationFound};

/// The threshold of every network of these tests.
const THRESHOLD: f32 = 0.85;

fn signals(picture: Option<f32>, mismatch: Option<f32>, voice: Option<f32>) -> Signals {
    let signal = |p: f32| Signal { p, signs: p >= THRESHOLD };
    Signals { picture: picture.map(signal), mismatch: mismatch.map(signal), voice: voice.map(signal) }
}

/// What a verdict is with each part missing (`-`), clean (`c`), between (`b`) or with signs (`s`), in the order picture,
/// mismatch, voice. All 64.
#[test]
fn every_combination_of_parts_has_its_verdict() {
    let level = |letter| match letter {
        '-' => None,
        'c' => Some(0.1),
        'b' => Some(0.7),
        _ => Some(0.95),
    };
    for picture in "-cbs".chars() {
        for mismatch in "-cbs".chars() {
            for voice in "-cbs".chars() {
                let parts = [picture, mismatch, voice];
                let fused = fuse(&signals(level(picture), level(mismatch), level(voice)), &Options::default());
                let count = |wanted: &dyn Fn(char) -> bool| parts.iter().filter(|part| wanted(**part)).count();
                let doubtful = count(&|part| part == 'b') * 2 > count(&|part| part != '-');
                let expected = if parts.contains(&'s') {
                    Manipulated
                } else if picture == '-' || doubtful {
                    Inconclusive
                } else {
                    fused.verdict // Half and half: by the number, which the properties below are about.
                };
                assert_eq!(fused.verdict, expected, "{parts:?}: {fused:?}");
                assert_eq!(fused.p.is_none(), parts == ['-'; 3], "{parts:?}");
            }
        }
    }
}

#[test]
fn the_table_of_the_module_in_numbers() {
    let verdict = |picture, mismatch, voice| fuse(&signals(picture, mismatch, voice), &Options::default()).verdict;
    assert_eq!(verdict(None, None, None), Inconclusive);
    assert_eq!(verdict(None, Some(0.1), Some(0.1)), Inconclusive, "nobody looked at the face");
    assert_eq!(verdict(None, Some(0.9), None), Manipulated);
    assert_eq!(verdict(Some(0.2), None, None), NoManipulationFound);
    assert_eq!(verdict(Some(0.2), Some(0.2), Some(0.2)), NoManipulationFound);
    assert_eq!(verdict(Some(0.6), None, None), Inconclusive);
    assert_eq!(verdict(Some(0.84), Some(0.84), Some(0.84)), Manipulated, "no part alone, but all together");
}

#[test]
fn innocent_parts_do_not_add_up_to_guilt() {
    let p = |signals| fuse(&signals, &Options::default()).p.unwrap();
    let [one, two, three] = [
        p(signals(Some(0.3), None, None)),
        p(signals(Some(0.3), Some(0.3), None)),
        p(signals(Some(0.3), Some(0.3), Some(0.3))),
    ];
    assert_eq!(one, 0.3);
    assert!(two < 0.31 && three < 0.31, "{two} {three}: the plain formula gives 0.51 and 0.66");
    let even = p(signals(Some(0.5), Some(0.5), Some(0.5)));
    assert!((even - 0.5).abs() < 1e-6, "no evidence is even odds: {even}");
}

fn part() -> impl Strategy<Value = Option<f32>> {
    proptest::option::of(0.0f32..=1.0)
}

proptest! {
    #[test]
    fn a_fused_probability_is_one_and_shares_add_up(picture in part(), mismatch in part(), voice in part()) {
        let fused = fuse(&signals(picture, mismatch, voice), &Options::default());
        let Some(p) = fused.p else { return Ok(()) };
        prop_assert!((0.0..=1.0).contains(&p));
        let shares: Vec<_> = Part::ALL.iter().filter_map(|part| fused.contributions.get(*part)).collect();
        prop_assert_eq!(shares.len(), Part::ALL.iter().filter(|part| fused.parts.get(**part).is_some()).count());
        prop_assert!((shares.iter().sum::<f32>() - 1.0).abs() < 1e-4, "{:?}", shares);
    }

    #[test]
    fn more_evidence_of_a_part_never_lowers_it(
        picture in 0.0f32..=1.0, more in 0.0f32..=1.0, mismatch in part(), voice in part()
    ) {
        let p = |picture| fuse(&signals(Some(picture), mismatch, voice), &Options::default()).p.unwrap();
        let (low, high) = (picture.min(more), picture.max(more));
        prop_assert!(p(high) >= p(low) - 1e-6);
    }

    #[test]
    fn signs_of_any_part_are_signs(parts in [part(), part(), part()]) {
        let signals = signals(parts[0], parts[1], parts[2]);
        if signals.with_signs().next().is_some() {
            prop_assert_eq!(fuse(&signals, &Options::default()).verdict, Manipulated);
        }
    }
}

fn face(track: u64, p: Option<f32>) -> Face {
    Face {
        track,
        rect: [0.4, 0.3, 0.2, 0.3].into(),
        points: FacePoints::default(),
        score: 0.9,
        quality: 0.9,
        detected: true,
        manipulation: p.map(|p| Manipulation { p: Some(p), signs: Some(p >= THRESHOLD), ..Manipulation::default() }),
        ..Face::default()
    }
}

fn fused(faces: Vec<Face>) -> Frame {
    let mut frame = Frame { pts_ns: 0, faces, ..Frame::default() };
    fuse_frame(&mut frame, &Options::default());
    frame
}

#[test]
fn a_frame_has_the_verdict_of_its_worst_face() {
    let frame = fused(vec![face(1, Some(0.2)), face(2, Some(0.9)), face(3, Some(0.6)), face(4, None)]);
    let worst = frame.fused.unwrap();
    assert_eq!((worst.verdict, worst.track), (Manipulated, Some(2)));
    let verdicts: Vec<_> = frame.faces.iter().map(|face| face.fused.unwrap().verdict).collect();
    assert_eq!(verdicts, [NoManipulationFound, Manipulated, Inconclusive, Inconclusive]);
    assert!(frame.faces.iter().all(|face| face.fused.unwrap().track.is_none()), "the face says whose it is");
    assert_eq!(fused(vec![face(1, Some(0.2)), face(2, None)]).fused.unwrap().track, Some(1), "who could be judged");
    assert_eq!(fused(Vec::new()).fused, None, "there is nobody to judge");
}

#[test]
fn what_is_no_probability_is_masked() {
    for p in [f32::NAN, f32::INFINITY, -0.1, 1.1] {
        let verdict = fused(vec![face(1, Some(p))]).faces[0].fused.unwrap();
        assert_eq!((verdict.verdict, verdict.p), (Inconclusive, None), "{p}");
    }
}
