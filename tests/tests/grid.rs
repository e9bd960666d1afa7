// SPDX-License-Identifier: Apache-2.0
//! The GRID corpus (Cooke, Barker, Cunningham and Shao, 2006): one speaker who looks at the camera, in every clip. So
//! there is one face track, from the first analysed picture to the last.

// clippy.toml lets #[test] functions unwrap; here the helpers do too.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::{Path, PathBuf};

use polygraph_tests::command::start;
use polygraph_tests::events::{Events, faces};

/// How many clips lie there.
const CLIPS: usize = 39;

fn clips(folder: &Path) -> Vec<PathBuf> {
    let mut clips = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            clips.extend(self::clips(&path));
        } else if path.extension().is_some_and(|extension| extension == "mpg") {
            clips.push(path);
        }
    }
    clips.sort();
    clips
}

#[test]
fn every_clip_has_one_face_from_start_to_end() {
    let folder = polygraph_tests::root().join("../shared/media/grid");
    if !folder.is_dir() {
        println!("skipped: {} is not on this machine", folder.display());
        return;
    }
    let clips = clips(&folder);
    assert_eq!(clips.len(), CLIPS);
    let out = tempfile::tempdir().unwrap();
    let mut arguments: Vec<&std::ffi::OsStr> = vec!["analyze".as_ref(), "--quiet".as_ref(), "--out".as_ref()];
    arguments.push(out.path().as_os_str());
    arguments.extend(clips.iter().map(|clip| clip.as_os_str()));
    start(arguments).finish().assert_success();

    let wrong: Vec<_> = clips.iter().filter_map(|clip| complaint(clip, out.path())).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What is wrong with the events of a clip.
fn complaint(clip: &Path, out: &Path) -> Option<String> {
    let name = clip.file_stem().unwrap();
    let events = Events::read(&out.join(name).join("events.ndjson"));
    events.assert_sane();
    let tracks = events.tracks();
    let frames = events.data("frame").count();
    let without = events.data("frame").filter(|frame| faces(frame).len() != 1).count();
    let good = tracks.len() == 1 && without == 0 && frames >= 14 && events.states() == ["started", "ended"];
    (!good).then(|| format!("{}: tracks {tracks:?}, {without} of {frames} pictures without one face", clip.display()))
}
