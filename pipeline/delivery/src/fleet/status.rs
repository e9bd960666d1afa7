// SPDX-License-Identifier: Apache-2.0
//! How streams are, for whoever looks at the fleet: the newest word of each counts, and nobody waits for it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use rdkafka::config::{ClientConfig, FromClientConfigAndContext};
use rdkafka::message::DeliveryResult;
use rdkafka::producer::{BaseRecord, Producer as _, ProducerContext, PurgeConfig, ThreadedProducer};

use super::STATUS;
use super::board::writer_settings;
use crate::config::ProducerConfig;
use crate::contact::{Contact, STATISTICS};
use crate::error::Result;
use crate::ledger::Ledger;
use crate::settings;

/// Records that are under way, by stream: only the newest of each is worth sending again.
type Waiting = BTreeMap<String, (u64, Vec<u8>)>;

/// Writes how streams are.
pub struct StatusWriter {
    settings: ClientConfig,
    ledger: Arc<Ledger>,
    producer: RwLock<Arc<ThreadedProducer<Context>>>,
    count: Mutex<u64>,
}

/// Of one producer.
type Context = Contact<Mutex<Waiting>>;

fn locked(waiting: &Mutex<Waiting>) -> MutexGuard<'_, Waiting> {
    waiting.lock().unwrap_or_else(PoisonError::into_inner)
}

impl ProducerContext for Context {
    type DeliveryOpaque = Box<(String, u64)>;

    fn delivery(&self, _: &DeliveryResult<'_>, record: Box<(String, u64)>) {
        let (stream, number) = *record;
        let mut waiting = locked(self);
        // A newer one may be under way.
        if waiting.get(&stream).is_some_and(|(newest, _)| *newest == number) {
            waiting.remove(&stream);
        }
    }
}

impl StatusWriter {
    /// Starts to connect, in the background.
    ///
    /// # Errors
    /// What [`ProducerConfig::validate`] finds, and settings that librdkafka does not know.
    pub fn start(config: &ProducerConfig) -> Result<Self> {
        let mut settings = writer_settings(config)?;
        settings.set(STATISTICS.0, STATISTICS.1);
        let ledger = Arc::<Ledger>::default();
        let producer = RwLock::new(producer(&settings, &ledger)?);
        Ok(Self { settings, ledger, producer, count: Mutex::default() })
    }

    fn producer(&self) -> Arc<ThreadedProducer<Context>> {
        Arc::clone(&self.producer.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Says how a stream is. What can't be sent in time is given up: the next status says more.
    pub fn write(&self, stream: &str, record: &[u8]) {
        // One after the other, so that the newest of a stream is the last on its way.
        let mut count = self.count.lock().unwrap_or_else(PoisonError::into_inner);
        *count += 1;
        send(&self.producer(), stream, *count, record);
    }

    /// Gives up what has not been sent: it was true of an assignment that is lost.
    pub fn forget(&self) {
        let producer = self.producer();
        locked(producer.client().context()).clear();
        producer.purge(PurgeConfig::default().queue().inflight());
    }

    /// Waits for what is under way, at most so long.
    pub fn flush(&self, timeout: Duration) {
        drop(self.producer().flush(timeout));
    }

    /// Connects anew when librdkafka has lost all its brokers (see [`Contact::is_lost`]), and says again what nobody has
    /// heard. To be called now and then.
    pub fn heal(&self) {
        let old = self.producer();
        if !old.client().context().is_lost() {
            return;
        }
        let Ok(new) = producer(&self.settings, &self.ledger) else { return };
        let _count = self.count.lock().unwrap_or_else(PoisonError::into_inner);
        *self.producer.write().unwrap_or_else(PoisonError::into_inner) = Arc::clone(&new);
        let unheard = std::mem::take(&mut *locked(old.client().context()));
        unheard.into_iter().for_each(|(stream, (number, record))| send(&new, &stream, number, &record));
    }
}

fn producer(settings: &ClientConfig, ledger: &Arc<Ledger>) -> Result<Arc<ThreadedProducer<Context>>> {
    let context = Contact::new(Arc::clone(ledger), Mutex::default());
    let producer = ThreadedProducer::from_config_and_context(settings, context);
    producer.map(Arc::new).map_err(|error| settings::refused(settings, &error))
}

fn send(producer: &ThreadedProducer<Context>, stream: &str, number: u64, record: &[u8]) {
    locked(producer.client().context()).insert(stream.to_owned(), (number, record.to_vec()));
    let opaque = Box::new((stream.to_owned(), number));
    drop(producer.send(BaseRecord::with_opaque_to(STATUS, opaque).key(stream).payload(record)));
}
