// SPDX-License-Identifier: Apache-2.0
//! Events as they leave Polygraph: [CloudEvents 1.0](https://cloudevents.io) around the records of a stream.
//!
//! A line of `events.ndjson` is an [`Event`]; on Kafka the same event travels in the binary mode of the CloudEvents
//! Kafka binding, its attributes as `ce_*` headers and its data as the value. [`schema`] describes both.

mod clock;
mod envelope;
pub mod schema;

pub use clock::{Clock, ClockSource, Epoch, rfc3339};
pub use envelope::{Data, Event, EventData, Kind, Numbering, StreamId};
