// SPDX-License-Identifier: Apache-2.0
//! Rotated squares cut from a decoder's picture: what networks that look at faces are given.
//!
//! The training of these networks cuts its pictures by the same rules, number by number; a difference here is a
//! difference in what the network sees. `tests/crop.rs` holds the rules against this.

use super::{Channel, Picture, PictureError, colour::Colour};

/// A sample of the output is the mean of at most this many samples each way.
const MOST_SAMPLES: usize = 8;
/// Bits behind the point of coordinates that are stepped through a picture: a thousand steps are off by nothing.
const POINT: u32 = 32;
/// Bits of a bilinear weight.
const WEIGHT: u32 = 11;
/// Coordinates farther out make no sense, and would not fit.
const FARTHEST: f64 = 1e8;

/// A square in shown pixels: those of the picture with their width stretched by the pixel aspect.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Square {
    /// Its centre, from the top left corner of the picture.
    pub centre: [f64; 2],
    /// Its side, over 0.
    pub side: f64,
    /// How far it is turned, clockwise as it is seen, in radians.
    pub angle: f64,
}

impl Square {
    /// The square of a face: around the centre of the detector's box `[x, y, w, h]`, `scale` times the mean of its sides
    /// long, and turned by the line of the eyes. `right_eye` is the eye at the left of an upright picture. All in 0..1
    /// of the picture.
    pub fn of_face(
        picture: &Picture<'_>,
        [x, y, w, h]: [f32; 4],
        right_eye: [f32; 2],
        left_eye: [f32; 2],
        scale: f64,
    ) -> Self {
        let (width, height) = (picture.width as f64 * f64::from(picture.pixel_aspect), picture.height as f64);
        let shown = |x: f32, y: f32| [f64::from(x) * width, f64::from(y) * height];
        let (corner, size) = (shown(x, y), shown(w, h));
        let (right, left) = (shown(right_eye[0], right_eye[1]), shown(left_eye[0], left_eye[1]));
        Self {
            centre: [corner[0] + size[0] / 2.0, corner[1] + size[1] / 2.0],
            side: scale * (size[0] + size[1]) / 2.0,
            angle: (left[1] - right[1]).atan2(left[0] - right[0]),
        }
    }

    /// Whether it is a square, and one whose places in the picture's own pixels can be reckoned with.
    fn check(&self, aspect: f64) -> Result<(), PictureError> {
        let Self { centre: [x, y], side, angle } = *self;
        let farthest = [(x.abs() + side) / aspect, y.abs() + side, angle.abs()];
        let sound = side > 0.0 && farthest.iter().all(|number| *number < FARTHEST);
        if sound { Ok(()) } else { Err(PictureError::Square(*self)) }
    }

    /// Where a point of the square lies, `u` and `v` from -0.5 to 0.5 along its sides.
    fn at(&self, u: f64, v: f64) -> [f64; 2] {
        let (sin, cos) = self.angle.sin_cos();
        [self.centre[0] + self.side * (u * cos - v * sin), self.centre[1] + self.side * (u * sin + v * cos)]
    }
}

impl Picture<'_> {
    /// Samples a square into an RGB picture of `size` pixels each way: planes R, G and B, 0..=1.
    ///
    /// Each pixel is the mean of k x k bilinear samples, k the square's side over `size`, rounded up, from 1 to 8, so
    /// that nothing aliases. The picture's edge pixels go on outside of it. Colour differences are taken to be sited at
    /// the left; Y'CbCr is averaged and converted after.
    ///
    /// Gives the part of the output's pixels whose centres lie outside of the picture, 0..=1.
    ///
    /// # Errors
    /// [`PictureError`] when planes or output don't have the size that they must have, or the square is none.
    pub fn crop(&self, square: &Square, size: usize, out: &mut [f32]) -> Result<f32, PictureError> {
        self.check()?;
        square.check(f64::from(self.pixel_aspect))?;
        if size == 0 || size.checked_mul(size).and_then(|n| n.checked_mul(3)) != Some(out.len()) {
            return Err(PictureError::Output { width: size, height: size, found: out.len() });
        }
        let samples = ((square.side / size as f64).ceil() as usize).clamp(1, MOST_SAMPLES);
        let grid = Grid { square, size, samples, aspect: f64::from(self.pixel_aspect) };
        let [luma, cb, cr] = self.channels();
        let chroma = self.chroma_size();
        let (mut y, mut c) = (vec![[0; 1]; size], vec![[0; 2]; size]);
        let colour = Colour::new(self.matrix, self.full_range);
        let weight = 1.0 / ((1_u64 << (2 * WEIGHT)) as f32 * (samples * samples) as f32);
        let (red, rest) = out.split_at_mut(size * size);
        let (green, blue) = rest.split_at_mut(size * size);
        for row in 0..size {
            // Sample (0, 0) lies half a pixel in; that of a colour difference where its left luma sample is.
            grid.row(row, [1.0, 0.5, 1.0, 0.5], (self.width, self.height), &[luma], &mut y);
            grid.row(row, [0.5, 0.25, 0.5, 0.5], chroma, &[cb, cr], &mut c);
            for (column, ([y], [cb, cr])) in y.iter().zip(&c).enumerate() {
                let at = row * size + column;
                let [cb, cr, y] = [*cb, *cr, *y].map(|sum| sum as f32 * weight);
                [red[at], green[at], blue[at]] = colour.rgb(y, cb, cr);
            }
        }
        Ok(grid.outside(self.width as f64, self.height as f64))
    }
}

impl Picture<'_> {
    /// Samples the luma of a square into `size` pixels each way, row by row, as [`Picture::crop`] does it, and stretches
    /// a limited range to 0..=255.
    ///
    /// # Errors
    /// Those of [`Picture::crop`].
    pub fn crop_luma(&self, square: &Square, size: usize, out: &mut [u8]) -> Result<(), PictureError> {
        self.check()?;
        square.check(f64::from(self.pixel_aspect))?;
        if size == 0 || size.checked_mul(size) != Some(out.len()) {
            return Err(PictureError::Output { width: size, height: size, found: out.len() });
        }
        let samples = ((square.side / size as f64).ceil() as usize).clamp(1, MOST_SAMPLES);
        let grid = Grid { square, size, samples, aspect: f64::from(self.pixel_aspect) };
        let [luma, ..] = self.channels();
        let weight = 1.0 / ((1_u64 << (2 * WEIGHT)) as f32 * (samples * samples) as f32);
        let (black, gain) = if self.full_range { (0.0, 1.0) } else { (16.0, 255.0 / 219.0) };
        let mut sums = vec![[0; 1]; size];
        for (row, out) in out.chunks_exact_mut(size).enumerate() {
            grid.row(row, [1.0, 0.5, 1.0, 0.5], (self.width, self.height), &[luma], &mut sums);
            for (out, [sum]) in out.iter_mut().zip(&sums) {
                // Saturates, and rounds.
                *out = ((*sum as f32 * weight - black) * gain + 0.5) as u8;
            }
        }
        Ok(())
    }
}

/// The samples of a square.
struct Grid<'a> {
    square: &'a Square,
    /// Pixels of the output each way.
    size: usize,
    /// Samples of each pixel each way.
    samples: usize,
    aspect: f64,
}

impl Grid<'_> {
    /// Adds up the samples of one row of the output, of channels that lie on the same grid: `x * factor - shift` is the
    /// place in a channel of a place in the picture's pixels.
    fn row<const N: usize>(
        &self,
        row: usize,
        [x_factor, x_shift, y_factor, y_shift]: [f64; 4],
        (width, height): (usize, usize),
        channels: &[Channel<'_>; N],
        sums: &mut [[u64; N]],
    ) {
        let fine = (self.size * self.samples) as f64;
        let (sin, cos) = self.square.angle.sin_cos();
        let step = self.square.side / fine;
        let (x_factor, last) = (x_factor / self.aspect, [width, height].map(|length| fixed((length - 1) as f64)));
        let steps = [fixed(step * cos * x_factor), fixed(step * sin * y_factor)];
        sums.fill([0; N]);
        for line in row * self.samples..(row + 1) * self.samples {
            let [x, y] = self.square.at(0.5 / fine - 0.5, (line as f64 + 0.5) / fine - 0.5);
            // Half of the last bit that counts: the weights are rounded, not cut off.
            let half = 1 << (POINT - WEIGHT - 1);
            let at = [fixed(x * x_factor - x_shift) + half, fixed(y * y_factor - y_shift) + half];
            // A line is straight: with both of its ends, all of it has neighbours on the right and below.
            let end = [0, 1].map(|axis| at[axis] + steps[axis] * (self.size * self.samples - 1) as i64);
            if [at, end].iter().all(|at| (0..2).all(|axis| (0..last[axis]).contains(&at[axis]))) {
                self.line(at, steps, sums, |at| inner(at, channels));
            } else {
                self.line(at, steps, sums, |at| outer(at, last, channels));
            }
        }
    }

    /// Adds up one line of samples.
    #[inline]
    fn line<const N: usize>(
        &self,
        mut at: [i64; 2],
        steps: [i64; 2],
        sums: &mut [[u64; N]],
        value: impl Fn([i64; 2]) -> [u32; N],
    ) {
        for sum in sums.iter_mut() {
            for _ in 0..self.samples {
                for (sum, value) in sum.iter_mut().zip(value(at)) {
                    *sum += u64::from(value);
                }
                at = [at[0] + steps[0], at[1] + steps[1]];
            }
        }
    }

    /// The part of the output's pixels whose centres lie outside of the picture.
    fn outside(&self, width: f64, height: f64) -> f32 {
        let inside = |u: f64, v: f64| {
            let [x, y] = self.square.at(u, v);
            (0.0..width).contains(&(x / self.aspect)) && (0.0..height).contains(&y)
        };
        // A square is convex, and so is the picture.
        if [(-0.5, -0.5), (0.5, -0.5), (-0.5, 0.5), (0.5, 0.5)].into_iter().all(|(u, v)| inside(u, v)) {
            return 0.0;
        }
        let centre = |n: usize| (n as f64 + 0.5) / self.size as f64 - 0.5;
        let pixels = (0..self.size).flat_map(|row| (0..self.size).map(move |column| (centre(column), centre(row))));
        let outside = pixels.filter(|(u, v)| !inside(*u, *v)).count();
        outside as f32 / (self.size * self.size) as f32
    }
}

/// Whole and fractional part of a coordinate, the latter as a weight.
#[inline]
fn split(at: i64) -> (usize, u32) {
    ((at >> POINT) as usize, (at >> (POINT - WEIGHT)) as u32 & ((1 << WEIGHT) - 1))
}

/// The bilinear value between four neighbours, in units of two weights.
#[inline]
fn blend([a, b, c, d]: [u8; 4], x: u32, y: u32) -> u32 {
    let across = |left: u8, right: u8| u32::from(left) * ((1 << WEIGHT) - x) + u32::from(right) * x;
    across(a, b) * ((1 << WEIGHT) - y) + across(c, d) * y
}

/// The values of channels at a place that has neighbours on the right and below: most places of most faces, and half the
/// work.
#[inline]
fn inner<const N: usize>(at: [i64; 2], channels: &[Channel<'_>; N]) -> [u32; N] {
    let ((left, x), (upper, y)) = (split(at[0]), split(at[1]));
    let mut values = [0; N];
    for (value, Channel { plane, stride, pixel, offset }) in values.iter_mut().zip(channels) {
        let first = upper * stride + left * pixel + offset;
        let (above, below) = (&plane[first..=first + pixel], &plane[first + stride..=first + stride + pixel]);
        *value = blend([above[0], above[*pixel], below[0], below[*pixel]], x, y);
    }
    values
}

/// The same at any place, which is first moved onto the picture.
#[inline]
fn outer<const N: usize>(at: [i64; 2], last: [i64; 2], channels: &[Channel<'_>; N]) -> [u32; N] {
    let ((left, x), (upper, y)) = (split(at[0].clamp(0, last[0])), split(at[1].clamp(0, last[1])));
    let [right, lower] = [(left, last[0]), (upper, last[1])].map(|(at, last)| (at + 1).min(split(last).0));
    let mut values = [0; N];
    for (value, Channel { plane, stride, pixel, offset }) in values.iter_mut().zip(channels) {
        let at = |column: usize, row: usize| plane[row * stride + column * pixel + offset];
        *value = blend([at(left, upper), at(right, upper), at(left, lower), at(right, lower)], x, y);
    }
    values
}

/// A coordinate with its point fixed.
fn fixed(value: f64) -> i64 {
    (value * (1_u64 << POINT) as f64).round() as i64
}
