// SPDX-License-Identifier: Apache-2.0
//! The courier's side of librdkafka: records go out with a ticket, reports come back with it.

use std::sync::Arc;
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::config::FromClientConfigAndContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{DeliveryResult, Header, OwnedHeaders};
use rdkafka::producer::{BaseRecord, Producer, ProducerContext, PurgeConfig, ThreadedProducer};

use crate::block::Record;
use crate::contact::Contact;
use crate::deadletter::{REASON_HEADER, TOPIC_HEADER};
use crate::error::Result;
use crate::fate::{self, Fate};
use crate::flight::Place;
use crate::ledger::{Ledger, reason};
use crate::message::{DEAD_LETTERS, Topic};
use crate::settings;
use crate::shared::Shared;

/// For the reports of what is given up at the end: they come at once, from memory.
const LAST_REPORTS: Duration = Duration::from_secs(2);

/// What a report is about, packed into the pointer that librdkafka carries: no allocation for each record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ticket {
    pub(crate) topic: Topic,
    pub(crate) place: Place,
    /// It is the dead letter of that record.
    pub(crate) dead: bool,
    /// Which producer it was given to.
    pub(crate) generation: u16,
}

impl Ticket {
    fn pack(self) -> usize {
        let Self { topic, place, dead, generation } = self;
        (place.block as usize & 0xf_ffff_ffff)
            | place.record << 36
            | topic.index() << 48
            | usize::from(dead) << 51
            | usize::from(generation & 0xfff) << 52
    }

    pub(crate) fn unpack(packed: usize) -> Option<Self> {
        Some(Self {
            topic: *Topic::ALL.get(packed >> 48 & 0x7)?,
            place: Place { block: (packed & 0xf_ffff_ffff) as u64, record: packed >> 36 & 0xfff },
            dead: packed >> 51 & 1 == 1,
            generation: (packed >> 52) as u16,
        })
    }
}

/// Puts reports where the courier's thread finds them.
type Context = Contact<Arc<Shared>>;

impl ProducerContext for Context {
    type DeliveryOpaque = usize;

    fn delivery(&self, result: &DeliveryResult<'_>, ticket: usize) {
        let fate = match result {
            Ok(_) => Fate::Stored,
            Err((error, _)) => {
                let fate = patient(error, fate::of(error), self.ledger());
                if fate != Fate::Again {
                    self.ledger().note(reason(error));
                }
                fate
            }
        };
        self.report(ticket, fate);
    }
}

/// A topic that isn't there is no reason to give a record up while somebody may still make it: librdkafka counts its own
/// patience from the first record on, and brokers may have been away for longer.
fn patient(error: &KafkaError, fate: Fate, ledger: &Ledger) -> Fate {
    use RDKafkaErrorCode::{UnknownTopic, UnknownTopicOrPartition};
    let missing = matches!(error.rdkafka_error_code(), Some(UnknownTopic | UnknownTopicOrPartition));
    if missing && ledger.topics_may_appear() { Fate::Again } else { fate }
}

/// librdkafka does not take a record.
pub(crate) enum NotTaken {
    /// Its queue is full: later.
    Full,
    /// For this reason.
    Because(Fate),
}

/// A producer, and the way to replace it.
pub(crate) struct Wire {
    settings: ClientConfig,
    shared: Arc<Shared>,
    ledger: Arc<Ledger>,
    producer: ThreadedProducer<Context>,
    generation: u16,
}

impl Wire {
    pub(crate) fn new(settings: ClientConfig, shared: Arc<Shared>, ledger: Arc<Ledger>) -> Result<Self> {
        let producer = producer(&settings, &shared, &ledger)?;
        Ok(Self { settings, shared, ledger, producer, generation: 0 })
    }

    pub(crate) fn generation(&self) -> u16 {
        self.generation
    }

    /// Gives a record to librdkafka, which copies it.
    pub(crate) fn send(&self, topic: Topic, place: Place, record: &Record<'_>) -> Result<(), NotTaken> {
        let headers = headers(record, 0);
        self.produce(Ticket { topic, place, dead: false, generation: self.generation }, topic.name(), record, headers)
    }

    /// Gives a record to librdkafka as a dead letter.
    pub(crate) fn bury(&self, topic: Topic, place: Place, record: &Record<'_>, why: &str) -> Result<(), NotTaken> {
        let headers = headers(record, 2)
            .insert(Header { key: TOPIC_HEADER, value: Some(topic.name()) })
            .insert(Header { key: REASON_HEADER, value: Some(why) });
        self.produce(Ticket { topic, place, dead: true, generation: self.generation }, DEAD_LETTERS, record, headers)
    }

    fn produce(&self, ticket: Ticket, to: &str, record: &Record<'_>, headers: OwnedHeaders) -> Result<(), NotTaken> {
        let record =
            BaseRecord::with_opaque_to(to, ticket.pack()).key(record.key).payload(record.payload).headers(headers);
        self.producer.send(record).map_err(|(error, _)| match error.rdkafka_error_code() {
            Some(RDKafkaErrorCode::QueueFull) => NotTaken::Full,
            _ => NotTaken::Because(patient(&error, fate::alone(&error), &self.ledger)),
        })
    }

    /// librdkafka's producer takes nothing any more after an error, or has lost all its brokers.
    pub(crate) fn is_broken(&self) -> bool {
        if let Some((_, why)) = self.producer.client().fatal_error() {
            self.ledger.note(why);
            return true;
        }
        let lost = self.producer.client().context().is_lost();
        if lost {
            self.ledger.note("the brokers said that there are none; connecting anew".into());
        }
        lost
    }

    /// Gives up all that librdkafka has; the reports on it are there when this returns.
    pub(crate) fn purge(&self) {
        self.producer.purge(PurgeConfig::default().queue().inflight());
        // What flush says is in the reports as well.
        drop(self.producer.flush(LAST_REPORTS));
    }

    /// A new producer in place of a broken one.
    pub(crate) fn replace(&mut self) -> Result<()> {
        self.producer = producer(&self.settings, &self.shared, &self.ledger)?;
        self.generation = (self.generation + 1) & 0xfff;
        Ok(())
    }
}

fn producer(client: &ClientConfig, shared: &Arc<Shared>, ledger: &Arc<Ledger>) -> Result<ThreadedProducer<Context>> {
    let context = Contact::new(Arc::clone(ledger), Arc::clone(shared));
    ThreadedProducer::from_config_and_context(client, context).map_err(|error| settings::refused(client, &error))
}

fn headers(record: &Record<'_>, more: usize) -> OwnedHeaders {
    let headers = OwnedHeaders::new_with_capacity(record.headers.len() + more);
    record.headers.iter().fold(headers, |headers, (key, value)| headers.insert(Header { key, value: Some(*value) }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ticket_comes_back_as_it_was() {
        for topic in Topic::ALL {
            for (block, record, dead, generation) in
                [(0, 0, false, 0), (68_719_476_735, 4095, true, 4095), (1, 2, true, 3)]
            {
                let ticket = Ticket { topic, place: Place { block, record }, dead, generation };
                assert_eq!(Ticket::unpack(ticket.pack()), Some(ticket));
            }
        }
    }
}
