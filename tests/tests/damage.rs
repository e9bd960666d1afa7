// SPDX-License-Identifier: Apache-2.0
//! Files that break off or are corrupt, and inputs that are none: every event up to the damage, then one line that
//! says where, and a non-zero exit.

// clippy.toml lets #[test] functions unwrap; here the helpers do too.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use polygraph_tests::broker::nobody;
use polygraph_tests::command::{Run, analyze, start};
use polygraph_tests::events::{Events, seconds};
use polygraph_tests::media::{corrupted, ffmpeg, truncated};
use polygraph_tests::rtsp::{self, RtspServer};

/// Ten seconds of a street with a voice over it.
const CLIP: &str = "-i {bikes.mp4} -i {two_cities.wav} -map 0:v -map 1:a -t 10 -c:v copy -c:a aac";

/// Makes the clip, damages it, and analyses what is left.
fn damaged(name: &str, options: &str, damage: impl Fn(&Path, &Path)) -> (Run, Events) {
    let folder = tempfile::tempdir().unwrap();
    let (whole, broken) = (folder.path().join(format!("whole-{name}")), folder.path().join(name));
    ffmpeg(&format!("{CLIP} {options}"), &whole);
    damage(&whole, &broken);
    let out = folder.path().join("out");
    let run = analyze(&broken, &out, &[]).finish();
    (run, Events::read(&out.join("events.ndjson")))
}

/// The run failed and said so, with the time, in its line and in its last event.
fn assert_told(run: &Run, events: &Events, name: &str) {
    let line = run.error_line();
    assert!(line.contains(name), "the line doesn't name the file: {line}");
    assert!(names_a_time(line), "the line doesn't say where: {line}");
    assert_eq!(run.status.code(), Some(1));
    events.assert_sane();
    assert_eq!(events.states(), ["started", "failed"]);
    let reason = events.last_state()["reason"].as_str().unwrap();
    assert!(names_a_time(reason) && line.contains(reason), "{reason}");
}

/// Whether a number of seconds is in the text, as in `4.2 s`.
fn names_a_time(text: &str) -> bool {
    text.match_indices(" s").any(|(at, _)| text[..at].ends_with(|c: char| c.is_ascii_digit()))
}

/// The analysed pictures have no hole, and the last is in this range of seconds.
fn assert_pictures_until(events: &Events, range: std::ops::Range<f64>) {
    let times: Vec<_> = events.data("frame").map(seconds).collect();
    let last = times.last().copied().unwrap_or_default();
    assert!(range.contains(&last), "the last picture is at {last} s, not in {range:?}");
    // At 5 a second; the first picture of a new shot is analysed besides, and may take the place of the next.
    assert!(times.windows(2).all(|pair| pair[1] - pair[0] < 0.45), "a hole: {times:?}");
}

#[test]
fn an_mp4_that_breaks_off() {
    let (run, events) = damaged("cut.mp4", "-movflags +faststart", |whole, broken| truncated(whole, 50, broken));
    assert_told(&run, &events, "cut.mp4");
    assert_pictures_until(&events, 2.0..8.0);
    assert!(events.text().to_lowercase().contains("best of times"), "{}", events.text());
}

#[test]
fn an_mkv_that_breaks_off() {
    let (run, events) = damaged("cut.mkv", "", |whole, broken| truncated(whole, 50, broken));
    assert_told(&run, &events, "cut.mkv");
    assert_pictures_until(&events, 2.0..8.0);
}

#[test]
fn a_transport_stream_that_breaks_off_gives_what_it_has() {
    // It states no length, and a cut between two packets leaves a valid stream.
    let (run, events) = damaged("cut.ts", "", |whole, broken| truncated(whole, 50, broken));
    run.assert_success();
    events.assert_sane();
    assert_pictures_until(&events, 2.0..8.0);
}

#[test]
fn an_mp4_with_a_corrupt_stretch() {
    let (run, events) =
        damaged("corrupt.mp4", "-movflags +faststart", |whole, broken| corrupted(whole, 60, 40_000, broken));
    assert_told(&run, &events, "corrupt.mp4");
    let first: Vec<_> = events.data("frame").map(seconds).take_while(|time| *time < 3.0).collect();
    assert_eq!(first.len(), 15, "events before the damage are missing: {first:?}");
}

#[test]
fn an_mp4_without_its_index() {
    let (run, events) = damaged("no-index.mp4", "", |whole, broken| truncated(whole, 50, broken));
    let line = run.error_line();
    assert!(line.contains("no-index.mp4"), "{line}");
    assert_eq!(events.data("frame").count(), 0);
    assert!(!events.states().contains(&"ended"), "{:?}", events.states());
}

#[test]
fn a_camera_that_goes_away() {
    let folder = tempfile::tempdir().unwrap();
    let (film, out) = (folder.path().join("film.mp4"), folder.path().join("out"));
    rtsp::film(20, &film);
    let mut server = RtspServer::start(&film, &[]);
    let mut running = analyze(server.uri(), &out, &["--no-transcript"]);
    let told = || fs::read_to_string(out.join("events.ndjson")).unwrap_or_default();
    let deadline = Instant::now() + Duration::from_secs(60);
    while told().matches("polygraph.frame.v1").count() < 10 {
        assert!(running.is_running() && Instant::now() < deadline, "{}", told());
        std::thread::sleep(Duration::from_millis(50));
    }
    server.kill();
    let run = running.finish();
    assert!(run.error_line().contains(&server.uri()), "{}", run.stderr);
    let events = Events::read(&out.join("events.ndjson"));
    events.assert_sane();
    assert_eq!(events.states(), ["started", "failed"]);
    assert!(events.data("frame").count() >= 10);
}

#[test]
fn nobody_who_reads_what_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let (clip, out) = (folder.path().join("good.mp4"), folder.path().join("out"));
    ffmpeg("-framerate 25 -loop 1 -i {astronaut.png} -t 1 -pix_fmt yuv420p -c:v libx264", &clip);
    let text = |path: &Path| path.to_str().unwrap().to_owned();
    let analyze = ["analyze".to_owned(), text(&clip), "--out".to_owned(), text(&out)];
    for arguments in [&["doctor".to_owned()][..], &analyze] {
        let mut command = std::process::Command::new(polygraph_tests::command::polygraph());
        command.args(arguments).stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
        let mut child = command.spawn().unwrap();
        // As `| head -0` does.
        drop(child.stdout.take());
        let ended = child.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&ended.stderr);
        assert!(ended.status.success() && !said.contains("panicked"), "{arguments:?}: {said}");
    }
    assert_eq!(Events::read(&out.join("events.ndjson")).states(), ["started", "ended"]);
    assert!(out.join("summary.json").exists(), "what comes after the first word is there as well");
}

#[test]
fn inputs_that_are_none() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    fs::write(path("empty.mp4"), b"").unwrap();
    fs::write(path("notes.mp4"), "Not a film at all.\n".repeat(1000)).unwrap();
    fs::write(path("zeros.mp4"), vec![0; 100_000]).unwrap();
    fs::create_dir(path("folder.mp4")).unwrap();
    let (http, rtsp) = (format!("http://{}/a.mp4", nobody()), format!("rtsp://{}/a", nobody()));
    let table = [
        (path("empty.mp4"), "empty"),
        (path("notes.mp4"), "notes.mp4"),
        (path("zeros.mp4"), "zeros.mp4"),
        (path("folder.mp4"), "folder"),
        (path("missing.mp4"), "no such file"),
        (http.clone(), &http),
        (rtsp.clone(), &rtsp),
        ("http://no-such-host.invalid/a.mp4".to_owned(), "no-such-host.invalid"),
        ("v4l2:///dev/video0".to_owned(), "allowed are"),
        ("ftp://host/a.mp4".to_owned(), "allowed are"),
    ];
    for (input, says) in table {
        let run = analyze(&input, &folder.path().join("out"), &[]).finish();
        let line = run.error_line();
        assert!(line.contains(says), "{input}: \"{says}\" is not in \"{line}\"");
        assert_eq!(run.status.code(), Some(1), "{input}");
    }
}

#[test]
fn a_bad_input_does_not_keep_the_others_from_their_turn() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    ffmpeg("-framerate 25 -loop 1 -i {astronaut.png} -t 1 -pix_fmt yuv420p -c:v libx264", Path::new(&path("good.mp4")));
    let run = start(["analyze", &path("missing.mp4"), &path("good.mp4"), "--out", &path("out"), "--quiet"]).finish();
    assert!(run.error_line().contains("missing.mp4"), "{}", run.stderr);
    let events = Events::read(&folder.path().join("out/good/events.ndjson"));
    assert_eq!(events.states(), ["started", "ended"]);
    assert_eq!(events.tracks().len(), 1);
}

#[test]
fn a_changed_byte_in_a_network_is_refused_by_name_before_it_is_loaded() {
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path().join("home");
    fs::create_dir(&home).unwrap();
    // Copies, never links: the store of the machine must not change.
    for part in ["networks", "onnxruntime"] {
        let from = polygraph_tests::home().join(part);
        let copied = std::process::Command::new("cp").arg("-rL").args([&from, &home]).status().unwrap();
        assert!(copied.success());
    }
    let network = fs::read_dir(home.join("networks/blazeface-back")).unwrap().next().unwrap().unwrap().path();
    let file = fs::read_dir(network).unwrap().next().unwrap().unwrap().path();
    let mut bytes = fs::read(&file).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    assert!(file.canonicalize().unwrap().starts_with(folder.path().canonicalize().unwrap()));
    fs::write(&file, bytes).unwrap();

    let clip = folder.path().join("clip.mp4");
    ffmpeg("-framerate 25 -loop 1 -i {astronaut.png} -t 1 -pix_fmt yuv420p -c:v libx264", &clip);
    let refused = std::process::Command::new(polygraph_tests::command::polygraph())
        .arg("analyze")
        .arg(&clip)
        .arg("--quiet")
        .arg("--out")
        .arg(folder.path().join("out"))
        .env("POLYGRAPH_HOME", &home)
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&refused.stderr);
    assert_eq!(refused.status.code(), Some(1), "{text}");
    assert!(text.contains(file.file_name().unwrap().to_str().unwrap()), "{text}");
}
