// SPDX-License-Identifier: Apache-2.0
//! `polygraph eval` on a folder that is made here: every item ends in one way, nothing bad ends the run, and the report
//! needs no other file. The scores themselves belong to the network and are not looked at.

// clippy.toml lets #[test] functions unwrap; here the helpers do too.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use polygraph_tests::command::{Run, start};
use polygraph_tests::media::{ffmpeg, truncated};
use serde_json::Value;

const HEADER: &str = "path,label,person,corpus,manipulation,split,pair\n";
/// The face of the portrait with some room around it.
const CROP: &str = "crop=176:176:136:32";

fn eval(folder: &Path, more: &[&str]) -> Run {
    let mut arguments = vec!["eval".to_owned(), folder.display().to_string(), "--quiet".into()];
    arguments.extend(more.iter().map(|more| (*more).to_owned()));
    start(arguments).finish()
}

/// Runs it into `out` in the folder and reads the report.
fn evaluated(folder: &Path, more: &[&str]) -> Value {
    let out = folder.join("out");
    let out = out.to_str().unwrap();
    eval(folder, &[&["--out", out], more].concat()).assert_success();
    serde_json::from_str(&fs::read_to_string(Path::new(out).join("eval.json")).unwrap()).unwrap()
}

fn write(folder: &Path, lines: &str) {
    fs::write(folder.join("manifest.csv"), format!("{HEADER}{lines}")).unwrap();
}

/// Faces, one of them reworked, a clip, and all that can be wrong with a file. `<b>` must not become markup.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let make = |filters: &str, name: &str| {
        ffmpeg(&format!("-i {{astronaut.png}} -vf {filters} -frames:v 1"), &folder.path().join(name));
    };
    make(CROP, "face.png");
    make(&format!("{CROP},hflip,eq=brightness=0.1"), "light.jpg");
    make(&format!("{CROP},scale=60:60,scale=176:176:flags=neighbor"), "blocks.png");
    make("crop=120:120:380:390", "none.png");
    make("scale=640:640", "photo.jpg");
    let clip = |name: &str, filters: &str| {
        let arguments = format!("-framerate 25 -loop 1 -t 2 -i {{astronaut.png}} -vf {filters} -pix_fmt yuv420p");
        ffmpeg(&arguments, &folder.path().join(name));
    };
    clip("clip.mp4", "scale=320:320");
    ffmpeg("-f lavfi -i sine=duration=1", &folder.path().join("sound.mp4"));
    truncated(&folder.path().join("face.png"), 30, &folder.path().join("cut.png"));
    fs::write(folder.path().join("text.mp4"), "#EXTM3U\nhttp://127.0.0.1:9/secret.ts\n").unwrap();
    fs::write(folder.path().join("empty.jpg"), "").unwrap();
    #[cfg(unix)]
    std::os::unix::fs::symlink("/etc/hostname", folder.path().join("out.jpg")).unwrap();
    write(
        folder.path(),
        "face.png,genuine,anna,<b>stills</b>,,test,1\n\
         light.jpg,genuine,ben,<b>stills</b>,,test,\n\
         blocks.png,manipulated,anna,<b>stills</b>,blocks,test,1\n\
         none.png,genuine,carl,<b>stills</b>,,test,\n\
         photo.jpg,genuine,dora,<b>stills</b>,,test,\n\
         clip.mp4,genuine,anna,clips,,test,\n\
         sound.mp4,manipulated,emil,clips,none,test,\n\
         text.mp4,manipulated,emil,clips,none,test,\n\
         cut.png,genuine,fay,broken,,test,\n\
         empty.jpg,genuine,fay,broken,,test,\n\
         out.jpg,genuine,fay,broken,,test,\n\
         gone.jpg,manipulated,fay,broken,none,test,\n\
         light2.jpg,genuine,gus,other,,calibration,\n",
    );
    folder
}

fn statuses<'a>(report: &'a Value, condition: &str) -> BTreeMap<&'a str, &'a str> {
    let items = report["items"].as_array().unwrap().iter().filter(|item| item["condition"] == condition);
    items.map(|item| (item["path"].as_str().unwrap(), item["status"].as_str().unwrap())).collect()
}

/// The tallies of a condition, over corpora and labels.
fn tallies<'a>(report: &'a Value, condition: &str) -> Vec<&'a Value> {
    let of = |measured: &&Value| measured["condition"] == condition;
    let measured = report["conditions"].as_array().unwrap().iter().find(of).unwrap();
    let groups = measured["by_corpus"].as_array().unwrap().iter().chain([&measured["overall"]]);
    groups.flat_map(|group| [&group["counts"]["genuine"], &group["counts"]["manipulated"]]).collect()
}

fn closes(tally: &Value) -> bool {
    let count = |name: &str| tally[name].as_u64().unwrap();
    let reasons: u64 = tally["not_judged"].as_object().unwrap().values().map(|n| n.as_u64().unwrap()).sum();
    count("items") == count("judged") + reasons + count("not_found") + count("unreadable")
}

#[test]
fn every_item_is_accounted_for_whatever_it_is() {
    let folder = folder();
    let report = evaluated(folder.path(), &["--conditions", "clean,qp34,qp42,half,noise,moving38"]);
    let clean = statuses(&report, "clean");
    assert_eq!(clean.len(), 12, "{clean:?}");
    for path in ["sound.mp4", "text.mp4", "cut.png", "empty.jpg", "out.jpg", "gone.jpg"] {
        assert_eq!(clean[path], "unreadable", "{path}");
    }
    assert_eq!(clean["none.png"], "not_found");
    // A face that is found is judged, or there is a reason why not.
    for path in ["face.png", "light.jpg", "blocks.png", "photo.jpg", "clip.mp4"] {
        assert!(["judged", "not_judged"].contains(&clean[path]), "{path}: {}", clean[path]);
    }
    assert_eq!(clean["face.png"], "judged");
    for condition in ["clean", "qp34", "qp42", "half", "noise", "moving38"] {
        let tallies = tallies(&report, condition);
        assert!(tallies.iter().all(|tally| closes(tally)), "{condition}: {tallies:?}");
        let items: u64 = tallies[tallies.len() - 2..].iter().map(|tally| tally["items"].as_u64().unwrap()).sum();
        // Moving pictures are made of stills.
        assert_eq!(items, if condition == "moving38" { 9 } else { 12 }, "{condition}");
    }
    let psnr: Vec<_> = report["conditions"].as_array().unwrap().iter().map(|one| one["psnr_db"].as_f64()).collect();
    assert_eq!(psnr[0], None);
    let db: Vec<_> = psnr[1..].iter().map(|db| db.unwrap()).collect();
    assert!(
        db[0] > db[1] + 2.0 && db.iter().all(|db| (25.0..50.0).contains(db)),
        "qp34, qp42, half, noise, moving38: {db:?}"
    );
    // 20 log10(255 / 8)
    assert!((db[3] - 30.07).abs() < 0.7, "noise: {db:?}");

    let html = fs::read_to_string(folder.path().join("out/eval.html")).unwrap();
    assert!(html.contains("&lt;b&gt;stills&lt;/b&gt;") && !html.contains("<b>stills"), "a name became markup");
    for outside in ["<script", "<link", "src=", "url(", "@import"] {
        assert!(!html.contains(outside), "the page loads something: {outside}");
    }
    for word in [" fake", "authentic"] {
        assert!(!html.to_lowercase().contains(word), "the page says{word}");
    }
    assert!(html.contains("not assessed") || report["about"]["calibration"].is_null());
}

#[test]
fn a_repeat_gives_the_same_figures_whatever_runs_side_by_side() {
    let folder = folder();
    let figures = |jobs: &str| {
        let mut report = evaluated(folder.path(), &["--jobs", jobs, "--conditions", "clean,noise"]);
        for condition in report["conditions"].as_array_mut().unwrap() {
            condition["seconds"].take();
        }
        (report["conditions"].take(), report["items"].take())
    };
    assert_eq!(figures("1"), figures("3"));
}

#[test]
fn a_flaw_of_the_manifest_is_one_line_with_its_place() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    let out = ["--out", out.to_str().unwrap()];
    for (lines, place) in [
        ("../../etc/passwd.png,genuine,1,c,,test,\n", "line 2, column `path`"),
        ("a.png,genuine,1,c,,test,\na.jpg,real,1,c,,test,\n", "line 3, column `label`"),
        ("a.png,genuine,1,c\n", "line 2"),
    ] {
        write(folder.path(), lines);
        let run = eval(folder.path(), &out);
        assert!(run.error_line().contains(place), "{}", run.error_line());
    }
    write(folder.path(), "a.png,genuine,1,c,,calibration,\n");
    assert!(eval(folder.path(), &out).error_line().contains("no item has split `test`"));
    fs::remove_file(folder.path().join("manifest.csv")).unwrap();
    assert!(eval(folder.path(), &out).error_line().contains("manifest.csv"));
}

#[test]
fn calibration_needs_both_classes() {
    let folder = tempfile::tempdir().unwrap();
    ffmpeg(&format!("-i {{astronaut.png}} -vf {CROP} -frames:v 1"), &folder.path().join("a.png"));
    ffmpeg(&format!("-i {{astronaut.png}} -vf {CROP},hflip -frames:v 1"), &folder.path().join("b.png"));
    write(folder.path(), "a.png,genuine,1,c,,calibration,\nb.png,genuine,1,c,,calibration,\n");
    let run = eval(folder.path(), &["--calibrate"]);
    assert!(run.error_line().contains("2 genuine and 0 manipulated"), "{}", run.error_line());
}

#[test]
fn the_folder_is_documented_where_users_look() {
    let help = start(["eval", "--help"]).finish();
    help.assert_success();
    assert!(help.stdout.contains("path,label,person,corpus,manipulation,split,pair"), "{}", help.stdout);
}
