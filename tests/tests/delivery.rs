// SPDX-License-Identifier: Apache-2.0
//! `polygraph-delivery` against a real broker, read back with an independent client.

// clippy.toml lets #[test] functions unwrap; here the helpers do too.
#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use polygraph_delivery::{Counts, Message, Producer, ProducerConfig, Topic};
use polygraph_tests::broker::{Broker, nobody};
use polygraph_tests::consumer::{Received, consume};

const TIMEOUT: Duration = Duration::from_secs(120);

fn producer(brokers: &str) -> Producer {
    Producer::start(ProducerConfig::new(brokers, TIMEOUT)).unwrap()
}

/// A message that can be told from all others of a test.
fn message(topic: Topic, key: &str, number: usize) -> Message {
    let headers = [("ce_id", format!("{key}/{number}")), ("content-type", "application/json".to_owned())];
    Message {
        topic,
        key: key.to_owned(),
        headers: headers.into_iter().map(|(name, value)| (name.to_owned(), value)).collect(),
        payload: format!(r#"{{"number":{number},"text":"ö\n"}}"#).into_bytes(),
    }
}

fn acknowledged(count: u64) -> Counts {
    Counts { produced: count, acknowledged: count, ..Counts::default() }
}

/// The numbers of a key's messages, in the order in which a consumer sees them.
fn numbers(messages: &[Received], key: &str) -> Vec<usize> {
    let of_key: Vec<_> = messages.iter().filter(|message| message.key == key).collect();
    let partitions: BTreeSet<_> = of_key.iter().map(|message| message.partition).collect();
    assert!(partitions.len() <= 1, "{key} is in partitions {partitions:?}: its order is lost");
    let number = |message: &&Received| message.headers["ce_id"].rsplit('/').next().unwrap().parse().unwrap();
    of_key.iter().map(number).collect()
}

#[test]
fn everything_arrives_as_it_was_sent_in_topics_made_for_it() {
    let broker = Broker::start();
    let producer = producer(&broker.address());
    let keys = ["studio", "street", "Zürich Hbf"];
    for number in 0..500 {
        for topic in Topic::ALL {
            producer.send(message(topic, keys[number % 3], number)).unwrap();
        }
    }
    let report = producer.finish(TIMEOUT);
    assert_eq!(report.counts, acknowledged(2500), "{:?}", report.last_error);
    assert!(report.complete());

    for topic in Topic::ALL {
        let received = consume(&broker.address(), topic.name());
        assert_eq!(received.len(), 500, "{topic}");
        for (index, key) in keys.into_iter().enumerate() {
            assert_eq!(numbers(&received, key), (index..500).step_by(3).collect::<Vec<_>>(), "{topic}, {key}");
        }
        for got in &received {
            let number = got.headers["ce_id"].rsplit('/').next().unwrap().parse().unwrap();
            let sent = message(topic, &got.key, number);
            assert_eq!(got.payload.as_bytes(), sent.payload);
            assert_eq!(got.headers, sent.headers.into_iter().collect::<BTreeMap<_, _>>());
        }
    }
}

#[test]
fn a_broker_that_dies_and_comes_back_costs_no_message_and_repeats_none() {
    let mut broker = Broker::start();
    let producer = producer(&broker.address());
    let send = |numbers: std::ops::Range<usize>| {
        for number in numbers {
            producer.send(message(Topic::Frames, "studio", number)).unwrap();
        }
    };
    send(0..2000);
    // Some are stored, some on their way, some in the queue.
    while producer.counts().acknowledged == 0 {
        std::thread::yield_now();
    }
    send(2000..4000);
    broker.kill();
    send(4000..6000);
    assert!(producer.counts().waiting >= 2000, "{:?}", producer.counts());
    broker.restart();
    send(6000..8000);

    let report = producer.finish(TIMEOUT);
    assert_eq!(report.counts, acknowledged(8000), "{:?}", report.last_error);
    let received = consume(&broker.address(), Topic::Frames.name());
    assert_eq!(numbers(&received, "studio"), (0..8000).collect::<Vec<_>>());
}

#[test]
fn a_broker_that_comes_late_gets_everything() {
    let mut broker = Broker::start();
    broker.kill();
    let producer = producer(&broker.address());
    for number in 0..100 {
        producer.send(message(Topic::Shots, "studio", number)).unwrap();
    }
    broker.restart();
    let report = producer.finish(TIMEOUT);
    assert_eq!(report.counts, acknowledged(100), "{:?}", report.last_error);
    assert_eq!(numbers(&consume(&broker.address(), Topic::Shots.name()), "studio"), (0..100).collect::<Vec<_>>());
}

#[test]
fn without_a_broker_the_end_comes_in_time_and_says_what_was_not_delivered() {
    let producer = producer(&nobody());
    for number in 0..10 {
        producer.send(message(Topic::Frames, "studio", number)).unwrap();
    }
    let report = producer.finish(Duration::from_millis(500));
    assert!(!report.complete());
    assert_eq!((report.counts.produced, report.counts.acknowledged, report.counts.waiting), (10, 0, 0));
    assert_eq!(report.counts.unacknowledged(), 10);
    assert_eq!(report.counts.failed, BTreeMap::from([("not sent before the end".to_owned(), 10)]));
    let why = report.last_error.unwrap();
    assert!(why.contains("refused"), "{why}");
}

#[test]
fn a_message_that_waited_its_time_is_counted_as_that() {
    let producer = Producer::start(ProducerConfig::new(nobody(), Duration::from_millis(200))).unwrap();
    producer.send(message(Topic::Frames, "studio", 0)).unwrap();
    let report = producer.finish(TIMEOUT);
    assert_eq!(report.counts.failed, BTreeMap::from([("not acknowledged in time".to_owned(), 1)]));
}

#[test]
fn a_full_queue_makes_the_sender_wait_and_loses_nothing_of_the_count() {
    let mut config = ProducerConfig::new(nobody(), Duration::from_millis(300));
    config.settings.insert("queue.buffering.max.messages".into(), "10".into());
    // Longer than the messages in the queue live.
    config.room_timeout = TIMEOUT;
    let producer = Producer::start(config).unwrap();
    for number in 0..25 {
        producer.send(message(Topic::Frames, "studio", number)).unwrap();
        assert!(producer.counts().waiting <= 11, "{:?}", producer.counts());
    }
    let report = producer.finish(TIMEOUT);
    assert_eq!(report.counts.produced, 25);
    assert_eq!(report.counts.failed.values().sum::<u64>(), 25, "{:?}", report.counts);
}

#[test]
fn a_message_that_finds_no_room_in_time_is_counted_and_holds_nobody_up() {
    let mut config = ProducerConfig::new(nobody(), TIMEOUT);
    config.settings.insert("queue.buffering.max.messages".into(), "10".into());
    config.room_timeout = Duration::ZERO;
    let producer = Producer::start(config).unwrap();
    let refused = (0..25).filter(|number| producer.send(message(Topic::Frames, "studio", *number)).is_err()).count();
    assert!(refused >= 14, "{refused} refused");
    let counts = producer.counts();
    assert_eq!((counts.produced, counts.failed.values().sum::<u64>()), (25, refused as u64), "{counts:?}");
}

#[test]
fn a_message_that_is_too_large_is_refused_by_name_and_counted() {
    let producer = producer(&nobody());
    let mut large = message(Topic::Frames, "studio", 0);
    large.payload = vec![b' '; 2_000_000];
    let error = producer.send(large).unwrap_err().to_string();
    assert!(error.contains("polygraph.frames") && error.contains("too large"), "{error}");
    let counts = producer.counts();
    assert_eq!((counts.produced, counts.failed.values().sum::<u64>(), counts.waiting), (1, 1, 0));
}
