// SPDX-License-Identifier: Apache-2.0
//! What is told later than its picture: shot boundaries, and faults of the picture.

use polygraph_core::cut::{CutOptions, Thumbnail};
use polygraph_core::fault::{FaultKind, Faults, PictureFaults, PictureSeen, colour_bars};
use polygraph_core::results::PtsRange;
use polygraph_core::shot::ShotDetector;
use polygraph_models::picture::{Picture, PixelFormat};

use crate::faults::FaultSettings;
use crate::late::Late;

/// Pixels that faults are looked for in, each way: single ones, for means would hide the noise that a picture which lives has.
const GRID: (usize, usize) = (96, 54);

/// The detectors.
#[derive(Default)]
pub(super) struct Lookout {
    shots: Option<ShotDetector>,
    faults: Option<PictureFaults>,
    luma: Vec<f32>,
    /// A jump in time ended these.
    ended: Late,
}

impl Lookout {
    pub(super) fn new(shots: bool, settings: &FaultSettings) -> Self {
        let faults: Faults = settings.faults.kinds().filter(|kind| FaultKind::PICTURE.contains(kind)).collect();
        Self {
            shots: shots.then(ShotDetector::default),
            faults: (!faults.is_empty()).then(|| PictureFaults::new(faults, settings.limits)),
            ..Self::default()
        }
    }

    /// Reads the pixels that faults are looked for in.
    pub(super) fn sample(&mut self, picture: &Picture<'_>) {
        if self.faults.is_some() {
            sample(picture, &mut self.luma);
        }
    }

    /// Takes a picture, whose pixels were sampled: its thumbnail's pixels, RGB of 0..1, and its size and the shape of a pixel.
    pub(super) fn push(
        &mut self,
        pts: PtsRange,
        size: (u32, u32, f32),
        rgb: &[f32],
        thumbnail: Thumbnail,
        options: CutOptions,
    ) -> Late {
        let mut late = std::mem::take(&mut self.ended);
        if let Some(shots) = &mut self.shots {
            shots.set_options(options);
            late.shots.extend(shots.push(pts.start_ns, thumbnail));
        }
        if let Some(faults) = &mut self.faults {
            let bars = faults.wants_bars() && colour_bars(rgb);
            let seen = PictureSeen { pts: (pts.start_ns, pts.end_ns), luma: &self.luma, size, bars };
            late.edges.extend(faults.push(&seen));
        }
        late
    }

    /// A jump in time, or new caps: what goes on has ended.
    pub(super) fn restart(&mut self) {
        let Late { shots, edges } = self.end();
        self.ended.shots.extend(shots);
        self.ended.edges.extend(edges);
    }

    /// The end: all that can still be told.
    pub(super) fn end(&mut self) -> Late {
        let mut late = std::mem::take(&mut self.ended);
        late.shots.extend(self.shots.iter_mut().flat_map(ShotDetector::flush));
        late.edges.extend(self.faults.iter_mut().flat_map(PictureFaults::restart));
        late
    }

    /// A flush: nothing of before is told any more.
    pub(super) fn forget(&mut self) {
        drop(self.end());
    }
}

/// Luma of single pixels all over the picture, 0..1.
fn sample(picture: &Picture<'_>, into: &mut Vec<f32>) {
    into.clear();
    let (offset, range) = if picture.full_range { (0.0, 255.0) } else { (16.0, 219.0) };
    let (columns, rows) = (GRID.0.min(picture.width), GRID.1.min(picture.height));
    for row in 0..rows {
        let at = (2 * row + 1) * picture.height / (2 * rows) * picture.strides[0];
        for column in 0..columns {
            let x = (2 * column + 1) * picture.width / (2 * columns);
            let value = picture.planes[0].get(at + x).copied().unwrap_or_default();
            into.push(((f32::from(value) - offset) / range).clamp(0.0, 1.0));
        }
    }
    debug_assert!(matches!(picture.format, PixelFormat::I420 | PixelFormat::Nv12), "luma comes first in both");
}
