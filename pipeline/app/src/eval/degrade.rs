// SPDX-License-Identifier: Apache-2.0
//! The elements that make pictures worse before the analysers see them, and how much worse (PSNR).

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
};

use gst::{ElementFactory, prelude::*};
use gst_video::{VideoFrameRef, VideoInfo, prelude::*};
use gstpolygraph::meta::{update_video, video_results};
use polygraph_core::evaluation::Random;

use super::{
    condition::Condition,
    observe::{Shown, moment},
};
use crate::sync::lock;

/// Standard deviation of the noise in luma, in levels of 255; chroma gets half.
const SIGMA: f64 = 8.0;
/// Identical pictures have an infinite PSNR; this stands for it in means.
const MOST_DB: f64 = 100.0;
/// Values in the table that noise is drawn from.
const TABLE: usize = 1 << 12;

/// How far the degraded pictures are from what they were: the mean of the pictures' PSNR in luma.
#[derive(Debug, Default)]
pub struct Psnr {
    /// Sum in hundredths of a decibel.
    sum: AtomicU64,
    count: AtomicU64,
}

impl Psnr {
    fn add(&self, db: f64) {
        self.sum.fetch_add((db * 100.0) as u64, Ordering::Relaxed);
        self.count.fetch_add(1, Ordering::Relaxed);
    }

    /// The mean, in decibels.
    pub fn mean(&self) -> Option<f64> {
        let count = self.count.load(Ordering::Relaxed);
        (count > 0).then(|| self.sum.load(Ordering::Relaxed) as f64 / 100.0 / count as f64)
    }
}

/// The elements of a condition, in order; none for `clean`. `key_interval` is the number of pictures after which the
/// encoder starts anew: it never looks from one item into the next.
pub fn elements(condition: Condition, key_interval: u32) -> Result<Vec<gst::Element>, gst::glib::BoolError> {
    if let Some(qp) = condition.quantizer() {
        let encoder = ElementFactory::make("x264enc")
            .property_from_str("pass", "quant")
            .property("quantizer", qp)
            // Without it I pictures would be encoded at a lower quantiser than asked for.
            .property("ip-factor", 1.0f32)
            .property_from_str("tune", "zerolatency")
            .property_from_str("speed-preset", "veryfast")
            .property("threads", 1u32)
            .property("key-int-max", key_interval)
            .property("option-string", "scenecut=0")
            .build()?;
        return Ok(vec![encoder, ElementFactory::make("avdec_h264").property("max-threads", 1i32).build()?]);
    }
    match condition {
        Condition::Half => half(),
        Condition::Noise => {
            let noise = ElementFactory::make("identity").build()?;
            // Where it leaves, so that [`compare`] sees it come in without.
            if let Some(pad) = noise.static_pad("src") {
                add_noise(&pad);
            }
            Ok(vec![noise])
        }
        _ => Ok(Vec::new()),
    }
}

/// Down and up again; the sizes follow from the caps when they come.
/// Makes the boxes that leave `face` larger or smaller by a part of their size, as a detector's error would.
pub fn boxes(face: &gst::Element, percent: i32) {
    let factor = 1.0 + percent as f32 / 100.0;
    let Some(pad) = face.static_pad("src") else { return };
    pad.add_probe(gst::PadProbeType::BUFFER, move |_, info| {
        if let Some(buffer) = info.buffer_mut()
            && video_results(buffer).is_some_and(|results| results.faces.is_some())
        {
            update_video(buffer.make_mut(), |results| {
                for face in results.faces.iter_mut().flat_map(|faces| &mut faces.faces) {
                    let rect = &mut face.rect;
                    rect.x -= rect.w * (factor - 1.0) / 2.0;
                    rect.y -= rect.h * (factor - 1.0) / 2.0;
                    rect.w *= factor;
                    rect.h *= factor;
                }
            });
        }
        gst::PadProbeReturn::Ok
    });
}

fn half() -> Result<Vec<gst::Element>, gst::glib::BoolError> {
    let make = |name: &str| ElementFactory::make(name).build();
    let [down, small, up, whole] = [make("videoscale")?, make("capsfilter")?, make("videoscale")?, make("capsfilter")?];
    let filters = [(small.clone(), 2), (whole.clone(), 1)];
    if let Some(pad) = down.static_pad("sink") {
        pad.add_probe(gst::PadProbeType::EVENT_DOWNSTREAM, move |_, info| {
            if let Some(gst::EventView::Caps(caps)) = info.event().map(|event| event.view())
                && let Ok(video) = VideoInfo::from_caps(caps.caps())
            {
                for (filter, part) in &filters {
                    let side = |length: u32| ((length / part) & !1).max(2) as i32;
                    let caps = gst::Caps::builder("video/x-raw")
                        .field("width", side(video.width()))
                        .field("height", side(video.height()));
                    filter.set_property("caps", caps.build());
                }
            }
            gst::PadProbeReturn::Ok
        });
    }
    Ok(vec![down, small, up, whole])
}

/// Adds noise to every picture that passes; the same picture time gives the same noise.
fn add_noise(pad: &gst::Pad) {
    let mut random = Random::new(8);
    // The sum of twelve uniform numbers less six is normal for all that 8 bits can tell.
    let table: Vec<i16> = (0..TABLE)
        .map(|_| ((0..12).map(|_| random.unit()).sum::<f64>() - 6.0) * SIGMA * 16.0)
        .map(|value| value.round() as i16)
        .collect();
    pad.add_probe(gst::PadProbeType::BUFFER, move |pad, info| {
        let video = pad.current_caps().and_then(|caps| VideoInfo::from_caps(&caps).ok());
        if let (Some(video), Some(gst::PadProbeData::Buffer(buffer))) = (video, info.data.as_mut()) {
            let mut random = Random::new(buffer.pts().map_or(0, gst::ClockTime::nseconds));
            if let Ok(mut frame) = VideoFrameRef::from_buffer_ref_writable(buffer.make_mut(), &video) {
                for plane in 0..frame.n_planes() {
                    let Ok(bytes) = frame.plane_data_mut(plane) else { continue };
                    // Sixteenths of a level; chroma gets half.
                    noisy(bytes, &table, 4 + i32::from(plane > 0), &mut random);
                }
            }
        }
        gst::PadProbeReturn::Ok
    });
}

fn noisy(bytes: &mut [u8], table: &[i16], shift: i32, random: &mut Random) {
    for five in bytes.chunks_mut(5) {
        let mut bits = random.bits();
        for byte in five {
            let noise = i32::from(table[bits as usize % TABLE]) >> shift;
            *byte = (i32::from(*byte) + noise).clamp(0, 255) as u8;
            bits >>= 12;
        }
    }
}

/// Compares the pictures that enter a chain of elements with those that leave it.
pub fn compare(elements: &[gst::Element], shown: &Arc<Shown>, psnr: &Arc<Psnr>) {
    let (Some(first), Some(last)) = (elements.first(), elements.last()) else { return };
    let (Some(sink), Some(src)) = (first.static_pad("sink"), last.static_pad("src")) else { return };
    let waiting: Arc<Mutex<BTreeMap<u64, Vec<u8>>>> = Arc::default();
    let (entered, shown_in, shown_out, psnr) = (waiting.clone(), shown.clone(), shown.clone(), psnr.clone());
    sink.add_probe(gst::PadProbeType::BUFFER, move |pad, info| {
        if let Some((pts, luma)) = luma(pad, info, &shown_in) {
            lock(&entered).insert(pts, luma);
        }
        gst::PadProbeReturn::Ok
    });
    src.add_probe(gst::PadProbeType::BUFFER, move |pad, info| {
        if let Some((pts, after)) = luma(pad, info, &shown_out) {
            let mut waiting = lock(&waiting);
            let before = waiting.remove(&pts);
            // Pictures that a decoder dropped never come.
            waiting.retain(|earlier, _| *earlier > pts);
            drop(waiting);
            if let Some(before) = before.filter(|before| before.len() == after.len()) {
                psnr.add(decibels(&before, &after));
            }
        }
        gst::PadProbeReturn::Ok
    });
}

/// The luma of a picture where the item is in it.
fn luma(pad: &gst::Pad, info: &gst::PadProbeInfo<'_>, shown: &Shown) -> Option<(u64, Vec<u8>)> {
    let buffer = info.buffer()?;
    let pts = moment(pad.sticky_event::<gst::event::Segment>(0)?.segment(), buffer)?;
    let video = VideoInfo::from_caps(pad.current_caps()?.as_ref()).ok()?;
    let frame = VideoFrameRef::from_buffer_ref_readable(buffer, &video).ok()?;
    let area = shown.area(pts, frame.width() as usize, frame.height() as usize);
    let stride = usize::try_from(frame.plane_stride()[0]).ok()?;
    let plane = frame.plane_data(0).ok()?;
    let rows = (area.y..area.y + area.h).filter_map(|y| plane.get(y * stride + area.x..)?.get(..area.w));
    Some((pts, rows.flatten().copied().collect()))
}

/// Peak signal to noise ratio of 8-bit samples.
fn decibels(before: &[u8], after: &[u8]) -> f64 {
    let square = |(a, b): (&u8, &u8)| u64::from(a.abs_diff(*b)).pow(2);
    let sum: u64 = before.iter().zip(after).map(square).sum();
    if sum == 0 {
        return MOST_DB;
    }
    (10.0 * (255.0f64.powi(2) * before.len() as f64 / sum as f64).log10()).min(MOST_DB)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn psnr_by_its_definition() {
        assert_eq!(decibels(&[1, 2, 3], &[1, 2, 3]), MOST_DB);
        assert!((decibels(&[0; 100], &[1; 100]) - 48.13).abs() < 0.01);
        let psnr = Psnr::default();
        assert_eq!(psnr.mean(), None);
        psnr.add(30.0);
        psnr.add(40.0);
        assert_eq!(psnr.mean(), Some(35.0));
    }

    #[test]
    fn noise_has_the_deviation_it_should() {
        let mut random = Random::new(3);
        let table: Vec<i16> = (0..TABLE)
            .map(|_| (((0..12).map(|_| random.unit()).sum::<f64>() - 6.0) * SIGMA * 16.0).round() as i16)
            .collect();
        let mut bytes = vec![128u8; 100_000];
        noisy(&mut bytes, &table, 4, &mut random);
        let mean = bytes.iter().map(|byte| f64::from(*byte)).sum::<f64>() / 1e5;
        let variance = bytes.iter().map(|byte| (f64::from(*byte) - mean).powi(2)).sum::<f64>() / 1e5;
        assert!((variance.sqrt() - SIGMA).abs() < 0.3, "{}", variance.sqrt());
        assert!((mean - 128.0).abs() < 0.7, "{mean}");
    }
}
