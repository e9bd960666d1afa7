// SPDX-License-Identifier: Apache-2.0
//! Brokers that stand still or die, and a Polygraph that is killed meanwhile: nothing accepted is missing, and each key
//! keeps its order once repeats are removed.

// clippy.toml lets #[test] functions unwrap; here the helpers do too.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::path::Path;
use std::time::{Duration, Instant};

use polygraph_delivery::{Courier, CourierConfig, DEAD_LETTERS, Delivery, Message, ProducerConfig, Tallies, Topic};
use polygraph_tests::broker::Broker;
use polygraph_tests::consumer::{Received, consume};
use polygraph_tests::courier::Child;
use polygraph_tests::disk::Disk;

const TIMEOUT: Duration = Duration::from_secs(120);

fn config(broker: &Broker, spool: &Path) -> CourierConfig {
    CourierConfig::new(ProducerConfig::new(broker.address(), TIMEOUT), spool)
}

fn start(config: CourierConfig) -> Courier {
    Courier::start(config, |_| {}).unwrap()
}

fn message(topic: Topic, number: usize) -> Message {
    let key = if number.is_multiple_of(2) { "a" } else { "b" };
    let headers = vec![("ce_id".into(), format!("{key}/{number}"))];
    Message { topic, key: key.into(), headers, payload: format!("{number:0>600}").into_bytes() }
}

fn send(courier: &Courier, topic: Topic, numbers: std::ops::Range<usize>) {
    numbers.for_each(|number| courier.send(&message(topic, number)).unwrap());
}

fn number(message: &Received) -> usize {
    let number = message.headers["ce_id"].rsplit('/').next().unwrap().parse().unwrap();
    assert_eq!(message.payload, format!("{number:0>600}"), "an id with another content");
    number
}

/// The numbers of a topic without repeats; fails unless each key's are in order.
fn numbers(broker: &Broker, topic: Topic) -> BTreeSet<usize> {
    let received = consume(&broker.address(), topic.name());
    let mut seen = BTreeSet::new();
    for key in ["a", "b"] {
        let of_key = received.iter().filter(|message| message.key == key);
        let partitions: BTreeSet<_> = of_key.clone().map(|message| message.partition).collect();
        assert!(partitions.len() <= 1, "{key} is in partitions {partitions:?}");
        let first: Vec<_> = of_key.map(number).filter(|number| seen.insert(*number)).collect();
        assert!(first.is_sorted(), "{topic}: {key} is out of order");
    }
    seen
}

fn assert_closes(tallies: &Tallies) {
    tallies.iter().for_each(|(topic, tally)| assert!(tally.closes(), "{topic}: {tally:?}"));
}

/// Ends the courier, which must have delivered everything.
fn finish(courier: Courier) -> Delivery {
    let delivery = courier.finish(TIMEOUT);
    assert_closes(&delivery.tallies);
    assert!(delivery.complete(), "{delivery:?}");
    assert_eq!(delivery.lag.bytes, 0);
    delivery
}

/// Waits until the brokers have acknowledged something.
fn await_acknowledged(courier: &Courier) {
    let deadline = Instant::now() + TIMEOUT;
    while courier.tallies().sum().acknowledged == 0 {
        assert!(Instant::now() < deadline, "{:?} {:?}", courier.tallies(), courier.last_error());
        std::thread::yield_now();
    }
}

#[test]
fn kafka_outage_a_broker_that_stands_still_and_goes_on() {
    stands_still(Duration::from_secs(3));
}

/// Longer than any of librdkafka's own timeouts for a request.
#[test]
#[ignore = "takes two minutes; ./dev test --long"]
fn kafka_outage_long_a_broker_that_stands_still_for_a_minute_and_a_half() {
    stands_still(Duration::from_secs(90));
}

fn stands_still(outage: Duration) {
    let broker = Broker::start();
    let folder = tempfile::tempdir().unwrap();
    let mut config = config(&broker, folder.path());
    // Requests time out while it stands still.
    config.producer.settings.insert("socket.timeout.ms".into(), "1000".into());
    let courier = start(config);
    send(&courier, Topic::Frames, 0..3000);
    await_acknowledged(&courier);
    broker.pause();
    send(&courier, Topic::Frames, 3000..6000);
    assert!(courier.settle(TIMEOUT));
    // The outage is what is under test.
    std::thread::sleep(outage);
    send(&courier, Topic::Frames, 6000..9000);
    assert!(courier.settle(TIMEOUT), "nothing is accepted while the broker is away");
    assert!(courier.lag().bytes > 0 && courier.lag().seconds >= 1.0, "{:?}", courier.lag());
    broker.resume();
    finish(courier);
    assert_eq!(numbers(&broker, Topic::Frames), (0..9000).collect());
}

#[test]
fn kafka_outage_a_broker_that_is_killed_and_comes_back() {
    let mut broker = Broker::start();
    let folder = tempfile::tempdir().unwrap();
    let courier = start(config(&broker, folder.path()));
    send(&courier, Topic::Frames, 0..3000);
    await_acknowledged(&courier);
    send(&courier, Topic::Frames, 3000..6000);
    broker.kill();
    send(&courier, Topic::Frames, 6000..9000);
    send(&courier, Topic::Incidents, 0..10);
    assert!(courier.settle(TIMEOUT));
    broker.restart();
    send(&courier, Topic::Frames, 9000..12_000);
    let delivery = finish(courier);
    assert_eq!(delivery.tallies.of(Topic::Frames).acknowledged, 12_000);
    assert_eq!(numbers(&broker, Topic::Frames), (0..12_000).collect());
    assert_eq!(numbers(&broker, Topic::Incidents), (0..10).collect());
}

#[test]
fn kafka_outage_polygraph_killed_in_mid_outage_and_started_again() {
    let mut broker = Broker::start();
    let folder = tempfile::tempdir().unwrap();
    let spool = folder.path();
    let mut child = Child::start(&broker.address(), spool, 50_000, &[]);
    child.await_accepted(2000);
    broker.kill();
    let at_outage = child.accepted();
    child.await_accepted(at_outage + 3000);
    child.kill();
    let first = child.accepted();
    assert!(first < 50_000, "it was over before it was killed");

    // Again, and killed again, while the broker is still away.
    let mut child = Child::start(&broker.address(), spool, 50_000, &[]);
    child.await_accepted(2000);
    child.kill();
    let second = child.accepted();
    broker.restart();
    let mut child = Child::start(&broker.address(), spool, 100, &[]);
    assert_eq!(child.left(), 0);

    let frames = numbers(&broker, Topic::Frames);
    let accepted = (0..first).chain(50_000..50_000 + second).chain(100_000..100_100);
    let missing: Vec<_> = accepted.filter(|number| !frames.contains(number)).collect();
    assert!(missing.is_empty(), "{} accepted frames are missing, from {:?} on", missing.len(), missing.first());
}

#[test]
fn kafka_outage_a_small_spool_gives_up_the_oldest_frames_and_no_incident() {
    small_spool(2 << 20, 100);
}

#[test]
#[ignore = "takes a minute; ./dev test --long"]
fn kafka_outage_long_a_spool_of_20_mb_gives_up_the_oldest_frames_and_no_incident() {
    small_spool(20 << 20, 1000);
}

/// Ten times what the spool holds, and an incident with each hundred frames, while the broker is away.
fn small_spool(max_bytes: u64, hundreds: usize) {
    let mut broker = Broker::start();
    broker.kill();
    let folder = tempfile::tempdir().unwrap();
    let courier = start(CourierConfig { max_bytes, ..config(&broker, folder.path()) });
    for hundred in 0..hundreds {
        send(&courier, Topic::Frames, hundred * 100..(hundred + 1) * 100);
        send(&courier, Topic::Incidents, hundred..hundred + 1);
        // Not faster than the disk, or the memory would be what is full.
        assert!(courier.settle(TIMEOUT));
    }
    let sent = hundreds * 100;
    let tallies = courier.tallies();
    assert_closes(&tallies);
    let dropped: u64 = tallies.of(Topic::Frames).dropped.values().sum();
    assert!(dropped > sent as u64 / 2, "{tallies:?}");
    broker.restart();
    let delivery = courier.finish(TIMEOUT);
    assert_closes(&delivery.tallies);
    assert_eq!(delivery.tallies.sum().spooled, 0, "{delivery:?}");
    assert_eq!(numbers(&broker, Topic::Incidents), (0..hundreds).collect());
    let frames = numbers(&broker, Topic::Frames);
    assert_eq!(frames.len() as u64, sent as u64 - dropped);
    println!("{max_bytes} bytes: {sent} frames, {dropped} given up; {hundreds} incidents, all there");
    // Some of the oldest were under way and can't be called back; then come the newest without a gap.
    let gap = (0..sent).find(|number| !frames.contains(number)).unwrap();
    assert!(gap as u64 * 600 < max_bytes / 8 + 600_000, "more were under way than an eighth of the spool: {gap}");
    assert_eq!(frames.range(gap..).copied().collect::<Vec<_>>(), (gap + dropped as usize..sent).collect::<Vec<_>>());
}

#[test]
fn kafka_outage_poison_records_become_dead_letters_and_hold_nobody_up() {
    let broker = Broker::start();
    let folder = tempfile::tempdir().unwrap();
    let courier = start(config(&broker, folder.path()));
    send(&courier, Topic::Frames, 0..100);
    let mut large = message(Topic::Frames, 100);
    large.payload = vec![b'x'; 2_000_000];
    courier.send(&large).unwrap();
    send(&courier, Topic::Frames, 101..200);
    let delivery = courier.finish(TIMEOUT);
    assert_closes(&delivery.tallies);
    let tally = delivery.tallies.of(Topic::Frames);
    assert_eq!((tally.acknowledged, tally.dead_lettered.values().sum::<u64>()), (199, 1), "{tally:?}");
    assert_eq!(numbers(&broker, Topic::Frames), (0..200).filter(|number| *number != 100).collect());
    // Too large for the dead letters' topic as well.
    let line = std::fs::read_to_string(folder.path().join("deadletter.ndjson")).unwrap();
    let line: serde_json::Value = serde_json::from_str(&line).unwrap();
    assert_eq!(line["headers"][0], serde_json::json!(["ce_id", "a/100"]));
    assert!(line["reason"].as_str().unwrap().contains("too large"), "{line}");
    assert_eq!(line["payload"].as_str().unwrap().len(), 2_000_000);

    // A file that is full takes no more; then the record is lost, and counted.
    let folder = tempfile::tempdir().unwrap();
    let courier = start(CourierConfig { dead_letter_bytes: 1_000_000, ..self::config(&broker, folder.path()) });
    courier.send(&large).unwrap();
    let delivery = courier.finish(TIMEOUT);
    assert_closes(&delivery.tallies);
    let tally = delivery.tallies.of(Topic::Frames);
    assert_eq!(tally.dropped.get("refused by Kafka, and the dead letters' file is full"), Some(&1), "{tally:?}");
    assert_eq!(tally.dead_lettered.len(), 0, "{tally:?}");
}

#[test]
fn kafka_outage_a_record_that_only_its_topic_refuses_goes_to_the_topic_of_dead_letters() {
    let broker = Broker::start();
    broker.topic("polygraph.frames", &["--config", "max.message.bytes=20000"]);
    let folder = tempfile::tempdir().unwrap();
    let mut config = config(&broker, folder.path());
    config.producer.settings.insert("compression.type".into(), "none".into());
    let courier = start(config);
    // All of one batch, which is refused as a whole.
    send(&courier, Topic::Frames, 0..10);
    let mut large = message(Topic::Frames, 10);
    large.payload = vec![b'x'; 50_000];
    courier.send(&large).unwrap();
    send(&courier, Topic::Frames, 11..20);
    let delivery = courier.finish(TIMEOUT);
    assert_closes(&delivery.tallies);
    let tally = delivery.tallies.of(Topic::Frames);
    assert_eq!((tally.acknowledged, tally.dead_lettered.values().sum::<u64>()), (19, 1), "{delivery:?}");
    assert_eq!(numbers(&broker, Topic::Frames), (0..20).filter(|number| *number != 10).collect());
    let dead = consume(&broker.address(), DEAD_LETTERS);
    assert_eq!(dead.len(), 1);
    assert_eq!((&*dead[0].key, &*dead[0].headers["dead_letter_topic"]), ("a", "polygraph.frames"));
    assert!(dead[0].headers["dead_letter_reason"].contains("too large"), "{:?}", dead[0].headers);
    assert_eq!(dead[0].payload.len(), 50_000);
}

#[test]
fn kafka_outage_a_full_disk_holds_back_nothing_that_is_spooled_and_heals() {
    let Some(disk) = Disk::mount(8) else {
        eprintln!("skipped: only root can mount a small disk");
        return;
    };
    let mut broker = Broker::start();
    broker.kill();
    let courier = start(config(&broker, &disk.path().join("spool")));
    send(&courier, Topic::Frames, 0..3000);
    assert!(courier.settle(TIMEOUT));
    disk.fill();
    send(&courier, Topic::Frames, 3000..6000);
    broker.restart();
    // What was spooled is sent although nothing can be written.
    let deadline = Instant::now() + TIMEOUT;
    while courier.tallies().sum().acknowledged < 3000 {
        assert!(Instant::now() < deadline, "{:?} {:?}", courier.tallies(), courier.last_error());
        std::thread::yield_now();
    }
    assert!(courier.tallies().sum().queued > 0, "the disk was not full: {:?}", courier.tallies());
    disk.free();
    finish(courier);
    assert_eq!(numbers(&broker, Topic::Frames), (0..6000).collect());
}

#[test]
fn kafka_outage_a_broker_whose_disk_is_full_halts_and_goes_on_when_there_is_room() {
    let Some(disk) = Disk::mount(200) else {
        eprintln!("skipped: only root can mount a small disk");
        return;
    };
    let mut broker = Broker::start_on(disk.path());
    let folder = tempfile::tempdir().unwrap();
    let courier = start(config(&broker, folder.path()));
    send(&courier, Topic::Frames, 0..2000);
    await_acknowledged(&courier);
    disk.fill();
    let deadline = Instant::now() + TIMEOUT;
    let mut sent = 2000;
    while broker.is_running() {
        assert!(Instant::now() < deadline, "the broker goes on without a disk");
        send(&courier, Topic::Frames, sent..sent + 100);
        sent += 100;
        assert!(courier.settle(TIMEOUT));
    }
    send(&courier, Topic::Frames, sent..sent + 1000);
    assert!(courier.settle(TIMEOUT), "nothing is accepted while the broker is away");
    disk.free();
    broker.restart();
    finish(courier);
    assert_eq!(numbers(&broker, Topic::Frames), (0..sent + 1000).collect());
}
