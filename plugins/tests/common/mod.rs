// SPDX-License-Identifier: Apache-2.0
//! Pictures and pipelines for the tests of the elements that look at pictures.

// Each test file uses its own part of this.
#![allow(dead_code, clippy::unwrap_used)]

use std::path::{Path, PathBuf};
use std::sync::Once;

use gst_check::Harness;
use gst_video::prelude::*;
use gst_video::{VideoFormat, VideoFrameRef, VideoInfo};
use gstpolygraph::meta::video_results;
use image::{RgbImage, imageops};
use polygraph_core::results::VideoResults;
use polygraph_models::Store;

pub const MS: u64 = 1_000_000;

pub fn init() {
    static INIT: Once = Once::new();
    INIT.call_once(|| {
        gst::init().unwrap();
        gstpolygraph::plugin_register_static().unwrap();
    });
}

/// The portrait that `./dev test` fetches, 512x512.
pub fn astronaut() -> RgbImage {
    let path = Store::default_dir().join("media/astronaut.png");
    image::open(&path).unwrap_or_else(|error| panic!("{}: {error}; `./dev test` fetches it", path.display())).to_rgb8()
}

/// The same on a grey picture of `size`, 256 pixels each way, its top left corner at `at`. The face is 105 lines high
/// in the portrait, about 52 here.
pub fn scene(size: (u32, u32), at: (i64, i64)) -> RgbImage {
    let mut picture = RgbImage::from_pixel(size.0, size.1, image::Rgb([110, 115, 120]));
    let portrait = imageops::resize(&astronaut(), 256, 256, imageops::FilterType::Triangle);
    imageops::overlay(&mut picture, &portrait, at.0, at.1);
    picture
}

/// Caps of pictures of that size, 25 a second.
pub fn info(format: VideoFormat, size: (u32, u32)) -> VideoInfo {
    init();
    VideoInfo::builder(format, size.0, size.1).fps(gst::Fraction::new(25, 1)).build().unwrap()
}

/// A buffer of `info` with the pixels of `rgb`.
pub fn buffer(info: &VideoInfo, rgb: &RgbImage, pts_ns: impl Into<Option<u64>>) -> gst::Buffer {
    assert_eq!((rgb.width(), rgb.height()), (info.width(), info.height()));
    let mut buffer = gst::Buffer::with_size(info.size()).unwrap();
    {
        let buffer = buffer.get_mut().unwrap();
        buffer.set_pts(pts_ns.into().map(gst::ClockTime::from_nseconds));
        buffer.set_duration(gst::ClockTime::from_mseconds(40));
        let mut frame = VideoFrameRef::from_buffer_ref_writable(buffer, info).unwrap();
        for (component, of) in [y as fn(&image::Rgb<u8>) -> f32, cb, cr].into_iter().enumerate() {
            let at = component as u32;
            let half = u32::from(at > 0);
            let step = frame.comp_pstride(at) as usize;
            let stride = frame.comp_stride(at) as usize;
            let (columns, rows) = (info.comp_width(at as u8), info.comp_height(at as u8));
            let plane = frame.comp_data_mut(at).unwrap();
            for row in 0..rows {
                for column in 0..columns {
                    let pixel = rgb.get_pixel(column << half, row << half);
                    plane[row as usize * stride + column as usize * step] = of(pixel).round() as u8;
                }
            }
        }
    }
    buffer
}

/// ITU-R BT.601, limited range.
fn y(p: &image::Rgb<u8>) -> f32 {
    16.0 + 0.257 * f32::from(p[0]) + 0.504 * f32::from(p[1]) + 0.098 * f32::from(p[2])
}

fn cb(p: &image::Rgb<u8>) -> f32 {
    128.0 - 0.148 * f32::from(p[0]) - 0.291 * f32::from(p[1]) + 0.439 * f32::from(p[2])
}

fn cr(p: &image::Rgb<u8>) -> f32 {
    128.0 + 0.439 * f32::from(p[0]) - 0.368 * f32::from(p[1]) - 0.071 * f32::from(p[2])
}

/// A harness with caps set and a time segment begun.
pub fn harness(launch: &str, info: &VideoInfo) -> Harness {
    init();
    let element = gst::parse::launch(launch).unwrap();
    let mut harness = Harness::with_element(&element, Some("sink"), Some("src"));
    harness.set_src_caps(info.to_caps().unwrap());
    harness
}

/// Pushes a picture and takes what is known of it then.
pub fn through(harness: &mut Harness, buffer: gst::Buffer) -> VideoResults {
    let pts = buffer.pts();
    let out = harness.push_and_pull(buffer).unwrap();
    assert_eq!(out.pts(), pts, "stamps are left as they are");
    video_results(&out).unwrap_or_default()
}

/// A number of an element's `stats`; 0 when it has none of that name.
pub fn stat(element: &gst::Element, name: &str) -> u64 {
    let stats = element.property::<gst::Structure>("stats");
    if stats.has_field(name) { stats.get(name).unwrap() } else { 0 }
}

/// `input = analysed + late + skipped-REASON`.
#[track_caller]
pub fn assert_closes(element: &gst::Element, input: u64) {
    let stats = element.property::<gst::Structure>("stats");
    let sum: u64 =
        stats.iter().filter(|(name, _)| *name != "input").map(|(_, value)| value.get::<u64>().unwrap()).sum();
    assert_eq!((stat(element, "input"), sum), (input, input), "{stats}");
}

/// Runs a pipeline to its end and hands each buffer that reaches the appsink `out` to `each`.
pub fn run(launch: &str, mut each: impl FnMut(&gst::BufferRef)) -> gst::Pipeline {
    init();
    let pipeline = gst::parse::launch(launch).unwrap().downcast::<gst::Pipeline>().unwrap();
    let sink = pipeline.by_name("out").unwrap().downcast::<gst_app::AppSink>().unwrap();
    sink.set_property("sync", false);
    pipeline.set_state(gst::State::Playing).unwrap();
    while let Ok(sample) = sink.pull_sample() {
        each(sample.buffer().unwrap());
    }
    let bus = pipeline.bus().unwrap();
    let message =
        bus.timed_pop_filtered(gst::ClockTime::from_seconds(60), &[gst::MessageType::Eos, gst::MessageType::Error]);
    assert_eq!(message.map(|message| message.type_()), Some(gst::MessageType::Eos), "{launch}");
    pipeline.set_state(gst::State::Null).unwrap();
    pipeline
}

/// The clips of the GRID corpus, or none, said plainly, where they are absent.
pub fn grid() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/media/grid");
    let mut clips = Vec::new();
    let mut folders = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "mpg") {
                clips.push(path);
            }
        }
    }
    clips.sort();
    if clips.is_empty() {
        println!("SKIPPED: no clips in {}", root.display());
    }
    clips
}

/// The portrait, all of it, as a picture of that size.
pub fn astronaut_at(size: (u32, u32)) -> RgbImage {
    imageops::resize(&astronaut(), size.0, size.1, imageops::FilterType::Triangle)
}
