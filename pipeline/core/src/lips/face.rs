// SPDX-License-Identifier: Apache-2.0
//! One face: how its mouth fits the sound at each offset, and what follows from it.

use std::collections::VecDeque;

use super::{
    Bt1359, Calibration, LEAST_SHARE, REACH, SILENT_STEPS, STEP_NS, Sound, Vector, WINDOWS, WindowCalibration,
    least_spoken,
};
use crate::results::{LipSync, SyncReasonNot};

/// Offsets that are looked at.
const OFFSETS: usize = 2 * REACH as usize + 1;
/// Steps of which likeness is kept: 12 s, for alarms need 10.
const KEPT: usize = 300;
/// Steps over which an offset must be unacceptable for an alarm: 10 s.
const ALARM_STEPS: usize = 250;
/// Windows of a second that speak for a face on average: 3 s.
const SPEAKING_STEPS: usize = 75;

/// How much a mouth changed from one picture to the next: the mean absolute difference of their pixels, in parts of their
/// contrast; 0 for pictures without any. Both are squares of the same size; their outermost pixels are left out.
///
/// A light that changes as a whole is no motion, nor is a picture that slides as a whole: a zoom over a portrait, or a crop
/// that trembles. The slide is taken out to first order (Lucas and Kanade, 1981).
pub fn motion(before: &[u8], after: &[u8]) -> f32 {
    let side = after.len().isqrt();
    if side < 3 || before.len() != after.len() || side * side != after.len() {
        return 0.0;
    }
    let mean = |pixels: &[u8]| pixels.iter().map(|pixel| f32::from(*pixel)).sum::<f32>() / pixels.len() as f32;
    let (from, to) = (mean(before), mean(after));
    let squares = after.iter().map(|pixel| (f32::from(*pixel) - to).powi(2)).sum::<f32>();
    let spread = (squares / after.len() as f32).sqrt();
    if spread < 1.0 {
        return 0.0;
    }
    let both = |at: usize| f32::from(before[at]) + f32::from(after[at]);
    let inner = (1..side - 1).flat_map(|row| (1..side - 1).map(move |column| row * side + column));
    // Change, and slope to the right and downwards, of each pixel.
    let pixels = inner.map(|at| {
        let change = f32::from(after[at]) - to - f32::from(before[at]) + from;
        (change, (both(at + 1) - both(at - 1)) / 4.0, (both(at + side) - both(at - side)) / 4.0)
    });
    let pixels: Vec<(f32, f32, f32)> = pixels.collect();
    let sum = |of: &dyn Fn(&(f32, f32, f32)) -> f32| pixels.iter().map(of).sum::<f32>();
    let (xx, xy, yy) = (sum(&|p| p.1 * p.1), sum(&|p| p.1 * p.2), sum(&|p| p.2 * p.2));
    let (cx, cy) = (sum(&|p| p.0 * p.1), sum(&|p| p.0 * p.2));
    let area = xx * yy - xy * xy;
    // Without slopes in two directions nobody can tell which way it slid.
    let (x, y) =
        if area > 1e-3 * xx * yy { ((cx * yy - cy * xy) / area, (cy * xx - cx * xy) / area) } else { (0.0, 0.0) };
    sum(&|p| (p.0 - x * p.1 - y * p.2).abs()) / pixels.len() as f32 / spread
}

/// Whether a face speaks.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Speaks {
    /// It may, at these odds of fitting what is said.
    Perhaps {
        odds: f32,
        /// It fits so badly that it is no speaker, whoever else there is.
        never: bool,
    },
    /// It does not: the mouth is still.
    No,
    /// Nobody can tell.
    Unknown,
}

/// A step of a face.
#[derive(Clone, Debug)]
struct Seen {
    step: i64,
    vector: Option<Box<Vector>>,
    motion: Option<f32>,
    /// Likeness to the sound at each offset, as far as that has come.
    alike: [Option<f32>; OFFSETS],
}

/// Mean likeness at each offset of a window.
#[derive(Clone, Copy, Debug)]
struct Curve {
    means: [f32; OFFSETS],
    best: usize,
    /// How far the best offset stands out over the median, in parts of how much likeness varies.
    confidence: f32,
}

impl Curve {
    /// Steps by which the sound is late where it fits best.
    fn late(&self) -> i64 {
        self.best as i64 - REACH
    }

    /// The offset in ms, between steps by the parabola through the best one and its neighbours.
    fn offset_ms(&self) -> f32 {
        let best = self.best.clamp(1, OFFSETS - 2);
        let [before, at, after] = [self.means[best - 1], self.means[best], self.means[best + 1]];
        let bend = before - 2.0 * at + after;
        let part = if self.best == best && bend < 0.0 { 0.5 * (before - after) / bend } else { 0.0 };
        (self.best as f32 + part - REACH as f32) * (STEP_NS / 1_000_000) as f32
    }
}

/// One face.
#[derive(Clone, Debug)]
pub(super) struct Face {
    pub(super) track: u64,
    seen: VecDeque<Seen>,
    /// Confident offsets, by step, for the alarm.
    offsets: VecDeque<(i64, f32)>,
}

impl Face {
    pub(super) fn new(track: u64) -> Self {
        Self { track, seen: VecDeque::new(), offsets: VecDeque::new() }
    }

    pub(super) fn see(&mut self, step: i64, vector: Vector) {
        if let Some(seen) = self.at(step) {
            seen.vector = Some(Box::new(vector));
        }
    }

    pub(super) fn moved(&mut self, step: i64, motion: f32) {
        if let Some(seen) = self.at(step) {
            seen.motion = Some(motion);
        }
    }

    /// The place of a step; a step before those that are kept has none.
    fn at(&mut self, step: i64) -> Option<&mut Seen> {
        let behind = self.seen.partition_point(|seen| seen.step < step);
        if self.seen.get(behind).is_none_or(|seen| seen.step != step) {
            if behind == 0 && self.seen.len() >= KEPT {
                return None;
            }
            self.seen.insert(behind, Seen { step, vector: None, motion: None, alike: [None; OFFSETS] });
        }
        let over = self.seen.len().saturating_sub(KEPT);
        self.seen.drain(..over);
        self.seen.get_mut(behind.checked_sub(over)?)
    }

    /// Compares the mouths with the sound that has come since.
    pub(super) fn compare(&mut self, sound: &Sound, now: i64) {
        let oldest = now - WINDOWS[0] as i64 - REACH;
        for seen in self.seen.iter_mut().rev().take_while(|seen| seen.step > oldest) {
            let Some(vector) = &seen.vector else { continue };
            for (alike, offset) in seen.alike.iter_mut().zip(-REACH..) {
                if alike.is_none() {
                    let heard = sound.at(seen.step + offset).and_then(|heard| heard.vector.as_ref());
                    *alike = heard.map(|heard| heard.iter().zip(vector.iter()).map(|(a, b)| a * b).sum());
                }
            }
        }
    }

    /// The last `count` steps up to `now`, the newest first.
    fn last(&self, now: i64, count: usize) -> impl Iterator<Item = &Seen> {
        let kept = self.seen.iter().rev().skip_while(move |seen| seen.step > now);
        kept.take_while(move |seen| seen.step > now - count as i64)
    }

    /// The likeness over the last `count` steps; `None` when there is too little of it at any offset.
    fn curve(&self, now: i64, count: usize) -> Option<Curve> {
        let (mut sums, mut counts, mut squares) = ([0.0; OFFSETS], [0_usize; OFFSETS], 0.0);
        for seen in self.last(now, count) {
            for ((sum, count), alike) in sums.iter_mut().zip(&mut counts).zip(seen.alike) {
                let Some(alike) = alike else { continue };
                *sum += alike;
                squares += alike * alike;
                *count += 1;
            }
        }
        // Sound that is late has yet to come for the newest mouths.
        let least = (LEAST_SHARE * count as f32 - REACH as f32).max(8.0) as usize;
        if counts.iter().any(|count| *count < least) {
            return None;
        }
        let mut means = [0.0; OFFSETS];
        for (mean, (sum, count)) in means.iter_mut().zip(sums.iter().zip(counts)) {
            *mean = sum / count as f32;
        }
        let best = (0..OFFSETS).max_by(|a, b| means[*a].total_cmp(&means[*b]))?;
        let mut sorted = means;
        sorted.sort_by(f32::total_cmp);
        let all = counts.iter().sum::<usize>() as f32;
        let spread = (squares / all - (sums.iter().sum::<f32>() / all).powi(2)).max(1e-6).sqrt();
        Some(Curve { means, best, confidence: (means[best] - sorted[OFFSETS / 2]) / spread })
    }

    /// Mean motion of the mouth over the last `count` steps; `None` when too little is known of it.
    fn motion(&self, now: i64, count: usize) -> Option<f32> {
        let known: Vec<f32> = self.last(now, count).filter_map(|seen| seen.motion).collect();
        let enough = known.len() as f32 >= LEAST_SHARE * count as f32;
        enough.then(|| known.iter().sum::<f32>() / known.len() as f32)
    }

    /// Whether lips and sound belong together, by the longest window that there is.
    pub(super) fn judge(&mut self, calibration: &Calibration, sound: &Sound, now: i64) -> LipSync {
        let not = |steps: usize, reason| LipSync {
            window_ns: steps as u64 * STEP_NS,
            reason_not: Some(reason),
            ..LipSync::default()
        };
        let shortest = WINDOWS[WINDOWS.len() - 1];
        let windows = WINDOWS.into_iter().zip(calibration.windows).filter_map(|(steps, known)| Some((steps, known?)));
        let Some((steps, known, curve)) =
            windows.filter_map(|(steps, known)| Some((steps, known, self.curve(now, steps)?))).next()
        else {
            return not(shortest, SyncReasonNot::TooBrief);
        };
        if sound.spoken(now + 1, steps) < least_spoken(steps) {
            return not(steps, SyncReasonNot::NoSpeech);
        }
        // Of a window that isn't seen through yet, by what there is.
        let motion = [steps, SILENT_STEPS, shortest].into_iter().find_map(|steps| self.motion(now, steps));
        if motion.is_some_and(|motion| motion < calibration.talks) {
            return not(steps, SyncReasonNot::StillMouth);
        }
        self.finding(&known, &curve, now)
    }

    fn finding(&mut self, known: &WindowCalibration, curve: &Curve, now: i64) -> LipSync {
        let confidence = curve.confidence;
        let p = known.mismatch(confidence, curve.late());
        let signs = p >= known.threshold;
        let base =
            LipSync { window_ns: known.steps as u64 * STEP_NS, confidence: Some(confidence), ..LipSync::default() };
        if signs {
            return LipSync { mismatch_p: Some(p), signs: Some(true), ..base };
        }
        // Where a mismatch is as likely as not an offset means nothing.
        if confidence < known.least_confidence || p > 0.5 {
            return LipSync { reason_not: Some(SyncReasonNot::LowConfidence), ..base };
        }
        let offset_ms = curve.offset_ms();
        self.offsets.push_back((now, offset_ms));
        while self.offsets.front().is_some_and(|(step, _)| *step <= now - ALARM_STEPS as i64) {
            self.offsets.pop_front();
        }
        let timing = self.timing(now);
        LipSync { offset_ms: Some(offset_ms), mismatch_p: Some(p), signs: Some(false), timing, ..base }
    }

    /// The class of the offset over ten seconds: their median's, once they were seen through.
    fn timing(&self, now: i64) -> Option<Bt1359> {
        let (first, _) = self.offsets.front()?;
        // The first offset comes of a window that began before it.
        if now - first < ALARM_STEPS as i64 * 9 / 10 - WINDOWS[WINDOWS.len() - 1] as i64 {
            return None;
        }
        let mut offsets: Vec<f32> = self.offsets.iter().map(|(_, offset)| *offset).collect();
        offsets.sort_by(f32::total_cmp);
        Some(Bt1359::of(offsets[offsets.len() / 2]))
    }

    /// Whether this face speaks.
    pub(super) fn speaks(&self, calibration: &Calibration, sound: &Sound, now: i64) -> Speaks {
        let second = WINDOWS[WINDOWS.len() - 1];
        let motion = self.motion(now, SILENT_STEPS).or_else(|| self.motion(now, second));
        if motion.is_some_and(|motion| motion < calibration.still) {
            return Speaks::No;
        }
        if sound.spoken(now + 1, second) < least_spoken(second) {
            return Speaks::Unknown;
        }
        // A second alone says little: the mean over three, or what there is.
        let window = [SPEAKING_STEPS, second].into_iter().find_map(|steps| Some((steps, self.curve(now, steps)?)));
        let Some((steps, curve)) = window else { return Speaks::Unknown };
        let known =
            WINDOWS.into_iter().zip(calibration.windows).find(|(of, _)| *of == steps).and_then(|(_, known)| known);
        let Some(known) = known else { return Speaks::Unknown };
        let p = known.mismatch(curve.confidence, curve.late());
        Speaks::Perhaps { odds: (1.0 - p) / p.max(1e-6), never: p >= known.threshold && steps == SPEAKING_STEPS }
    }
}
