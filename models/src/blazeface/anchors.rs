// SPDX-License-Identifier: Apache-2.0
//! The network's anchors: centres of grid cells, all of the size of the input (SSD with fixed anchor size, as in
//! MediaPipe's face detection graph).

use super::{Detection, SIDE};

/// Values that the network gives for an anchor: a box and six points.
pub(super) const VALUES: usize = 16;
/// Cells of 16 pixels, two anchors each.
pub(super) const FINE: Grid = Grid { cells: 16, anchors_per_cell: 2 };
/// Cells of 32 pixels, six anchors each.
pub(super) const COARSE: Grid = Grid { cells: 8, anchors_per_cell: 6 };

/// Scores are clipped to this before the sigmoid, as in the network's training.
const CLIP: f32 = 100.0;

/// One grid of anchors.
#[derive(Clone, Copy)]
pub(super) struct Grid {
    cells: usize,
    anchors_per_cell: usize,
}

impl Grid {
    /// Anchors of the grid.
    pub const fn anchors(&self) -> usize {
        self.cells * self.cells * self.anchors_per_cell
    }

    /// The anchors that score `threshold` or more, in 0..1 of the network's input. What isn't a number is dropped.
    pub fn decode<'a>(
        self,
        scores: &'a [f32],
        boxes: &'a [f32],
        threshold: f32,
    ) -> impl Iterator<Item = Detection> + 'a {
        let scored = scores.iter().map(|score| sigmoid(*score)).zip(boxes.chunks_exact(VALUES)).enumerate();
        scored.filter_map(move |(anchor, (score, values))| {
            let usable =
                score >= threshold && values.iter().all(|v| v.is_finite()) && values[2] > 0.0 && values[3] > 0.0;
            usable.then(|| self.detection(anchor, score, values))
        })
    }

    fn detection(&self, anchor: usize, score: f32, values: &[f32]) -> Detection {
        let cell = anchor / self.anchors_per_cell;
        let centre = |index: usize| (index as f32 + 0.5) / self.cells as f32;
        let (cx, cy) = (centre(cell % self.cells), centre(cell / self.cells));
        let at = |index: usize| values[index] / SIDE as f32;
        let (w, h) = (at(2), at(3));
        Detection {
            rect: [cx + at(0) - w / 2.0, cy + at(1) - h / 2.0, w, h],
            points: std::array::from_fn(|point| [cx + at(4 + 2 * point), cy + at(5 + 2 * point)]),
            score,
        }
    }
}

fn sigmoid(score: f32) -> f32 {
    1.0 / (1.0 + (-score.clamp(-CLIP, CLIP)).exp())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_896_anchors_in_rows_of_cells() {
        assert_eq!(FINE.anchors() + COARSE.anchors(), 896);
        // Anchor 37 of the fine grid: second of cell 18, the third of the second row.
        let mut scores = vec![-50.0; FINE.anchors()];
        scores[37] = 3.0;
        let boxes: Vec<f32> = [0.0, 0.0, 64.0, 32.0, 16.0, -16.0].iter().chain(&[0.0; 10]).copied().collect();
        let boxes = boxes.repeat(FINE.anchors());
        let found: Vec<_> = FINE.decode(&scores, &boxes, 0.5).collect();
        let (cx, cy) = (2.5 / 16.0, 1.5 / 16.0);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].rect, [cx - 0.125, cy - 0.0625, 0.25, 0.125]);
        assert_eq!(found[0].points[0], [cx + 0.0625, cy - 0.0625]);
        assert_eq!(found[0].points[5], [cx, cy]);
        assert!((found[0].score - 0.9526).abs() < 1e-4);
    }

    #[test]
    fn scores_are_clipped_and_rubbish_is_dropped() {
        let mut scores = vec![f32::NAN; COARSE.anchors()];
        let mut boxes = vec![1.0; COARSE.anchors() * VALUES];
        scores[0] = f32::INFINITY;
        scores[1] = f32::NEG_INFINITY;
        (scores[2], boxes[2 * VALUES + 7]) = (9.0, f32::NAN);
        (scores[3], boxes[3 * VALUES + 2]) = (9.0, -4.0);
        let found: Vec<_> = COARSE.decode(&scores, &boxes, 0.5).collect();
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].score, 1.0);
    }
}
