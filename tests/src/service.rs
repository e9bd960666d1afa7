// SPDX-License-Identifier: Apache-2.0
//! A running `polygraph run` and its API, as any client sees it: HTTP/1.1 by hand over a socket, so that nothing stands
//! between the test and the answer.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::command::polygraph;

/// What takes longer on the slowest machine hangs.
const DEADLINE: Duration = Duration::from_secs(90);

/// A service; killed when dropped.
pub struct Service {
    process: Child,
    /// Where the API is.
    pub address: String,
    /// The token that is sent, if any.
    pub token: Option<String>,
}

/// An answer.
#[derive(Debug)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// The head, in small letters.
    pub head: String,
    /// The body.
    pub body: Vec<u8>,
}

impl Answer {
    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|err| panic!("{err}: {}", self.text()))
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// Writes a configuration whose store lies in the same folder; it listens on any port of loopback.
pub fn configuration(folder: &Path, more: &str) -> PathBuf {
    let path = folder.join("polygraph.toml");
    let text = format!("{more}\n[store]\nfolder = \"{}\"\n", folder.join("state").display());
    std::fs::write(&path, text).expect("the configuration");
    path
}

/// Every event of a stream that the store of an ended service holds.
pub fn stored(folder: &Path, stream: &str) -> Vec<Value> {
    let mut files: Vec<_> = std::fs::read_dir(folder.join("state/events"))
        .expect("the store")
        .map(|file| file.expect("its file").path())
        .collect();
    files.sort();
    let text: String = files.iter().map(|file| std::fs::read_to_string(file).expect("events")).collect();
    let events = text.lines().map(|line| serde_json::from_str::<Value>(line).expect("an event"));
    events.filter(|event| event["subject"] == stream).collect()
}

impl Service {
    /// Starts one and waits until its API listens.
    pub fn start(config: &Path) -> Self {
        Self::start_with(config, &[])
    }

    /// The same with more arguments.
    pub fn start_with(config: &Path, more: &[&str]) -> Self {
        Self::start_in(config, more, &[])
    }

    /// The same in an environment with these variables besides.
    pub fn start_in(config: &Path, more: &[&str], environment: &[(&str, &str)]) -> Self {
        // The kernel ends it with the test.
        let mut process = Command::new("setpriv")
            .args(["--pdeathsig", "KILL"])
            .arg(polygraph())
            .arg("run")
            .arg(config)
            .args(["--listen", "127.0.0.1:0"])
            .args(more)
            .envs(environment.iter().copied())
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the command starts");
        let mut lines = BufReader::new(process.stderr.take().expect("its messages"));
        let mut said = String::new();
        let address = loop {
            let mut line = String::new();
            let read = lines.read_line(&mut line).expect("its messages");
            assert!(read > 0, "the service ended: {said}");
            said.push_str(&line);
            if let Some((_, address)) = line.trim().split_once("http://") {
                break address.to_owned();
            }
        };
        // Its further messages belong to the test's output.
        std::thread::spawn(move || lines.lines().map_while(Result::ok).for_each(|line| eprintln!("{line}")));
        Self { process, address, token: None }
    }

    /// Sends a request and reads its whole answer.
    pub fn ask(&self, method: &str, path: &str, body: Option<&Value>) -> Answer {
        let body = body.map(Value::to_string);
        self.send(method, path, "application/json", body.as_deref())
    }

    /// The same with any text for a body.
    pub fn send(&self, method: &str, path: &str, kind: &str, body: Option<&str>) -> Answer {
        answer(self.open(method, path, kind, body, "Connection: close\r\n"))
    }

    fn open(&self, method: &str, path: &str, kind: &str, body: Option<&str>, more: &str) -> TcpStream {
        let token = self.token.as_ref().map(|token| format!("Authorization: Bearer {token}\r\n")).unwrap_or_default();
        let body = body.unwrap_or_default();
        let length = match body.len() {
            0 => String::new(),
            length => format!("Content-Type: {kind}\r\nContent-Length: {length}\r\n"),
        };
        request(&self.address, &format!("{method} {path}"), &format!("{token}{length}{more}"), body)
    }

    /// Follows the event stream (SSE): gives each event's id, kind and data until `enough` says so.
    pub fn follow(&self, query: &str, mut enough: impl FnMut(&str, &str, &Value) -> bool) {
        let mut lines = BufReader::new(self.open("GET", &format!("/api/v1/events?{query}"), "", None, ""));
        let (mut id, mut kind, mut line) = (String::new(), String::new(), String::new());
        loop {
            line.clear();
            assert!(lines.read_line(&mut line).expect("an event in time") > 0, "the event stream ended");
            match line.trim_end().split_once(": ") {
                Some(("id", value)) => value.clone_into(&mut id),
                Some(("event", value)) => value.clone_into(&mut kind),
                Some(("data", value)) => {
                    let data = serde_json::from_str(value).expect("an event's data");
                    if enough(&id, &kind, &data) {
                        return;
                    }
                }
                _ => {}
            }
        }
    }

    /// Waits until a stream is in a state, and gives what the API says of it.
    pub fn wait_for(&self, stream: &str, state: &str) -> Value {
        let deadline = Instant::now() + DEADLINE;
        loop {
            let answer = self.ask("GET", &format!("/api/v1/streams/{stream}"), None);
            if answer.status == 200 && answer.json()["state"] == state {
                return answer.json();
            }
            assert!(Instant::now() < deadline, "{stream} is not {state}: {}", answer.text());
            // The event stream would tell, but only of what happens after one listens.
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// Sends it a signal.
    pub fn signal(&self, name: &str) {
        let sent = Command::new("kill").args(["-s", name, &self.process.id().to_string()]).status().expect("kill");
        assert!(sent.success(), "the service is gone");
    }

    /// SIGTERM, and waits for its end: whether that was in order.
    pub fn end(mut self) -> bool {
        self.signal("TERM");
        let deadline = Instant::now() + DEADLINE;
        loop {
            if let Some(status) = self.process.try_wait().expect("the state of a child") {
                return status.success();
            }
            assert!(Instant::now() < deadline, "the service does not end");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.process.id()
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        // It has mostly ended.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// What any HTTP server says at a path.
pub fn get(address: &str, path: &str) -> Answer {
    answer(request(address, &format!("GET {path}"), "Connection: close\r\n", ""))
}

fn request(address: &str, what: &str, headers: &str, body: &str) -> TcpStream {
    let mut socket = TcpStream::connect(address).expect("the server listens");
    socket.set_read_timeout(Some(DEADLINE)).expect("a deadline");
    write!(socket, "{what} HTTP/1.1\r\nHost: {address}\r\n{headers}\r\n{body}").expect("a request");
    socket
}

fn answer(mut socket: TcpStream) -> Answer {
    let mut bytes = Vec::new();
    socket.read_to_end(&mut bytes).expect("an answer");
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n").expect("a head");
    let head = String::from_utf8_lossy(&bytes[..end]).to_ascii_lowercase();
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
    let body = bytes[end + 4..].to_vec();
    let body = if head.contains("transfer-encoding: chunked") { unchunked(&body) } else { body };
    Answer { status, head, body }
}

fn unchunked(mut body: &[u8]) -> Vec<u8> {
    let mut whole = Vec::new();
    while let Some(end) = body.windows(2).position(|two| two == b"\r\n") {
        let size = usize::from_str_radix(std::str::from_utf8(&body[..end]).expect("a size"), 16).expect("a size");
        if size == 0 {
            break;
        }
        whole.extend_from_slice(&body[end + 2..end + 2 + size]);
        body = &body[end + 4 + size..];
    }
    whole
}
