// SPDX-License-Identifier: Apache-2.0
//! Mean colours of a grid of cells: what a picture looks like from afar, for a fraction of the cost of sampling it.

use std::ops::Range;

use super::{Channel, Picture, PictureError, colour::Colour};

/// As many bytes as a sum of 16 bits holds.
const MOST_ROWS: usize = 257;

impl Picture<'_> {
    /// Mean colours of a grid of `size` (columns, lines) cells that cover the picture: RGB of 0..1, line by line,
    /// three values a cell.
    ///
    /// Unlike in [`Picture::sample`] cells begin and end at whole pixels, and of the rows of each at most `rows` are
    /// read (half as many of the colour differences), evenly spread. Cells smaller than a pixel take that pixel.
    ///
    /// # Errors
    /// [`PictureError`] when the planes or the output don't have the size that they must have.
    pub fn mosaic(&self, size: (usize, usize), rows: usize, out: &mut [f32]) -> Result<(), PictureError> {
        self.check()?;
        let (width, height) = size;
        if width == 0 || height == 0 || width.checked_mul(height).and_then(|n| n.checked_mul(3)) != Some(out.len()) {
            return Err(PictureError::Output { width, height, found: out.len() });
        }
        let (chroma_w, chroma_h) = self.chroma_size();
        let [luma, cb, cr] = self.channels();
        let mut luma = Cells::new(luma, self.width, self.height, size, rows);
        let mut cb = Cells::new(cb, chroma_w, chroma_h, size, rows / 2);
        let mut cr = Cells::new(cr, chroma_w, chroma_h, size, rows / 2);
        let colour = Colour::new(self.matrix, self.full_range);
        for (line, out) in out.chunks_exact_mut(3 * width).enumerate() {
            let means = luma.means(line).iter().zip(cb.means(line)).zip(cr.means(line));
            for (out, ((y, cb), cr)) in out.chunks_exact_mut(3).zip(means) {
                out.copy_from_slice(&colour.rgb(*y, *cb, *cr));
            }
        }
        Ok(())
    }
}

/// One channel, in cells.
struct Cells<'a> {
    channel: Channel<'a>,
    width: usize,
    height: usize,
    lines: usize,
    /// Rows of a cell that are read.
    rows: usize,
    /// Columns of each cell.
    columns: Vec<Range<usize>>,
    /// Columns added up over the rows of a line of cells, and the means of its cells; kept for their memory.
    sums: Vec<u16>,
    means: Vec<f32>,
}

impl<'a> Cells<'a> {
    fn new(channel: Channel<'a>, width: usize, height: usize, size: (usize, usize), rows: usize) -> Self {
        Self {
            channel,
            width,
            height,
            lines: size.1,
            rows: rows.clamp(1, MOST_ROWS),
            columns: (0..size.0).map(|column| cell(column, size.0, width)).collect(),
            sums: Vec::with_capacity(width),
            means: vec![0.0; size.0],
        }
    }

    /// The means of a line of cells, 0..255.
    fn means(&mut self, line: usize) -> &[f32] {
        let Self { channel, columns, sums, means, .. } = self;
        let rows = cell(line, self.lines, self.height);
        let count = rows.len().min(self.rows);
        let bytes = |n: usize| {
            let row = rows.start + (2 * n + 1) * rows.len() / (2 * count);
            &channel.plane[row * channel.stride..][..self.width * channel.pixel]
        };
        sums.clear();
        sums.extend(bytes(0).iter().map(|value| u16::from(*value)));
        for n in 1..count {
            sums.iter_mut().zip(bytes(n)).for_each(|(sum, value)| *sum += u16::from(*value));
        }
        for (mean, columns) in means.iter_mut().zip(columns) {
            let all = &sums[columns.start * channel.pixel..columns.end * channel.pixel];
            let sum: u32 = if channel.pixel == 1 {
                all.iter().map(|sum| u32::from(*sum)).sum()
            } else {
                all.iter().skip(channel.offset).step_by(channel.pixel).map(|sum| u32::from(*sum)).sum()
            };
            *mean = sum as f32 / (count * columns.len()) as f32;
        }
        means
    }
}

/// The pixels of one of `count` cells along a side of `length` pixels; at least one.
fn cell(index: usize, count: usize, length: usize) -> Range<usize> {
    let start = index * length / count;
    start..((index + 1) * length / count).max(start + 1)
}
