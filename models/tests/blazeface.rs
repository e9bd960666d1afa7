// SPDX-License-Identifier: Apache-2.0
//! The face detector with its real network, on a real portrait.

#![allow(clippy::unwrap_used)]

mod common;

use common::{FACE, Yuv, astronaut, backdrop, engine, pasted};
use image::{RgbImage, imageops};
use polygraph_models::{
    Error,
    blazeface::{DetectOptions, Detection, FaceDetector},
    picture::{Picture, PictureError},
};

fn detect(rgb: &RgbImage, tiles: bool) -> Vec<Detection> {
    detect_picture(&Yuv::new(rgb).picture(), tiles)
}

fn detect_picture(picture: &Picture<'_>, tiles: bool) -> Vec<Detection> {
    let detector = FaceDetector::load(&engine()).unwrap();
    detector.detect(picture, &DetectOptions { tiles, ..DetectOptions::default() }).unwrap()
}

/// The only face, and whether it lies where the pixels of the astronaut's face are: centre and size in pixels.
#[track_caller]
fn only_face_at(faces: &[Detection], size: (u32, u32), centre: (f32, f32), height: f32) -> Detection {
    let [face] = *faces else { panic!("one face was expected: {faces:?}") };
    let (width, lines) = (size.0 as f32, size.1 as f32);
    let [x, y, w, h] = face.rect;
    let (dx, dy) = ((x + w / 2.0) * width - centre.0, (y + h / 2.0) * lines - centre.1);
    assert!(dx.abs() < 0.2 * height && dy.abs() < 0.2 * height, "off by {dx}, {dy} pixels: {face:?}");
    // Of a face of a dozen pixels the network's box is rough.
    let rough = if height < 40.0 { 1.7 } else { 1.33 };
    let scale = h * lines / height;
    assert!((1.0 / rough..rough).contains(&scale), "{scale} of the face's height: {face:?}");
    face
}

#[test]
fn the_astronaut_has_one_face_with_its_points() {
    let faces = detect(&astronaut(), false);
    let face = only_face_at(&faces, (512, 512), (225.0, 127.0), 105.0);
    assert!(face.score > 0.8);
    // Where a person sees them in the picture of 512 pixels.
    let seen = [[203.0, 100.0], [247.0, 101.0], [223.0, 127.0], [224.0, 150.0], [177.0, 110.0], [273.0, 113.0]];
    for (point, want) in face.points.iter().zip(seen) {
        let off = (point[0] * 512.0 - want[0]).hypot(point[1] * 512.0 - want[1]);
        assert!(off < 12.0, "{point:?} is {off} pixels from {want:?}");
    }
}

#[test]
fn faces_in_any_corner_of_any_shape_are_where_they_are() {
    for size in [(640, 360), (360, 640), (641, 361)] {
        let (w, h) = (size.0 as f32, size.1 as f32);
        for centre in [(0.5, 0.5), (0.12, 0.25), (0.88, 0.25), (0.2, 0.8), (0.8, 0.8)] {
            let at = (centre.0 * w, centre.1 * h);
            only_face_at(&detect(&pasted(size, 80.0, at), false), size, at, 80.0);
        }
    }
}

#[test]
fn a_mirrored_face_mirrors_its_points() {
    let mirrored = detect(&imageops::flip_horizontal(&astronaut()), false);
    let [straight] = detect(&astronaut(), false)[..] else { panic!("one face") };
    let [mirrored] = mirrored[..] else { panic!("one face") };
    for (point, other) in [(0, 1), (2, 2), (3, 3), (4, 5)] {
        let x = straight.points[point][0] + mirrored.points[other][0];
        assert!((x - 1.0).abs() < 0.02, "{x}");
    }
}

#[test]
fn anamorphic_pixels_are_stretched_before_the_network_looks() {
    // The portrait squeezed to a third of its width, as a file with pixels three times as wide as high has it.
    let squeezed = imageops::resize(&astronaut(), 170, 512, imageops::FilterType::Triangle);
    let yuv = Yuv::new(&squeezed);
    let faces = detect_picture(&Picture { pixel_aspect: 512.0 / 170.0, ..yuv.picture() }, false);
    let [face] = faces[..] else { panic!("one face was expected: {faces:?}") };
    for (got, want) in face.rect.iter().zip(FACE) {
        assert!((got - want).abs() < 0.03, "{:?}", face.rect);
    }
}

#[test]
fn small_faces_in_720p_are_found_by_tiles() {
    let size = (1280, 720);
    let centres = [(150.0, 200.0), (640.0, 360.0), (655.0, 500.0), (1100.0, 620.0)];
    let mut without = 0;
    for (at, face) in centres.into_iter().flat_map(|at| [(at, 24.0), (at, 32.0)]) {
        let picture = pasted(size, face, at);
        only_face_at(&detect(&picture, true), size, at, face);
        without += detect(&picture, false).len();
    }
    assert!(without < centres.len(), "tiles would be of no use: {without} were found without");
}

#[test]
fn a_face_that_several_views_show_is_one_face() {
    for (face, at) in [(64.0, (640.0, 360.0)), (150.0, (560.0, 300.0)), (300.0, (640.0, 360.0))] {
        only_face_at(&detect(&pasted((1280, 720), face, at), true), (1280, 720), at, face);
    }
}

#[test]
fn pictures_without_faces_have_none() {
    let rubbish = RgbImage::from_fn(640, 360, |x, y| {
        let hash = (x.wrapping_mul(0x9E37_79B9) ^ y.wrapping_mul(0x85EB_CA6B)).wrapping_mul(0x2C1B_3C6D);
        image::Rgb([(hash >> 8) as u8, (hash >> 16) as u8, (hash >> 24) as u8])
    });
    for picture in
        [RgbImage::new(640, 360), RgbImage::from_pixel(64, 64, image::Rgb([255; 3])), backdrop(1280, 720), rubbish]
    {
        assert_eq!(detect(&picture, true), []);
    }
    assert_eq!(detect(&RgbImage::new(1, 1), true), []);
}

#[test]
fn thresholds_are_kept_and_planes_are_checked() {
    let detector = FaceDetector::load(&engine()).unwrap();
    let yuv = Yuv::new(&astronaut());
    let high = DetectOptions { threshold: 0.999, tiles: false };
    assert_eq!(detector.detect(&yuv.picture(), &high).unwrap(), []);
    let low = DetectOptions { threshold: 0.05, tiles: false };
    assert!(detector.detect(&yuv.picture(), &low).unwrap().iter().all(|face| face.score >= 0.05));
    let lying = Picture { height: 1024, ..yuv.picture() };
    let error = detector.detect(&lying, &low).unwrap_err();
    assert!(matches!(error, Error::Picture(PictureError::Plane { plane: 0, .. })), "{error}");
    assert_eq!(detector.identity().name, "blazeface-back");
}
