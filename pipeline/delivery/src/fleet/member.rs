// SPDX-License-Identifier: Apache-2.0
//! A member of the group: reads the table, and is told by Kafka which part of it is its own.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rdkafka::bindings;
use rdkafka::config::FromClientConfigAndContext;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext, Rebalance};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::Message as _;

use super::table::{Change, Table};
use super::{Board, DESIRED};
use crate::config::ProducerConfig;
use crate::contact::{Contact, STATISTICS};
use crate::error::{Error, Result};
use crate::ledger::Ledger;
use crate::settings;

/// How often a member lets hear from itself, and hears that streams are to be shared anew.
const LONGEST_HEARTBEAT: Duration = Duration::from_secs(1);
/// librdkafka takes no timeout for connections below 1 s, and a fetch is held back for half a second.
const SHORTEST_SILENCE: Duration = Duration::from_secs(2);

/// How a member joins.
#[derive(Clone, Debug)]
pub struct MemberConfig {
    /// Where Kafka is, and how it is spoken to.
    pub connection: ProducerConfig,
    /// The group whose members share the streams.
    pub group: String,
    /// This member's name, for people; two may have the same.
    pub name: String,
    /// A member that isn't heard of for so long loses its streams.
    pub session: Duration,
}

impl MemberConfig {
    /// Session 10 s, the group `polygraph`.
    pub fn new(connection: ProducerConfig, name: impl Into<String>) -> Self {
        Self { connection, group: "polygraph".into(), name: name.into(), session: Duration::from_secs(10) }
    }
}

/// Why streams are to be stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// Nobody wants them any more.
    Unwanted,
    /// Another member gets them as soon as they have stopped.
    HandedOver,
    /// The assignment was lost: another member may run them already.
    Lost,
}

/// Runs streams for a [`Member`], which calls it from its own [`Member::turn`].
pub trait Keeper: Send + Sync + 'static {
    /// Runs a stream, or runs it anew when its record has changed. The record is whatever somebody wrote: it may be
    /// malformed.
    fn run(&self, stream: &str, record: &[u8], generation: u64);

    /// Stops streams, and returns when they have stopped, within few seconds: the group waits meanwhile.
    fn stop(&self, streams: &[String], why: Stop);
}

/// A member of the group.
pub struct Member {
    config: MemberConfig,
    keeper: Arc<dyn Keeper>,
    consumer: BaseConsumer<Context>,
}

type Context = Contact<Group>;

struct Group {
    table: Mutex<Table>,
    keeper: Arc<dyn Keeper>,
    ledger: Arc<Ledger>,
    board: Board,
    /// The highest generation that was known of each stream when the group's was this one.
    known: Mutex<(i32, BTreeMap<String, u64>)>,
}

impl Member {
    /// Joins in the background: brokers that can't be reached now are no error, they may come.
    ///
    /// # Errors
    /// What [`ProducerConfig::validate`] finds, and settings that librdkafka does not know.
    pub fn join(config: MemberConfig, keeper: Arc<dyn Keeper>) -> Result<Self> {
        let consumer = Self::consumer(&config, Arc::clone(&keeper))?;
        Ok(Self { config, keeper, consumer })
    }

    fn consumer(config: &MemberConfig, keeper: Arc<dyn Keeper>) -> Result<BaseConsumer<Context>> {
        config.connection.validate()?;
        let mut client = config.connection.connection()?;
        for (name, value) in [
            ("group.id", config.group.as_str()),
            ("client.id", config.name.as_str()),
            ("session.timeout.ms", milliseconds(config.session).as_str()),
            ("heartbeat.interval.ms", milliseconds(LONGEST_HEARTBEAT.min(config.session / 5)).as_str()),
            ("partition.assignment.strategy", "cooperative-sticky"),
            // The table is read from its beginning, whoever had it before.
            ("auto.offset.reset", "earliest"),
            ("enable.auto.commit", "false"),
            ("enable.partition.eof", "true"),
            // The topic may be made after us.
            ("topic.metadata.refresh.interval.ms", "10000"),
            ("allow.auto.create.topics", "false"),
            STATISTICS,
        ] {
            client.set(name, value);
        }
        // Who has not answered for as long as a session lasts is asked anew, by a new connection: after a cable was pulled
        // an old one is tried again by TCP after a minute or more.
        let silence = milliseconds(config.session.max(SHORTEST_SILENCE));
        for name in ["socket.timeout.ms", "socket.connection.setup.timeout.ms"] {
            if !config.connection.settings.contains_key(name) {
                client.set(name, silence.as_str());
            }
        }
        let ledger = Arc::new(Ledger::default());
        let group = Group {
            table: Mutex::default(),
            keeper,
            ledger: Arc::clone(&ledger),
            board: Board::new(config.connection.clone())?,
            known: Mutex::default(),
        };
        let context = Contact::new(ledger, group);
        let consumer = BaseConsumer::from_config_and_context(&client, context)
            .map_err(|error| settings::refused(&client, &error))?;
        consumer.subscribe(&[DESIRED]).map_err(|error| Error::Cluster(error.to_string()))?;
        Ok(consumer)
    }

    /// Takes what has come, and waits for it at most so long. To be called again and again: a member that isn't heard of
    /// for five minutes is taken for dead.
    ///
    /// # Errors
    /// [`Error::Cluster`] for what doesn't pass by itself.
    pub fn turn(&mut self, wait: Duration) -> Result<()> {
        if self.consumer.context().is_lost() {
            // The old one's streams stop as it ends; the group gives them out again.
            self.consumer = Self::consumer(&self.config, Arc::clone(&self.keeper))?;
        }
        let context = self.consumer.context();
        match self.consumer.poll(wait) {
            None => {}
            Some(Ok(record)) => {
                // A record without a key is of no stream.
                if let Some(Ok(stream)) = record.key().map(std::str::from_utf8) {
                    let change = context.table().record(record.partition(), stream, record.payload());
                    context.apply(change, Stop::Unwanted, generation(&self.consumer));
                }
            }
            Some(Err(KafkaError::PartitionEOF(partition))) => {
                let changes = context.table().end(partition);
                context.apply(changes, Stop::Unwanted, generation(&self.consumer));
            }
            Some(Err(KafkaError::MessageConsumptionFatal(code))) => {
                return Err(Error::Cluster(format!("the group can't be kept up: {code}")));
            }
            Some(Err(KafkaError::MessageConsumption(
                code @ (RDKafkaErrorCode::GroupAuthorizationFailed | RDKafkaErrorCode::TopicAuthorizationFailed),
            ))) => context.ledger().note(format!("the worker may not share the streams ({code})")),
            Some(Err(error)) => context.ledger().note(error.to_string()),
        }
        Ok(())
    }

    /// What the brokers or the way to them said last.
    pub fn last_error(&self) -> Option<String> {
        self.consumer.context().ledger().last_error()
    }

    /// How many partitions are this member's.
    pub fn partitions(&self) -> usize {
        self.consumer.assignment().map_or(0, |assignment| assignment.count())
    }

    /// Leaves the group: its streams stop here and go to the others at once.
    pub fn leave(self) {
        // Closing revokes what is assigned, in order, and says so to the group.
        drop(self.consumer);
    }
}

fn milliseconds(time: Duration) -> String {
    time.as_millis().to_string()
}

/// The group's generation; it rises with each rebalance.
fn generation<C: ConsumerContext>(consumer: &BaseConsumer<C>) -> i32 {
    // SAFETY: the client lives as long as `consumer`; the metadata is ours, read once, and destroyed once.
    unsafe {
        let metadata = bindings::rd_kafka_consumer_group_metadata(consumer.client().native_ptr());
        if metadata.is_null() {
            return 0;
        }
        let generation = bindings::rd_kafka_consumer_group_metadata_generation_id(metadata);
        bindings::rd_kafka_consumer_group_metadata_destroy(metadata);
        generation
    }
}

impl Group {
    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn apply(&self, changes: impl IntoIterator<Item = Change>, why: Stop, group: i32) {
        let mut stopped = Vec::new();
        for change in changes {
            match change {
                Change::Run(stream, record) => self.keeper.run(&stream, &record, self.generation(group, &stream)),
                Change::Stop(stream) => stopped.push(stream),
            }
        }
        if !stopped.is_empty() {
            self.keeper.stop(&stopped, why);
        }
    }

    /// The generation of a run that begins.
    fn generation(&self, group: i32, stream: &str) -> u64 {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.0 != group {
            match self.board.generations() {
                Ok(generations) => *known = (group, generations),
                // Then the group's own count is all there is.
                Err(error) => self.ledger.note(error.to_string()),
            }
        }
        let last = known.1.get(stream).copied().unwrap_or_default();
        let generation = u64::try_from(group).unwrap_or_default().max(last + 1);
        // A stream that changes within a generation of the group runs again as well.
        known.1.insert(stream.to_owned(), generation);
        generation
    }
}

impl ConsumerContext for Context {
    fn pre_rebalance(&self, consumer: &BaseConsumer<Self>, rebalance: &Rebalance<'_>) {
        match rebalance {
            Rebalance::Assign(partitions) => {
                self.table().assign(partitions.elements().iter().map(|element| element.partition()));
            }
            Rebalance::Revoke(partitions) => {
                let partitions: Vec<_> = partitions.elements().iter().map(|element| element.partition()).collect();
                let changes = self.table().revoke(&partitions);
                let why = if consumer.assignment_lost() { Stop::Lost } else { Stop::HandedOver };
                self.apply(changes, why, generation(consumer));
            }
            Rebalance::Error(error) => self.ledger().note(error.to_string()),
        }
    }
}
