// SPDX-License-Identifier: Apache-2.0
//! The last pictures, by their numbers.

use std::collections::VecDeque;

use crate::cut::Thumbnail;

/// Pictures that are kept: the longest fade, and what is looked ahead.
const KEPT: usize = 176;
/// Of so many of them the thumbnails are kept, too: the longest window, and what is looked ahead.
const SHOWN: usize = 72;

/// A picture.
#[derive(Clone, Debug)]
pub(super) struct Picture {
    pts_ns: u64,
    /// Where the shot began, if one began with this picture: one that was skipped may have been of it already.
    first_ns: u64,
    /// Difference to the picture before.
    pub(super) difference: f32,
    /// Standard deviation of luma.
    pub(super) deviation: f32,
    /// Correlation of luma with the picture before.
    pub(super) correlation: f32,
    /// `None` of old ones.
    shown: Option<Shown>,
}

/// What a picture shows.
#[derive(Clone, Debug)]
pub(super) struct Shown {
    pub(super) thumbnail: Thumbnail,
    /// Luma without its mean.
    pub(super) luma: Vec<f32>,
}

/// The last pictures of a stream, numbered from 0.
#[derive(Clone, Debug, Default)]
pub(super) struct History {
    pictures: VecDeque<Picture>,
    next: u64,
}

impl History {
    /// Takes a picture, and what was skipped before it; gives its number.
    pub(super) fn push(
        &mut self,
        pts_ns: u64,
        thumbnail: Thumbnail,
        skipped: Option<(u64, Thumbnail)>,
        threshold: f32,
    ) -> u64 {
        let mean = thumbnail.mean();
        let luma: Vec<f32> = thumbnail.luma().iter().map(|luma| luma - mean).collect();
        let deviation = thumbnail.deviation();
        let (mut difference, mut correlation, mut first_ns) = (0.0, 1.0, pts_ns);
        if let Some(before) = self.pictures.back().and_then(|last| last.shown.as_ref()) {
            difference = thumbnail.difference(&before.thumbnail);
            let both = dot(&luma, &before.luma) / luma.len() as f32;
            correlation = both / (deviation * before.thumbnail.deviation()).max(1e-6);
            let new = |skipped: &Thumbnail| skipped.difference(&thumbnail) < skipped.difference(&before.thumbnail);
            if let Some((skipped_ns, _)) = skipped.filter(|(_, skipped)| difference >= threshold / 2.0 && new(skipped))
            {
                first_ns = skipped_ns;
            }
        }
        let shown = Some(Shown { thumbnail, luma });
        self.pictures.push_back(Picture { pts_ns, first_ns, difference, deviation, correlation, shown });
        if self.pictures.len() > KEPT {
            self.pictures.pop_front();
        }
        if let Some(old) = self.pictures.len().checked_sub(SHOWN + 1) {
            self.pictures[old].shown = None;
        }
        self.next += 1;
        self.next - 1
    }

    /// The number of the last picture.
    pub(super) fn last(&self) -> Option<u64> {
        self.next.checked_sub(1)
    }

    pub(super) fn get(&self, number: u64) -> Option<&Picture> {
        let first = self.next - self.pictures.len() as u64;
        self.pictures.get(usize::try_from(number.checked_sub(first)?).ok()?)
    }

    pub(super) fn shown(&self, number: u64) -> Option<&Shown> {
        self.get(number)?.shown.as_ref()
    }

    /// The difference of a picture to the one before it; 0 where that isn't known.
    pub(super) fn difference(&self, number: u64) -> f32 {
        self.get(number).map_or(0.0, |picture| picture.difference)
    }

    /// The difference of two pictures; `None` where one is gone.
    pub(super) fn between(&self, a: u64, b: u64) -> Option<f32> {
        Some(self.shown(a)?.thumbnail.difference(&self.shown(b)?.thumbnail))
    }

    /// When a shot began that begins with this picture.
    pub(super) fn first_ns(&self, number: u64) -> Option<u64> {
        Some(self.get(number)?.first_ns)
    }

    /// PTS of the picture with the greatest contrast among so many from `number` on.
    pub(super) fn richest(&self, number: u64, count: u64) -> Option<u64> {
        let pictures = (number..number + count).filter_map(|number| self.get(number));
        pictures.max_by(|a, b| a.deviation.total_cmp(&b.deviation)).map(|picture| picture.pts_ns)
    }
}

/// Sum of the products.
pub(super) fn dot(a: &[f32], b: &[f32]) -> f32 {
    // Eight sums side by side, which the compiler turns into vectors.
    let mut sums = [0.0f32; 8];
    let (a8, b8) = (a.chunks_exact(8), b.chunks_exact(8));
    let rest: f32 = a8.remainder().iter().zip(b8.remainder()).map(|(a, b)| a * b).sum();
    for (a, b) in a8.zip(b8) {
        sums.iter_mut().zip(a.iter().zip(b)).for_each(|(sum, (a, b))| *sum += a * b);
    }
    rest + sums.iter().sum::<f32>()
}
