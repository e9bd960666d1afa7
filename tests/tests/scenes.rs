// SPDX-License-Identifier: Apache-2.0
//! Scenes through the command: labels in events, labels of users, and the evaluation of labelled stills.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use polygraph_tests::command::polygraph;
use polygraph_tests::events::Events;
use polygraph_tests::{home, media};
use serde_json::Value;

/// A store of its own that has the networks of the machine's, so that nobody else gets the test's labels.
fn store(folder: &Path) -> PathBuf {
    let own = folder.join("store");
    fs::create_dir(&own).unwrap();
    for part in ["networks", "onnxruntime"] {
        symlink(home().join(part), own.join(part)).unwrap();
    }
    own
}

fn run(store: &Path, arguments: &[&str]) -> Output {
    Command::new(polygraph()).env("POLYGRAPH_HOME", store).args(arguments).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Part of a clip's frames that carry a label.
fn told(store: &Path, clip: &Path, out: &Path, label: &str) -> f64 {
    let (clip, folder) = (clip.to_str().unwrap(), out.to_str().unwrap());
    let ran =
        run(store, &["analyze", clip, "--out", folder, "--no-transcript", "--no-forensics", "--no-lip-sync", "-q"]);
    assert!(ran.status.success(), "{}", text(&ran.stderr));
    let events = Events::read(&out.join("events.ndjson"));
    let (mut all, mut with) = (0, 0);
    for frame in events.data("frame") {
        let labels = frame["scene"].as_array().unwrap();
        assert!(!labels.is_empty() && labels.iter().all(|label| (0.0..=1.0).contains(&label["p"].as_f64().unwrap())));
        assert!(frame["networks"].as_array().unwrap().iter().any(|network| network["name"] == "scene-groups"));
        all += 1;
        with += u32::from(labels.iter().any(|found| found["label"] == label));
    }
    assert!(all > 5);
    f64::from(with) / f64::from(all)
}

/// The rest of a clip of one scene, and stills of its first two seconds: of the stream as it is coded, as users would take them.
fn halves(clip: &Path, folder: &Path) -> (PathBuf, PathBuf) {
    let (rest, stills) = (folder.join("rest.mp4"), folder.join("stills"));
    fs::create_dir(&stills).unwrap();
    let ffmpeg = |arguments: &[&str]| {
        assert!(Command::new("ffmpeg").args(["-loglevel", "error", "-y"]).args(arguments).status().unwrap().success());
    };
    let coded = folder.join("coded.mp4");
    ffmpeg(&["-i", clip.to_str().unwrap(), "-an", "-g", "12", coded.to_str().unwrap()]);
    let clip = coded.to_str().unwrap();
    ffmpeg(&["-t", "2", "-i", clip, "-vf", "fps=8", stills.join("%02d.png").to_str().unwrap()]);
    ffmpeg(&["-ss", "2", "-i", clip, "-c", "copy", rest.to_str().unwrap()]);
    (rest, stills)
}

#[test]
fn a_label_of_example_pictures_is_told_where_its_like_is_shown_and_nowhere_else() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(folder.path());
    let (rest, stills) = halves(&media::original("carphone_pristine.mp4"), folder.path());
    let made = run(&store, &["models", "add-scene", "--label", "car", stills.to_str().unwrap()]);
    assert!(made.status.success(), "{}", text(&made.stderr));
    assert!(text(&made.stdout).contains("was made of 16 pictures"), "{}", text(&made.stdout));
    assert!(text(&run(&store, &["models", "list"]).stdout).contains("label car"));
    let like = told(&store, &rest, &folder.path().join("like"), "car");
    let unlike = told(&store, &media::original("bikes.mp4"), &folder.path().join("unlike"), "car");
    assert!(like > 0.3 && unlike < 0.1, "in {like} of its like, and in {unlike} of others");

    assert!(run(&store, &["models", "remove-scene", "car"]).status.success());
    let gone = run(&store, &["models", "remove-scene", "car"]);
    assert!(!gone.status.success() && text(&gone.stderr).contains("there is no such label"));
}

#[test]
fn a_folder_that_makes_no_label_is_told_in_one_line() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(folder.path());
    let pictures = folder.path().join("pictures");
    fs::create_dir(&pictures).unwrap();
    let add = |label: &str| run(&store, &["models", "add-scene", "--label", label, pictures.to_str().unwrap()]);
    assert!(text(&add("studio").stderr).contains("there is no JPEG or PNG file in it"));
    fs::write(pictures.join("a.jpg"), b"no picture").unwrap();
    let refused = text(&add("studio").stderr);
    assert!(refused.contains("a.jpg is left out") && refused.contains("has 0 pictures that can be read"), "{refused}");
    assert!(text(&add("../studio").stderr).contains("is no label"));
    assert!(!store.join("scene-labels").exists(), "nothing is left behind");
}

#[test]
fn an_evaluation_counts_what_is_right_and_what_cannot_be_read() {
    let folder = tempfile::tempdir().unwrap();
    let (stills, out) = (folder.path().join("stills"), folder.path().join("out"));
    fs::create_dir(&stills).unwrap();
    let bars = stills.join("bars.png");
    let painted = Command::new("ffmpeg")
        .args(["-loglevel", "error", "-f", "lavfi", "-i", "smptebars=size=320x180", "-frames:v", "1"])
        .arg(&bars)
        .status();
    assert!(painted.unwrap().success());
    fs::copy(home().join("media/astronaut.png"), stills.join("astronaut.png")).unwrap();
    let list =
        "path,label,place,corpus\nbars.png,none,,cards\ngone.jpg,none,,cards\nastronaut.png,office,indoor,people\n";
    fs::write(stills.join("scenes.csv"), list).unwrap();
    let arguments = ["eval", stills.to_str().unwrap(), "--out", out.to_str().unwrap(), "--conditions", "clean,qp36"];
    let ran = run(&home(), &[&arguments[..], &["--resamples", "20"]].concat());
    assert!(ran.status.success(), "{}", text(&ran.stderr));
    let report: Value = serde_json::from_str(&fs::read_to_string(out.join("scenes.json")).unwrap()).unwrap();
    let measured = report["measured"].as_array().unwrap();
    assert_eq!(measured.len(), 4, "two corpora under two conditions");
    let cards = &measured[0];
    assert_eq!(
        (cards["corpus"].as_str(), cards["items"].as_u64(), cards["unreadable"].as_u64()),
        (Some("cards"), Some(2), Some(1))
    );
    assert_eq!(cards["refused"]["value"].as_f64(), Some(1.0), "a test card gets no label");
    let confused: u64 = measured[1]["confusion"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|row| row.as_array().unwrap())
        .map(|n| n.as_u64().unwrap())
        .sum();
    assert_eq!(confused, 1);
    assert!(fs::read_to_string(out.join("scenes.html")).unwrap().contains("What is taken for what"));

    fs::write(stills.join("scenes.csv"), "path,label,place,corpus\nbars.png,newsroom,,cards\n").unwrap();
    let refused = text(&run(&home(), &arguments).stderr);
    assert!(refused.contains("bars.png has the label `newsroom`"), "{refused}");
}
