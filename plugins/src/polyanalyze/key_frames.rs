// SPDX-License-Identifier: Apache-2.0
//! Small copies of the pictures that are analysed, for whoever keeps evidence.

use std::sync::Mutex;

use gst::prelude::*;
use gst_video::prelude::*;
use gst_video::{VideoConverter, VideoFormat, VideoFrameRef, VideoInfo};
use image::codecs::jpeg::JpegEncoder;
use image::imageops::{self, FilterType};
use image::{ExtendedColorType, RgbImage};

use super::PolyAnalyze;
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

/// Posts a key frame of what passes a pad, twice a second at most, while the bin has `key-frames`.
pub(super) fn watch(pad: &gst::Pad, bin: &PolyAnalyze) {
    let bin = bin.downgrade();
    let taker = Mutex::new(Taker::default());
    pad.add_probe(gst::PadProbeType::BUFFER, move |pad, info| {
        let (Some(bin), Some(buffer)) = (bin.upgrade(), info.buffer()) else { return gst::PadProbeReturn::Ok };
        if bin.property("key-frames") {
            let taken = lock(&taker).take(pad, buffer, bin.property("blur-unsafe"));
            match taken {
                Some(Ok(frame)) => {
                    let _ = bin.post_message(gst::message::Element::builder(frame.write()).src(&bin).build());
                }
                Some(Err(why)) => gst::warning!(gst::CAT_RUST, obj = bin, "no key frame: {why}"),
                None => {}
            }
        }
        gst::PadProbeReturn::Ok
    });
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
    converter: Option<Converter>,
}

impl Taker {
    /// The picture, if one is due.
    fn take(&mut self, pad: &gst::Pad, buffer: &gst::BufferRef, blur: bool) -> Option<Result<KeyFrame, String>> {
        let segment = pad.sticky_event::<gst::event::Segment>(0)?;
        let pts_ns = segment.segment().downcast_ref::<gst::ClockTime>()?.to_stream_time(buffer.pts()?)?.nseconds();
        // Nothing, when this one is earlier than the last: after a seek.
        let since_ns = self.last_ns.and_then(|last_ns| pts_ns.checked_sub(last_ns)).unwrap_or(u64::MAX);
        if since_ns < INTERVAL_NS {
            return None;
        }
        let known = video_results(buffer).unwrap_or_default();
        // Where content safety is looked for, nothing is kept that wasn't itself looked at.
        let (wanted, blurred) = match &known.safety {
            Some(safety) => (safety.analysed, blur && safety.is_sensitive()),
            None => (since_ns >= LONGEST_NS || known.faces.is_some_and(|faces| faces.analysed), false),
        };
        if !wanted {
            return None;
        }
        self.last_ns = Some(pts_ns);
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
            pixels = coarse(pixels, to.width(), to.height()).ok_or("a picture without pixels")?;
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

/// A picture in patches so coarse that one can tell what kind of picture it is, and nothing in it.
fn coarse(pixels: Vec<u8>, width: u32, height: u32) -> Option<Vec<u8>> {
    let picture = RgbImage::from_raw(width, height, pixels)?;
    let columns = (PATCHES * width / height.max(1)).max(1);
    let small = imageops::resize(&picture, columns, PATCHES, FilterType::Triangle);
    Some(imageops::resize(&small, width, height, FilterType::Triangle).into_raw())
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
        let blurred = RgbImage::from_raw(640, 360, coarse(picture.into_raw(), 640, 360).unwrap()).unwrap();
        let at = |x: u32, y: u32| blurred.get_pixel(x, y).0;
        assert!(at(100, 100)[0] > 190 && at(100, 100)[1] < 70, "one still sees that it is red");
        // Fields of a chessboard are as one.
        for (x, y) in [(500, 100), (504, 100), (500, 104), (507, 203)] {
            assert!((118..138).contains(&at(x, y)[0]), "{:?}", at(x, y));
        }
        assert!(coarse(vec![0; 5], 640, 360).is_none());
    }
}
