// SPDX-License-Identifier: Apache-2.0
//! Sampling of decoder pictures, against a plain reference in double precision.

// A panic in a helper is the report, as in the tests themselves.
#![allow(clippy::unwrap_used)]

mod planes;

use planes::{Planes, noise, rgb};
use polygraph_models::picture::{Picture, PictureError, PixelFormat, Region};

/// The mean of a channel over a rectangle (shrinking) or its bilinear value (growing).
fn reference(channel: &dyn Fn(usize, usize) -> u8, size: (usize, usize), x: (f64, f64), y: (f64, f64)) -> f64 {
    let weights = |(from, to): (f64, f64), limit: usize| -> Vec<(usize, f64)> {
        let all: Vec<(usize, f64)> = if to - from > 1.0 {
            (0..limit).map(|i| (i, (to.min(i as f64 + 1.0) - from.max(i as f64)).max(0.0))).collect()
        } else {
            let at = ((from + to) / 2.0 - 0.5).clamp(0.0, (limit - 1) as f64);
            (0..limit).map(|i| (i, (1.0 - (at - i as f64).abs()).max(0.0))).collect()
        };
        let sum: f64 = all.iter().map(|(_, w)| w).sum();
        all.into_iter().filter(|(_, w)| *w > 0.0).map(|(i, w)| (i, w / sum)).collect()
    };
    let columns = weights(x, size.0);
    weights(y, size.1)
        .iter()
        .map(|(row, wy)| columns.iter().map(|(col, wx)| wx * wy * f64::from(channel(*col, *row))).sum::<f64>())
        .sum()
}

fn compare(format: PixelFormat, size: (usize, usize), region: Region, out: (usize, usize)) {
    let planes = Planes::new(format, size, 5, noise);
    let mut got = vec![0.0; out.0 * out.1 * 3];
    planes.picture().sample(&region, out, [0.0, 1.0], &mut got).unwrap();
    let chroma = (size.0.div_ceil(2), size.1.div_ceil(2));
    let (mut worst, mut sum) = (0.0f64, 0.0);
    for row in 0..out.1 {
        for col in 0..out.0 {
            let edge = |origin: f64, length: f64, n: usize, i: usize| {
                (origin + length * i as f64 / n as f64, length / n as f64)
            };
            let (x, w) = edge(region.x, region.w, out.0, col);
            let (y, h) = edge(region.y, region.h, out.1, row);
            let luma = reference(&|x, y| noise(0, x, y), size, (x, x + w), (y, y + h));
            let side = |plane| {
                let x = x / 2.0 + 0.25;
                reference(&|x, y| noise(plane, x, y), chroma, (x, x + w / 2.0), (y / 2.0, (y + h) / 2.0))
            };
            let want = rgb(luma, side(1), side(2));
            for (got, want) in got[(row * out.0 + col) * 3..][..3].iter().zip(want) {
                let error = (f64::from(*got) - want).abs();
                worst = worst.max(error);
                sum += error;
            }
        }
    }
    let mean = sum / got.len() as f64;
    assert!(worst < 6.0 / 255.0 && mean < 1.0 / 255.0, "{format:?} {size:?} -> {out:?}: worst {worst}, mean {mean}");
}

#[test]
fn samples_agree_with_the_reference() {
    for format in [PixelFormat::I420, PixelFormat::Nv12] {
        compare(format, (322, 181), Region { x: 0.0, y: 0.0, w: 322.0, h: 181.0 }, (64, 36));
        compare(format, (321, 181), Region { x: 100.3, y: 51.7, w: 150.9, h: 120.2 }, (48, 41));
        compare(format, (33, 19), Region { x: 3.2, y: 2.1, w: 12.0, h: 9.0 }, (40, 30));
        compare(format, (64, 64), Region { x: 0.0, y: 0.0, w: 64.0, h: 64.0 }, (64, 64));
    }
}

#[test]
fn stripes_of_one_pixel_do_not_alias() {
    for planes in [
        Planes::new(PixelFormat::I420, (1280, 720), 0, |p, x, _| if p == 0 { 255 * (x % 2) as u8 } else { 128 }),
        Planes::new(PixelFormat::I420, (1280, 720), 0, |p, _, y| if p == 0 { 255 * (y % 2) as u8 } else { 128 }),
    ] {
        let mut out = vec![0.0; 256 * 256 * 3];
        let square = Region { x: 0.0, y: -280.0, w: 1280.0, h: 1280.0 };
        planes.picture().sample(&square, (256, 256), [0.0, 1.0], &mut out).unwrap();
        let inside = &out[60 * 256 * 3..196 * 256 * 3];
        let (low, high) = inside.iter().fold((1.0f32, 0.0f32), |(low, high), v| (low.min(*v), high.max(*v)));
        // A box of five stripes holds two or three of them, never none or all.
        assert!(high - low < 0.25, "{low}..{high}");
        let mean = inside.iter().sum::<f32>() / inside.len() as f32;
        assert!((mean - 0.509).abs() < 0.02, "{mean}");
    }
}

#[test]
fn what_lies_over_the_edge_is_black_and_the_levels_are_kept() {
    let planes = Planes::new(PixelFormat::Nv12, (100, 50), 3, |plane, _, _| if plane == 0 { 235 } else { 128 });
    let mut out = vec![9.0; 20 * 20 * 3];
    let square = Region { x: 0.0, y: -25.0, w: 100.0, h: 100.0 };
    planes.picture().sample(&square, (20, 20), [-1.0, 1.0], &mut out).unwrap();
    for (row, line) in out.chunks_exact(60).enumerate() {
        let want = if (5..15).contains(&row) { 1.0 } else { -1.0 };
        assert!(line.iter().all(|v| (v - want).abs() < 0.01), "row {row}: {line:?}");
    }
    let far = Region { x: 1e6, y: -1e6, w: 3.0, h: 5.0 };
    planes.picture().sample(&far, (20, 20), [-1.0, 1.0], &mut out).unwrap();
    assert!(out.iter().all(|v| *v == -1.0));
}

#[test]
fn every_small_size_can_be_read() {
    for width in 1..6 {
        for height in 1..6 {
            for format in [PixelFormat::I420, PixelFormat::Nv12] {
                let planes = Planes::new(format, (width, height), 0, |plane, _, _| if plane == 0 { 126 } else { 128 });
                for out in [(1, 1), (3, 2), (7, 9)] {
                    let picture = planes.picture();
                    let mut rgb = vec![0.0; out.0 * out.1 * 3];
                    picture.sample(&picture.region(), out, [0.0, 1.0], &mut rgb).unwrap();
                    assert!(rgb.iter().all(|v| (v - 0.502).abs() < 0.01), "{width}x{height} {format:?}: {rgb:?}");
                }
            }
        }
    }
}

#[test]
fn the_cells_of_a_mosaic_are_means_of_whole_pixels() {
    for format in [PixelFormat::I420, PixelFormat::Nv12] {
        // 2 x 3 cells of 5 x 4 pixels and of their 5 x 4 colour differences.
        let planes = Planes::new(format, (20, 24), 3, noise);
        let mut out = vec![0.0; 2 * 3 * 3];
        planes.picture().mosaic((2, 3), 64, &mut out).unwrap();
        for (cell, got) in out.chunks_exact(3).enumerate() {
            let mean = |plane: usize, w: usize, h: usize| {
                let (left, top) = (cell % 2 * w, cell / 2 * h);
                let all = (0..w * h).map(|i| f64::from(noise(plane, left + i % w, top + i / w)));
                all.sum::<f64>() / (w * h) as f64
            };
            let want = rgb(mean(0, 10, 8), mean(1, 5, 4), mean(2, 5, 4));
            assert!(
                got.iter().zip(want).all(|(a, b)| (f64::from(*a) - b).abs() < 1e-4),
                "{format:?}: {got:?} {want:?}"
            );
        }
    }
}

#[test]
fn a_mosaic_reads_few_rows_evenly_and_any_size() {
    // Rows 2 and 6 of each 8 are white, the others black: two rows a cell see only those.
    let planes =
        Planes::new(PixelFormat::I420, (16, 16), 0, |p, _, y| if p > 0 { 128 } else { 235 * u8::from(y % 4 == 2) });
    let mut out = vec![0.0; 2 * 2 * 3];
    planes.picture().mosaic((2, 2), 2, &mut out).unwrap();
    assert!(out.iter().all(|v| *v > 0.99), "{out:?}");
    for (width, height) in [(1, 1), (2, 3), (5, 1), (1, 700), (7, 7)] {
        for format in [PixelFormat::I420, PixelFormat::Nv12] {
            let planes = Planes::new(format, (width, height), 0, |plane, _, _| if plane == 0 { 126 } else { 128 });
            let mut out = vec![0.0; 48 * 27 * 3];
            planes.picture().mosaic((48, 27), 999, &mut out).unwrap();
            assert!(out.iter().all(|v| (v - 0.502).abs() < 0.01), "{width}x{height} {format:?}");
        }
    }
    assert!(matches!(planes.picture().mosaic((2, 3), 2, &mut out), Err(PictureError::Output { .. })));
    assert!(matches!(planes.picture().mosaic((0, 2), 2, &mut out), Err(PictureError::Output { .. })));
}

#[test]
fn planes_that_lie_are_refused() {
    let planes = Planes::new(PixelFormat::I420, (101, 51), 0, noise);
    let good = planes.picture();
    let mut out = vec![0.0; 12];
    let mut sample = |picture: Picture<'_>| picture.sample(&picture.region(), (2, 2), [0.0, 1.0], &mut out);
    assert_eq!(sample(good), Ok(()));
    for plane in 0..3 {
        let mut short = good;
        short.planes[plane] = &short.planes[plane][1..];
        assert!(matches!(sample(short), Err(PictureError::Plane { plane: p, .. }) if p == plane));
        let mut narrow = good;
        narrow.strides[plane] -= 1;
        assert!(matches!(sample(narrow), Err(PictureError::Stride { plane: p, .. }) if p == plane));
        let mut endless = good;
        endless.strides[plane] = usize::MAX;
        assert!(matches!(sample(endless), Err(PictureError::Plane { plane: p, .. }) if p == plane));
    }
    assert!(matches!(sample(Picture { width: 0, ..good }), Err(PictureError::Size { .. })));
    assert!(matches!(sample(Picture { height: usize::MAX, ..good }), Err(PictureError::Size { .. })));
    for aspect in [0.0, -1.0, f32::NAN, f32::INFINITY] {
        assert!(matches!(sample(Picture { pixel_aspect: aspect, ..good }), Err(PictureError::PixelAspect(_))));
    }
}

#[test]
fn regions_and_outputs_that_make_no_sense_are_refused() {
    let planes = Planes::new(PixelFormat::I420, (8, 8), 0, noise);
    let mut out = vec![0.0; 12];
    for (w, h) in [(0.0, 1.0), (1.0, -1.0), (f64::NAN, 1.0), (1.0, f64::INFINITY)] {
        let region = Region { x: 0.0, y: 0.0, w, h };
        let error = planes.picture().sample(&region, (2, 2), [0.0, 1.0], &mut out);
        assert!(matches!(error, Err(PictureError::Region(_))), "{error:?}");
    }
    for size in [(2, 3), (0, 2), (usize::MAX, 2)] {
        let error = planes.picture().sample(&planes.picture().region(), size, [0.0, 1.0], &mut out);
        assert!(matches!(error, Err(PictureError::Output { .. })), "{error:?}");
    }
}
