// SPDX-License-Identifier: Apache-2.0
//! The network for faces, on a real portrait. What it answers is the training's matter: here it is the contract.

#![allow(clippy::unwrap_used)]

mod common;

use std::sync::Arc;

use common::{Yuv, astronaut, engine};
use polygraph_models::{
    Error,
    batch::{BatchOptions, Batcher, NetworkBatch},
    blazeface::{DetectOptions, Detection, FaceDetector},
    forensics::{FaceCrop, FaceForensics, SIDE},
    picture::{Picture, PictureError},
};

/// The astronaut's face, as the detector finds it.
fn face(picture: &Picture<'_>) -> Detection {
    let faces = FaceDetector::load(&engine()).unwrap().detect(picture, &DetectOptions::default()).unwrap();
    let [face] = faces[..] else { panic!("one face was expected: {faces:?}") };
    face
}

fn crop(picture: &Picture<'_>, face: &Detection) -> FaceCrop {
    FaceCrop::new(picture, face.rect, face.points[0], face.points[1]).unwrap()
}

#[test]
fn the_portrait_is_cropped_upright_and_scored() {
    let yuv = Yuv::new(&astronaut());
    let picture = yuv.picture();
    let crop = crop(&picture, &face(&picture));
    assert_eq!(crop.padding, 0.0);
    assert!((80.0..160.0).contains(&crop.side_px), "{}", crop.side_px);
    assert_eq!(crop.pixels().len(), 3 * SIDE * SIDE);
    // Skin in the middle: more red than blue.
    let centre = SIDE / 2 * SIDE + SIDE / 2;
    assert!(crop.pixels()[centre] > crop.pixels()[2 * SIDE * SIDE + centre] + 0.05);
    let network = FaceForensics::load(&engine()).unwrap();
    let [score] = network.score(&[crop]).unwrap()[..] else { panic!("one crop, one score") };
    assert!(score.logit.is_finite() && score.map.iter().all(|cell| cell.is_finite()));
    assert_eq!((&*network.identity().name, network.identity().provider), ("face-forensics", "cpu"));
}

#[test]
fn each_crop_has_its_own_score_in_any_company() {
    let yuv = Yuv::new(&astronaut());
    let picture = yuv.picture();
    let seen = face(&picture);
    let moved = |by: f32| Detection { rect: seen.rect.map(|v| v + by), ..seen };
    let crops = [crop(&picture, &seen), crop(&picture, &moved(0.05)), crop(&picture, &moved(0.2))];
    let network = FaceForensics::load(&engine()).unwrap();
    let alone: Vec<_> = crops.iter().map(|crop| network.score(std::slice::from_ref(crop)).unwrap()[0]).collect();
    assert_eq!(network.score(&crops).unwrap(), alone);
    assert!(alone[0] != alone[1] && alone[1] != alone[2], "the answer doesn't depend on the crop");
    assert_eq!(network.score(&[]).unwrap(), []);

    // As on a GPU: sums come in another order there, so that the last digits differ.
    let loaded = engine().load("face-forensics").unwrap();
    let batcher = Batcher::start(NetworkBatch::new(loaded.clone()).unwrap(), BatchOptions::default()).unwrap();
    let together = FaceForensics::new(loaded, Some(Arc::new(batcher))).score(&crops).unwrap();
    for (one, other) in alone.iter().zip(together) {
        let near = |a: f32, b: f32| (a - b).abs() <= 1e-3 * a.abs().max(1.0);
        assert!(near(one.logit, other.logit), "{} {}", one.logit, other.logit);
        assert!(one.map.iter().zip(other.map).all(|(a, b)| near(*a, b)));
    }
}

#[test]
fn a_box_that_is_none_is_an_error_and_no_score() {
    let yuv = Yuv::new(&astronaut());
    let eye = [0.5, 0.5];
    for rect in [[f32::NAN; 4], [0.1, 0.1, 0.0, 0.0], [0.1, 0.1, f32::INFINITY, 0.2], [0.1, 0.1, -0.2, -0.2]] {
        let refused = FaceCrop::new(&yuv.picture(), rect, eye, eye);
        assert!(matches!(refused, Err(PictureError::Square(_))), "{rect:?}");
    }
    let nowhere = FaceCrop::new(&yuv.picture(), [0.1, 0.1, 0.2, 0.2], [f32::NAN, 0.2], eye);
    assert!(matches!(nowhere.map_err(Error::from), Err(Error::Picture(PictureError::Square(_)))));
    // Eyes in one place say nothing of an angle: the face is taken to be upright.
    assert!(FaceCrop::new(&yuv.picture(), [0.1, 0.1, 0.2, 0.2], eye, eye).is_ok());
}
