// SPDX-License-Identifier: Apache-2.0
//! What a service has to outlive: crashed processes, reloads, overload, hundreds of broken sources and of streams that come
//! and go.

// clippy.toml lets #[test] functions unwrap; here the helpers do too.
#![allow(clippy::expect_used, clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use polygraph_tests::media::ffmpeg;
use polygraph_tests::metrics::series;
use polygraph_tests::rtsp::{RtspServer, film};
use polygraph_tests::service::{Service, configuration, stored};
use serde_json::{Value, json};

const DEADLINE: Duration = Duration::from_secs(90);
/// Of the silent film.
const PICTURE_NS: u64 = 40_000_000;

/// Faces once a second and nothing else.
fn cheap(id: &str, uri: &str) -> Value {
    json!({"id": id, "uri": uri, "analysis_fps": 1.0, "transcript": false, "forensics": false, "lip_sync": false})
}

fn in_toml(id: &str, uri: &str, fps: f64) -> String {
    format!(
        "[[streams]]\nid = \"{id}\"\nuri = \"{uri}\"\nanalysis_fps = {fps:?}\ntranscript = false\nforensics = false\nlip_sync = false\n"
    )
}

/// A silent film, whose time therefore is that of its pictures, and the configuration that lets it be opened.
fn silent_film(folder: &Path) -> (String, String) {
    let file = folder.join("silent.mp4");
    ffmpeg(
        "-f lavfi -i testsrc=s=320x180:r=25 -t 180 -pix_fmt yuv420p -c:v libx264 -preset ultrafast -g 25 -bf 0",
        &file,
    );
    (format!("file://{}", file.display()), format!("[allow]\nfolders = [\"{}\"]\n", folder.display()))
}

/// Proves that a silent film ran in one epoch and that no picture of it is missing: as many came to the analysers as its
/// time has room for.
fn assert_lost_nothing(folder: &Path, stream: &str) {
    let events = stored(folder, stream);
    let epochs: BTreeSet<_> = events.iter().map(|event| event["data"]["clock"]["epoch"].to_string()).collect();
    assert_eq!(epochs.len(), 1, "{stream} was connected anew");
    let last = events.iter().rfind(|event| event["data"]["state"] == "stopped").expect("its last word");
    let pictures = last["data"]["counters"]["video-queue"]["input"].as_u64().unwrap();
    let room = last["data"]["pts_ns"].as_u64().unwrap() / PICTURE_NS;
    // One may be on its way between the two counts.
    assert!(pictures > 0 && pictures.abs_diff(room) <= 1, "{stream}: {pictures} pictures in the time of {room}");
}

#[test]
fn a_reload_interrupts_no_other_stream_by_a_single_frame() {
    let folder = tempfile::tempdir().unwrap();
    let (film, allow) = silent_film(folder.path());
    let stay = in_toml("stay", &film, 5.0);
    let write = |change: &str| configuration(folder.path(), &format!("{stay}{change}{allow}"));
    let change = |fps| in_toml("change", "test://ball", fps);
    let config = write(&change(2.0));
    let service = Service::start(&config);
    service.wait_for("stay", "running");
    service.wait_for("change", "running");
    for fps in [1.0, 3.0, 2.0] {
        write(&change(fps));
        let changed = service.ask("POST", "/api/v1/reload", None).json();
        assert_eq!((&changed["changed"], &changed["untouched"]), (&json!(["change"]), &json!(1)), "{changed}");
        service.wait_for("change", "running");
    }
    // Another priority needs no new connection.
    let epoch = service.wait_for("change", "running")["epoch"].clone();
    write(&(change(2.0) + "priority = 9\n"));
    assert_eq!(service.ask("POST", "/api/v1/reload", None).json()["changed"], json!(["change"]));
    let after = service.wait_for("change", "running");
    assert_eq!((&after["epoch"], &after["config"]["priority"]), (&epoch, &json!(9)));
    assert!(service.end());
    assert_lost_nothing(folder.path(), "stay");
}

#[test]
fn a_worker_that_is_killed_comes_back_with_its_streams_and_the_others_lose_no_frame() {
    let folder = tempfile::tempdir().unwrap();
    let (film, allow) = silent_film(folder.path());
    let streams = in_toml("one", "test://ball", 2.0) + &in_toml("two", &film, 2.0);
    let config = configuration(folder.path(), &(streams + &allow));
    let service = Service::start_with(&config, &["--processes", "2"]);
    service.wait_for("one", "running");
    service.wait_for("two", "running");
    let workers = || service.ask("GET", "/api/v1/system", None).json()["workers"].clone();
    let of = |stream: &str| {
        let all = workers();
        all.as_array().unwrap().iter().find(|worker| worker["streams"] == json!([stream])).expect("its worker").clone()
    };
    let (one, two) = (of("one"), of("two"));
    assert_ne!(one["pid"], two["pid"]);
    let first = service.ask("GET", "/api/v1/streams/one", None).json()["epoch"].clone();
    let picture = service.ask("GET", "/api/v1/streams/one/thumbnail", None);
    assert_eq!(picture.body[..2], [0xFF, 0xD8], "{}", picture.head);

    let killed = Instant::now();
    assert!(Command::new("kill").args(["-9", &one["pid"].to_string()]).status().unwrap().success());
    // A frame of another epoch: it is analysed again.
    service.follow("streams=one&kinds=frame", |_, _, event| event["data"]["clock"]["epoch"] != first);
    println!("killed; its stream's frames were back after {:.1} s", killed.elapsed().as_secs_f64());
    let again = of("one");
    assert!(again["restarts"] == json!(1) && again["pid"] != one["pid"], "{again}");
    assert_eq!(of("two"), two);
    assert_eq!(service.ask("DELETE", "/api/v1/streams/one", None).status, 204);
    assert!(service.end());
    assert_lost_nothing(folder.path(), "two");
}

/// Threads, descriptors and bytes of a service.
fn figures(service: &Service) -> [f64; 3] {
    let text = service.ask("GET", "/metrics", None).text();
    ["process_threads", "process_open_fds", "process_resident_memory_bytes"].map(|name| series(&text, name)[""])
}

/// The same at rest: the runtime's pool keeps its threads for ten idle seconds, so that a figure in the midst of work says
/// how much work there was.
fn at_rest(service: &Service) -> [f64; 3] {
    let deadline = Instant::now() + DEADLINE;
    let (mut last, mut since) = (figures(service), Instant::now());
    while since.elapsed() < Duration::from_secs(15) && Instant::now() < deadline {
        std::thread::sleep(Duration::from_secs(1));
        let now = figures(service);
        if now[..2] != last[..2] {
            since = Instant::now();
        }
        last = now;
    }
    last
}

/// The names of a service's threads: what is one too many.
fn threads(service: &Service) -> Vec<String> {
    let tasks = fs::read_dir(format!("/proc/{}/task", service.pid())).unwrap();
    let name = |task: io::Result<fs::DirEntry>| fs::read_to_string(task.ok()?.path().join("comm")).ok();
    let mut names: Vec<_> = tasks.filter_map(name).map(|name| name.trim().to_owned()).collect();
    names.sort();
    names
}

fn assert_flat(what: &str, before: [f64; 3], after: [f64; 3]) {
    println!("{what}: threads, descriptors, bytes before {before:?}, after {after:?}");
    for (before, after) in before.into_iter().zip(after) {
        assert!(after <= before * 1.05 + 1.0, "{what}: {before} became {after}");
    }
}

#[test]
#[ignore = "--long"]
fn five_hundred_streams_come_and_go_and_leave_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let service = Service::start(&configuration(folder.path(), "[http]\nrequests_per_second = 1000\n"));
    let rounds = |count| {
        for _ in 0..count {
            let added = service.ask("POST", "/api/v1/streams", Some(&cheap("guest", "test://ball")));
            assert_eq!(added.status, 201, "{}", added.text());
            service.wait_for("guest", "running");
            assert_eq!(service.ask("DELETE", "/api/v1/streams/guest", None).status, 204);
        }
    };
    // Pools and caches have their size by then.
    rounds(50);
    let before = at_rest(&service);
    println!("{:?}", threads(&service));
    rounds(500);
    assert_flat("500 times added and removed", before, at_rest(&service));
    println!("{:?}", threads(&service));
    assert!(service.end());
}

/// How many objects of each type GStreamer's tracer of leaks tells in its log, once it has ended its list.
fn alive(log: &Path) -> Option<BTreeMap<String, usize>> {
    let text = fs::read_to_string(log).unwrap();
    // "listed 35 alive objects" ends it.
    text.lines().any(|line| line.contains(" listed ") && line.ends_with("alive objects")).then_some(())?;
    let told = text.lines().filter_map(|line| line.split_once("object-alive, type-name=(string)")?.1.split(',').next());
    let mut count = BTreeMap::new();
    told.for_each(|kind| *count.entry(kind.to_owned()).or_default() += 1);
    Some(count)
}

#[test]
fn what_gstreamer_made_for_a_stream_is_gone_with_it() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("gst.log");
    let traced = [
        ("GST_TRACERS", "leaks"),
        ("GST_LEAKS_TRACER_SIG", "1"),
        ("GST_DEBUG", "GST_TRACER:7,leaks:7"),
        ("GST_DEBUG_FILE", log.to_str().unwrap()),
    ];
    let (film, allow) = silent_film(folder.path());
    let service = Service::start_in(&configuration(folder.path(), &allow), &[], &traced);
    let rounds = |count| {
        for uri in ["test://ball", &film].repeat(count) {
            assert_eq!(service.ask("POST", "/api/v1/streams", Some(&cheap("guest", uri))).status, 201);
            service.wait_for("guest", "running");
            assert_eq!(service.ask("DELETE", "/api/v1/streams/guest", None).status, 204);
        }
    };
    // Streams are taken down beside the answer: asked again until what is left will do, or it is clear that something stays.
    let await_left = |will_do: &dyn Fn(&BTreeMap<String, usize>) -> bool| {
        let deadline = Instant::now() + DEADLINE;
        loop {
            fs::write(&log, "").unwrap();
            service.signal("USR1");
            let left = loop {
                if let Some(left) = alive(&log) {
                    break left;
                }
                assert!(Instant::now() < deadline, "the tracer doesn't answer");
                std::thread::sleep(Duration::from_millis(100));
            };
            if will_do(&left) {
                return left;
            }
            assert!(Instant::now() < deadline, "{left:?} outlived their streams");
        }
    };
    rounds(1);
    // Factories, and the caps of their templates, live as long as the process.
    let lasting = |kind: &String| kind.ends_with("Factory") || kind == "GstPlugin" || kind == "GstCaps";
    let once = await_left(&|left| left.keys().all(lasting));
    rounds(3);
    let again =
        await_left(&|left| left.iter().all(|(kind, count)| once.get(kind).is_some_and(|before| count <= before)));
    println!("alive after one round: {once:?}, after four: {again:?}");
    assert!(service.end());
}

/// A way to a server that can be cut in the midst.
struct Wire {
    address: String,
    open: Arc<Mutex<Vec<TcpStream>>>,
}

impl Wire {
    fn to(server: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let open = Arc::new(Mutex::new(Vec::new()));
        let (kept, server) = (Arc::clone(&open), server.to_owned());
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let Ok(there) = TcpStream::connect(&server) else { continue };
                kept.lock().unwrap().extend([client.try_clone().unwrap(), there.try_clone().unwrap()]);
                for (mut from, mut to) in [(client.try_clone().unwrap(), there.try_clone().unwrap()), (there, client)] {
                    std::thread::spawn(move || {
                        let _ = io::copy(&mut from, &mut to);
                        let _ = to.shutdown(Shutdown::Both);
                    });
                }
            }
        });
        Self { address, open }
    }

    fn cut(&self) {
        self.open.lock().unwrap().drain(..).for_each(|socket| drop(socket.shutdown(Shutdown::Both)));
    }
}

#[test]
#[ignore = "--long"]
fn a_hundred_breaks_of_a_source_are_each_recovered_from_within_ten_seconds() {
    let folder = tempfile::tempdir().unwrap();
    let film_file = folder.path().join("film.mp4");
    film(120, &film_file);
    let mut camera = RtspServer::start(&film_file, &[]);
    let server = camera.uri().trim_start_matches("rtsp://").trim_end_matches("/live").to_owned();
    let wire = Wire::to(&server);
    let service = Service::start(&configuration(folder.path(), "[allow]\nhosts = [\"127.0.0.1\"]\n"));
    let uri = format!("rtsp://{}/live", wire.address);
    assert_eq!(service.ask("POST", "/api/v1/streams", Some(&cheap("camera", &uri))).status, 201);
    let epoch = |service: &Service| service.wait_for("camera", "running")["epoch"].clone();
    let mut slowest = [Duration::ZERO; 5];
    let mut before = None;
    for round in 0..105 {
        let last = epoch(&service);
        if round == 5 {
            before = Some(at_rest(&service));
        }
        let kind = round % 5;
        match kind {
            0 => {
                camera.kill();
                service.wait_for("camera", "recovering");
                camera.restart();
            }
            1 => wire.cut(),
            2 => {
                camera.halt();
                service.wait_for("camera", "recovering");
                camera.go_on();
            }
            3 => {
                camera.restart_as(&["--unknown-codec"]);
                service.wait_for("camera", "recovering");
                camera.restart_as(&[]);
            }
            // The server's clock and its film begin anew.
            _ => camera.restart(),
        }
        let returned = Instant::now();
        while epoch(&service) == last {
            assert!(returned.elapsed() < DEADLINE, "break {round} is not recovered from");
            std::thread::sleep(Duration::from_millis(50));
        }
        slowest[kind] = slowest[kind].max(returned.elapsed());
    }
    let names = ["killed", "cut", "silent", "other codec", "begun anew"];
    println!("slowest recoveries: {:?}", names.iter().zip(slowest).collect::<Vec<_>>());
    assert!(slowest.iter().all(|took| *took <= Duration::from_secs(10)), "{slowest:?}");
    assert_flat("100 breaks", before.unwrap(), at_rest(&service));
    let stream = service.ask("GET", "/api/v1/streams/camera", None).json();
    assert_eq!(stream["abandoned"], 0, "{stream}");
    assert!(service.end());
}

#[test]
#[ignore = "--long"]
fn a_process_that_is_hardly_run_blames_no_source() {
    let folder = tempfile::tempdir().unwrap();
    let film_file = folder.path().join("film.mp4");
    film(300, &film_file);
    let camera = RtspServer::start(&film_file, &[]);
    let service = Service::start(&configuration(folder.path(), "[allow]\nhosts = [\"127.0.0.1\"]\n"));
    let stream = json!({"id": "camera", "uri": camera.uri()});
    assert_eq!(service.ask("POST", "/api/v1/streams", Some(&stream)).status, 201);
    // From its first moment it is run a tenth of the time, as on a machine that others keep busy.
    for _ in 0..90 {
        service.signal("STOP");
        std::thread::sleep(Duration::from_millis(900));
        service.signal("CONT");
        std::thread::sleep(Duration::from_millis(100));
    }
    let after = service.wait_for("camera", "running");
    assert_eq!((&after["reconnects"], &after["abandoned"]), (&json!(0), &json!(0)), "{after}");
    assert!(service.end());
}

#[test]
#[ignore = "--long"]
fn too_much_to_do_lowers_rates_by_priority_never_under_floors_and_they_come_back() {
    let folder = tempfile::tempdir().unwrap();
    let service = Service::start(&configuration(folder.path(), ""));
    let dear = |id: &str, priority: u8| json!({"id": id, "uri": "test://smpte", "analysis_fps": 25.0, "tiles": true, "priority": priority, "transcript": false});
    for n in 0..6 {
        let added = service.ask("POST", "/api/v1/streams", Some(&dear(&format!("s{n}"), if n == 0 { 9 } else { 1 })));
        assert_eq!(added.status, 201, "{}", added.text());
    }
    let rates = || {
        let all = service.ask("GET", "/api/v1/streams", None).json();
        all.as_array().unwrap().iter().map(|stream| stream["analysis_fps"].as_f64().unwrap()).collect::<Vec<_>>()
    };
    let wait = |what: &str, enough: &dyn Fn(&[f64]) -> bool| {
        let deadline = Instant::now() + Duration::from_secs(600);
        loop {
            let now = rates();
            assert!(now.iter().all(|rate| (1.0..=25.0).contains(rate)), "{now:?}");
            if enough(&now) {
                println!("{what}: {now:?}");
                return;
            }
            assert!(Instant::now() < deadline, "{what}: {now:?}");
            std::thread::sleep(Duration::from_millis(500));
        }
    };
    wait("the least important give way", &|rates| rates[1..].iter().all(|rate| *rate < rates[0]));
    let text = service.ask("GET", "/metrics", None).text();
    assert!(text.contains("polygraph_stream_analysis_rate_hertz{stream=\"s1\"}"), "{text}");
    for n in 1..6 {
        assert_eq!(service.ask("DELETE", &format!("/api/v1/streams/s{n}"), None).status, 204);
    }
    let mut light = dear("s0", 9);
    light["tiles"] = json!(false);
    light["analysis_fps"] = json!(2.0);
    assert_eq!(service.ask("PUT", "/api/v1/streams/s0", Some(&light)).status, 200);
    wait("it comes back", &|rates| rates == [2.0]);
    assert!(service.end());
}
