// SPDX-License-Identifier: Apache-2.0
//! Throughput of delivery alone, spool and all, against Kafka's own `kafka-producer-perf-test`: the same broker, payload
//! file, topic, acknowledgements, idempotence, compression, linger and batch size, run by turns.
//!
//! usage: `delivery-bench [RECORDS] [ROUNDS]`
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fmt::Write;
use std::path::Path;
use std::process::Command;

use polygraph_tests::broker::Broker;
use polygraph_tests::command::beside;
use polygraph_tests::java::java_as_shipped;

const TOPIC: &str = "polygraph.frames";
/// Both producers get these.
const SETTINGS: [&str; 5] =
    ["acks=all", "enable.idempotence=true", "compression.type=zstd", "linger.ms=50", "batch.size=1000000"];

fn main() {
    let mut arguments = std::env::args().skip(1);
    let mut number = |default: usize| arguments.next().map_or(default, |text| text.parse().expect("a number"));
    let (records, rounds) = (number(1_000_000), number(3));
    let folder = tempfile::tempdir().expect("a temporary folder");
    let payload = folder.path().join("payload.ndjson");
    std::fs::write(&payload, payloads()).expect("the payload file");
    let broker = Broker::start();
    broker.topic(TOPIC, &["--partitions", "4"]);
    let mut ratios = Vec::new();
    for round in 0..=rounds {
        let (ours, theirs) = (ours(&broker, &payload, records), theirs(&broker, &payload, records));
        // The first warms the broker up.
        if round > 0 {
            println!("round {round}: delivery {ours:.0} records/s, kafka-producer-perf-test {theirs:.0} records/s");
            ratios.push(ours / theirs);
        }
    }
    ratios.sort_by(f64::total_cmp);
    println!(
        "delivery is at {:.2} of kafka-producer-perf-test (median of {rounds}; {:.2} to {:.2}); {records} records each",
        ratios[ratios.len() / 2],
        ratios[0],
        ratios[ratios.len() - 1]
    );
}

/// Frames like those of an analysis, some 600 bytes each.
fn payloads() -> String {
    let mut text = String::new();
    let mut noise = 1_u64;
    let mut number = || {
        noise = noise.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (noise >> 33) as f64 / f64::from(1_u32 << 31)
    };
    for frame in 0..1000_u64 {
        let pts = frame * 40_000_000;
        write!(text, r#"{{"pts_ns":{pts},"clock":{{"source":"file","wall_ns":{},"epoch":"01J"}},"faces":["#, pts * 7)
            .unwrap();
        for track in 0..2 {
            let [x, y, w, h, p, q] = [(); 6].map(|()| number());
            let comma = if track == 0 { "" } else { "," };
            write!(
                text,
                r#"{comma}{{"track":{track},"box":[{x:.6},{y:.6},{w:.6},{h:.6}],"quality":{q:.6},"points":{{"right_eye":[{y:.6},{x:.6}],"left_eye":[{w:.6},{q:.6}]}},"manipulation":{{"p":{p:.6},"network":"face-forensics"}}}}"#
            )
            .unwrap();
        }
        writeln!(text, r#"],"audio":{{"loudness_lufs":{:.3},"speech":{:.4}}}}}"#, -70.0 * number(), number()).unwrap();
    }
    text
}

fn ours(broker: &Broker, payload: &Path, records: usize) -> f64 {
    let spool = tempfile::tempdir().expect("a temporary folder");
    let said = output(
        Command::new(beside("delivery-alone"))
            .args([&broker.address(), &spool.path().display().to_string(), &records.to_string(), "300"])
            .arg(format!("bench.payload={}", payload.display()))
            .arg("spool.policy=file")
            .args(SETTINGS),
    );
    rate(&said)
}

fn theirs(broker: &Broker, payload: &Path, records: usize) -> f64 {
    let said = output(
        java_as_shipped("org.apache.kafka.tools.ProducerPerformance")
            .args(["--topic", TOPIC, "--throughput", "-1", "--num-records", &records.to_string(), "--payload-file"])
            .arg(payload)
            .arg("--producer-props")
            .arg(format!("bootstrap.servers={}", broker.address()))
            .args(SETTINGS),
    );
    rate(said.trim_end().lines().last().unwrap_or_default())
}

fn output(command: &mut Command) -> String {
    let output = command.output().expect("it is built, and java is there");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "{}{}", text(&output.stdout), text(&output.stderr));
    text(&output.stdout)
}

/// The number before `records/sec` or `records/s`.
fn rate(said: &str) -> f64 {
    let (before, _) = said.split_once(" records/s").unwrap_or_else(|| panic!("no rate in: {said}"));
    before.rsplit(' ').next().and_then(|rate| rate.parse().ok()).unwrap_or_else(|| panic!("no rate in: {said}"))
}
