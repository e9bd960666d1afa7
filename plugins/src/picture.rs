// SPDX-License-Identifier: Apache-2.0
//! Decoders' pictures as the networks' house reads them, and their place in time.

use gst_video::prelude::*;
use gst_video::{VideoColorMatrix, VideoColorRange, VideoFormat, VideoFrameRef, VideoInfo};
use polygraph_core::record::PictureSize;
use polygraph_core::results::PtsRange;
use polygraph_models::picture::{Matrix, Picture, PixelFormat};

/// The caps of elements that look at pictures: what decoders give, in the machine's memory.
pub(crate) fn caps() -> gst::Caps {
    gst_video::VideoCapsBuilder::new()
        .format_list([VideoFormat::I420, VideoFormat::Nv12])
        .width_range(1..=32_768)
        .height_range(1..=32_768)
        .build()
}

/// The sink and source pad templates of such an element.
pub(crate) fn pad_templates() -> Vec<gst::PadTemplate> {
    let caps = caps();
    [("sink", gst::PadDirection::Sink), ("src", gst::PadDirection::Src)]
        .into_iter()
        .filter_map(|(name, way)| gst::PadTemplate::new(name, way, gst::PadPresence::Always, &caps).ok())
        .collect()
}

/// The size of pictures by their caps; `None` of anything else.
pub(crate) fn picture_size(caps: &gst::CapsRef) -> Option<PictureSize> {
    let structure = caps.structure(0).filter(|structure| structure.name().starts_with("video/"))?;
    let side = |name| u32::try_from(structure.get::<i32>(name).ok()?).ok();
    Some(PictureSize { width: side("width")?, height: side("height")? })
}

/// Maps a picture for reading and hands it on. Nothing is copied.
///
/// # Errors
/// One line that says why the buffer is no picture of these caps.
pub(crate) fn with<R>(
    buffer: &gst::BufferRef,
    info: &VideoInfo,
    look: impl FnOnce(&Picture<'_>) -> R,
) -> Result<R, String> {
    let frame = VideoFrameRef::from_buffer_ref_readable(buffer, info)
        .map_err(|_| format!("a buffer of {} bytes is no {:?}", buffer.size(), info))?;
    let mut planes: [&[u8]; 3] = [&[]; 3];
    let mut strides = [0; 3];
    for plane in 0..frame.n_planes().min(3) {
        let at = plane as usize;
        planes[at] = frame.plane_data(plane).map_err(|error| error.to_string())?;
        let stride = frame.plane_stride()[at];
        strides[at] = usize::try_from(stride).map_err(|_| format!("plane {plane} has a stride of {stride}"))?;
    }
    Ok(look(&Picture {
        format: if info.format() == VideoFormat::Nv12 { PixelFormat::Nv12 } else { PixelFormat::I420 },
        width: info.width() as usize,
        height: info.height() as usize,
        planes,
        strides,
        matrix: matrix(info),
        full_range: info.colorimetry().range() == VideoColorRange::Range0_255,
        pixel_aspect: info.par().numer() as f32 / info.par().denom() as f32,
    }))
}

/// The matrix of the caps; where they are silent, what is usual for the size.
fn matrix(info: &VideoInfo) -> Matrix {
    match info.colorimetry().matrix() {
        VideoColorMatrix::Bt709 => Matrix::Bt709,
        VideoColorMatrix::Bt2020 => Matrix::Bt2020,
        VideoColorMatrix::Unknown | VideoColorMatrix::Rgb if info.height() >= 720 => Matrix::Bt709,
        _ => Matrix::Bt601,
    }
}

/// The time at which pictures are shown, with guesses where the stamps are missing.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Clock {
    last: Option<PtsRange>,
}

impl Clock {
    /// When a picture is shown. Without a PTS it is taken to follow the one before; `None` when there is none.
    pub fn place(&mut self, buffer: &gst::BufferRef, info: &VideoInfo) -> Option<PtsRange> {
        let start_ns = match (buffer.pts(), self.last) {
            (Some(pts), _) => pts.nseconds(),
            (None, last) => last?.end_ns,
        };
        let length = buffer.duration().map(gst::ClockTime::nseconds).or_else(|| frame_ns(info)).unwrap_or(0);
        let range = PtsRange { start_ns, end_ns: start_ns.saturating_add(length) };
        self.last = Some(range);
        Some(range)
    }

    /// Forgets what was before.
    pub fn reset(&mut self) {
        self.last = None;
    }
}

/// One picture's time by the frame rate; `None` when that varies.
fn frame_ns(info: &VideoInfo) -> Option<u64> {
    let (numer, denom) = (info.fps().numer(), info.fps().denom());
    (numer > 0 && denom > 0).then(|| 1_000_000_000 * denom as u64 / numer as u64)
}
