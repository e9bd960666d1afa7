// SPDX-License-Identifier: Apache-2.0
//! Events on their way to Kafka, and `polygraph replay`.

use std::{
    fs::File,
    io::{BufRead, BufReader},
    path::Path,
    process::ExitCode,
    time::Duration,
};

use polygraph_core::event::Kind;
use polygraph_delivery::{Message, Producer, ProducerConfig, Report, Topic};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::{
    cli::{Kafka, Replay},
    error::{Error, Result},
};

/// How long a message may wait while the analysis still runs: what counts for users is the wait after its end.
const PATIENCE: Duration = Duration::from_secs(3600);

/// How long an analysis is held up by a full queue before an event is left for a replay.
const ROOM: Duration = Duration::from_millis(100);

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

/// A producer for these settings; `None` when no broker is named.
pub fn producer(kafka: &Kafka) -> Result<Option<Producer>> {
    kafka.brokers.as_ref().map(|brokers| start(brokers, kafka.timeout)).transpose()
}

fn start(brokers: &str, timeout: Duration) -> Result<Producer> {
    let config = ProducerConfig::new(brokers, timeout.max(PATIENCE));
    Ok(Producer::start(ProducerConfig { room_timeout: ROOM, ..config })?)
}

/// The Kafka message of a line of `events.ndjson`, in CloudEvents' binary mode.
pub fn message(line: &str) -> Result<Message, String> {
    let event: Envelope = serde_json::from_str(line).map_err(|err| format!("not an event: {err}"))?;
    let topic = match Kind::of_type(&event.event_type) {
        Some(Kind::Stream) => Topic::Streams,
        Some(Kind::Frame) => Topic::Frames,
        Some(Kind::Transcript) => Topic::Transcripts,
        Some(Kind::Shot) => Topic::Shots,
        None => return Err(format!("type `{}` has no topic", event.event_type)),
    };
    let epoch = event.id.split('/').nth(1).ok_or_else(|| format!("id `{}` has no epoch", event.id))?.to_owned();
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
    Ok(Message { topic, key: event.subject, headers, payload: event.data.get().as_bytes().to_vec() })
}

/// What users are told when not everything was acknowledged.
pub fn shortfall(report: &Report, brokers: &str, events: &Path) -> String {
    let why = match &report.last_error {
        Some(error) => format!(" ({error})"),
        None => String::new(),
    };
    format!(
        "{} of {} events were not acknowledged by Kafka{why}; nothing is lost, send them again with: \
         polygraph replay {} --kafka {brokers}",
        report.counts.unacknowledged(),
        report.counts.produced,
        events.display()
    )
}

/// `polygraph replay`: the same ids again, so that consumers drop what they have.
pub fn replay(replay: &Replay) -> Result<ExitCode> {
    let file = File::open(&replay.events).map_err(Error::file(&replay.events))?;
    // There is nothing else to do here, so a full queue holds the reading back.
    let producer = Producer::start(ProducerConfig::new(&replay.brokers, replay.timeout))?;
    // A line that is no event, such as the last one of a full disk, doesn't keep the others back.
    let mut bad = None;
    for (index, line) in BufReader::new(file).lines().enumerate() {
        let message = line.map_err(|error| error.to_string()).and_then(|line| message(&line));
        match message {
            // A refusal is in the counts.
            Ok(message) => drop(producer.send(message)),
            Err(why) => {
                bad.get_or_insert(Error::Event { path: replay.events.display().to_string(), line: index + 1, why });
            }
        }
    }
    let report = producer.finish(replay.timeout);
    println!("{} events produced, {} acknowledged", report.counts.produced, report.counts.acknowledged);
    if !report.complete() {
        eprintln!("polygraph: {}", shortfall(&report, &replay.brokers, &replay.events));
        return Ok(ExitCode::FAILURE);
    }
    bad.map_or(Ok(ExitCode::SUCCESS), Err)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &str = r#"{"specversion":"1.0","id":"s/e/shot/5/0","source":"/streams/s","type":"io.polygraph.shot.v1",
        "subject":"s","time":"t","datacontenttype":"application/json","dataschema":"d","data":{"b":1.50,"a":2}}"#;

    #[test]
    fn data_are_passed_on_as_written() {
        let message = message(LINE).unwrap();
        assert_eq!(message.payload, br#"{"b":1.50,"a":2}"#);
        assert_eq!((message.topic, &*message.key), (Topic::Shots, "s"));
        assert!(message.headers.contains(&("epoch".into(), "e".into())));
        assert!(message.headers.contains(&("ce_id".into(), "s/e/shot/5/0".into())));
    }

    #[test]
    fn what_is_no_event_is_refused() {
        for line in ["", "{}", &LINE.replace("shot.v1", "shot.v9"), &LINE.replace("s/e/shot/5/0", "x")] {
            assert!(message(line).is_err(), "{line}");
        }
    }
}
