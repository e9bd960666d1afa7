// SPDX-License-Identifier: Apache-2.0
//! The frame rate, by the time between pictures.

use std::collections::VecDeque;

/// Times between pictures that tell of a rate; most of them have to agree.
const MEMORY: usize = 12;
/// How many of them have to.
const AGREE: usize = 10;
/// How far those may be from their median, as a share: stamps of containers are rounded to ms.
const NEAR: f64 = 0.06;

/// Watches the time between pictures.
#[derive(Clone, Debug, Default)]
pub struct FrameRate {
    last_ns: Option<u64>,
    /// When a picture came, and how long after the one before.
    steps: VecDeque<(u64, u64)>,
    known_ns: Option<u64>,
}

impl FrameRate {
    /// Takes a picture. When the rate is another one by more than a share: since when, the rate that was, and the one that is,
    /// in pictures a second.
    pub fn push(&mut self, pts_ns: u64, share: f64) -> Option<(u64, f64, f64)> {
        let last_ns = self.last_ns.replace(pts_ns)?;
        if self.steps.len() == MEMORY {
            self.steps.pop_front();
        }
        self.steps.push_back((last_ns, pts_ns.saturating_sub(last_ns)));
        if self.steps.len() < MEMORY {
            return None;
        }
        let mut sorted: Vec<u64> = self.steps.iter().map(|(_, step)| *step).collect();
        sorted.sort_unstable();
        let median = sorted[MEMORY / 2];
        let near = |step: u64| (step as f64 - median as f64).abs() <= NEAR * median as f64;
        if median == 0 || sorted.iter().filter(|step| near(**step)).count() < AGREE {
            return None;
        }
        let known = *self.known_ns.get_or_insert(median);
        if (known as f64 / median as f64 - 1.0).abs() <= share {
            return None;
        }
        self.known_ns = Some(median);
        let since_ns = self.steps.iter().find(|(_, step)| near(*step)).map_or(pts_ns, |(from_ns, _)| *from_ns);
        Some((since_ns, 1e9 / known as f64, 1e9 / median as f64))
    }

    /// Forgets what was, but not the rate: a jump in time is no change of it.
    pub fn jump(&mut self) {
        self.last_ns = None;
        self.steps.clear();
    }
}
