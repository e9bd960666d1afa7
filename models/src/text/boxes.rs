// SPDX-License-Identifier: Apache-2.0
//! Boxes of text from the detector's map, as differentiable binarisation makes them (Liao et al., AAAI 2020), for text that lies
//! level: what is tilted by much fills its upright box badly and is left out.

/// From where on a pixel is within text, and a box is one.
const PIXEL: f32 = 0.3;
const BOX: f32 = 0.5;
/// A piece is grown on each side by its area times this by its perimeter, for the network marks the core of a line only.
const GROW: f32 = 1.6;
/// Pixels of the map that a piece has at least, each way.
const LEAST: usize = 3;

/// An upright box in pixels of the map, grown to the whole of the text and within the map.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct TextBox {
    /// Left, top, right and bottom edge.
    pub edges: [f32; 4],
    /// The map's mean within the box before it was grown, 0..1.
    pub score: f32,
}

/// All boxes of a map of `width` columns, row by row.
pub(super) fn boxes(map: &[f32], width: usize) -> Vec<TextBox> {
    let height = map.len() / width.max(1);
    let mut mask = mask(map, width);
    let mut found = Vec::new();
    for at in 0..mask.len() {
        if !mask[at] {
            continue;
        }
        let [left, top, right, bottom] = piece(&mut mask, width, at);
        if right - left < LEAST || bottom - top < LEAST {
            continue;
        }
        let rows = (top..bottom).map(|row| map[row * width + left..row * width + right].iter().sum::<f32>());
        let (w, h) = ((right - left) as f32, (bottom - top) as f32);
        let score = rows.sum::<f32>() / (w * h);
        if score < BOX {
            continue;
        }
        let grown = w * h * GROW / (2.0 * (w + h));
        let edges = [
            (left as f32 - grown).max(0.0),
            (top as f32 - grown).max(0.0),
            (right as f32 + grown).min(width as f32),
            (bottom as f32 + grown).min(height as f32),
        ];
        found.push(TextBox { edges, score });
    }
    found
}

/// Pixels of text, and their neighbours to the right, below and between.
fn mask(map: &[f32], width: usize) -> Vec<bool> {
    let text: Vec<bool> = map.iter().map(|value| *value > PIXEL).collect();
    let is = |at: usize, back: usize| at >= back && text[at - back];
    (0..text.len())
        .map(|at| {
            let inner = !at.is_multiple_of(width);
            text[at] || is(at, width) || inner && (is(at, 1) || is(at, width + 1))
        })
        .collect()
}

/// Takes the piece that touches a pixel out of the mask: its left and top edge, and where it is over.
fn piece(mask: &mut [bool], width: usize, first: usize) -> [usize; 4] {
    let height = mask.len() / width;
    let mut edges = [width, height, 0, 0];
    let mut left_over = vec![first];
    mask[first] = false;
    while let Some(at) = left_over.pop() {
        let (row, column) = (at / width, at % width);
        edges = [edges[0].min(column), edges[1].min(row), edges[2].max(column + 1), edges[3].max(row + 1)];
        for row in row.saturating_sub(1)..(row + 2).min(height) {
            for column in column.saturating_sub(1)..(column + 2).min(width) {
                let near = row * width + column;
                if std::mem::take(&mut mask[near]) {
                    left_over.push(near);
                }
            }
        }
    }
    edges
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A map with filled rectangles (left, top, right, bottom, value).
    fn map(width: usize, height: usize, filled: &[(usize, usize, usize, usize, f32)]) -> Vec<f32> {
        let mut map = vec![0.0; width * height];
        for (left, top, right, bottom, value) in filled {
            for row in *top..*bottom {
                map[row * width + left..row * width + right].fill(*value);
            }
        }
        map
    }

    #[test]
    fn lines_are_grown_to_their_whole_height_and_stay_in_the_map() {
        let found = boxes(&map(160, 64, &[(10, 10, 70, 18, 0.9), (100, 0, 160, 6, 0.8)]), 160);
        // The second lies above the first; the mask is one larger than what was marked, each way.
        let [other, first] = &found[..] else { panic!("{found:?}") };
        let grown = 61.0 * 9.0 * 1.6 / (2.0 * 70.0);
        for (edge, wanted) in first.edges.into_iter().zip([10.0 - grown, 10.0 - grown, 71.0 + grown, 19.0 + grown]) {
            assert!((edge - wanted).abs() < 1e-3, "{first:?}");
        }
        assert!((first.score - 0.9 * 480.0 / 549.0).abs() < 1e-3);
        assert_eq!((other.edges[1], other.edges[2]), (0.0, 160.0));
    }

    #[test]
    fn specks_weak_pieces_and_slanted_ones_are_no_text() {
        let mut slanted = map(160, 160, &[(0, 0, 2, 2, 1.0), (20, 20, 60, 30, 0.4)]);
        for at in 0..100 {
            slanted[(30 + at) * 160 + 50 + at] = 1.0;
        }
        assert_eq!(boxes(&slanted, 160), []);
    }

    #[test]
    fn letters_that_touch_by_a_corner_are_one_piece_and_a_gap_parts_them() {
        let touching = map(64, 32, &[(4, 4, 12, 12, 1.0), (12, 8, 20, 12, 1.0), (30, 4, 40, 12, 1.0)]);
        assert_eq!(boxes(&touching, 64).len(), 2);
    }

    #[test]
    fn an_empty_map_has_none() {
        assert_eq!(boxes(&[], 0), []);
        assert_eq!(boxes(&[0.0; 64], 8), []);
    }
}
