// SPDX-License-Identifier: Apache-2.0
//! What can be said about a configuration without a broker. What needs one is in `tests/tests/delivery.rs` of the
//! workspace.

use std::time::Duration;

use polygraph_delivery::{Error, Producer, ProducerConfig};

fn config(brokers: &str) -> ProducerConfig {
    ProducerConfig::new(brokers, Duration::from_secs(1))
}

#[test]
fn lists_of_brokers_are_checked_before_anything_waits_for_them() {
    for good in ["localhost:9092", "a.example:9092,b.example:9093", " a:1 , b:2 ", "[::1]:9092", "10.0.0.1:65535"] {
        config(good).validate().unwrap_or_else(|error| panic!("{good}: {error}"));
    }
    let table = [
        ("", "it is empty"),
        ("a:1,,b:2", "between two commas"),
        ("kafka://a:9092", "no URI"),
        ("a:9092 b:9092", "a space"),
        ("a", "the port is missing"),
        ("a:0", "from 1 to 65535"),
        ("a:70000", "from 1 to 65535"),
        ("a:kafka", "from 1 to 65535"),
        (":9092", "the host is missing"),
        ("::1:9092", "needs brackets"),
        ("[::1:9092", "']'"),
    ];
    for (wrong, why) in table {
        let error = config(wrong).validate().expect_err(wrong).to_string();
        assert!(error.contains(why) && error.contains("write host:port"), "{wrong}: {error}");
        assert_eq!(error.lines().count(), 1, "{wrong}: {error}");
    }
}

#[test]
fn a_timeout_that_would_mean_for_ever_is_refused() {
    for timeout in [Duration::ZERO, Duration::from_micros(10), Duration::MAX] {
        assert!(matches!(ProducerConfig::new("a:1", timeout).validate(), Err(Error::Timeout)), "{timeout:?}");
    }
}

#[test]
fn settings_that_delivery_rests_on_are_fixed_and_unknown_ones_are_named() {
    let mut fixed = config("127.0.0.1:9");
    fixed.settings.insert("message.timeout.ms".into(), "5".into());
    let refused = Producer::start(fixed).map(drop);
    assert!(matches!(refused, Err(Error::FixedSetting(name)) if name == "message.timeout.ms"));

    // An acknowledgement by one replica alone is the user's choice, and must be made in full.
    let mut acks = config("127.0.0.1:9");
    acks.settings.insert("acks".into(), "1".into());
    let error = Producer::start(acks.clone()).map(drop).expect_err("half a choice").to_string();
    assert!(error.contains("acks") && error.contains("idempotence"), "{error}");
    acks.settings.insert("enable.idempotence".into(), "false".into());
    Producer::start(acks).expect("the whole choice");

    let mut unknown = config("127.0.0.1:9");
    unknown.settings.insert("no.such.setting".into(), "1".into());
    let error = Producer::start(unknown).map(drop).expect_err("an unknown setting").to_string();
    assert!(error.contains("no.such.setting"), "{error}");
}
