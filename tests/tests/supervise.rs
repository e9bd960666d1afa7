// SPDX-License-Identifier: Apache-2.0
//! Streams that run for ever, against a real RTSP server that is killed, halted and exchanged.

// clippy.toml lets #[test] functions unwrap; here the helpers do too.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, Once, OnceLock};
use std::time::{Duration, Instant};

use polygraph::graph::Analysis;
use polygraph::supervise::{self, Credentials, Sink, Status, Stream, Transport, Wanted};
use polygraph_core::event::{Event, StreamId};
use polygraph_core::supervision::{State, Times};
use polygraph_tests::broker::free_port;
use polygraph_tests::media::ffmpeg;
use polygraph_tests::rtsp::{RtspServer, film};
use serde_json::Value;

/// What takes longer on the slowest machine hangs.
const DEADLINE: Duration = Duration::from_secs(60);

/// Keeps what a stream says, and wakes whoever waits for it.
#[derive(Default)]
struct Heard {
    said: Mutex<Said>,
    news: Condvar,
    /// A URI with this isn't admitted.
    refuses: Option<String>,
}

#[derive(Default)]
struct Said {
    events: Vec<Value>,
    states: Vec<State>,
    delays: usize,
}

impl Sink for Heard {
    fn event(&self, event: &Event, delay: Option<Duration>) {
        let mut said = self.said.lock().unwrap();
        said.delays += usize::from(delay.is_some());
        said.events.push(serde_json::to_value(event).unwrap());
        self.news.notify_all();
    }

    fn state(&self, _stream: &StreamId, status: &Status) {
        self.said.lock().unwrap().states.push(status.state);
        self.news.notify_all();
    }

    fn admit(&self, wanted: &Wanted) -> Result<String, String> {
        let is_refused = self.refuses.as_ref().is_some_and(|refused| wanted.uri.contains(refused));
        if is_refused { Err("not that one".to_owned()) } else { Ok(wanted.uri.clone()) }
    }
}

impl Heard {
    /// Waits until what was said is as it should be.
    fn wait(&self, what: &str, enough: impl Fn(&Said) -> bool) {
        let said = self.said.lock().unwrap();
        let (said, result) = self.news.wait_timeout_while(said, DEADLINE, |said| !enough(said)).unwrap();
        let last: Vec<_> = said.events.iter().filter(|event| event["type"] == "io.polygraph.stream.v1").collect();
        assert!(!result.timed_out(), "waited in vain for: {what}; states {:?}, {last:#?}", said.states);
    }

    /// Frames so far.
    fn frames(&self) -> usize {
        self.said.lock().unwrap().frames()
    }

    fn wait_for_frames(&self, more: usize) {
        let before = self.frames();
        self.wait("frames", |said| said.frames() >= before + more);
    }

    fn wait_for(&self, state: State) {
        self.wait(state.as_str(), |said| said.states.last() == Some(&state));
    }

    fn epochs(&self) -> BTreeSet<String> {
        let said = self.said.lock().unwrap();
        said.of("frame").filter_map(|event| event["data"]["clock"]["epoch"].as_str().map(str::to_owned)).collect()
    }
}

impl Said {
    fn of<'a>(&'a self, kind: &str) -> impl Iterator<Item = &'a Value> {
        let kind = format!("io.polygraph.{kind}.v1");
        self.events.iter().filter(move |event| event["type"] == kind.as_str())
    }

    fn frames(&self) -> usize {
        self.of("frame").count()
    }
}

/// A film that is made once for all tests.
fn the_film() -> PathBuf {
    static FILM: OnceLock<(tempfile::TempDir, PathBuf)> = OnceLock::new();
    let make = || {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("film.mp4");
        film(120, &file);
        (folder, file)
    };
    FILM.get_or_init(make).1.clone()
}

fn init() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| supervise::init().unwrap());
}

/// Faces only, twice a second: what is tested is not the recogniser.
fn wanted(uri: &str) -> Wanted {
    let analysis = Analysis { fps: 2.0, transcript: false, forensics: false, ..Analysis::default() };
    Wanted { analysis, ..Wanted::new("camera", uri) }
}

fn start(wanted: Wanted) -> (Stream, Arc<Heard>) {
    start_with(wanted, Heard::default())
}

fn start_with(wanted: Wanted, heard: Heard) -> (Stream, Arc<Heard>) {
    init();
    let heard = Arc::new(heard);
    (Stream::start(wanted, Arc::clone(&heard) as Arc<dyn Sink>).unwrap(), heard)
}

/// Stops it; its last word is that, and no id came twice.
fn stop(stream: Stream, heard: &Heard) {
    let (last, counters) = (stream.status(), stream.status().counters);
    assert!(stream.stop(DEADLINE), "it did not stop: {last:?}");
    let said = heard.said.lock().unwrap();
    let end = said.events.last().unwrap();
    assert_eq!(
        (end["type"].as_str(), end["data"]["state"].as_str()),
        (Some("io.polygraph.stream.v1"), Some("stopped"))
    );
    let ids: BTreeSet<_> = said.events.iter().map(|event| event["id"].as_str().unwrap()).collect();
    assert_eq!(ids.len(), said.events.len(), "an id occurs twice");
    assert!(counters.values().all(|account| account.closes()), "{counters:?}");
    assert!(counters.contains_key("polyface"), "{counters:?}");
}

#[test]
fn a_camera_that_is_killed_halted_and_exchanged_comes_back_each_time() {
    let mut server = RtspServer::start(&the_film(), &[]);
    let (stream, heard) = start(wanted(&server.uri()));
    heard.wait_for(State::Running);
    heard.wait_for_frames(3);
    let status = stream.status();
    assert_eq!(
        (status.video.as_deref(), status.audio.as_deref()),
        (Some("640x360, 25 fps"), Some("48000 Hz, 1 channels"))
    );
    assert_eq!(stream.thumbnail().unwrap().jpeg().unwrap()[..2], [0xFF, 0xD8]);

    server.kill();
    heard.wait_for(State::Recovering);
    server.restart();
    heard.wait_for(State::Running);
    heard.wait_for_frames(3);

    // Its connections stay, and nothing comes.
    server.halt();
    heard.wait_for(State::Stalled);
    heard.wait_for(State::Recovering);
    server.go_on();
    heard.wait_for(State::Running);
    heard.wait_for_frames(3);

    server.restart_as(&["--unknown-codec"]);
    heard.wait_for(State::Recovering);
    server.restart_as(&["--silent"]);
    heard.wait_for(State::Running);
    heard.wait_for_frames(3);

    assert_eq!(heard.epochs().len(), 4, "an epoch for each connection that gave frames");
    assert!(heard.said.lock().unwrap().delays > 0, "frames say how long they took");
    assert!(stream.status().reconnects >= 3);
    assert_eq!(stream.status().abandoned, 0);
    stop(stream, &heard);
}

#[test]
fn names_and_passwords_certificates_and_ways_of_the_packets() {
    let folder = tempfile::tempdir().unwrap();
    let pem = certificate(folder.path());
    let secret = Credentials { user: "viewer".into(), password: "a word".into() };
    for (server, transport, credentials, verify_tls) in [
        (vec!["--credentials", "viewer:a word"], Transport::Tcp, Some(secret), true),
        (vec![], Transport::Udp, None, true),
        (vec!["--tls", pem.to_str().unwrap()], Transport::Tcp, None, false),
    ] {
        let what = format!("{server:?} {transport:?}");
        let server = RtspServer::start(&the_film(), &server);
        let (stream, heard) = start(Wanted { transport, credentials, verify_tls, ..wanted(&server.uri()) });
        heard.wait(&what, |said| said.frames() > 1);
        stop(stream, &heard);
    }
}

#[test]
fn wrong_passwords_and_certificates_are_refused_and_said() {
    let folder = tempfile::tempdir().unwrap();
    let pem = certificate(folder.path());
    for server in [vec!["--credentials", "viewer:a word"], vec!["--tls", pem.to_str().unwrap()]] {
        let server = RtspServer::start(&the_film(), &server);
        let (stream, heard) = start(wanted(&server.uri()));
        heard.wait_for(State::Recovering);
        let reason = stream.status().reason.unwrap();
        assert!(reason.contains("nauthorized") || reason.contains("TLS") || reason.contains("certificate"), "{reason}");
        assert!(!reason.contains("a word"));
        assert!(stream.stop(DEADLINE));
    }
}

/// An RTSP server that sends whoever asks elsewhere.
fn redirector(to: String) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let uri = format!("rtsp://{}/live", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for client in listener.incoming() {
            let Ok(mut client) = client else { return };
            let lines = BufReader::new(client.try_clone().unwrap()).lines().map_while(Result::ok);
            let number = lines.take_while(|line| !line.is_empty()).find(|line| line.starts_with("CSeq:"));
            let answer = format!("RTSP/1.0 302 Found\r\n{}\r\nLocation: {to}\r\n\r\n", number.unwrap_or_default());
            // Who has gone needs no answer.
            let _ = client.write_all(answer.as_bytes());
        }
    });
    uri
}

#[test]
fn a_server_that_leads_elsewhere_is_followed_only_where_that_is_allowed() {
    let server = RtspServer::start(&the_film(), &[]);
    let uri = redirector(server.uri());
    let (stream, heard) = start(wanted(&uri));
    heard.wait_for_frames(2);
    assert!(stream.stop(DEADLINE));

    let refuses = Some(server.uri());
    let (stream, heard) = start_with(wanted(&uri), Heard { refuses, ..Heard::default() });
    heard.wait_for(State::Recovering);
    let reason = stream.status().reason.unwrap();
    assert!(reason.contains("not that one"), "{reason}");
    assert_eq!(heard.frames(), 0);
    assert!(stream.stop(DEADLINE));
}

fn certificate(folder: &std::path::Path) -> PathBuf {
    let pem = folder.join("server.pem");
    let made = std::process::Command::new("openssl")
        .args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1"])
        .arg("-keyout")
        .arg(&pem)
        .arg("-out")
        .arg(folder.join("certificate.pem"))
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let both = [std::fs::read(&pem).unwrap(), std::fs::read(folder.join("certificate.pem")).unwrap()].concat();
    std::fs::write(&pem, both).unwrap();
    pem
}

#[test]
fn the_senders_clock_gives_the_wall_time() {
    let server = RtspServer::start(&the_film(), &[]);
    let (stream, heard) = start(wanted(&server.uri()));
    let by_reports = |event: &Value| event["data"]["clock"]["source"] == "rtcp_sr";
    heard.wait("frames by the sender's clock", |said| said.of("frame").filter(|event| by_reports(event)).count() > 2);
    {
        let said = heard.said.lock().unwrap();
        let wall = said.of("frame").filter(|event| by_reports(event)).last().unwrap()["data"]["clock"]["wall_ns"]
            .as_u64()
            .unwrap();
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_nanos() as u64;
        // The server's clock is ours; it may be a minute behind on a machine that hangs, and not in another era.
        assert!(now.abs_diff(wall) < 60_000_000_000, "{now} {wall}");
        let told = |event: &Value| event["data"]["reason"].as_str().is_some_and(|reason| reason.contains("RTCP"));
        assert!(said.of("stream").any(told), "the change is told");
    }
    stop(stream, &heard);
}

#[test]
fn a_short_film_is_shown_again_and_again_each_time_in_an_epoch_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("short.mp4");
    film(2, &file);
    let looped = Wanted { looped: true, ..wanted(file.to_str().unwrap()) };
    let (stream, heard) = start(looped);
    heard.wait("three rounds", |said| {
        let epochs: BTreeSet<_> = said.of("frame").map(|event| event["data"]["clock"]["epoch"].as_str()).collect();
        epochs.len() > 2
    });
    assert_eq!(heard.said.lock().unwrap().states, [State::Connecting, State::Running]);
    stop(stream, &heard);

    let (stream, heard) = start(wanted(file.to_str().unwrap()));
    heard.wait_for(State::Stopped);
    assert_eq!(stream.status().reason.as_deref(), Some("the file came to its end"));
}

/// A command that the kernel ends with the test.
fn guarded(command: impl AsRef<std::ffi::OsStr>) -> std::process::Command {
    let mut guarded = std::process::Command::new("setpriv");
    guarded.args(["--pdeathsig", "KILL"]).arg(command).stdin(std::process::Stdio::null());
    guarded
}

#[test]
fn transport_streams_by_udp_and_srt() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("film.ts");
    let film = the_film();
    ffmpeg(&format!("-i {} -t 60 -c copy -f mpegts", film.display()), &file);
    let port = || std::net::UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    for (ours, theirs) in [
        {
            let port = port();
            (format!("udp://127.0.0.1:{port}"), format!("udp://127.0.0.1:{port}?pkt_size=1316"))
        },
        {
            let port = port();
            (format!("srt://127.0.0.1:{port}?mode=listener"), format!("srt://127.0.0.1:{port}"))
        },
    ] {
        let (stream, heard) = start(wanted(&ours));
        heard.wait_for(State::Connecting);
        let mut sender = guarded("ffmpeg")
            .args(["-nostdin", "-v", "error", "-re", "-i"])
            .arg(&file)
            .args(["-c", "copy", "-f", "mpegts", &theirs])
            .spawn()
            .unwrap();
        heard.wait(&ours, |said| said.frames() > 1);
        sender.kill().unwrap();
        sender.wait().unwrap();
        heard.wait(&ours, |said| said.states.contains(&State::Recovering));
        stop(stream, &heard);
    }
}

/// ffmpeg's own RTMP server sends by a message stream that nobody asked for, so nginx's stands between.
#[test]
fn a_stream_by_rtmp_from_a_real_server() {
    let nginx = polygraph_tests::home().join("nginx");
    assert!(nginx.join("usr/sbin/nginx").is_file(), "{} is missing: ./dev test fetches it", nginx.display());
    let folder = tempfile::tempdir().unwrap();
    let port = free_port();
    let configuration = format!(
        "load_module {}/usr/lib/nginx/modules/ngx_rtmp_module.so;\ndaemon off; pid pid; error_log errors; worker_processes 1;\n\
         events {{}}\nrtmp {{ access_log off; server {{ listen 127.0.0.1:{port}; application live {{ live on; }} }} }}\n",
        nginx.display()
    );
    std::fs::write(folder.path().join("nginx.conf"), configuration).unwrap();
    let mut server = guarded(nginx.join("usr/sbin/nginx"))
        .arg("-p")
        .arg(folder.path())
        .args(["-c", "nginx.conf", "-e", "errors"])
        .spawn()
        .unwrap();
    let began = Instant::now();
    while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
        assert!(server.try_wait().unwrap().is_none(), "nginx ended");
        assert!(began.elapsed() < Duration::from_secs(90), "nginx doesn't listen");
        std::thread::sleep(Duration::from_millis(50));
    }
    let uri = format!("rtmp://127.0.0.1:{port}/live/film");
    let mut sender = guarded("ffmpeg")
        .args(["-nostdin", "-v", "error", "-re", "-i"])
        .arg(the_film())
        .args(["-c", "copy", "-f", "flv", &uri])
        .spawn()
        .unwrap();
    let (stream, heard) = start(wanted(&uri));
    heard.wait(&uri, |said| said.frames() > 1);
    sender.kill().unwrap();
    sender.wait().unwrap();
    heard.wait(&uri, |said| said.states.contains(&State::Recovering));
    stop(stream, &heard);
    // SIGTERM, so that its worker goes too.
    let ended = std::process::Command::new("kill").arg(server.id().to_string()).status().unwrap();
    assert!(ended.success() && server.wait().unwrap().success());
}

#[test]
fn nobody_at_the_other_end_disturbs_nobody_else() {
    let quick =
        Times { backoff_min: Duration::from_millis(10), backoff_max: Duration::from_millis(20), ..Times::default() };
    let nobody = Wanted { times: Some(quick), ..wanted("rtsp://127.0.0.1:9/live") };
    let (dead, silence) = start(nobody);
    let (alive, heard) = start(wanted("test://ball"));
    heard.wait("a test picture", |said| said.frames() > 3);
    silence.wait("attempts", |_| dead.status().reconnects > 5);
    assert_eq!(silence.said.lock().unwrap().states, [State::Connecting, State::Recovering], "attempts are no news");
    stop(alive, &heard);
    let began = Instant::now();
    assert!(dead.stop(DEADLINE));
    assert!(began.elapsed() < DEADLINE);
}

#[test]
fn what_can_never_be_opened_has_failed_and_says_why() {
    let (stream, heard) = start(wanted("test://nothing-like-it"));
    heard.wait_for(State::Failed);
    assert!(stream.status().reason.unwrap().contains("no pattern"));
    assert!(stream.stop(DEADLINE));
}
