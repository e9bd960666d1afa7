// SPDX-License-Identifier: Apache-2.0
//! Small pictures of a stream, for people. The streaming thread samples some ten thousand pixels once a second; a JPEG
//! is made only when somebody asks for one.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use gst_video::prelude::*;
use gst_video::{VideoFrameRef, VideoInfo};
use image::codecs::jpeg::JpegEncoder;

use crate::sync::lock;

/// Between two pictures.
const INTERVAL: Duration = Duration::from_secs(1);
/// Width of a picture; its height follows.
const WIDTH: usize = 320;
/// JPEG quality, of 100.
const QUALITY: u8 = 70;

/// A small picture.
pub struct Thumbnail {
    width: usize,
    height: usize,
    /// RGB, row by row.
    pixels: Vec<u8>,
    taken: Instant,
}

impl Thumbnail {
    /// How old it is.
    pub fn age(&self) -> Duration {
        self.taken.elapsed()
    }

    /// As a JPEG file.
    ///
    /// # Errors
    /// What the encoder says.
    pub fn jpeg(&self) -> image::ImageResult<Vec<u8>> {
        let mut file = Vec::new();
        let (width, height) = (self.width as u32, self.height as u32);
        JpegEncoder::new_with_quality(&mut file, QUALITY).encode(
            &self.pixels,
            width,
            height,
            image::ExtendedColorType::Rgb8,
        )?;
        Ok(file)
    }
}

/// The last picture, and since when it is the same.
#[derive(Default)]
pub(super) struct Gallery(Mutex<Shown>);

#[derive(Default)]
struct Shown {
    last: Option<Arc<Thumbnail>>,
    due: Option<Instant>,
    same_since: Option<Instant>,
}

impl Gallery {
    /// Keeps a small copy when one is due.
    pub(super) fn show(&self, buffer: &gst::BufferRef, info: &VideoInfo, now: Instant) {
        {
            let mut shown = self.lock();
            if shown.due.is_some_and(|due| now < due) {
                return;
            }
            shown.due = Some(now + INTERVAL);
        }
        // Out of the lock, for this takes some hundred microseconds.
        let Some(picture) = sample(buffer, info, now) else { return };
        let mut shown = self.lock();
        let same = shown.last.as_ref().is_some_and(|last| last.pixels == picture.pixels);
        if !same || shown.same_since.is_none() {
            shown.same_since = Some(now);
        }
        shown.last = Some(Arc::new(picture));
    }

    pub(super) fn last(&self) -> Option<Arc<Thumbnail>> {
        self.lock().last.clone()
    }

    /// How long the picture has been the same, to the last bit of its samples.
    pub(super) fn frozen(&self) -> Duration {
        let shown = self.lock();
        match (&shown.last, shown.same_since) {
            (Some(last), Some(since)) => last.taken.duration_since(since),
            _ => Duration::ZERO,
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Shown> {
        lock(&self.0)
    }
}

/// Nearest samples of a picture, of whatever raw format in the machine's memory.
fn sample(buffer: &gst::BufferRef, info: &VideoInfo, taken: Instant) -> Option<Thumbnail> {
    let frame = VideoFrameRef::from_buffer_ref_readable(buffer, info).ok()?;
    let planes: Vec<_> = (0..frame.n_planes()).map(|plane| frame.plane_data(plane).ok()).collect::<Option<_>>()?;
    let (from_width, from_height) = (info.width() as usize, info.height() as usize);
    let par = f64::from(info.par().numer()) / f64::from(info.par().denom().max(1));
    let width = WIDTH.min(from_width.max(1));
    let shown = from_height as f64 / (from_width as f64 * par).max(1.0);
    let height = ((width as f64 * shown).round() as usize).clamp(1, 4 * WIDTH);
    let components: Vec<_> = (0..3).map(|component| Component::new(&frame, info, component)).collect::<Option<_>>()?;
    let mut pixels = Vec::with_capacity(width * height * 3);
    let full = info.colorimetry().range() == gst_video::VideoColorRange::Range0_255;
    for y in 0..height {
        let from_y = y * from_height / height;
        for x in 0..width {
            let from_x = x * from_width / width;
            let [a, b, c] = [0, 1, 2].map(|n| components[n].at(&planes, from_x, from_y));
            pixels.extend(if info.is_rgb() { [a, b, c] } else { rgb(a, b, c, full) });
        }
    }
    Some(Thumbnail { width, height, pixels, taken })
}

/// Where a component's samples lie.
struct Component {
    plane: usize,
    offset: usize,
    stride: usize,
    step: usize,
    shrink: (u32, u32),
    /// Bits above eight; such samples are two bytes, the low one first.
    deep: Option<u32>,
}

impl Component {
    fn new(frame: &VideoFrameRef<&gst::BufferRef>, info: &VideoInfo, number: usize) -> Option<Self> {
        let format = info.format_info();
        // Grey has one component for all three.
        let grey = format.n_components() < 3;
        let number = if grey { 0 } else { number };
        let plane = *format.plane().get(number)? as usize;
        let depth = *format.depth().get(number)? + *format.shift().get(number)?;
        Some(Self {
            plane,
            offset: usize::try_from(*format.poffset().get(number)?).ok()?,
            stride: usize::try_from(*frame.plane_stride().get(plane)?).ok()?,
            step: usize::try_from(*format.pixel_stride().get(number)?).ok()?,
            shrink: (*format.w_sub().get(number)?, *format.h_sub().get(number)?),
            deep: (depth > 8).then(|| depth - 8),
        })
    }

    fn at(&self, planes: &[&[u8]], x: usize, y: usize) -> u8 {
        let at = (y >> self.shrink.1) * self.stride + (x >> self.shrink.0) * self.step + self.offset;
        let byte = |at: usize| planes.get(self.plane).and_then(|plane| plane.get(at)).copied().unwrap_or_default();
        match self.deep {
            None => byte(at),
            Some(bits) => (u16::from_le_bytes([byte(at), byte(at + 1)]) >> bits) as u8,
        }
    }
}

/// BT.601, which is near enough for a picture of this size.
fn rgb(y: u8, u: u8, v: u8, full: bool) -> [u8; 3] {
    let (y, u, v) = (f32::from(y), f32::from(u) - 128.0, f32::from(v) - 128.0);
    let (y, spread) = if full { (y, 1.0) } else { ((y - 16.0) * 1.164, 1.139) };
    let (u, v) = (u * spread, v * spread);
    [y + 1.402 * v, y - 0.344 * u - 0.714 * v, y + 1.772 * u].map(|value| value.clamp(0.0, 255.0) as u8)
}

#[cfg(test)]
mod tests {
    use super::*;
    use gst_video::VideoFormat;

    fn painted(format: VideoFormat, paint: &[u8]) -> Thumbnail {
        gst::init().unwrap();
        let info = VideoInfo::builder(format, 64, 36).build().unwrap();
        let mut buffer = gst::Buffer::with_size(info.size()).unwrap();
        {
            let mut map = buffer.get_mut().unwrap().map_writable().unwrap();
            let planes = info.n_planes() as usize;
            for plane in 0..planes {
                let end = info.offset().get(plane + 1).copied().filter(|_| plane + 1 < planes).unwrap_or(info.size());
                for (n, byte) in map[info.offset()[plane]..end].iter_mut().enumerate() {
                    *byte = paint[(plane + n % (paint.len() / planes).max(1)).min(paint.len() - 1)];
                }
            }
        }
        sample(&buffer, &info, Instant::now()).unwrap()
    }

    #[test]
    fn decoders_formats_become_the_colours_they_show() {
        // BT.601, limited range: red is Y 81, U 90, V 240.
        for (format, paint) in [
            (VideoFormat::I420, &[81, 90, 240][..]),
            (VideoFormat::Y444, &[81, 90, 240]),
            (VideoFormat::Rgb, &[254, 0, 0]),
        ] {
            let picture = painted(format, paint);
            assert_eq!((picture.width, picture.height), (64, 36));
            let [r, g, b] = [picture.pixels[0], picture.pixels[1], picture.pixels[2]];
            assert!(r > 245 && g < 10 && b < 10, "{format:?}: {r} {g} {b}");
            assert_eq!(picture.jpeg().unwrap()[..2], [0xFF, 0xD8]);
        }
    }
}
