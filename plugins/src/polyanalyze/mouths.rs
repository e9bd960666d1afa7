// SPDX-License-Identifier: Apache-2.0
//! The mouths that lip-sync and lip-reading look at, some of them, for whoever keeps evidence.

use std::collections::BTreeMap;

use polygraph_core::results::Mouth;

/// Name of the element message.
pub const MOUTH: &str = "polygraph-mouth";
/// From one picture of a mouth to the next, in nanoseconds: a syllable has one at least.
const INTERVAL_NS: u64 = 120_000_000;

/// What an element message [`MOUTH`] says.
#[derive(Clone, Debug, PartialEq)]
pub struct MouthSeen {
    /// Whose.
    pub track: u64,
    /// Stream time of the picture, in nanoseconds.
    pub pts_ns: u64,
    /// Luma of [`polygraph_core::results::MOUTH_SIDE`] by as many pixels, row by row.
    pub pixels: Vec<u8>,
}

impl MouthSeen {
    /// Reads a message; `None` when it is another one.
    pub fn read(message: &gst::message::Element) -> Option<Self> {
        let structure = message.structure().filter(|structure| structure.name() == MOUTH)?;
        Some(Self {
            track: structure.get("track").ok()?,
            pts_ns: structure.get::<gst::ClockTime>("pts").ok()?.nseconds(),
            pixels: structure.get::<gst::Buffer>("pixels").ok()?.map_readable().ok()?.to_vec(),
        })
    }

    pub(super) fn write(self) -> gst::Structure {
        gst::Structure::builder(MOUTH)
            .field("track", self.track)
            .field("pts", gst::ClockTime::from_nseconds(self.pts_ns))
            .field("pixels", gst::Buffer::from_mut_slice(self.pixels))
            .build()
    }
}

/// When each face's mouth was last taken.
#[derive(Default)]
pub(super) struct Sieve(BTreeMap<u64, u64>);

impl Sieve {
    /// The mouths whose turn it is, up to eight a second of each face.
    pub(super) fn pass(&mut self, pts_ns: u64, mouths: Vec<Mouth>) -> Vec<MouthSeen> {
        // Tracks end, and ids are never used again; after a seek everything is due.
        self.0.retain(|_, last_ns| last_ns.abs_diff(pts_ns) < INTERVAL_NS);
        let due: Vec<_> = mouths.into_iter().filter(|mouth| !self.0.contains_key(&mouth.track)).collect();
        self.0.extend(due.iter().map(|mouth| (mouth.track, pts_ns)));
        due.into_iter().map(|Mouth { track, pixels }| MouthSeen { track, pts_ns, pixels: pixels.to_vec() }).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_face_has_its_turn_eight_times_a_second() {
        let mut sieve = Sieve::default();
        let mouth = |track| Mouth { track, pixels: vec![9; 4].into() };
        let passed = (0..25_u64).map(|n| sieve.pass(n * 40_000_000, vec![mouth(1), mouth(2)]).len()).sum::<usize>();
        assert_eq!(passed, 2 * 9);
    }

    #[test]
    fn a_message_is_read_as_it_was_written() {
        gst::init().unwrap();
        let seen = MouthSeen { track: 3, pts_ns: 5, pixels: vec![1, 2, 3, 4] };
        let message = gst::message::Element::new(seen.clone().write());
        let gst::MessageView::Element(element) = message.view() else { panic!("another message") };
        assert_eq!(MouthSeen::read(element), Some(seen));
    }
}
