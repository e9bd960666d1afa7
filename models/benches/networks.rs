// SPDX-License-Identifier: Apache-2.0
//! What one call of each network costs, with the work around it.

#![allow(missing_docs)]

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use polygraph_models::{
    Engine, Provider, Result,
    blazeface::{DetectOptions, FaceDetector},
    forensics::{FaceCrop, FaceForensics},
    moonshine::Recogniser,
    picture::{Matrix, Picture, PixelFormat, Region},
    silero::{VoiceActivity, WINDOW},
};

/// A 720p picture's planes.
struct Planes(Vec<u8>, Vec<u8>);

impl Planes {
    fn hd() -> Self {
        let texture = |n: usize| (0..n).map(|i| ((i * 31) ^ (i >> 7)) as u8).collect();
        Self(texture(1280 * 720), texture(1280 * 360))
    }

    fn picture(&self, format: PixelFormat) -> Picture<'_> {
        let half = &self.1[..640 * 360];
        let (planes, strides): ([&[u8]; 3], _) = match format {
            PixelFormat::I420 => ([&self.0, half, half], [1280, 640, 640]),
            PixelFormat::Nv12 => ([&self.0, &self.1, &[]], [1280, 1280, 0]),
        };
        Picture {
            format,
            width: 1280,
            height: 720,
            planes,
            strides,
            matrix: Matrix::Bt709,
            full_range: false,
            pixel_aspect: 1.0,
        }
    }
}

fn sampling(criterion: &mut Criterion) {
    let planes = Planes::hd();
    let mut out = vec![0.0; 256 * 256 * 3];
    let square = Region { x: 0.0, y: -280.0, w: 1280.0, h: 1280.0 };
    for format in [PixelFormat::I420, PixelFormat::Nv12] {
        let picture = planes.picture(format);
        criterion.bench_function(&format!("sample 720p {format:?} to 256x256"), |bencher| {
            bencher.iter(|| picture.sample(black_box(&square), (256, 256), [-1.0, 1.0], &mut out));
        });
    }
}

/// Something like a voice: a buzz of 120 Hz whose loudness comes and goes four times a second.
fn buzz(samples: usize) -> Vec<f32> {
    let sample = |i: usize| {
        let t = i as f32 / 16_000.0;
        let tone = |k: f32| (std::f32::consts::TAU * 120.0 * k * t).sin() / k;
        0.1 * (std::f32::consts::TAU * 4.0 * t).sin().abs() * (1..20).map(|k| tone(k as f32)).sum::<f32>()
    };
    (0..samples).map(sample).collect()
}

fn faces(criterion: &mut Criterion) -> Result<()> {
    let detector = FaceDetector::load(&Engine::shared(Provider::Cpu)?)?;
    let planes = Planes::hd();
    for tiles in [false, true] {
        let picture = planes.picture(PixelFormat::I420);
        let options = DetectOptions { tiles, ..DetectOptions::default() };
        let calls = FaceDetector::calls(&picture, &options);
        criterion.bench_function(&format!("faces of 720p in {calls} calls"), |bencher| {
            bencher.iter(|| detector.detect(black_box(&picture), &options));
        });
    }
    Ok(())
}

/// Faces of some sizes in 720p: what is cut out, and what the network makes of it.
fn forensics(criterion: &mut Criterion) -> Result<()> {
    let network = FaceForensics::load(&Engine::shared(Provider::Cpu)?)?;
    let planes = Planes::hd();
    for format in [PixelFormat::I420, PixelFormat::Nv12] {
        let picture = planes.picture(format);
        for side in [64.0, 120.0, 250.0, 500.0f32] {
            let rect = [0.3, 0.1, side / 0.95 / 1280.0, side / 0.95 / 720.0];
            let cut = || FaceCrop::new(black_box(&picture), rect, [0.35, 0.2], [0.4, 0.22]);
            criterion.bench_function(&format!("crop a face of {side} pixels from 720p {format:?}"), |bencher| {
                bencher.iter(cut);
            });
        }
    }
    let crop = FaceCrop::new(&planes.picture(PixelFormat::I420), [0.3, 0.1, 0.2, 0.3], [0.35, 0.2], [0.4, 0.22])?;
    criterion.bench_function("signs of manipulation in a face", |bencher| {
        bencher.iter(|| network.score(black_box(std::slice::from_ref(&crop))));
    });
    Ok(())
}

fn sound(criterion: &mut Criterion) -> Result<()> {
    let engine = Engine::shared(Provider::Cpu)?;
    let wave = buzz(4 * 16_000);
    let mut activity = VoiceActivity::load(&engine)?;
    let mut window = [0.0; WINDOW];
    window.copy_from_slice(&wave[..WINDOW]);
    criterion.bench_function("speech activity of 32 ms", |bencher| bencher.iter(|| activity.push(black_box(&window))));

    let recogniser = Recogniser::load(&engine)?;
    criterion.bench_function("encode 4 s of sound", |bencher| bencher.iter(|| recogniser.encode(black_box(&wave))));
    // Twelve tokens are what 4 s of a slow reader have; they are forced so that every run says the same.
    let heard = recogniser.encode(&wave)?;
    let prefix = [739, 471, 278, 1900, 310, 3064, 29889, 739, 471, 278, 17322, 310];
    criterion.bench_function("decode a prefix of 12 tokens and what follows", |bencher| {
        bencher.iter(|| recogniser.decode(black_box(&heard), &prefix));
    });
    Ok(())
}

/// The networks come from the store, and without them there is nothing to measure.
fn networks(criterion: &mut Criterion) {
    if let Err(error) = faces(criterion).and_then(|()| forensics(criterion)).and_then(|()| sound(criterion)) {
        panic!("{error}");
    }
}

criterion_group!(benches, sampling, networks);
criterion_main!(benches);
