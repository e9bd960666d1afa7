// SPDX-License-Identifier: Apache-2.0
//! Makes the topics that are missing, as soon as a broker answers.

use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::config::FromClientConfigAndContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};

use crate::ledger::{Ledger, Reports};
use crate::message::{DEAD_LETTERS, Topic};

/// The broker's own number of partitions and of replicas (KIP-464): the operator knows the cluster, we don't.
const BROKERS_DEFAULT: i32 = -1;
/// How long one attempt may take, and the end of the producer be held up by it.
const ATTEMPT: Duration = Duration::from_secs(2);
/// Between looks at whether the answer has come.
const LOOK: Duration = Duration::from_millis(50);
/// Between attempts.
const PAUSE: Duration = Duration::from_millis(500);

/// Tries until all topics exist, a broker refuses for good, or the producer is done.
pub(crate) fn create(config: &ClientConfig, ledger: &Arc<Ledger>) {
    let admin = match AdminClient::from_config_and_context(config, Reports(Arc::clone(ledger))) {
        Ok(admin) => admin,
        Err(error) => return ledger.note(format!("the Kafka topics can't be made: {error}")),
    };
    loop {
        match attempt(&admin, ledger) {
            Ok(()) => return,
            Err(Failure::Final(text)) => return ledger.note(text),
            Err(Failure::Again(text)) => {
                if let Some(text) = text {
                    ledger.note(text);
                }
                if ledger.wait_for_finish(PAUSE) {
                    return;
                }
            }
        }
    }
}

enum Failure {
    /// No broker (the client's error callback has noted why), or one that can't do it now and says why.
    Again(Option<String>),
    /// An answer that won't change by itself.
    Final(String),
}

fn attempt(admin: &AdminClient<Reports>, ledger: &Ledger) -> Result<(), Failure> {
    let names = Topic::ALL.into_iter().map(Topic::name).chain([DEAD_LETTERS]);
    let topics: Vec<_> =
        names.map(|name| NewTopic::new(name, BROKERS_DEFAULT, TopicReplication::Fixed(BROKERS_DEFAULT))).collect();
    let options = AdminOptions::new().request_timeout(Some(ATTEMPT)).operation_timeout(Some(ATTEMPT));
    let Some(answer) = until_finished(admin.create_topics(&topics, &options), ledger) else {
        return Err(Failure::Again(None));
    };
    let results = answer.map_err(|error| match error {
        // Not an answer of the broker: it can't be asked.
        KafkaError::AdminOp(_) => Failure::Again(None),
        other => Failure::Final(format!("the Kafka topics can't be made: {other}")),
    })?;
    results.into_iter().try_for_each(|result| match result {
        Ok(_) | Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => Ok(()),
        Err((
            topic,
            code @ (RDKafkaErrorCode::NotController
            | RDKafkaErrorCode::RequestTimedOut
            | RDKafkaErrorCode::OperationTimedOut
            // A cluster that is starting has too few brokers for its own default.
            | RDKafkaErrorCode::InvalidReplicationFactor),
        )) => Err(Failure::Again(Some(format!("the Kafka topic {topic} can't be made yet: {code}")))),
        Err((topic, code)) => Err(Failure::Final(format!(
            "the Kafka topic {topic} can't be made ({code}): make it by hand, or let this client make topics"
        ))),
    })
}

/// What a future gives; `None` when the producer is done before: its end shall not wait for an answer.
fn until_finished<T>(future: impl Future<Output = T>, ledger: &Ledger) -> Option<T> {
    let mut future = pin!(future);
    let mut context = Context::from_waker(Waker::noop());
    loop {
        match future.as_mut().poll(&mut context) {
            Poll::Ready(value) => return Some(value),
            Poll::Pending if ledger.wait_for_finish(LOOK) => return None,
            Poll::Pending => {}
        }
    }
}
