// SPDX-License-Identifier: Apache-2.0
//! Brings events to Apache Kafka and says what became of each.
//!
//! ```no_run
//! use std::time::Duration;
//! use polygraph_delivery::{Message, Producer, ProducerConfig, Topic};
//!
//! # fn main() -> Result<(), polygraph_delivery::Error> {
//! let producer = Producer::start(ProducerConfig::new("localhost:9092", Duration::from_secs(30)))?;
//! producer.send(Message {
//!     topic: Topic::Frames,
//!     key: "camera-7".into(),
//!     headers: vec![("ce_id".into(), "camera-7/01/frame/40000000/0".into())],
//!     payload: b"{}".to_vec(),
//! })?;
//! let report = producer.finish(Duration::from_secs(30));
//! assert!(report.complete());
//! # Ok(())
//! # }
//! ```
//!
//! The producer is idempotent (`enable.idempotence`, `acks=all`): what a broker stores, it stores once and in the
//! order of [`Producer::send`]. Each message ends as *acknowledged* or as *failed for a named reason*; nothing is
//! dropped in silence, and no message is waited for longer than [`ProducerConfig::delivery_timeout`].
//!
//! A broker that can't be reached does not stop the caller: messages wait in a bounded queue, and are sent when it
//! comes back.

mod block;
mod config;
mod courier;
mod deadletter;
mod error;
mod event;
mod fate;
mod flight;
mod ledger;
mod message;
mod producer;
mod queue;
mod settings;
mod shared;
mod spool;
mod tally;
mod topics;
mod wire;
mod worker;

pub use config::ProducerConfig;
pub use courier::{Courier, CourierConfig, Delivery, Notice, Policy};
pub use error::{Error, Result};
pub use ledger::Counts;
pub use message::{DEAD_LETTERS, Message, Topic};
pub use producer::{Producer, Report};
pub use settings::read_properties;
pub use tally::{Lag, Tallies, Tally};
