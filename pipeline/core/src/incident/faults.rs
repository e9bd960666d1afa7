// SPDX-License-Identifier: Apache-2.0
//! Incidents of broadcast faults among all others.

use std::collections::BTreeMap;

use super::Ids;
use crate::record::{Incident, IncidentKind, IncidentState};

/// The faults that go on, by the number that they came with.
#[derive(Clone, Debug, Default)]
pub(super) struct Faults {
    open: BTreeMap<u64, Incident>,
    last_ns: u64,
}

impl Faults {
    /// Takes what is told of a fault and gives it its number among all incidents; other incidents are let go.
    pub(super) fn take(&mut self, told: &Incident, ids: &mut Ids) -> Option<Incident> {
        if told.kind != IncidentKind::Fault {
            return None;
        }
        self.last_ns = self.last_ns.max(told.pts_ns);
        let number = match told.state {
            IncidentState::Open => ids.next(),
            IncidentState::Update | IncidentState::Close => self.open.get(&told.incident)?.incident,
        };
        let incident = Incident { incident: number, ..told.clone() };
        match told.state {
            IncidentState::Close => self.open.remove(&told.incident),
            _ => self.open.insert(told.incident, incident.clone()),
        };
        Some(incident)
    }

    /// Closes all that go on: they were last seen at the end.
    pub(super) fn end(&mut self, at_ns: u64) -> Vec<Incident> {
        let at_ns = at_ns.max(self.last_ns);
        let close = |incident: Incident| Incident {
            state: IncidentState::Close,
            pts_ns: at_ns.max(incident.pts_ns),
            end_ns: at_ns.max(incident.end_ns),
            ..incident
        };
        std::mem::take(&mut self.open).into_values().map(close).collect()
    }
}
