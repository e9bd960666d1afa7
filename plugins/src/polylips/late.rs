// SPDX-License-Identifier: Apache-2.0
//! What is told beside the pictures: shot boundaries and faults, those that elements before found and those that need both senses.

use gst::subclass::prelude::*;
use polygraph_core::fault::{Edge, FaultKind, LipFaults, Presence, Told};
use polygraph_core::record::{Frame, Record, Shot};
use polygraph_core::timeline::{Output, Side};

use super::imp::{CAT, PolyLips};
use super::state::State;
use crate::faults::FaultSettings;
use crate::late::Late;
use crate::times::{Segment, stream};

/// What is known of faults.
#[derive(Clone, Debug)]
pub(super) struct Watchman {
    told: Told,
    presence: Presence,
    lips: Option<LipFaults>,
}

impl Watchman {
    pub(super) fn new(settings: &FaultSettings) -> Self {
        let lips = settings.faults.has(FaultKind::LipSync).then(|| LipFaults::new(settings.limits));
        Self { told: Told::default(), presence: Presence::new(settings.faults, settings.limits), lips }
    }
}

/// Running time of a stream time by a segment; the stream time itself where the segment says nothing of it.
fn running(segment: &Segment, stream_ns: u64) -> u64 {
    let position = segment.position_from_stream_time(gst::ClockTime::from_nseconds(stream_ns));
    let running = position.and_then(|position| segment.to_running_time(position));
    running.map_or(stream_ns, gst::ClockTime::nseconds)
}

impl State {
    /// Tells of edges, whose times are stream time.
    pub(super) fn tell(&mut self, segment: &Segment, edges: impl IntoIterator<Item = Edge>) {
        for edge in edges {
            let Some(incident) = self.watchman.told.take(&edge) else { continue };
            let running_ns = running(segment, incident.pts_ns);
            self.join.tell(running_ns, Output { running_ns, record: Record::Incident(incident) });
        }
    }

    /// Data of a side came, from one stream time to another.
    pub(super) fn present(&mut self, side: Side, segment: &Segment, range: (u64, u64)) {
        let mut edges = self.watchman.presence.data(side, range);
        let (other, wait_ns) = match side {
            Side::Video => (Side::Audio, self.join.settings().max_wait_ns),
            Side::Audio => (Side::Video, self.join.settings().max_wait_ns),
        };
        // Of a file the other side may just be read later, unless it is over.
        if self.join.is_over(other) {
            edges.extend(self.watchman.presence.lacks(other, range.0));
        } else if self.join.settings().live {
            edges.extend(self.watchman.presence.lacks(other, range.0.saturating_sub(wait_ns)));
        }
        self.tell(segment, edges);
    }

    /// A side has ended: when the other has, too, what was missing is missed no longer.
    pub(super) fn absent(&mut self, side: Side) {
        let other = if side == Side::Video { Side::Audio } else { Side::Video };
        let presence = &self.watchman.presence;
        let (Some(end_ns), Some(other_ns)) = (presence.end_ns(side), presence.end_ns(other)) else { return };
        let Some(segment) = self.input(side).and_then(|input| input.segment.clone()) else { return };
        if !self.join.is_over(other) {
            return;
        }
        // The shorter side lacks what the longer one has more.
        let (short, at_ns) = if end_ns < other_ns { (side, other_ns) } else { (other, end_ns) };
        let presence = &mut self.watchman.presence;
        let edges = presence.lacks(short, at_ns).into_iter().chain(presence.end(short, at_ns)).collect::<Vec<_>>();
        self.tell(&segment, edges);
    }

    /// A flush: where a side's data ended says nothing of where they go on.
    pub(super) fn forget(&mut self, side: Side) {
        self.watchman.presence.flush(side);
    }

    /// A frame leaves, whose lips were compared with the sound.
    pub(super) fn lips(&mut self, frame: &Frame, running_ns: u64) {
        let Some(lips) = &mut self.watchman.lips else { return };
        let found = || frame.faces.iter().filter_map(|face| face.lip_sync.as_ref());
        let known = found().any(|sync| sync.offset_ms.is_some());
        let edge = if known { lips.push(frame.pts_ns, found()) } else { lips.unknown(frame.pts_ns) };
        let incident = edge.and_then(|edge| self.watchman.told.take(&edge));
        if let Some(incident) = incident {
            self.join.tell(running_ns, Output { running_ns, record: Record::Incident(incident) });
        }
    }

    /// Nothing more will be said of lips.
    pub(super) fn lips_end(&mut self) -> Option<Output> {
        let edge = self.watchman.lips.as_mut()?.end()?;
        let incident = self.watchman.told.take(&edge)?;
        let running_ns = incident.pts_ns;
        Some(Output { running_ns, record: Record::Incident(incident) })
    }
}

impl PolyLips {
    /// Takes what elements before this one say late.
    pub(super) fn late(&self, side: Side, late: Late) {
        let mut state = self.state();
        let Some(segment) = state.input(side).and_then(|input| input.segment.clone()) else {
            gst::warning!(CAT, imp = self, "{late:?} came before a segment");
            return;
        };
        let late = late.in_stream_time(&segment);
        for shot in &late.shots {
            let record = Record::Shot(Shot::of(shot));
            let output = Output { running_ns: running(&segment, shot.end_ns), record };
            state.join.tell(running(&segment, shot.known_ns), output);
        }
        state.tell(&segment, late.edges);
        drop(state);
        self.wake();
    }
}

/// The stream times of a buffer.
pub(super) fn range(segment: &Segment, (start, end): (gst::ClockTime, gst::ClockTime)) -> (u64, u64) {
    (stream(segment, start.nseconds()), stream(segment, end.nseconds()))
}
