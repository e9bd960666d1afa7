// SPDX-License-Identifier: Apache-2.0
//! `polygraph run`: configuration, API, event stream, reload, and what may not be opened.

// clippy.toml lets #[test] functions unwrap; here the helpers do too.
#![allow(clippy::expect_used, clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use polygraph_tests::command::start;
use polygraph_tests::media::ffmpeg;
use polygraph_tests::service::{Service, configuration};
use serde_json::{Value, json};
use tungstenite::client::ClientRequestBuilder;
use tungstenite::protocol::frame::coding::CloseCode;
use tungstenite::{Error, HandshakeError, Message, WebSocket};

/// Cheap: faces twice a second and nothing else.
fn cheap(id: &str, uri: &str) -> Value {
    json!({"id": id, "uri": uri, "analysis_fps": 2.0, "transcript": false, "forensics": false, "lip_sync": false})
}

fn in_toml(id: &str, uri: &str, fps: f64) -> String {
    format!(
        "[[streams]]\nid = \"{id}\"\nuri = \"{uri}\"\nanalysis_fps = {fps:?}\ntranscript = false\nforensics = false\nlip_sync = false\n"
    )
}

/// What takes longer on the slowest machine hangs.
const DEADLINE: Duration = Duration::from_secs(90);

/// Opens the event stream as a WebSocket, with a header and subprotocols; the status where it is refused.
fn socket(
    service: &Service,
    query: &str,
    header: Option<(&str, &str)>,
    protocols: &[&str],
) -> Result<WebSocket<TcpStream>, u16> {
    let stream = TcpStream::connect(&service.address).unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    let uri = format!("ws://{}/api/v1/events/ws?{query}", service.address).parse().unwrap();
    let mut request = ClientRequestBuilder::new(uri);
    if let Some((name, value)) = header {
        request = request.with_header(name, value);
    }
    for protocol in protocols {
        request = request.with_sub_protocol(*protocol);
    }
    match tungstenite::client(request, stream) {
        Ok((socket, answer)) => {
            let chosen = answer.headers().get("sec-websocket-protocol").map(|name| name.to_str().unwrap());
            assert_eq!(chosen, protocols.first().copied(), "the token's protocol is never chosen");
            Ok(socket)
        }
        Err(HandshakeError::Failure(Error::Http(answer))) => Err(answer.status().as_u16()),
        Err(error) => panic!("{error}"),
    }
}

/// The first events of a WebSocket.
fn messages(service: &Service, query: &str, count: usize) -> Vec<Value> {
    let mut socket = socket(service, query, None, &["cloudevents.json"]).unwrap();
    let mut events = Vec::new();
    while events.len() < count {
        match socket.read().unwrap() {
            Message::Text(text) => events.push(serde_json::from_str(&text).unwrap()),
            Message::Ping(_) => {}
            other => panic!("{other:?}"),
        }
    }
    socket.close(None).unwrap();
    // A farewell in order: the service answers it.
    while !matches!(socket.read(), Err(Error::ConnectionClosed)) {}
    events
}

/// How many WebSockets ended for a reason.
fn closed(service: &Service, reason: &str) -> f64 {
    let text = service.ask("GET", "/metrics", None).text();
    let name = format!("polygraph_listener_closed_total{{protocol=\"websocket\",reason=\"{reason}\"}} ");
    let line = text.lines().find_map(|line| line.strip_prefix(&name));
    line.unwrap_or_else(|| panic!("no {name} in {text}")).parse().unwrap()
}

#[test]
fn a_configuration_is_checked_as_a_whole_and_nothing_is_started() {
    let folder = tempfile::tempdir().unwrap();
    let check = |more: &str| {
        let path = configuration(folder.path(), more);
        start(["run".as_ref(), "--check".as_ref(), path.as_os_str()]).finish()
    };
    check(&in_toml("a", "test://ball", 2.0)).assert_success();
    let wrong = check("[http]\nlisten = \"0.0.0.0:1\"\n[[streams]]\nid = \"a\"\nurl = \"x\"\n");
    assert!(wrong.error_line().contains("did you mean `uri`?"), "{}", wrong.stderr);
    let wrong = check(&(in_toml("a", "file:///etc/passwd", 0.0) + &in_toml("a", "http://169.254.169.254/x", 2.0)));
    for part in ["analysis_fps", "[allow] folders", "twice", "link-local"] {
        assert!(wrong.stderr.contains(part), "{part}: {}", wrong.stderr);
    }
    assert!(!folder.path().join("state").exists(), "nothing was started");
}

#[test]
fn streams_come_change_and_go_by_the_api_and_outlive_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let config = configuration(folder.path(), &in_toml("file", "test://ball", 2.0));
    let service = Service::start(&config);
    assert_eq!(service.ask("GET", "/healthz", None).text(), "ok\n");

    let added = service.ask("POST", "/api/v1/streams", Some(&cheap("api", "test://smpte")));
    assert_eq!(added.status, 201, "{}", added.text());
    let running = service.wait_for("api", "running");
    assert_eq!((&running["video"], &running["from_file"]), (&json!("640x360, 25 fps"), &json!(false)));
    assert_eq!(service.ask("POST", "/api/v1/streams", Some(&cheap("api", "test://smpte"))).status, 409);
    let picture = service.ask("GET", "/api/v1/streams/api/thumbnail", None);
    assert!(picture.head.contains("image/jpeg") && picture.body.starts_with(&[0xFF, 0xD8]));

    // The same again touches nothing, another rate begins anew.
    let epoch = |service: &Service| service.ask("GET", "/api/v1/streams/api", None).json()["epoch"].clone();
    let first = epoch(&service);
    assert_eq!(service.ask("PUT", "/api/v1/streams/api", Some(&cheap("api", "test://smpte"))).status, 200);
    assert_eq!(epoch(&service), first);
    let mut other = cheap("api", "test://smpte");
    other["analysis_fps"] = json!(3.0);
    assert_eq!(service.ask("PUT", "/api/v1/streams/api", Some(&other)).status, 200);
    service.wait_for("api", "running");
    assert_ne!(epoch(&service), first);

    for (wrong, why) in [
        (cheap("a b", "test://ball"), "id"),
        (cheap("x", "file:///etc/passwd"), "folders"),
        (cheap("x", "http://127.0.0.1:1/"), "this machine"),
        (cheap("x", "v4l2:///dev/video0"), "not opened"),
        (json!({"id": "x", "uri": "test://ball", "zebra": 1}), "zebra"),
    ] {
        let refused = service.ask("POST", "/api/v1/streams", Some(&wrong));
        assert!(refused.status == 422 && refused.text().contains(why), "{wrong}: {}", refused.text());
        assert!(refused.head.contains("application/problem+json"));
    }
    assert_eq!(service.send("POST", "/api/v1/streams", "application/json", Some("{")).status, 400);
    assert_eq!(service.send("POST", "/api/v1/streams", "text/plain", Some("{}")).status, 415);
    let large = "x".repeat(100_000);
    assert_eq!(service.send("POST", "/api/v1/streams", "application/json", Some(&large)).status, 413);

    // DeepStream's clients.
    let camera =
        json!({"key": "sensor", "value": {"camera_id": "deep", "camera_url": "test://snow", "change": "camera_add"}});
    assert_eq!(service.ask("POST", "/api/v1/stream/add", Some(&camera)).json()["reason"], "STREAM_ADD_SUCCESS");
    assert_eq!(service.ask("POST", "/api/v1/stream/remove", Some(&camera)).status, 200);
    assert_eq!(service.ask("GET", "/api/v1/streams/deep", None).status, 404);

    let audit = fs::read_to_string(folder.path().join("state/audit.ndjson")).unwrap();
    assert!(audit.lines().any(|line| line.contains("\"POST\"") && line.contains("201")), "{audit}");
    assert!(service.end(), "it ends in order");

    let again = Service::start(&config);
    again.wait_for("api", "running");
    again.wait_for("file", "running");
    assert_eq!(again.ask("DELETE", "/api/v1/streams/api", None).status, 204);
    assert_eq!(again.ask("DELETE", "/api/v1/streams/api", None).status, 404);
    assert!(again.end());
}

#[test]
fn a_reload_touches_only_what_changed() {
    let folder = tempfile::tempdir().unwrap();
    let stay = in_toml("stay", "test://ball", 2.0);
    configuration(
        folder.path(),
        &(stay.clone() + &in_toml("change", "test://snow", 2.0) + &in_toml("go", "test://snow", 2.0)),
    );
    let service = Service::start(&folder.path().join("polygraph.toml"));
    let before = service.wait_for("stay", "running");
    service.wait_for("change", "running");

    configuration(
        folder.path(),
        &(stay.clone() + &in_toml("change", "test://snow", 1.0) + &in_toml("come", "test://snow", 2.0)),
    );
    let changed = service.ask("POST", "/api/v1/reload", None).json();
    assert_eq!(
        (&changed["added"], &changed["removed"], &changed["changed"], &changed["untouched"]),
        (&json!(["come"]), &json!(["go"]), &json!(["change"]), &json!(1)),
        "{changed}"
    );
    service.wait_for("come", "running");
    let after = service.wait_for("stay", "running");
    assert_eq!((&after["epoch"], &after["reconnects"]), (&before["epoch"], &before["reconnects"]));
    assert_eq!(service.ask("GET", "/api/v1/streams/go", None).status, 404);

    configuration(folder.path(), "zebra = 1");
    assert_eq!(service.ask("POST", "/api/v1/reload", None).status, 422);
    assert_eq!(service.wait_for("stay", "running")["epoch"], before["epoch"], "a wrong file changes nothing");

    // The same by the signal.
    configuration(folder.path(), &(stay + &in_toml("later", "test://snow", 2.0)));
    service.signal("HUP");
    service.wait_for("later", "running");
    assert!(service.end());
}

#[test]
fn events_are_filtered_and_resumed_without_a_hole_even_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let config = configuration(folder.path(), &(in_toml("a", "test://ball", 5.0) + &in_toml("b", "test://ball", 5.0)));
    let service = Service::start(&config);
    let mut ids = Vec::new();
    service.follow("streams=a&kinds=frame", |id, kind, event| {
        assert_eq!((kind, &event["subject"], &event["id"]), ("frame", &json!("a"), &json!(id)));
        ids.push(id.to_owned());
        ids.len() == 8
    });
    let resume = |service: &Service, after: &str| {
        let mut again = Vec::new();
        service.follow(&format!("streams=a&kinds=frame&after={after}"), |id, _, _| {
            again.push(id.to_owned());
            again.len() == 5
        });
        again
    };
    assert_eq!(resume(&service, &ids[2]), ids[3..]);
    let over_websocket = |service: &Service, after: &str| {
        let events = messages(service, &format!("streams=a&kinds=frame&after={after}"), 5);
        events.iter().map(|event| event["id"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(over_websocket(&service, &ids[2]), ids[3..]);
    let live = messages(&service, "streams=b&kinds=frame", 3);
    assert!(live.iter().all(|event| event["subject"] == "b" && event["type"] == "io.polygraph.frame.v1"), "{live:?}");
    assert!(service.end());
    let service = Service::start(&config);
    assert_eq!(resume(&service, &ids[2]), ids[3..], "from disk");
    assert_eq!(over_websocket(&service, &ids[2]), ids[3..], "from disk");
    let gap = messages(&service, "after=nobody/knows/frame/0/0", 1);
    assert_eq!((&gap[0]["specversion"], &gap[0]["type"]), (&json!("1.0"), &json!("io.polygraph.gap.v1")));
    assert_eq!(service.ask("GET", "/api/v1/events/ws", None).status, 426, "no WebSocket is asked for");
    let mut first = String::new();
    service.follow("after=nobody/knows/frame/0/0", |_, kind, _| {
        kind.clone_into(&mut first);
        true
    });
    assert_eq!(first, "gap", "what isn't known any more is said");
    assert!(service.end());
}

#[test]
fn listeners_that_do_not_read_or_do_not_answer_are_let_go() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("state/events");
    fs::create_dir_all(&state).unwrap();
    // More than both ends of a connection hold for a reader that doesn't read.
    let padding = "x".repeat(20_000);
    let event = |number: u32| {
        json!({"id": format!("a/E/shot/{number}/0"), "type": "io.polygraph.shot.v1", "subject": "a", "data": padding})
            .to_string()
            + "\n"
    };
    fs::write(state.join("events-00000000000000000000000000.ndjson"), (0..2000).map(event).collect::<String>())
        .unwrap();
    let service = Service::start(&configuration(folder.path(), ""));
    let open = |query| socket(&service, query, None, &["cloudevents.json"]).unwrap();
    // Whoever comes after the first event gets them all at once, and doesn't read them.
    let slow = open("after=a/E/shot/0/0");
    let silent = open("kinds=frame");
    // Cut, without a farewell.
    drop(open("kinds=frame"));
    let mut chatty = open("kinds=frame");
    chatty.send(Message::text("x".repeat(4000))).unwrap();
    chatty.send(Message::text("x".repeat(5000))).unwrap();
    let Message::Close(Some(farewell)) = chatty.read().unwrap() else { panic!("no farewell") };
    assert_eq!(farewell.code, CloseCode::Size);

    // By hand below the WebSocket, where no library answers pings.
    let mut heard = Vec::new();
    silent.get_ref().try_clone().unwrap().read_to_end(&mut heard).unwrap();
    let has = |bytes: &[u8]| heard.windows(bytes.len()).any(|window| window == bytes);
    assert!(has(&[0x89, 5, b'a', b'l', b'i', b'v', b'e']), "a ping was sent: {heard:?}");
    assert!(has(b"no answer to a ping"), "{heard:?}");

    let deadline = Instant::now() + DEADLINE;
    while closed(&service, "slow") < 1.0 {
        assert!(Instant::now() < deadline, "whoever doesn't read is waited for");
        // Nothing is said of it but in the metrics.
        std::thread::sleep(Duration::from_millis(100));
    }
    let others = ["silent", "broken", "left"].map(|reason| closed(&service, reason));
    assert_eq!(others, [1.0, 1.0, 1.0]);
    drop(slow);
    assert!(service.end());
}

#[test]
fn tokens_and_roles_keep_others_out() {
    let folder = tempfile::tempdir().unwrap();
    let secret = folder.path().join("token");
    fs::write(&secret, "an operator's long token\n").unwrap();
    let tokens = format!(
        "[[http.tokens]]\nname = \"ann\"\nrole = \"operator\"\ntoken = \"file:{}\"\n\
         [[http.tokens]]\nname = \"bob\"\nrole = \"viewer\"\ntoken = \"a viewer's long token\"\n",
        secret.display()
    );
    let mut service = Service::start(&configuration(folder.path(), &tokens));
    let stream = cheap("a", "test://ball");
    assert_eq!(service.ask("GET", "/healthz", None).status, 200);
    assert_eq!(service.ask("GET", "/", None).status, 200, "the page asks for the token itself");
    for path in ["/api/v1/streams", "/metrics", "/api/v1/events", "/api/v1/events/ws", "/api/v1/system"] {
        assert_eq!(service.ask("GET", path, None).status, 401, "{path}");
    }
    let refused = |header, protocols: &[&str]| socket(&service, "", header, protocols).err();
    assert_eq!(refused(None, &[]), Some(401));
    assert_eq!(refused(Some(("Authorization", "Bearer a viewer's wrong token")), &[]), Some(401));
    assert_eq!(refused(Some(("Authorization", "Bearer a viewer's long token")), &[]), None);
    // As a page does, which can't set the header: base64url of the token.
    assert_eq!(refused(None, &["cloudevents.json", "polygraph.token.YSB2aWV3ZXIncyBsb25nIHRva2Vu"]), None);
    assert_eq!(refused(None, &["cloudevents.json", "polygraph.token.YQ"]), Some(401));
    service.token = Some("a viewer's long token".into());
    assert_eq!(service.ask("GET", "/api/v1/streams", None).status, 200);
    assert_eq!(service.ask("POST", "/api/v1/streams", Some(&stream)).status, 403);
    service.token = Some("an operator's long token".into());
    assert_eq!(service.ask("POST", "/api/v1/streams", Some(&stream)).status, 201);
    let audit = fs::read_to_string(folder.path().join("state/audit.ndjson")).unwrap();
    assert!(audit.contains("\"ann\"") && audit.contains("\"bob\"") && !audit.contains("long token"), "{audit}");
    assert!(service.end());
}

/// A web server that notes what it was asked for, and answers every path that ends in a page's name.
fn web(pages: Vec<(String, Vec<u8>)>) -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("its address").to_string();
    let asked = Arc::new(Mutex::new(Vec::new()));
    let noted = Arc::clone(&asked);
    std::thread::spawn(move || {
        for mut client in listener.incoming().map_while(Result::ok) {
            let mut head = [0; 4096];
            let read = client.read(&mut head).unwrap_or(0);
            let line = String::from_utf8_lossy(&head[..read]).lines().next().unwrap_or_default().to_owned();
            let path = line.split(' ').nth(1).unwrap_or_default().to_owned();
            let body = pages.iter().find(|(name, _)| path.ends_with(name)).map_or(&[][..], |(_, body)| body);
            let (status, body) = match body.strip_prefix(b"Location: ") {
                Some(to) => (format!("302 Found\r\nLocation: {}", String::from_utf8_lossy(to)), &[][..]),
                None => ("200 OK".to_owned(), body),
            };
            let head = format!(
                "HTTP/1.1 {status}\r\nContent-Type: application/vnd.apple.mpegurl\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
                body.len()
            );
            // Whoever has heard enough goes.
            let _ = client.write_all(&[head.as_bytes(), body].concat());
            noted.lock().expect("no thread panicked").push(path);
        }
    });
    (address, asked)
}

/// A web server that must not be reached; gives its address and whether anybody came.
fn forbidden() -> (String, Arc<Mutex<bool>>) {
    // Another address of loopback than that which is allowed.
    let listener = TcpListener::bind("127.0.0.9:0").expect("a port");
    let address = listener.local_addr().expect("its address").to_string();
    let reached = Arc::new(Mutex::new(false));
    let noted = Arc::clone(&reached);
    std::thread::spawn(move || listener.incoming().for_each(|_| *noted.lock().expect("no thread panicked") = true));
    (address, reached)
}

fn playlist(child: &str) -> String {
    format!("#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:2\n#EXT-X-MEDIA-SEQUENCE:0\n#EXTINF:2,\n{child}\n")
}

#[test]
fn playlists_and_redirects_lead_nowhere_that_is_not_allowed() {
    let folder = tempfile::tempdir().unwrap();
    let (elsewhere, reached) = forbidden();
    // A named pipe: whoever opens it to read lets the writer through.
    let pipe = folder.path().join("secret");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let opened = Arc::new(Mutex::new(false));
    let (noted, written) = (Arc::clone(&opened), pipe.clone());
    std::thread::spawn(move || {
        let _ = fs::OpenOptions::new().write(true).open(written);
        *noted.lock().unwrap() = true;
    });
    let pages = [
        ("meta.m3u8", playlist("http://169.254.169.254/latest/meta-data")),
        ("here.m3u8", playlist(&format!("http://{elsewhere}/x.ts"))),
        ("file.m3u8", playlist(&format!("file://{}", pipe.display()))),
        ("variant.m3u8", format!("#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1000\nfile://{}\n", pipe.display())),
        ("redirect.m3u8", format!("Location: http://{elsewhere}/x.m3u8")),
    ];
    let (web, asked) = web(pages.map(|(name, page)| (name.to_owned(), page.into_bytes())).into());
    let config = configuration(folder.path(), "[allow]\nhosts = [\"127.0.0.1\"]\n");
    let service = Service::start(&config);
    for name in ["meta", "here", "file", "variant", "redirect"] {
        let added = service.ask("POST", "/api/v1/streams", Some(&cheap(name, &format!("http://{web}/{name}.m3u8"))));
        assert_eq!(added.status, 201, "{}", added.text());
    }
    for name in ["meta", "here", "file", "variant", "redirect"] {
        let state = service.wait_for(name, "recovering");
        assert!(!state["reason"].as_str().unwrap().is_empty());
    }
    let asked: BTreeSet<_> = asked.lock().unwrap().iter().cloned().collect();
    assert_eq!(asked.len(), 5, "each playlist was read: {asked:?}");
    assert!(!*reached.lock().unwrap(), "a server was reached that isn't allowed");
    assert!(!*opened.lock().unwrap(), "a file was opened that isn't allowed");
    assert!(service.end());
}

/// A live programme of ten segments of two seconds, with a cut at 18 s; its playlist and the master playlist that names it.
fn segments(folder: &Path, began: &str) -> Vec<(String, Vec<u8>)> {
    ffmpeg(
        "-f lavfi -t 18 -i testsrc2=s=320x180:r=25 -f lavfi -t 2 -i mandelbrot=s=320x180:r=25 \
         -filter_complex [0:v][1:v]concat=n=2:v=1,format=yuv420p -c:v libx264 -preset ultrafast -bf 0 -g 50 \
         -sc_threshold 0 -f hls -hls_time 2 -hls_list_size 0",
        &folder.join("own.m3u8"),
    );
    // The date is at the first segment alone, and the end isn't told, as of what goes on.
    let list: String = (0..10).map(|number| format!("#EXTINF:2.0,\nown{number}.ts\n")).collect();
    let head = "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:2\n#EXT-X-MEDIA-SEQUENCE:0\n";
    let live = format!("{head}#EXT-X-PROGRAM-DATE-TIME:{began}\n{list}");
    let master = "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=100000\nlive.m3u8\n";
    let segment = |number| {
        let name = format!("own{number}.ts");
        let bytes = fs::read(folder.join(&name)).unwrap();
        (name, bytes)
    };
    let lists = [("live.m3u8", live), ("master.m3u8", master.to_owned())];
    let lists = lists.map(|(name, text)| (name.to_owned(), text.into_bytes()));
    (0..10).map(segment).chain(lists).collect()
}

#[test]
fn the_date_in_a_playlist_is_the_wall_time_of_hls() {
    let folder = tempfile::tempdir().unwrap();
    let (web, _) = web(segments(folder.path(), "2001-02-03T04:05:06.000Z"));
    let service = Service::start(&configuration(folder.path(), "[allow]\nhosts = [\"127.0.0.1\"]\n"));
    let mut stream = cheap("hls", &format!("http://{web}/master.m3u8"));
    stream["scenes"] = json!(false);
    assert_eq!(service.ask("POST", "/api/v1/streams", Some(&stream)).status, 201);
    let mut cut = Value::Null;
    let mut told = false;
    service.follow("streams=hls&kinds=shot,stream", |_, kind, event| {
        let reason = event["data"]["reason"].as_str().unwrap_or_default();
        told |= reason.contains("EXT-X-PROGRAM-DATE-TIME");
        cut = event["data"].clone();
        kind == "shot"
    });
    assert!(told, "the change of clock is told of");
    assert_eq!(cut["clock"]["source"], "program_date_time", "{cut}");
    // 981173106 s is the playlist's date.
    let at_s = cut["clock"]["wall_ns"].as_u64().unwrap() as f64 / 1e9 - 981_173_106.0;
    assert!((at_s - 18.0).abs() < 0.1, "the cut is at {at_s}: {cut}");
    assert_eq!(service.ask("GET", "/api/v1/streams/hls", None).json()["clock"], "program_date_time");
    assert!(service.end());
}
