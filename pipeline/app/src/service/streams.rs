// SPDX-License-Identifier: Apache-2.0
//! The streams that the service runs: those of the configuration and those that the API added. Only what changed is
//! stopped and started.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use polygraph_core::load::Rates;
use polygraph_models::Provider;

use super::config::{Config, Secret, StreamConfig};
use super::hub::Hub;
use super::processes::{Processes, Remote};
use crate::error::{Error, Result};
use crate::supervise::{Sink, Status, Stream};
use crate::sync::lock;

/// How long one stream may take to stop.
const STOP: Duration = Duration::from_secs(5);
/// Streams that one service takes.
const MOST: usize = 1000;

/// Why a change was refused.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// There is no such stream.
    #[error("there is no stream {0}")]
    Unknown(String),
    /// There is one already.
    #[error("there is a stream {0} already; PUT changes it")]
    Taken(String),
    /// What is wrong with the description.
    #[error("{0}")]
    Wrong(String),
    /// The service can't do it now.
    #[error("{0}")]
    Failed(String),
}

/// What a reload changed.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, schemars::JsonSchema)]
pub struct Changed {
    /// Ids of streams that were started.
    pub added: Vec<String>,
    /// Of those that were stopped.
    pub removed: Vec<String>,
    /// Of those that were started anew, or that go on with another priority.
    pub changed: Vec<String>,
    /// How many went on without noticing.
    pub untouched: usize,
    /// Sections of the file that count only after a restart, and were changed.
    pub needs_restart: Vec<String>,
}

impl fmt::Display for Changed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (added, removed, changed) = (self.added.len(), self.removed.len(), self.changed.len());
        write!(f, "{added} streams added, {removed} removed, {changed} changed, {} untouched", self.untouched)?;
        if !self.needs_restart.is_empty() {
            write!(f, "; a restart is needed for {}", self.needs_restart.join(", "))?;
        }
        Ok(())
    }
}

/// A stream and what it was made of.
struct Entry {
    config: StreamConfig,
    from_file: bool,
    stream: Runner,
}

/// What runs a stream.
enum Runner {
    /// This process.
    Here(Stream),
    /// A worker process.
    There(Remote),
}

impl Runner {
    fn status(&self) -> Status {
        match self {
            Self::Here(stream) => stream.status(),
            Self::There(stream) => stream.status(),
        }
    }

    fn set_rates(&self, rates: Rates) {
        match self {
            Self::Here(stream) => stream.set_rates(rates),
            Self::There(stream) => stream.set_rates(rates),
        }
    }

    fn stop(self, deadline: Duration) -> bool {
        match self {
            Self::Here(stream) => stream.stop(deadline),
            Self::There(stream) => stream.stop(deadline),
        }
    }
}

/// All streams.
pub struct Streams {
    hub: Arc<Hub>,
    /// What runs them, if not this process.
    processes: Option<Processes>,
    entries: Mutex<BTreeMap<String, Entry>>,
    /// Held while streams are changed, so that two changes don't mix; reading waits for nobody.
    changing: Mutex<()>,
    provider: Provider,
    evidence: bool,
    /// Streams that the API added, kept over restarts.
    file: PathBuf,
    config: Mutex<Config>,
    read: Box<dyn Fn() -> Result<Config> + Send + Sync>,
}

impl Streams {
    /// Starts all of a configuration, and those that the API added before. `read` reads the configuration again.
    ///
    /// # Errors
    /// When a stream can't be started.
    pub fn new(
        config: &Config,
        hub: Arc<Hub>,
        processes: Option<Processes>,
        read: Box<dyn Fn() -> Result<Config> + Send + Sync>,
    ) -> Result<Self> {
        let streams = Self {
            hub,
            processes,
            entries: Mutex::default(),
            changing: Mutex::default(),
            provider: config.provider(),
            evidence: config.store.evidence,
            file: config.store.folder().join("streams.json"),
            config: Mutex::new(config.clone()),
            read,
        };
        for stream in &config.streams {
            streams
                .start(stream.clone(), true)
                .map_err(|why| Error::Service(format!("stream {}: {why}", stream.id)))?;
        }
        for stream in streams.kept() {
            let id = stream.id.clone();
            if streams.lock().contains_key(&id) {
                errln!(
                    "polygraph: the stream {id} is in the configuration too, which counts: the API's own is left out"
                );
                continue;
            }
            // What was allowed then may not be now; the others start all the same.
            if let Err(why) = streams.valid(&stream).and_then(|()| streams.start(stream, false)) {
                errln!("polygraph: the stream {id}, added by the API, is not started: {why}");
            }
        }
        Ok(streams)
    }

    /// Every stream's description, whether it is the file's, and how it is.
    pub fn all(&self) -> Vec<(StreamConfig, bool, Status)> {
        let entries = self.lock();
        entries.values().map(|entry| (entry.config.clone(), entry.from_file, entry.stream.status())).collect()
    }

    /// One of them.
    pub fn get(&self, id: &str) -> Option<(StreamConfig, bool, Status)> {
        self.lock().get(id).map(|entry| (entry.config.clone(), entry.from_file, entry.stream.status()))
    }

    /// Has a stream look and listen at other rates.
    pub fn set_rates(&self, id: &str, rates: Rates) {
        if let Some(entry) = self.lock().get(id) {
            entry.stream.set_rates(rates);
        }
    }

    /// A small picture of it, a JPEG; `None` when there is none now. May wait for a worker process.
    ///
    /// # Errors
    /// What the encoder says.
    pub fn thumbnail(&self, id: &str) -> image::ImageResult<Option<Vec<u8>>> {
        let entries = self.lock();
        let Some(entry) = entries.get(id) else { return Ok(None) };
        match &entry.stream {
            Runner::Here(stream) => {
                let picture = stream.thumbnail();
                drop(entries);
                picture.map(|picture| picture.jpeg()).transpose()
            }
            Runner::There(stream) => {
                let picture = stream.asker();
                drop(entries);
                Ok(picture.ask())
            }
        }
    }

    /// The worker processes, if there are any.
    pub fn processes(&self) -> Option<&Processes> {
        self.processes.as_ref()
    }

    /// Adds a stream.
    ///
    /// # Errors
    /// When there is one of that id, or the description is wrong.
    pub fn add(&self, config: StreamConfig) -> Result<(), Refusal> {
        let _changing = self.change();
        if self.lock().contains_key(&config.id) {
            return Err(Refusal::Taken(config.id));
        }
        self.valid_from_outside(&config)?;
        self.start(config, false)?;
        self.keep()
    }

    /// Changes a stream, or adds it; whether it was there. One that stays the same isn't touched.
    ///
    /// # Errors
    /// When the description is wrong; then the stream runs on as it was.
    pub fn put(&self, config: StreamConfig) -> Result<bool, Refusal> {
        let _changing = self.change();
        self.valid_from_outside(&config)?;
        let was = self.lock().get(&config.id).map(|entry| entry.config.clone());
        if was.as_ref() == Some(&config) {
            return Ok(true);
        }
        if !self.adopt(&config) {
            self.take_out(&config.id);
            self.start(config, false)?;
        }
        self.keep()?;
        Ok(was.is_some())
    }

    /// Stops a stream and forgets it.
    ///
    /// # Errors
    /// When there is none.
    pub fn remove(&self, id: &str) -> Result<(), Refusal> {
        let _changing = self.change();
        if !self.take_out(id) {
            return Err(Refusal::Unknown(id.to_owned()));
        }
        self.hub.forget(id);
        self.keep()
    }

    /// Reads the configuration again and starts and stops what changed.
    ///
    /// # Errors
    /// When the configuration is wrong; then nothing is changed.
    pub fn reload(&self) -> Result<Changed> {
        let _changing = self.change();
        let config = (self.read)()?;
        let mut changed = Changed::default();
        {
            let mut old = lock(&self.config);
            let sections = [
                ("http", old.http != config.http),
                ("store", old.store != config.store),
                ("kafka", old.kafka != config.kafka),
                ("allow", old.allow != config.allow),
                ("load", old.load != config.load),
                ("provider", old.provider != config.provider),
            ];
            changed.needs_restart =
                sections.into_iter().filter(|(_, other)| *other).map(|(name, _)| name.into()).collect();
            // Only streams are taken over.
            old.streams.clone_from(&config.streams);
        }
        let wanted: BTreeSet<_> = config.streams.iter().map(|stream| stream.id.clone()).collect();
        let gone: Vec<_> = {
            let entries = self.lock();
            entries
                .iter()
                .filter(|(id, entry)| entry.from_file && !wanted.contains(*id))
                .map(|(id, _)| id.clone())
                .collect()
        };
        for id in gone {
            self.take_out(&id);
            self.hub.forget(&id);
            changed.removed.push(id);
        }
        for stream in config.streams {
            let id = stream.id.clone();
            let was = self.lock().get(&id).map(|entry| entry.config == stream);
            match was {
                Some(true) => continue,
                Some(false) if self.adopt(&stream) => {
                    changed.changed.push(id);
                    continue;
                }
                Some(false) => {
                    self.take_out(&id);
                    changed.changed.push(id.clone());
                }
                None => changed.added.push(id.clone()),
            }
            self.start(stream, true).map_err(|why| Error::Service(format!("stream {id}: {why}")))?;
        }
        changed.untouched = self.lock().len() - changed.added.len() - changed.changed.len();
        // What has moved into the configuration is no longer the API's.
        self.keep().map_err(|why| Error::Service(why.to_string()))?;
        Ok(changed)
    }

    /// Stops all at once; how many did not stop in time.
    pub fn stop_all(&self, deadline: Duration) -> usize {
        let entries = std::mem::take(&mut *self.lock());
        if let Some(processes) = &self.processes {
            processes.end();
            return 0;
        }
        for entry in entries.values() {
            if let Runner::Here(stream) = &entry.stream {
                stream.ask_to_stop();
            }
        }
        let end = Instant::now() + deadline;
        let left = |entry: Entry| !entry.stream.stop(end.saturating_duration_since(Instant::now()));
        entries.into_values().map(left).filter(|late| *late).count()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Entry>> {
        lock(&self.entries)
    }

    fn change(&self) -> MutexGuard<'_, ()> {
        lock(&self.changing)
    }

    fn valid(&self, config: &StreamConfig) -> Result<(), Refusal> {
        let wrong = config.wrong();
        if !wrong.is_empty() {
            return Err(Refusal::Wrong(wrong.join("; ")));
        }
        self.hub.guard().check(&config.uri).map_err(Refusal::Wrong)
    }

    /// The same of a description that came by the API: this machine's variables and files are not for whoever may add a
    /// stream, who would get them as the password of a server of his own.
    fn valid_from_outside(&self, config: &StreamConfig) -> Result<(), Refusal> {
        if config.password.as_ref().is_some_and(Secret::is_elsewhere) {
            let why = "password: as it is; env: and file: are for the configuration file";
            return Err(Refusal::Wrong(why.to_owned()));
        }
        self.valid(config)
    }

    fn start(&self, config: StreamConfig, from_file: bool) -> Result<(), Refusal> {
        if self.lock().len() >= MOST {
            return Err(Refusal::Failed(format!("one service takes {MOST} streams")));
        }
        let wanted = config.wanted(self.provider, self.evidence).map_err(Refusal::Wrong)?;
        let stream = match &self.processes {
            Some(processes) => {
                let remote = processes.stream(&config);
                Runner::There(remote.ok_or_else(|| Refusal::Failed("there is no worker process".into()))?)
            }
            None => {
                let sink = Arc::clone(&self.hub) as Arc<dyn Sink>;
                let stream = Stream::start(wanted, sink);
                Runner::Here(stream.map_err(|error| Refusal::Failed(format!("no thread for it: {error}")))?)
            }
        };
        self.lock().insert(config.id.clone(), Entry { config, from_file, stream });
        Ok(())
    }

    /// Takes over what can be changed without stopping a stream; whether that is all there is to change.
    fn adopt(&self, config: &StreamConfig) -> bool {
        let mut entries = self.lock();
        let Some(entry) = entries.get_mut(&config.id).filter(|entry| entry.config.goes_on_as(config)) else {
            return false;
        };
        entry.config.clone_from(config);
        true
    }

    /// Stops one; whether it was there. One that doesn't stop in time ends when it can.
    fn take_out(&self, id: &str) -> bool {
        let Some(entry) = self.lock().remove(id) else { return false };
        // Out of the lock.
        if !entry.stream.stop(STOP) {
            errln!("polygraph: stream {id} did not stop in time and was left");
        }
        true
    }

    fn kept(&self) -> Vec<StreamConfig> {
        let kept = fs::read(&self.file).ok().and_then(|text| serde_json::from_slice(&text).ok());
        kept.unwrap_or_default()
    }

    /// Writes down those that the API added, with their secrets as they were given, for the owner's eyes only.
    fn keep(&self) -> Result<(), Refusal> {
        let own: Vec<_> = {
            let entries = self.lock();
            entries.values().filter(|entry| !entry.from_file).map(|entry| entry.config.with_secrets()).collect()
        };
        let text = serde_json::to_vec_pretty(&own).map_err(|error| Refusal::Failed(error.to_string()))?;
        let part = self.file.with_extension("part");
        let write = || {
            use std::os::unix::fs::OpenOptionsExt;
            let options = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&part);
            options.and_then(|mut file| file.write_all(&text).and_then(|()| file.sync_all()))?;
            fs::rename(&part, &self.file)
        };
        write().map_err(|error| Refusal::Failed(format!("{}: {error}", self.file.display())))
    }
}
