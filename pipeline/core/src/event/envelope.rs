// SPDX-License-Identifier: Apache-2.0
//! The envelope: identity, type and time of an event around its data.

use std::{collections::BTreeMap, fmt};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::clock::{Clock, ClockSource, Epoch, rfc3339};
use crate::record::{Frame, Incident, Record, Shot, Stream, Transcript};

/// What an event tells of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// What happens to the stream as a whole.
    Stream,
    /// An analysed picture.
    Frame,
    /// Words.
    Transcript,
    /// A shot boundary.
    Shot,
    /// What people are to look at.
    Incident,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Stream, Self::Frame, Self::Transcript, Self::Shot, Self::Incident];

    /// Its name in ids and types.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Stream => "stream",
            Self::Frame => "frame",
            Self::Transcript => "transcript",
            Self::Shot => "shot",
            Self::Incident => "incident",
        }
    }

    /// The CloudEvents `type`.
    pub fn event_type(self) -> String {
        format!("io.polygraph.{}.v1", self.as_str())
    }

    /// The name of its data's schema.
    pub fn schema(self) -> String {
        format!("urn:polygraph:schema:{}:v1", self.as_str())
    }

    /// The kind of a CloudEvents `type`.
    pub fn of_type(event_type: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.event_type() == event_type)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Name of a stream: the Kafka key and the first part of every event's id.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct StreamId(String);

impl StreamId {
    /// A name made of `text`: whatever isn't a letter, a digit, `.`, `_` or `-` becomes `-`, so that ids can be taken
    /// apart at their slashes and a source is a URI.
    pub fn new(text: &str) -> Self {
        let keep = |c: char| if c.is_alphanumeric() || matches!(c, '.' | '_' | '-') { c } else { '-' };
        let name: String = text.chars().map(keep).collect();
        Self(if name.is_empty() { "stream".to_owned() } else { name })
    }

    /// As text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for StreamId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The data of an event: a record and its clock.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Data<T> {
    /// What happened.
    #[serde(flatten)]
    pub content: T,
    /// When.
    pub clock: Clock,
}

/// The data of any event; the envelope's `type` says which.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(untagged)]
pub enum EventData {
    /// Of `io.polygraph.stream.v1`.
    Stream(Data<Stream>),
    /// Of `io.polygraph.frame.v1`.
    Frame(Data<Frame>),
    /// Of `io.polygraph.transcript.v1`.
    Transcript(Data<Transcript>),
    /// Of `io.polygraph.shot.v1`.
    Shot(Data<Shot>),
    /// Of `io.polygraph.incident.v1`.
    Incident(Data<Incident>),
}

/// An event as a JSON object, by the JSON format of CloudEvents 1.0.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Event {
    /// Always `1.0`.
    pub specversion: String,
    /// `stream/epoch/kind/pts/seq`: a repeat has the same id, a new event never does.
    pub id: String,
    /// `/streams/STREAM`.
    pub source: String,
    /// `io.polygraph.KIND.v1`.
    #[serde(rename = "type")]
    pub event_type: String,
    /// The stream.
    pub subject: String,
    /// Wall time by the event's clock, RFC 3339.
    pub time: String,
    /// Always `application/json`.
    pub datacontenttype: String,
    /// Name of the data's schema.
    pub dataschema: String,
    /// What happened.
    pub data: EventData,
}

impl Event {
    /// Reads one of ours from its line.
    ///
    /// # Errors
    /// When it is no CloudEvent of a type that is known.
    pub fn parse(line: &str) -> serde_json::Result<Self> {
        #[derive(Deserialize)]
        struct Any {
            specversion: String,
            id: String,
            source: String,
            #[serde(rename = "type")]
            event_type: String,
            subject: String,
            time: String,
            datacontenttype: String,
            dataschema: String,
            data: serde_json::Value,
        }
        let any: Any = serde_json::from_str(line)?;
        let kind = Kind::ALL.into_iter().find(|kind| kind.event_type() == any.event_type);
        let data = match kind {
            Some(Kind::Stream) => EventData::Stream(serde_json::from_value(any.data)?),
            Some(Kind::Frame) => EventData::Frame(serde_json::from_value(any.data)?),
            Some(Kind::Transcript) => EventData::Transcript(serde_json::from_value(any.data)?),
            Some(Kind::Shot) => EventData::Shot(serde_json::from_value(any.data)?),
            Some(Kind::Incident) => EventData::Incident(serde_json::from_value(any.data)?),
            None => return Err(serde::de::Error::custom(format!("`{}` is no type of ours", any.event_type))),
        };
        let Any { specversion, id, source, event_type, subject, time, datacontenttype, dataschema, .. } = any;
        Ok(Self { specversion, id, source, event_type, subject, time, datacontenttype, dataschema, data })
    }
}

/// Makes the events of one epoch of one stream, numbered so that no two have the same id.
#[derive(Clone, Debug)]
pub struct Numbering {
    stream: StreamId,
    epoch: Epoch,
    /// How many events of a kind had a PTS: the latest ones, for what is told late comes among others.
    last: BTreeMap<Kind, BTreeMap<u64, u64>>,
}

/// PTS of a kind that are remembered: minutes of it.
const MOST_PTS: usize = 1024;

impl Numbering {
    /// For an epoch that begins.
    pub fn new(stream: StreamId, epoch: Epoch) -> Self {
        Self { stream, epoch, last: BTreeMap::new() }
    }

    /// Where wall time comes from, from the next event on.
    pub fn set_clock(&mut self, source: ClockSource, wall_start_ns: u64) {
        self.epoch.set_clock(source, wall_start_ns);
    }

    /// The event of a record. Records of a kind come in order of their time, or a little late, as elements give them.
    pub fn record(&mut self, record: Record) -> Event {
        let clock = self.epoch.clock(record.pts_ns());
        let pts_ns = record.pts_ns();
        match record {
            Record::Frame(content) => self.event(Kind::Frame, pts_ns, EventData::Frame(Data { content, clock })),
            Record::Transcript(content) => {
                self.event(Kind::Transcript, pts_ns, EventData::Transcript(Data { content, clock }))
            }
            Record::Shot(content) => self.event(Kind::Shot, pts_ns, EventData::Shot(Data { content, clock })),
            Record::Incident(content) => {
                self.event(Kind::Incident, pts_ns, EventData::Incident(Data { content, clock }))
            }
        }
    }

    /// The event of something that happens to the stream as a whole.
    pub fn stream(&mut self, content: Stream) -> Event {
        let (pts_ns, clock) = (content.pts_ns, self.epoch.clock(content.pts_ns));
        self.event(Kind::Stream, pts_ns, EventData::Stream(Data { content, clock }))
    }

    fn event(&mut self, kind: Kind, pts_ns: u64, data: EventData) -> Event {
        let counts = self.last.entry(kind).or_default();
        let count = counts.entry(pts_ns).or_default();
        let seq = std::mem::replace(count, *count + 1);
        if counts.len() > MOST_PTS {
            counts.pop_first();
        }
        let Self { stream, epoch, .. } = self;
        Event {
            specversion: "1.0".to_owned(),
            id: format!("{stream}/{}/{kind}/{pts_ns}/{seq}", epoch.name),
            source: format!("/streams/{stream}"),
            event_type: kind.event_type(),
            subject: stream.to_string(),
            time: rfc3339(epoch.clock(pts_ns).wall_ns),
            datacontenttype: "application/json".to_owned(),
            dataschema: kind.schema(),
            data,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{record::StreamState, results::TransitionKind};

    fn shot(pts_ns: u64) -> Record {
        Record::Shot(Shot {
            pts_ns,
            kind: TransitionKind::Cut,
            start_ns: pts_ns,
            end_ns: pts_ns,
            strength: 2.0,
            key_frame: None,
        })
    }

    fn numbering() -> Numbering {
        Numbering::new(StreamId::new("a/b c"), Epoch::of_connection("E".into(), 1_000_000_000))
    }

    #[test]
    fn ids_tell_events_of_one_time_apart() {
        let mut numbering = numbering();
        let ids = [5, 5, 5, 9].map(|pts| numbering.record(shot(pts)).id);
        assert_eq!(ids, ["a-b-c/E/shot/5/0", "a-b-c/E/shot/5/1", "a-b-c/E/shot/5/2", "a-b-c/E/shot/9/0"]);
        assert_eq!(numbering.record(shot(5)).id, "a-b-c/E/shot/5/3", "what comes late is another one, too");
        let ended = Stream::new(StreamState::Ended, 5);
        assert_eq!(numbering.stream(ended).id, "a-b-c/E/stream/5/0", "each kind is numbered by itself");
    }

    #[test]
    fn the_json_is_a_cloudevent_with_the_record_flat_in_its_data() {
        let event = serde_json::to_value(numbering().record(shot(250_000_000))).unwrap();
        let shot = serde_json::json!({
            "specversion": "1.0", "id": "a-b-c/E/shot/250000000/0", "source": "/streams/a-b-c",
            "type": "io.polygraph.shot.v1", "subject": "a-b-c", "time": "1970-01-01T00:00:01.25Z",
            "datacontenttype": "application/json", "dataschema": "urn:polygraph:schema:shot:v1",
            "data": {
                "pts_ns": 250_000_000, "kind": "cut", "start_ns": 250_000_000, "end_ns": 250_000_000, "strength": 2.0,
                "clock": {"source": "arrival", "wall_ns": 1_250_000_000, "epoch": "E"},
            },
        });
        assert_eq!(event, shot);
    }

    #[test]
    fn a_type_leads_back_to_its_kind() {
        for kind in Kind::ALL {
            assert_eq!(Kind::of_type(&kind.event_type()), Some(kind));
        }
        assert_eq!(Kind::of_type("io.polygraph.frame.v2"), None);
    }
}
