// SPDX-License-Identifier: Apache-2.0
//! Text on screen in polyscene, on captions that ffmpeg draws.

#![allow(clippy::unwrap_used, reason = "a panic in a test's helper is the report too")]

mod common;

use std::process::Command;

use common::{MS, buffer, harness, info, init, scene, through};
use gst_video::VideoFormat;
use image::RgbImage;
use polygraph_core::screen_text::TextLine;
use polygraph_models::text::{DETECTOR, READER};
use polygraph_models::{Engine, Provider};

const SIZE: (u32, u32) = (1280, 720);
const LAUNCH: &str = "polyscene text=true text-interval=0 provider=cpu";

/// A caption: what it says, its left and top edge, and the size of its letters, in pixels.
type Caption<'a> = (&'a str, u32, u32, u32);

/// The portrait on grey with captions on it: white on a dark box.
fn captioned(captions: &[Caption<'_>]) -> RgbImage {
    let folder = tempfile::tempdir().unwrap();
    let (plain, drawn) = (folder.path().join("plain.png"), folder.path().join("drawn.png"));
    scene(SIZE, (700, 100)).save(&plain).unwrap();
    let mut filter = vec!["null".to_owned()];
    for (at, (text, x, y, size)) in captions.iter().enumerate() {
        let file = folder.path().join(format!("{at}.txt"));
        std::fs::write(&file, text).unwrap();
        let file = file.display();
        filter
            .push(format!("drawtext=textfile={file}:x={x}:y={y}:fontsize={size}:fontcolor=white:box=1:boxcolor=navy"));
    }
    let mut ffmpeg = Command::new("ffmpeg");
    ffmpeg.args(["-loglevel", "error", "-y", "-i"]).arg(plain).args(["-vf", &filter.join(",")]).arg(&drawn);
    assert!(ffmpeg.status().unwrap().success());
    image::open(drawn).unwrap().to_rgb8()
}

fn said(lines: &[TextLine]) -> Vec<&str> {
    lines.iter().map(|line| line.text.as_str()).collect()
}

/// How many strips the reader has read in this process.
fn read() -> u64 {
    Engine::shared(Provider::Cpu).unwrap().load(READER).unwrap().runs()
}

/// One test, for it counts what networks did that all tests share.
#[test]
fn text_is_read() {
    captions_are_read_where_they_stand_once_and_again_when_they_change();
    a_shot_is_looked_at_once_a_second_and_small_pictures_are_read_too();
}

fn captions_are_read_where_they_stand_once_and_again_when_they_change() {
    init();
    let info = info(VideoFormat::I420, SIZE);
    let (title, clock) = (("Prime minister resigns after vote", 80, 600, 34), ("LIVE 14:32", 1040, 40, 30));
    let first = captioned(&[title, clock, ("BREAKING NEWS", 80, 460, 56)]);
    let mut harness = harness(LAUNCH, &info);
    let at_first = read();
    let known = through(&mut harness, buffer(&info, &first, 0)).text.unwrap();
    assert_eq!(said(&known.lines), ["LIVE 14:32", "BREAKING NEWS", "Prime minister resigns after vote"]);
    assert!(known.analysed && known.lines.iter().all(|line| line.score > 0.9), "{known:?}");
    assert_eq!(known.networks.each_ref().map(|network| network.name.as_str()), [DETECTOR, READER]);
    let rect = known.lines[1].rect;
    let (x, y) = (rect.x * SIZE.0 as f32, rect.y * SIZE.1 as f32);
    assert!((60.0..=84.0).contains(&x) && (435.0..=465.0).contains(&y), "{rect:?}");
    assert_eq!(read() - at_first, 3);

    // What stands still isn't read again; a clock that moved on is.
    assert_eq!(through(&mut harness, buffer(&info, &first, 40 * MS)).text.unwrap().lines, known.lines);
    assert_eq!(read() - at_first, 3);
    let second = captioned(&[title, ("LIVE 14:33", 1040, 40, 30), ("BREAKING NEWS", 80, 460, 56)]);
    let later = through(&mut harness, buffer(&info, &second, 80 * MS)).text.unwrap();
    assert_eq!(said(&later.lines), ["LIVE 14:33", "BREAKING NEWS", "Prime minister resigns after vote"]);
    assert_eq!(read() - at_first, 4);

    // A picture without text has none, and not those of before.
    let none = through(&mut harness, buffer(&info, &captioned(&[]), 120 * MS)).text.unwrap();
    assert!(none.analysed && none.lines.is_empty(), "{none:?}");
}

fn a_shot_is_looked_at_once_a_second_and_small_pictures_are_read_too() {
    let size = (640, 360);
    let info = info(VideoFormat::Nv12, size);
    let big = captioned(&[("Wetterkarte für morgen", 100, 560, 60)]);
    let picture = image::imageops::resize(&big, size.0, size.1, image::imageops::FilterType::Triangle);
    let mut harness = harness("polyscene text=true provider=cpu", &info);
    let mut looked = Vec::new();
    for n in 0..30_u64 {
        let known = through(&mut harness, buffer(&info, &picture, n * 40 * MS)).text.unwrap();
        assert_eq!(said(&known.lines), ["Wetterkarte für morgen"]);
        looked.extend(known.analysed.then_some(n));
    }
    assert_eq!(looked, [0, 25]);
}
