// SPDX-License-Identifier: Apache-2.0
//! Borrowed decoder pictures, and small RGB pictures cut from them without converting the whole.

/// The pixel formats that are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PixelFormat {
    /// Planar 4:2:0, three planes.
    I420,
    /// Semi-planar 4:2:0, two planes.
    Nv12,
}

/// The matrix that turns Y'CbCr into R'G'B'.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Matrix {
    /// ITU-R BT.601.
    Bt601,
    /// ITU-R BT.709.
    Bt709,
    /// ITU-R BT.2020.
    Bt2020,
}

/// A decoder's picture, borrowed: nothing of it is copied.
#[derive(Clone, Copy, Debug)]
pub struct Picture<'a> {
    /// Layout of the planes.
    pub format: PixelFormat,
    /// Width in pixels.
    pub width: usize,
    /// Height in pixels.
    pub height: usize,
    /// The planes; unused ones are empty.
    pub planes: [&'a [u8]; 3],
    /// Bytes from row to row of each plane.
    pub strides: [usize; 3],
    /// Colour matrix.
    pub matrix: Matrix,
    /// Luma spans 0..255 instead of 16..235.
    pub full_range: bool,
    /// Width over height of one pixel (anamorphic video: not 1).
    pub pixel_aspect: f32,
}
