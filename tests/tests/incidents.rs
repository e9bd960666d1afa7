// SPDX-License-Identifier: Apache-2.0
//! Incidents as who reads events meets them: made of what the frames say, each closed, and told by exit code, rules and
//! webhook.

// clippy.toml lets #[test] functions unwrap; here the helpers do too.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::{fs, thread};

use polygraph_core::event::{Kind, schema};
use polygraph_core::incident::{Incidents, Options};
use polygraph_core::record::{Frame, Incident, Record, Shot};
use polygraph_tests::command::{Run, analyze};
use polygraph_tests::events::Events;
use polygraph_tests::media;
use serde_json::Value;
use sha2::{Digest, Sha256};

/// Eight seconds of the music video, in which some faces show signs that aren't there: what a false alarm looks like.
fn music(folder: &Path) -> PathBuf {
    let clip = folder.join("music.mp4");
    // As in the demo's programme, where this stretch has such faces.
    let made = "-ss 42 -t 8 -i {test.mp4} -vf fps=25,scale=1280:720:flags=bicubic,setsar=1 -pix_fmt yuv420p -c:v libx264 \
                -preset veryfast -crf 21 -c:a aac";
    media::ffmpeg(made, &clip);
    clip
}

fn run(clip: &Path, out: &Path, more: &[&str]) -> (Run, Events) {
    let run = analyze(clip, out, more).finish();
    let events = Events::read(&out.join("events.ndjson"));
    events.assert_sane();
    (run, events)
}

/// What the records of the events' frames and shots make of incidents.
fn replayed(events: &Events) -> Vec<Incident> {
    let mut incidents = Incidents::new(Options::default());
    let mut told = Vec::new();
    for event in &events.0 {
        let data = event["data"].clone();
        let record = match event["type"].as_str().unwrap() {
            "io.polygraph.frame.v1" => Record::Frame(serde_json::from_value::<Frame>(data).unwrap()),
            "io.polygraph.shot.v1" => Record::Shot(serde_json::from_value::<Shot>(data).unwrap()),
            _ => continue,
        };
        told.extend(incidents.take(&record));
    }
    told.extend(incidents.end());
    told
}

#[test]
fn incidents_are_those_of_the_frames_and_every_frame_has_its_verdict() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    let (run, events) = run(&music(folder.path()), &out, &[]);
    run.assert_success();
    let validator = jsonschema::validator_for(&schema::of_data(Kind::Incident)).unwrap();
    let told: Vec<Incident> = events
        .data("incident")
        .map(|data| {
            assert!(validator.is_valid(data), "{data}");
            serde_json::from_value(data.clone()).unwrap()
        })
        .collect();
    assert_eq!(told, replayed(&events));
    let verdicts =
        events.data("frame").filter(|frame| frame["faces"].as_array().is_some_and(|faces| !faces.is_empty()));
    for frame in verdicts {
        assert!(frame["fused"]["verdict"].is_string(), "{frame}");
        assert!(frame["faces"].as_array().unwrap().iter().all(|face| face["fused"]["verdict"].is_string()), "{frame}");
    }
    let summary: Value = serde_json::from_str(&fs::read_to_string(out.join("summary.json")).unwrap()).unwrap();
    let opened = told.iter().filter(|incident| incident.state == polygraph_core::record::IncidentState::Open).count();
    assert_eq!(summary["incidents"].as_array().unwrap().len(), opened);
    assert!(opened > 0, "nothing was compared");
}

#[test]
fn with_keep_faces_incidents_have_pictures_that_the_report_carries() {
    let folder = tempfile::tempdir().unwrap();
    let (clip, out) = (music(folder.path()), folder.path().join("out"));
    let (run, events) = run(&clip, &out, &["--keep-faces", "--no-transcript"]);
    run.assert_success();
    let mut pictures = 0;
    let mut kinds = BTreeSet::new();
    for incident in events.data("incident") {
        for evidence in incident["evidence"].as_array().unwrap() {
            assert_eq!(evidence["state"], "kept", "{evidence}");
            let file = fs::read(out.join(evidence["path"].as_str().unwrap())).unwrap();
            let kind = evidence["kind"].as_str().unwrap();
            kinds.insert(kind.to_owned());
            let size = image::load_from_memory(&file).unwrap();
            match kind {
                // Seven seconds, a hundred columns each.
                "spectrogram" => assert!(size.height() == 256 && (100..=700).contains(&size.width()), "{evidence}"),
                "mouth_strip" => assert!(size.width() == 8 * 48 || size.height() == 48, "{evidence}"),
                _ => {}
            }
            let pts_ns = |of: &Value, name: &str| of[name].as_u64().unwrap();
            if evidence["kind"] == "key_frame" {
                pictures += 1;
                let sum: String = Sha256::digest(&file).iter().map(|byte| format!("{byte:02x}")).collect();
                assert_eq!(evidence["sha256"], sum.as_str());
                assert_eq!(image::load_from_memory(&file).unwrap().height(), 360);
                assert!(
                    pts_ns(evidence, "pts_ns").abs_diff(pts_ns(incident, "start_ns")) < 3_000_000_000,
                    "{incident}"
                );
            }
        }
    }
    assert!(pictures > 0, "no incident has a picture");
    for kind in ["spectrogram", "mouth_strip"] {
        assert!(kinds.contains(kind), "no incident has a {kind}: {kinds:?}");
    }
    let page = fs::read_to_string(out.join("report.html")).unwrap();
    assert!(page.contains("src=\"data:image/jpeg;base64,"), "the page carries its pictures");
}

#[test]
fn evidence_that_cannot_be_written_is_said_once_and_stops_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (clip, out) = (music(folder.path()), folder.path().join("out"));
    fs::create_dir(&out).unwrap();
    fs::write(out.join("evidence"), "in the way").unwrap();
    let (run, events) = run(&clip, &out, &["--keep-faces", "--no-transcript"]);
    run.assert_success();
    let told = run.stderr.lines().filter(|line| line.contains("evidence is not kept")).count();
    assert_eq!(told, 1, "{}", run.stderr);
    let mut evidence = events.data("incident").flat_map(|incident| incident["evidence"].as_array().unwrap());
    assert!(evidence.all(|evidence| evidence["state"] != "kept"));
}

/// Rules of a file, with a web server that first refuses and then takes what they post.
#[test]
fn a_rule_ends_the_run_with_its_code_and_reaches_a_webhook_that_was_away() {
    let folder = tempfile::tempdir().unwrap();
    let clip = folder.path().join("programme.mp4");
    media::programme(&clip);
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/hook", server.local_addr().unwrap());
    let posted = Arc::new(Mutex::new(Vec::new()));
    let taken = Arc::clone(&posted);
    // It ends with the test's process.
    thread::spawn(move || {
        for code in [503, 503].into_iter().chain(std::iter::repeat(200)) {
            let request = answer(&server, code);
            taken.lock().unwrap().push(request);
        }
    });
    let rules = folder.path().join("rules.toml");
    let text = format!(
        "[[rule]]\nname = \"somebody\"\nabout = \"stream\"\nwhen = 'faces >= 1.0'\nfor = \"1s\"\nseverity = \"low\"\n\
         message = \"{{faces}} face\"\nactions = [\"exit\", \"webhook\"]\n\n\
         [webhook]\nurl = \"{url}\"\nsecret = \"file:{}\"\n",
        folder.path().join("secret").display()
    );
    fs::write(&rules, text).unwrap();
    fs::write(folder.path().join("secret"), "key\n").unwrap();
    let (run, events) = run(&clip, &folder.path().join("out"), &["--rules", rules.to_str().unwrap()]);
    assert_eq!(run.status.code(), Some(3), "{}", run.stderr);
    assert!(run.stderr.contains("can't be reached (it answers 503)"), "{}", run.stderr);
    assert!(run.stderr.contains("takes events again"), "{}", run.stderr);
    let ours: Vec<_> = events.data("incident").filter(|data| data["rule"] == "somebody").collect();
    assert!(ours[0]["message"].as_str().unwrap().ends_with(" face"), "{}", ours[0]);
    let posted = posted.lock().unwrap();
    let bodies: Vec<Value> = posted.iter().map(|(_, body)| serde_json::from_str(body).unwrap()).collect();
    let data: Vec<_> = bodies.iter().map(|body| &body["data"]).collect();
    let expected: Vec<_> = [ours[0], ours[0]].into_iter().chain(ours.iter().copied()).collect();
    assert_eq!(data, expected, "the first is sent until it is taken, then all others in order");
    for (headers, _) in posted.iter() {
        assert!(headers.to_lowercase().contains("x-polygraph-signature: sha256="), "{headers}");
    }
}

/// Takes one request and answers with a status; gives its headers and body.
fn answer(server: &TcpListener, code: u16) -> (String, String) {
    let (mut stream, _) = server.accept().unwrap();
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let (mut headers, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        if let Some(value) = line.to_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
        if line.trim().is_empty() {
            break;
        }
        headers.push_str(&line);
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    write!(stream, "HTTP/1.1 {code} so\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").unwrap();
    (headers, String::from_utf8(body).unwrap())
}

#[test]
fn a_rule_with_a_typo_is_refused_before_anything_is_done() {
    let folder = tempfile::tempdir().unwrap();
    let (rules, out) = (folder.path().join("rules.toml"), folder.path().join("out"));
    fs::write(&rules, "[[rule]]\nname = \"r\"\nwhen = 'fused.q > 0.5'\nmessage = \"m\"\n").unwrap();
    let run = analyze(media::original("bikes.mp4"), &out, &["--rules", rules.to_str().unwrap()]).finish();
    let line = run.error_line();
    assert!(line.ends_with("line 3, column 9: there is no field `fused.q`; do you mean `fused.p`?"), "{line}");
    assert!(!out.exists());
    let run = analyze(media::original("bikes.mp4"), &out, &["--rules", "screening"]).finish();
    assert!(run.error_line().contains("deepfake-screening"), "{}", run.stderr);
}
