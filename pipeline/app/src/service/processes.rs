// SPDX-License-Identifier: Apache-2.0
//! Worker processes: with `--processes N` the service runs no stream itself. Each worker has an engine and a share of the
//! streams; one that crashes or hangs is started again with its share, and touches no other.
//!
//! ```text
//! Streams ── Remote ── Worker ══ orders ══> polygraph run --worker ── supervise::Stream, one each
//!                        └─ Hub <══ reports ══┘
//! ```

pub mod wire;
pub mod worker;

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError, Sender, SyncSender};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use polygraph_core::event::{Event, StreamId};
use polygraph_core::load::Rates;
use polygraph_core::supervision::State;
use polygraph_models::Usage;

use super::config::StreamConfig;
use super::hub::Hub;
use super::proxy;
use crate::error::{Error, Result};
use crate::supervise::{Sink, Status};
use crate::sync::lock;
use wire::{Hello, Network, Order, Report};

/// A worker that says nothing for so long hangs, and is ended. It says something twice a second.
const SILENCE: Duration = Duration::from_secs(30);
/// How long a turn waits for a report.
const TURN: Duration = Duration::from_millis(500);
/// Between two starts of a worker that ends at once.
const AGAIN: Duration = Duration::from_secs(2);
/// How long a small picture may take.
const PICTURE: Duration = Duration::from_secs(2);
/// How long workers may take to end by themselves.
const END: Duration = Duration::from_secs(7);
/// Orders that may wait for a worker to read them: two a stream at its start. One that has so many unread hangs.
const MOST_ORDERS: usize = 4096;

/// A stream as its worker knows it.
struct Known {
    config: StreamConfig,
    status: Status,
    picture: Option<Arc<Vec<u8>>>,
    rates: Option<Rates>,
}

#[derive(Default)]
struct Inner {
    /// Lines on their way to the worker: a thread writes them, for nobody waits for a worker that doesn't read.
    orders: Option<SyncSender<String>>,
    pid: Option<u32>,
    starts: u64,
    streams: BTreeMap<String, Known>,
    /// Streams that are told to stop, and who waits for that.
    leaving: BTreeMap<String, Sender<()>>,
    networks: Vec<Network>,
    usage: BTreeMap<String, Usage>,
    lost: u64,
    ending: bool,
}

/// One worker process, started again whenever it ends.
struct Worker {
    number: usize,
    hello: Hello,
    hub: Arc<Hub>,
    inner: Mutex<Inner>,
    /// There is a new picture, or a worker ended.
    news: Condvar,
}

/// All workers.
pub struct Processes {
    workers: Vec<Arc<Worker>>,
    threads: Mutex<Vec<std::thread::JoinHandle<()>>>,
}

/// How a worker is.
#[derive(Clone, Debug, serde::Serialize)]
pub struct WorkerView {
    /// Its process, while there is one.
    pub pid: Option<u32>,
    /// Starts after the first.
    pub restarts: u64,
    /// Ids of its streams.
    pub streams: Vec<String>,
    /// Reports that found no room on their way.
    pub lost: u64,
}

impl Processes {
    /// Starts so many.
    ///
    /// # Errors
    /// When there is no thread for one to be had.
    pub fn start(count: usize, hello: &Hello, hub: &Arc<Hub>) -> Result<Self> {
        let worker = |number| {
            let (hello, hub) = (hello.clone(), Arc::clone(hub));
            Arc::new(Worker { number, hello, hub, inner: Mutex::default(), news: Condvar::new() })
        };
        let workers: Vec<_> = (1..=count).map(worker).collect();
        let threads = workers.iter().map(|worker| {
            let worker = Arc::clone(worker);
            std::thread::Builder::new().name(format!("worker-{}", worker.number)).spawn(move || worker.keep())
        });
        let threads = threads.collect::<std::io::Result<Vec<_>>>();
        let threads = threads.map_err(|error| Error::Service(format!("a worker's thread: {error}")))?;
        Ok(Self { workers, threads: Mutex::new(threads) })
    }

    /// Starts a stream in the worker that has fewest.
    pub fn stream(&self, config: &StreamConfig) -> Option<Remote> {
        let worker = self.workers.iter().min_by_key(|worker| worker.lock().streams.len())?;
        let mut inner = worker.lock();
        let known = Known { config: config.clone(), status: wire::unknown(), picture: None, rates: None };
        inner.streams.insert(config.id.clone(), known);
        inner.order(&Order::Start(config.with_secrets()));
        drop(inner);
        Some(Remote { worker: Arc::clone(worker), id: config.id.clone() })
    }

    /// How each is.
    pub fn all(&self) -> Vec<WorkerView> {
        let view = |worker: &Arc<Worker>| {
            let inner = worker.lock();
            WorkerView {
                pid: inner.pid,
                restarts: inner.starts.saturating_sub(1),
                streams: inner.streams.keys().cloned().collect(),
                lost: inner.lost,
            }
        };
        self.workers.iter().map(view).collect()
    }

    /// Networks that are loaded in any of them, each once, and what each has cost in all of them.
    pub fn networks(&self) -> (Vec<Network>, BTreeMap<String, Usage>) {
        let (mut networks, mut sum) = (BTreeMap::new(), BTreeMap::<_, Usage>::new());
        for worker in &self.workers {
            let inner = worker.lock();
            networks.extend(inner.networks.iter().map(|network| (network.network.clone(), network.clone())));
            for (network, usage) in &inner.usage {
                let sum = sum.entry(network.clone()).or_default();
                (sum.runs, sum.busy_ns) = (sum.runs + usage.runs, sum.busy_ns + usage.busy_ns);
            }
        }
        (networks.into_values().collect(), sum)
    }

    /// Ends them; each stops its streams first.
    pub fn end(&self) {
        for worker in &self.workers {
            let mut inner = worker.lock();
            inner.ending = true;
            // The end of its input tells it.
            inner.orders = None;
            worker.news.notify_all();
        }
        let threads = std::mem::take(&mut *lock(&self.threads));
        // Each thread has deadlines of its own.
        threads.into_iter().for_each(|thread| drop(thread.join()));
    }
}

impl Inner {
    /// Tells it to the worker; one that is gone is told all of it when it is back.
    fn order(&mut self, order: &Order) {
        let Ok(line) = serde_json::to_string(order) else { return };
        if self.orders.as_ref().is_some_and(|orders| orders.try_send(line).is_err()) {
            self.orders = None;
        }
    }
}

impl Worker {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        lock(&self.inner)
    }

    /// Keeps a process running until the service ends.
    fn keep(&self) {
        while !self.lock().ending {
            let began = Instant::now();
            match self.launch() {
                Ok(child) => self.attend(child),
                Err(error) => errln!("polygraph: worker process {} does not start: {error}", self.number),
            }
            let inner = self.lock();
            if inner.ending {
                return;
            }
            let wait = AGAIN.saturating_sub(began.elapsed());
            drop(self.news.wait_timeout_while(inner, wait, |inner| !inner.ending));
        }
    }

    fn launch(&self) -> std::io::Result<Child> {
        let mut worker = Command::new(std::env::current_exe()?);
        worker.args(["run", "--worker"]).stdin(Stdio::piped()).stdout(Stdio::piped());
        // It sets its own guard; until then it goes the user's way.
        match proxy::of_the_user() {
            Some(users) => worker.env(proxy::VARIABLE, users),
            None => worker.env_remove(proxy::VARIABLE),
        };
        let hello = serde_json::to_string(&self.hello).map_err(std::io::Error::other)?;
        let mut child = worker.spawn()?;
        let orders = match self.tell(child.stdin.take(), hello) {
            Ok(orders) => orders,
            Err(error) => {
                // It may have ended by itself.
                let _ = child.kill();
                let _ = child.wait();
                return Err(error);
            }
        };
        let mut inner = self.lock();
        (inner.orders, inner.pid) = (Some(orders), Some(child.id()));
        inner.starts += 1;
        let streams: Vec<_> = inner.streams.values().map(|known| (known.config.clone(), known.rates)).collect();
        for (config, rates) in streams {
            inner.order(&Order::Start(config.with_secrets()));
            if let Some(rates) = rates {
                inner.order(&Order::Rates(config.id, rates.analysis_fps, rates.partial_interval_ms));
            }
        }
        Ok(child)
    }

    /// Writes orders to a process until there are none to come, which is the end of its input.
    fn tell(&self, input: Option<ChildStdin>, hello: String) -> std::io::Result<SyncSender<String>> {
        let mut input = input.ok_or(std::io::ErrorKind::BrokenPipe)?;
        let (orders, waiting) = mpsc::sync_channel::<String>(MOST_ORDERS);
        let write = move || {
            for line in std::iter::once(hello).chain(waiting) {
                if writeln!(input, "{line}").is_err() {
                    return;
                }
            }
        };
        std::thread::Builder::new().name(format!("worker-{}-in", self.number)).spawn(write)?;
        Ok(orders)
    }

    /// Hears a process to its end, and ends it when it hangs.
    fn attend(&self, mut child: Child) {
        let (tell, lines) = mpsc::sync_channel(256);
        if let Some(out) = child.stdout.take() {
            let reader = std::thread::Builder::new().name(format!("worker-{}-out", self.number));
            let reading = reader.spawn(move || {
                for line in BufReader::new(out).lines().map_while(std::result::Result::ok) {
                    if tell.send(line).is_err() {
                        return;
                    }
                }
            });
            if let Err(error) = reading {
                errln!("polygraph: no thread for worker process {}: {error}", self.number);
            }
        }
        let (mut heard, mut end) = (Instant::now(), None);
        loop {
            match lines.recv_timeout(TURN) {
                Ok(line) => {
                    heard = Instant::now();
                    self.hear(&line);
                }
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => {}
            }
            if end.is_none() && self.lock().ending {
                end = Some(Instant::now() + END);
            }
            if end.is_some_and(|end| Instant::now() >= end) || heard.elapsed() >= SILENCE {
                errln!("polygraph: worker process {} hangs and is killed", self.number);
                // It may have ended by itself in this moment.
                let _ = child.kill();
                break;
            }
        }
        // Its output is closed or it was killed: this takes no time, unless it closed its output alone.
        let _ = child.kill();
        let status = child.wait().map_or_else(|error| error.to_string(), |status| status.to_string());
        self.mourn(&status);
    }

    fn hear(&self, line: &str) {
        let report: Report = match serde_json::from_str(line) {
            Ok(report) => report,
            Err(error) => {
                errln!("polygraph: worker process {} says something odd: {error}", self.number);
                return;
            }
        };
        match report {
            Report::Event(line, delay) => match Event::parse(&line) {
                Ok(event) => self.hub.take(&event, line, delay),
                Err(error) => errln!("polygraph: an event of worker process {} is none: {error}", self.number),
            },
            Report::Status(id, told) => {
                let status = *told;
                let known = self.lock().streams.get_mut(&id).map(|known| known.status = status.clone()).is_some();
                if known {
                    self.hub.state(&StreamId::new(&id), &status);
                }
            }
            // Dropping the sender tells whoever waits.
            Report::Over(id) => drop(self.lock().leaving.remove(&id)),
            Report::Refused(id, why) => {
                if let Some(known) = self.lock().streams.get_mut(&id) {
                    (known.status.state, known.status.reason) = (State::Failed, Some(why));
                }
            }
            Report::EvidenceLost(id) => self.hub.metrics.evidence_lost(&id),
            Report::Picture(id, digits) => {
                if let Some(known) = self.lock().streams.get_mut(&id) {
                    known.picture = unhex(&digits).map(Arc::new);
                }
                self.news.notify_all();
            }
            Report::Alive { networks, usage, lost } => {
                let mut inner = self.lock();
                (inner.networks, inner.usage, inner.lost) = (networks, usage, lost);
            }
        }
    }

    /// The process is gone: its streams are recovering.
    fn mourn(&self, how: &str) {
        let mut inner = self.lock();
        (inner.orders, inner.pid) = (None, None);
        if !inner.ending {
            errln!("polygraph: worker process {} ended ({how}) and is started again", self.number);
        }
        let ending = inner.ending;
        let mut states = Vec::new();
        // Whoever waits for the end of a stream sees it.
        inner.leaving.clear();
        for (id, known) in &mut inner.streams {
            if !ending {
                known.status.state = State::Recovering;
                known.status.reason = Some(format!("its process ended ({how}) and is started again"));
                known.status.since = SystemTime::now();
                states.push((StreamId::new(id), known.status.clone()));
            }
        }
        drop(inner);
        for (id, status) in &states {
            self.hub.state(id, status);
            self.hub.ended(id.as_str());
        }
        self.news.notify_all();
    }
}

/// A stream in a worker.
pub struct Remote {
    worker: Arc<Worker>,
    id: String,
}

/// Asks for a stream's small picture.
pub struct Asker(Arc<Worker>, String);

impl Asker {
    /// The picture, a JPEG. Waits for the worker.
    pub fn ask(&self) -> Option<Vec<u8>> {
        let Self(worker, id) = self;
        let mut inner = worker.lock();
        inner.streams.get_mut(id)?.picture = None;
        inner.order(&Order::Picture(id.clone()));
        let is_missing = |inner: &mut Inner| {
            inner.pid.is_some() && inner.streams.get(id).is_some_and(|known| known.picture.is_none())
        };
        let waited = worker.news.wait_timeout_while(inner, PICTURE, is_missing);
        let (inner, _) = waited.unwrap_or_else(PoisonError::into_inner);
        inner.streams.get(id)?.picture.as_deref().cloned()
    }
}

impl Remote {
    /// How it is, half a second ago.
    pub fn status(&self) -> Status {
        self.worker.lock().streams.get(&self.id).map_or_else(wire::unknown, |known| known.status.clone())
    }

    /// Asks for its small picture, without holding anybody up.
    pub fn asker(&self) -> Asker {
        Asker(Arc::clone(&self.worker), self.id.clone())
    }

    /// Has it look and listen at other rates from now on.
    pub fn set_rates(&self, rates: Rates) {
        let mut inner = self.worker.lock();
        let known = inner.streams.get_mut(&self.id);
        if known.is_some_and(|known| known.rates.replace(rates) != Some(rates)) {
            inner.order(&Order::Rates(self.id.clone(), rates.analysis_fps, rates.partial_interval_ms));
        }
    }

    /// Stops it and waits for its end, at most so long; false when it took longer.
    pub fn stop(self, deadline: Duration) -> bool {
        let (over, ended) = mpsc::channel();
        let mut inner = self.worker.lock();
        inner.streams.remove(&self.id);
        if inner.pid.is_none() {
            return true;
        }
        inner.leaving.insert(self.id.clone(), over);
        inner.order(&Order::Stop(self.id.clone()));
        drop(inner);
        ended.recv_timeout(deadline) == Err(RecvTimeoutError::Disconnected)
    }
}

fn unhex(digits: &str) -> Option<Vec<u8>> {
    let pairs = digits.as_bytes().chunks_exact(2);
    pairs.map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()).collect()
}
