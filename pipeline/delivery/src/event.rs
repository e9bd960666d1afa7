// SPDX-License-Identifier: Apache-2.0
//! CloudEvents on Kafka: binary content mode (CloudEvents' Kafka protocol binding 1.0), attributes as headers.

use polygraph_core::event::{Event, Kind};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::error::{Error, Result};
use crate::message::{Message, Topic};

/// The envelope of an event as text; its data are passed on as they are written.
#[derive(Deserialize)]
struct Envelope<'a> {
    specversion: String,
    id: String,
    source: String,
    #[serde(rename = "type")]
    event_type: String,
    subject: String,
    time: String,
    datacontenttype: String,
    dataschema: String,
    #[serde(borrow)]
    data: &'a RawValue,
}

impl From<Kind> for Topic {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Stream => Self::Streams,
            Kind::Frame => Self::Frames,
            Kind::Transcript => Self::Transcripts,
            Kind::Shot => Self::Shots,
        }
    }
}

impl Message {
    /// The message of an event.
    ///
    /// # Errors
    /// [`Error::NotAnEvent`], which an event of [`polygraph_core`] never is.
    pub fn of_event(event: &Event) -> Result<Self> {
        let line = serde_json::to_string(event).map_err(|error| Error::NotAnEvent(error.to_string()))?;
        Self::of_line(&line)
    }

    /// The message of an event that is written as a JSON object, such as a line of `events.ndjson`.
    ///
    /// # Errors
    /// [`Error::NotAnEvent`].
    pub fn of_line(line: &str) -> Result<Self> {
        let event: Envelope = serde_json::from_str(line).map_err(|error| Error::NotAnEvent(error.to_string()))?;
        let topic = Kind::of_type(&event.event_type)
            .map(Topic::from)
            .ok_or_else(|| Error::NotAnEvent(format!("type `{}` has no topic", event.event_type)))?;
        let epoch = event.id.split('/').nth(1).map(str::to_owned);
        let epoch = epoch.ok_or_else(|| Error::NotAnEvent(format!("id `{}` has no epoch", event.id)))?;
        let headers = [
            ("ce_specversion", event.specversion),
            ("ce_id", event.id),
            ("ce_source", event.source),
            ("ce_type", event.event_type),
            ("ce_subject", event.subject.clone()),
            ("ce_time", event.time),
            ("ce_dataschema", event.dataschema),
            ("content-type", event.datacontenttype),
            ("epoch", epoch),
            // One process and no fleet: nobody can take the stream over.
            ("generation", "0".to_owned()),
        ];
        let headers = headers.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        Ok(Self { topic, key: event.subject, headers, payload: event.data.get().as_bytes().to_vec() })
    }
}
