// SPDX-License-Identifier: Apache-2.0
//! Faults of the picture alone.

use super::limits::ns;
use super::{Edge, FaultKind, Faults, FrameRate, Limits, Span};

/// A picture that stands still is coded anew now and then, a little differently: one step up to this mean change, and
/// stillness after it, doesn't end a freeze.
const REFRESH: f32 = 0.012;
/// In such a step many pixels change, and few by much: of a clock's digits it is the other way round. Change that is much, most
/// pixels that it may have, change that is any, and least pixels that have it.
const MUCH: f32 = 0.1;
const MOST_MUCH: f32 = 0.005;
const ANY: f32 = 0.002;
const LEAST_ANY: f32 = 0.2;
/// Such steps are at least this far apart.
const REFRESH_NS: u64 = 300_000_000;
/// The least change that is told, in dB.
const STILLEST: f32 = -120.0;

/// What is measured of a picture.
#[derive(Clone, Copy, Debug)]
pub struct PictureSeen<'a> {
    /// When it is shown, and until when.
    pub pts: (u64, u64),
    /// Luma of some hundred to some thousand of its pixels, always the same ones, 0..1.
    pub luma: &'a [f32],
    /// Width and height in pixels, and the width of a pixel by its height.
    pub size: (u32, u32, f32),
    /// It shows colour bars; [`super::colour_bars`].
    pub bars: bool,
}

/// Looks for black, frozen, colour bars, changes of size and of frame rate.
#[derive(Clone, Debug)]
pub struct PictureFaults {
    faults: Faults,
    limits: Limits,
    black: Span,
    frozen: Span,
    bars: Span,
    still: Still,
    size: Option<(u32, u32, f32)>,
    rate: FrameRate,
    end_ns: u64,
}

impl PictureFaults {
    /// Looks for these, by these limits.
    pub fn new(faults: Faults, limits: Limits) -> Self {
        Self {
            faults,
            limits,
            black: Span::new(FaultKind::Black),
            frozen: Span::new(FaultKind::Frozen),
            bars: Span::new(FaultKind::ColourBars),
            still: Still::default(),
            size: None,
            rate: FrameRate::default(),
            end_ns: 0,
        }
    }

    /// What it looks for.
    pub fn faults(&self) -> Faults {
        self.faults
    }

    /// Whether it needs to know of colour bars.
    pub fn wants_bars(&self) -> bool {
        self.faults.has(FaultKind::ColourBars)
    }

    /// Takes a picture and says what begins or ends.
    pub fn push(&mut self, seen: &PictureSeen<'_>) -> Vec<Edge> {
        let mut edges = Vec::new();
        let (start_ns, end_ns) = seen.pts;
        self.end_ns = end_ns.max(start_ns);
        self.format(seen, &mut edges);
        let limits = self.limits;
        let dark = seen.luma.iter().filter(|luma| f64::from(**luma) <= limits.black_luma).count();
        let share = dark as f32 / seen.luma.len().max(1) as f32;
        let black = f64::from(share) >= limits.black_share;
        if self.faults.has(FaultKind::Black) {
            edges.extend(match black {
                true => self.black.on(seen.pts, ns(limits.black_s), Some(share), f32::max),
                false => self.black.off(start_ns, 0),
            });
        }
        if self.faults.has(FaultKind::ColourBars) {
            edges.extend(match seen.bars {
                true => self.bars.on(seen.pts, ns(limits.colour_bars_s), None, f32::max),
                false => self.bars.off(start_ns, 0),
            });
        }
        if self.faults.has(FaultKind::Frozen) {
            // A black picture and colour bars don't move either, and are told as what they are.
            let other = (black && self.faults.has(FaultKind::Black)) || (seen.bars && self.wants_bars());
            self.frozen(seen, other, &mut edges);
        }
        edges
    }

    /// Nothing of before counts any more, as after a seek: ends what goes on.
    pub fn restart(&mut self) -> Vec<Edge> {
        let at_ns = self.end_ns;
        self.still = Still::default();
        self.rate.jump();
        [&mut self.black, &mut self.frozen, &mut self.bars].into_iter().filter_map(|span| span.end(at_ns)).collect()
    }

    fn format(&mut self, seen: &PictureSeen<'_>, edges: &mut Vec<Edge>) {
        let start_ns = seen.pts.0;
        let was = self.size.replace(seen.size);
        let told = |(width, height, shape): (u32, u32, f32)| {
            let shape = if (shape - 1.0).abs() < 1e-3 { String::new() } else { format!(", pixels {shape:.3} wide") };
            format!("{width}x{height}{shape}")
        };
        if let Some(was) = was.filter(|was| *was != seen.size && self.faults.has(FaultKind::PictureSize)) {
            let detail = format!("from {} to {}", told(was), told(seen.size));
            moment(FaultKind::PictureSize, start_ns, start_ns, None, detail, edges);
        }
        if let Some((since_ns, was, is)) = self.rate.push(start_ns, self.limits.frame_rate_share)
            && self.faults.has(FaultKind::FrameRate)
        {
            let detail = format!("from {was:.2} to {is:.2} pictures a second");
            moment(FaultKind::FrameRate, since_ns, start_ns, Some(is as f32), detail, edges);
        }
    }

    fn frozen(&mut self, seen: &PictureSeen<'_>, other: bool, edges: &mut Vec<Edge>) {
        let (start_ns, end_ns) = seen.pts;
        if other {
            self.still = Still::default();
            edges.extend(self.frozen.off(start_ns, 0));
            return;
        }
        let noise = 10f32.powf(self.limits.frozen_db as f32 / 20.0);
        match self.still.push(start_ns, seen.luma, noise) {
            Stood::Since(since_ns, change) => {
                let depth = (20.0 * change.max(1e-9).log10()).max(STILLEST);
                edges.extend(self.frozen.on((since_ns, end_ns), ns(self.limits.frozen_s), Some(depth), f32::min));
            }
            // The next picture tells whether that was a refresh.
            Stood::Perhaps => {}
            Stood::Moved => edges.extend(self.frozen.off(start_ns, 0)),
        }
    }
}

/// Something that happened at a moment: it begins and is over.
fn moment(kind: FaultKind, at_ns: u64, known_ns: u64, depth: Option<f32>, detail: String, edges: &mut Vec<Edge>) {
    let edge =
        |over| Edge { kind, over, start_ns: at_ns, end_ns: at_ns, known_ns, depth, detail: Some(detail.clone()) };
    edges.extend([edge(false), edge(true)]);
}

/// How a picture stands to those before.
enum Stood {
    /// Still since then, with that change from the picture at which it began to stand.
    Since(u64, f32),
    /// A small step from a picture that stood.
    Perhaps,
    Moved,
}

/// The picture that others are held against.
#[derive(Clone, Debug, Default)]
struct Still {
    luma: Vec<f32>,
    at_ns: u64,
    /// When it began to stand still, before refreshes.
    since_ns: u64,
    /// The last refresh.
    refreshed_ns: u64,
    /// Anything stood still since `at_ns`.
    stands: bool,
}

impl Still {
    fn push(&mut self, pts_ns: u64, luma: &[f32], noise: f32) -> Stood {
        if self.luma.len() != luma.len() {
            self.begin(pts_ns, luma, pts_ns);
            return Stood::Moved;
        }
        let sum: f32 = self.luma.iter().zip(luma).map(|(a, b)| (a - b).abs()).sum();
        let change = sum / luma.len().max(1) as f32;
        if change <= noise {
            self.stands = true;
            return Stood::Since(self.since_ns, change);
        }
        let again = pts_ns.saturating_sub(self.refreshed_ns) >= REFRESH_NS;
        let (stood, since_ns) = (self.stands, self.since_ns);
        let share = |by: f32| {
            let changed = self.luma.iter().zip(luma).filter(|(a, b)| (*a - *b).abs() > by).count();
            changed as f32 / luma.len().max(1) as f32
        };
        if stood && again && change <= REFRESH && share(MUCH) <= MOST_MUCH && share(ANY) >= LEAST_ANY {
            self.begin(pts_ns, luma, since_ns);
            self.refreshed_ns = pts_ns;
            return Stood::Perhaps;
        }
        self.begin(pts_ns, luma, pts_ns);
        Stood::Moved
    }

    fn begin(&mut self, pts_ns: u64, luma: &[f32], since_ns: u64) {
        self.luma.clear();
        self.luma.extend_from_slice(luma);
        (self.at_ns, self.since_ns, self.stands) = (pts_ns, since_ns, false);
    }
}
