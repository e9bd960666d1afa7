// SPDX-License-Identifier: Apache-2.0
//! Load control, ticked by hand.

// clippy.toml lets #[test] functions unwrap; here the helpers do too.
#![allow(clippy::unwrap_used)]

use polygraph_core::load::{Control, Demand, Options, Rates};
use proptest::prelude::*;

fn demand(priority: u8, analysis_fps: f64) -> Demand {
    Demand { priority, analysis_fps, floor_fps: 1.0 }
}

fn control(streams: &[(&str, u8, f64)]) -> Control {
    let mut control = Control::new(Options::default());
    streams.iter().for_each(|(stream, priority, fps)| control.set(stream, demand(*priority, *fps)));
    control
}

fn rates(control: &Control, stream: &str) -> (f64, u32) {
    let Rates { analysis_fps, partial_interval_ms } = control.of(stream).unwrap();
    (analysis_fps, partial_interval_ms)
}

#[test]
fn partials_come_less_often_before_any_picture_is_left_out_and_the_least_important_goes_first() {
    let mut control = control(&[("gate", 9, 5.0), ("yard", 1, 5.0)]);
    let mut seen = vec![];
    for _ in 0..20 {
        control.tick(0.021);
        seen.push((rates(&control, "gate"), rates(&control, "yard")));
    }
    seen.dedup();
    assert_eq!(seen[0], ((5.0, 500), (5.0, 1000)));
    let first_picture = seen.iter().position(|(gate, yard)| gate.0 < 5.0 || yard.0 < 5.0).unwrap();
    let (gate, yard) = seen[first_picture];
    assert_eq!((gate, yard), ((5.0, 2000), (2.5, 2000)), "both have slow partials before any picture goes");
    let gate_gives = seen.iter().position(|(gate, _)| gate.0 < 5.0).unwrap();
    assert_eq!(seen[gate_gives - 1].1.0, 1.0, "the other is at its floor by then");
    assert_eq!(*seen.last().unwrap(), ((1.0, 2000), (1.0, 2000)));
}

#[test]
fn it_all_comes_back_with_calm_and_more_slowly_after_it_came_too_early() {
    let mut control = control(&[("a", 5, 4.0)]);
    while control.tick(0.5) {}
    assert_eq!(rates(&control, "a"), (1.0, 2000));
    let until_given = |control: &mut Control| (1..).find(|_| control.tick(0.0)).unwrap();
    assert_eq!(until_given(&mut control), 5);
    assert_eq!(rates(&control, "a"), (2.0, 2000));
    control.tick(0.03);
    assert_eq!(rates(&control, "a"), (1.0, 2000));
    assert_eq!(until_given(&mut control), 10, "it was too early");
    control.tick(0.01);
    assert_eq!(until_given(&mut control), 10, "neither calm nor too much");
    while rates(&control, "a") != (4.0, 500) {
        control.tick(0.0);
    }
    assert!(!(0..100).any(|_| control.tick(0.0)));
}

#[test]
fn one_that_asks_for_less_than_the_floor_keeps_it() {
    let mut control = control(&[("slow", 5, 0.5)]);
    while control.tick(1.0) {}
    assert_eq!(rates(&control, "slow"), (0.5, 2000));
    control.retain(|_| false);
    assert!(control.of("slow").is_none() && !control.tick(1.0));
}

proptest! {
    /// Whatever happens, nobody falls under the floor or gets more than was asked for, and calm brings everything back.
    #[test]
    fn floors_are_kept_and_everything_comes_back(
        streams in prop::collection::vec((0_u8..10, 0.1..60.0), 1..12),
        sheds in prop::collection::vec(0.0..=1.0, 0..300),
    ) {
        let mut control = Control::new(Options::default());
        let named: Vec<_> = streams.iter().enumerate().map(|(n, (priority, fps))| (format!("s{n}"), *priority, *fps)).collect();
        named.iter().for_each(|(stream, priority, fps)| control.set(stream, demand(*priority, *fps)));
        for shed in sheds {
            control.tick(shed * shed * 0.1);
            for (stream, _, fps) in &named {
                let (got, partials) = rates(&control, stream);
                prop_assert!(got <= *fps && got >= fps.min(1.0) && (500..=2000).contains(&partials));
            }
        }
        // Twelve streams of eight steps, each after the longest calm.
        (0..13 * 8 * 80).for_each(|_| { control.tick(0.0); });
        for (stream, _, fps) in &named {
            prop_assert_eq!(rates(&control, stream), (*fps, 500));
        }
    }
}
