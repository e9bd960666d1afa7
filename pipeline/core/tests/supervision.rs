// SPDX-License-Identifier: Apache-2.0
//! The state machine of a stream, driven by hand.

use std::time::Duration;

use polygraph_core::supervision::{Break, Do, Machine, Seen, State, Times};
use proptest::prelude::*;

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

fn seen(received: u64, decoded: u64) -> Seen {
    Seen { received, decoded, broken: None }
}

fn broken(why: Break) -> Seen {
    Seen { received: 1, decoded: 1, broken: Some(why) }
}

/// One that runs since 100 ms.
fn running() -> Machine {
    let mut machine = Machine::new(Times::default());
    assert_eq!(machine.state(), State::Connecting);
    assert_eq!(machine.step(ms(0), &seen(0, 0), 0.5), Some(Do::Connect));
    assert_eq!(machine.step(ms(50), &seen(9, 0), 0.5), None);
    assert_eq!((machine.state(), machine.step(ms(100), &seen(9, 1), 0.5)), (State::Connecting, None));
    assert_eq!(machine.state(), State::Running);
    machine
}

#[test]
fn a_source_that_does_not_answer_is_tried_again_and_again() {
    let mut machine = Machine::new(Times::default());
    let (mut now, mut waits) = (ms(0), vec![]);
    for _ in 0..7 {
        let waited = now;
        while machine.step(now, &seen(0, 0), 0.5) != Some(Do::Connect) {
            now += ms(100);
        }
        waits.push((now - waited).as_millis());
        let connected = now;
        while machine.step(now, &seen(0, 0), 0.5) != Some(Do::Close) {
            now += ms(100);
        }
        assert_eq!(now - connected, ms(3000));
        assert_eq!(machine.state(), State::Recovering);
        assert!(machine.reason().unwrap().contains("no data within 3.0 s"));
    }
    assert_eq!(waits, [0, 500, 1000, 2000, 4000, 5000, 5000]);
    assert_eq!(machine.reconnects(), 6);
}

#[test]
fn data_that_nobody_can_decode_are_no_stream() {
    let mut machine = Machine::new(Times::default());
    machine.step(ms(0), &seen(0, 0), 0.5);
    assert_eq!(machine.step(ms(2900), &seen(1, 0), 0.5), None);
    assert_eq!(machine.step(ms(12_800), &seen(500, 0), 0.5), None);
    assert_eq!(machine.step(ms(12_900), &seen(500, 0), 0.5), Some(Do::Close));
    assert!(machine.reason().unwrap().contains("nothing could be decoded"));
}

#[test]
fn one_that_listens_waits_for_its_sender() {
    let mut machine = Machine::new(Times { connect: None, ..Times::default() });
    machine.step(ms(0), &seen(0, 0), 0.5);
    assert_eq!(machine.step(ms(3_600_000), &seen(0, 0), 0.5), None);
    assert_eq!(machine.state(), State::Connecting);
}

#[test]
fn a_silent_source_is_stalled_then_connected_anew_unless_it_goes_on() {
    let mut machine = running();
    machine.step(ms(2099), &seen(9, 1), 0.5);
    assert_eq!(machine.state(), State::Running);
    machine.step(ms(2100), &seen(9, 1), 0.5);
    assert_eq!((machine.state(), machine.reason()), (State::Stalled, Some("nothing came from the source for 2.0 s")));
    machine.step(ms(4000), &seen(10, 2), 0.5);
    assert_eq!((machine.state(), machine.reason()), (State::Running, None));
    assert_eq!(machine.step(ms(8999), &seen(10, 2), 0.5), None);
    assert_eq!(machine.step(ms(9000), &seen(10, 2), 0.5), Some(Do::Close));
    assert_eq!(machine.state(), State::Recovering);
    assert_eq!(machine.step(ms(9499), &seen(0, 0), 0.5), None);
    assert_eq!(machine.step(ms(9500), &seen(0, 0), 0.5), Some(Do::Connect));
}

#[test]
fn pictures_that_are_late_are_waited_for_longer_while_the_source_sends() {
    let mut machine = running();
    for now in (200..8000).step_by(200) {
        assert_eq!(machine.step(ms(now), &seen(now, 1), 0.5), None);
    }
    let why = "the source sends, and nothing was decoded for 2.0 s";
    assert_eq!((machine.state(), machine.reason()), (State::Stalled, Some(why)));
    let mut late = machine.clone();
    assert_eq!(late.step(ms(8000), &seen(8000, 2), 0.5), None);
    assert_eq!((late.state(), late.reconnects()), (State::Running, 0));
    // Not for ever: a decoder may stand still.
    assert_eq!(machine.step(ms(10_099), &seen(10_099, 1), 0.5), None);
    assert_eq!(machine.step(ms(10_100), &seen(10_100, 1), 0.5), Some(Do::Close));
    // And not when it stops to send.
    let mut silent = running();
    silent.step(ms(3000), &seen(3000, 1), 0.5);
    assert_eq!(silent.step(ms(4999), &seen(3000, 1), 0.5), None);
    assert_eq!(silent.step(ms(5100), &seen(3000, 1), 0.5), Some(Do::Close));
}

#[test]
fn a_step_in_time_and_a_loop_wait_for_nothing() {
    for (why, state) in [(Break::Stepped("back".into()), State::Recovering), (Break::Again, State::Running)] {
        let mut machine = running();
        assert_eq!(machine.step(ms(200), &broken(why.clone()), 0.5), Some(Do::Close));
        assert_eq!(machine.state(), state);
        let counted = u64::from(why != Break::Again);
        assert_eq!(machine.step(ms(200), &seen(0, 0), 0.5), Some(Do::Connect));
        assert_eq!(machine.reconnects(), counted, "a loop is none");
    }
}

#[test]
fn ends_and_hopeless_faults() {
    let mut machine = running();
    assert_eq!(machine.step(ms(200), &broken(Break::Ended), 0.5), Some(Do::Close));
    assert_eq!(machine.state(), State::Stopped);
    assert_eq!(machine.step(ms(9_000_000), &seen(0, 0), 0.5), None);

    let mut machine = running();
    assert_eq!(machine.step(ms(200), &broken(Break::Ours("no plugin".into())), 0.5), Some(Do::Close));
    assert_eq!((machine.state(), machine.reason()), (State::Failed, Some("no plugin")));
    assert_eq!(machine.step(ms(30_199), &seen(0, 0), 0.5), None);
    assert_eq!(machine.step(ms(30_200), &seen(0, 0), 0.5), Some(Do::Connect));
}

#[test]
fn the_back_off_begins_anew_only_after_the_stream_was_stable() {
    let wait = |ran: u64| {
        let mut machine = running();
        machine.step(ms(200), &broken(Break::Source("gone".into())), 0.5);
        machine.step(ms(700), &seen(0, 0), 0.5);
        machine.step(ms(800), &seen(1, 1), 0.5);
        machine.step(ms(800 + ran), &seen(2, 2), 0.5);
        machine.step(ms(800 + ran), &broken(Break::Source("gone".into())), 0.5);
        (0..).map(|n| n * 100).find(|n| machine.step(ms(800 + ran + n), &seen(0, 0), 0.5).is_some()).unwrap()
    };
    assert_eq!((wait(9_999), wait(10_000)), (1000, 500));
}

#[test]
fn a_silence_before_the_break_counts_as_waiting() {
    let mut machine = running();
    let mut now = 200;
    // Every time it falls silent soon after it came back, so that waits grow to 5 s.
    let waits: Vec<_> = (0..6)
        .map(|_| {
            while machine.step(ms(now), &seen(1, 1), 0.5) != Some(Do::Close) {
                now += 100;
            }
            let closed = now;
            while machine.step(ms(now), &seen(0, 0), 0.5) != Some(Do::Connect) {
                now += 100;
            }
            machine.step(ms(now), &seen(1, 1), 0.5);
            now - closed
        })
        .collect();
    assert_eq!(waits, [500; 6]);
}

proptest! {
    /// Whatever the source does, at most one connection is open at a time, and waits stay within the jitter's bounds.
    #[test]
    fn connections_are_closed_before_the_next(steps in prop::collection::vec((0_u64..4000, 0_u64..3, 0_u64..3, 0..6, 0.0..=1.0), 1..200)) {
        let (mut machine, mut now, mut open, mut seen) = (Machine::new(Times::default()), ms(0), false, Seen::default());
        let mut closed = None;
        for (wait, received, decoded, fate, chance) in steps {
            now += ms(wait);
            seen.received += received;
            seen.decoded += decoded;
            seen.broken = (fate == 5).then(|| Break::Source("gone".into()));
            match machine.step(now, &seen, chance) {
                Some(Do::Connect) => {
                    prop_assert!(!open);
                    if let Some(closed) = closed { prop_assert!(now - closed >= ms(400)); }
                    (open, seen) = (true, Seen::default());
                }
                Some(Do::Close) => {
                    prop_assert!(open);
                    (open, closed) = (false, Some(now));
                }
                None => {}
            }
            prop_assert!(machine.state() != State::Running || open);
        }
    }
}
