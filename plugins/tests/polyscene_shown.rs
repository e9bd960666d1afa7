// SPDX-License-Identifier: Apache-2.0
//! What polyscene says a shot shows.

#![allow(clippy::unwrap_used, reason = "a panic in a test's helper is the report too")]

mod common;

use common::{MS, buffer, harness, info, through};
use gst_video::VideoFormat;
use image::{Rgb, RgbImage};
use polygraph_core::scene::SceneResults;

const SIZE: (u32, u32) = (640, 360);

/// Vertical bars of the colours of a test card.
fn bars() -> RgbImage {
    let colours = [[191, 191, 191], [191, 191, 0], [0, 191, 191], [0, 191, 0], [191, 0, 191], [191, 0, 0], [0, 0, 191]];
    RgbImage::from_fn(SIZE.0, SIZE.1, |x, _| Rgb(colours[(x * 7 / SIZE.0) as usize]))
}

fn grey() -> RgbImage {
    RgbImage::from_pixel(SIZE.0, SIZE.1, Rgb([90, 90, 90]))
}

/// What is known of each of some pictures, 25 a second.
fn seen(launch: &str, pictures: &[RgbImage]) -> Vec<Option<SceneResults>> {
    let info = info(VideoFormat::I420, SIZE);
    let mut harness = harness(launch, &info);
    let pictures = pictures.iter().enumerate();
    pictures.map(|(n, picture)| through(&mut harness, buffer(&info, picture, n as u64 * 40 * MS)).scene).collect()
}

/// Pictures that the network looked at.
fn looked(seen: &[Option<SceneResults>]) -> Vec<usize> {
    (0..seen.len()).filter(|n| seen[*n].as_ref().is_some_and(|scene| scene.analysed)).collect()
}

#[test]
fn a_test_card_is_none_of_the_scenes_and_was_taken_nowhere() {
    let seen = seen("polyscene scenes=true provider=cpu", &[bars()]);
    let scene = seen[0].as_ref().unwrap();
    assert_eq!(scene.labels.iter().map(|label| label.label.as_str()).collect::<Vec<_>>(), ["none"]);
    assert_eq!((scene.network.name.as_str(), scene.network.provider.as_str()), ("scene-groups", "cpu"));
    assert_eq!(scene.network.sha256.len(), 64);
}

#[test]
fn a_shot_is_looked_at_at_its_cut_and_once_a_second_and_its_labels_stay() {
    let shot = |picture: RgbImage, count| vec![picture; count];
    let pictures = [shot(bars(), 30), shot(grey(), 40)].concat();
    let seen = seen("polyscene scenes=true provider=cpu", &pictures);
    assert_eq!(looked(&seen), [0, 25, 30, 55]);
    assert!(seen.iter().all(|scene| !scene.as_ref().unwrap().labels.is_empty()));
    assert_eq!(seen[1].as_ref().unwrap().labels, seen[0].as_ref().unwrap().labels);
}

#[test]
fn its_rate_is_a_property_and_without_labels_nobody_looks() {
    let pictures = vec![grey(); 26];
    let launch = "polyscene scenes=true scene-interval=200000000 provider=cpu";
    assert_eq!(looked(&seen(launch, &pictures)), [0, 5, 10, 15, 20, 25]);
    assert!(seen("polyscene", &pictures[..2]).iter().all(Option::is_none));
}

#[test]
fn pictures_that_lie_far_apart_are_shots_of_their_own() {
    let info = info(VideoFormat::I420, SIZE);
    let mut harness = harness("polyscene scenes=true scene-threshold=0 provider=cpu", &info);
    let mut p = |picture: &RgbImage, second: u64| {
        let known = through(&mut harness, buffer(&info, picture, second * 1000 * MS));
        known.scene.unwrap().labels[0].clone()
    };
    let alone = p(&common::astronaut_at(SIZE), 0);
    let _ = p(&bars(), 10);
    // Nothing of the bars is in the mean of the next shot.
    assert_eq!(p(&common::astronaut_at(SIZE), 20), alone);
}
