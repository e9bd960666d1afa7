// SPDX-License-Identifier: Apache-2.0
//! CloudEvents on Kafka: binary content mode (CloudEvents' Kafka protocol binding 1.0), attributes as headers.

use polygraph_core::event::{Data, Event, Kind};
use polygraph_core::profile::{self, Profile};
use polygraph_core::record::Frame;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::error::{Error, Result};
use crate::message::{Message, Topic};

/// The header that tells two workers' events of the same stream apart.
const GENERATION: &str = "generation";

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
    pub fn of_event(event: &Event, profile: Profile) -> Result<Self> {
        let line = serde_json::to_string(event).map_err(|error| Error::NotAnEvent(error.to_string()))?;
        Self::of_line(&line, profile)
    }

    /// The message of an event that is written as a JSON object, such as a line of `events.ndjson`.
    ///
    /// # Errors
    /// [`Error::NotAnEvent`].
    pub fn of_line(line: &str, profile: Profile) -> Result<Self> {
        let mut event: Envelope = serde_json::from_str(line).map_err(|error| Error::NotAnEvent(error.to_string()))?;
        let kind = Kind::of_type(&event.event_type)
            .ok_or_else(|| Error::NotAnEvent(format!("type `{}` has no topic", event.event_type)))?;
        let payload = event.payload(kind, profile)?;
        let topic = Topic::from(kind);
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
            (GENERATION, "0".to_owned()),
        ];
        let headers = headers.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        Ok(Self { topic, key: event.subject, headers, payload })
    }

    /// Says which generation of a fleet's assignment it comes from: of two that tell of the same stream, consumers
    /// believe the higher.
    #[must_use]
    pub fn of_generation(mut self, generation: u64) -> Self {
        for (_, value) in self.headers.iter_mut().filter(|(name, _)| name == GENERATION) {
            *value = generation.to_string();
        }
        self
    }
}

impl Envelope<'_> {
    /// The data as written or, of a frame, as a profile wants them; then the envelope says so.
    fn payload(&mut self, kind: Kind, profile: Profile) -> Result<Vec<u8>> {
        let Some((event_type, schema)) = profile.names(kind) else { return Ok(self.data.get().as_bytes().to_vec()) };
        let not_a_frame = |error: serde_json::Error| Error::NotAnEvent(format!("{}: {error}", self.id));
        let data: Data<Frame> = serde_json::from_str(self.data.get()).map_err(not_a_frame)?;
        let envelope =
            profile::Envelope { id: &self.id, stream: &self.subject, source: &self.source, time: &self.time };
        let payload = profile.frame(envelope, &data).map(|value| value.to_string().into_bytes());
        (self.event_type, self.dataschema) = (event_type, schema);
        Ok(payload.unwrap_or_else(|| self.data.get().as_bytes().to_vec()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &str = r#"{"specversion":"1.0","id":"s/e/shot/5/0","source":"/streams/s","type":"io.polygraph.shot.v1",
        "subject":"s","time":"t","datacontenttype":"application/json","dataschema":"d","data":{"b":1.50,"a":2}}"#;

    #[test]
    fn data_are_passed_on_as_written() {
        let message = Message::of_line(LINE, Profile::Polygraph).unwrap();
        assert_eq!(message.payload, br#"{"b":1.50,"a":2}"#);
        assert_eq!((message.topic, &*message.key), (Topic::Shots, "s"));
        assert!(message.headers.contains(&("epoch".into(), "e".into())));
        assert!(message.headers.contains(&("ce_id".into(), "s/e/shot/5/0".into())));
    }

    #[test]
    fn a_generation_takes_the_place_of_none() {
        let message = Message::of_line(LINE, Profile::Polygraph).unwrap().of_generation(7);
        let generations: Vec<_> = message.headers.iter().filter(|(name, _)| name == "generation").collect();
        assert_eq!(generations, [&("generation".to_owned(), "7".to_owned())]);
    }

    #[test]
    fn a_profile_changes_frames_and_what_their_envelope_says() {
        let frame = LINE.replace("shot", "frame").replace(
            r#"{"b":1.50,"a":2}"#,
            r#"{"pts_ns":5,"faces":[],"networks":[],"clock":{"source":"file","wall_ns":0,"epoch":"e"}}"#,
        );
        let converted = Message::of_line(&frame, Profile::DeepStreamMinimal).unwrap();
        let payload: serde_json::Value = serde_json::from_slice(&converted.payload).unwrap();
        assert_eq!(payload["@timestamp"], "1970-01-01T00:00:00.000Z", "{converted:?}");
        let says = ("ce_type".to_owned(), "io.polygraph.frame.deepstream-minimal.v1".to_owned());
        assert!(converted.headers.contains(&says), "{converted:?}");
        let [as_is, shot] = [Profile::Polygraph, Profile::DlStreamer].map(|profile| Message::of_line(LINE, profile));
        assert_eq!(as_is.unwrap(), shot.unwrap(), "a shot has no counterpart elsewhere");
    }

    #[test]
    fn what_is_no_event_is_refused() {
        for line in ["", "{}", &LINE.replace("shot.v1", "shot.v9"), &LINE.replace("s/e/shot/5/0", "x")] {
            assert!(Message::of_line(line, Profile::Polygraph).is_err(), "{line}");
        }
    }
}
