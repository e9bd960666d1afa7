// SPDX-License-Identifier: Apache-2.0
//! Broadcast faults as who reads events meets them: programmes that are broken at known times, by real codecs.

// clippy.toml lets #[test] functions unwrap; here the helpers do too.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use polygraph_tests::command::analyze;
use polygraph_tests::events::Events;
use polygraph_tests::{media, root};
use serde_json::Value;

/// Limits under a second, so that each fault can be told within one.
const LIMITS: &str = "black_s=0.8,frozen_s=0.8,colour_bars_s=0.8,silence_s=0.8,phase_s=0.8,missing_video_s=0.8,\
                      missing_audio_s=0.8,integrated_after_s=86000";
/// Nothing but faults.
const ALONE: [&str; 4] = ["--no-faces", "--no-voice", "--no-transcript", "--no-shots"];
/// How far a start or an end may be off, in seconds.
const OFF_S: f64 = 0.1;
/// Those that ffmpeg tells the truth of.
const MEASURED: [&str; 3] = ["loudness_momentary", "loudness_short_term", "true_peak"];

/// A fault, from start to end, and when it was told, in seconds.
#[derive(Clone, Debug, PartialEq)]
struct Fault {
    kind: String,
    start_s: f64,
    end_s: f64,
    told_s: f64,
}

fn assemble(out: &Path, more: &[&str]) {
    let made = Command::new("python3")
        .arg(root().join("tests/faults/assemble.py"))
        .arg("--clip")
        .arg(media::original("test.mp4"))
        .arg("--out")
        .arg(out)
        .args(more)
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
}

/// The faults of a run, each closed.
fn found(programme: &Path, limits: &str) -> Vec<Fault> {
    let out = tempfile::tempdir().unwrap();
    let mut arguments = ALONE.to_vec();
    arguments.extend(["--faults", "all", "--fault-limits", limits]);
    analyze(programme, out.path(), &arguments).finish().assert_success();
    let events = Events::read(&out.path().join("events.ndjson"));
    events.assert_sane();
    let mut open: BTreeMap<u64, f64> = BTreeMap::new();
    let mut faults = Vec::new();
    for incident in events.data("incident") {
        let seconds = |name: &str| incident[name].as_u64().unwrap() as f64 / 1e9;
        assert_eq!(incident["kind"], "fault", "{incident}");
        let number = incident["incident"].as_u64().unwrap();
        match incident["state"].as_str().unwrap() {
            "open" => assert!(open.insert(number, seconds("pts_ns")).is_none(), "{incident}"),
            "close" => faults.push(Fault {
                kind: incident["fault"]["kind"].as_str().unwrap().to_owned(),
                start_s: seconds("start_ns"),
                end_s: seconds("end_ns"),
                told_s: open.remove(&number).unwrap(),
            }),
            other => panic!("{other}: {incident}"),
        }
    }
    assert!(open.is_empty(), "not closed: {open:?}");
    let summary: Value =
        serde_json::from_str(&std::fs::read_to_string(out.path().join("summary.json")).unwrap()).unwrap();
    assert_eq!(summary["incidents"].as_array().unwrap().len(), faults.len());
    let page = std::fs::read_to_string(out.path().join("report.html")).unwrap();
    assert_eq!(page.matches("<article class=\"incident").count(), faults.len());
    faults
}

/// The truth of a programme; loud stretches are none by themselves.
fn injected(programme: &Path) -> Vec<Fault> {
    let text = std::fs::read_to_string(programme.with_extension("csv")).unwrap();
    let fault = |line: &str| {
        let [kind, start, end] = line.split(',').collect::<Vec<_>>()[..] else { panic!("{line}") };
        let (start_s, end_s) = (start.parse().unwrap(), end.parse().unwrap());
        Fault { kind: kind.to_owned(), start_s, end_s, told_s: 0.0 }
    };
    text.lines().skip(1).map(fault).filter(|fault| fault.kind != "loud").collect()
}

/// Where momentary and short-term loudness are out of range by `ffmpeg -af ebur128`: an independent truth.
fn measured(programme: &Path) -> Vec<Fault> {
    let filter = "aresample=48000,ebur128=metadata=1,ametadata=mode=print:file=-";
    let told = Command::new("ffmpeg")
        .args(["-nostdin", "-v", "error", "-copyts", "-i"])
        .arg(programme)
        .args(["-vn", "-af", filter, "-f", "null", "-"])
        .output()
        .unwrap();
    let text = String::from_utf8(told.stdout).unwrap();
    let mut at_s = 0.0;
    let mut first_s = None;
    let mut spans: BTreeMap<&str, Vec<(f64, f64)>> = BTreeMap::new();
    let mut out = |kind: &'static str, from_s: f64, gap_s: f64| {
        let spans = spans.entry(kind).or_default();
        match spans.last_mut() {
            Some(last) if from_s <= last.1 + gap_s + 0.05 => last.1 = from_s + 0.1,
            _ => spans.push((from_s, from_s + 0.1)),
        }
    };
    for line in text.lines() {
        if let Some(time) = line.split("pts_time:").nth(1) {
            at_s = time.trim().parse::<f64>().unwrap();
            at_s -= *first_s.get_or_insert(at_s);
        }
        let value = |name: &str| line.strip_prefix(name)?.parse::<f64>().ok();
        if value("lavfi.r128.M=").is_some_and(|lufs| lufs > -15.0) {
            out("loudness_momentary", at_s, 0.0);
        }
        if value("lavfi.r128.S=").is_some_and(|lufs| lufs > -18.0) {
            out("loudness_short_term", at_s, 0.0);
        }
    }
    let fault =
        |(kind, (start_s, end_s)): (&str, (f64, f64))| Fault { kind: kind.to_owned(), start_s, end_s, told_s: 0.0 };
    spans.into_iter().flat_map(|(kind, spans)| spans.into_iter().map(move |span| (kind, span))).map(fault).collect()
}

/// Each fault of the truth is found once, in time and in place; gives what else was found.
fn compare(mut found: Vec<Fault>, truth: &[Fault], off_s: f64) -> Vec<Fault> {
    for fault in truth {
        let is = |other: &Fault| {
            other.kind == fault.kind
                && (other.start_s - fault.start_s).abs() <= off_s
                && (other.end_s - fault.end_s).abs() <= off_s
        };
        let at = found.iter().position(is).unwrap_or_else(|| panic!("not found: {fault:?} among {found:#?}"));
        let one = found.remove(at);
        assert!(one.told_s - fault.start_s <= 1.0, "told too late: {one:?}");
    }
    found
}

fn all_are_found(count: usize) {
    let folder = tempfile::tempdir().unwrap();
    let programme = folder.path().join("programme.ts");
    assemble(&programme, &["--faults", &count.to_string()]);
    let truth = injected(&programme);
    let found = found(&programme, LIMITS);
    let (loud, rest): (Vec<_>, Vec<_>) = found.into_iter().partition(|fault| MEASURED.contains(&fault.kind.as_str()));
    assert_eq!(compare(rest, &truth, OFF_S), [], "what wasn't broken");
    let measured = measured(&programme);
    let (peaks, loud): (Vec<_>, Vec<_>) = loud.into_iter().partition(|fault| fault.kind == "true_peak");
    assert_eq!(compare(loud, &measured, 0.2), [], "where ffmpeg sees nothing");
    let clipped = truth.iter().filter(|fault| fault.kind == "clipping");
    for clipped in clipped {
        assert!(peaks.iter().any(|peak| (peak.start_s - clipped.start_s).abs() <= 0.2), "{clipped:?} among {peaks:?}");
    }
    println!("{} faults injected, {} of loudness by ffmpeg, all found", truth.len(), measured.len());
}

#[test]
fn a_short_programme_s_faults_are_each_found_once_and_in_place() {
    all_are_found(13);
}

#[test]
#[ignore = "--long"]
fn thirty_faults_of_all_kinds_are_each_found_once_and_in_place() {
    // 26 within the parts, of all kinds, and four changes of format; loud stretches come on top.
    all_are_found(33);
}

#[test]
#[ignore = "--long"]
fn ten_minutes_of_a_clean_programme_raise_no_alarm() {
    let folder = tempfile::tempdir().unwrap();
    let programme = folder.path().join("clean.ts");
    assemble(&programme, &["--clean", "660"]);
    assert_eq!(found(&programme, LIMITS), []);
}

#[test]
fn a_fade_to_black_under_the_limit_and_a_stream_without_sound_raise_none() {
    let folder = tempfile::tempdir().unwrap();
    let clip = folder.path().join("fade.mp4");
    let made = "-i {bikes.mp4} -an -vf fps=25,scale=320:180,fade=out:st=2:d=1:enable='lte(t,4)',fade=in:st=4:d=1:enable='gte(t,4)' -t 8 \
                -c:v libx264 -preset veryfast";
    media::ffmpeg(made, &clip);
    assert_eq!(found(&clip, ""), []);
}
