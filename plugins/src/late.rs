// SPDX-License-Identifier: Apache-2.0
//! What is known only later than the picture or the sound that it is about: shot boundaries, and where faults begin and end. It
//! goes downstream as a serialised custom event, `polygraph-late`, before the buffer at which it was known. Its times are PTS.

use polygraph_core::fault::{Edge, FaultKind};
use polygraph_core::results::TransitionKind;
use polygraph_core::shot::Boundary;

use crate::times::{Segment, stream};

/// Name of the event's structure.
const LATE: &str = "polygraph-late";

/// What is known late.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Late {
    /// Shot boundaries.
    pub shots: Vec<Boundary>,
    /// Where faults begin and end.
    pub edges: Vec<Edge>,
}

impl Late {
    /// Whether there is nothing to say.
    pub fn is_empty(&self) -> bool {
        self.shots.is_empty() && self.edges.is_empty()
    }

    /// As an event.
    pub fn event(&self) -> gst::Event {
        let structure = gst::Structure::builder(LATE)
            .field("shots", gst::Array::new(self.shots.iter().map(write_shot)))
            .field("faults", gst::Array::new(self.edges.iter().map(write_edge)))
            .build();
        gst::event::CustomDownstream::new(structure)
    }

    /// Reads an event; `None` when it is another one.
    pub fn read(event: &gst::EventRef) -> Option<Self> {
        let structure = event.structure().filter(|structure| structure.name() == LATE)?;
        fn all<T>(structure: &gst::StructureRef, name: &str, read: fn(&gst::StructureRef) -> Option<T>) -> Vec<T> {
            let list = structure.get::<gst::Array>(name).ok();
            let read = |value: &gst::glib::SendValue| read(value.get::<&gst::StructureRef>().ok()?);
            list.iter().flat_map(|list| list.iter()).filter_map(read).collect()
        }
        Some(Self { shots: all(structure, "shots", read_shot), edges: all(structure, "faults", read_edge) })
    }

    /// The same in stream time.
    pub(crate) fn in_stream_time(mut self, segment: &Segment) -> Self {
        let shift = |ns: &mut u64| *ns = stream(segment, *ns);
        for shot in &mut self.shots {
            let Boundary { start_ns, end_ns, key_ns, known_ns, .. } = shot;
            [start_ns, end_ns, key_ns, known_ns].into_iter().for_each(shift);
        }
        for edge in &mut self.edges {
            let Edge { start_ns, end_ns, known_ns, .. } = edge;
            [start_ns, end_ns, known_ns].into_iter().for_each(shift);
        }
        self
    }
}

fn write_shot(shot: &Boundary) -> gst::Structure {
    gst::Structure::builder("shot")
        .field("kind", shot.kind.as_str())
        .field("start", shot.start_ns)
        .field("end", shot.end_ns)
        .field("key", shot.key_ns)
        .field("known", shot.known_ns)
        .field("strength", shot.strength)
        .build()
}

fn read_shot(structure: &gst::StructureRef) -> Option<Boundary> {
    Some(Boundary {
        kind: TransitionKind::of_name(structure.get::<&str>("kind").ok()?)?,
        start_ns: structure.get("start").ok()?,
        end_ns: structure.get("end").ok()?,
        key_ns: structure.get("key").ok()?,
        known_ns: structure.get("known").ok()?,
        strength: structure.get("strength").ok()?,
    })
}

fn write_edge(edge: &Edge) -> gst::Structure {
    gst::Structure::builder("fault")
        .field("kind", edge.kind.as_str())
        .field("over", edge.over)
        .field("start", edge.start_ns)
        .field("end", edge.end_ns)
        .field("known", edge.known_ns)
        .field_if_some("depth", edge.depth)
        .field_if_some("detail", edge.detail.as_deref())
        .build()
}

fn read_edge(structure: &gst::StructureRef) -> Option<Edge> {
    Some(Edge {
        kind: FaultKind::of_name(structure.get::<&str>("kind").ok()?)?,
        over: structure.get("over").ok()?,
        start_ns: structure.get("start").ok()?,
        end_ns: structure.get("end").ok()?,
        known_ns: structure.get("known").ok()?,
        depth: structure.get("depth").ok(),
        detail: structure.get("detail").ok(),
    })
}
