// SPDX-License-Identifier: Apache-2.0
//! Brings events to Apache Kafka and says what became of each. The crate knows nothing of what is in a message.
//!
//! ```no_run
//! use std::time::Duration;
//! use polygraph_delivery::{Courier, CourierConfig, Message, ProducerConfig, Topic};
//!
//! # fn main() -> Result<(), polygraph_delivery::Error> {
//! let producer = ProducerConfig::new("localhost:9092", Duration::from_secs(30));
//! let courier = Courier::start(CourierConfig::new(producer, "/var/lib/polygraph/spool"), |notice| {
//!     eprintln!("{notice:?}");
//! })?;
//! courier.send(&Message {
//!     topic: Topic::Frames,
//!     key: "camera-7".into(),
//!     headers: vec![("ce_id".into(), "camera-7/01/frame/40000000/0".into())],
//!     payload: b"{}".to_vec(),
//! })?;
//! let delivery = courier.finish(Duration::from_secs(30));
//! assert!(delivery.complete());
//! # Ok(())
//! # }
//! ```
//!
//! # Courier
//!
//! ```text
//! send ─ queue in memory ─ spool on disk ─ librdkafka ─ Kafka
//!                             └────── delivery report: the record leaves the spool
//! ```
//!
//! [`Courier::send`] puts a record into a bounded queue and never waits for a disk or a network ([`Policy::Live`]). One
//! thread writes the queue to the spool, in commits that are synced, 50 a second unless
//! megabytes wait: what it has written is
//! *accepted*. Accepted records outlive a broker that is away, a full disk, a `kill -9` and a torn write. They leave
//! the spool when Kafka has acknowledged them; when Kafka refuses them for good, as *dead letters* to the topic
//! [`DEAD_LETTERS`] or, when that refuses them too, into `deadletter.ndjson` in the spool's folder; or when there is no
//! room or their time is over. [`Tallies`] count all of it, by topic and reason, and the sum closes ([`Tally`]).
//!
//! *Order.* Records of one key keep their order within a topic. librdkafka is given no timeout, for what it gives up
//! lets later records pass; and when records come back from it all the same, nothing of their topic is sent until
//! everything under way has been reported on. After a restart the spool is sent from its oldest block on, so some
//! records come twice: consumers drop ids that they have. Out of order come only the innocent records of a batch that
//! a broker refuses as a whole, when later batches were under way; `batch.size` below the topic's `max.message.bytes`
//! avoids that.
//!
//! *No room.* With [`Policy::Live`] the oldest of what is missed least is given up ([`Topic::EXPENDABLE`]). What
//! librdkafka has, at most an eighth of the spool for each topic, can't be called back.
//!
//! # Producer
//!
//! [`Producer`] is the same without a spool, for whoever has the events in a file anyhow: each message ends as
//! *acknowledged* or as *failed for a named reason*, and is waited for no longer than
//! [`ProducerConfig::delivery_timeout`].
//!
//! # Fleet
//!
//! [`Member`] shares streams with the other workers of a group, [`Board`] is the tables of which are wanted and how they
//! are.
//!
//! Both producers are idempotent (`enable.idempotence`, `acks=all`) unless the user's settings say otherwise: what a broker
//! stores, it stores once and in order.

mod block;
mod config;
mod contact;
mod courier;
mod deadletter;
mod error;
mod event;
mod fate;
mod fleet;
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
pub use deadletter::DEAD_LETTER_FILE;
pub use error::{Error, Result};
pub use fleet::{Board, DESIRED, Keeper, Member, MemberConfig, STATUS, StatusWriter, Stop, Wish};
pub use ledger::Counts;
pub use message::{DEAD_LETTERS, Message, Topic};
pub use producer::{Producer, Report};
pub use settings::read_properties;
pub use spool::SPOOL_FILE;
pub use tally::{Delays, Lag, Tallies, Tally};
pub use topics::{TopicState, check_fleet_topics, check_topics, create_fleet_topics, create_topics};
