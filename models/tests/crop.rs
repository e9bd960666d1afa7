// SPDX-License-Identifier: Apache-2.0
//! Crops of faces, against the rules that training follows too, written down plainly in double precision.

#![allow(clippy::unwrap_used)]

mod planes;

use planes::{Planes, noise, rgb};
use polygraph_models::picture::{Picture, PictureError, PixelFormat, Square};

const SIZE: usize = 128;

fn crop(picture: &Picture<'_>, square: &Square) -> (Vec<f32>, f32) {
    let mut out = vec![9.0; 3 * SIZE * SIZE];
    let padding = picture.crop(square, SIZE, &mut out).unwrap();
    (out, padding)
}

/// The bilinear value of a channel, its first sample at 0, edges replicated.
fn bilinear(channel: &dyn Fn(usize, usize) -> u8, (width, height): (usize, usize), x: f64, y: f64) -> f64 {
    let (x, y) = (x.clamp(0.0, (width - 1) as f64), y.clamp(0.0, (height - 1) as f64));
    let (left, upper) = (x.floor() as usize, y.floor() as usize);
    let (right, lower) = ((left + 1).min(width - 1), (upper + 1).min(height - 1));
    let (fx, fy) = (x.fract(), y.fract());
    let row = |row| f64::from(channel(left, row)) * (1.0 - fx) + f64::from(channel(right, row)) * fx;
    row(upper) * (1.0 - fy) + row(lower) * fy
}

/// One pixel of the output by the rules: `u` and `v` of its samples, the pixels of the picture they lie in, its mean.
fn reference(size: (usize, usize), aspect: f64, square: &Square, column: usize, row: usize) -> [f64; 3] {
    let k = ((square.side / SIZE as f64).ceil() as usize).clamp(1, 8);
    let fine = (SIZE * k) as f64;
    let chroma = (size.0.div_ceil(2), size.1.div_ceil(2));
    let (sin, cos) = square.angle.sin_cos();
    let mut sums = [0.0; 3];
    for (i, j) in (0..k).flat_map(|j| (0..k).map(move |i| (column * k + i, row * k + j))) {
        let (u, v) = ((i as f64 + 0.5) / fine - 0.5, (j as f64 + 0.5) / fine - 0.5);
        let x = (square.centre[0] + square.side * (u * cos - v * sin)) / aspect;
        let y = square.centre[1] + square.side * (u * sin + v * cos);
        sums[0] += bilinear(&|x, y| noise(0, x, y), size, x - 0.5, y - 0.5);
        for plane in [1, 2] {
            sums[plane] += bilinear(&|x, y| noise(plane, x, y), chroma, (x - 0.5) / 2.0, y / 2.0 - 0.5);
        }
    }
    let [y, cb, cr] = sums.map(|sum| sum / (k * k) as f64);
    rgb(y, cb, cr)
}

#[track_caller]
fn compare(size: (usize, usize), aspect: f32, square: Square) {
    for format in [PixelFormat::I420, PixelFormat::Nv12] {
        let planes = Planes::new(format, size, 5, noise);
        let (got, _) = crop(&Picture { pixel_aspect: aspect, ..planes.picture() }, &square);
        let mut worst = 0.0f64;
        for (column, row) in (0..SIZE).flat_map(|row| (0..SIZE).map(move |column| (column, row))) {
            let want = reference(size, f64::from(aspect), &square, column, row);
            for (plane, want) in want.into_iter().enumerate() {
                worst = worst.max((f64::from(got[plane * SIZE * SIZE + row * SIZE + column]) - want).abs());
            }
        }
        // Noise is the worst case: a level between neighbours is 2^-11 of it off at most.
        assert!(worst < 1.0 / 255.0, "{format:?} {size:?} {square:?}: {worst}");
    }
}

#[test]
fn crops_agree_with_the_rules() {
    for (side, angle) in [(128.0, 0.0), (60.3, 0.4), (128.1, -0.7), (250.0, 3.0), (400.0, 1.6), (1500.0, 0.1)] {
        compare((322, 240), 1.0, Square { centre: [160.7, 119.2], side, angle });
    }
}

#[test]
fn odd_sizes_edges_and_anamorphic_pixels_too() {
    compare((321, 181), 1.0, Square { centre: [10.0, 175.0], side: 90.0, angle: 0.5 });
    compare((355, 289), 64.0 / 45.0, Square { centre: [250.0, 140.0], side: 150.0, angle: -0.3 });
    for size in [(1, 1), (2, 1), (1, 3), (3, 3), (5, 4)] {
        compare(size, 1.0, Square { centre: [0.7, 0.9], side: 2.0, angle: 0.2 });
    }
}

#[test]
fn a_turned_face_comes_out_upright() {
    // A bright bar from eye to eye, 30 degrees down to the right: it is level in the crop.
    let angle = 30.0f64.to_radians();
    let (sin, cos) = angle.sin_cos();
    let bar = |plane: usize, x: usize, y: usize| {
        let (x, y) = (x as f64 + 0.5 - 320.0, y as f64 + 0.5 - 240.0);
        let across = -x * sin + y * cos;
        if plane > 0 { 128 } else { 20 + 200 * u8::from(across.abs() < 6.0) }
    };
    let planes = Planes::new(PixelFormat::I420, (640, 480), 0, bar);
    let picture = planes.picture();
    let eye = |along: f64| [((320.0 + along * cos) / 640.0) as f32, ((240.0 + along * sin) / 480.0) as f32];
    let rect = [220.0 / 640.0, 140.0 / 480.0, 200.0 / 640.0, 200.0 / 480.0];
    let square = Square::of_face(&picture, rect, eye(-40.0), eye(40.0), 0.95);
    assert!((square.side - 190.0).abs() < 1e-3 && (square.angle - angle).abs() < 1e-5, "{square:?}");
    assert!((square.centre[0] - 320.0).abs() < 1e-3 && (square.centre[1] - 240.0).abs() < 1e-3, "{square:?}");
    let (out, padding) = crop(&picture, &square);
    assert_eq!(padding, 0.0);
    for column in 0..SIZE {
        let bright: Vec<_> = (0..SIZE).filter(|row| out[row * SIZE + column] > 0.5).collect();
        assert_eq!((bright.first(), bright.last()), (Some(&60), Some(&67)), "column {column}");
    }
}

#[test]
fn a_face_is_measured_in_shown_pixels() {
    let planes = Planes::new(PixelFormat::I420, (720, 576), 0, noise);
    let picture = Picture { pixel_aspect: 64.0 / 45.0, ..planes.picture() };
    // 1024 shown pixels wide: an eye line of 10 shown pixels each way is one of 45 degrees.
    let square = Square::of_face(
        &picture,
        [0.25, 0.25, 100.0 / 1024.0, 100.0 / 576.0],
        [0.5, 0.5],
        [0.5 + 10.0 / 1024.0, 0.5 + 10.0 / 576.0],
        0.95,
    );
    assert!((square.side - 95.0).abs() < 1e-3, "{square:?}");
    assert!((square.centre[0] - 306.0).abs() < 1e-3 && (square.centre[1] - 194.0).abs() < 1e-3, "{square:?}");
    assert!((square.angle - std::f64::consts::FRAC_PI_4).abs() < 1e-4, "{square:?}");
}

#[test]
fn padding_is_the_part_of_the_pixels_outside() {
    let planes = Planes::new(PixelFormat::I420, (200, 200), 0, noise);
    let picture = planes.picture();
    let padding = |x: f64, y: f64, side: f64| crop(&picture, &Square { centre: [x, y], side, angle: 0.0 }).1;
    assert_eq!(padding(100.0, 100.0, 200.0), 0.0, "the whole picture and no more");
    assert_eq!(padding(0.0, 100.0, 100.0), 0.5);
    assert_eq!(padding(0.0, 0.0, 100.0), 0.75);
    assert_eq!(padding(5000.0, 100.0, 100.0), 1.0);
    let turned = Square { centre: [100.0, 100.0], side: 200.0, angle: std::f64::consts::FRAC_PI_4 };
    // Four corners of a square on its tip: 1 - (2 sqrt 2 - 2).
    assert!((crop(&picture, &turned).1 - 0.1716).abs() < 0.005);
}

#[test]
fn stripes_of_one_pixel_do_not_alias() {
    let stripes =
        Planes::new(PixelFormat::I420, (1280, 720), 0, |p, x, _| if p == 0 { 255 * (x % 2) as u8 } else { 128 });
    let (out, _) = crop(&stripes.picture(), &Square { centre: [640.0, 360.0], side: 512.0, angle: 0.0 });
    let (low, high) = out.iter().fold((1.0f32, 0.0f32), |(low, high), v| (low.min(*v), high.max(*v)));
    assert!(high - low < 0.1, "{low}..{high}");
}

#[test]
fn what_makes_no_sense_is_refused() {
    let planes = Planes::new(PixelFormat::I420, (101, 51), 0, noise);
    let good = Square { centre: [50.0, 25.0], side: 40.0, angle: 0.1 };
    let mut out = vec![0.0; 3 * SIZE * SIZE];
    for number in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 1e300] {
        for bad in [
            Square { centre: [number, 25.0], ..good },
            Square { centre: [50.0, number], ..good },
            Square { side: number, ..good },
            Square { angle: number, ..good },
        ] {
            let refused = planes.picture().crop(&bad, SIZE, &mut out);
            assert!(matches!(refused, Err(PictureError::Square(_))), "{bad:?}: {refused:?}");
        }
    }
    for side in [0.0, -1.0] {
        let refused = planes.picture().crop(&Square { side, ..good }, SIZE, &mut out);
        assert!(matches!(refused, Err(PictureError::Square(_))), "{refused:?}");
    }
    for size in [0, 64, 129, usize::MAX] {
        let refused = planes.picture().crop(&good, size, &mut out);
        assert!(matches!(refused, Err(PictureError::Output { .. })), "{refused:?}");
    }
    let thin = Picture { pixel_aspect: 1e-7, ..planes.picture() };
    assert!(matches!(thin.crop(&good, SIZE, &mut out), Err(PictureError::Square(_))));
    let mut short = planes.picture();
    short.planes[0] = &short.planes[0][1..];
    assert!(matches!(short.crop(&good, SIZE, &mut out), Err(PictureError::Plane { plane: 0, .. })));
    // The farthest and largest that is taken costs no more than others, and gives what the edges show.
    let far = Square { centre: [4e7, -4e7], side: 5e7, angle: -2.0 };
    assert_eq!(planes.picture().crop(&far, SIZE, &mut out).unwrap(), 1.0);
    assert!(out.iter().all(|value| (0.0..=1.0).contains(value)));
}
