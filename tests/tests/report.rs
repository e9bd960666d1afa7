// SPDX-License-Identifier: Apache-2.0
//! `report.html` in a real browser: no error, the plots are drawn, what was found is there, and it loads in time. And the
//! same numbers for programs.

// clippy.toml lets #[test] functions unwrap; here the helpers do too.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::Path;

use polygraph_tests::browser::{self, chromium, mark};
use polygraph_tests::command::analyze;
use polygraph_tests::events::Events;
use polygraph_tests::media;
use serde_json::Value;

/// A rule that every programme of ours meets, with a message that would be markup.
const RULE: &str = "[[rule]]\nname = \"somebody\"\nabout = \"stream\"\nwhen = 'faces >= 1.0'\nseverity = \"high\"\n\
                    message = \"<b>seen</b> & {faces}\"\n";

fn analysed(clip: &Path, out: &Path, more: &[&str]) {
    let rules = out.with_extension("toml");
    fs::write(&rules, RULE).unwrap();
    let mut arguments = vec!["--rules", rules.to_str().unwrap()];
    arguments.extend(more);
    analyze(clip, out, &arguments).finish().assert_success();
}

#[test]
fn the_report_opens_without_an_error_and_shows_what_was_found() {
    let folder = tempfile::tempdir().unwrap();
    let (clip, out) = (folder.path().join("programme.mp4"), folder.path().join("out"));
    media::programme(&clip);
    analysed(&clip, &out, &[]);
    let html = fs::read_to_string(out.join("report.html")).unwrap();
    assert!(!html.contains("src=\"http") && !html.contains("href=\"http"), "it loads something");
    assert!(html.contains("&lt;b&gt;seen&lt;/b&gt; &amp; 1"), "a message is text");
    let events = Events::read(&out.join("events.ndjson"));

    let whole: Value = serde_json::from_str(&fs::read_to_string(out.join("report.json")).unwrap()).unwrap();
    let rows = whole["series"]["time"].as_array().unwrap().len();
    assert_eq!(rows, events.data("frame").count());
    assert_eq!(whole["series"]["faces"].as_array().unwrap().len(), rows);
    let csv = fs::read_to_string(out.join("signals.csv")).unwrap();
    assert_eq!(csv.lines().count(), rows + 1);
    assert!(csv.starts_with("time,fused,picture,mismatch,voice,speech,loudness,faces\n"));

    let Some(chromium) = chromium() else {
        println!("skipped: there is no chromium to open it with");
        return;
    };
    let page = browser::open(&chromium, &out.join("report.html"));
    assert_eq!(page.console, Vec::<String>::new());
    assert_eq!(mark(&page, "plots"), Some(3.0), "signs, sound and faces are drawn");
    for expected in ["&lt;b&gt;seen&lt;/b&gt;", "rule somebody", "Transcript", "face-forensics"] {
        assert!(page.dom.contains(expected), "{expected} is not on the page");
    }
    println!("drawn {} ms after the page was asked for", mark(&page, "ready").unwrap());
}

#[test]
#[ignore = "--long"]
fn an_hour_loads_in_under_a_second() {
    let folder = tempfile::tempdir().unwrap();
    let (clip, out) = (folder.path().join("hour.mp4"), folder.path().join("out"));
    let hour = "-framerate 5 -loop 1 -t 3600 -i {astronaut.png} -f lavfi -t 3600 -i sine=frequency=300 -vf \
                scale=256:256,format=yuv420p -c:v libx264 -preset ultrafast -c:a aac";
    media::ffmpeg(hour, &clip);
    analysed(&clip, &out, &["--no-transcript"]);
    let size = fs::metadata(out.join("report.html")).unwrap().len();
    let Some(chromium) = chromium() else {
        println!("skipped: there is no chromium to open it with");
        return;
    };
    let page = browser::open(&chromium, &out.join("report.html"));
    assert_eq!(page.console, Vec::<String>::new());
    let ready = mark(&page, "ready").unwrap();
    println!("{size} bytes, drawn {ready} ms after the page was asked for");
    assert!(ready < 1000.0, "{ready} ms");
}
