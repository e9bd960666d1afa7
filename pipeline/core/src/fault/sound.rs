// SPDX-License-Identifier: Apache-2.0
//! Faults of the sound alone.

use std::collections::VecDeque;

use super::limits::ns;
use super::{Edge, FaultKind, Faults, Limits, Span};
use crate::results::Loudness;

/// Length of a block of sound that is judged, in ms.
pub const BLOCK_MS: u32 = 20;

/// Clipped samples are counted over this time.
const CLIPPING_NS: u64 = 500_000_000;
/// Breaks up to this long belong to clipping: it comes and goes with the waves.
const CLIPPING_GAP_NS: u64 = 1_000_000_000;
/// Breaks up to this long belong to opposite phase: consonants are noise.
const PHASE_GAP_NS: u64 = 300_000_000;
/// Quieter sound has no phase that anybody hears, in dBFS.
const PHASE_DBFS: f32 = -50.0;
/// Breaks up to this long belong to a true peak.
const PEAK_GAP_NS: u64 = 1_000_000_000;
/// The least level that is told, in dBFS.
const QUIETEST: f32 = -120.0;

/// What is measured of a block of sound, all channels together.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Block {
    /// Where it lies.
    pub pts: (u64, u64),
    /// Root mean square of the loudest channel, 0..1.
    pub rms: f32,
    /// Samples in runs of at least three in a row, over all channels, that are at full scale.
    pub clipped: u32,
    /// Sums of left by left, right by right and left by right; `None` unless it is stereo.
    pub stereo: Option<[f32; 3]>,
}

/// What is measured of 100 ms by EBU R 128.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LoudnessSeen {
    /// The 100 ms at whose end this holds.
    pub pts: (u64, u64),
    /// Loudness.
    pub loudness: Loudness,
    /// Highest true peak of any channel within them, in dBTP; `None` where nobody measures it.
    pub true_peak_dbtp: Option<f32>,
}

/// Looks for silence, loudness and true peaks out of range, clipping and opposite phase.
#[derive(Clone, Debug)]
pub struct SoundFaults {
    faults: Faults,
    limits: Limits,
    silence: Span,
    clipping: Clipping,
    phase: Span,
    momentary: Span,
    short_term: Span,
    integrated: Span,
    peak: Span,
    begun_ns: Option<u64>,
    end_ns: u64,
}

#[derive(Clone, Debug)]
struct Clipping {
    span: Span,
    /// Blocks with clipped samples of the last half second.
    recent: VecDeque<(u64, u32)>,
    count: f32,
}

impl SoundFaults {
    /// Looks for these, by these limits.
    pub fn new(faults: Faults, limits: Limits) -> Self {
        Self {
            faults,
            limits,
            silence: Span::new(FaultKind::Silence),
            clipping: Clipping { span: Span::new(FaultKind::Clipping), recent: VecDeque::new(), count: 0.0 },
            phase: Span::new(FaultKind::PhaseInverted),
            momentary: Span::new(FaultKind::LoudnessMomentary),
            short_term: Span::new(FaultKind::LoudnessShortTerm),
            integrated: Span::new(FaultKind::LoudnessIntegrated),
            peak: Span::new(FaultKind::TruePeak),
            begun_ns: None,
            end_ns: 0,
        }
    }

    /// What it looks for.
    pub fn faults(&self) -> Faults {
        self.faults
    }

    /// The limits.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Takes a block and says what begins or ends.
    pub fn block(&mut self, block: &Block) -> Vec<Edge> {
        let mut edges = Vec::new();
        let ((start_ns, end_ns), limits) = (block.pts, self.limits);
        self.end_ns = end_ns;
        if self.faults.has(FaultKind::Silence) {
            let level = (20.0 * block.rms.max(1e-9).log10()).max(QUIETEST);
            edges.extend(match f64::from(level) < limits.silence_dbfs {
                true => self.silence.on(block.pts, ns(limits.silence_s), Some(level), f32::max),
                false => self.silence.off(start_ns, 0),
            });
        }
        if self.faults.has(FaultKind::Clipping) {
            edges.extend(self.clipping.block(block, limits.clipping_samples as u32));
        }
        if self.faults.has(FaultKind::PhaseInverted) {
            edges.extend(self.phase(block));
        }
        edges
    }

    fn phase(&mut self, block: &Block) -> Option<Edge> {
        let [left, right, both] = block.stereo?;
        let (start_ns, limits) = (block.pts.0, self.limits);
        let heard = 20.0 * block.rms.max(1e-9).log10() >= PHASE_DBFS;
        let correlation = both / (left * right).sqrt().max(1e-12);
        // A side that is silent has no phase to be opposite.
        if !heard || left.min(right) < 1e-4 * left.max(right) {
            return self.phase.off(start_ns, PHASE_GAP_NS.max(ns(limits.phase_s)));
        }
        match f64::from(correlation) < limits.phase_correlation {
            true => self.phase.on(block.pts, ns(limits.phase_s), Some(correlation), f32::min),
            false => self.phase.off(start_ns, PHASE_GAP_NS),
        }
    }

    /// Takes loudness and says what begins or ends.
    pub fn loudness(&mut self, seen: &LoudnessSeen) -> Vec<Edge> {
        let limits = self.limits;
        let begun_ns = *self.begun_ns.get_or_insert(seen.pts.0);
        let mut edges = Vec::new();
        let over = |lufs: Option<f32>, limit: f64| lufs.filter(|lufs| f64::from(*lufs) > limit);
        let Loudness { momentary_lufs, short_term_lufs, integrated_lufs } = seen.loudness;
        let away = integrated_lufs.filter(|lufs| {
            let due = seen.pts.1.saturating_sub(begun_ns) >= ns(limits.integrated_after_s);
            due && (f64::from(*lufs) - limits.integrated_lufs).abs() > limits.integrated_lu
        });
        let peak = over(seen.true_peak_dbtp, limits.true_peak_dbtp);
        let watched = [
            (&mut self.momentary, FaultKind::LoudnessMomentary, over(momentary_lufs, limits.momentary_lufs), 0),
            (&mut self.short_term, FaultKind::LoudnessShortTerm, over(short_term_lufs, limits.short_term_lufs), 0),
            (&mut self.integrated, FaultKind::LoudnessIntegrated, away, 0),
            (&mut self.peak, FaultKind::TruePeak, peak, PEAK_GAP_NS),
        ];
        for (span, kind, out, gap_ns) in watched {
            if self.faults.has(kind) {
                edges.extend(match out {
                    // What is under its target is worse the lower it is.
                    Some(value)
                        if kind == FaultKind::LoudnessIntegrated && f64::from(value) < limits.integrated_lufs =>
                    {
                        span.on(seen.pts, 0, Some(value), f32::min)
                    }
                    Some(value) => span.on(seen.pts, 0, Some(value), f32::max),
                    None => span.off(seen.pts.0, gap_ns),
                });
            }
        }
        edges
    }

    /// Nothing of before counts any more, as after a seek or a hole: ends what goes on.
    pub fn restart(&mut self) -> Vec<Edge> {
        self.begun_ns = None;
        self.clipping.recent.clear();
        let at_ns = self.end_ns;
        let spans = [
            &mut self.silence,
            &mut self.clipping.span,
            &mut self.phase,
            &mut self.momentary,
            &mut self.short_term,
            &mut self.integrated,
            &mut self.peak,
        ];
        spans.into_iter().filter_map(|span| span.end(at_ns)).collect()
    }
}

impl Clipping {
    fn block(&mut self, block: &Block, least: u32) -> Option<Edge> {
        let (start_ns, end_ns) = block.pts;
        while self.recent.front().is_some_and(|(then_ns, _)| then_ns + CLIPPING_NS < end_ns) {
            self.recent.pop_front();
        }
        if block.clipped == 0 {
            return self.span.off(start_ns, CLIPPING_GAP_NS);
        }
        self.recent.push_back((start_ns, block.clipped));
        let dense = self.recent.iter().map(|(_, count)| count).sum::<u32>() >= least;
        if !dense && !self.span.is_open() {
            return None;
        }
        // It began with the first of those that are counted.
        let first_ns = self.recent.front().map_or(start_ns, |(first_ns, _)| *first_ns);
        let more = match self.span.is_open() {
            true => block.clipped,
            false => self.recent.iter().map(|(_, count)| count).sum(),
        };
        self.count = if self.span.is_open() { self.count + more as f32 } else { more as f32 };
        self.span.on((first_ns, end_ns), 0, Some(self.count), f32::max)
    }
}
