// SPDX-License-Identifier: Apache-2.0
//! Dissolves and wipes: what lies between two pictures is made of both.

use super::Found;
use super::cuts::Cuts;
use super::history::{History, Shown, dot};
use super::motion::moving;
use crate::results::TransitionKind;

/// Pictures from one end of a window to the other.
const WINDOWS: [u64; 5] = [6, 10, 16, 26, 42];
/// Least difference of a window's ends.
const LEAST: f32 = 0.3;
/// What of a picture no mixture explains, as a share of the ends' energy: on average, and of the worst one.
const REST: f32 = 0.10;
const WORST_REST: f32 = 0.25;
/// The largest step of a mixture's share from one picture to the next: a larger one is a cut.
const STEP: f32 = 0.42;
/// From here on a picture is of one shot alone.
const PURE: f32 = 0.92;
/// How much of a mixture may go back again.
const BACK: f32 = 0.25;
/// The highest sum of both shares: more is a light that goes on.
const MOST_LIGHT: f32 = 1.35;
/// Energy of the ends: plain ones are a fade's. Five levels of 255.
const NOISE: f32 = 4e-4;
/// 1 - the square of the ends' correlation: under it they are one picture, darker or lighter, and that is a fade's.
const ALIKE: f32 = 0.3;
/// Change of luma from which on a pixel tells the old picture from the new one, and share of the pixels that have to.
const CHANGED: f32 = 0.06;
const MOST_CHANGED: f32 = 0.6;
/// How far pixels of a wipe are from both, as a part of the change: on average, and of the worst picture.
const OFF: f32 = 0.12;
const WORST_OFF: f32 = 0.264;
/// The largest step of a wipe's share.
const WIPE_STEP: f32 = 0.35;
/// Windows that have to see the same transition: chance motion fits one or two.
const SUPPORT: usize = 8;
/// A transition is told when so many pictures went by after its end, or none of the last windows saw it.
const AFTER: u64 = 14;
const SILENT: u64 = 4;
/// Windows that are remembered.
const KEPT: usize = 1024;

/// What a window found.
#[derive(Clone, Copy, Debug)]
struct Seen {
    kind: TransitionKind,
    start: u64,
    end: u64,
    /// Last picture of its window.
    at: u64,
    /// Difference of its ends.
    difference: f32,
    /// What isn't explained.
    rest: f32,
}

impl Seen {
    fn worth(&self) -> f32 {
        self.difference - 2.0 * self.rest
    }

    fn touches(&self, other: &Self) -> bool {
        self.start <= other.end && other.start <= self.end
    }
}

#[derive(Clone, Debug, Default)]
pub(super) struct Gradual {
    seen: Vec<Seen>,
    /// The last picture of the last one that was told.
    told: Option<u64>,
}

impl Gradual {
    /// Looks at the windows that end with the picture `at`.
    pub(super) fn look(&mut self, history: &History, at: u64, cuts: &Cuts, found: &mut Vec<Found>) {
        for width in WINDOWS {
            let Some(from) = at.checked_sub(width) else { break };
            if cuts.any(from + 1, at) {
                break;
            }
            let Some(seen) = window(history, from, at) else { continue };
            if self.told.is_none_or(|told| seen.start > told) {
                self.seen.push(seen);
            }
        }
        if self.seen.len() > KEPT {
            self.seen.drain(..self.seen.len() - KEPT);
        }
        self.tell(
            |group| group.iter().all(|seen| at >= seen.at + SILENT) || group.iter().all(|s| at >= s.end + AFTER),
            found,
        );
    }

    /// The end of a stream: tells what is left.
    pub(super) fn end(&mut self, found: &mut Vec<Found>) {
        self.tell(|_| true, found);
    }

    /// Tells of the transitions that are due, the clearest of overlapping ones first.
    fn tell(&mut self, due: impl Fn(&[Seen]) -> bool, found: &mut Vec<Found>) {
        while let Some(best) = self.seen.iter().max_by(|a, b| a.worth().total_cmp(&b.worth())).copied() {
            let (group, rest): (Vec<_>, Vec<_>) = self.seen.iter().partition(|seen| seen.touches(&best));
            if !due(&group) {
                return;
            }
            self.seen = rest;
            if group.len() < SUPPORT {
                continue;
            }
            let wipes = group.iter().filter(|seen| seen.kind == TransitionKind::Wipe).count();
            let kind = if 2 * wipes > group.len() { TransitionKind::Wipe } else { TransitionKind::Dissolve };
            self.told = self.told.max(Some(best.end));
            found.push(Found { kind, start: best.start, end: best.end, strength: best.difference / LEAST });
        }
    }
}

fn window(history: &History, from: u64, at: u64) -> Option<Seen> {
    let difference = history.between(from, at)?;
    if difference < LEAST {
        return None;
    }
    let pictures: Vec<&Shown> = (from..=at).map(|number| history.shown(number)).collect::<Option<_>>()?;
    let found = dissolve(&pictures).or_else(|| wipe(&pictures));
    let (kind, start, end, rest) = found?;
    // A few pairs in the middle of the transition tell whether it is one.
    let middle = (start + end) / 2;
    if moving(&pictures[middle.saturating_sub(2).max(start.saturating_sub(1))..=(middle + 2).min(end)]) {
        return None;
    }
    Some(Seen { kind, start: from + start as u64, end: from + end as u64, at, difference, rest })
}

type Range = (TransitionKind, usize, usize, f32);

/// Whether each picture is a mixture of the first and the last: the first mixture, the first picture that is none any more, and
/// what isn't explained.
fn dissolve(pictures: &[&Shown]) -> Option<Range> {
    let (first, last) = (&pictures.first()?.luma, &pictures.last()?.luma);
    let (old, new, both) = (dot(first, first), dot(last, last), dot(first, last));
    let determinant = old * new - both * both;
    if determinant < ALIKE * old * new || old.min(new) < NOISE * first.len() as f32 {
        return None;
    }
    let energy = 0.5 * (old + new);
    let (mut shares, mut rest, mut worst) = (Vec::with_capacity(pictures.len()), 0.0, 0.0f32);
    for picture in pictures {
        let (x, with_old, with_new) = (&picture.luma, dot(&picture.luma, first), dot(&picture.luma, last));
        let of_old = (with_old * new - with_new * both) / determinant;
        let of_new = (with_new * old - with_old * both) / determinant;
        // |x - a old - b new|^2, without making the difference.
        let explained = of_old * with_old + of_new * with_new;
        let left = ((dot(x, x) - explained) / energy).max(0.0);
        if left > WORST_REST || of_old + of_new > MOST_LIGHT {
            return None;
        }
        worst = worst.max(left);
        rest += left;
        shares.push((of_old, of_new));
    }
    let rest = rest / (pictures.len() - 2).max(1) as f32;
    let steps = || shares.windows(2).map(|pair| (pair[1].1 - pair[1].0) - (pair[0].1 - pair[0].0));
    let step = steps().fold(0.0f32, |most, step| most.max(step.abs())) / 2.0;
    let back: f32 = steps().map(|step| step.min(0.0)).sum();
    if step > STEP || rest > REST || back < -BACK {
        return None;
    }
    let ends = shares.len() - 1;
    let (mut start, mut end) = (0, ends);
    while start < ends && shares[start + 1].0 > PURE && shares[start + 1].1 < 1.0 - PURE + 0.02 {
        start += 1;
    }
    while end > start && shares[end - 1].1 > PURE && shares[end - 1].0 < 1.0 - PURE + 0.02 {
        end -= 1;
    }
    Some((TransitionKind::Dissolve, start + 1, end, rest))
}

/// Whether each pixel that differs between the first and the last picture is always of one of them, and more and more are of the
/// last.
fn wipe(pictures: &[&Shown]) -> Option<Range> {
    let (first, last) = (pictures.first()?.thumbnail.luma(), pictures.last()?.thumbnail.luma());
    let changed: Vec<usize> = (0..first.len()).filter(|at| (first[*at] - last[*at]).abs() > CHANGED).collect();
    if (changed.len() as f32) < MOST_CHANGED * first.len() as f32 {
        return None;
    }
    let change = changed.iter().map(|at| (first[*at] - last[*at]).abs()).sum::<f32>() / changed.len() as f32;
    let (mut shares, mut rest) = (Vec::with_capacity(pictures.len()), 0.0);
    for picture in pictures {
        let luma = picture.thumbnail.luma();
        let (mut off, mut new) = (0.0, 0);
        for at in &changed {
            let (from_old, from_new) = ((luma[*at] - first[*at]).abs(), (luma[*at] - last[*at]).abs());
            off += from_old.min(from_new);
            new += usize::from(from_new < from_old);
        }
        let off = off / (changed.len() as f32 * change);
        if off > WORST_OFF {
            return None;
        }
        rest += off;
        shares.push(new as f32 / changed.len() as f32);
    }
    let rest = rest / (pictures.len() - 2).max(1) as f32;
    let steps = || shares.windows(2).map(|pair| pair[1] - pair[0]);
    let step = steps().fold(0.0f32, f32::max);
    let back: f32 = steps().map(|step| step.min(0.0)).sum();
    if rest > OFF || step > WIPE_STEP || back < -0.2 {
        return None;
    }
    let ends = shares.len() - 1;
    let (mut start, mut end) = (0, ends);
    while start < ends && shares[start + 1] < 0.06 {
        start += 1;
    }
    while end > start && shares[end - 1] > 0.94 {
        end -= 1;
    }
    Some((TransitionKind::Wipe, start + 1, end, rest))
}
