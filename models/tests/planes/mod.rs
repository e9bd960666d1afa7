// SPDX-License-Identifier: Apache-2.0
//! Pictures with memory of their own, for the tests of what is sampled from them.

use polygraph_models::picture::{Matrix, Picture, PixelFormat};

/// Planes with their own memory.
pub struct Planes {
    format: PixelFormat,
    size: (usize, usize),
    planes: [Vec<u8>; 3],
    strides: [usize; 3],
}

impl Planes {
    /// A picture whose bytes come from `value(plane, x, y)`, with `padding` bytes of rubbish after each row.
    pub fn new(
        format: PixelFormat,
        size: (usize, usize),
        padding: usize,
        value: impl Fn(usize, usize, usize) -> u8,
    ) -> Self {
        let chroma = (size.0.div_ceil(2), size.1.div_ceil(2));
        let plane = |width: usize, height: usize, byte: &dyn Fn(usize, usize) -> u8| {
            let row = |y| (0..width + padding).map(move |x| if x < width { byte(x, y) } else { 0xAA });
            (0..height).flat_map(row).collect::<Vec<u8>>()
        };
        let luma = plane(size.0, size.1, &|x, y| value(0, x, y));
        let (planes, strides) = match format {
            PixelFormat::I420 => (
                [
                    luma,
                    plane(chroma.0, chroma.1, &|x, y| value(1, x, y)),
                    plane(chroma.0, chroma.1, &|x, y| value(2, x, y)),
                ],
                [size.0 + padding, chroma.0 + padding, chroma.0 + padding],
            ),
            PixelFormat::Nv12 => (
                [luma, plane(2 * chroma.0, chroma.1, &|x, y| value(1 + x % 2, x / 2, y)), Vec::new()],
                [size.0 + padding, 2 * chroma.0 + padding, 0],
            ),
        };
        Self { format, size, planes, strides }
    }

    pub fn picture(&self) -> Picture<'_> {
        Picture {
            format: self.format,
            width: self.size.0,
            height: self.size.1,
            planes: [&self.planes[0], &self.planes[1], &self.planes[2]],
            strides: self.strides,
            matrix: Matrix::Bt709,
            full_range: false,
            pixel_aspect: 1.0,
        }
    }
}

/// Deterministic noise.
pub fn noise(plane: usize, x: usize, y: usize) -> u8 {
    let mut hash = (plane as u64 * 0x9E37_79B9 + x as u64 * 0x85EB_CA6B + y as u64 * 0xC2B2_AE35) ^ 0x1234_5678;
    hash = (hash ^ (hash >> 15)).wrapping_mul(0x2C1B_3C6D);
    hash = (hash ^ (hash >> 12)).wrapping_mul(0x297A_2D39);
    (hash >> 7) as u8
}

/// BT.709, limited range.
pub fn rgb(y: f64, cb: f64, cr: f64) -> [f64; 3] {
    let (y, cb, cr) = ((y - 16.0) / 219.0, (cb - 128.0) / 224.0, (cr - 128.0) / 224.0);
    [y + 1.5748 * cr, y - 0.187_324 * cb - 0.468_124 * cr, y + 1.8556 * cb].map(|v| v.clamp(0.0, 1.0))
}
