// SPDX-License-Identifier: Apache-2.0
//! The incidents of a run: each once, as it was told last.

use std::{collections::BTreeMap, fmt};

use super::Clock;
use crate::record::{Incident, IncidentState};

/// Incidents that are listed at most, the first ones.
const LISTED: usize = 20;

/// Each incident as it was told last.
#[derive(Clone, Debug, Default)]
pub struct Told(BTreeMap<u64, Incident>);

impl Told {
    pub(super) fn take(&mut self, incident: &Incident) {
        self.0.insert(incident.incident, incident.clone());
    }

    /// The incidents, in the order in which they began to be told.
    pub fn iter(&self) -> impl Iterator<Item = &Incident> {
        self.0.values()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// There are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Display for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "Incidents: {}", self.len())?;
        for incident in self.iter().take(LISTED) {
            let (start, end) = (Clock(incident.start_ns), Clock(incident.end_ns));
            let severity = incident.severity.as_str();
            let open = if incident.state == IncidentState::Close { "" } else { ", still open" };
            writeln!(f, "  {start} to {end}  {severity}: {}{open}", incident.message)?;
        }
        match self.len().saturating_sub(LISTED) {
            0 => Ok(()),
            more => writeln!(f, "  and {more} more"),
        }
    }
}
