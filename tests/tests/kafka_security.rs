// SPDX-License-Identifier: Apache-2.0
//! Brokers that ask who we are: the right answer is delivered, a wrong one is told, and nothing is lost by it.

// clippy.toml lets #[test] functions unwrap; here the helpers do too.
#![allow(clippy::unwrap_used)]

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use polygraph_delivery::{Courier, CourierConfig, Message, ProducerConfig, Topic};
use polygraph_tests::broker::{Broker, Guard};
use tempfile::TempDir;

const TIMEOUT: Duration = Duration::from_secs(60);

fn start(broker: &Broker, spool: &Path, settings: &[(&str, &str)]) -> Courier {
    let mut config = CourierConfig::new(ProducerConfig::new(broker.guarded_address(), TIMEOUT), spool);
    config.producer.settings = settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    Courier::start(config, |_| {}).unwrap()
}

fn send(courier: &Courier, count: usize) {
    for number in 0..count {
        let message = Message { topic: Topic::Frames, key: "k".into(), headers: vec![], payload: vec![b'x'; number] };
        courier.send(&message).unwrap();
    }
}

/// Waits until something is said against the way to the broker that contains this.
fn await_error(courier: &Courier, text: &str) {
    let deadline = Instant::now() + TIMEOUT;
    loop {
        let error = courier.last_error().unwrap_or_default();
        if error.contains(text) {
            return;
        }
        assert!(Instant::now() < deadline, "it says: {error}");
        std::thread::yield_now();
    }
}

/// A certificate for this machine that signs itself and holds until the end of that year, and its key.
fn certificate(folder: &TempDir, name: &str, until: u32) -> (PathBuf, PathBuf) {
    let path = |end: &str| folder.path().join(format!("{name}.{end}"));
    let (key, request, certificate) = (path("key"), path("csr"), path("crt"));
    openssl("req -new -newkey rsa:2048 -nodes -subj /CN=127.0.0.1", &[("-keyout", &key), ("-out", &request)]);
    // `req -x509` of OpenSSL 3.0 makes none that has expired; `ca` does, and wants a folder with its books.
    let (config, database, serial) = (path("cnf"), path("database"), path("serial"));
    std::fs::write(&database, "").unwrap();
    std::fs::write(&serial, "01").unwrap();
    let text = format!(
        "[ca]\ndefault_ca=own\n[own]\ndatabase={}\nserial={}\nnew_certs_dir={}\ndefault_md=sha256\npolicy=any\n\
         x509_extensions=more\n[any]\ncommonName=supplied\n[more]\nsubjectAltName=IP:127.0.0.1\n\
         basicConstraints=CA:TRUE\n",
        database.display(),
        serial.display(),
        folder.path().display()
    );
    std::fs::write(&config, text).unwrap();
    openssl(
        &format!("ca -batch -selfsign -notext -startdate 20200101000000Z -enddate {until}1231000000Z"),
        &[("-config", &config), ("-keyfile", &key), ("-in", &request), ("-out", &certificate)],
    );
    (certificate, key)
}

fn openssl(arguments: &str, paths: &[(&str, &Path)]) {
    let mut openssl = Command::new("openssl");
    openssl.args(arguments.split(' '));
    for (name, path) in paths {
        openssl.arg(name).arg(path);
    }
    let made = openssl.output().unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
}

#[test]
fn a_scram_password_that_is_wrong_is_told_and_the_right_one_delivers_what_was_spooled() {
    let broker = Broker::start_guarded(&Guard::Scram { user: "polygraph", password: "right" });
    let folder = tempfile::tempdir().unwrap();
    let scram =
        [("security.protocol", "SASL_PLAINTEXT"), ("sasl.mechanism", "SCRAM-SHA-256"), ("sasl.username", "polygraph")];
    let wrong = start(&broker, folder.path(), &[&scram[..], &[("sasl.password", "hunter2")]].concat());
    send(&wrong, 100);
    await_error(&wrong, "uthentication");
    let ended = wrong.finish(Duration::ZERO);
    assert_eq!(ended.tallies.sum().spooled, 100, "{ended:?}");
    assert!(!format!("{ended:?}").contains("hunter2"));

    let secret = folder.path().join("password");
    std::fs::write(&secret, "right\n").unwrap();
    let secret = format!("file:{}", secret.display());
    let right = start(&broker, folder.path(), &[&scram[..], &[("sasl.password", &secret)]].concat());
    let ended = right.finish(TIMEOUT);
    assert!(ended.complete(), "{ended:?}");
    assert_eq!(ended.tallies.sum().acknowledged, 100);
}

#[test]
fn an_expired_certificate_is_told_and_a_valid_one_is_accepted() {
    let folder = tempfile::tempdir().unwrap();
    let expired = certificate(&folder, "expired", 2021);
    let valid = certificate(&folder, "valid", 2040);
    for ((certificate, key), good) in [(expired, false), (valid, true)] {
        let broker = Broker::start_guarded(&Guard::Tls { certificate: &certificate, key: &key });
        let spool = tempfile::tempdir().unwrap();
        let authority = certificate.display().to_string();
        let courier = start(&broker, spool.path(), &[("security.protocol", "SSL"), ("ssl.ca.location", &authority)]);
        send(&courier, 100);
        if good {
            let ended = courier.finish(TIMEOUT);
            assert!(ended.complete(), "{ended:?}");
        } else {
            // librdkafka itself says no more than that it can't be verified.
            await_error(&courier, "the certificate has expired, or");
            assert_eq!(courier.finish(Duration::ZERO).tallies.sum().spooled, 100);
        }
    }
}

#[test]
fn records_for_a_topic_that_may_not_be_written_become_dead_letters() {
    let broker = Broker::start_guarded(&Guard::Acls { user: "polygraph", password: "right" });
    for (topic, operation) in [("polygraph.shots", "Write"), ("polygraph.deadletter", "Write")] {
        broker.topic(topic, &[]);
        broker.allow("polygraph", topic, operation);
    }
    broker.topic("polygraph.frames", &[]);
    let folder = tempfile::tempdir().unwrap();
    let plain = [
        ("security.protocol", "SASL_PLAINTEXT"),
        ("sasl.mechanism", "PLAIN"),
        ("sasl.username", "polygraph"),
        ("sasl.password", "right"),
    ];
    let courier = start(&broker, folder.path(), &plain);
    send(&courier, 5);
    let message = Message { topic: Topic::Shots, key: "k".into(), headers: vec![], payload: b"{}".to_vec() };
    courier.send(&message).unwrap();
    let ended = courier.finish(TIMEOUT);
    let (frames, shots) = (ended.tallies.of(Topic::Frames), ended.tallies.of(Topic::Shots));
    assert_eq!((shots.acknowledged, shots.produced), (1, 1), "{ended:?}");
    assert_eq!((frames.acknowledged, frames.dead_lettered.values().sum::<u64>()), (0, 5), "{ended:?}");
    assert!(frames.dead_lettered.keys().all(|reason| reason.to_lowercase().contains("author")), "{frames:?}");
    assert!(frames.closes() && shots.closes());
}

#[test]
fn records_for_a_topic_that_nobody_makes_become_dead_letters_in_a_file() {
    let broker = Broker::start_guarded(&Guard::Acls { user: "polygraph", password: "right" });
    // It may write there, but the topics don't exist, and it may not make any.
    for topic in ["polygraph.frames", "polygraph.deadletter"] {
        broker.allow("polygraph", topic, "Write");
    }
    let folder = tempfile::tempdir().unwrap();
    let courier = start(
        &broker,
        folder.path(),
        &[
            ("security.protocol", "SASL_PLAINTEXT"),
            ("sasl.mechanism", "PLAIN"),
            ("sasl.username", "polygraph"),
            ("sasl.password", "right"),
            // 30 s by default, in which a topic may still appear.
            ("topic.metadata.propagation.max.ms", "500"),
        ],
    );
    send(&courier, 5);
    await_error(&courier, "can't be made");
    let ended = courier.finish(TIMEOUT);
    let frames = ended.tallies.of(Topic::Frames);
    assert!(frames.closes());
    assert_eq!(frames.dead_lettered.get("the topic does not exist"), Some(&5), "{ended:?}");
    let lines = std::fs::read_to_string(folder.path().join("deadletter.ndjson")).unwrap();
    assert_eq!(lines.lines().filter(|line| line.contains("the topic does not exist")).count(), 5, "{lines}");
}

/// An OAuth 2.0 token endpoint for one client (RFC 6749, client credentials): the right secret gets a token that nobody has
/// signed, a wrong one is refused. It serves until the test has ended; its URL.
fn token_endpoint(secret: &str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/token", listener.local_addr().unwrap());
    let authorization =
        format!("authorization: basic {}", base64(format!("polygraph:{secret}").as_bytes(), b"+/", true));
    std::thread::spawn(move || {
        for mut client in listener.incoming().flatten() {
            let mut head = String::new();
            for line in BufReader::new(&client).lines().map_while(Result::ok).take_while(|line| !line.is_empty()) {
                head.push_str(&line);
                head.push('\n');
            }
            let known = head.lines().any(|line| line.eq_ignore_ascii_case(&authorization));
            let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
            let claims = format!(r#"{{"sub":"polygraph","iat":{now},"exp":{}}}"#, now + 600);
            let part = |json: &str| base64(json.as_bytes(), b"-_", false);
            let token = format!("{}.{}.", part(r#"{"alg":"none"}"#), part(&claims));
            let (status, body) = match known {
                true => ("200 OK", format!(r#"{{"access_token":"{token}","token_type":"Bearer","expires_in":600}}"#)),
                false => ("401 Unauthorized", r#"{"error":"invalid_client"}"#.to_owned()),
            };
            // A client that has gone is none of our business.
            let _ = write!(
                client,
                "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
                body.len()
            );
        }
    });
    url
}

/// RFC 4648, with these two last digits.
fn base64(bytes: &[u8], last: &[u8; 2], pad: bool) -> String {
    let digits: Vec<u8> = (b'A'..=b'Z').chain(b'a'..=b'z').chain(b'0'..=b'9').chain(*last).collect();
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let word = chunk.iter().fold(0_usize, |word, byte| word << 8 | usize::from(*byte)) << (8 * (3 - chunk.len()));
        for digit in 0..4 {
            match digit <= chunk.len() {
                true => text.push(char::from(digits[word >> (18 - 6 * digit) & 63])),
                false if pad => text.push('='),
                false => {}
            }
        }
    }
    text
}

#[test]
fn a_token_endpoint_that_refuses_is_told_and_a_token_delivers_what_was_spooled() {
    let broker = Broker::start_guarded(&Guard::Token);
    let folder = tempfile::tempdir().unwrap();
    let url = token_endpoint("right");
    let oidc = [
        ("security.protocol", "SASL_PLAINTEXT"),
        ("sasl.mechanism", "OAUTHBEARER"),
        ("sasl.oauthbearer.method", "oidc"),
        ("sasl.oauthbearer.client.id", "polygraph"),
        ("sasl.oauthbearer.token.endpoint.url", &url),
    ];
    let wrong = start(&broker, folder.path(), &[&oidc[..], &[("sasl.oauthbearer.client.secret", "hunter2")]].concat());
    send(&wrong, 100);
    // The endpoint's own word for it (RFC 6749, 5.2), which librdkafka passes on.
    await_error(&wrong, "invalid_client");
    let ended = wrong.finish(Duration::ZERO);
    assert_eq!(ended.tallies.sum().spooled, 100, "{ended:?}");
    assert!(!format!("{ended:?}").contains("hunter2"));

    let right = start(&broker, folder.path(), &[&oidc[..], &[("sasl.oauthbearer.client.secret", "right")]].concat());
    let ended = right.finish(TIMEOUT);
    assert!(ended.complete(), "{ended:?}");
    assert_eq!(ended.tallies.sum().acknowledged, 100);
}
