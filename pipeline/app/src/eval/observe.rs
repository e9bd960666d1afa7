// SPDX-License-Identifier: Apache-2.0
//! Where the analysers' results are read: behind the last of them, picture by picture.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex},
};

use gst_app::{AppSink, AppSinkCallbacks};
use gst_video::{VideoColorMatrix, VideoFrameRef, VideoInfo, prelude::*};
use gstpolygraph::meta::video_results;
use polygraph_core::{
    evaluation::Skin,
    geometry::Point,
    results::{Face, FaceResults},
};

use super::{
    outcome::{Seen, Traits},
    still::Area,
};
use crate::sync::lock;

/// From item to item of a pipeline of stills: so far that neither a track nor a window of two seconds joins two.
pub const SPACING_NS: u64 = 10_000_000_000;

/// Where each item lies in the pictures that were made for it. A clip fills its pictures.
#[derive(Debug, Default)]
pub struct Shown(Mutex<HashMap<u64, Area>>);

impl Shown {
    /// Notes where the item lies in the picture of that time.
    pub fn note(&self, pts_ns: u64, area: Area) {
        lock(&self.0).insert(pts_ns, area);
    }

    /// Where it lies; all of the picture when nothing was noted.
    pub fn area(&self, pts_ns: u64, width: usize, height: usize) -> Area {
        lock(&self.0).get(&pts_ns).copied().unwrap_or(Area { x: 0, y: 0, w: width, h: height })
    }
}

/// What was seen of the items of one pipeline, by number.
#[derive(Debug, Default)]
pub struct Observer {
    /// Where the items lie.
    pub shown: Arc<Shown>,
    seen: Mutex<BTreeMap<usize, Seen>>,
}

impl Observer {
    /// What was seen; an item of which no picture came isn't there.
    pub fn take(&self) -> BTreeMap<usize, Seen> {
        std::mem::take(&mut lock(&self.seen))
    }

    /// A sink that reads the results of all pictures, for stills `SPACING_NS` apart or for one clip.
    pub fn sink(self: &Arc<Self>, stills: bool) -> AppSink {
        let observer = self.clone();
        let callbacks = AppSinkCallbacks::builder().new_sample(move |sink| {
            let sample = sink.pull_sample().map_err(|_| gst::FlowError::Eos)?;
            observer.look(&sample, stills);
            Ok(gst::FlowSuccess::Ok)
        });
        AppSink::builder().sync(false).max_buffers(2).callbacks(callbacks.build()).build()
    }

    fn look(&self, sample: &gst::Sample, stills: bool) {
        let (Some(buffer), Some(caps)) = (sample.buffer(), sample.caps()) else { return };
        let at = sample.segment().and_then(|segment| moment(segment, buffer));
        let (Some(pts), Ok(video)) = (at, VideoInfo::from_caps(caps)) else { return };
        let (number, at_ns) = if stills { ((pts / SPACING_NS) as usize, pts % SPACING_NS) } else { (0, pts) };
        let results = video_results(buffer).and_then(|results| results.faces);
        let mut all = lock(&self.seen);
        let seen = all.entry(number).or_default();
        let Some(FaceResults { faces, .. }) = results else { return };
        let (width, height) = (video.width() as usize, video.height() as usize);
        let area = self.shown.area(pts, width, height);
        for face in faces.iter().filter(|face| face.detected && within(&area, face, width, height)) {
            seen.face(face, at_ns);
            if seen.traits.is_none_or(|traits| f64::from(face.quality) > traits.quality) {
                let frame = VideoFrameRef::from_buffer_ref_readable(buffer, &video);
                seen.traits = frame.ok().and_then(|frame| traits(&frame, face)).or(seen.traits);
            }
        }
    }
}

/// The running time of a picture. `x264enc` moves PTS by a thousand hours, and the segment with them.
pub fn moment(segment: &gst::Segment, buffer: &gst::BufferRef) -> Option<u64> {
    let segment = segment.downcast_ref::<gst::ClockTime>()?;
    segment.to_running_time(buffer.pts()?).map(gst::ClockTime::nseconds)
}

/// Whether a face belongs to the item: its centre lies in the item's area.
fn within(area: &Area, face: &Face, width: usize, height: usize) -> bool {
    let Point { x, y } = face.rect.center();
    let (x, y) = (x * width as f32, y * height as f32);
    let inside = |at: f32, from: usize, length: usize| (from as f32..(from + length) as f32).contains(&at);
    inside(x, area.x, area.w) && inside(y, area.y, area.h)
}

/// What a face looks like in 4:2:0 or 4:2:0-like planes of 8 bits.
fn traits(frame: &VideoFrameRef<&gst::BufferRef>, face: &Face) -> Option<Traits> {
    let (width, height) = (frame.width() as usize, frame.height() as usize);
    let luma = frame.plane_data(0).ok()?;
    let stride = usize::try_from(frame.plane_stride()[0]).ok()?;
    let inside = |at: f32, length: usize| (at * length as f32).clamp(1.0, length as f32 - 1.0) as usize;
    let rect = face.rect;
    let (columns, rows) = (
        inside(rect.x, width)..inside(rect.x + rect.w, width),
        inside(rect.y, height)..inside(rect.y + rect.h, height),
    );
    let (mut sum, mut count) = (0u64, 0u64);
    for y in rows {
        for x in columns.clone() {
            let at = |x: usize, y: usize| i32::from(luma.get(y * stride + x).copied().unwrap_or_default());
            let laplacian = 4 * at(x, y) - at(x - 1, y) - at(x + 1, y) - at(x, y - 1) - at(x, y + 1);
            sum += u64::from(laplacian.unsigned_abs());
            count += 1;
        }
    }
    Some(Traits {
        quality: face.quality.into(),
        size: f64::from(rect.h) * height as f64,
        sharpness: sum as f64 / count.max(1) as f64,
        skin: skin(frame, face)?,
    })
}

/// The colour of both cheeks: under each eye, as far as the nose's tip lies under the middle of the eyes, a square of a
/// quarter of the eyes' distance.
fn skin(frame: &VideoFrameRef<&gst::BufferRef>, face: &Face) -> Option<Skin> {
    let (width, height) = (frame.width() as f32, frame.height() as f32);
    let pixels = |point: Point| [point.x * width, point.y * height];
    let points = &face.points;
    let [right, left, nose] = [points.right_eye, points.left_eye, points.nose].map(pixels);
    let down = [0, 1].map(|axis| nose[axis] - (right[axis] + left[axis]) / 2.0);
    let reach = ((left[0] - right[0]).hypot(left[1] - right[1]) / 8.0).max(1.0);
    let (mut sum, mut count) = ([0.0f64; 3], 0.0);
    for eye in [right, left] {
        let [x, y] = [0, 1].map(|axis| eye[axis] + down[axis]);
        for y in ((y - reach).max(0.0) as usize)..=((y + reach).max(0.0) as usize) {
            for x in ((x - reach).max(0.0) as usize)..=((x + reach).max(0.0) as usize) {
                let Some(ycbcr) = pixel(frame, x, y) else { continue };
                sum.iter_mut().zip(ycbcr).for_each(|(sum, value)| *sum += f64::from(value));
                count += 1.0;
            }
        }
    }
    (count > 0.0).then(|| Skin::of_srgb(rgb(sum.map(|sum| sum / count), frame.info())))
}

fn pixel(frame: &VideoFrameRef<&gst::BufferRef>, x: usize, y: usize) -> Option<[u8; 3]> {
    if x >= frame.width() as usize || y >= frame.height() as usize {
        return None;
    }
    let sample = |component: u32, x: usize, y: usize| {
        let plane = frame.format_info().plane()[component as usize];
        let stride = usize::try_from(frame.plane_stride()[plane as usize]).ok()?;
        let step = frame.comp_pstride(component) as usize;
        let offset = frame.comp_poffset(component) as usize;
        frame.plane_data(plane).ok()?.get(y * stride + x * step + offset).copied()
    };
    Some([sample(0, x, y)?, sample(1, x / 2, y / 2)?, sample(2, x / 2, y / 2)?])
}

/// R'G'B' 0..1 of limited-range Y'CbCr, by the caps' matrix.
fn rgb([y, cb, cr]: [f64; 3], info: &VideoInfo) -> [f64; 3] {
    let (kr, kb) = match info.colorimetry().matrix() {
        VideoColorMatrix::Bt709 => (0.2126, 0.0722),
        VideoColorMatrix::Bt2020 => (0.2627, 0.0593),
        _ => (0.299, 0.114),
    };
    let (y, cb, cr) = ((y - 16.0) / 219.0, (cb - 128.0) / 224.0, (cr - 128.0) / 224.0);
    let (red, blue) = (y + 2.0 * (1.0 - kr) * cr, y + 2.0 * (1.0 - kb) * cb);
    let green = (y - kr * red - kb * blue) / (1.0 - kr - kb);
    [red, green, blue].map(|value| value.clamp(0.0, 1.0))
}
