// SPDX-License-Identifier: Apache-2.0
//! The courier: takes messages without ever waiting for a disk or a network, keeps them in the spool, and brings them
//! to Kafka.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use polygraph_core::record::{Stream, StreamState};

use crate::block;
use crate::config::ProducerConfig;
use crate::error::{Error, Result};
use crate::ledger::Ledger;
use crate::message::{Message, Topic};
use crate::shared::{QUEUE_FULL, Shared};
use crate::spool::Spool;
use crate::tally::{Lag, Tallies};
use crate::topics;
use crate::worker::Worker;

/// What happens when there is no room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Policy {
    /// [`Courier::send`] never waits. What is missed least is given up ([`Topic::EXPENDABLE`]), the oldest first, and
    /// counted.
    Live,
    /// [`Courier::send`] waits for room, at most so long; nothing that was accepted is given up for want of room.
    File(Duration),
}

/// How a courier is set up.
#[derive(Clone, Debug)]
pub struct CourierConfig {
    /// Where Kafka is, and how it is spoken to. Its timeouts don't matter here: what is spooled has time.
    pub producer: ProducerConfig,
    /// The folder of the spool, which one process owns.
    pub spool: PathBuf,
    /// What happens when there is no room.
    pub policy: Policy,
    /// Most bytes in memory on their way to the spool.
    pub queue_bytes: usize,
    /// Most bytes in the spool; its file may be half as large again.
    pub max_bytes: u64,
    /// Records older than this are given up, unless they are already on their way.
    pub max_age: Duration,
    /// Most bytes of the file of dead letters; what finds no room in it is given up.
    pub dead_letter_bytes: u64,
}

impl CourierConfig {
    /// Live; 16 MiB in memory, 1 GiB and a week on disk, 64 MiB of dead letters.
    pub fn new(producer: ProducerConfig, spool: impl Into<PathBuf>) -> Self {
        Self {
            producer,
            spool: spool.into(),
            policy: Policy::Live,
            queue_bytes: 16 << 20,
            max_bytes: 1 << 30,
            max_age: Duration::from_secs(7 * 24 * 3600),
            dead_letter_bytes: 64 << 20,
        }
    }
}

/// News for whoever runs a stream. Told on the courier's own thread, which waits meanwhile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    /// Records are being given up; the reasons are in the tallies.
    DroppingBegan,
    /// No more are, since a second; so many were, of each topic.
    DroppingEnded(Vec<(Topic, u64)>),
    /// The spool can't be written, such as on a full disk; what comes waits in memory.
    SpoolFailed(String),
    /// It can be written again.
    SpoolHealed,
    /// Something in the spool could not be read any more.
    SpoolDamaged(String),
}

impl Notice {
    /// What a stream tells its consumers at `pts_ns`; `None` where nothing is missing.
    pub fn of_stream(&self, pts_ns: u64) -> Option<Stream> {
        match self {
            Self::DroppingBegan => Some(Stream::new(StreamState::DroppingBegan, pts_ns)),
            Self::DroppingEnded(dropped) => {
                let dropped: BTreeMap<_, _> =
                    dropped.iter().map(|(topic, records)| (topic.name().to_owned(), *records)).collect();
                Some(Stream { dropped, ..Stream::new(StreamState::DroppingEnded, pts_ns) })
            }
            Self::SpoolFailed(_) | Self::SpoolHealed | Self::SpoolDamaged(_) => None,
        }
    }
}

/// What became of everything, when a courier has ended.
#[derive(Clone, Debug)]
pub struct Delivery {
    /// What became of the records; `spooled` are still in the spool, and are sent when it is opened again.
    pub tallies: Tallies,
    /// What is left in the spool.
    pub lag: Lag,
    /// What the brokers or the way to them said last.
    pub last_error: Option<String>,
}

impl Delivery {
    /// Kafka has every record.
    pub fn complete(&self) -> bool {
        let sum = self.tallies.sum();
        sum.acknowledged == sum.produced + sum.replayed
    }
}

/// Brings records to Kafka by way of a spool on disk. It may be shared between threads.
///
/// A record is *accepted* when it is in the spool; from then on it is lost neither by a broker that is away nor by the
/// end of this process, and leaves the spool only when Kafka has acknowledged it, when it has become a dead letter, or
/// when there is no room or its time is over, which is counted.
pub struct Courier {
    shared: Arc<Shared>,
    ledger: Arc<Ledger>,
    policy: Policy,
    largest: usize,
    max_bytes: u64,
    threads: Vec<JoinHandle<()>>,
}

impl Courier {
    /// Opens the spool, sends what is left in it, and connects in the background: a broker that can't be reached now is
    /// no error, it may come.
    ///
    /// # Errors
    /// What [`ProducerConfig::validate`] finds, settings that librdkafka refuses, [`Error::SpoolInUse`] and
    /// [`Error::Spool`].
    pub fn start(config: CourierConfig, notices: impl Fn(Notice) + Send + 'static) -> Result<Self> {
        let client = config.producer.endless_client()?;
        let spool = Spool::open(&config.spool)?;
        let ledger = Arc::new(Ledger::default());
        let shared = Arc::new(Shared::new(config.queue_bytes));
        let (policy, max_bytes) = (config.policy, config.max_bytes);
        let largest = config.queue_bytes.min(usize::try_from(config.max_bytes / 2).unwrap_or(usize::MAX));
        let connection = config.producer.connection()?;
        let worker = Worker::start(config, client, spool, Arc::clone(&shared), Arc::clone(&ledger), Box::new(notices))?;
        let spooling = std::thread::Builder::new().name("kafka-spool".into()).spawn(move || worker.run());
        let threads = vec![spooling.map_err(Error::Thread)?, topics::start(connection, &ledger)?];
        Ok(Self { shared, ledger, policy, largest, max_bytes, threads })
    }

    /// Takes a message. With [`Policy::Live`] it never waits. The message is counted whatever happens.
    ///
    /// # Errors
    /// [`Error::Refused`] for a message that is larger than the queue or half the spool, and with [`Policy::File`] for
    /// one that found no room in time.
    pub fn send(&self, message: &Message) -> Result<()> {
        if block::size(message) + 64 > self.largest {
            let reason = "larger than the spool allows";
            self.shared.refuse(message.topic, reason);
            return Err(Error::Refused { topic: message.topic, reason: reason.into() });
        }
        match self.policy {
            Policy::Live => self.shared.push(message),
            Policy::File(patience) => {
                if !self.shared.push_or_wait(message, patience) {
                    return Err(Error::Refused { topic: message.topic, reason: QUEUE_FULL.into() });
                }
            }
        }
        Ok(())
    }

    /// What became of the records so far.
    pub fn tallies(&self) -> Tallies {
        self.shared.lock().tallies.clone()
    }

    /// How far Kafka is behind.
    pub fn lag(&self) -> Lag {
        self.shared.lock().lag
    }

    /// Most bytes that the spool may hold.
    pub fn max_bytes(&self) -> u64 {
        self.max_bytes
    }

    /// What the brokers or the way to them said last.
    pub fn last_error(&self) -> Option<String> {
        self.ledger.last_error()
    }

    /// Waits until all that was sent is accepted (or given up), at most `timeout`; whether it is.
    pub fn settle(&self, timeout: Duration) -> bool {
        self.shared.wait_for(timeout, |state| state.tallies.sum().queued == 0)
    }

    /// Waits until nothing is under way any more, at most `timeout`; whether nothing is.
    pub fn flush(&self, timeout: Duration) -> bool {
        self.shared.wait_for(timeout, |state| state.tallies.sum().is_settled())
    }

    /// Waits until Kafka has everything, at most `timeout`. What is left then stays in the spool.
    pub fn finish(mut self, timeout: Duration) -> Delivery {
        self.stop(Instant::now() + timeout);
        let state = self.shared.lock();
        Delivery { tallies: state.tallies.clone(), lag: state.lag, last_error: self.ledger.last_error() }
    }

    fn stop(&mut self, deadline: Instant) {
        self.shared.close(deadline);
        for thread in self.threads.drain(..) {
            // The thread for topics ends when the other has.
            if thread.join().is_err() {
                self.ledger.note("a thread of the delivery panicked".into());
            }
            self.ledger.finish();
        }
    }
}

impl Drop for Courier {
    /// Writes what is in memory to the spool, and waits for nobody else.
    fn drop(&mut self) {
        self.stop(Instant::now());
    }
}
