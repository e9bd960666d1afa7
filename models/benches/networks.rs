// SPDX-License-Identifier: Apache-2.0
//! What one call of each network costs, with the work around it.

#![allow(missing_docs)]

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use polygraph_models::picture::{Matrix, Picture, PixelFormat, Region};

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

criterion_group!(benches, sampling);
criterion_main!(benches);
