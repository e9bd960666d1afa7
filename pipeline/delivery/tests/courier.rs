// SPDX-License-Identifier: Apache-2.0
//! The courier where no broker is: what it keeps, what it gives up, and that it can account for all of it.

// clippy.toml lets #[test] functions unwrap; here the helpers do too.
#![allow(clippy::unwrap_used)]

use std::path::Path;
use std::sync::mpsc;
use std::time::Duration;

use polygraph_delivery::{
    Courier, CourierConfig, Delivery, Error, Message, Notice, Policy, ProducerConfig, Tallies, Topic,
};
use proptest::prelude::*;

const TIMEOUT: Duration = Duration::from_secs(60);

/// An address at which nobody listens: a port that root alone may have, and hasn't.
const NOBODY: &str = "127.0.0.1:9";

fn config(spool: &Path) -> CourierConfig {
    CourierConfig::new(ProducerConfig::new(NOBODY, TIMEOUT), spool)
}

fn start(config: CourierConfig) -> Courier {
    Courier::start(config, |_| {}).unwrap()
}

fn message(topic: Topic, number: usize, size: usize) -> Message {
    let headers = vec![("ce_id".into(), number.to_string())];
    Message { topic, key: "studio".into(), headers, payload: vec![b'x'; size] }
}

fn assert_closes(tallies: &Tallies) {
    for (topic, tally) in tallies.iter() {
        assert!(tally.closes(), "{topic}: {tally:?}");
    }
    assert!(tallies.sum().closes(), "{tallies:?}");
}

/// Ends a courier at once.
fn end(courier: Courier) -> Delivery {
    courier.finish(Duration::ZERO)
}

#[test]
fn what_was_accepted_is_there_when_the_spool_is_opened_again() {
    let folder = tempfile::tempdir().unwrap();
    let courier = start(config(folder.path()));
    for number in 0..1000 {
        courier.send(&message(Topic::Frames, number, 600)).unwrap();
    }
    assert!(courier.settle(TIMEOUT));
    assert_eq!(courier.tallies().of(Topic::Frames).accepted, 1000);
    let ended = end(courier);
    assert_closes(&ended.tallies);
    assert_eq!(ended.tallies.of(Topic::Frames).spooled, 1000);
    assert!(ended.lag.bytes > 600_000 && !ended.complete(), "{ended:?}");

    let again = end(start(config(folder.path())));
    assert_closes(&again.tallies);
    let tally = again.tallies.of(Topic::Frames);
    assert_eq!((tally.produced, tally.replayed, tally.spooled), (0, 1000, 1000));
}

#[test]
fn what_is_in_memory_is_written_at_the_end() {
    let folder = tempfile::tempdir().unwrap();
    let courier = start(config(folder.path()));
    for number in 0..5000 {
        courier.send(&message(Topic::Transcripts, number, 100)).unwrap();
    }
    drop(courier);
    assert_eq!(end(start(config(folder.path()))).tallies.of(Topic::Transcripts).replayed, 5000);
}

#[test]
fn a_spool_has_one_owner_and_another_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let owner = start(config(folder.path()));
    let error = Courier::start(config(folder.path()), |_| {}).map(drop).unwrap_err();
    assert!(matches!(error, Error::SpoolInUse(_)), "{error}");
    assert!(error.to_string().contains("in use by another process"), "{error}");
    drop(owner);
    end(start(config(folder.path())));
}

#[test]
fn a_full_spool_gives_up_the_oldest_frames_and_says_so_at_start_and_end() {
    let folder = tempfile::tempdir().unwrap();
    let (tell, told) = mpsc::channel();
    let mut small = config(folder.path());
    small.max_bytes = 1 << 20;
    let courier = Courier::start(small, move |notice| drop(tell.send(notice))).unwrap();
    for number in 0..50 {
        courier.send(&message(Topic::Incidents, number, 2000)).unwrap();
        for frame in 0..100 {
            courier.send(&message(Topic::Frames, number * 100 + frame, 600)).unwrap();
        }
        assert!(courier.settle(TIMEOUT));
        assert_closes(&courier.tallies());
        assert!(courier.lag().bytes <= 1 << 20, "{:?}", courier.lag());
    }
    assert_eq!(told.recv_timeout(TIMEOUT).unwrap(), Notice::DroppingBegan);
    let Notice::DroppingEnded(dropped) = told.recv_timeout(TIMEOUT).unwrap() else { panic!("no end of dropping") };
    let ended = end(courier);
    assert_closes(&ended.tallies);
    let (frames, incidents) = (ended.tallies.of(Topic::Frames), ended.tallies.of(Topic::Incidents));
    assert_eq!((incidents.spooled, incidents.dropped.len()), (50, 0), "{incidents:?}");
    assert_eq!(dropped, [(Topic::Frames, frames.dropped["spool full"])]);
    assert!(frames.dropped["spool full"] > 2000, "{frames:?}");
}

#[test]
fn a_file_waits_for_room_and_gives_up_nothing_that_was_accepted() {
    let folder = tempfile::tempdir().unwrap();
    let mut small = config(folder.path());
    small.policy = Policy::File(Duration::from_millis(50));
    small.max_bytes = 1 << 20;
    small.queue_bytes = 256 << 10;
    let courier = start(small);
    let refused = (0..4000).find(|number| courier.send(&message(Topic::Frames, *number, 600)).is_err());
    let refused = refused.expect("a spool of 1 MiB took 2.4 MB") as u64;
    let tally = courier.tallies().of(Topic::Frames).clone();
    assert_eq!(tally.produced, refused + 1);
    let ended = end(courier);
    assert_closes(&ended.tallies);
    let tally = ended.tallies.of(Topic::Frames);
    assert_eq!(tally.dropped.values().sum::<u64>(), 1, "{tally:?}");
    assert_eq!(tally.accepted + tally.queued, refused);
}

#[test]
fn what_is_too_old_is_given_up() {
    let folder = tempfile::tempdir().unwrap();
    let courier = start(config(folder.path()));
    // More than may be under way, and the rest waits.
    for number in 0..60_000 {
        courier.send(&message(Topic::Frames, number, 600)).unwrap();
        if number % 5000 == 0 {
            assert!(courier.settle(TIMEOUT));
        }
    }
    assert!(courier.settle(TIMEOUT));
    drop(courier);
    let mut short = config(folder.path());
    short.max_age = Duration::ZERO;
    let courier = start(short);
    // A record that comes makes a round, and a round looks at ages.
    courier.send(&message(Topic::Shots, 0, 1)).unwrap();
    assert!(courier.settle(TIMEOUT));
    let ended = end(courier);
    assert_closes(&ended.tallies);
    assert!(ended.tallies.of(Topic::Frames).dropped["too old"] > 0, "{:?}", ended.tallies);
}

#[test]
fn a_message_that_no_spool_could_take_is_refused_and_counted() {
    let folder = tempfile::tempdir().unwrap();
    let mut small = config(folder.path());
    small.max_bytes = 1 << 20;
    let courier = start(small);
    let error = courier.send(&message(Topic::Incidents, 0, 600_000)).unwrap_err().to_string();
    assert!(error.contains("polygraph.incidents") && error.contains("larger than the spool"), "{error}");
    assert_closes(&end(courier).tallies);
}

#[test]
fn a_spool_that_is_no_spool_is_set_aside() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("spool.redb"), vec![7; 100_000]).unwrap();
    let (tell, told) = mpsc::channel();
    let courier = Courier::start(config(folder.path()), move |notice| drop(tell.send(notice))).unwrap();
    let notice = told.recv_timeout(TIMEOUT).unwrap();
    assert!(matches!(&notice, Notice::SpoolDamaged(why) if why.contains("damaged-")), "{notice:?}");
    courier.send(&message(Topic::Frames, 0, 1)).unwrap();
    assert!(courier.settle(TIMEOUT));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    /// Whatever comes, in whatever order, however small memory and spool are: every record is in one place, before and
    /// after the spool is opened again.
    #[test]
    fn the_sum_closes(
        sent in prop::collection::vec((0..Topic::ALL.len(), 0..9000_usize), 1..600),
        queue in 20_000..200_000_usize, spool in 40_000..900_000_u64, pause in 1..200_usize, end_early in any::<bool>(),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let mut small = config(folder.path());
        (small.queue_bytes, small.max_bytes) = (queue, spool);
        let courier = start(small.clone());
        for (number, (topic, size)) in sent.iter().enumerate() {
            courier.send(&message(Topic::ALL[*topic], number, *size)).unwrap();
            if number % pause == 0 {
                courier.settle(TIMEOUT);
                assert_closes(&courier.tallies());
            }
        }
        let settled = end_early || courier.settle(TIMEOUT);
        prop_assert!(settled);
        let before = end(courier).tallies;
        assert_closes(&before);
        prop_assert_eq!(before.sum().produced, sent.len() as u64);
        prop_assert_eq!(before.sum().queued, 0);
        let after = end(start(small)).tallies;
        assert_closes(&after);
        for topic in Topic::ALL {
            prop_assert_eq!(after.of(topic).replayed, before.of(topic).spooled);
        }
    }
}
