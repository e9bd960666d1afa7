// SPDX-License-Identifier: Apache-2.0
//! The properties of `polykafkasink`.

use std::path::{Path, PathBuf};
use std::time::Duration;

use gst::glib;
use gst::prelude::*;
use polygraph_delivery::{CourierConfig, ProducerConfig, read_properties};

use super::KafkaProfile;

/// What a producer of a spool waits for does not matter: nothing is given up for want of time.
const ENDLESS: Duration = Duration::from_secs(3600);

/// What can be set.
#[derive(Clone, Debug)]
pub(super) struct Settings {
    brokers: Option<String>,
    pub stream_id: String,
    kafka_config: Option<String>,
    spool: Option<String>,
    spool_bytes: u64,
    queue_bytes: u64,
    pub drain_time: u64,
    pub profile: KafkaProfile,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            brokers: None,
            stream_id: "stream".into(),
            kafka_config: None,
            spool: None,
            spool_bytes: 1 << 30,
            queue_bytes: 16 << 20,
            drain_time: 5_000_000_000,
            profile: KafkaProfile::default(),
        }
    }
}

impl Settings {
    /// For the delivery; the error is for people.
    pub fn courier(&self) -> Result<CourierConfig, String> {
        let brokers = self.brokers.as_deref().ok_or("no brokers: set brokers=HOST:PORT")?;
        let mut producer = ProducerConfig::new(brokers, ENDLESS);
        if let Some(file) = &self.kafka_config {
            producer.settings = read_properties(Path::new(file)).map_err(|error| error.to_string())?;
        }
        let spool = match &self.spool {
            Some(folder) => PathBuf::from(folder),
            None => default_spool(&self.stream_id)?,
        };
        let queue_bytes = usize::try_from(self.queue_bytes).unwrap_or(usize::MAX);
        Ok(CourierConfig { queue_bytes, max_bytes: self.spool_bytes, ..CourierConfig::new(producer, spool) })
    }

    /// Sets a property other than `stats`; the type was checked upstream.
    pub fn set(&mut self, name: &str, value: &glib::Value) -> Result<(), glib::value::ValueTypeMismatchError> {
        let text = || value.get::<Option<String>>();
        match name {
            "brokers" => self.brokers = text().unwrap_or_default(),
            "stream-id" => self.stream_id = text().unwrap_or_default().unwrap_or_default(),
            "kafka-config" => self.kafka_config = text().unwrap_or_default(),
            "spool" => self.spool = text().unwrap_or_default(),
            "spool-bytes" => self.spool_bytes = value.get()?,
            "queue-bytes" => self.queue_bytes = value.get()?,
            "drain-time" => self.drain_time = value.get()?,
            "profile" => self.profile = value.get()?,
            _ => unimplemented!(),
        }
        Ok(())
    }

    pub fn get(&self, name: &str) -> glib::Value {
        match name {
            "brokers" => self.brokers.to_value(),
            "stream-id" => self.stream_id.to_value(),
            "kafka-config" => self.kafka_config.to_value(),
            "spool" => self.spool.to_value(),
            "spool-bytes" => self.spool_bytes.to_value(),
            "queue-bytes" => self.queue_bytes.to_value(),
            "drain-time" => self.drain_time.to_value(),
            "profile" => self.profile.to_value(),
            _ => unimplemented!(),
        }
    }
}

/// `polygraph/spool/STREAM` among what programs keep of their own (XDG Base Directory Specification).
fn default_spool(stream: &str) -> Result<PathBuf, String> {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let state = set("XDG_STATE_HOME").or_else(|| set("HOME").map(|home| home.join(".local/state")));
    let state = state.ok_or("no folder for the spool: set spool=FOLDER, or HOME")?;
    // One name, whatever is in it.
    Ok(state.join("polygraph/spool").join(stream.replace(['/', '\\', '\0'], "_").replace("..", "_")))
}

pub(super) fn specs() -> Vec<glib::ParamSpec> {
    let default = Settings::default();
    vec![
        glib::ParamSpecString::builder("brokers")
            .nick("Brokers")
            .blurb("HOST:PORT of Kafka's brokers, several with commas between; one that answers is enough")
            .mutable_ready()
            .build(),
        glib::ParamSpecString::builder("stream-id")
            .nick("Stream")
            .blurb("Name of the stream: key of the messages and part of their ids")
            .default_value(Some(&*default.stream_id))
            .mutable_ready()
            .build(),
        glib::ParamSpecString::builder("kafka-config")
            .nick("Kafka's settings")
            .blurb("File of NAME=VALUE lines with further settings of librdkafka; file:PATH and env:NAME for secrets")
            .mutable_ready()
            .build(),
        glib::ParamSpecString::builder("spool")
            .nick("Spool")
            .blurb("Folder of the spool, of this element alone (default: polygraph/spool/STREAM in XDG_STATE_HOME)")
            .mutable_ready()
            .build(),
        glib::ParamSpecUInt64::builder("spool-bytes")
            .nick("Spool's size")
            .blurb("Most bytes in the spool; beyond, the oldest frames are given up first")
            .minimum(1 << 20)
            .default_value(default.spool_bytes)
            .mutable_ready()
            .build(),
        glib::ParamSpecUInt64::builder("queue-bytes")
            .nick("Queue's size")
            .blurb("Most bytes in memory on their way to the spool")
            .minimum(1 << 16)
            .default_value(default.queue_bytes)
            .mutable_ready()
            .build(),
        glib::ParamSpecUInt64::builder("drain-time")
            .nick("Drain time")
            .blurb("How long to wait for Kafka when the element stops, in nanoseconds; the rest stays in the spool")
            .maximum(3_600_000_000_000)
            .default_value(default.drain_time)
            .mutable_playing()
            .build(),
        glib::ParamSpecEnum::builder_with_default("profile", default.profile)
            .nick("Profile")
            .blurb("How frames are written: for consumers of other systems")
            .mutable_ready()
            .build(),
        glib::ParamSpecBoxed::builder::<gst::Structure>("stats")
            .nick("Statistics")
            .blurb(
                "Account of the events: produced + replayed = acknowledged + dead-lettered + dropped + queued + spooled",
            )
            .read_only()
            .build(),
    ]
}
