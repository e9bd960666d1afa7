// SPDX-License-Identifier: Apache-2.0
//! Live cameras for ten minutes: 720p25, a face in 60 % and speech in 40 % of the time, encoded once and paced by servers of
//! their own. `./dev test --long`; figures are printed.

// clippy.toml lets #[test] functions unwrap; here the helpers do too.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use polygraph_tests::media::ffmpeg;
use polygraph_tests::metrics::{series, sum};
use polygraph_tests::rtsp::RtspServer;
use polygraph_tests::service::{Service, configuration, stored};
use serde_json::{Value, json};

const WATCHED: Duration = Duration::from_secs(600);
/// Cameras at most: their film ends.
const MOST: usize = 16;
/// What the servers show: longer than they are watched.
const SHOWN_S: u32 = 900;
/// Clock ticks a second of /proc, which Linux has fixed for user space.
const TICKS: f64 = 100.0;

/// 100 s of programme, again and again: 40 s of a street and a hum, 20 s of a portrait and a hum, 40 s of it that speaks.
fn film(folder: &Path) -> std::path::PathBuf {
    let (once, film) = (folder.join("once.mp4"), folder.join("film.mp4"));
    ffmpeg(
        "-stream_loop -1 -i {bikes.mp4} -i {astronaut.png} -i {two_cities.wav} -filter_complex \
         [0:v]fps=25,scale=1280:-2,pad=1280:720:0:(oh-ih)/2,setsar=1,trim=duration=40,setpts=PTS-STARTPTS[v0];\
         [1:v]scale=2560:2560:flags=lanczos,crop=2560:1440:0:0,zoompan=z='1+0.0001*on':d=1500:s=1280x720:fps=25,setsar=1,trim=duration=60,setpts=PTS-STARTPTS[v1];\
         anoisesrc=colour=brown:amplitude=0.02:seed=1:sample_rate=48000:duration=60,aformat=channel_layouts=stereo[a0];\
         [2:a]aresample=48000,aformat=channel_layouts=stereo,atrim=duration=40[a1];\
         [v0][v1]concat=n=2:v=1:a=0[v];[a0][a1]concat=n=2:v=0:a=1[a] \
         -map [v] -map [a] -t 100 -pix_fmt yuv420p -c:v libx264 -preset veryfast -b:v 2M -g 50 -bf 0 -c:a aac -ar 48000",
        &once,
    );
    ffmpeg(&format!("-stream_loop -1 -i {} -t {SHOWN_S} -c copy -movflags +faststart", once.display()), &film);
    film
}

/// CPU seconds that a process has used.
fn cpu_s(pid: u32) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    // The name in parentheses may hold spaces.
    let fields: Vec<_> = stat.rsplit(") ").next().unwrap().split(' ').collect();
    (fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap()) / TICKS
}

/// A quantile of the time from a picture's arrival to its event, in seconds: the bound of the bucket that holds it.
fn delay(text: &str, quantile: f64) -> f64 {
    let mut buckets = BTreeMap::<u64, f64>::new();
    for (labels, value) in series(text, "polygraph_frame_event_delay_seconds_bucket") {
        let bound = labels.split("le=\"").nth(1).unwrap().split('"').next().unwrap();
        let micros = bound.parse::<f64>().unwrap().min(1e6) * 1e6;
        *buckets.entry(micros as u64).or_default() += value;
    }
    let all = buckets.values().last().copied().unwrap_or_default();
    buckets.iter().find(|(_, count)| **count >= all * quantile).map_or(f64::NAN, |(micros, _)| *micros as f64 / 1e6)
}

/// Ends the service; each analyser's account in the last word of each stream closes.
fn assert_accounts_close(service: Service, folder: &Path, ids: &[String]) {
    assert!(service.end());
    for id in ids {
        let last = stored(folder, id).into_iter().rfind(|event| event["data"]["state"] == "stopped").unwrap();
        for (analyser, account) in last["data"]["counters"].as_object().unwrap() {
            let number = |name: &str| account[name].as_u64().unwrap();
            let skipped: u64 = account["skipped"].as_object().unwrap().values().filter_map(Value::as_u64).sum();
            let told = number("analysed") + number("late") + skipped;
            assert_eq!(number("input"), told, "{id} {analyser}: {account}");
            println!("{id} {analyser}: {account}");
        }
    }
}

/// What was watched: the service and its cameras, still at work, the streams, and the metrics.
struct Watched {
    service: Service,
    _cameras: Vec<RtspServer>,
    ids: Vec<String>,
    text: String,
}

/// Watches so many cameras and, `until_shed`, as many more as this machine can't do at their default rates.
fn watch(least: usize, until_shed: bool, folder: &Path) -> Watched {
    let film = film(folder);
    let service = Service::start(&configuration(folder, "[allow]\nhosts = [\"127.0.0.1\"]\n"));
    let (mut cameras, mut ids) = (Vec::new(), Vec::new());
    while cameras.len() < least || (until_shed && !is_shed(&service)) {
        assert!(cameras.len() < MOST, "{MOST} cameras are not enough to shed anything");
        let (id, camera) = (format!("c{}", cameras.len()), RtspServer::start(&film, &[]));
        let stream = json!({"id": id, "uri": camera.uri()});
        assert_eq!(service.ask("POST", "/api/v1/streams", Some(&stream)).status, 201);
        service.wait_for(&id, "running");
        cameras.push(camera);
        ids.push(id);
        // Not all of them speak at once, and the load is judged over a while.
        std::thread::sleep(Duration::from_secs(100 / least as u64));
    }
    let count = cameras.len();
    let used = || (cpu_s(service.pid()), cameras.iter().map(|camera| cpu_s(camera.pid())).sum::<f64>());
    let (before, began) = (used(), Instant::now());
    std::thread::sleep(WATCHED);
    let (after, took) = (used(), began.elapsed().as_secs_f64());
    let text = service.ask("GET", "/metrics", None).text();
    let [input, analysed, late] =
        ["input", "analysed", "late"].map(|what| series(&text, &format!("polygraph_frames_{what}_total")));
    println!(
        "{count} cameras, {took:.0} s: {:.2} cores, the servers {:.2}; from arrival to event {:.2} s (median), {:.2} s (95 %)",
        (after.0 - before.0) / took,
        (after.1 - before.1) / took,
        delay(&text, 0.5),
        delay(&text, 0.95),
    );
    for analyser in ["polyface", "polyforensics", "polyscene", "polyvoice", "polyspeech"] {
        let label = format!("analyser=\"{analyser}\"");
        println!(
            "{analyser}: in {}, analysed {}, late {}",
            sum(&input, &label),
            sum(&analysed, &label),
            sum(&late, &label)
        );
    }
    for (labels, rate) in series(&text, "polygraph_stream_analysis_rate_hertz") {
        println!("{labels}: {rate} looks a second");
        assert!(rate >= 1.0, "{labels} is under its floor");
    }
    Watched { service, _cameras: cameras, ids, text }
}

/// Whether a stream is looked at less often than it asked for.
fn is_shed(service: &Service) -> bool {
    let text = service.ask("GET", "/metrics", None).text();
    series(&text, "polygraph_stream_analysis_rate_hertz").values().any(|rate| *rate < 5.0)
}

#[test]
#[ignore = "takes thirteen minutes; ./dev test --long"]
fn four_cameras_with_everything_on_at_default_rates() {
    let folder = tempfile::tempdir().unwrap();
    let watched = watch(4, false, folder.path());
    let rates = series(&watched.text, "polygraph_stream_analysis_rate_hertz");
    assert_eq!(rates.len(), 4);
    assert!(rates.values().all(|rate| *rate == 5.0), "something was shed: {rates:?}");
    assert_accounts_close(watched.service, folder.path(), &watched.ids);
}

#[test]
#[ignore = "takes thirteen minutes; ./dev test --long"]
fn eight_cameras_or_as_many_as_it_takes_are_shed_and_floors_are_kept() {
    let folder = tempfile::tempdir().unwrap();
    let watched = watch(8, true, folder.path());
    let reconnects = series(&watched.text, "polygraph_stream_reconnects_total");
    assert!(reconnects.values().all(|count| *count == 0.0), "{reconnects:?}");
    assert_accounts_close(watched.service, folder.path(), &watched.ids);
}
