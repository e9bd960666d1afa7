// SPDX-License-Identifier: Apache-2.0
//! Sound for the tests: synthesised, or decoded from the media that `./dev test` fetches.
#![allow(dead_code, reason = "each test binary uses its own part")]

use std::f32::consts::TAU;
use std::path::PathBuf;
use std::sync::Once;

use gst::prelude::*;

/// Makes GStreamer and the plugin ready.
pub fn init() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        gst::init().expect("GStreamer");
        gstpolygraph::plugin_register_static().expect("the plugin");
    });
}

/// The folder of fetched media.
pub fn media(name: &str) -> PathBuf {
    let home = std::env::var_os("POLYGRAPH_HOME").map(PathBuf::from).unwrap_or_else(|| {
        let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
        let home = || PathBuf::from(std::env::var_os("HOME").expect("HOME")).join(".cache");
        cache.unwrap_or_else(home).join("polygraph")
    });
    let path = home.join("media").join(name);
    assert!(path.exists(), "{} is missing: `./dev test` fetches it", path.display());
    path
}

/// Decodes a file to 16 kHz mono.
pub fn decode(path: &std::path::Path) -> Vec<f32> {
    init();
    let description = "filesrc name=file ! decodebin ! audioconvert ! audioresample \
                       ! audio/x-raw,format=F32LE,rate=16000,channels=1 ! appsink name=out sync=false";
    let pipeline = gst::parse::launch(description).expect("pipeline").downcast::<gst::Pipeline>().expect("pipeline");
    pipeline.by_name("file").expect("file").set_property("location", path.to_str().expect("UTF-8"));
    let sink = pipeline.by_name("out").expect("out").downcast::<gst_app::AppSink>().expect("appsink");
    pipeline.set_state(gst::State::Playing).expect("playing");
    let mut samples = Vec::new();
    while let Ok(sample) = sink.pull_sample() {
        let map = sample.buffer().expect("buffer").map_readable().expect("readable");
        samples.extend(map.as_chunks().0.iter().map(|&bytes| f32::from_le_bytes(bytes)));
    }
    pipeline.set_state(gst::State::Null).expect("null");
    samples
}

/// A buffer of little-endian samples at `pts` nanoseconds.
pub fn buffer(samples: &[f32], channels: usize, rate: u32, pts: u64) -> gst::Buffer {
    let bytes: Vec<u8> = samples.iter().flat_map(|sample| sample.to_le_bytes()).collect();
    let mut buffer = gst::Buffer::from_slice(bytes);
    let fields = buffer.get_mut().expect("a new buffer");
    let frames = (samples.len() / channels) as u64;
    fields.set_pts(gst::ClockTime::from_nseconds(pts));
    fields.set_duration(gst::ClockTime::from_nseconds(frames * 1_000_000_000 / u64::from(rate)));
    buffer
}

/// The same sine in some channels, each at its level in dBFS (peak); `None` is silent.
pub fn sine(levels: &[Option<f32>], rate: u32, seconds: f32) -> Vec<f32> {
    let gains: Vec<f32> = levels.iter().map(|level| level.map_or(0.0, |level| 10f32.powf(level / 20.0))).collect();
    (0..(rate as f32 * seconds) as usize)
        .flat_map(|n| {
            let wave = (TAU * (n as f32 * 1000.0 / rate as f32).fract()).sin();
            gains.iter().map(move |gain| gain * wave).collect::<Vec<_>>()
        })
        .collect()
}

/// Noise, white or pink (a sum of octave-spaced first-order low passes), of this peak.
pub fn noise(samples: usize, pink: bool, peak: f32) -> Vec<f32> {
    let mut seed = 0x2545_f491_4f6c_dd1d_u64;
    let mut poles = [0.0f32; 6];
    (0..samples)
        .map(|_| {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            let white = (seed >> 40) as f32 / (1u32 << 23) as f32 - 1.0;
            if !pink {
                return white * peak;
            }
            for (i, pole) in poles.iter_mut().enumerate() {
                let keep = 1.0 - 0.5f32.powi(i as i32 + 1);
                *pole = keep * *pole + (1.0 - keep) * white;
            }
            (poles.iter().sum::<f32>() / 2.0).clamp(-1.0, 1.0) * peak
        })
        .collect()
}

/// Music at 16 kHz: chords of plucked, vibrating tones over a beat.
pub fn music(seconds: usize) -> Vec<f32> {
    let chords = [[220.0, 277.2, 329.6], [196.0, 246.9, 293.7], [174.6, 220.0, 261.6], [164.8, 207.7, 246.9]];
    let drum = noise(16_000 * seconds, false, 0.2);
    (0..16_000 * seconds)
        .map(|n| {
            let time = n as f32 / 16_000.0;
            let beat = (time * 2.0).fract();
            let chord = chords[(time as usize) % 4];
            let tones: f32 = chord
                .iter()
                .flat_map(|tone| (1..6).map(move |harmonic| (tone, harmonic as f32)))
                .map(|(tone, harmonic)| {
                    let vibrato = 1.0 + 0.003 * (TAU * 5.0 * time).sin();
                    (TAU * (tone * harmonic * vibrato * time).fract()).sin() / harmonic
                })
                .sum();
            tones * 0.1 * (-2.0 * beat).exp() + drum[n] * (-20.0 * beat).exp()
        })
        .collect()
}

/// The passage that `two_cities.wav` reads: Charles Dickens, A Tale of Two Cities (1859), public domain.
pub const TWO_CITIES: &str = "It was the best of times, it was the worst of times, it was the age of wisdom, it was the \
    age of foolishness, it was the epoch of belief, it was the epoch of incredulity, it was the season of Light, it was \
    the season of Darkness, it was the spring of hope, it was the winter of despair, we had everything before us, we had \
    nothing before us, we were all going direct to Heaven, we were all going direct the other way--in short, the period \
    was so far like the present period, that some of its noisiest authorities insisted on its being received, for good \
    or for evil, in the superlative degree of comparison only.";
