// SPDX-License-Identifier: Apache-2.0
//! From edges to incidents.

use std::collections::BTreeMap;

use super::{Edge, Fault, FaultKind};
use crate::record::{Incident, IncidentKind, IncidentState, Severity};
use crate::results::Parts;

/// Makes incidents of edges: one for each fault, `open` where it begins and `close` where it is over. Pure.
///
/// They are numbered from 0 by themselves; who has other incidents as well numbers all of them anew.
#[derive(Clone, Debug, Default)]
pub struct Told {
    next: u64,
    open: BTreeMap<FaultKind, u64>,
}

impl Told {
    /// The incident that an edge tells of; `None` for the end of what never began.
    pub fn take(&mut self, edge: &Edge) -> Option<Incident> {
        let incident = match edge.over {
            true => self.open.remove(&edge.kind)?,
            false => {
                let number = self.next;
                self.next += 1;
                self.open.insert(edge.kind, number);
                number
            }
        };
        Some(Incident {
            incident,
            state: if edge.over { IncidentState::Close } else { IncidentState::Open },
            kind: IncidentKind::Fault,
            rule: format!("fault.{}", edge.kind),
            severity: severity(edge.kind),
            pts_ns: edge.known_ns,
            start_ns: edge.start_ns,
            end_ns: edge.end_ns,
            track: None,
            p: None,
            parts: Parts::default(),
            leading: None,
            evidence: Vec::new(),
            message: message(edge),
            networks: Vec::new(),
            fault: Some(Fault { kind: edge.kind, depth: edge.depth, unit: edge.kind.unit().map(str::to_owned) }),
        })
    }
}

/// Somebody has to look now where a viewer sees or hears nothing; a change of format is a note.
fn severity(kind: FaultKind) -> Severity {
    match kind {
        FaultKind::Black
        | FaultKind::Frozen
        | FaultKind::ColourBars
        | FaultKind::MissingVideo
        | FaultKind::Silence
        | FaultKind::MissingAudio => Severity::High,
        FaultKind::PictureSize | FaultKind::FrameRate | FaultKind::TruePeak => Severity::Low,
        FaultKind::LoudnessMomentary
        | FaultKind::LoudnessShortTerm
        | FaultKind::LoudnessIntegrated
        | FaultKind::Clipping
        | FaultKind::PhaseInverted
        | FaultKind::LipSync => Severity::Medium,
    }
}

/// One line for people.
fn message(edge: &Edge) -> String {
    let (depth, detail) = (edge.depth.unwrap_or_default(), edge.detail.as_deref().unwrap_or_default());
    match edge.kind {
        FaultKind::Black => format!("the picture is black ({:.0} % of it)", 100.0 * depth),
        FaultKind::Frozen => "the picture stands still".to_owned(),
        FaultKind::ColourBars => "colour bars are shown".to_owned(),
        FaultKind::PictureSize => format!("the picture's size changed {detail}"),
        FaultKind::FrameRate => format!("the frame rate changed {detail}"),
        FaultKind::MissingVideo => "no picture comes".to_owned(),
        FaultKind::Silence => format!("the sound is silent ({depth:.0} dBFS at most)"),
        FaultKind::LoudnessMomentary => format!("momentary loudness is too high: {depth:.1} LUFS"),
        FaultKind::LoudnessShortTerm => format!("short-term loudness is too high: {depth:.1} LUFS"),
        FaultKind::LoudnessIntegrated => format!("integrated loudness is off its target: {depth:.1} LUFS"),
        FaultKind::TruePeak => format!("the true peak level is too high: {depth:.1} dBTP"),
        FaultKind::Clipping => format!("the sound is clipped ({depth:.0} samples)"),
        FaultKind::PhaseInverted => format!("left and right are in opposite phase (correlation {depth:.2})"),
        FaultKind::MissingAudio => "no sound comes".to_owned(),
        FaultKind::LipSync if depth < 0.0 => format!("the sound is {:.0} ms before the lips", -depth),
        FaultKind::LipSync => format!("the sound is {depth:.0} ms behind the lips"),
    }
}
