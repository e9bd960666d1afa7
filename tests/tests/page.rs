// SPDX-License-Identifier: Apache-2.0
//! The live page in a real Chromium, driven by Playwright: `tests/browser/page.py` clicks, this breaks and mends.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use polygraph_tests::media::ffmpeg;
use polygraph_tests::rtsp::{RtspServer, film};
use polygraph_tests::service::{Service, configuration};
use serde_json::json;

/// The Python that has Playwright: `./dev setup` makes it.
fn python() -> PathBuf {
    polygraph_tests::home().join("browser-venv/bin/python")
}

/// What is not there, if anything. `./dev test` says by `POLYGRAPH_BROWSER` that all has to be.
fn missing() -> Option<String> {
    if !python().is_file() {
        return Some(format!("{} is not there; ./dev setup makes it", python().display()));
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let is_there = |name| std::env::split_paths(&path).any(|folder| folder.join(name).is_file());
    let browsers = ["chromium", "chromium-browser", "google-chrome"];
    (!browsers.into_iter().any(is_there)).then(|| "there is no Chromium; ./dev setup installs it on Debian".to_owned())
}

/// A programme with something for each lane: a street, a cut to a portrait under a voice, then black and silence.
fn programme(output: &Path) {
    ffmpeg(
        "-i {bikes.mp4} -framerate 25 -loop 1 -t 6 -i {astronaut.png} -t 10 -i {two_cities.wav} -filter_complex \
         [0:v]trim=duration=4,scale=640:272,setsar=1,fps=25[street];\
         [1:v]scale=-2:272,pad=640:272:(ow-iw)/2:0,setsar=1[portrait];\
         color=black:s=640x272:r=25:d=5,setsar=1[black];\
         [street][portrait][black]concat=n=3:v=1:a=0,format=yuv420p[v];[2:a]apad=whole_dur=15[a] \
         -map [v] -map [a] -t 15 -c:v libx264 -preset ultrafast -g 25 -c:a aac -movflags +faststart",
        output,
    );
}

/// The stream of [`programme`], with everything looked for that the page has a lane for.
fn playout(folder: &Path, programme: &Path) -> String {
    format!(
        "[allow]\nhosts = [\"127.0.0.1\"]\nfolders = [{folder:?}]\n[[streams]]\nid = \"playout\"\nuri = \"file://{}\"\nloop = true\n\
         analysis_fps = 2.0\nforensics = false\nfaults = [\"black\", \"silence\"]\n",
        programme.display()
    )
}

#[test]
fn a_stream_is_added_breaks_recovers_and_an_incident_is_acknowledged() {
    if let Some(why) = missing() {
        assert!(std::env::var_os("POLYGRAPH_BROWSER").is_none(), "{why}");
        // Past the capture of tests' output: whoever reads the log is to know.
        let _ = writeln!(std::io::stderr(), "SKIPPED: the live page was not tested: {why}");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let film_file = folder.path().join("film.mp4");
    film(120, &film_file);
    let programme_file = folder.path().join("programme.mp4");
    programme(&programme_file);
    let mut camera = RtspServer::start(&film_file, &[]);
    let state = folder.path().join("state/events");
    std::fs::create_dir_all(&state).unwrap();
    // An incident that was told of before this start, whoever told it.
    let incident = json!({
        "specversion": "1.0", "id": "camera/E/incident/0/0", "source": "/streams/camera", "type": "io.polygraph.incident.v1",
        "subject": "camera", "time": "2026-11-25T20:00:00Z", "datacontenttype": "application/json",
        "dataschema": "urn:polygraph:schema:incident:v1",
        "data": {"incident": 0, "state": "open", "kind": "sustained", "rule": "manipulation", "severity": "high", "pts_ns": 0,
                 "start_ns": 0, "end_ns": 0, "p": 0.91, "message": "Signs of manipulation for 5 s", "networks": [],
                 "clock": {"source": "arrival", "wall_ns": 0, "epoch": "E"}},
    });
    std::fs::write(state.join("events-00000000000000000000000000.ndjson"), format!("{incident}\n")).unwrap();
    let service = Service::start(&configuration(folder.path(), &playout(folder.path(), &programme_file)));

    let shots = std::env::var_os("POLYGRAPH_SCREENSHOTS").map_or_else(|| folder.path().join("shots"), PathBuf::from);
    let mut browser = Command::new(python())
        .arg(polygraph_tests::root().join("tests/browser/page.py"))
        .args([&service.address, &camera.uri()])
        .arg(shots)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut answers = browser.stdin.take().unwrap();
    let mut last = String::new();
    for line in BufReader::new(browser.stdout.take().unwrap()).lines().map_while(Result::ok) {
        match line.as_str() {
            "break" => camera.kill(),
            "mend" => camera.restart(),
            _ => {}
        }
        last = line;
        // Whoever is done reads no answer.
        let _ = writeln!(answers);
    }
    assert!(browser.wait().unwrap().success() && last == "done", "see what the browser said above");
    assert!(service.end());
}
