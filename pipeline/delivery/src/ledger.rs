// SPDX-License-Identifier: Apache-2.0
//! What became of each message, as librdkafka's callbacks tell it.

use std::collections::BTreeMap;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::DeliveryResult;
use rdkafka::producer::ProducerContext;

/// What became of the messages: `produced == acknowledged + all of failed + waiting`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Handed over by the caller.
    pub produced: u64,
    /// Stored by all the replicas that the topic asks for.
    pub acknowledged: u64,
    /// Given up, by reason.
    pub failed: BTreeMap<String, u64>,
    /// Neither yet.
    pub waiting: u64,
}

impl Counts {
    /// Everything is acknowledged.
    pub fn complete(&self) -> bool {
        self.acknowledged == self.produced
    }

    /// Not acknowledged, for whatever reason.
    pub fn unacknowledged(&self) -> u64 {
        self.produced.saturating_sub(self.acknowledged)
    }
}

#[derive(Debug, Default)]
struct State {
    counts: Counts,
    last_error: Option<String>,
    finished: bool,
    topics: Topics,
}

/// Whether a topic that isn't there may still appear.
#[derive(Clone, Copy, Debug, Default)]
enum Topics {
    /// Nobody could be asked yet to make them.
    #[default]
    Awaited,
    /// They are made; clients hear of it by and by.
    Made(Instant),
    /// They will not be made.
    Refused,
}

/// For clients to hear of topics that were made.
const PROPAGATION: Duration = Duration::from_secs(30);

/// Counts, shared by the producer, its callbacks and the thread that makes topics. No caller's code runs under its
/// lock.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    state: Mutex<State>,
    /// A message has come to its end, or the producer has.
    changed: Condvar,
}

impl Ledger {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The topics are there now, or a broker has refused to make them.
    pub(crate) fn topics_settled(&self, made: bool) {
        self.state().topics = if made { Topics::Made(Instant::now()) } else { Topics::Refused };
    }

    /// Whether a topic that isn't there may still appear: then its records wait.
    pub(crate) fn topics_may_appear(&self) -> bool {
        match self.state().topics {
            Topics::Awaited => true,
            Topics::Made(at) => at.elapsed() < PROPAGATION,
            Topics::Refused => false,
        }
    }

    pub(crate) fn produced(&self) {
        let mut state = self.state();
        state.counts.produced += 1;
        state.counts.waiting += 1;
    }

    fn acknowledged(&self) {
        let mut state = self.state();
        state.counts.acknowledged += 1;
        state.counts.waiting = state.counts.waiting.saturating_sub(1);
        drop(state);
        self.changed.notify_all();
    }

    pub(crate) fn failed(&self, reason: &str) {
        let mut state = self.state();
        *state.counts.failed.entry(reason.to_owned()).or_default() += 1;
        state.counts.waiting = state.counts.waiting.saturating_sub(1);
        drop(state);
        self.changed.notify_all();
    }

    pub(crate) fn note(&self, error: String) {
        self.state().last_error = Some(error);
    }

    pub(crate) fn counts(&self) -> Counts {
        self.state().counts.clone()
    }

    pub(crate) fn last_error(&self) -> Option<String> {
        self.state().last_error.clone()
    }

    /// Tells whoever waits that the producer is done.
    pub(crate) fn finish(&self) {
        self.state().finished = true;
        self.changed.notify_all();
    }

    /// Waits for the end of any message, at most `slice`.
    pub(crate) fn wait_for_room(&self, slice: Duration) {
        let state = self.state();
        let ended = state.counts.produced - state.counts.waiting;
        drop(self.changed.wait_timeout_while(state, slice, |now| now.counts.produced - now.counts.waiting == ended));
    }

    /// Waits at most `slice`, and says whether the producer is done.
    pub(crate) fn wait_for_finish(&self, slice: Duration) -> bool {
        let (state, _) = self
            .changed
            .wait_timeout_while(self.state(), slice, |now| !now.finished)
            .unwrap_or_else(PoisonError::into_inner);
        state.finished
    }
}

impl ClientContext for Ledger {
    /// librdkafka writes to stderr else, again and again while a broker is away; what matters comes to `error`.
    fn log(&self, _level: RDKafkaLogLevel, _facility: &str, _message: &str) {}

    fn error(&self, error: KafkaError, reason: &str) {
        match error.rdkafka_error_code() {
            // The first follows the error of each broker, and says less; the second is what a table's reader waits for.
            Some(RDKafkaErrorCode::AllBrokersDown | RDKafkaErrorCode::PartitionEOF) => {}
            _ => self.note(hinted(reason)),
        }
    }
}

/// librdkafka doesn't say what is wrong with a certificate.
fn hinted(reason: &str) -> String {
    if reason.contains("certificate verify failed") {
        return format!(
            "{reason}; the certificate has expired, or is of another authority or host: \
             openssl s_client -connect HOST:PORT shows it"
        );
    }
    reason.to_owned()
}

/// The context of a producer: owns a share of the ledger.
pub(crate) struct Reports(pub(crate) std::sync::Arc<Ledger>);

impl ClientContext for Reports {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        self.0.log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.0.error(error, reason);
    }
}

impl ProducerContext for Reports {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        match result {
            Ok(_) => self.0.acknowledged(),
            Err((error, _)) => self.0.failed(&reason(error)),
        }
    }
}

/// Why a message was given up, in few words: the key of [`Counts::failed`].
pub(crate) fn reason(error: &KafkaError) -> String {
    match error.rdkafka_error_code() {
        Some(RDKafkaErrorCode::MessageTimedOut) => "not acknowledged in time".into(),
        Some(RDKafkaErrorCode::PurgeQueue) => "not sent before the end".into(),
        Some(RDKafkaErrorCode::PurgeInflight) => "not acknowledged before the end".into(),
        Some(RDKafkaErrorCode::UnknownTopic | RDKafkaErrorCode::UnknownTopicOrPartition) => {
            "the topic does not exist".into()
        }
        Some(code) => code.to_string(),
        None => error.to_string(),
    }
}
