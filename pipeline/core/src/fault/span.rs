// SPDX-License-Identifier: Apache-2.0
//! From a condition that holds or not to where a fault begins and ends.

use super::{Edge, FaultKind};

/// One fault that may come and go, again and again.
///
/// It has begun where the condition first held, once that has lasted for the limit; it is over where the condition last
/// held, once that is longer than `gap` ago: breaks up to that long belong to it.
#[derive(Clone, Debug)]
pub struct Span {
    kind: FaultKind,
    held: Option<Held>,
}

#[derive(Clone, Debug)]
struct Held {
    start_ns: u64,
    end_ns: u64,
    depth: Option<f32>,
    told: bool,
}

impl Span {
    /// Of a kind, with nothing seen.
    pub fn new(kind: FaultKind) -> Self {
        Self { kind, held: None }
    }

    /// Whether it has been told that it goes on.
    pub fn is_open(&self) -> bool {
        self.held.as_ref().is_some_and(|held| held.told)
    }

    /// The condition holds from `start_ns` to `end_ns`; says when it has done so for `limit_ns`. `worse` chooses the depth of
    /// two.
    pub fn on(
        &mut self,
        (start_ns, end_ns): (u64, u64),
        limit_ns: u64,
        depth: Option<f32>,
        worse: fn(f32, f32) -> f32,
    ) -> Option<Edge> {
        let kind = self.kind;
        let held = self.held.get_or_insert(Held { start_ns, end_ns, depth, told: false });
        held.end_ns = held.end_ns.max(end_ns);
        held.depth = match (held.depth, depth) {
            (Some(a), Some(b)) => Some(worse(a, b)),
            (a, b) => a.or(b),
        };
        if held.told || held.end_ns - held.start_ns < limit_ns {
            return None;
        }
        held.told = true;
        Some(held.edge(kind, false, held.end_ns))
    }

    /// The condition doesn't hold at `at_ns`; says when it hasn't for `gap_ns`.
    pub fn off(&mut self, at_ns: u64, gap_ns: u64) -> Option<Edge> {
        let since_ns = self.held.as_ref()?.end_ns;
        if at_ns < since_ns.saturating_add(gap_ns) {
            return None;
        }
        self.end(at_ns)
    }

    /// Ends it now, if it goes on.
    pub fn end(&mut self, at_ns: u64) -> Option<Edge> {
        let held = self.held.take()?;
        held.told.then(|| held.edge(self.kind, true, at_ns.max(held.end_ns)))
    }
}

impl Held {
    fn edge(&self, kind: FaultKind, over: bool, known_ns: u64) -> Edge {
        Edge { kind, over, start_ns: self.start_ns, end_ns: self.end_ns, known_ns, depth: self.depth, detail: None }
    }
}
