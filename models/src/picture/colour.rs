// SPDX-License-Identifier: Apache-2.0
//! Y'CbCr to R'G'B' (ITU-R BT.601, BT.709, BT.2020).

use super::Matrix;

/// Factors that turn 8-bit Y'CbCr into R'G'B' of 0..=1.
#[derive(Clone, Copy, Debug)]
pub(super) struct Colour {
    luma: f32,
    black: f32,
    red: f32,
    green_blue: f32,
    green_red: f32,
    blue: f32,
}

impl Colour {
    pub fn new(matrix: Matrix, full_range: bool) -> Self {
        let (kr, kb) = match matrix {
            Matrix::Bt601 => (0.299, 0.114),
            Matrix::Bt709 => (0.2126, 0.0722),
            Matrix::Bt2020 => (0.2627, 0.0593),
        };
        let kg = 1.0 - kr - kb;
        let (black, luma, chroma) =
            if full_range { (0.0, 1.0 / 255.0, 1.0 / 255.0) } else { (16.0, 1.0 / 219.0, 1.0 / 224.0) };
        let (cb, cr) = (2.0 * (1.0 - kb) * chroma, 2.0 * (1.0 - kr) * chroma);
        Self { luma, black, red: cr, green_blue: cb * kb / kg, green_red: cr * kr / kg, blue: cb }
    }

    /// One pixel; what lies outside of the cube of colours is clipped.
    #[inline]
    pub fn rgb(&self, y: f32, cb: f32, cr: f32) -> [f32; 3] {
        let (y, cb, cr) = ((y - self.black) * self.luma, cb - 128.0, cr - 128.0);
        [y + self.red * cr, y - self.green_blue * cb - self.green_red * cr, y + self.blue * cb]
            .map(|v| v.clamp(0.0, 1.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_colour_bars_of_the_standards_come_back() {
        // 100 % red in 8-bit limited range, as the standards' tables give it.
        for (matrix, [y, cb, cr]) in [
            (Matrix::Bt601, [81.0, 90.0, 240.0]),
            (Matrix::Bt709, [63.0, 102.0, 240.0]),
            (Matrix::Bt2020, [74.0, 97.0, 240.0]),
        ] {
            let [r, g, b] = Colour::new(matrix, false).rgb(y, cb, cr);
            assert!(r > 0.99 && g < 0.01 && b < 0.01, "{matrix:?}: {r} {g} {b}");
        }
        assert_eq!(Colour::new(Matrix::Bt709, false).rgb(16.0, 128.0, 128.0), [0.0; 3]);
        assert_eq!(Colour::new(Matrix::Bt709, true).rgb(255.0, 128.0, 128.0), [1.0; 3]);
        let [r, g, b] = Colour::new(Matrix::Bt601, true).rgb(76.0, 85.0, 255.0);
        assert!(r > 0.99 && g < 0.01 && b < 0.01, "{r} {g} {b}");
    }
}
