// SPDX-License-Identifier: Apache-2.0
//! Cuts, looked at when some pictures after them are known.

use std::collections::VecDeque;

use super::fades::Fades;
use super::history::History;
use super::motion::panned;
use super::{Found, LOOK};
use crate::cut::CutOptions;
use crate::results::TransitionKind;

/// How much more two pictures must differ than others around them.
const CONTRAST: f32 = 3.0;
/// Differences before it that a cut is held against.
const MEMORY: u64 = 25;
/// A picture that comes back after a flash differs by less than this part of the threshold.
const SAME: f32 = 0.6;
/// Neighbours on both sides that differ by less than a cut.
const AROUND: u64 = 2;
/// Cuts that are remembered, for what looks back.
const KEPT: usize = 64;

/// The cuts of the last pictures.
#[derive(Clone, Debug, Default)]
pub(super) struct Cuts {
    /// The first picture of the new shot, and the difference.
    cuts: VecDeque<(u64, f32)>,
    /// Those from here on haven't been told.
    told: usize,
    threshold: f32,
}

impl Cuts {
    /// Looks at a picture, after which `ahead` others are known.
    pub(super) fn look(&mut self, history: &History, at: u64, ahead: u64, options: &CutOptions) {
        self.threshold = options.threshold;
        let difference = history.difference(at);
        if at == 0 || difference < options.threshold || !stands_out(history, at, ahead, options) {
            return;
        }
        let pan = |at: u64| Some(panned(history.shown(at - 1)?, history.shown(at)?));
        if flash(history, at, ahead, options) || pan(at) == Some(true) {
            return;
        }
        let soon = |from: u64| {
            let then = history.first_ns(from).zip(history.first_ns(at));
            then.is_some_and(|(then_ns, now_ns)| now_ns.saturating_sub(then_ns) < options.min_shot_ns)
        };
        match self.cuts.back_mut() {
            // Of two that are too near the clearer one is it.
            Some(last) if soon(last.0) => {
                if difference > last.1 && self.told < self.cuts.len() {
                    self.cuts.pop_back();
                    self.cuts.push_back((at, difference));
                }
            }
            _ => self.cuts.push_back((at, difference)),
        }
        if self.cuts.len() > KEPT {
            self.cuts.pop_front();
            self.told = self.told.saturating_sub(1);
        }
    }

    /// Whether any is among these pictures.
    pub(super) fn any(&self, from: u64, to: u64) -> bool {
        self.cuts.iter().any(|(at, _)| (from..=to).contains(at))
    }

    /// Those that can be told, `at` being the last picture that was looked at: none will take their place, and no fade that goes
    /// on may turn out to be what they are.
    pub(super) fn due(&mut self, at: u64, fades: &Fades) -> Vec<Found> {
        let mut found = Vec::new();
        while let Some((cut, difference)) = self.cuts.get(self.told).copied() {
            // As many as a shot has at least.
            if at < cut + LOOK / 2 || fades.may_touch(cut) {
                break;
            }
            self.told += 1;
            if !fades.touches(cut, cut) {
                found.push(self.found(cut, difference));
            }
        }
        found
    }

    /// All that are left.
    pub(super) fn end(&mut self, fades: &Fades) -> Vec<Found> {
        let left: Vec<_> = self.cuts.iter().skip(self.told).copied().collect();
        self.told = self.cuts.len();
        left.into_iter().filter(|(cut, _)| !fades.touches(*cut, *cut)).map(|(cut, d)| self.found(cut, d)).collect()
    }

    fn found(&self, at: u64, difference: f32) -> Found {
        let strength = difference / self.threshold.max(f32::EPSILON);
        Found { kind: TransitionKind::Cut, start: at, end: at, strength }
    }
}

/// Whether two pictures differ much more than those before and after them.
fn stands_out(history: &History, at: u64, ahead: u64, options: &CutOptions) -> bool {
    let difference = history.difference(at);
    let around = (at.saturating_sub(AROUND).max(1)..=at + AROUND.min(ahead)).map(|near| history.difference(near));
    if around.fold(0.0, f32::max) > difference {
        return false;
    }
    // A step that was no cut doesn't deafen.
    let most = options.threshold / 2.0;
    let before: Vec<f32> = (at.saturating_sub(MEMORY).max(1)..at).map(|at| history.difference(at).min(most)).collect();
    let mut after: Vec<f32> = (at + 1..=at + ahead).map(|at| history.difference(at)).collect();
    after.sort_by(f32::total_cmp);
    // The next cut may be among them.
    after.truncate((after.len() * 3 / 4).max(1));
    let mean = |values: &[f32]| if values.is_empty() { 0.0 } else { values.iter().sum::<f32>() / values.len() as f32 };
    difference >= CONTRAST * mean(&before).max(mean(&after).min(most))
}

/// Whether what was shown before is shown again, or what is shown now was shown before: a flash, or its end.
fn flash(history: &History, at: u64, ahead: u64, options: &CutOptions) -> bool {
    let limit = SAME * options.threshold;
    let same = |a: u64, b: u64| history.between(a, b).is_some_and(|difference| difference < limit);
    (1..=ahead).any(|later| same(at - 1, at + later)) || (2..=LOOK.min(at)).any(|sooner| same(at, at - sooner))
}
