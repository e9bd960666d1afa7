// SPDX-License-Identifier: Apache-2.0
//! The producer.

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rdkafka::config::FromClientConfigAndContext;
use rdkafka::error::RDKafkaErrorCode;
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{BaseRecord, Producer as _, PurgeConfig, ThreadedProducer};

use crate::config::ProducerConfig;
use crate::error::{Error, Result};
use crate::ledger::{Counts, Ledger, Reports, reason};
use crate::message::Message;
use crate::settings;
use crate::topics;

/// How long [`Producer::send`] waits for room before it looks again.
const SLICE: Duration = Duration::from_millis(100);
/// For the reports of messages that are given up at the end: they come at once, from memory.
const LAST_REPORTS: Duration = Duration::from_secs(2);

/// What became of the messages, when it is all over.
#[derive(Clone, Debug)]
pub struct Report {
    /// The counts; nothing is waiting any more.
    pub counts: Counts,
    /// What the brokers or the way to them said last; tells why messages failed.
    pub last_error: Option<String>,
}

impl Report {
    /// Every message was acknowledged.
    pub fn complete(&self) -> bool {
        self.counts.complete()
    }
}

/// An idempotent producer that keeps count. It may be shared between threads.
pub struct Producer {
    inner: ThreadedProducer<Reports>,
    ledger: Arc<Ledger>,
    room_timeout: Duration,
    topics: Option<JoinHandle<()>>,
}

impl Producer {
    /// Starts to connect, in the background: a broker that can't be reached now is no error, it may come.
    ///
    /// # Errors
    /// What [`ProducerConfig::validate`] finds, and settings that librdkafka does not know.
    pub fn start(config: ProducerConfig) -> Result<Self> {
        let ledger = Arc::new(Ledger::default());
        let client = config.client()?;
        let inner = ThreadedProducer::from_config_and_context(&client, Reports(Arc::clone(&ledger)))
            .map_err(|error| settings::refused(&client, &error))?;
        let topics = topics::start(config.connection()?, &ledger)?;
        Ok(Self { inner, ledger, room_timeout: config.room_timeout, topics: Some(topics) })
    }

    /// Puts a message into the queue; waits for room while the queue is full, at most
    /// [`ProducerConfig::room_timeout`]. The message is counted whatever happens.
    ///
    /// # Errors
    /// [`Error::Refused`] for a message that can never be sent, such as one larger than `message.max.bytes`, or that
    /// found no room in time.
    pub fn send(&self, message: Message) -> Result<()> {
        let mut headers = OwnedHeaders::new_with_capacity(message.headers.len());
        for (name, value) in &message.headers {
            headers = headers.insert(Header { key: name, value: Some(value) });
        }
        let mut record = BaseRecord::to(message.topic.name())
            .key(message.key.as_str())
            .payload(message.payload.as_slice())
            .headers(headers);
        // Before it is sent: its report may come at once.
        self.ledger.produced();
        let began = Instant::now();
        loop {
            match self.inner.send(record) {
                Ok(()) => return Ok(()),
                Err((error, back))
                    if error.rdkafka_error_code() == Some(RDKafkaErrorCode::QueueFull)
                        && began.elapsed() < self.room_timeout =>
                {
                    record = back;
                    self.ledger.wait_for_room(SLICE.min(self.room_timeout));
                }
                Err((error, _)) => {
                    let reason = reason(&error);
                    self.ledger.failed(&reason);
                    return Err(Error::Refused { topic: message.topic, reason });
                }
            }
        }
    }

    /// What became of the messages so far.
    pub fn counts(&self) -> Counts {
        self.ledger.counts()
    }

    /// Waits until every message is acknowledged or has failed, at most `timeout`; gives up what then still waits.
    pub fn finish(mut self, timeout: Duration) -> Report {
        // What flush and purge say is in the counts as well, message by message.
        if self.inner.flush(timeout).is_err() {
            self.inner.purge(PurgeConfig::default().queue().inflight());
            drop(self.inner.flush(LAST_REPORTS));
        }
        self.stop_topics();
        Report { counts: self.ledger.counts(), last_error: self.ledger.last_error() }
    }

    fn stop_topics(&mut self) {
        self.ledger.finish();
        if let Some(thread) = self.topics.take()
            && thread.join().is_err()
        {
            self.ledger.note("the thread that makes Kafka topics panicked".into());
        }
    }
}

impl Drop for Producer {
    fn drop(&mut self) {
        self.stop_topics();
    }
}
