// SPDX-License-Identifier: Apache-2.0
//! `polygraph run`: configuration, API, event stream, reload, and what may not be opened.

// clippy.toml lets #[test] functions unwrap; here the helpers do too.
#![allow(clippy::expect_used, clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};

use polygraph_tests::command::start;
use polygraph_tests::service::{Service, configuration};
use serde_json::{Value, json};

/// Cheap: faces twice a second and nothing else.
fn cheap(id: &str, uri: &str) -> Value {
    json!({"id": id, "uri": uri, "analysis_fps": 2.0, "transcript": false, "forensics": false, "lip_sync": false})
}

fn in_toml(id: &str, uri: &str, fps: f64) -> String {
    format!(
        "[[streams]]\nid = \"{id}\"\nuri = \"{uri}\"\nanalysis_fps = {fps:?}\ntranscript = false\nforensics = false\nlip_sync = false\n"
    )
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
    assert!(service.end());
    let service = Service::start(&config);
    assert_eq!(resume(&service, &ids[2]), ids[3..], "from disk");
    let mut first = String::new();
    service.follow("after=nobody/knows/frame/0/0", |_, kind, _| {
        kind.clone_into(&mut first);
        true
    });
    assert_eq!(first, "gap", "what isn't known any more is said");
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
    for path in ["/api/v1/streams", "/metrics", "/api/v1/events", "/api/v1/system"] {
        assert_eq!(service.ask("GET", path, None).status, 401, "{path}");
    }
    service.token = Some("a viewer's long token".into());
    assert_eq!(service.ask("GET", "/api/v1/streams", None).status, 200);
    assert_eq!(service.ask("POST", "/api/v1/streams", Some(&stream)).status, 403);
    service.token = Some("an operator's long token".into());
    assert_eq!(service.ask("POST", "/api/v1/streams", Some(&stream)).status, 201);
    let audit = fs::read_to_string(folder.path().join("state/audit.ndjson")).unwrap();
    assert!(audit.contains("\"ann\"") && audit.contains("\"bob\"") && !audit.contains("long token"), "{audit}");
    assert!(service.end());
}

/// A web server that notes what it was asked for, and answers every path that ends in it.
fn web(pages: Vec<(&'static str, String)>) -> (String, Arc<Mutex<Vec<String>>>) {
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
            let body = pages.iter().find(|(name, _)| path.ends_with(name)).map_or("", |(_, body)| body.as_str());
            let status = if body.starts_with("Location") { format!("302 Found\r\n{body}") } else { "200 OK".into() };
            let text = if body.starts_with("Location") { "" } else { body };
            let _ = write!(
                client,
                "HTTP/1.1 {status}\r\nContent-Type: application/vnd.apple.mpegurl\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{text}",
                text.len()
            );
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
    let (web, asked) = web(vec![
        ("meta.m3u8", playlist("http://169.254.169.254/latest/meta-data")),
        ("here.m3u8", playlist(&format!("http://{elsewhere}/x.ts"))),
        ("file.m3u8", playlist(&format!("file://{}", pipe.display()))),
        ("variant.m3u8", format!("#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1000\nfile://{}\n", pipe.display())),
        ("redirect.m3u8", format!("Location: http://{elsewhere}/x.m3u8")),
    ]);
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
