// SPDX-License-Identifier: Apache-2.0
//! Faults of both senses together: one of them is missing, or they are apart.

use super::limits::ns;
use super::{Edge, FaultKind, Faults, Limits, Span};
use crate::results::{LipSync, SyncReasonNot};
use crate::timeline::Side;

/// Neighbours whose stamps are this far apart still touch: stamps are rounded.
const TOUCH_NS: u64 = 100_000_000;

/// Watches where the data of either side end and go on. Times are running time.
///
/// A side is missed only once it was there: a stream that never had sound lacks nothing.
#[derive(Clone, Debug)]
pub struct Presence {
    faults: Faults,
    limits: Limits,
    video: Place,
    audio: Place,
}

#[derive(Clone, Copy, Debug, Default)]
struct Place {
    /// Where its data end so far; `None` before any came.
    end_ns: Option<u64>,
    /// It has been told that it is missing since then.
    missing: bool,
}

impl Presence {
    /// Looks for these, by these limits.
    pub fn new(faults: Faults, limits: Limits) -> Self {
        Self { faults, limits, video: Place::default(), audio: Place::default() }
    }

    fn parts(&mut self, side: Side) -> (&mut Place, FaultKind, u64) {
        let (place, kind, limit_s) = match side {
            Side::Video => (&mut self.video, FaultKind::MissingVideo, self.limits.missing_video_s),
            Side::Audio => (&mut self.audio, FaultKind::MissingAudio, self.limits.missing_audio_s),
        };
        (place, kind, ns(limit_s))
    }

    /// Data of a side come: says whether they were missing until now.
    pub fn data(&mut self, side: Side, (start_ns, end_ns): (u64, u64)) -> Vec<Edge> {
        let watched =
            self.faults.has(if side == Side::Video { FaultKind::MissingVideo } else { FaultKind::MissingAudio });
        let (place, kind, limit_ns) = self.parts(side);
        let (was_ns, told) = (place.end_ns, std::mem::take(&mut place.missing));
        place.end_ns = Some(was_ns.map_or(end_ns, |was_ns| was_ns.max(end_ns)));
        let Some(was_ns) = was_ns.filter(|_| watched) else { return Vec::new() };
        let hole_ns = start_ns.saturating_sub(was_ns);
        let long = hole_ns > TOUCH_NS && hole_ns >= limit_ns;
        let begin = (long && !told).then(|| edge(kind, false, (was_ns, start_ns), was_ns + limit_ns));
        let end = (long || told).then(|| edge(kind, true, (was_ns, start_ns.max(was_ns)), start_ns.max(was_ns)));
        begin.into_iter().chain(end).collect()
    }

    /// The other side has come to `at_ns`, and nothing of this one's can still come for before: says whether it is missing.
    pub fn lacks(&mut self, side: Side, at_ns: u64) -> Option<Edge> {
        let watched =
            self.faults.has(if side == Side::Video { FaultKind::MissingVideo } else { FaultKind::MissingAudio });
        let (place, kind, limit_ns) = self.parts(side);
        let was_ns = place.end_ns.filter(|_| watched && !place.missing)?;
        if at_ns.saturating_sub(was_ns) < limit_ns {
            return None;
        }
        place.missing = true;
        Some(edge(kind, false, (was_ns, at_ns), at_ns))
    }

    /// The end: what is missing was so until `at_ns`.
    pub fn end(&mut self, side: Side, at_ns: u64) -> Option<Edge> {
        let (place, kind, _) = self.parts(side);
        let was_ns = place.end_ns?;
        std::mem::take(&mut place.missing).then(|| edge(kind, true, (was_ns, at_ns.max(was_ns)), at_ns.max(was_ns)))
    }

    /// Forgets what was, as after a seek.
    pub fn flush(&mut self, side: Side) {
        *self.parts(side).0 = Place::default();
    }

    /// Where the data of a side end; `None` before any came.
    pub fn end_ns(&self, side: Side) -> Option<u64> {
        match side {
            Side::Video => self.video.end_ns,
            Side::Audio => self.audio.end_ns,
        }
    }
}

fn edge(kind: FaultKind, over: bool, (start_ns, end_ns): (u64, u64), known_ns: u64) -> Edge {
    Edge { kind, over, start_ns, end_ns, known_ns, depth: None, detail: None }
}

/// Looks at what frames say of lips and sound; any face whose offset is out of range counts.
///
/// An offset is known of a window of up to six seconds that ends at the picture, so a fault begins up to that much earlier
/// than it is found, and its edges are no better than some seconds.
#[derive(Clone, Debug)]
pub struct LipFaults {
    limits: Limits,
    span: Span,
    last_ns: u64,
}

/// For so long nothing may be known of the offset, and it is taken to be as before: pauses of speech.
const UNKNOWN_NS: u64 = 6_000_000_000;

impl LipFaults {
    /// By these limits.
    pub fn new(limits: Limits) -> Self {
        Self { limits, span: Span::new(FaultKind::LipSync), last_ns: 0 }
    }

    /// Takes what a frame says of its faces; says what begins or ends.
    pub fn push<'a>(&mut self, pts_ns: u64, found: impl Iterator<Item = &'a LipSync>) -> Option<Edge> {
        self.last_ns = pts_ns;
        let known = found.filter(|found| found.reason_not.is_none_or(|reason| reason == SyncReasonNot::LowConfidence));
        let offsets: Vec<f32> = known.filter_map(|found| found.offset_ms).collect();
        let range = -self.limits.lips_early_ms..=self.limits.lips_late_ms;
        let worst = offsets.iter().copied().max_by(|a, b| a.abs().total_cmp(&b.abs()))?;
        let further = |a: f32, b: f32| if b.abs() > a.abs() { b } else { a };
        if offsets.iter().all(|offset| range.contains(&f64::from(*offset))) {
            return self.span.off(pts_ns, 0);
        }
        self.span.on((pts_ns, pts_ns), ns(self.limits.lips_s), Some(worst), further)
    }

    /// Nothing is known at `pts_ns`.
    pub fn unknown(&mut self, pts_ns: u64) -> Option<Edge> {
        self.last_ns = pts_ns;
        self.span.off(pts_ns, UNKNOWN_NS)
    }

    /// Ends what goes on.
    pub fn end(&mut self) -> Option<Edge> {
        self.span.end(self.last_ns)
    }
}
