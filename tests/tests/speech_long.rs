// SPDX-License-Identifier: Apache-2.0
//! An hour of sentences of GRID, the same 72 seconds again and again: their words are told at the same places of each round,
//! and memory doesn't grow. `./dev test --long`; figures are printed.

// clippy.toml lets #[test] functions unwrap; here the helpers do too.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use polygraph_tests::command::analyze;
use polygraph_tests::events::Events;
use polygraph_tests::media::ffmpeg;

/// Clips of a round, of three seconds each.
const CLIPS: usize = 24;
const ROUND_NS: u64 = CLIPS as u64 * 3_000_000_000;
const ROUNDS: usize = 50;
/// Largest drift, in ns.
const DRIFT_NS: i64 = 50_000_000;

/// An hour of the clips: PCM, for AAC would begin each round with a frame of its own.
fn film(clips: &Path, folder: &Path) -> std::path::PathBuf {
    let mut names: Vec<_> = std::fs::read_dir(clips).unwrap().map(|entry| entry.unwrap().path()).collect();
    names.retain(|name| name.extension().is_some_and(|extension| extension == "mpg"));
    names.sort();
    assert_eq!(names.len(), CLIPS);
    let inputs: String = names.iter().map(|name| format!("-i {} ", name.display())).collect();
    let cut = |at: usize| {
        format!(
            "[{at}:v]fps=25,trim=duration=3,setpts=PTS-STARTPTS[v{at}];[{at}:a]aresample=16000,apad,atrim=duration=3[a{at}];"
        )
    };
    let parts: String = (0..CLIPS).map(cut).collect();
    let joined: String = (0..CLIPS).map(|at| format!("[v{at}][a{at}]")).collect();
    let (once, film) = (folder.join("once.mkv"), folder.join("film.mkv"));
    ffmpeg(
        &format!(
            "{inputs}-filter_complex {parts}{joined}concat=n={CLIPS}:v=1:a=1[v][a] -map [v] -map [a] -pix_fmt yuv420p \
             -c:v libx264 -preset veryfast -crf 18 -g 25 -bf 0 -c:a pcm_s16le -ac 1"
        ),
        &once,
    );
    ffmpeg(&format!("-stream_loop {} -i {} -c copy", ROUNDS - 1, once.display()), &film);
    film
}

/// Resident memory of a process, in bytes.
fn resident(pid: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    Some(line.trim().strip_suffix(" kB")?.parse::<u64>().ok()? * 1024)
}

#[test]
#[ignore = "analyses an hour; ./dev test --long"]
fn an_hour_of_sentences_has_no_drift_and_flat_memory() {
    an_hour(&[]);
}

#[test]
#[ignore = "analyses an hour; ./dev test --long"]
fn an_hour_of_sentences_with_lips_has_no_drift_and_flat_memory() {
    an_hour(&["--lip-reading"]);
}

fn an_hour(arguments: &[&str]) {
    let clips = polygraph_tests::root().join("../shared/media/grid/s1");
    if !clips.is_dir() {
        println!("skipped: {} is not on this machine", clips.display());
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let film = film(&clips, folder.path());
    let out = folder.path().join("out");
    let mut run = analyze(&film, &out, arguments);
    let mut memory = Vec::new();
    while run.is_running() {
        memory.extend(resident(run.pid()));
        // A sample a second.
        std::thread::sleep(Duration::from_secs(1));
    }
    run.finish().assert_success();

    let quarter = memory.len() / 4;
    let most = |part: &[u64]| *part.iter().max().unwrap() / 1_000_000;
    let most: Vec<u64> = memory.chunks(quarter.max(1)).take(4).map(most).collect();
    println!("{} s; most memory of each quarter: {most:?} MB", memory.len());
    assert!(most[3] <= most[1] + most[1] / 20, "memory grows: {most:?} MB");

    // Words of each round by their order; a sentence that isn't heard as in the second round says nothing of drift.
    let events = Events::read(&out.join("events.ndjson"));
    let mut rounds: BTreeMap<u64, Vec<(String, u64)>> = BTreeMap::new();
    for told in events.data("transcript").filter(|told| told["final"] == true) {
        let start = told["start_ns"].as_u64().unwrap();
        let of = rounds.entry(start / ROUND_NS).or_default();
        of.push((told["text"].as_str().unwrap().to_owned(), start % ROUND_NS));
    }
    assert_eq!(rounds.len(), ROUNDS);
    let reference = rounds[&1].clone();
    let (mut drifts, mut heard) = (Vec::new(), Vec::new());
    for said in rounds.values().skip(1) {
        let same = said.iter().filter_map(|(text, start)| {
            let away = |(other, at): &(String, u64)| (other == text).then_some(*start as i64 - *at as i64);
            reference.iter().filter_map(away).min_by_key(|away| away.abs())
        });
        let mut same: Vec<i64> = same.filter(|away| away.abs() < 1_000_000_000).collect();
        same.sort_unstable();
        heard.push(same.len());
        drifts.push(same[same.len() / 2]);
    }
    let most = drifts.iter().map(|drift| drift.abs()).max().unwrap();
    println!(
        "{} finals in the second round, {heard:?} of them again; drift at most {} ms",
        reference.len(),
        most / 1_000_000
    );
    assert!(reference.len() >= CLIPS * 3 / 4 && heard.iter().all(|heard| *heard * 2 >= reference.len()), "{heard:?}");
    assert!(most <= DRIFT_NS, "words drift: {drifts:?}");
}
