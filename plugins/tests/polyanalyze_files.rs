// SPDX-License-Identifier: Apache-2.0
//! `polyanalyze` behind `uridecodebin`, linked as `gst-launch-1.0` does it: each pad when it appears. Not behind
//! `uridecodebin3`: that of GStreamer 1.22 now and then loses a short file's streams before anybody sees them.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a panic in a test's helper is the report too")]

#[allow(dead_code, reason = "shared with the tests that interfere with a running pipeline")]
mod analyze;

use std::path::{Path, PathBuf};

use analyze::{Outcome, Run, audio, init, video};
use gst::prelude::*;
use polygraph_core::record::Missing;

/// Analyses a file by the documented line.
fn analyzed(file: &Path) -> Outcome {
    init();
    let uri = gst::glib::filename_to_uri(file, None).unwrap();
    let run = Run::new("uridecodebin name=d  d. ! polyanalyze name=a  d. ! a.");
    run.pipeline.by_name("d").unwrap().set_property("uri", uri.as_str());
    run.play().finish()
}

/// Writes a file in a folder that goes with the test.
fn write(folder: &tempfile::TempDir, name: &str, description: &str) -> PathBuf {
    init();
    let file = folder.path().join(name);
    let pipeline = gst::parse::launch(&format!("{description} ! filesink name=file")).unwrap();
    let pipeline = pipeline.downcast::<gst::Pipeline>().unwrap();
    pipeline.by_name("file").unwrap().set_property("location", file.to_str().unwrap());
    pipeline.set_state(gst::State::Playing).unwrap();
    let ends = [gst::MessageType::Eos, gst::MessageType::Error];
    let message = pipeline.bus().unwrap().timed_pop_filtered(gst::ClockTime::from_seconds(60), &ends).unwrap();
    assert_eq!(message.type_(), gst::MessageType::Eos, "{message:?}");
    pipeline.set_state(gst::State::Null).unwrap();
    file
}

#[test]
fn pictures_and_sound_of_a_file_meet_from_the_first_frame_on() {
    let folder = tempfile::tempdir().unwrap();
    let description =
        format!("{} ! jpegenc ! queue ! m.  {} ! queue ! m.  matroskamux name=m", video(4, ""), audio(4, ""));
    let outcome = analyzed(&write(&folder, "both.mkv", &description));
    assert_eq!(outcome.stretches(), [(vec![], 20, 0)]);
}

#[test]
fn a_file_without_sound_needs_no_second_branch() {
    let folder = tempfile::tempdir().unwrap();
    let outcome = analyzed(&write(&folder, "video.mkv", &format!("{} ! jpegenc ! matroskamux", video(4, ""))));
    assert_eq!(outcome.stretches(), [(vec![Missing::AudioAbsent], 20, 0)]);
}

#[test]
fn a_file_without_pictures_is_heard() {
    let folder = tempfile::tempdir().unwrap();
    let outcome = analyzed(&write(&folder, "audio.wav", &format!("{} ! wavenc", audio(4, ""))));
    assert!(outcome.frames().is_empty());
    assert!(outcome.count("polyvoice", "input") > 0);
}

#[test]
fn clips_of_an_old_format_meet_their_sound_from_the_first_frame_on() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/media/grid/s1");
    let Ok(entries) = std::fs::read_dir(&folder) else {
        eprintln!("skipped: {} is not here", folder.display());
        return;
    };
    let mut clips: Vec<_> = entries
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|kind| kind == "mpg"))
        .collect();
    clips.sort();
    for clip in clips.iter().take(3) {
        let outcome = analyzed(&clip.canonicalize().unwrap());
        let frames = outcome.frames();
        assert!(frames.len() > 10, "{}: {} frames", clip.display(), frames.len());
        assert_eq!(frames[0].missing, [], "{}", clip.display());
    }
}
