// SPDX-License-Identifier: Apache-2.0
//! The last seconds of each mouth, and a strip of its pictures.

use std::collections::VecDeque;

use gstpolygraph::polyanalyze::MouthSeen;
use image::{GrayImage, imageops};
use polygraph_core::results::MOUTH_SIDE;

/// What is kept.
const KEPT_NS: u64 = 10_000_000_000;
/// Mouths of all faces together: ten seconds of eight faces, 8 MB.
const MOST: usize = 640;
/// Pictures of a row, one second.
const COLUMNS: u32 = 8;

/// The last mouths.
#[derive(Debug, Default)]
pub struct Mouths(VecDeque<MouthSeen>);

impl Mouths {
    /// Takes the latest.
    pub fn push(&mut self, mouth: MouthSeen) {
        let now_ns = mouth.pts_ns;
        self.0.push_back(mouth);
        while self.0.len() > MOST || self.0.front().is_some_and(|first| first.pts_ns + KEPT_NS < now_ns) {
            self.0.pop_front();
        }
    }

    /// A face's mouth over some time up to a moment, row by row, the latest last; with the time of the first picture.
    pub fn strip(&self, track: u64, from_ns: u64, to_ns: u64) -> Option<(u64, GrayImage)> {
        let side = MOUTH_SIDE as u32;
        let own = |mouth: &&MouthSeen| mouth.track == track && (from_ns..=to_ns).contains(&mouth.pts_ns);
        let pictures: Vec<_> = self.0.iter().filter(own).collect();
        let first_ns = pictures.first()?.pts_ns;
        let rows = (pictures.len() as u32).div_ceil(COLUMNS);
        let columns = (pictures.len() as u32).min(COLUMNS);
        let mut strip = GrayImage::new(columns * side, rows * side);
        for (n, mouth) in (0_u32..).zip(pictures) {
            let picture = GrayImage::from_raw(side, side, mouth.pixels.clone())?;
            imageops::replace(&mut strip, &picture, i64::from(n % COLUMNS * side), i64::from(n / COLUMNS * side));
        }
        Some((first_ns, strip))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_strip_is_of_one_face_and_in_order() {
        let mut mouths = Mouths::default();
        for n in 0..30_u64 {
            for track in [1, 2] {
                let pixels = vec![(n * 8 + track) as u8; MOUTH_SIDE * MOUTH_SIDE];
                mouths.push(MouthSeen { track, pts_ns: n * 120_000_000, pixels });
            }
        }
        let (first_ns, strip) = mouths.strip(2, 1_200_000_000, 2_400_000_000).unwrap();
        let side = MOUTH_SIDE as u32;
        assert_eq!((first_ns, strip.dimensions()), (1_200_000_000, (8 * side, 2 * side)));
        let at = |n: u32| strip.get_pixel(n % 8 * side + 5, n / 8 * side + 5).0[0];
        assert_eq!([at(0), at(7), at(8), at(10), at(11)], [82, 138, 146, 162, 0]);
        assert!(mouths.strip(3, 0, u64::MAX).is_none());
        mouths.push(MouthSeen { track: 1, pts_ns: 60_000_000_000, pixels: Vec::new() });
        assert_eq!(mouths.0.len(), 1, "ten seconds are kept");
        assert!(mouths.strip(1, 0, u64::MAX).is_none(), "a picture of another size is none");
    }
}
