// SPDX-License-Identifier: Apache-2.0
//! How the producer is set up.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use rdkafka::ClientConfig;

use crate::contact::STATISTICS;
use crate::error::{Error, Result};
use crate::settings;

/// Never otherwise.
const FIXED: [(&str, &str); 2] = [
    // A producer that gives up a message may go on with the next: that one is counted, and can be replayed.
    ("enable.gapless.guarantee", "false"),
    // With more, librdkafka takes a request that failed for stored when the next one succeeds: a broker, it reckons, would
    // have refused the gap. One that has heard nothing of this producer yet takes any sequence number, so that the first
    // records after a topic was made were lost and reported as stored (confluentinc/librdkafka#2501 shows the same). And
    // without idempotence a message that is sent again would come after later ones.
    ("max.in.flight.requests.per.connection", "1"),
];

/// Set otherwise than librdkafka does, unless the user says more.
const DEFAULTS: [(&str, &str); 10] = [
    // What a broker stores, it stores once, in order, and on all replicas.
    ("enable.idempotence", "true"),
    ("acks", "all"),
    ("client.id", "polygraph"),
    // Enough to fill batches; nothing beside the time that the analysis takes.
    ("linger.ms", "50"),
    ("compression.type", "zstd"),
    // About two hours of frames; the memory is bounded by the next line.
    ("queue.buffering.max.messages", "100000"),
    ("queue.buffering.max.kbytes", "65536"),
    // librdkafka waits up to 10 s between attempts: too long for a timeout of 30 s.
    ("reconnect.backoff.max.ms", "1000"),
    // Brokers close idle connections: that is no news.
    ("log.connection.close", "false"),
    ("socket.keepalive.enable", "true"),
];

/// How the producer is set up.
#[derive(Clone)]
pub struct ProducerConfig {
    /// `host:port`, several with commas between; one that answers is enough.
    pub brokers: String,
    /// How long a message may wait for its acknowledgement before it counts as failed; 1 ms to 24 days.
    pub delivery_timeout: Duration,
    /// How long [`crate::Producer::send`] waits for room in a full queue before the message counts as failed.
    pub room_timeout: Duration,
    /// Further settings of librdkafka (`security.protocol`, `sasl.username`, `client.id`), by its names. A value may be
    /// `file:PATH` or `env:NAME`: the secret is in that file, without the line's end, or in that variable.
    pub settings: BTreeMap<String, String>,
}

impl ProducerConfig {
    /// The defaults for these brokers.
    pub fn new(brokers: impl Into<String>, delivery_timeout: Duration) -> Self {
        Self { brokers: brokers.into(), delivery_timeout, room_timeout: delivery_timeout, settings: BTreeMap::new() }
    }

    /// Checks everything that can be checked without a broker.
    ///
    /// # Errors
    /// [`Error::Brokers`], [`Error::Timeout`], [`Error::FixedSetting`], and [`Error::Setting`] for what librdkafka does
    /// not know or does not take.
    pub fn validate(&self) -> Result<()> {
        check_brokers(&self.brokers)?;
        self.timeout_ms()?;
        if let Some(name) = self.settings.keys().find(|name| is_fixed(name)) {
            return Err(Error::FixedSetting(name.clone()));
        }
        settings::check(&self.connection()?, &self.settings)
    }

    /// The settings for librdkafka.
    pub(crate) fn client(&self) -> Result<ClientConfig> {
        self.validate()?;
        let mut client = self.connection()?;
        client.set("message.timeout.ms", self.timeout_ms()?.to_string());
        Ok(client)
    }

    /// The settings for a producer that gives up no message: order rests on it, for what is given up lets others pass.
    pub(crate) fn endless_client(&self) -> Result<ClientConfig> {
        self.validate()?;
        let mut client = self.connection()?;
        client.set("message.timeout.ms", "0");
        // They tell whether it still knows a broker.
        client.set(STATISTICS.0, STATISTICS.1);
        Ok(client)
    }

    /// The settings without the producer's timeout, which the client for topics does not know.
    pub(crate) fn connection(&self) -> Result<ClientConfig> {
        let mut client = ClientConfig::new();
        for (name, value) in DEFAULTS {
            client.set(name, value);
        }
        for (name, value) in &self.settings {
            client.set(name, settings::resolve(name, value)?);
        }
        for (name, value) in FIXED {
            client.set(name, value);
        }
        client.set("bootstrap.servers", self.brokers.trim());
        Ok(client)
    }

    fn timeout_ms(&self) -> Result<i32> {
        // 0 would mean "for ever" to librdkafka.
        i32::try_from(self.delivery_timeout.as_millis()).ok().filter(|ms| *ms > 0).ok_or(Error::Timeout)
    }
}

/// Without the secrets.
impl fmt::Debug for ProducerConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let settings: BTreeMap<_, _> =
            self.settings.iter().map(|(name, value)| (name, settings::shown(name, value))).collect();
        f.debug_struct("ProducerConfig")
            .field("brokers", &self.brokers)
            .field("delivery_timeout", &self.delivery_timeout)
            .field("room_timeout", &self.room_timeout)
            .field("settings", &settings)
            .finish()
    }
}

fn is_fixed(name: &str) -> bool {
    const OWN: [&str; 5] =
        ["bootstrap.servers", "metadata.broker.list", "message.timeout.ms", "delivery.timeout.ms", "max.in.flight"];
    FIXED.iter().any(|(fixed, _)| *fixed == name) || OWN.contains(&name)
}

/// librdkafka takes nearly anything for a list of brokers, and then never connects.
fn check_brokers(brokers: &str) -> Result<()> {
    let wrong = |why| Err(Error::Brokers { given: brokers.to_owned(), why });
    if brokers.trim().is_empty() {
        return wrong("it is empty");
    }
    for broker in brokers.split(',') {
        if let Err(why) = check_broker(broker.trim()) {
            return wrong(why);
        }
    }
    Ok(())
}

fn check_broker(broker: &str) -> Result<(), &'static str> {
    if broker.is_empty() {
        return Err("there is nothing between two commas");
    }
    if broker.contains("://") {
        return Err("a broker is no URI; the protocol is the setting security.protocol");
    }
    if broker.contains(|c: char| c.is_whitespace() || c == '/' || c == ';' || c == '@') {
        return Err("a space, '/', ';' or '@' can't be part of a host's name");
    }
    let (host, port) = match broker.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, port)) => (address, port.strip_prefix(':')),
        None if broker.starts_with('[') => return Err("the ']' of the address is missing"),
        None => broker.rsplit_once(':').map_or((broker, None), |(host, port)| (host, Some(port))),
    };
    if host.is_empty() {
        return Err("the host is missing");
    }
    if !broker.starts_with('[') && host.contains(':') {
        return Err("an IPv6 address needs brackets");
    }
    match port {
        None => Err("the port is missing"),
        Some(port) if port.parse::<u16>().is_ok_and(|port| port > 0) => Ok(()),
        Some(_) => Err("a port is a number from 1 to 65535"),
    }
}
