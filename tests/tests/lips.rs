// SPDX-License-Identifier: Apache-2.0
//! One clip of a talking face, four ways: with its own sound, with another clip's, with its own late, with its sentence
//! spoken by a synthesiser. And a portrait under a voice. How often such answers are right is measured elsewhere.

// clippy.toml lets #[test] functions unwrap; here the helpers do too.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::{Path, PathBuf};

use polygraph_tests::command::analyze;
use polygraph_tests::events::{Events, faces};
use polygraph_tests::media;
use serde_json::Value;

/// The clip, and one of the same person with other words.
const CLIPS: [&str; 2] = ["lwbf8p", "bbal9a"];

fn clips() -> Option<[PathBuf; 2]> {
    let folder = polygraph_tests::root().join("../shared/media/grid/s1");
    let clips = CLIPS.map(|name| folder.join(name).with_extension("mpg"));
    if clips.iter().all(|clip| clip.is_file()) {
        return Some(clips);
    }
    println!("skipped: {} is not on this machine", folder.display());
    None
}

/// The picture of a clip with sound from elsewhere: arguments of ffmpeg for the second input.
fn dubbed(clip: &Path, sound: &str, output: &Path) {
    let arguments =
        format!("-i {} {sound} -map 0:v -map 1:a -c:v libx264 -crf 18 -preset veryfast -c:a flac", clip.display());
    media::ffmpeg(&arguments, output);
}

fn frames(clip: &Path, out: &Path) -> Vec<Value> {
    analyze(clip, out, &["--no-transcript"]).finish().assert_success();
    let events = Events::read(&out.join("events.ndjson"));
    events.assert_sane();
    events.data("frame").cloned().collect()
}

/// What is said of the face at the end, when the window is longest.
fn at_end(frames: &[Value]) -> &Value {
    let found = frames.iter().rev().find_map(|frame| faces(frame).first()?.get("lip_sync"));
    found.unwrap_or_else(|| panic!("no face has a lip_sync: {frames:?}"))
}

fn voice_shows_signs(frames: &[Value]) -> bool {
    frames.iter().any(|frame| frame["audio"]["synthetic"]["signs"] == true)
}

fn named(frames: &[Value]) -> usize {
    frames.iter().filter(|frame| frame["speaker_track"].is_u64()).count()
}

#[test]
fn one_clip_four_ways() {
    let Some([clip, other]) = clips() else { return };
    let folder = tempfile::tempdir().unwrap();
    let make = |name: &str, sound: &str| {
        let output = folder.path().join(name).with_extension("mkv");
        dubbed(&clip, sound, &output);
        frames(&output, &folder.path().join(name))
    };
    let own = make("own", &format!("-i {}", clip.display()));
    let sync = at_end(&own);
    assert!(sync["offset_ms"].as_f64().unwrap().abs() <= 60.0 && sync["signs"] == false, "{sync}");
    assert!(named(&own) > 0 && own.iter().all(|frame| frame["no_visible_speech"] != true), "{own:?}");

    let late = make("late", &format!("-itsoffset 0.2 -i {}", clip.display()));
    let sync = at_end(&late);
    assert!((sync["offset_ms"].as_f64().unwrap() - 200.0).abs() <= 60.0 && sync["signs"] == false, "{sync}");

    let foreign = make("foreign", &format!("-i {}", other.display()));
    let sync = at_end(&foreign);
    // Three seconds are too short to be sure of a mismatch: it may be that nothing can be said.
    assert!(sync["signs"] == true || sync["reason_not"] == "low_confidence", "{sync}");
    assert!(sync.get("offset_ms").is_none(), "{sync}");

    // Its own sentence, by a synthesiser: neither the lips nor the voice.
    let words = folder.path().join("words.txt");
    fs::write(&words, "lay white by f eight please").unwrap();
    let synthetic = make("synthetic", &format!("-f lavfi -i flite=textfile={}:voice=slt", words.display()));
    let sync = at_end(&synthetic);
    assert!(sync.get("offset_ms").is_none(), "{sync}");
    assert!(voice_shows_signs(&synthetic) && !voice_shows_signs(&own), "{synthetic:?}");
}

#[test]
fn a_portrait_under_a_voice_does_not_speak() {
    let folder = tempfile::tempdir().unwrap();
    let clip = folder.path().join("portrait.mp4");
    media::ffmpeg(
        "-framerate 25 -loop 1 -i {astronaut.png} -i {two_cities.wav} -t 12 -vf scale=640:-2,format=yuv420p -c:v libx264 \
         -preset ultrafast -c:a aac",
        &clip,
    );
    let frames = frames(&clip, &folder.path().join("out"));
    let (mut spoken, mut unseen) = (0, 0);
    // The voice begins at 1.2 s, and two seconds of it are needed.
    for frame in frames.iter().filter(|frame| frame["pts_ns"].as_u64().unwrap() > 4_000_000_000) {
        assert_ne!(frame["no_visible_speech"], false, "{frame}");
        if frame["audio"]["speech"].as_f64().is_some_and(|p| p >= 0.5) {
            spoken += 1;
            unseen += usize::from(frame["no_visible_speech"] == true);
        }
    }
    assert!(spoken > 20 && unseen * 100 >= spoken * 95, "{unseen} of {spoken} frames");
    assert_eq!(named(&frames), 0);
}

#[test]
fn nobody_reads_lips_when_told_not_to() {
    let folder = tempfile::tempdir().unwrap();
    let clip = folder.path().join("portrait.mp4");
    media::ffmpeg(
        "-framerate 25 -loop 1 -i {astronaut.png} -i {two_cities.wav} -t 3 -vf scale=640:-2,format=yuv420p -c:v libx264 \
         -preset ultrafast -c:a aac",
        &clip,
    );
    let out = folder.path().join("out");
    analyze(&clip, &out, &["--no-transcript", "--no-forensics", "--no-lip-sync"]).finish().assert_success();
    let events = Events::read(&out.join("events.ndjson"));
    assert!(events.data("frame").all(|frame| faces(frame).iter().all(|face| face.get("lip_sync").is_none())));
}
