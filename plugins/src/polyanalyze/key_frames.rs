// SPDX-License-Identifier: Apache-2.0
//! Small copies of the pictures that are analysed, for whoever keeps evidence.

use std::sync::Mutex;

use gst::prelude::*;
use gst_video::prelude::*;
use gst_video::{VideoConverter, VideoFormat, VideoFrameRef, VideoInfo};
use image::codecs::jpeg::JpegEncoder;
use image::imageops::{self, FilterType};
use image::{ExtendedColorType, RgbImage};

use polygraph_core::results::VideoResults;

use super::PolyAnalyze;
use super::mouths::Sieve;
use crate::analyser::lock;
use crate::meta::video_results;

/// Name of the element message.
pub const KEY_FRAME: &str = "polygraph-key-frame";
/// Between two key frames, in nanoseconds of stream time.
const INTERVAL_NS: u64 = 500_000_000;
/// So long it waits for a picture that was searched for faces, whose boxes are known.
const LONGEST_NS: u64 = 2_000_000_000;
/// Height of a key frame at most; the width follows, and is bounded for very wide pictures.
const HEIGHT: u32 = 360;
const MOST_WIDTH: u32 = 1280;
/// Patches of a blurred key frame, from top to bottom.
const PATCHES: u32 = 12;
/// JPEG quality, of 100.
const QUALITY: u8 = 80;

/// What an element message [`KEY_FRAME`] says.
#[derive(Clone, Debug, PartialEq)]
pub struct KeyFrame {
    /// Stream time of the picture, in nanoseconds.
    pub pts_ns: u64,
    /// A JPEG file: the picture as the analysers saw it, upright, square pixels, 360 high at most.
    pub picture: Vec<u8>,
}

impl KeyFrame {
    /// Reads a message; `None` when it is another one.
    pub fn read(message: &gst::message::Element) -> Option<Self> {
        let structure = message.structure().filter(|structure| structure.name() == KEY_FRAME)?;
        Some(Self {
            pts_ns: structure.get::<gst::ClockTime>("pts").ok()?.nseconds(),
            picture: structure.get::<gst::Buffer>("picture").ok()?.map_readable().ok()?.to_vec(),
        })
    }

    fn write(self) -> gst::Structure {
        gst::Structure::builder(KEY_FRAME)
            .field("pts", gst::ClockTime::from_nseconds(self.pts_ns))
            .field("picture", gst::Buffer::from_mut_slice(self.picture))
            .build()
    }
}

/// Posts a key frame of what passes a pad, twice a second at most, and its mouths, while the bin has `key-frames`.
pub(super) fn watch(pad: &gst::Pad, bin: &PolyAnalyze) {
    let bin = bin.downgrade();
    let state = Mutex::new((Taker::default(), Sieve::default()));
    pad.add_probe(gst::PadProbeType::BUFFER, move |pad, info| {
        let (Some(bin), Some(buffer)) = (bin.upgrade(), info.buffer()) else { return gst::PadProbeReturn::Ok };
        if bin.property("key-frames")
            && let Some(pts_ns) = buffer.pts().and_then(|pts| stream_time(pad, pts))
        {
            let known = video_results(buffer).unwrap_or_default();
            let blur = bin.property("blur-unsafe");
            let (taken, mouths) = {
                let (taker, sieve) = &mut *lock(&state);
                let taken = taker.take(pad, buffer, pts_ns, &known, blur);
                (taken, sieve.pass(pts_ns, known.faces.and_then(|faces| faces.mouths).unwrap_or_default()))
            };
            match taken {
                Some(Ok(frame)) => post(&bin, frame.write()),
                Some(Err(why)) => gst::warning!(gst::CAT_RUST, obj = bin, "no key frame: {why}"),
                None => {}
            }
            mouths.into_iter().for_each(|mouth| post(&bin, mouth.write()));
        }
        gst::PadProbeReturn::Ok
    });
}

/// Where a buffer's time lies in its stream, in nanoseconds.
pub(super) fn stream_time(pad: &gst::Pad, pts: gst::ClockTime) -> Option<u64> {
    let segment = pad.sticky_event::<gst::event::Segment>(0)?;
    let segment = segment.segment().downcast_ref::<gst::ClockTime>()?;
    segment.to_stream_time(pts).map(gst::ClockTime::nseconds)
}

/// Posts an element message of the bin's own.
pub(super) fn post(bin: &PolyAnalyze, structure: gst::Structure) {
    // Without a bus there is nobody to miss it.
    let _ = bin.post_message(gst::message::Element::builder(structure).src(bin).build());
}

/// A converter, and what it converts.
struct Converter {
    from: VideoInfo,
    to: VideoInfo,
    converter: VideoConverter,
}

/// Takes key frames of one pad.
#[derive(Default)]
struct Taker {
    last_ns: Option<u64>,
    /// None was taken since the last cut: the next picture that can be is, however soon.
    new_shot: bool,
    converter: Option<Converter>,
}

impl Taker {
    /// The picture, if one is due.
    fn take(
        &mut self,
        pad: &gst::Pad,
        buffer: &gst::BufferRef,
        pts_ns: u64,
        known: &VideoResults,
        blur: bool,
    ) -> Option<Result<KeyFrame, String>> {
        // Nothing, when this one is earlier than the last: after a seek.
        let since_ns = self.last_ns.and_then(|last_ns| pts_ns.checked_sub(last_ns)).unwrap_or(u64::MAX);
        self.new_shot |= known.transition.is_some();
        let analysed = known.faces.as_ref().map(|faces| faces.analysed);
        // Where content safety is looked for, nothing is kept that wasn't itself looked at.
        let (wanted, blurred) = match &known.safety {
            Some(safety) => {
                (safety.analysed && (self.new_shot || since_ns >= INTERVAL_NS), blur && safety.is_sensitive())
            }
            None if self.new_shot => (analysed != Some(false), false),
            None => (since_ns >= INTERVAL_NS && (since_ns >= LONGEST_NS || analysed == Some(true)), false),
        };
        if !wanted {
            return None;
        }
        (self.last_ns, self.new_shot) = (Some(pts_ns), false);
        let caps = pad.current_caps()?;
        let from = VideoInfo::from_caps(&caps).ok()?;
        Some(
            self.jpeg(&from, buffer, blurred)
                .map(|picture| KeyFrame { pts_ns, picture })
                .map_err(|why| why.to_string()),
        )
    }

    fn jpeg(
        &mut self,
        from: &VideoInfo,
        buffer: &gst::BufferRef,
        blurred: bool,
    ) -> Result<Vec<u8>, Box<dyn std::error::Error>> {
        if self.converter.as_ref().is_none_or(|known| known.from != *from) {
            self.converter = Some(Converter::new(from)?);
        }
        let Some(Converter { to, converter, .. }) = &mut self.converter else { return Err("no converter".into()) };
        let mut small = gst::Buffer::with_size(to.size())?;
        let small = small.make_mut();
        {
            let source = VideoFrameRef::from_buffer_ref_readable(buffer, from)?;
            let mut target = VideoFrameRef::from_buffer_ref_writable(small, to)?;
            converter.frame_ref(&source, &mut target);
        }
        let frame = VideoFrameRef::from_buffer_ref_readable(small, to)?;
        let (width, height) = (to.width() as usize, to.height() as usize);
        let (stride, data) = (frame.plane_stride()[0] as usize, frame.plane_data(0)?);
        let rows = data.chunks(stride).take(height).filter_map(|row| row.get(..3 * width));
        let mut pixels: Vec<u8> = rows.flatten().copied().collect();
        if blurred {
            let picture = RgbImage::from_raw(to.width(), to.height(), pixels).ok_or("a picture without pixels")?;
            pixels = coarse(&picture, PATCHES * to.width() / to.height().max(1), PATCHES).into_raw();
        }
        let mut file = Vec::new();
        JpegEncoder::new_with_quality(&mut file, QUALITY).encode(
            &pixels,
            to.width(),
            to.height(),
            ExtendedColorType::Rgb8,
        )?;
        Ok(file)
    }
}

/// A picture in so many patches, as coarse that one can tell what kind of picture it is, and nothing in it.
pub fn coarse(picture: &RgbImage, columns: u32, rows: u32) -> RgbImage {
    let small = imageops::resize(picture, columns.max(1), rows.max(1), FilterType::Triangle);
    imageops::resize(&small, picture.width(), picture.height(), FilterType::Triangle)
}

impl Converter {
    fn new(from: &VideoInfo) -> Result<Self, gst::glib::BoolError> {
        let shape = f64::from(from.width()) * f64::from(from.par().numer())
            / (f64::from(from.height().max(1)) * f64::from(from.par().denom().max(1)));
        let height = from.height().clamp(1, HEIGHT);
        let width = ((f64::from(height) * shape).round() as u32).clamp(1, MOST_WIDTH);
        // A converter refuses another rate, though it never looks at one.
        let to = VideoInfo::builder(VideoFormat::Rgb, width, height).fps(from.fps()).build()?;
        let converter = VideoConverter::new(from, &to, None)?;
        Ok(Self { from: from.clone(), to, converter })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_blurred_picture_only_the_large_is_left() {
        let pixels = |x: u32, y: u32| {
            if x < 320 {
                [200, 60, 60]
            } else if (x / 4 + y / 4).is_multiple_of(2) {
                [0; 3]
            } else {
                [255; 3]
            }
        };
        let picture = RgbImage::from_fn(640, 360, |x, y| image::Rgb(pixels(x, y)));
        let blurred = coarse(&picture, 21, 12);
        let at = |x: u32, y: u32| blurred.get_pixel(x, y).0;
        assert!(at(100, 100)[0] > 190 && at(100, 100)[1] < 70, "one still sees that it is red");
        // Fields of a chessboard are as one.
        for (x, y) in [(500, 100), (504, 100), (500, 104), (507, 203)] {
            assert!((118..138).contains(&at(x, y)[0]), "{:?}", at(x, y));
        }
        assert_eq!(coarse(&RgbImage::new(0, 0), 21, 12).dimensions(), (0, 0));
    }
}
