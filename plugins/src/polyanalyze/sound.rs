// SPDX-License-Identifier: Apache-2.0
//! The sound as the networks hear it, for whoever keeps evidence.

use std::sync::Mutex;

use gst::prelude::*;
use polygraph_core::results::Heard;

use super::PolyAnalyze;
use super::key_frames::{post, stream_time};
use crate::analyser::lock;
use crate::meta::audio_results;

/// Name of the element message.
pub const SOUND: &str = "polygraph-sound";
/// Samples of a message: half a second.
const SAMPLES: usize = 8000;
/// Pieces whose ranges are so far apart have a hole between them, in nanoseconds.
const HOLE_NS: u64 = 40_000_000;

/// What an element message [`SOUND`] says.
#[derive(Clone, Debug, PartialEq)]
pub struct Sound {
    /// Stream time of the first sample, in nanoseconds.
    pub pts_ns: u64,
    /// Mono at 16 kHz, -1..1, without a hole.
    pub samples: Vec<f32>,
}

impl Sound {
    /// Reads a message; `None` when it is another one.
    pub fn read(message: &gst::message::Element) -> Option<Self> {
        let structure = message.structure().filter(|structure| structure.name() == SOUND)?;
        let bytes = structure.get::<gst::Buffer>("samples").ok()?;
        let bytes = bytes.map_readable().ok()?;
        let samples = bytes.chunks_exact(4).map(|four| f32::from_le_bytes([four[0], four[1], four[2], four[3]]));
        Some(Self { pts_ns: structure.get::<gst::ClockTime>("pts").ok()?.nseconds(), samples: samples.collect() })
    }

    fn write(self) -> gst::Structure {
        let bytes: Vec<u8> = self.samples.iter().flat_map(|sample| sample.to_le_bytes()).collect();
        gst::Structure::builder(SOUND)
            .field("pts", gst::ClockTime::from_nseconds(self.pts_ns))
            .field("samples", gst::Buffer::from_mut_slice(bytes))
            .build()
    }
}

/// Posts what `polyvoice` kept of the sound that passes a pad, while the bin has `key-frames`.
pub(super) fn watch(pad: &gst::Pad, bin: &PolyAnalyze) {
    let bin = bin.downgrade();
    let gatherer = Mutex::new(Gatherer::default());
    pad.add_probe(gst::PadProbeType::BUFFER, move |pad, info| {
        let (Some(bin), Some(buffer)) = (bin.upgrade(), info.buffer()) else { return gst::PadProbeReturn::Ok };
        if bin.property("key-frames") {
            let heard = audio_results(buffer).unwrap_or_default().heard;
            let in_stream = |ns| stream_time(pad, gst::ClockTime::from_nseconds(ns));
            let sounds: Vec<_> = heard.iter().filter_map(|piece| lock(&gatherer).take(piece, in_stream)).collect();
            sounds.into_iter().for_each(|sound| post(&bin, sound.write()));
        }
        gst::PadProbeReturn::Ok
    });
}

/// Puts pieces together.
#[derive(Default)]
struct Gatherer {
    sound: Option<Sound>,
    /// Where the last piece ended, by its buffer's clock.
    end_ns: u64,
}

impl Gatherer {
    /// Takes a piece; gives half a second when it is full, or what there is before a hole.
    fn take(&mut self, piece: &Heard, in_stream: impl Fn(u64) -> Option<u64>) -> Option<Sound> {
        let before = if piece.pts.start_ns.abs_diff(self.end_ns) > HOLE_NS { self.sound.take() } else { None };
        self.end_ns = piece.pts.end_ns;
        if self.sound.is_none() {
            self.sound =
                in_stream(piece.pts.start_ns).map(|pts_ns| Sound { pts_ns, samples: Vec::with_capacity(SAMPLES) });
        }
        let sound = self.sound.as_mut()?;
        sound.samples.extend_from_slice(&piece.samples);
        let full = sound.samples.len() >= SAMPLES;
        before.or_else(|| if full { self.sound.take() } else { None })
    }
}

#[cfg(test)]
mod tests {
    use polygraph_core::results::PtsRange;

    use super::*;

    #[test]
    fn pieces_become_half_seconds_and_a_hole_ends_one() {
        let piece = |start_ms: u64| Heard {
            pts: PtsRange { start_ns: start_ms * 1_000_000, end_ns: (start_ms + 32) * 1_000_000 },
            samples: vec![0.5; 512].into(),
        };
        let mut gatherer = Gatherer::default();
        let mut take = |start_ms| gatherer.take(&piece(start_ms), |ns| Some(ns + 7));
        let full: Vec<_> = (0..16).filter_map(|n| take(n * 32)).collect();
        assert_eq!(full, [Sound { pts_ns: 7, samples: vec![0.5; 8192] }]);
        assert_eq!(take(512), None);
        let short = take(3000).unwrap();
        assert_eq!((short.pts_ns, short.samples.len()), (512_000_007, 512), "what came before the hole");
        assert_eq!(take(3032), None, "what came after it is gathered anew");
    }

    #[test]
    fn a_message_is_read_as_it_was_written() {
        gst::init().unwrap();
        let sound = Sound { pts_ns: 5, samples: vec![0.25, -1.0] };
        let message = gst::message::Element::new(sound.clone().write());
        let gst::MessageView::Element(element) = message.view() else { panic!("another message") };
        assert_eq!(Sound::read(element), Some(sound));
    }
}
