// SPDX-License-Identifier: Apache-2.0
//! Makes the topics that are missing, as soon as a broker answers; makes and checks them for people.

use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::thread::JoinHandle;
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, ResourceSpecifier, TopicReplication};
use rdkafka::config::FromClientConfigAndContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::metadata::Metadata;
use rdkafka::producer::{Producer as _, ThreadedProducer};

use crate::config::ProducerConfig;
use crate::error::{Error, Result};
use crate::fleet::{DESIRED, STATUS};
use crate::ledger::{Ledger, Reports};
use crate::message::{DEAD_LETTERS, Topic};
use crate::settings;

/// The broker's own number of partitions and of replicas (KIP-464): the operator knows the cluster, we don't.
const BROKERS_DEFAULT: i32 = -1;
const COMPACT: &str = "compact";
/// Few: it is read as a whole by whoever wants to know.
const STATUS_PARTITIONS: i32 = 8;
/// How long one attempt may take, and the end of the producer be held up by it.
const ATTEMPT: Duration = Duration::from_secs(2);
/// Between looks at whether the answer has come.
const LOOK: Duration = Duration::from_millis(50);
/// Between attempts.
const PAUSE: Duration = Duration::from_millis(500);

/// Starts the thread that makes the topics.
pub(crate) fn start(config: ClientConfig, ledger: &Arc<Ledger>) -> Result<JoinHandle<()>> {
    let ledger = Arc::clone(ledger);
    let thread = std::thread::Builder::new().name("kafka-topics".into());
    thread.spawn(move || create(&config, &ledger)).map_err(Error::Thread)
}

/// Tries until all topics exist, a broker refuses for good, or the producer is done.
fn create(config: &ClientConfig, ledger: &Arc<Ledger>) {
    loop {
        // Another client each time: one that was told that there are no brokers looks for none any more (see `Wire`).
        let admin = match AdminClient::from_config_and_context(config, Reports(Arc::clone(ledger))) {
            Ok(admin) => admin,
            Err(error) => return ledger.note(format!("the Kafka topics can't be made: {error}")),
        };
        match attempt(&admin, ledger) {
            Ok(()) => return ledger.topics_settled(true),
            Err(Failure::Final(text)) => {
                ledger.topics_settled(false);
                return ledger.note(text);
            }
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

/// A topic as the cluster has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicState {
    /// Its name.
    pub name: &'static str,
    /// Its partitions; 0 when it does not exist.
    pub partitions: usize,
    /// The replicas of the partition that has fewest.
    pub replicas: usize,
    /// What is wrong with it.
    pub fault: Option<String>,
}

/// All topics of ours.
fn names() -> impl Iterator<Item = &'static str> {
    Topic::ALL.into_iter().map(Topic::name).chain([DEAD_LETTERS])
}

/// Makes the topics that are missing, with so many partitions and replicas; `None` leaves it to the cluster. The names
/// of those that were made.
///
/// # Errors
/// What [`ProducerConfig::validate`] finds, and [`Error::Cluster`] when no broker answers in time or one refuses.
pub fn create_topics(
    config: &ProducerConfig,
    partitions: Option<i32>,
    replicas: Option<i32>,
) -> Result<Vec<&'static str>> {
    let [partitions, replicas] = [partitions, replicas].map(|number| number.unwrap_or(BROKERS_DEFAULT));
    let topics: Vec<_> =
        names().map(|name| (name, NewTopic::new(name, partitions, TopicReplication::Fixed(replicas)))).collect();
    make(config, &topics)
}

/// Makes the topics of a fleet that are missing: [`DESIRED`] with so many partitions, and both compacted, for what is
/// wanted stays wanted. The names of those that were made.
///
/// # Errors
/// As [`create_topics`].
pub fn create_fleet_topics(
    config: &ProducerConfig,
    partitions: i32,
    replicas: Option<i32>,
) -> Result<Vec<&'static str>> {
    let replicas = replicas.unwrap_or(BROKERS_DEFAULT);
    let topics = [(DESIRED, partitions), (STATUS, STATUS_PARTITIONS)].map(|(name, partitions)| {
        let topic = NewTopic::new(name, partitions, TopicReplication::Fixed(replicas));
        (name, topic.set("cleanup.policy", COMPACT))
    });
    make(config, &topics)
}

fn make(config: &ProducerConfig, topics: &[(&'static str, NewTopic<'_>)]) -> Result<Vec<&'static str>> {
    // Says more clearly than the other client why there is no way to the cluster.
    let (_, ledger) = look(config)?;
    let client = config.connection()?;
    let admin = AdminClient::from_config_and_context(&client, Reports(Arc::clone(&ledger)))
        .map_err(|error| settings::refused(&client, &error))?;
    let timeout = Some(config.delivery_timeout);
    let options = AdminOptions::new().request_timeout(timeout).operation_timeout(timeout);
    let answer = until_finished(admin.create_topics(topics.iter().map(|(_, topic)| topic), &options), &ledger);
    let results = answer.transpose().map_err(|error| unreachable(&ledger, &error))?.unwrap_or_default();
    let mut made = Vec::new();
    for ((name, _), result) in topics.iter().zip(results) {
        match result {
            Ok(_) => made.push(*name),
            Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => {}
            Err((_, code)) => return Err(Error::Cluster(format!("the topic {name} can't be made: {code}"))),
        }
    }
    Ok(made)
}

/// Looks at all topics.
///
/// # Errors
/// As [`create_topics`].
pub fn check_topics(config: &ProducerConfig) -> Result<Vec<TopicState>> {
    Ok(states(&look(config)?.0, names()))
}

/// Looks at the topics of a fleet: without compaction what is wanted would be forgotten by and by.
///
/// # Errors
/// As [`create_topics`].
pub fn check_fleet_topics(config: &ProducerConfig) -> Result<Vec<TopicState>> {
    let (metadata, ledger) = look(config)?;
    let mut states = states(&metadata, [DESIRED, STATUS].into_iter());
    let client = config.connection()?;
    let admin = AdminClient::from_config_and_context(&client, Reports(Arc::clone(&ledger)))
        .map_err(|error| settings::refused(&client, &error))?;
    let options = AdminOptions::new().request_timeout(Some(config.delivery_timeout));
    for state in states.iter_mut().filter(|state| state.fault.is_none()) {
        let asked = [ResourceSpecifier::Topic(state.name)];
        let answer = until_finished(admin.describe_configs(&asked, &options), &ledger);
        let resources = answer.transpose().map_err(|error| unreachable(&ledger, &error))?.unwrap_or_default();
        let policy = resources.iter().flatten().find_map(|resource| resource.get("cleanup.policy")?.value.clone());
        if let Some(policy) = policy.filter(|policy| policy != COMPACT) {
            let name = state.name;
            state.fault = Some(format!(
                "cleanup.policy is {policy}: kafka-configs --alter --topic {name} --add-config cleanup.policy={COMPACT}"
            ));
        }
    }
    Ok(states)
}

fn states(metadata: &Metadata, names: impl Iterator<Item = &'static str>) -> Vec<TopicState> {
    let state = |name| {
        let Some(topic) = metadata.topics().iter().find(|topic| topic.name() == name) else {
            return TopicState { name, partitions: 0, replicas: 0, fault: Some("does not exist".into()) };
        };
        let replicas = topic.partitions().iter().map(|partition| partition.replicas().len()).min().unwrap_or(0);
        let leaderless = topic.partitions().iter().filter(|partition| partition.leader() < 0).count();
        let fault = (leaderless > 0).then(|| format!("{leaderless} partitions have no leader"));
        TopicState { name, partitions: topic.partitions().len(), replicas, fault }
    };
    names.map(state).collect()
}

/// What the cluster has. A producer asks, for it hears what the way to the brokers has to say.
fn look(config: &ProducerConfig) -> Result<(Metadata, Arc<Ledger>)> {
    let client = config.client()?;
    let ledger = Arc::new(Ledger::default());
    let producer = ThreadedProducer::from_config_and_context(&client, Reports(Arc::clone(&ledger)))
        .map_err(|error| settings::refused(&client, &error))?;
    let metadata = producer.client().fetch_metadata(None, config.delivery_timeout);
    Ok((metadata.map_err(|error| unreachable(&ledger, &error))?, ledger))
}

/// What the way to the brokers said is more than that time is up.
fn unreachable(ledger: &Ledger, error: &KafkaError) -> Error {
    Error::Cluster(ledger.last_error().unwrap_or_else(|| error.to_string()))
}

enum Failure {
    /// No broker (the client's error callback has noted why), or one that can't do it now and says why.
    Again(Option<String>),
    /// An answer that won't change by itself.
    Final(String),
}

fn attempt(admin: &AdminClient<Reports>, ledger: &Ledger) -> Result<(), Failure> {
    let topics: Vec<_> =
        names().map(|name| NewTopic::new(name, BROKERS_DEFAULT, TopicReplication::Fixed(BROKERS_DEFAULT))).collect();
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
            code @ (RDKafkaErrorCode::TopicAuthorizationFailed
            | RDKafkaErrorCode::ClusterAuthorizationFailed
            | RDKafkaErrorCode::PolicyViolation
            | RDKafkaErrorCode::InvalidTopic
            | RDKafkaErrorCode::InvalidConfig
            | RDKafkaErrorCode::UnsupportedVersion),
        )) => Err(Failure::Final(format!(
            "the Kafka topic {topic} can't be made ({code}): make it by hand, or let this client make topics"
        ))),
        // Such as a cluster that is starting: it has too few brokers for its own default, or no controller.
        Err((topic, code)) => Err(Failure::Again(Some(format!("the Kafka topic {topic} can't be made yet: {code}")))),
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
