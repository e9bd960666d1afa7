// SPDX-License-Identifier: Apache-2.0
//! Workers that share streams by way of Kafka, which is the scheduler: nothing else decides who runs what.
//!
//! Each record of the compacted topic [`DESIRED`] says that a stream is wanted, and how; its key is the stream's id. The
//! members of a consumer group share the topic's partitions, and whoever has a partition runs its streams. Each writes to
//! the compacted topic [`STATUS`] how they are.
//!
//! - A partition that comes to a member is read from its beginning; its streams start when it was read to its end, so that
//!   nothing is started that was taken back since.
//! - A partition that goes in order ([`Stop::HandedOver`]) goes when its streams have ended here.
//! - One that is lost ([`Stop::Lost`]: no answer from the brokers for the session timeout) is somebody else's already, or
//!   soon will be.
//! - Each run of a stream has a *generation*, higher than that of any run before: it is the group's, and in any case
//!   above what [`STATUS`] says of the stream, for Kafka begins to count anew once a group has been empty for a week.

mod board;
mod member;
mod status;
mod table;

pub use board::{Board, Wish};
pub use member::{Keeper, Member, MemberConfig, Stop};
pub use status::StatusWriter;

/// The topic of wanted streams, compacted.
pub const DESIRED: &str = "polygraph.desired";
/// The topic of how they are, compacted.
pub const STATUS: &str = "polygraph.status";
