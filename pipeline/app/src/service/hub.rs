// SPDX-License-Identifier: Apache-2.0
//! Where all streams' events come together: they go to the store, to Kafka, and to whoever listens. Streams' threads
//! call it and are never held up.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use polygraph_core::event::{Event, StreamId};
use polygraph_core::profile::Profile;
use polygraph_delivery::{Courier, Message};
use tokio::sync::broadcast;

use super::{
    evidence::Gallery, guard::Guard, incidents::Incidents, metrics::Metrics, store::Store, timeline::Timeline,
};
use crate::supervise::{Shelf, Sink, Status, Wanted};
use crate::sync::lock;

/// Events that are kept in memory, for those who come back.
const REMEMBERED: usize = 4096;
/// Events that a listener may be behind before it loses some.
const BEHIND: usize = 2048;

/// An event as it is handed out.
#[derive(Debug)]
pub struct Said {
    /// Its id.
    pub id: String,
    /// `stream`, `frame`, `transcript`, `shot`, `incident`.
    pub kind: String,
    /// The stream's id.
    pub stream: String,
    /// The whole CloudEvent, a JSON object.
    pub line: Arc<str>,
}

impl Said {
    /// Reads what is needed of an event's line.
    pub fn of_line(line: Arc<str>) -> Option<Self> {
        #[derive(serde::Deserialize)]
        struct Head {
            id: String,
            #[serde(rename = "type")]
            event_type: String,
            subject: String,
        }
        let head: Head = serde_json::from_str(&line).ok()?;
        Some(Self { id: head.id, kind: kind(&head.event_type).to_owned(), stream: head.subject, line })
    }
}

/// The kind in a CloudEvents type.
pub fn kind(event_type: &str) -> &str {
    event_type.strip_prefix("io.polygraph.").and_then(|rest| rest.split('.').next()).unwrap_or(event_type)
}

/// What memory holds.
pub struct Before {
    /// The events, oldest first.
    pub events: Vec<Arc<Said>>,
    /// They follow the event that was asked for; else that one is older, or unknown.
    pub found: bool,
    /// Memory has already forgotten events of this run.
    pub full: bool,
}

/// The way to Kafka.
pub struct Way {
    /// Brings events there.
    pub courier: Courier,
    /// How frames are written for it.
    pub profile: Profile,
}

/// The hub.
pub struct Hub {
    remembered: Mutex<VecDeque<Arc<Said>>>,
    listeners: broadcast::Sender<Arc<Said>>,
    store: Store,
    kafka: Option<Way>,
    guard: Guard,
    timelines: RwLock<BTreeMap<String, Arc<Mutex<Timeline>>>>,
    /// Incidents of all streams.
    pub incidents: Incidents,
    /// Pictures of incidents, shots and faces.
    pub evidence: Option<Gallery>,
    /// What is counted.
    pub metrics: Arc<Metrics>,
}

impl Hub {
    /// With its outputs.
    pub fn new(
        store: Store,
        kafka: Option<Way>,
        guard: Guard,
        incidents: Incidents,
        evidence: Option<Gallery>,
        metrics: Arc<Metrics>,
    ) -> Self {
        let (listeners, _) = broadcast::channel(BEHIND);
        let remembered = Mutex::default();
        Self { remembered, listeners, store, kafka, guard, timelines: RwLock::default(), incidents, evidence, metrics }
    }

    /// The store.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// What brings events to Kafka.
    pub fn courier(&self) -> Option<&Courier> {
        self.kafka.as_ref().map(|way| &way.courier)
    }

    /// The courier, to be finished; the store is written to its end.
    pub fn into_courier(self) -> Option<Courier> {
        drop(self.store);
        self.kafka.map(|way| way.courier)
    }

    /// The allow-list.
    pub fn guard(&self) -> &Guard {
        &self.guard
    }

    /// Everything from now on.
    pub fn listen(&self) -> broadcast::Receiver<Arc<Said>> {
        self.listeners.subscribe()
    }

    /// What memory holds from after an event on, or all of it when that one is older, and everything from now on; no
    /// event is in neither.
    pub fn listen_after(&self, id: &str) -> (Before, broadcast::Receiver<Arc<Said>>) {
        let remembered = lock(&self.remembered);
        let listener = self.listeners.subscribe();
        let at = remembered.iter().rposition(|said| said.id == id);
        let events = remembered.iter().skip(at.map_or(0, |at| at + 1)).cloned().collect();
        (Before { events, found: at.is_some(), full: remembered.len() == REMEMBERED }, listener)
    }

    /// What happened lately in a stream.
    pub fn timeline(&self, stream: &str) -> Option<Arc<Mutex<Timeline>>> {
        self.timelines.read().unwrap_or_else(PoisonError::into_inner).get(stream).cloned()
    }

    /// Forgets a stream that was removed; its events stay in the store.
    pub fn forget(&self, stream: &str) {
        self.timelines.write().unwrap_or_else(PoisonError::into_inner).remove(stream);
        self.metrics.forget(stream);
    }

    /// A stream's epoch ended, and nobody was left to say so of its incidents.
    pub fn ended(&self, stream: &str) {
        self.incidents.end(stream);
        self.metrics.no_faults(stream);
    }

    fn timeline_of(&self, stream: &str) -> Arc<Mutex<Timeline>> {
        self.timeline(stream).unwrap_or_else(|| {
            let mut timelines = self.timelines.write().unwrap_or_else(PoisonError::into_inner);
            timelines.entry(stream.to_owned()).or_default().clone()
        })
    }
}

impl Hub {
    /// Takes an event and its line, a JSON object; `delay` as for [`Sink::event`].
    pub fn take(&self, event: &Event, line: String, delay: Option<Duration>) {
        let line: Arc<str> = line.into();
        let kind = kind(&event.event_type).to_owned();
        self.metrics.event(event, delay);
        if let Some(way) = &self.kafka
            && let Ok(message) = Message::of_line(&line, way.profile)
        {
            // What it refuses it has counted.
            let _ = way.courier.send(&message);
        }
        lock(&self.timeline_of(&event.subject)).take(event);
        self.incidents.take(event);
        let said = Arc::new(Said { id: event.id.clone(), kind, stream: event.subject.clone(), line });
        // All under one lock, so that disk, memory and listeners have events in one order, and whoever comes back misses
        // none. None of these waits.
        let mut remembered = lock(&self.remembered);
        self.store.take(Arc::clone(&said.line));
        if remembered.len() == REMEMBERED {
            remembered.pop_front();
        }
        remembered.push_back(Arc::clone(&said));
        let _ = self.listeners.send(said);
    }
}

impl Sink for Hub {
    fn event(&self, event: &Event, delay: Option<Duration>) {
        if let Ok(line) = serde_json::to_string(event) {
            self.take(event, line, delay);
        }
    }

    fn state(&self, stream: &StreamId, status: &Status) {
        self.metrics.state(stream.as_str(), status.state);
    }

    fn shelf(&self, stream: &StreamId, epoch: &str) -> Option<Box<dyn Shelf>> {
        Some(self.evidence.as_ref()?.shelf(stream.as_str(), epoch))
    }

    fn admit(&self, wanted: &Wanted) -> Result<String, String> {
        self.guard.admit(&wanted.uri)
    }
}
