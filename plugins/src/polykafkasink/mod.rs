// SPDX-License-Identifier: Apache-2.0
//! `polykafkasink`: brings what the analysers found to Apache Kafka, without ever blocking or stopping the stream.
//!
//! It takes anything. Of records (`application/x-polygraph`, from `polylips` or `polyanalyze`) each becomes an event; of
//! pictures that passed an analyser each that was searched for faces becomes a `frame`, and each first picture of a shot a
//! `shot`. What nothing was found about is passed over. Events are CloudEvents in Kafka's binary mode, keyed by
//! `stream-id`.
//!
//! - Each event goes through a queue in memory into a spool on disk, and leaves the spool when Kafka has acknowledged it:
//!   a broker that is away, or the end of this process, loses nothing that was accepted. The streaming thread waits for
//!   neither disk nor network. When there is no room the oldest frames are given up first, and incidents last.
//! - One process owns a spool; a second element on the same folder fails to start.
//! - When the element stops it waits for Kafka, at most `drain-time`. What is left is sent when the spool is opened again.
//! - `stats` holds the account, over all topics: `produced + replayed = acknowledged + dead-lettered + dropped + queued +
//!   spooled`, and `lag-bytes` and `lag-time` of the spool.
//! - When records begin and cease to be given up for want of room, a `stream` event says so (`dropping_began`,
//!   `dropping_ended` with their numbers).
//! - With `profile` frames are written as DL Streamer or DeepStream do, for consumers that are there already.
//! - An element message `polygraph-delivery` with a field `notice` tells when records begin and cease to be given up, and
//!   when the spool can't be written or can again.
//!
//! A new stream and a flush begin a new epoch: ids never repeat.
//!
//! ## Example pipelines
//!
//! ```bash
//! gst-launch-1.0 filesrc location=video.mp4 ! decodebin ! videoconvert ! polyface ! polykafkasink \
//!     brokers=localhost:9092 stream-id=camera-7
//! gst-launch-1.0 uridecodebin uri=rtsp://camera/stream name=d d. ! queue ! videoconvert ! pa.video \
//!     d. ! queue ! audioconvert ! pa.audio polyanalyze name=pa ! polykafkasink brokers=localhost:9092 stream-id=camera-7
//! ```
use gst::glib;
use gst::prelude::*;
use polygraph_core::profile::Profile;

mod events;
mod imp;
mod properties;

/// How frames are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, glib::Enum)]
#[enum_type(name = "GstPolyKafkaSinkProfile")]
#[repr(i32)]
pub enum KafkaProfile {
    /// As in Polygraph's own schemas.
    #[default]
    #[enum_value(name = "Polygraph: as in its own schemas", nick = "polygraph")]
    Polygraph = 0,
    /// As Intel DL Streamer's `gvametaconvert` does.
    #[enum_value(name = "DL Streamer: as gvametaconvert writes them", nick = "dlstreamer")]
    DlStreamer = 1,
    /// As NVIDIA DeepStream's `nvmsgconv payload-type=1` does.
    #[enum_value(name = "DeepStream: as nvmsgconv payload-type=1 writes them", nick = "deepstream-minimal")]
    DeepStreamMinimal = 2,
}

impl From<KafkaProfile> for Profile {
    fn from(profile: KafkaProfile) -> Self {
        match profile {
            KafkaProfile::Polygraph => Self::Polygraph,
            KafkaProfile::DlStreamer => Self::DlStreamer,
            KafkaProfile::DeepStreamMinimal => Self::DeepStreamMinimal,
        }
    }
}

glib::wrapper! {
    /// Brings what the analysers found to Apache Kafka.
    pub struct PolyKafkaSink(ObjectSubclass<imp::PolyKafkaSink>) @extends gst_base::BaseSink, gst::Element, gst::Object;
}

/// Makes the element known.
pub fn register(plugin: &gst::Plugin) -> Result<(), glib::BoolError> {
    gst::Element::register(Some(plugin), "polykafkasink", gst::Rank::NONE, PolyKafkaSink::static_type())
}
