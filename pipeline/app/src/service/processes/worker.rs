// SPDX-License-Identifier: Apache-2.0
//! A worker process of `polygraph run --processes N`: it runs its share of the streams with an engine of its own. Orders
//! come by standard input, reports go by standard output; when the input ends, so does it.

use std::collections::BTreeMap;
use std::io::{BufRead, Write};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::mpsc::{self, RecvTimeoutError, SyncSender};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use polygraph_core::event::{Event, StreamId};
use polygraph_core::load::Rates;
use polygraph_models::{Engine, Provider};

use super::wire::{Hello, Order, Report};
use crate::error::{Error, Result};
use crate::service::config::StreamConfig;
use crate::service::{
    evidence::{Gallery, Prepared},
    guard::Guard,
    proxy,
};
use crate::supervise::{self, Shelf, Sink, Status, Stream, Wanted};
use crate::sync::lock;

/// Reports on their way to the service.
const MOST_WAITING: usize = 8192;
/// Between two reports of how streams are.
const TICK: Duration = Duration::from_millis(500);
/// How long a stream may take to stop.
const STOP: Duration = Duration::from_secs(5);
/// How long the last reports may take.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// Says things to the service, without ever waiting.
#[derive(Clone)]
struct Voice {
    waiting: SyncSender<Report>,
    lost: Arc<AtomicU64>,
}

impl Voice {
    fn say(&self, report: Report) {
        if self.waiting.try_send(report).is_err() {
            self.lost.fetch_add(1, Relaxed);
        }
    }
}

/// Takes events and pictures of this process's streams.
struct Reporter {
    voice: Voice,
    guard: Guard,
    evidence: Option<Gallery>,
}

impl Sink for Reporter {
    fn event(&self, event: &Event, delay: Option<Duration>) {
        if let Ok(line) = serde_json::to_string(event) {
            self.voice.say(Report::Event(line, delay));
        }
    }

    fn state(&self, stream: &StreamId, status: &Status) {
        self.voice.say(Report::Status(stream.to_string(), Box::new(status.clone())));
    }

    fn shelf(&self, stream: &StreamId, epoch: &str) -> Option<Box<dyn Shelf>> {
        Some(self.evidence.as_ref()?.shelf(stream.as_str(), epoch))
    }

    fn admit(&self, wanted: &Wanted) -> Result<String, String> {
        self.guard.admit(&wanted.uri)
    }
}

type Streams = Arc<Mutex<BTreeMap<String, Stream>>>;

/// Runs until the service says no more.
pub fn run() -> Result<()> {
    detach();
    let failed = |what: &str| Error::Service(format!("a worker process: {what}"));
    let mut lines = std::io::stdin().lock().lines();
    let first = lines.next().and_then(std::result::Result::ok).ok_or_else(|| failed("nobody speaks to it"))?;
    let hello: Hello = serde_json::from_str(&first).map_err(|error| failed(&error.to_string()))?;
    let guard = Guard::new(&hello.allow).map_err(Error::Service)?;
    let evidence = hello.evidence.map(Prepared::new).transpose().map_err(|why| failed(&why))?;
    // Before there is any other thread, for the environment is set.
    let proxy = proxy::Listening::bind(guard.clone())?;
    crate::analyze::init()?;
    supervise::forbid_files(&guard.schemes());
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    let runtime = runtime.map_err(|error| failed(&error.to_string()))?;
    runtime.spawn(proxy.serve());
    let provider: Provider = hello.provider.parse().unwrap_or_default();
    let engine = Engine::shared(provider)?;
    let (waiting, reports) = mpsc::sync_channel(MOST_WAITING);
    let voice = Voice { waiting, lost: Arc::default() };
    let speaker = voice.clone();
    let lost = move |stream: &str| speaker.say(Report::EvidenceLost(stream.to_owned()));
    let evidence = evidence.map(|prepared| Gallery::open(prepared, false, lost));
    let evidence = evidence.transpose().map_err(|why| failed(&why))?;
    let streams = Streams::default();
    let (watched, lost) = (Arc::clone(&streams), Arc::clone(&voice.lost));
    let writer = std::thread::Builder::new().name("reports".into());
    let (tell, said) = mpsc::channel();
    let writer = writer.spawn(move || {
        write(&reports, &watched, &engine, &lost);
        // Whoever waits may have given up.
        let _ = tell.send(());
    });
    writer.map_err(|error| failed(&error.to_string()))?;
    let has_evidence = evidence.is_some();
    let sink: Arc<dyn Sink> = Arc::new(Reporter { voice: voice.clone(), guard, evidence });
    let office = Office { streams, voice, sink, provider, has_evidence };
    for line in lines.map_while(std::result::Result::ok) {
        match serde_json::from_str(&line) {
            Ok(order) => office.obey(order),
            Err(error) => errln!("polygraph: a worker process was told something odd: {error}"),
        }
    }
    office.close();
    // All has been said when nobody can say anything any more; a stream that hangs still could.
    let _ = said.recv_timeout(LAST_WORDS);
    Ok(())
}

/// Signals to a terminal's or unit's processes are for the service, which tells its workers; and a worker that hangs must
/// not outlive it.
fn detach() {
    // SAFETY: these calls take and give plain numbers; no other thread is there yet.
    unsafe {
        libc::signal(libc::SIGINT, libc::SIG_IGN);
        libc::signal(libc::SIGTERM, libc::SIG_IGN);
        libc::signal(libc::SIGHUP, libc::SIG_IGN);
        libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
    }
}

/// What orders are obeyed with.
struct Office {
    streams: Streams,
    voice: Voice,
    sink: Arc<dyn Sink>,
    provider: Provider,
    has_evidence: bool,
}

impl Office {
    fn obey(&self, order: Order) {
        match order {
            Order::Start(config) => {
                let id = config["id"].as_str().unwrap_or_default().to_owned();
                if let Err(why) = self.start(config) {
                    self.voice.say(Report::Refused(id, why));
                }
            }
            Order::Stop(id) => {
                let stream = lock(&self.streams).remove(&id);
                let voice = self.voice.clone();
                // Others' orders don't wait for it.
                let stopping = std::thread::Builder::new().spawn(move || {
                    if let Some(stream) = stream
                        && !stream.stop(STOP)
                    {
                        errln!("polygraph: stream {id} did not stop in time and was left");
                    }
                    voice.say(Report::Over(id));
                });
                if let Err(error) = stopping {
                    errln!("polygraph: no thread to stop a stream: {error}");
                }
            }
            Order::Rates(id, analysis_fps, partial_interval_ms) => {
                if let Some(stream) = lock(&self.streams).get(&id) {
                    stream.set_rates(Rates { analysis_fps, partial_interval_ms });
                }
            }
            Order::Picture(id) => {
                let picture = lock(&self.streams).get(&id).and_then(Stream::thumbnail);
                if let Some(Ok(jpeg)) = picture.map(|picture| picture.jpeg()) {
                    self.voice.say(Report::Picture(id, hex(&jpeg)));
                }
            }
        }
    }

    fn start(&self, config: serde_json::Value) -> Result<(), String> {
        let config: StreamConfig = serde_json::from_value(config).map_err(|error| error.to_string())?;
        let wanted = config.wanted(self.provider, self.has_evidence)?;
        let stream = Stream::start(wanted, Arc::clone(&self.sink)).map_err(|error| format!("no thread: {error}"))?;
        lock(&self.streams).insert(config.id, stream);
        Ok(())
    }

    /// The service is gone or ends: so do all streams.
    fn close(self) {
        let streams = std::mem::take(&mut *lock(&self.streams));
        streams.values().for_each(Stream::ask_to_stop);
        for (id, stream) in streams {
            stream.stop(STOP);
            self.voice.say(Report::Over(id));
        }
    }
}

/// Writes reports, and says every now and then how everything is.
fn write(reports: &mpsc::Receiver<Report>, streams: &Streams, engine: &Engine, lost: &AtomicU64) {
    let mut told = std::time::Instant::now();
    let mut out = std::io::stdout().lock();
    let mut put = |report: &Report| {
        let line = serde_json::to_string(report).unwrap_or_default();
        // Whoever doesn't read any more has ended, which the input says too.
        let _ = writeln!(out, "{line}");
    };
    loop {
        match reports.recv_timeout(TICK) {
            Ok(report) => put(&report),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
        if told.elapsed() >= TICK {
            told = std::time::Instant::now();
            let all: Vec<_> = lock(streams).iter().map(|(id, stream)| (id.clone(), stream.status())).collect();
            all.into_iter().for_each(|(id, status)| put(&Report::Status(id, Box::new(status))));
            let networks = engine.reports().into_iter().map(Into::into).collect();
            put(&Report::Alive { networks, usage: engine.usage(), lost: lost.load(Relaxed) });
        }
    }
}

/// Bytes as hexadecimal digits.
fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]).map(|half| char::from(DIGITS[usize::from(half)])).collect()
}
