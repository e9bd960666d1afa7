// SPDX-License-Identifier: Apache-2.0
//! The courier's thread: queue to spool, spool to librdkafka, reports to the spool. It alone touches the disk.

mod graves;
mod sending;
mod storing;

use std::sync::Arc;
use std::time::{Duration, Instant};

use rdkafka::ClientConfig;

use crate::courier::{CourierConfig, Notice};
use crate::error::Result;
use crate::fate::Fate;
use crate::flight::{Effect, Flight, Place};
use crate::ledger::Ledger;
use crate::message::Topic;
use crate::shared::Shared;
use crate::spool::{Spool, now_ms};
use crate::tally::{Lag, Tallies};
use crate::wire::{Ticket, Wire};
use graves::Graves;
use storing::Store;

/// Dropping is over when nothing was given up for so long.
const QUIET: Duration = Duration::from_secs(1);
/// Before another attempt at what has just failed.
const PAUSE: Duration = Duration::from_millis(500);

/// What the thread knows of a topic.
#[derive(Debug, Default)]
struct Lane {
    flight: Flight,
    /// The next block to be sent.
    cursor: u64,
    /// Records are sent again only then.
    resume_at: Option<Instant>,
}

pub(crate) struct Worker {
    config: CourierConfig,
    shared: Arc<Shared>,
    ledger: Arc<Ledger>,
    notices: Box<dyn Fn(Notice) + Send>,
    store: Store,
    wire: Wire,
    lanes: [Lane; Topic::ALL.len()],
    graves: Graves,
    dropping: bool,
    /// The tallies when dropping was last told to be over.
    told: Tallies,
    last_replacement: Option<Instant>,
}

impl Worker {
    pub(crate) fn start(
        config: CourierConfig,
        client: ClientConfig,
        spool: Spool,
        shared: Arc<Shared>,
        ledger: Arc<Ledger>,
        notices: Box<dyn Fn(Notice) + Send>,
    ) -> Result<Self> {
        let wire = Wire::new(client, Arc::clone(&shared), Arc::clone(&ledger))?;
        let mut state = shared.lock();
        for topic in Topic::ALL {
            let left = spool.held(topic).records;
            let tally = state.tallies.of_mut(topic);
            (tally.replayed, tally.spooled) = (left, left);
        }
        drop(state);
        let graves = Graves::of(&config.spool, config.dead_letter_bytes);
        let store = Store::new(spool);
        let lanes = Default::default();
        Ok(Self {
            config,
            shared,
            ledger,
            notices,
            store,
            wire,
            lanes,
            graves,
            dropping: false,
            told: Tallies::default(),
            last_replacement: None,
        })
    }

    /// Until it is closed, and everything is delivered or the deadline has come.
    pub(crate) fn run(mut self) {
        loop {
            let began = Instant::now();
            self.round();
            if self.is_over() {
                break;
            }
            self.shared.wait(began, self.store.is_stuck());
        }
        self.end();
    }

    fn round(&mut self) {
        self.take_reports();
        self.replace_broken_wire();
        self.bury();
        self.save();
        self.expire();
        self.send();
        self.tell();
    }

    fn is_over(&self) -> bool {
        let state = self.shared.lock();
        let settled = state.tallies.sum().is_settled();
        state.closing.is_some_and(|deadline| settled || Instant::now() >= deadline)
    }

    fn take_reports(&mut self) {
        let reports = self.shared.take_reports();
        if reports.is_empty() {
            return;
        }
        let mut ended = Vec::with_capacity(reports.len());
        for (packed, fate) in reports {
            let Some(ticket) = Ticket::unpack(packed) else { continue };
            if ticket.generation != self.wire.generation() {
                continue;
            }
            if ticket.dead {
                self.graves.report(ticket, &fate);
                continue;
            }
            let Ticket { topic, place, .. } = ticket;
            let flight = &mut self.lanes[topic.index()].flight;
            // What was alone is judged for itself.
            let fate = match fate {
                Fate::Suspect(reason) if flight.is_alone() => Fate::Refused(reason),
                other => other,
            };
            let effect = flight.report(place, fate);
            ended.extend(self.apply(topic, place, effect));
        }
        let now = now_ms();
        let mut state = self.shared.lock();
        for (topic, written_ms) in ended {
            state.tallies.of_mut(topic).acknowledge(now.saturating_sub(written_ms));
        }
    }

    /// Does what a report leads to; the topic of a record that was acknowledged, and when its block was begun.
    fn apply(&mut self, topic: Topic, place: Place, effect: Effect) -> Option<(Topic, u64)> {
        match effect {
            Effect::Acknowledged(written_ms) => return Some((topic, written_ms)),
            Effect::DeadLetter(reason) => self.graves.dig(topic, place, reason),
            Effect::Nothing => {
                let lane = &mut self.lanes[topic.index()];
                if lane.flight.is_held() {
                    lane.resume_at.get_or_insert(Instant::now() + PAUSE);
                }
            }
        }
        None
    }

    /// A producer that is broken for good gives everything back, and another one takes its place.
    fn replace_broken_wire(&mut self) {
        let soon = self.last_replacement.is_some_and(|last| last.elapsed() < PAUSE);
        if soon || !self.wire.is_broken() {
            return;
        }
        self.last_replacement = Some(Instant::now());
        self.wire.purge();
        self.take_reports();
        if let Err(error) = self.wire.replace() {
            return self.ledger.note(error.to_string());
        }
        self.lanes.iter_mut().for_each(|lane| lane.flight.return_all());
        self.graves.return_all();
    }

    /// Publishes how things stand.
    fn tell(&mut self) {
        let oldest = self.lanes.iter().filter_map(|lane| lane.flight.oldest_ms()).min();
        let mut state = self.shared.lock();
        let bytes = self.store.bytes();
        let waiting = self.store.oldest_waiting_ms();
        let oldest = oldest.into_iter().chain(waiting).min().filter(|_| bytes > 0);
        let seconds = oldest.map_or(0.0, |oldest| now_ms().saturating_sub(oldest) as f64 / 1e3);
        state.lag = Lag { bytes, seconds };
        let last_drop = state.last_drop;
        let tallies = last_drop.is_some().then(|| state.tallies.clone());
        drop(state);
        self.shared.tell();
        if let (Some(last_drop), Some(tallies)) = (last_drop, tallies) {
            self.tell_of_dropping(last_drop, tallies);
        }
        if let Some(notice) = self.store.news() {
            (self.notices)(notice);
        }
    }

    fn tell_of_dropping(&mut self, last_drop: Instant, tallies: Tallies) {
        if !self.dropping {
            self.dropping = true;
            return (self.notices)(Notice::DroppingBegan);
        }
        if last_drop.elapsed() < QUIET {
            return;
        }
        let dropped = |tally: &Tallies, topic| tally.of(topic).dropped.values().sum::<u64>();
        let by_topic = Topic::ALL.map(|topic| (topic, dropped(&tallies, topic) - dropped(&self.told, topic)));
        let by_topic = by_topic.into_iter().filter(|(_, records)| *records > 0).collect();
        (self.dropping, self.told) = (false, tallies);
        let mut state = self.shared.lock();
        // Something may have been given up just now: then it begins again.
        if state.last_drop == Some(last_drop) {
            state.last_drop = None;
        }
        drop(state);
        (self.notices)(Notice::DroppingEnded(by_topic));
    }

    /// What is in memory goes to the spool, what librdkafka has stays there, and nobody is waited for.
    fn end(mut self) {
        self.save_all();
        self.wire.purge();
        self.take_reports();
        self.bury();
        self.save();
        self.tell();
        let Self { wire, store, shared, ledger, .. } = self;
        drop(wire);
        // Whoever is told that it has ended may open the spool again.
        drop(store);
        ledger.finish();
        shared.lock().ended = true;
        shared.tell();
    }
}
