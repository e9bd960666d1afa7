// SPDX-License-Identifier: Apache-2.0
//! Events on their way to Kafka: straight, where `events.ndjson` is what they are sent from again, or by way of a spool.

use std::{
    path::Path,
    sync::mpsc,
    time::{Duration, Instant},
};

use polygraph_core::event::{Epoch, Event, Numbering, StreamId};
use polygraph_core::profile::Profile;
use polygraph_delivery::{
    Courier, CourierConfig, Delivery, Message, Notice, Policy, Producer, ProducerConfig, Report, read_properties,
};
use ulid::Ulid;

use crate::{
    cli::{Connection, Kafka},
    error::Result,
    wall,
};

/// How long a message may wait while the analysis still runs: what counts for users is the wait after its end.
const PATIENCE: Duration = Duration::from_secs(3600);

/// How long an analysis is held up by a full queue before an event is left for a replay.
const ROOM: Duration = Duration::from_millis(100);

/// Brings events to Kafka.
pub struct Sender {
    way: Way,
    profile: Profile,
}

enum Way {
    /// From memory.
    Straight(Producer),
    /// From a spool on disk, which has news now and then.
    Spooled(Courier, mpsc::Receiver<Notice>),
}

/// What became of the events.
pub enum Outcome {
    /// Of those that were sent from memory.
    Straight(Report),
    /// Of those that were sent from a spool.
    Spooled(Box<Delivery>),
}

impl Sender {
    /// A sender for these settings; `None` when no broker is named. With a spool, an event of a live stream never waits
    /// for room, one of a file does.
    pub fn start(kafka: &Kafka, live: bool) -> Result<Option<Self>> {
        let Some(brokers) = &kafka.brokers else { return Ok(None) };
        let config = config(brokers, kafka.timeout.max(PATIENCE), &kafka.connection)?;
        let profile = kafka.profile;
        let Some(spool) = &kafka.spool else {
            let producer = Producer::start(ProducerConfig { room_timeout: ROOM, ..config })?;
            return Ok(Some(Self { way: Way::Straight(producer), profile }));
        };
        let mut config = CourierConfig::new(config, spool);
        config.max_bytes = kafka.spool_bytes.unwrap_or(config.max_bytes);
        if !live {
            config.policy = Policy::File(kafka.timeout);
        }
        let (news, told) = mpsc::channel();
        let courier = Courier::start(config, move |notice| {
            tell(&notice);
            // Nobody listens any more at the end.
            let _ = news.send(notice);
        })?;
        Ok(Some(Self { way: Way::Spooled(courier, told), profile }))
    }

    /// What the spool had to say since the last call.
    pub fn news(&self) -> impl Iterator<Item = Notice> + '_ {
        let told = match &self.way {
            Way::Straight(_) => None,
            Way::Spooled(_, told) => Some(told),
        };
        told.into_iter().flat_map(mpsc::Receiver::try_iter)
    }

    /// Sends an event, written as a JSON object. A refusal is counted, told at the end with the way to send it again, and
    /// no reason to stop analysing.
    ///
    /// # Errors
    /// [`polygraph_delivery::Error::NotAnEvent`].
    pub fn send(&self, line: &str) -> polygraph_delivery::Result<()> {
        let message = Message::of_line(line, self.profile)?;
        drop(match &self.way {
            Way::Straight(producer) => producer.send(message),
            Way::Spooled(courier, _) => courier.send(&message),
        });
        Ok(())
    }

    /// Waits until Kafka has everything, at most `timeout`.
    pub fn finish(self, timeout: Duration) -> Outcome {
        match self.way {
            Way::Straight(producer) => Outcome::Straight(producer.finish(timeout)),
            Way::Spooled(courier, _) => Outcome::Spooled(Box::new(courier.finish(timeout))),
        }
    }
}

/// The producer's settings, with those of the user's file.
pub fn config(brokers: &str, timeout: Duration, connection: &Connection) -> Result<ProducerConfig> {
    let mut config = ProducerConfig::new(brokers, timeout);
    if let Some(file) = &connection.config {
        config.settings = read_properties(file)?;
    }
    Ok(config)
}

/// Tells people what the spool has to say.
pub fn tell(notice: &Notice) {
    match notice {
        Notice::DroppingBegan => {
            errln!(
                "polygraph: events are given up: there is no room for all (the least important go first), or they are too old"
            )
        }
        Notice::DroppingEnded(dropped) => {
            let counts: Vec<_> = dropped.iter().map(|(topic, records)| format!("{records} of {topic}")).collect();
            errln!("polygraph: no more events are given up; these were: {}", counts.join(", "));
        }
        Notice::SpoolFailed(why) => errln!("polygraph: {why}"),
        Notice::SpoolHealed => errln!("polygraph: the spool can be written again"),
        Notice::SpoolDamaged(why) => errln!("polygraph: {why}"),
    }
}

/// Makes events of what the spool has to say. It concerns all streams of a process, and is told as of a stream that has
/// the process's name.
pub struct Announcer {
    numbering: Numbering,
    began: Instant,
}

impl Announcer {
    /// For the process of this name.
    pub fn new(name: &str) -> Self {
        let epoch = Epoch::of_connection(Ulid::new().to_string(), wall::now_ns());
        Self { numbering: Numbering::new(StreamId::new(name), epoch), began: Instant::now() }
    }

    /// The event of a notice; `None` for one that concerns this machine's people only.
    pub fn event(&mut self, notice: &Notice) -> Option<Event> {
        let pts_ns = u64::try_from(self.began.elapsed().as_nanos()).unwrap_or(u64::MAX);
        notice.of_stream(pts_ns).map(|stream| self.numbering.stream(stream))
    }
}

impl Outcome {
    /// Kafka has everything.
    pub fn complete(&self) -> bool {
        match self {
            Self::Straight(report) => report.complete(),
            Self::Spooled(delivery) => delivery.complete(),
        }
    }

    /// What users are told when it hasn't.
    pub fn shortfall(&self, kafka: &Kafka, events: &Path) -> String {
        let brokers = kafka.brokers.as_deref().unwrap_or_default();
        match (self, &kafka.spool) {
            (Self::Spooled(delivery), Some(spool)) => spooled_shortfall(delivery, brokers, spool),
            (Self::Spooled(_), None) => String::new(),
            (Self::Straight(report), _) => shortfall(report, brokers, events),
        }
    }
}

/// What users are told when not everything was acknowledged.
pub fn shortfall(report: &Report, brokers: &str, events: &Path) -> String {
    format!(
        "{} of {} events were not acknowledged by Kafka{}; nothing is lost, send them again with: \
         polygraph replay {} --kafka {brokers}",
        report.counts.unacknowledged(),
        report.counts.produced,
        because(report.last_error.as_ref()),
        events.display()
    )
}

/// The same for what went by way of a spool.
pub fn spooled_shortfall(delivery: &Delivery, brokers: &str, spool: &Path) -> String {
    let sum = delivery.tallies.sum();
    let because = because(delivery.last_error.as_ref());
    let mut parts = Vec::new();
    for (reason, records) in &sum.dead_lettered {
        parts.push(format!(
            "{records} events were refused by Kafka ({reason}): see the topic {} or {}",
            polygraph_delivery::DEAD_LETTERS,
            spool.join(polygraph_delivery::DEAD_LETTER_FILE).display()
        ));
    }
    for (reason, records) in &sum.dropped {
        parts.push(format!("{records} events were given up ({reason})"));
    }
    if sum.spooled > 0 {
        let (left, all) = (sum.spooled, sum.produced + sum.replayed);
        parts.push(format!(
            "{left} of {all} events are not acknowledged by Kafka yet{because}; they are in the spool, send them with: \
             polygraph replay --from spool:{} --kafka {brokers}",
            spool.display()
        ));
    }
    parts.join("; ")
}

fn because(error: Option<&String>) -> String {
    error.map(|error| format!(" ({error})")).unwrap_or_default()
}
