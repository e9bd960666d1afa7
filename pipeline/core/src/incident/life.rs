// SPDX-License-Identifier: Apache-2.0
//! The life of one incident: from a condition at each moment to `open`, `update` and `close`.

use super::{Ids, Options};
use crate::record::{Incident, IncidentKind, IncidentState, Severity};
use crate::results::{NetworkRef, Part, Parts};

/// A probability that rose by less isn't worth an update.
const WORTH_TELLING: f32 = 0.01;

/// How a condition stands at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Level {
    /// It holds.
    Above,
    /// It wouldn't begin an incident, and one that has begun goes on.
    Between,
    /// It doesn't hold.
    Below,
    /// Nobody knows.
    Unknown,
}

/// What is seen at one moment.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) pts_ns: u64,
    pub(crate) p: Option<f32>,
    pub(crate) parts: Parts,
    pub(crate) leading: Option<Part>,
    pub(crate) severity: Severity,
}

/// What an incident's tellings have in common, and who numbers them.
pub(crate) struct Teller<'a> {
    pub(crate) ids: &'a mut Ids,
    pub(crate) rule: &'a str,
    pub(crate) track: Option<u64>,
    pub(crate) options: &'a Options,
    pub(crate) networks: &'a [NetworkRef],
}

/// A condition that may become an incident, again and again, one at a time.
#[derive(Clone, Debug)]
pub(crate) struct Life {
    kind: IncidentKind,
    /// How long it has to hold before it is an incident.
    confirm_ns: u64,
    /// Since when it holds, when it is no incident yet, and when that was last seen.
    pending_ns: Option<(u64, u64)>,
    open: Option<Open>,
}

/// An incident that goes on.
#[derive(Clone, Debug)]
struct Open {
    incident: Incident,
    /// When it was told of last.
    told_ns: u64,
    /// As it was told last.
    told: (Option<f32>, Parts, Severity),
    /// When anything was known last.
    known_ns: u64,
}

impl Open {
    fn take(&mut self, seen: &Seen) {
        let incident = &mut self.incident;
        if incident.p.is_none() || seen.p > incident.p {
            incident.p = seen.p;
            incident.leading = seen.leading.or(incident.leading);
        }
        incident.parts = incident.parts.highest(seen.parts);
        incident.severity = incident.severity.max(seen.severity);
    }

    /// What can change is the highest so far, so a difference is a rise.
    fn is_worth_telling(&self) -> bool {
        let rose = |now: Option<f32>, told: Option<f32>| match (now, told) {
            (Some(now), Some(told)) => now - told >= WORTH_TELLING,
            (now, told) => now.is_some() && told.is_none(),
        };
        let Incident { p, parts, severity, .. } = &self.incident;
        let (told_p, told_parts, told_severity) = &self.told;
        severity != told_severity
            || rose(*p, *told_p)
            || Part::ALL.into_iter().any(|part| rose(parts.get(part), told_parts.get(part)))
    }

    fn tell(&mut self, state: IncidentState, pts_ns: u64, message: &dyn Fn(&Incident) -> String) -> Incident {
        self.incident.state = state;
        self.incident.pts_ns = pts_ns;
        self.incident.message = message(&self.incident);
        self.told_ns = pts_ns;
        self.told = (self.incident.p, self.incident.parts, self.incident.severity);
        self.incident.clone()
    }
}

impl Life {
    pub(crate) fn new(kind: IncidentKind, confirm_ns: u64) -> Self {
        Self { kind, confirm_ns, pending_ns: None, open: None }
    }

    /// When the incident that is open began.
    pub(crate) fn since_ns(&self) -> Option<u64> {
        self.open.as_ref().map(|open| open.incident.start_ns)
    }

    /// Whether it is or may become an incident.
    pub(crate) fn is_idle(&self) -> bool {
        self.open.is_none() && self.pending_ns.is_none()
    }

    /// What is to be told at this moment, if anything.
    pub(crate) fn step(
        &mut self,
        level: Level,
        seen: &Seen,
        teller: &mut Teller<'_>,
        message: &dyn Fn(&Incident) -> String,
    ) -> Option<Incident> {
        let Some(open) = &mut self.open else { return self.begin(level, seen, teller, message) };
        let options = teller.options;
        if level != Level::Unknown {
            open.known_ns = seen.pts_ns;
        }
        if matches!(level, Level::Above | Level::Between) {
            open.incident.end_ns = seen.pts_ns;
            open.take(seen);
        }
        let unseen_ns = seen.pts_ns - open.incident.end_ns;
        let lost = seen.pts_ns - open.known_ns >= options.lost_ns;
        if lost || (level == Level::Below && unseen_ns >= options.close_ns) {
            return self.close(seen.pts_ns, message);
        }
        let due = seen.pts_ns - open.told_ns >= options.update_ns;
        (due && open.is_worth_telling()).then(|| open.tell(IncidentState::Update, seen.pts_ns, message))
    }

    /// Ends it, if it goes on.
    pub(crate) fn close(&mut self, pts_ns: u64, message: &dyn Fn(&Incident) -> String) -> Option<Incident> {
        self.pending_ns = None;
        self.open.take().map(|mut open| open.tell(IncidentState::Close, pts_ns, message))
    }

    fn begin(
        &mut self,
        level: Level,
        seen: &Seen,
        teller: &mut Teller<'_>,
        message: &dyn Fn(&Incident) -> String,
    ) -> Option<Incident> {
        let stale = |last_ns: u64| seen.pts_ns - last_ns > teller.options.close_ns;
        match level {
            Level::Above => {}
            // A picture in which the face wasn't looked at breaks nothing.
            Level::Unknown => {
                self.pending_ns = self.pending_ns.filter(|(_, last_ns)| !stale(*last_ns));
                return None;
            }
            Level::Between | Level::Below => {
                self.pending_ns = None;
                return None;
            }
        }
        let start_ns =
            self.pending_ns.filter(|(_, last_ns)| !stale(*last_ns)).map_or(seen.pts_ns, |(start_ns, _)| start_ns);
        self.pending_ns = Some((start_ns, seen.pts_ns));
        if seen.pts_ns - start_ns < self.confirm_ns {
            return None;
        }
        self.pending_ns = None;
        let incident = Incident {
            incident: teller.ids.next(),
            state: IncidentState::Open,
            kind: self.kind,
            rule: teller.rule.to_owned(),
            severity: seen.severity,
            pts_ns: seen.pts_ns,
            start_ns,
            end_ns: seen.pts_ns,
            track: teller.track,
            p: seen.p,
            parts: seen.parts,
            leading: seen.leading,
            evidence: Vec::new(),
            message: String::new(),
            networks: teller.networks.to_vec(),
            fault: None,
        };
        let told = (seen.p, seen.parts, seen.severity);
        let mut open = Open { incident, told_ns: seen.pts_ns, told, known_ns: seen.pts_ns };
        let told = open.tell(IncidentState::Open, seen.pts_ns, message);
        self.open = Some(open);
        Some(told)
    }
}
