// SPDX-License-Identifier: Apache-2.0
//! Small RGB pictures from regions of a decoder's picture.

use std::ops::Range;

use super::{Channel, Picture, PictureError, Region, axis::Axis, colour::Colour};

/// A weighted sum of rows, then of columns: two fractions of 8 bits.
const FRACTION: f32 = 1.0 / 65_536.0;

impl Picture<'_> {
    /// Samples `region` into an RGB picture of `size` (width, height), row by row, three values a pixel.
    ///
    /// Shrinking averages over areas, so that nothing aliases; growing is bilinear. `levels` are the values of black
    /// and white. What lies over the picture's edge is black. Colour differences are taken to be sited at the left
    /// (the default of H.264 and H.265). Only the rows and columns of the region are read, and only the small
    /// picture is converted to RGB.
    ///
    /// # Errors
    /// [`PictureError`] when planes, region or output don't have the size that they must have.
    pub fn sample(
        &self,
        region: &Region,
        size: (usize, usize),
        levels: [f32; 2],
        out: &mut [f32],
    ) -> Result<(), PictureError> {
        self.check()?;
        region.check()?;
        let (width, height) = size;
        if width == 0 || height == 0 || width.checked_mul(height).and_then(|n| n.checked_mul(3)) != Some(out.len()) {
            return Err(PictureError::Output { width, height, found: out.len() });
        }
        let (chroma_w, chroma_h) = self.chroma_size();
        let columns = Axis::new(region.x, region.w, width, self.width);
        let rows = Axis::new(region.y, region.h, height, self.height);
        // Sited left: a colour sample's centre is that of its left luma pixel, so its grid lies 1/4 further left.
        let chroma_columns = Axis::new(region.x / 2.0 + 0.25, region.w / 2.0, width, chroma_w);
        let chroma_rows = Axis::new(region.y / 2.0, region.h / 2.0, height, chroma_h);
        let [luma, cb, cr] = self.channels();
        let colour = Colour::new(self.matrix, self.full_range);

        let mut reader = Reader::default();
        let mut lines = [vec![0.0; width], vec![0.0; width], vec![0.0; width]];
        for (row, out) in out.chunks_exact_mut(3 * width).enumerate() {
            let row_cover = rows.cover[row];
            if row_cover <= 0.0 {
                out.fill(levels[0]);
                continue;
            }
            reader.line(&luma, &rows, row, &columns, &mut lines[0]);
            reader.line(&cb, &chroma_rows, row, &chroma_columns, &mut lines[1]);
            reader.line(&cr, &chroma_rows, row, &chroma_columns, &mut lines[2]);
            let [y, cb, cr] = &lines;
            let pixels = y.iter().zip(cb).zip(cr).zip(&columns.cover);
            for (out, (((y, cb), cr), column_cover)) in out.chunks_exact_mut(3).zip(pixels) {
                let gain = (levels[1] - levels[0]) * row_cover * column_cover;
                for (out, value) in out.iter_mut().zip(colour.rgb(*y, *cb, *cr)) {
                    *out = levels[0] + gain * value;
                }
            }
        }
        Ok(())
    }

    /// The same as planes R, G and B `[3, height, stride]`, as networks want them; columns from the width on are 0.
    ///
    /// # Errors
    /// Those of [`Picture::sample`].
    pub fn planes(
        &self,
        region: &Region,
        size: (usize, usize),
        stride: usize,
        levels: [f32; 2],
    ) -> Result<Vec<f32>, PictureError> {
        let (width, height) = size;
        let mut mixed = vec![0.0; 3 * width * height];
        self.sample(region, size, levels, &mut mixed)?;
        let plane = stride * height;
        let mut planes = vec![0.0; 3 * plane];
        for (row, pixels) in mixed.chunks_exact(3 * width).enumerate() {
            for (column, rgb) in pixels.chunks_exact(3).enumerate() {
                for (channel, value) in rgb.iter().enumerate() {
                    planes[channel * plane + row * stride + column] = *value;
                }
            }
        }
        Ok(planes)
    }
}

/// The sum of rows that is being made; kept between rows for its memory.
#[derive(Default)]
struct Reader {
    sum: Vec<u16>,
}

impl Reader {
    /// One row of the output for one channel, 0..255.
    fn line(&mut self, channel: &Channel<'_>, rows: &Axis, row: usize, columns: &Axis, out: &mut [f32]) {
        let span = columns.span();
        self.sum_rows(channel, rows, row, &span);
        // Known counts of taps are unrolled: 2 to 6 are what 360p to 1080p need.
        match columns.taps {
            2 => fixed::<2>(&self.sum, columns, span.start, out),
            3 => fixed::<3>(&self.sum, columns, span.start, out),
            4 => fixed::<4>(&self.sum, columns, span.start, out),
            5 => fixed::<5>(&self.sum, columns, span.start, out),
            6 => fixed::<6>(&self.sum, columns, span.start, out),
            _ => any(&self.sum, columns, span.start, out),
        }
    }

    /// Adds up the weighted rows of one sample, only over the columns in `span`; of several channels one is kept.
    fn sum_rows(&mut self, channel: &Channel<'_>, rows: &Axis, row: usize, span: &Range<usize>) {
        let (start, weights, _) = rows.sample(row);
        let bytes = span.start * channel.pixel..span.end * channel.pixel;
        self.sum.clear();
        self.sum.resize(bytes.len(), 0);
        for (tap, &weight) in weights.iter().enumerate().filter(|(_, weight)| **weight > 0) {
            let line = &channel.plane[(start + tap) * channel.stride..][bytes.clone()];
            for (sum, value) in self.sum.iter_mut().zip(line) {
                *sum += u16::from(*value) * weight;
            }
        }
        if channel.pixel > 1 {
            for column in 0..span.len() {
                self.sum[column] = self.sum[column * channel.pixel + channel.offset];
            }
            self.sum.truncate(span.len());
        }
    }
}

/// The weighted sum of `TAPS` columns for each sample.
fn fixed<const TAPS: usize>(sums: &[u16], columns: &Axis, origin: usize, out: &mut [f32]) {
    let (weights, _) = columns.weights.as_chunks::<TAPS>();
    for ((out, start), weights) in out.iter_mut().zip(&columns.starts).zip(weights) {
        let (sums, _) = sums[start - origin..].as_chunks::<TAPS>();
        let sum: u32 = sums[0].iter().zip(weights).map(|(sum, weight)| u32::from(*sum) * u32::from(*weight)).sum();
        *out = sum as f32 * FRACTION;
    }
}

/// The same for any count of taps.
fn any(sums: &[u16], columns: &Axis, origin: usize, out: &mut [f32]) {
    let weights = columns.weights.chunks_exact(columns.taps);
    for ((out, start), weights) in out.iter_mut().zip(&columns.starts).zip(weights) {
        let sums = &sums[start - origin..];
        let sum: u32 = sums.iter().zip(weights).map(|(sum, weight)| u32::from(*sum) * u32::from(*weight)).sum();
        *out = sum as f32 * FRACTION;
    }
}
