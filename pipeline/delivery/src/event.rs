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
            Kind::Incident => Self::Incidents,
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

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &str = r#"{"specversion":"1.0","id":"s/e/shot/5/0","source":"/streams/s","type":"io.polygraph.shot.v1",
        "subject":"s","time":"t","datacontenttype":"application/json","dataschema":"d","data":{"b":1.50,"a":2}}"#;

    #[test]
    fn data_are_passed_on_as_written() {
        let message = Message::of_line(LINE).unwrap();
        assert_eq!(message.payload, br#"{"b":1.50,"a":2}"#);
        assert_eq!((message.topic, &*message.key), (Topic::Shots, "s"));
        assert!(message.headers.contains(&("epoch".into(), "e".into())));
        assert!(message.headers.contains(&("ce_id".into(), "s/e/shot/5/0".into())));
    }

    #[test]
    fn what_is_no_event_is_refused() {
        for line in ["", "{}", &LINE.replace("shot.v1", "shot.v9"), &LINE.replace("s/e/shot/5/0", "x")] {
            assert!(Message::of_line(line).is_err(), "{line}");
        }
    }
}
