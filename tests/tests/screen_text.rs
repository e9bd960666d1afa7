// SPDX-License-Identifier: Apache-2.0
//! Text on screen through the command: events, rules, the report, and the evaluation of stills with known text.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::Path;
use std::process::Command;

use polygraph_tests::command::{analyze, polygraph};
use polygraph_tests::events::Events;
use polygraph_tests::media::ffmpeg;
use serde_json::Value;

/// Six seconds of H.264; from 2 s to 4 s a caption of two lines.
fn captioned(folder: &Path, output: &Path) {
    let head = folder.join("head.txt");
    let line = folder.join("line.txt");
    fs::write(&head, "BREAKING NEWS").unwrap();
    fs::write(&line, "Minister resigns after vote").unwrap();
    let drawn = |file: &Path, y: u32, size: u32| {
        let file = file.display();
        format!(
            "drawtext=textfile={file}:x=60:y={y}:fontsize={size}:fontcolor=white:box=1:boxcolor=maroon:enable='between(t,2,3.99)'"
        )
    };
    let filter = format!("scale=1280:720,{},{}", drawn(&head, 520, 56), drawn(&line, 600, 34));
    ffmpeg(&format!("-t 6 -i {{bigbuckbunny.mp4}} -an -vf {filter} -c:v libx264 -preset ultrafast -crf 30"), output);
}

#[test]
fn a_caption_is_told_while_it_stands_to_rules_and_in_the_report() {
    let folder = tempfile::tempdir().unwrap();
    let (clip, out, rules) =
        (folder.path().join("clip.mp4"), folder.path().join("out"), folder.path().join("mine.toml"));
    captioned(folder.path(), &clip);
    let rule = "[[rule]]\nname = \"breaking\"\nabout = \"stream\"\nwhen = 'screen_text.contains(\"BREAKING\")'\nmessage = \"it says {screen_text}\"\n";
    fs::write(&rules, rule).unwrap();
    let rules = rules.to_str().unwrap();
    analyze(&clip, &out, &["--screen-text", "--no-faces", "--no-scenes", "--no-shots", "--rules", rules])
        .finish()
        .assert_success();

    let events = Events::read(&out.join("events.ndjson"));
    events.assert_sane();
    let mut read = 0;
    for frame in events.data("frame") {
        let lines: Vec<_> = frame["screen_text"].as_array().into_iter().flatten().collect();
        let at = frame["pts_ns"].as_u64().unwrap();
        let stands = (2_000_000_000..4_000_000_000).contains(&at);
        let said: Vec<_> = lines.iter().map(|line| line["text"].as_str().unwrap()).collect();
        assert_eq!(
            said,
            if stands { &["BREAKING NEWS", "Minister resigns after vote"][..] } else { &[] },
            "at {at} ns"
        );
        assert!(lines.iter().all(|line| line["box"].as_array().unwrap().len() == 4));
        read += u32::from(stands);
    }
    assert!(read >= 2, "looked at once a second");
    let told: Vec<_> = events.data("incident").filter(|incident| incident["rule"] == "breaking").collect();
    assert_eq!(told[0]["message"], "it says BREAKING NEWS\nMinister resigns after vote");

    let report: Value = serde_json::from_str(&fs::read_to_string(out.join("report.json")).unwrap()).unwrap();
    let lines = report["screen_text"].as_array().unwrap();
    assert_eq!(lines.len(), 2, "{lines:?}");
    let first = lines[0]["first_ns"].as_u64().unwrap();
    assert!((2_000_000_000..=3_100_000_000).contains(&first) && lines[0]["last_ns"].as_u64().unwrap() < 4_000_000_000);
    let page = fs::read_to_string(out.join("report.html")).unwrap();
    assert!(page.contains("Text on screen") && page.contains("Minister resigns after vote"));
}

#[test]
fn an_evaluation_counts_lines_and_signs() {
    let folder = tempfile::tempdir().unwrap();
    let (clip, stills, out) = (folder.path().join("clip.mp4"), folder.path().join("stills"), folder.path().join("out"));
    captioned(folder.path(), &clip);
    fs::create_dir(&stills).unwrap();
    for (at, name) in [("1", "plain.png"), ("3", "captioned.png")] {
        let clip = clip.to_str().unwrap();
        ffmpeg(&format!("-ss {at} -i {clip} -frames:v 1"), &stills.join(name));
    }
    let list =
        "path,lines,corpus\nplain.png,,none\ncaptioned.png,BREAKING NEWS|Minister resigns after note|Weather,caption\n";
    fs::write(stills.join("texts.csv"), list).unwrap();
    let (stills, wanted) = (stills.to_str().unwrap(), out.to_str().unwrap());
    let ran =
        Command::new(polygraph()).args(["eval", stills, "--out", wanted, "--conditions", "clean"]).output().unwrap();
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    let report: Value = serde_json::from_str(&fs::read_to_string(out.join("texts.json")).unwrap()).unwrap();
    let [caption, none] = &report["measured"].as_array().unwrap()[..] else { panic!("{report}") };
    let value = |of: &Value, name: &str| of[name]["value"].as_f64().unwrap();
    assert_eq!((caption["lines"].as_u64(), none["lines"].as_u64()), (Some(3), Some(0)));
    assert!((value(caption, "exact") - 1.0 / 3.0).abs() < 1e-9 && (value(caption, "found") - 2.0 / 3.0).abs() < 1e-9);
    assert!((value(caption, "character_error_rate") - 8.0 / 47.0).abs() < 1e-9, "one sign, and a line of seven");
    assert!(value(none, "invented").abs() < 1e-9);
}
