// SPDX-License-Identifier: Apache-2.0
//! Signs of manipulation, as who reads events, summary and evidence meets them. How good the network is, is measured
//! elsewhere: here every face has a finding or a reason, and nothing is kept that nobody asked for.

// clippy.toml lets #[test] functions unwrap; here the helpers do too.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::{Path, PathBuf};

use polygraph_tests::command::analyze;
use polygraph_tests::events::{Events, faces};
use polygraph_tests::media;
use serde_json::Value;

/// Three seconds of the portrait, scaled.
fn portrait(folder: &Path, scale: &str) -> PathBuf {
    let clip = folder.join("portrait.mp4");
    let arguments = format!(
        "-framerate 25 -loop 1 -t 3 -i {{astronaut.png}} -vf scale={scale},pad=640:512:0:0:gray,format=yuv420p \
         -c:v libx264 -preset ultrafast"
    );
    media::ffmpeg(&arguments, &clip);
    clip
}

/// The events and the summary of a run.
fn run(clip: &Path, out: &Path, more: &[&str]) -> (Events, Value) {
    analyze(clip, out, more).finish().assert_success();
    let events = Events::read(&out.join("events.ndjson"));
    events.assert_sane();
    (events, serde_json::from_str(&fs::read_to_string(out.join("summary.json")).unwrap()).unwrap())
}

/// What was found of each face in turn; fails the test on a frame without one.
fn findings(events: &Events) -> Vec<&Value> {
    let finding = |frame| {
        let [face] = faces(frame) else { panic!("not one face: {frame}") };
        &face["manipulation"]
    };
    events.data("frame").map(finding).collect()
}

#[test]
fn each_face_has_a_finding_and_its_picture_is_kept_when_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let (clip, out) = (portrait(folder.path(), "512:512"), folder.path().join("out"));
    let (events, summary) = run(&clip, &out, &["--keep-faces"]);
    let findings = findings(&events);
    assert_eq!(findings.len(), 15);
    let (brief, findings) = findings.split_at(2);
    for found in brief {
        assert_eq!(found["reason_not"], "too_brief", "{found}");
        assert!(found["picture_logit"].is_f64() && found.get("p").is_none() && found.get("signs").is_none(), "{found}");
    }
    for (n, found) in findings.iter().enumerate() {
        assert!(found["logit"].is_f64() && found["picture_logit"].is_f64(), "{found}");
        let window = (n + 3).min(10) as f64;
        assert_eq!(found["pictures"].as_f64().unwrap(), (0.6 * window).round().max(1.0), "{found}");
        assert!(found.get("reason_not").is_none(), "{found}");
        assert_eq!(found["p"].is_f64(), found["signs"].is_boolean(), "{found}");
    }
    let track = &summary["tracks"][0];
    assert_eq!(track["manipulation"]["scored"], 13, "{track}");
    assert_eq!(summary["network_runs"]["face-forensics"], 15);
    let names = fs::read_dir(out.join("evidence")).unwrap().map(|entry| entry.unwrap().file_name());
    assert_eq!(names.collect::<Vec<_>>(), ["face-0.jpg"]);
    assert!(fs::read(out.join("evidence/face-0.jpg")).unwrap().starts_with(&[0xFF, 0xD8, 0xFF]));

    let other = folder.path().join("other");
    run(&clip, &other, &[]);
    assert!(!other.join("evidence").exists(), "faces were kept without a word");
}

#[test]
fn a_face_that_is_too_small_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let clip = portrait(folder.path(), "128:128");
    let (events, summary) = run(&clip, &folder.path().join("out"), &["--tiles"]);
    for found in findings(&events) {
        assert_eq!(found["reason_not"], "too_small", "{found}");
        assert!(["p", "logit", "picture_logit", "signs"].iter().all(|field| found.get(*field).is_none()), "{found}");
    }
    assert_eq!(summary["tracks"][0]["manipulation"]["verdict"], "not_judged");
    assert_eq!(summary["network_runs"]["face-forensics"], 0);
}

#[test]
fn nobody_looks_when_told_not_to() {
    let folder = tempfile::tempdir().unwrap();
    let clip = portrait(folder.path(), "512:512");
    let (events, summary) = run(&clip, &folder.path().join("out"), &["--no-forensics"]);
    assert!(findings(&events).iter().all(|found| found.is_null()));
    assert!(
        summary["network_runs"].get("face-forensics").is_none() && summary["tracks"][0].get("manipulation").is_none()
    );
}
