// SPDX-License-Identifier: Apache-2.0
//! The scores of one track.

use std::collections::VecDeque;

use super::MAX_SCORES;

/// One picture's score.
#[derive(Clone, Copy, Debug)]
struct Scored {
    pts_ns: u64,
    logit: f32,
    quality: f32,
}

/// Scores of one track, in the order of their times.
#[derive(Clone, Debug, Default)]
pub(super) struct Scores(VecDeque<Scored>);

impl Scores {
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Time of the last score; 0 without one.
    pub(super) fn last_ns(&self) -> u64 {
        self.0.back().map_or(0, |last| last.pts_ns)
    }

    /// Keeps the scores of the window that ends at `pts_ns`; all go when time went back.
    pub(super) fn keep(&mut self, pts_ns: u64, window_ns: u64) {
        if self.last_ns() > pts_ns {
            self.0.clear();
        }
        while self.0.front().is_some_and(|first| pts_ns - first.pts_ns >= window_ns) {
            self.0.pop_front();
        }
    }

    /// Adds a score whose time isn't before the last one's.
    pub(super) fn push(&mut self, pts_ns: u64, logit: f32, quality: f32) {
        if self.0.back().is_some_and(|last| last.pts_ns == pts_ns) {
            self.0.pop_back();
        } else if self.0.len() >= MAX_SCORES {
            self.0.pop_front();
        }
        self.0.push_back(Scored { pts_ns, logit, quality });
    }

    /// The mean logit of the best part by quality, and how many pictures are in it; of equals the later ones.
    pub(super) fn mean_of_best(&self, part: f32) -> (f32, u32) {
        let count = ((self.0.len() as f32 * part).round() as usize).clamp(1, self.0.len().max(1));
        let mut by_quality: Vec<&Scored> = self.0.iter().rev().collect();
        by_quality.sort_by(|a, b| b.quality.total_cmp(&a.quality));
        by_quality.truncate(count);
        let sum: f64 = by_quality.iter().map(|scored| f64::from(scored.logit)).sum();
        ((sum / by_quality.len().max(1) as f64) as f32, by_quality.len() as u32)
    }
}
