// SPDX-License-Identifier: Apache-2.0
//! How light skin looks in a picture: a proxy by which false alarms can be parted, not a property of a person.

use serde::Serialize;

/// Lightness and tone of a patch of skin, as lit and as encoded.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Skin {
    /// CIE L* (1976), 0..100.
    pub lightness: f64,
    /// Individual typology angle in degrees (Chardon, Cretois and Hourseau, 1991): over 55 very light, under -30 dark.
    pub ita: f64,
}

impl Skin {
    /// Of an sRGB colour (IEC 61966-2-1), each 0..1, under its own white D65.
    pub fn of_srgb(rgb: [f64; 3]) -> Self {
        let [r, g, b] = rgb.map(|v| if v <= 0.04045 { v / 12.92 } else { ((v + 0.055) / 1.055).powf(2.4) });
        let y = 0.2126 * r + 0.7152 * g + 0.0722 * b;
        let z = (0.0193 * r + 0.1192 * g + 0.9505 * b) / 1.0890;
        let f = |t: f64| if t > 0.008_856 { t.cbrt() } else { 7.787 * t + 16.0 / 116.0 };
        let lightness = 116.0 * f(y) - 16.0;
        let b = 200.0 * (f(y) - f(z));
        Self { lightness, ita: (lightness - 50.0).atan2(b).to_degrees() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_colours_have_their_lightness() {
        assert!((Skin::of_srgb([1.0; 3]).lightness - 100.0).abs() < 0.01);
        assert!((Skin::of_srgb([119.0 / 255.0; 3]).lightness - 50.0).abs() < 0.1);
        // sRGB (255, 0, 0) is L* 53.24, b* 67.22.
        let red = Skin::of_srgb([1.0, 0.0, 0.0]);
        assert!((red.lightness - 53.24).abs() < 0.05, "{red:?}");
        assert!((red.ita - (3.24f64 / 67.22).atan().to_degrees()).abs() < 0.1, "{red:?}");
    }

    #[test]
    fn lighter_skin_has_a_greater_angle() {
        let light = Skin::of_srgb([0.96, 0.83, 0.75]);
        let dark = Skin::of_srgb([0.33, 0.22, 0.16]);
        assert!(light.ita > 41.0 && dark.ita < -30.0, "{light:?} {dark:?}");
    }
}
