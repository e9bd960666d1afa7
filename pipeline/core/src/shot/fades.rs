// SPDX-License-Identifier: Apache-2.0
//! Fades to a plain picture and out of it, by the deviation of luma.

use super::Found;
use super::history::History;
use crate::results::TransitionKind;

/// Deviation of luma (0..1) under which a picture is plain: five levels of 255.
const PLAIN: f32 = 0.02;
/// By so much the deviation changes from picture to picture at least.
const STEP: f32 = 1.01;
/// The same picture, darker or lighter, correlates by this with the one before.
const SAME: f32 = 0.9;
/// Pictures that a fade to or from a plain picture has at least, and at most.
const LEAST: u64 = 4;
const MOST: u64 = 60;
/// Plain pictures between two fades that are one boundary.
const BETWEEN: u64 = 30;
/// How far from a fade a cut may lie that is part of it.
const NEAR: u64 = 2;
/// Fades that are remembered, for what is told later.
const KEPT: usize = 8;

/// Where a stream stands.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
enum State {
    /// Pictures are not plain.
    #[default]
    Shown,
    /// They are, since `plain`; `from` is the last picture of the old shot alone.
    Plain { from: u64, plain: u64, told: bool },
    /// They come out of it, `plain` was the last of them.
    Rising { from: u64, plain: u64, last: u64, told: bool },
}

#[derive(Clone, Debug, Default)]
pub(super) struct Fades {
    state: State,
    /// The last picture before the deviation began to fall.
    falling: u64,
    found: Vec<Found>,
}

impl Fades {
    /// Takes the picture of that number, the last one in the history.
    pub(super) fn push(&mut self, history: &History, number: u64) -> Vec<Found> {
        let (Some(now), before) = (history.get(number), number.checked_sub(1).and_then(|n| history.get(n))) else {
            return Vec::new();
        };
        let Some(before) = before else {
            self.falling = number;
            if now.deviation < PLAIN {
                self.state = State::Plain { from: number, plain: number, told: true };
            }
            return Vec::new();
        };
        let is_plain = now.deviation < PLAIN;
        let same = now.correlation > SAME;
        let falls = before.deviation > STEP * now.deviation && (is_plain || same) && number - self.falling < MOST;
        if !falls && !is_plain {
            self.falling = number;
        }
        let mut told = Vec::new();
        match self.state {
            State::Shown if is_plain => {
                self.state = State::Plain { from: self.falling, plain: number, told: false };
            }
            State::Shown => {}
            State::Plain { from, plain, told: false } if is_plain && number - plain > BETWEEN => {
                self.fade(from, plain, plain - from >= LEAST, history, &mut told);
                self.state = State::Plain { from, plain, told: true };
            }
            State::Plain { .. } if is_plain => {}
            State::Plain { from, told, .. } => {
                let last = number;
                self.state = State::Rising { from, plain: number - 1, last, told };
            }
            State::Rising { from, plain, told: old, .. }
                if !is_plain && same && now.deviation > STEP * before.deviation && number - plain < MOST =>
            {
                self.state = State::Rising { from, plain, last: number, told: old };
            }
            State::Rising { .. } => {
                self.rise(history, &mut told);
                self.state = State::Shown;
                if is_plain {
                    self.state = State::Plain { from: self.falling, plain: number, told: false };
                }
            }
        }
        told
    }

    /// The end of a stream.
    pub(super) fn end(&mut self, history: &History) -> Vec<Found> {
        let mut told = Vec::new();
        match self.state {
            State::Shown => {}
            State::Plain { from, plain, told: false } => {
                self.fade(from, plain, plain - from >= LEAST, history, &mut told);
            }
            State::Plain { .. } => {}
            State::Rising { .. } => self.rise(history, &mut told),
        }
        self.state = State::Shown;
        told
    }

    /// A plain picture has come to an end: is there a fade to it, or out of it?
    fn rise(&mut self, history: &History, told: &mut Vec<Found>) {
        let State::Rising { from, plain, last, told: old } = self.state else { return };
        let first = match old {
            true => plain,
            false => from,
        };
        let fell = !old && self.plain_since(history, plain) - from >= LEAST;
        self.fade(first, last, fell || last - plain >= LEAST, history, told);
    }

    /// The first plain picture of those that end at `plain`.
    fn plain_since(&self, history: &History, plain: u64) -> u64 {
        let plains = (0..=plain).rev().take_while(|n| history.get(*n).is_some_and(|picture| picture.deviation < PLAIN));
        plains.last().unwrap_or(plain)
    }

    /// Tells of a fade after the picture `from`, with `to` as its last one or the first of the new shot.
    fn fade(&mut self, from: u64, to: u64, is_one: bool, history: &History, told: &mut Vec<Found>) {
        if !is_one {
            return;
        }
        let most = [from, to].map(|n| history.get(n).map_or(0.0, |picture| picture.deviation));
        let strength = most[0].max(most[1]) / PLAIN;
        let found = Found { kind: TransitionKind::Fade, start: from + 1, end: to.max(from + 1), strength };
        if self.found.len() == KEPT {
            self.found.remove(0);
        }
        self.found.push(found);
        told.push(found);
    }

    /// Whether pictures lie in a fade that was found.
    pub(super) fn touches(&self, start: u64, end: u64) -> bool {
        self.found.iter().any(|fade| fade.touches(start, end, NEAR))
    }

    /// Whether a picture may yet turn out to lie in one.
    pub(super) fn may_touch(&self, at: u64) -> bool {
        match self.state {
            State::Shown => false,
            State::Plain { from, told: false, .. } => at + NEAR > from,
            State::Plain { plain, .. } => at > plain + BETWEEN,
            State::Rising { from, told: false, .. } => at + NEAR > from,
            State::Rising { plain, last, .. } => (plain..=last + NEAR).contains(&at),
        }
    }
}
