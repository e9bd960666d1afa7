// SPDX-License-Identifier: Apache-2.0
//! What a stream's thread shares with whoever asks how the stream is.

use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::{Duration, SystemTime};

use polygraph_core::accounting::Counters;
use polygraph_core::event::ClockSource;
use polygraph_core::load::Rates;
use polygraph_core::supervision::{Machine, State};

use super::{Status, probe::Probe};
use crate::graph;
use crate::sync::lock;

/// What is known between two turns.
struct Known {
    state: State,
    reason: Option<String>,
    since: SystemTime,
    epoch: Option<String>,
    clock: Option<ClockSource>,
    reconnects: u64,
    abandoned: i64,
    /// Accounts of connections that are over.
    past: Counters,
    /// What load control leaves it, when that isn't what it asked for.
    rates: Option<Rates>,
    /// The one that is open.
    open: Option<(gst::Element, Arc<Probe>)>,
    stop: bool,
}

/// The shared part of a stream. Nothing is done under its lock but to read and write these values.
pub(super) struct Shared {
    known: Mutex<Known>,
    stopped: Condvar,
}

impl Shared {
    pub(super) fn new() -> Self {
        let known = Known {
            state: State::Connecting,
            reason: None,
            since: SystemTime::now(),
            epoch: None,
            clock: None,
            reconnects: 0,
            abandoned: 0,
            past: Counters::new(),
            rates: None,
            open: None,
            stop: false,
        };
        Self { known: Mutex::new(known), stopped: Condvar::new() }
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        lock(&self.known)
    }

    pub(super) fn ask_to_stop(&self) {
        self.lock().stop = true;
        self.stopped.notify_all();
    }

    pub(super) fn is_to_stop(&self) -> bool {
        self.lock().stop
    }

    /// Waits, at most so long, and no longer than until the stream is to stop.
    pub(super) fn wait(&self, timeout: Duration) {
        let known = self.lock();
        drop(self.stopped.wait_timeout_while(known, timeout, |known| !known.stop));
    }

    /// A connection is open, in a new epoch.
    pub(super) fn opened(&self, analyzer: &gst::Element, probe: &Arc<Probe>) {
        let mut known = self.lock();
        known.open = Some((analyzer.clone(), Arc::clone(probe)));
        let rates = known.rates;
        drop(known);
        if let Some(rates) = rates {
            graph::set_rates(analyzer, &rates);
        }
    }

    /// Other rates from now on, over connections.
    pub(super) fn set_rates(&self, rates: Rates) {
        let mut known = self.lock();
        if known.rates.replace(rates) == Some(rates) {
            return;
        }
        let open = known.open.clone();
        // Out of the lock: the elements have locks of their own.
        drop(known);
        if let Some((analyzer, _)) = open {
            graph::set_rates(&analyzer, &rates);
        }
    }

    pub(super) fn epoch(&self, epoch: &str, clock: ClockSource) {
        let mut known = self.lock();
        (known.epoch, known.clock) = (Some(epoch.to_owned()), Some(clock));
    }

    /// The connection is to be closed: its accounts are taken over while its elements still know them.
    pub(super) fn closing(&self) {
        let Some((analyzer, _)) = self.lock().open.take() else { return };
        // Out of the lock: the elements have locks of their own.
        let last = graph::counters(&analyzer);
        add(&mut self.lock().past, &last);
    }

    /// So many more pipelines are left to themselves; one that ends late may come off before it was counted.
    pub(super) fn abandoned(&self, more: i64) {
        self.lock().abandoned += more;
    }

    /// Takes over what the machine says; whether the state is another one.
    pub(super) fn take(&self, machine: &Machine) -> bool {
        let mut known = self.lock();
        let changed = known.state != machine.state();
        if changed {
            known.since = SystemTime::now();
        }
        known.state = machine.state();
        known.reason = machine.reason().map(str::to_owned);
        known.reconnects = machine.reconnects();
        changed
    }

    pub(super) fn probe(&self) -> Option<Arc<Probe>> {
        self.lock().open.as_ref().map(|(_, probe)| Arc::clone(probe))
    }

    pub(super) fn status(&self) -> Status {
        let known = self.lock();
        let open = known.open.clone();
        let mut status = Status {
            state: known.state,
            reason: known.reason.clone(),
            since: known.since,
            epoch: known.epoch.clone(),
            clock: known.clock,
            reconnects: known.reconnects,
            abandoned: u64::try_from(known.abandoned).unwrap_or_default(),
            video: None,
            audio: None,
            frozen: Duration::ZERO,
            rates: known.rates,
            counters: known.past.clone(),
        };
        drop(known);
        if let Some((analyzer, probe)) = open {
            add(&mut status.counters, &graph::counters(&analyzer));
            (status.video, status.audio) = probe.formats();
            status.frozen = probe.frozen();
        }
        status
    }
}

fn add(sum: &mut Counters, more: &Counters) {
    for (element, account) in more {
        let all = sum.entry(element.clone()).or_default();
        all.input += account.input;
        all.analysed += account.analysed;
        all.late += account.late;
        for (reason, count) in &account.skipped {
            *all.skipped.entry(reason.clone()).or_default() += count;
        }
    }
}
