// SPDX-License-Identifier: Apache-2.0
//! A consumer that sees each event once: `consumer BROKERS TOPIC` prints what is in a topic, and ends at its end.
//!
//! A repeat has the same id, and of two workers that tell of the same stretch of a stream the one with the higher
//! generation is right. The same in Python and for a shell is beside this file.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::error::Error;
use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::{Headers, Message};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};
use serde_json::Value;

/// How many ids are remembered: repeats come within what was under way when a worker ended, some thousands.
const REMEMBERED: usize = 100_000;

/// Tells what is to be believed.
#[derive(Default)]
struct Judge {
    seen: HashSet<String>,
    order: VecDeque<String>,
    /// When each generation of a stream began to tell of it, in nanoseconds of its wall clock.
    begins: HashMap<String, BTreeMap<u64, u64>>,
}

impl Judge {
    /// Whether an event is new and nobody knows better.
    fn takes(&mut self, id: &str, stream: &str, generation: u64, wall_ns: u64) -> bool {
        if !self.seen.insert(id.to_owned()) {
            return false;
        }
        self.order.push_back(id.to_owned());
        if self.order.len() > REMEMBERED
            && let Some(oldest) = self.order.pop_front()
        {
            self.seen.remove(&oldest);
        }
        let begins = self.begins.entry(stream.to_owned()).or_default();
        let begin = begins.entry(generation).or_insert(wall_ns);
        *begin = wall_ns.min(*begin);
        // What a worker found before another took over is right, even when it comes late.
        !begins.range(generation + 1..).any(|(_, begin)| *begin <= wall_ns)
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(brokers), Some(topic)) = (arguments.next(), arguments.next()) else {
        return Err("consumer BROKERS TOPIC".into());
    };
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", brokers)
        // A service would have a group of its own, subscribe, and commit what it has worked off.
        .set("group.id", "consumer-example")
        .set("enable.auto.commit", "false")
        .set("enable.partition.eof", "true")
        .create()?;
    let metadata = consumer.fetch_metadata(Some(&topic), Duration::from_secs(10))?;
    let partitions = metadata.topics().first().map(|topic| topic.partitions()).unwrap_or_default();
    let mut all = TopicPartitionList::new();
    for partition in partitions {
        all.add_partition_offset(&topic, partition.id(), Offset::Beginning)?;
    }
    consumer.assign(&all)?;

    let mut judge = Judge::default();
    let mut left = partitions.len();
    while left > 0 {
        match consumer.poll(Duration::from_secs(10)) {
            None => return Err("Kafka doesn't answer".into()),
            Some(Err(KafkaError::PartitionEOF(_))) => left -= 1,
            Some(Err(error)) => return Err(error.into()),
            Some(Ok(message)) => {
                let header = |name: &str| {
                    let header = message.headers()?.iter().find(|header| header.key == name)?;
                    std::str::from_utf8(header.value?).ok()
                };
                let (id, generation) = (header("ce_id").unwrap_or_default(), header("generation").unwrap_or("0"));
                let stream = message.key().map(String::from_utf8_lossy).unwrap_or_default();
                let data: Value = serde_json::from_slice(message.payload().unwrap_or_default())?;
                let wall_ns = data["clock"]["wall_ns"].as_u64().unwrap_or_default();
                if judge.takes(id, &stream, generation.parse()?, wall_ns) {
                    println!("{id}");
                }
            }
        }
    }
    Ok(())
}
