// SPDX-License-Identifier: Apache-2.0
//! Streams that run for ever: one stream is one thread, one pipeline and one state machine
//! ([`polygraph_core::supervision`]).
//!
//! A [`Stream`] connects what is [`Wanted`], watches it, connects it anew from scratch whenever it breaks, and gives
//! events and states to a [`Sink`] until it is stopped. It knows nothing of configuration files, HTTP or Kafka.
//!
//! ```text
//! source ─ polyanalyze ─ appsink ─ the stream's thread ─ Sink
//!                                        └ Machine: connecting, running, stalled, recovering, failed, stopped
//! ```
//!
//! Each connection has a new epoch, a ULID; so has what follows a step in PTS. GStreamer's own calls may hang on a
//! source that hangs; they are made on threads that nobody waits for without a deadline, and a pipeline that doesn't
//! end in time is left to itself and counted ([`Status::abandoned`]). Streams share nothing but the engine that runs the
//! networks, so a stream's failure touches no other.

mod account;
mod connection;
mod driver;
mod hls;
mod picture;
mod probe;
mod source;
mod wanted;

use std::io;
use std::sync::{Arc, mpsc};
use std::time::{Duration, SystemTime};

use polygraph_core::accounting::Counters;
use polygraph_core::event::{ClockSource, Event, StreamId};
use polygraph_core::load::Rates;
use polygraph_core::supervision::State;
use serde::{Deserialize, Serialize};

pub use crate::evidence::Shelf;
use account::Shared;
pub use picture::Thumbnail;
pub use source::{forbid_files, is_file, times as source_times};
pub use wanted::{Credentials, Transport, Wanted};

/// What takes a stream's events. Called from the stream's own thread, which it must not hold up: no disk, no network.
pub trait Sink: Send + Sync + 'static {
    /// An event, in order. `delay` is the time from the arrival of a frame's picture at the analysers; other events have
    /// none.
    fn event(&self, event: &Event, delay: Option<Duration>);

    /// The stream is in another state, or its wall clock comes from elsewhere. An event says the same.
    fn state(&self, stream: &StreamId, status: &Status);

    /// Where evidence of an epoch is kept, if it is.
    fn shelf(&self, _stream: &StreamId, _epoch: &str) -> Option<Box<dyn Shelf>> {
        None
    }

    /// Asked before each connection, on the stream's own thread: the URI to open, or why it may not be opened.
    ///
    /// # Errors
    /// One line that says why not.
    fn admit(&self, wanted: &Wanted) -> Result<String, String> {
        Ok(wanted.uri.clone())
    }
}

/// How a stream is.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Status {
    /// Its state.
    pub state: State,
    /// Why, for people.
    pub reason: Option<String>,
    /// Since when.
    pub since: SystemTime,
    /// The epoch of its last connection.
    pub epoch: Option<String>,
    /// Where its wall time comes from.
    pub clock: Option<ClockSource>,
    /// Connections after the first.
    pub reconnects: u64,
    /// Pipelines that did not end in time, were left to themselves, and have not ended yet.
    pub abandoned: u64,
    /// What the picture is, such as `1280x720, 25 fps`.
    pub video: Option<String>,
    /// What the sound is, such as `48000 Hz, 2 channels`.
    pub audio: Option<String>,
    /// For how long the picture has not changed in the least; it is none of a stall's signs, for title cards don't
    /// move either.
    pub frozen: Duration,
    /// What load control leaves it; nothing when it has said nothing.
    pub rates: Option<Rates>,
    /// The accounts of all its connections together.
    pub counters: Counters,
}

/// A stream that is kept running.
pub struct Stream {
    shared: Arc<Shared>,
    over: mpsc::Receiver<()>,
}

impl Stream {
    /// Starts to keep it running. GStreamer and our elements have to be ready ([`init`]).
    ///
    /// # Errors
    /// When there is no thread to be had.
    pub fn start(wanted: Wanted, sink: Arc<dyn Sink>) -> io::Result<Self> {
        let (tell, over) = mpsc::channel();
        let shared = Arc::new(Shared::new());
        let name: String = wanted.id.as_str().chars().take(15).collect();
        let driver = driver::Driver::new(wanted, sink, Arc::clone(&shared));
        std::thread::Builder::new().name(name).spawn(move || {
            driver.run();
            // Whoever waits may have given up.
            let _ = tell.send(());
        })?;
        Ok(Self { shared, over })
    }

    /// How it is.
    pub fn status(&self) -> Status {
        self.shared.status()
    }

    /// Has it look and listen at other rates from now on, without interrupting it.
    pub fn set_rates(&self, rates: Rates) {
        self.shared.set_rates(rates);
    }

    /// A small picture of it, about a second old at most.
    pub fn thumbnail(&self) -> Option<Arc<Thumbnail>> {
        self.shared.probe().and_then(|probe| probe.thumbnail())
    }

    /// Begins to stop it, and doesn't wait: for many at once.
    pub fn ask_to_stop(&self) {
        self.shared.ask_to_stop();
    }

    /// Stops it and waits until its last event is out, at most so long. False when it took longer: then it ends when it
    /// can, and its last event comes late.
    pub fn stop(self, deadline: Duration) -> bool {
        self.ask_to_stop();
        self.over.recv_timeout(deadline).is_ok()
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.ask_to_stop();
    }
}

/// Makes GStreamer and our elements ready.
///
/// # Errors
/// One line that says what is missing.
pub fn init() -> Result<(), String> {
    crate::analyze::init().map_err(|error| error.to_string())
}
