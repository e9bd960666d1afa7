// SPDX-License-Identifier: Apache-2.0
//! Colour bars, as of SMPTE ECR 1-1978, SMPTE EG 1, ITU-R BT.471 and BT.801: columns of white, yellow, cyan, green, magenta, red
//! and blue, each plain.

use crate::cut::{HEIGHT, WIDTH};

/// Red, green and blue of the bars from left to right, on or off; black may follow.
const ORDER: [[bool; 3]; 7] = [
    [true, true, true],
    [true, true, false],
    [false, true, true],
    [false, true, false],
    [true, false, true],
    [true, false, false],
    [false, false, true],
];
/// Rows of a thumbnail that are looked at: under two thirds, SMPTE's bars have others.
const ROWS: std::ops::Range<usize> = 2..16;
/// How far the pixels of a plain column may be from their mean.
const PLAIN: f32 = 0.08;
/// Columns of a thumbnail that a bar has at least; with eight of them it has six.
const LEAST: usize = 3;

/// Whether a thumbnail of 48x27 RGB pixels in 0..1, row by row, shows colour bars.
pub fn colour_bars(rgb: &[f32]) -> bool {
    if rgb.len() != WIDTH * HEIGHT * 3 {
        return false;
    }
    let columns: Vec<Option<[f32; 3]>> = (0..WIDTH).map(|column| plain(rgb, column)).collect();
    // Columns between two bars are mixtures.
    if columns.iter().flatten().count() < WIDTH * 3 / 4 {
        return false;
    }
    let white = columns.iter().flatten().map(|c| c[0].min(c[1]).min(c[2])).fold(0.0f32, f32::max);
    if white < 0.4 {
        return false;
    }
    let mut runs: Vec<([bool; 3], usize)> = Vec::new();
    for colour in columns.iter().flatten() {
        let Some(bits) = bits(*colour, white) else { continue };
        match runs.last_mut() {
            Some((last, count)) if *last == bits => *count += 1,
            _ => runs.push((bits, 1)),
        }
    }
    runs.retain(|(_, count)| *count >= LEAST);
    let bars: Vec<_> = runs.iter().map(|(bits, _)| *bits).collect();
    let begins = bars.len() >= ORDER.len() && bars[..ORDER.len()] == ORDER;
    let widest = runs.iter().take(ORDER.len()).map(|(_, count)| *count).max().unwrap_or(0);
    begins && widest <= WIDTH / 5 && bars[ORDER.len()..].iter().all(|rest| *rest == [false; 3])
}

/// The colour of a column that is plain.
fn plain(rgb: &[f32], column: usize) -> Option<[f32; 3]> {
    let pixel = |row: usize| &rgb[(row * WIDTH + column) * 3..][..3];
    let mut mean = [0.0; 3];
    for row in ROWS {
        mean.iter_mut().zip(pixel(row)).for_each(|(mean, value)| *mean += value / ROWS.len() as f32);
    }
    let is_plain =
        ROWS.into_iter().all(|row| pixel(row).iter().zip(mean).all(|(value, mean)| (value - mean).abs() <= PLAIN));
    is_plain.then_some(mean)
}

/// Which of red, green and blue are on; `None` for a mixture.
fn bits(colour: [f32; 3], white: f32) -> Option<[bool; 3]> {
    let clear = |value: f32| value < 0.3 * white || value > 0.7 * white;
    colour.into_iter().all(clear).then(|| colour.map(|value| value > 0.5 * white))
}
