// SPDX-License-Identifier: Apache-2.0
//! Borrowed decoder pictures, and small RGB pictures cut from them without converting the whole.

mod axis;
mod colour;
mod crop;
mod mosaic;
mod overlap;
mod sample;

pub use crop::Square;
pub(crate) use overlap::{common, iou};

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
    /// ITU-R BT.2020, non-constant luminance.
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

/// A rectangle of a picture in luma pixels, from the top left corner of the top left pixel. It may reach over the
/// picture's edge.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Region {
    /// Left edge.
    pub x: f64,
    /// Top edge.
    pub y: f64,
    /// Width, over 0.
    pub w: f64,
    /// Height, over 0.
    pub h: f64,
}

/// What can be wrong with a picture or with what is asked of it.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum PictureError {
    /// Width or height is zero or absurd.
    #[error("a picture of {width}x{height} pixels can't be read; 1x1 to 32768x32768 can")]
    Size {
        /// Width in pixels.
        width: usize,
        /// Height in pixels.
        height: usize,
    },
    /// A row doesn't fit its stride.
    #[error("plane {plane} has {row} bytes a row but a stride of {stride}")]
    Stride {
        /// The plane.
        plane: usize,
        /// Bytes of one row.
        row: usize,
        /// Its stride.
        stride: usize,
    },
    /// A plane is too short.
    #[error("plane {plane} has {found} bytes; {needed} are needed")]
    Plane {
        /// The plane.
        plane: usize,
        /// Bytes that it has.
        found: usize,
        /// Bytes that its rows take.
        needed: usize,
    },
    /// The pixel aspect is no positive number.
    #[error("a pixel aspect of {0} makes no sense")]
    PixelAspect(f32),
    /// The region is no rectangle.
    #[error("region {0:?} is no rectangle: it needs finite edges and an area")]
    Region(Region),
    /// The square is none.
    #[error("{0:?} is no square: it needs finite numbers and an area")]
    Square(Square),
    /// The output doesn't have the size that is asked for.
    #[error("{width}x{height} RGB pixels don't fit an output of {found} values")]
    Output {
        /// Width asked for.
        width: usize,
        /// Height asked for.
        height: usize,
        /// Values of the output.
        found: usize,
    },
}

/// One channel inside a plane.
#[derive(Clone, Copy)]
struct Channel<'a> {
    plane: &'a [u8],
    stride: usize,
    /// Bytes from column to column.
    pixel: usize,
    /// The channel's byte within a pixel.
    offset: usize,
}

/// The largest width and height: what H.265 and AV1 levels allow is under it.
const MAX_SIDE: usize = 32_768;

impl<'a> Picture<'a> {
    /// Whether planes and strides hold what width and height promise.
    ///
    /// # Errors
    /// A [`PictureError`] that says which plane is wrong, and how.
    pub fn check(&self) -> Result<(), PictureError> {
        let (width, height) = (self.width, self.height);
        if width == 0 || height == 0 || width > MAX_SIDE || height > MAX_SIDE {
            return Err(PictureError::Size { width, height });
        }
        if !(self.pixel_aspect.is_finite() && self.pixel_aspect > 0.0) {
            return Err(PictureError::PixelAspect(self.pixel_aspect));
        }
        let (chroma_w, chroma_h) = self.chroma_size();
        let planes: &[(usize, usize)] = match self.format {
            PixelFormat::I420 => &[(width, height), (chroma_w, chroma_h), (chroma_w, chroma_h)],
            PixelFormat::Nv12 => &[(width, height), (2 * chroma_w, chroma_h)],
        };
        for (plane, &(row, rows)) in planes.iter().enumerate() {
            let (stride, found) = (self.strides[plane], self.planes[plane].len());
            if stride < row {
                return Err(PictureError::Stride { plane, row, stride });
            }
            // The last row may end without its padding.
            let needed = stride.saturating_mul(rows - 1).saturating_add(row);
            if found < needed {
                return Err(PictureError::Plane { plane, found, needed });
            }
        }
        Ok(())
    }

    /// The whole picture.
    pub fn region(&self) -> Region {
        Region { x: 0.0, y: 0.0, w: self.width as f64, h: self.height as f64 }
    }

    /// Width and height of the colour-difference planes: half, rounded up.
    fn chroma_size(&self) -> (usize, usize) {
        (self.width.div_ceil(2), self.height.div_ceil(2))
    }

    /// Y', Cb and Cr.
    fn channels(&self) -> [Channel<'a>; 3] {
        let of = |plane: usize, pixel, offset| Channel {
            plane: self.planes[plane],
            stride: self.strides[plane],
            pixel,
            offset,
        };
        match self.format {
            PixelFormat::I420 => [of(0, 1, 0), of(1, 1, 0), of(2, 1, 0)],
            PixelFormat::Nv12 => [of(0, 1, 0), of(1, 2, 0), of(1, 2, 1)],
        }
    }
}

impl Region {
    /// The rectangle, when it has finite edges and an area.
    fn check(&self) -> Result<(), PictureError> {
        let finite = [self.x, self.y, self.w, self.h].iter().all(|v| v.is_finite() && v.abs() < 1e9);
        if finite && self.w > 0.0 && self.h > 0.0 { Ok(()) } else { Err(PictureError::Region(*self)) }
    }
}
