// SPDX-License-Identifier: Apache-2.0
//! What librdkafka says to each long-lived client of ours, and whether that client is lost.

use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rdkafka::Statistics;
use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::KafkaError;

use crate::ledger::Ledger;

/// The setting that a client with a [`Contact`] needs: statistics each second tell whether it still knows a broker.
pub(crate) const STATISTICS: (&str, &str) = ("statistics.interval.ms", "1000");

/// A client's context, with what its kind of client has of its own.
pub(crate) struct Contact<T> {
    ledger: Arc<Ledger>,
    lost: AtomicBool,
    own: T,
}

impl<T> Contact<T> {
    pub(crate) fn new(ledger: Arc<Ledger>, own: T) -> Self {
        Self { ledger, lost: AtomicBool::new(false), own }
    }

    pub(crate) fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// Whether the client has lost all its brokers. One that has just started may answer that there are none; librdkafka 2.10
    /// and later then forgets them all, those it was configured with as well, and connects no more
    /// (confluentinc/librdkafka#5301). Another client has to take its place.
    pub(crate) fn is_lost(&self) -> bool {
        self.lost.load(Ordering::Relaxed)
    }
}

impl<T> Deref for Contact<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.own
    }
}

impl<T: Send + Sync + 'static> ClientContext for Contact<T> {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        self.ledger.log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.ledger.error(error, reason);
    }

    fn stats(&self, statistics: Statistics) {
        // There are others, which are nowhere: `internal`, and a group's `logical` coordinator.
        let known =
            statistics.brokers.values().any(|broker| matches!(broker.source.as_str(), "configured" | "learned"));
        self.lost.store(!known, Ordering::Relaxed);
    }
}
