// SPDX-License-Identifier: Apache-2.0
//! A courier in a process of its own, to be killed by tests and measured by the bench.
//!
//! usage: `delivery-alone BROKERS SPOOL COUNT TIMEOUT_S [NAME=VALUE]...`
//!
//! Sends COUNT frames and every hundredth time an incident, of keys `a` and `b` by turns, numbered from what the spool
//! has seen before on (the file `next` beside it). `accepted N` on stdout says that the first N of this run are in the
//! spool, `left N` what is still there at the end. Settings besides librdkafka's: `bench.payload=FILE` (one payload a
//! line, no incidents), `spool.max.bytes`, `spool.policy=file`.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use polygraph_delivery::{Courier, CourierConfig, Message, Policy, ProducerConfig, Topic};

type Failure = Box<dyn std::error::Error>;

const PATIENCE: Duration = Duration::from_secs(600);
/// After so many frames comes an incident.
const INCIDENT: usize = 100;
/// After so many messages the acceptance is waited for and told.
const STEP: usize = 500;

fn main() -> Result<(), Failure> {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let [brokers, spool, count, timeout, settings @ ..] = &arguments[..] else {
        return Err("usage: delivery-alone BROKERS SPOOL COUNT TIMEOUT_S [NAME=VALUE]...".into());
    };
    let settings = settings.iter().map(|setting| setting.split_once('=').ok_or("not NAME=VALUE"));
    let mut settings =
        settings.map(|pair| pair.map(|(name, value)| (name.to_owned(), value.to_owned()))).collect::<Result<_, _>>()?;
    let bench = take(&mut settings, "bench.payload");
    let courier = start(brokers, Path::new(spool), settings)?;
    let count = count.parse()?;
    let timeout = Duration::from_secs(timeout.parse()?);
    match bench {
        Some(file) => measure(courier, Path::new(&file), count, timeout),
        None => send(courier, Path::new(spool), count, timeout),
    }
}

fn take(settings: &mut BTreeMap<String, String>, name: &str) -> Option<String> {
    settings.remove(name)
}

fn start(brokers: &str, spool: &Path, mut settings: BTreeMap<String, String>) -> Result<Courier, Failure> {
    let mut config = CourierConfig::new(ProducerConfig::new(brokers, PATIENCE), spool);
    if let Some(bytes) = take(&mut settings, "spool.max.bytes") {
        config.max_bytes = bytes.parse()?;
    }
    if take(&mut settings, "spool.policy").is_some_and(|policy| policy == "file") {
        config.policy = Policy::File(PATIENCE);
    }
    config.producer.settings = settings;
    Ok(Courier::start(config, |notice| eprintln!("{notice:?}"))?)
}

fn send(courier: Courier, spool: &Path, count: usize, timeout: Duration) -> Result<(), Failure> {
    let next = spool.join("next");
    let first = std::fs::read_to_string(&next).ok().and_then(|text| text.parse().ok()).unwrap_or(0);
    // Before anything is sent: a run that is killed leaves no number to be used twice.
    std::fs::write(&next, (first + count).to_string())?;
    for sent in 0..count {
        if sent % STEP == 0 && courier.settle(PATIENCE) {
            say(&format!("accepted {sent}"))?;
        }
        courier.send(&message(Topic::Frames, first + sent))?;
        if sent % INCIDENT == INCIDENT - 1 {
            courier.send(&message(Topic::Incidents, first + sent))?;
        }
    }
    courier.settle(PATIENCE);
    say(&format!("accepted {count}"))?;
    let delivery = courier.finish(timeout);
    for (topic, tally) in delivery.tallies.iter() {
        say(&format!("{topic} {tally:?}"))?;
    }
    say(&format!("left {}", delivery.tallies.sum().spooled))
}

fn message(topic: Topic, number: usize) -> Message {
    let key = if number.is_multiple_of(2) { "a" } else { "b" };
    let headers = vec![("ce_id".into(), format!("{key}/{number}"))];
    Message { topic, key: key.into(), headers, payload: format!("{number:0>600}").into_bytes() }
}

fn say(line: &str) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}")?;
    Ok(out.flush()?)
}

/// As `kafka-producer-perf-test` does: payloads of a file by turns, without keys that matter and without headers.
fn measure(courier: Courier, file: &Path, count: usize, timeout: Duration) -> Result<(), Failure> {
    let text = std::fs::read_to_string(file)?;
    let payloads: Vec<_> = text.lines().collect();
    let began = Instant::now();
    let mut bytes = 0;
    for number in 0..count {
        let payload = payloads[number % payloads.len()].as_bytes().to_vec();
        bytes += payload.len();
        let key = format!("camera-{}", number % 16);
        courier.send(&Message { topic: Topic::Frames, key, headers: vec![], payload })?;
    }
    // As kafka-producer-perf-test does, which flushes, takes the time, and closes.
    courier.flush(timeout);
    let seconds = began.elapsed().as_secs_f64();
    let delivery = courier.finish(Duration::ZERO);
    let sum = delivery.tallies.sum();
    if sum.acknowledged != count as u64 {
        return Err(format!("{sum:?} {:?}", delivery.last_error).into());
    }
    say(&format!(
        "{count} records in {seconds:.2} s: {:.0} records/s, {:.2} MB/s",
        count as f64 / seconds,
        bytes as f64 / seconds / 1e6
    ))
}
