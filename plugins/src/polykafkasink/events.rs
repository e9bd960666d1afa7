// SPDX-License-Identifier: Apache-2.0
//! What is told of a buffer.

use std::time::{SystemTime, UNIX_EPOCH};

use polygraph_core::event::{Epoch, Event, Numbering, StreamId};
use polygraph_core::fault::Told;
use polygraph_core::record::{Frame, PictureSize, Record, Shot, Stream, StreamState};
use polygraph_core::results::VideoResults;
use polygraph_delivery::Notice;

use crate::late::Late;

/// The events of one stream, epoch by epoch.
pub(super) struct Events {
    stream: StreamId,
    /// Of the epoch that has begun with its first record.
    numbering: Option<Numbering>,
    last_ns: u64,
    faults: Told,
}

impl Events {
    pub(super) fn new(stream: &str) -> Self {
        Self { stream: StreamId::new(stream), numbering: None, last_ns: 0, faults: Told::default() }
    }

    /// Ends the epoch without a word: what comes next begins another.
    pub(super) fn restart(&mut self) {
        self.numbering = None;
        self.faults = Told::default();
    }

    /// The events of what is told late, whose times are stream time.
    pub(super) fn late(&mut self, late: &Late) -> Vec<Event> {
        let shots = late.shots.iter().map(|shot| Record::Shot(Shot::of(shot)));
        let faults = late.edges.iter().filter_map(|edge| self.faults.take(edge)).map(Record::Incident);
        let records = shots.chain(faults).collect();
        self.of(records)
    }

    /// The events of records, after one that says that the stream has started.
    pub(super) fn of(&mut self, records: Vec<Record>) -> Vec<Event> {
        let Some(first) = records.first() else { return Vec::new() };
        let mut events = Vec::with_capacity(records.len() + 1);
        let pts_ns = first.pts_ns();
        let numbering = match &mut self.numbering {
            Some(numbering) => numbering,
            none => {
                let wall_ns = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_nanos() as u64);
                let epoch = Epoch::of_connection(ulid::Ulid::new().to_string(), wall_ns.saturating_sub(pts_ns));
                let numbering = none.insert(Numbering::new(self.stream.clone(), epoch));
                events.push(numbering.stream(Stream::new(StreamState::Started, pts_ns)));
                numbering
            }
        };
        for record in records {
            self.last_ns = self.last_ns.max(record.pts_ns());
            events.push(numbering.record(record));
        }
        events
    }

    /// The event that says what became of the delivery; `None` when the stream has not begun.
    pub(super) fn told(&mut self, notice: &Notice) -> Option<Event> {
        let stream = notice.of_stream(self.last_ns)?;
        Some(self.numbering.as_mut()?.stream(stream))
    }

    /// The event that says that the stream has ended; `None` when it never began.
    pub(super) fn end(&mut self) -> Option<Event> {
        let mut numbering = self.numbering.take()?;
        Some(numbering.stream(Stream::new(StreamState::Ended, self.last_ns)))
    }
}

/// The records of a picture at `stream_ns`; all of the results' times are stream time.
pub(super) fn records(results: VideoResults, stream_ns: u64, picture: Option<PictureSize>) -> Vec<Record> {
    let frame = results.faces.filter(|faces| faces.analysed).map(|faces| {
        let mut networks = vec![faces.network];
        networks.extend(faces.forensics);
        Record::Frame(Frame { pts_ns: stream_ns, picture, faces: faces.faces, networks, ..Frame::default() })
    });
    frame.into_iter().collect()
}
