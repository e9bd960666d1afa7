// SPDX-License-Identifier: Apache-2.0
//! The two tables as people and workers read and write them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::time::{Duration, Instant};

use rdkafka::client::ClientContext;
use rdkafka::config::{ClientConfig, FromClientConfigAndContext, RDKafkaLogLevel};
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::message::{DeliveryResult, Message as _};
use rdkafka::producer::{BaseRecord, ProducerContext, ThreadedProducer};
use rdkafka::{Offset, TopicPartitionList};
use serde::Deserialize;

use super::{DESIRED, STATUS};
use crate::config::ProducerConfig;
use crate::error::{Error, Result};
use crate::ledger::{Ledger, reason};
use crate::settings;

/// As Java's clients do by default, so that a stream is in one partition whoever writes its record.
const PARTITIONER: (&str, &str) = ("partitioner", "murmur2_random");

/// A record of [`DESIRED`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wish {
    /// Where it lies.
    pub partition: i32,
    /// The stream.
    pub stream: String,
    /// What was written.
    pub record: Vec<u8>,
}

/// Reads and writes the tables.
pub struct Board {
    config: ProducerConfig,
    /// One for all that is read: half a second goes by before a new one knows its brokers.
    reader: Mutex<BaseConsumer<Quiet>>,
    ledger: Arc<Ledger>,
}

/// What a record of [`STATUS`] must say; the rest is of no concern here.
#[derive(Deserialize)]
struct Claim {
    #[serde(default)]
    generation: u64,
}

impl Board {
    /// By these settings; their delivery timeout is how long each call waits for the cluster.
    ///
    /// # Errors
    /// What [`ProducerConfig::validate`] finds.
    pub fn new(config: ProducerConfig) -> Result<Self> {
        config.validate()?;
        let mut client = config.connection()?;
        // Without a group there is no consumer for librdkafka; nothing is ever committed, and nobody joins.
        // The ends are told with the answer to a request for more, which brokers hold back for half a second else.
        for (name, value) in [
            ("group.id", "polygraph-board"),
            ("enable.auto.commit", "false"),
            ("enable.partition.eof", "true"),
            ("fetch.wait.max.ms", "10"),
        ] {
            client.set(name, value);
        }
        let ledger = Arc::new(Ledger::default());
        let reader = BaseConsumer::from_config_and_context(&client, Quiet(Arc::clone(&ledger)))
            .map_err(|error| settings::refused(&client, &error))?;
        Ok(Self { config, reader: Mutex::new(reader), ledger })
    }

    /// All wanted streams, in order of their names.
    ///
    /// # Errors
    /// [`Error::Cluster`] when the cluster doesn't answer in time, and what [`ProducerConfig::validate`] finds.
    pub fn wanted(&self) -> Result<Vec<Wish>> {
        let table = self.read(DESIRED)?;
        let wish = |((partition, stream), record)| Wish { partition, stream, record };
        let mut wanted: Vec<_> = table.into_iter().map(wish).collect();
        wanted.sort_by(|a, b| (&a.stream, a.partition).cmp(&(&b.stream, b.partition)));
        Ok(wanted)
    }

    /// What the workers say of each stream, as they wrote it.
    ///
    /// # Errors
    /// As [`Board::wanted`].
    pub fn status(&self) -> Result<BTreeMap<String, Vec<u8>>> {
        Ok(self.read(STATUS)?.into_iter().map(|((_, stream), record)| (stream, record)).collect())
    }

    /// The highest generation of each stream's runs.
    pub(super) fn generations(&self) -> Result<BTreeMap<String, u64>> {
        let generation = |record: &[u8]| serde_json::from_slice::<Claim>(record).ok().map(|claim| claim.generation);
        Ok(self.status()?.into_iter().filter_map(|(stream, record)| Some((stream, generation(&record)?))).collect())
    }

    /// Writes how a stream is wanted, or with `None` that it isn't. What other partitions have of it goes.
    ///
    /// # Errors
    /// As [`Board::wanted`], and what the brokers refuse.
    pub fn want(&self, stream: &str, record: Option<&[u8]>) -> Result<()> {
        let before: Vec<_> = self.wanted()?.into_iter().filter(|wish| wish.stream == stream).collect();
        let writer = Writer::new(&self.config)?;
        let partition = record.map(|record| writer.write(DESIRED, None, stream, Some(record))).transpose()?;
        for wish in before.iter().filter(|wish| Some(wish.partition) != partition) {
            writer.write(DESIRED, Some(wish.partition), stream, None)?;
        }
        Ok(())
    }

    /// The names of a group's members.
    ///
    /// # Errors
    /// As [`Board::wanted`].
    pub fn members(&self, group: &str) -> Result<Vec<String>> {
        let groups = self
            .reader()
            .fetch_group_list(Some(group), self.config.delivery_timeout)
            .map_err(|error| self.failed(error.to_string()))?;
        let members = groups.groups().iter().flat_map(|group| group.members());
        Ok(members.map(|member| member.client_id().to_owned()).collect())
    }

    fn reader(&self) -> MutexGuard<'_, BaseConsumer<Quiet>> {
        // It has no state of its own that a panic could have left half done: what is read is assigned anew.
        self.reader.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn failed(&self, why: String) -> Error {
        Error::Cluster(self.ledger.last_error().unwrap_or(why))
    }

    /// The latest record of each key, partition by partition, up to the ends of now.
    fn read(&self, topic: &str) -> Result<BTreeMap<(i32, String), Vec<u8>>> {
        let deadline = Instant::now() + self.config.delivery_timeout;
        let consumer = self.reader();
        let failed = |why| self.failed(why);
        let metadata = consumer
            .fetch_metadata(Some(topic), self.config.delivery_timeout)
            .map_err(|error| failed(error.to_string()))?;
        let partitions = metadata.topics().first().map(|topic| topic.partitions()).unwrap_or_default();
        let mut all = TopicPartitionList::new();
        for partition in partitions {
            all.add_partition_offset(topic, partition.id(), Offset::Beginning)
                .map_err(|error| failed(error.to_string()))?;
        }
        consumer.assign(&all).map_err(|error| failed(error.to_string()))?;
        // A partition ends again when something was written behind its end.
        let (mut table, mut ended) = (BTreeMap::new(), BTreeSet::new());
        while ended.len() < partitions.len() {
            let wait = deadline.saturating_duration_since(Instant::now());
            if wait.is_zero() {
                return Err(failed(format!("{topic} could not be read in time")));
            }
            match consumer.poll(wait.min(Duration::from_millis(200))) {
                Some(Ok(record)) => {
                    let Some(Ok(stream)) = record.key().map(std::str::from_utf8) else { continue };
                    let at = (record.partition(), stream.to_owned());
                    match record.payload() {
                        Some(value) => table.insert(at, value.to_vec()),
                        None => table.remove(&at),
                    };
                }
                Some(Err(KafkaError::PartitionEOF(partition))) => {
                    ended.insert(partition);
                }
                Some(Err(error)) => self.ledger.note(error.to_string()),
                None => {}
            }
        }
        consumer.unassign().map_err(|error| failed(error.to_string()))?;
        Ok(table)
    }
}

/// Says nothing, and remembers what went wrong.
struct Quiet(Arc<Ledger>);

impl ClientContext for Quiet {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        self.0.log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.0.error(error, reason);
    }
}

impl ConsumerContext for Quiet {}

pub(super) fn writer_settings(config: &ProducerConfig) -> Result<ClientConfig> {
    let mut client = config.client()?;
    client.set(PARTITIONER.0, PARTITIONER.1);
    client.set("linger.ms", "5");
    Ok(client)
}

/// Writes records one by one, and waits for each.
struct Writer {
    producer: ThreadedProducer<Told>,
    told: mpsc::Receiver<KafkaResult<i32>>,
    timeout: Duration,
}

/// Tells in which partition a record is now, or why it is in none.
struct Told(mpsc::Sender<KafkaResult<i32>>, Arc<Ledger>);

impl ClientContext for Told {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        self.1.log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.1.error(error, reason);
    }
}

impl ProducerContext for Told {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        let told = match result {
            Ok(record) => Ok(record.partition()),
            Err((error, _)) => Err(error.clone()),
        };
        // Whoever waited too long has gone.
        let _ = self.0.send(told);
    }
}

impl Writer {
    fn new(config: &ProducerConfig) -> Result<Self> {
        let mut client = writer_settings(config)?;
        // What is there twice is there once in a table, and an idempotent producer takes half a second to begin.
        client.set("enable.idempotence", "false");
        let (tell, told) = mpsc::channel();
        let producer = ThreadedProducer::from_config_and_context(&client, Told(tell, Arc::default()))
            .map_err(|error| settings::refused(&client, &error))?;
        Ok(Self { producer, told, timeout: config.delivery_timeout })
    }

    /// The partition in which it is now.
    fn write(&self, topic: &str, partition: Option<i32>, key: &str, value: Option<&[u8]>) -> Result<i32> {
        let failed = |why: String| Error::Cluster(format!("{topic} can't be written: {why}"));
        let mut record = BaseRecord::<str, [u8]>::to(topic).key(key);
        (record.partition, record.payload) = (partition, value);
        self.producer.send(record).map_err(|(error, _)| failed(reason(&error)))?;
        // librdkafka reports at its own timeout, which is the same.
        let told = self.told.recv_timeout(self.timeout + Duration::from_secs(1));
        let told = told.unwrap_or(Err(KafkaError::MessageProduction(RDKafkaErrorCode::MessageTimedOut)));
        told.map_err(|error| failed(reason(&error)))
    }
}
