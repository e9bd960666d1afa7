// SPDX-License-Identifier: Apache-2.0
//! The consumers of the documentation, on a real broker: each sees every event once, and believes the higher generation.

// clippy.toml lets #[test] functions unwrap; here the helpers do too.
#![allow(clippy::unwrap_used)]

use std::process::Command;
use std::time::Duration;

use polygraph_delivery::{Courier, CourierConfig, Message, ProducerConfig, Topic};
use polygraph_tests::broker::Broker;
use polygraph_tests::command::polygraph;

const TIMEOUT: Duration = Duration::from_secs(60);

/// A frame of a stream at a second, told by a generation.
fn frame(second: u64, generation: u64) -> Message {
    let id = format!("s/{generation}/frame/{second}/0");
    let headers = vec![("ce_id".into(), id), ("generation".into(), generation.to_string())];
    let payload = format!(
        r#"{{"pts_ns":{second},"clock":{{"wall_ns":{}}}}}"#,
        1_795_000_000_000_000_000 + second * 1_000_000_000
    );
    Message { topic: Topic::Frames, key: "s".into(), headers, payload: payload.into_bytes() }
}

/// What a program prints; `None` where it can't be run.
fn told(command: &mut Command, broker: &Broker) -> Vec<String> {
    let run = command.args([&broker.address(), "polygraph.frames"]).output().unwrap();
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    String::from_utf8(run.stdout).unwrap().lines().map(str::to_owned).collect()
}

#[test]
fn consumers_in_rust_python_and_shell_see_each_event_once_and_believe_the_higher_generation() {
    let broker = Broker::start();
    let folder = tempfile::tempdir().unwrap();
    let config = CourierConfig::new(ProducerConfig::new(broker.address(), TIMEOUT), folder.path());
    let courier = Courier::start(config, |_| {}).unwrap();
    // Generation 12 takes over at second 4. Of what 9 says later nothing counts; what it found before comes late.
    let sent = [(0, 9), (1, 9), (1, 9), (4, 12), (2, 9), (3, 9), (5, 9), (5, 12), (4, 12), (4, 9), (6, 12)];
    for (second, generation) in sent {
        courier.send(&frame(second, generation)).unwrap();
    }
    assert!(courier.finish(TIMEOUT).complete());
    let believed: Vec<_> = [(0, 9), (1, 9), (4, 12), (2, 9), (3, 9), (5, 12), (6, 12)]
        .map(|(second, generation)| format!("s/{generation}/frame/{second}/0"))
        .into();

    let rust = polygraph().with_file_name("examples").join("consumer");
    assert_eq!(told(&mut Command::new(rust), &broker), believed, "Rust");
    let examples = polygraph_tests::root().join("pipeline/delivery/examples");
    assert_eq!(told(&mut Command::new(examples.join("consumer.sh")), &broker), believed, "shell");
    let python = polygraph_tests::home().join("kafka/python");
    if !python.is_dir() {
        eprintln!("skipped: confluent-kafka isn't there for Python: ./dev setup fetches it");
        return;
    }
    let mut script = Command::new("python3");
    script.arg(examples.join("consumer.py")).env("PYTHONPATH", python);
    assert_eq!(told(&mut script, &broker), believed, "Python");
}
