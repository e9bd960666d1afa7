// SPDX-License-Identifier: Apache-2.0
//! The thread of a stream: takes what its pipeline gives, asks the machine what to do, and does it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use polygraph_core::event::{ClockSource, Epoch, Numbering};
use polygraph_core::incident::Incidents;
use polygraph_core::record::{Incident, Record, Stream};
use polygraph_core::supervision::{Break, Do, Machine, Seen};
use ulid::Ulid;

use super::account::Shared;
use super::connection::{Connection, Taken};
use super::source::Admits;
use super::{Sink, Wanted};
use crate::{evidence::Collector, memory, wall};

/// How long a turn waits for something to happen.
const TURN: Duration = Duration::from_millis(50);
/// A turn that took longer counts as this long: this machine did not run us, and knows nothing of the source meanwhile.
const LONGEST_TURN: Duration = Duration::from_millis(500);
/// What key frames may take in memory: some twenty seconds, which is more than a live stream lags behind.
const KEY_FRAME_BYTES: usize = 2 << 20;
/// Records that are taken in one turn at most, so that the bus is heard as well.
const MOST_RECORDS: usize = 64;

pub(super) struct Driver {
    wanted: Wanted,
    sink: Arc<dyn Sink>,
    shared: Arc<Shared>,
    machine: Machine,
    /// How long it has watched, and when it last looked.
    watched: (Duration, Instant),
    connection: Option<Connection>,
    /// Why there is no connection although one was to be opened.
    refused: Option<Break>,
    /// Of the last connection: what happens after its end belongs to its epoch.
    numbering: Option<Numbering>,
    /// Of the epoch that is open.
    incidents: Incidents,
    /// What they may need.
    evidence: Collector,
    clock: ClockSource,
    /// Stream time of the last thing that is known of the epoch.
    end_ns: u64,
}

impl Driver {
    pub(super) fn new(wanted: Wanted, sink: Arc<dyn Sink>, shared: Arc<Shared>) -> Self {
        let machine = Machine::new(wanted.times());
        Self {
            wanted,
            sink,
            shared,
            machine,
            watched: (Duration::ZERO, Instant::now()),
            connection: None,
            refused: None,
            numbering: None,
            incidents: Incidents::default(),
            evidence: Collector::new(None, false, 0),
            clock: ClockSource::Arrival,
            end_ns: 0,
        }
    }

    pub(super) fn run(mut self) {
        let mut first = true;
        while !self.shared.is_to_stop() {
            self.take();
            self.step();
            if self.shared.take(&self.machine) || first {
                self.announce(None);
            }
            first = false;
        }
        self.close();
        self.machine.stop(Some("it was ended".into()));
        if self.shared.take(&self.machine) {
            self.announce(None);
        }
    }

    /// Takes what the pipeline has, and waits a little when that is nothing.
    fn take(&mut self) {
        let Some(connection) = &mut self.connection else {
            // Nothing is connected before the machine was asked for the first time.
            if self.numbering.is_some() {
                self.shared.wait(TURN);
            }
            return;
        };
        connection.listen();
        connection.exhibits().into_iter().for_each(|exhibit| self.evidence.take(exhibit));
        let mut patience = TURN;
        for _ in 0..MOST_RECORDS {
            let Some(connection) = &mut self.connection else { return };
            match connection.take(patience) {
                Taken::Record(record, delay) => self.record(*record, delay),
                Taken::Nothing => break,
            }
            patience = Duration::ZERO;
        }
        self.look_at_the_clock();
    }

    fn record(&mut self, record: Record, delay: Option<Duration>) {
        self.look_at_the_clock();
        let incidents = self.incidents.take(&record);
        if let Some(record) = self.evidence.pass(record) {
            self.tell(record, delay);
        }
        incidents.into_iter().for_each(|incident| self.incident(incident));
    }

    fn incident(&mut self, mut incident: Incident) {
        self.evidence.attach(&mut incident);
        self.tell(Record::Incident(incident), None);
    }

    fn tell(&mut self, record: Record, delay: Option<Duration>) {
        let Some(numbering) = &mut self.numbering else { return };
        let event = numbering.record(record);
        self.sink.event(&event, delay);
    }

    /// Wall time is arrival time until the source says better.
    fn look_at_the_clock(&mut self) {
        let (Some(connection), Some(numbering)) = (&self.connection, &mut self.numbering) else { return };
        self.end_ns = self.end_ns.max(connection.probe().end_ns());
        let Some((clock, wall_start_ns)) = connection.probe().take_clock() else { return };
        numbering.set_clock(clock, wall_start_ns);
        self.shared.epoch(connection.epoch(), clock);
        if std::mem::replace(&mut self.clock, clock) != clock {
            self.announce(Some(format!("wall time comes from {} from here on", name(clock))));
        }
    }

    /// Does what the machine says.
    fn step(&mut self) {
        loop {
            let (now, seen) = (self.now(), self.seen());
            match self.machine.step(now, &seen, chance()) {
                Some(Do::Connect) => self.open(),
                Some(Do::Close) => self.close(),
                None => return,
            }
        }
    }

    /// The machine's time. It stands still while we can't watch: not run by a machine that has too much to do, halted,
    /// or waiting for a pipeline to open.
    fn now(&mut self) -> Duration {
        let (watched, last) = &mut self.watched;
        let now = Instant::now();
        *watched += now.duration_since(*last).min(LONGEST_TURN);
        *last = now;
        *watched
    }

    fn seen(&self) -> Seen {
        match &self.connection {
            Some(connection) => connection.seen(self.wanted.looped),
            None => Seen { broken: self.refused.clone(), ..Seen::default() },
        }
    }

    fn open(&mut self) {
        let epoch = Ulid::new().to_string();
        let begins = Epoch::of_connection(epoch.clone(), wall::now_ns());
        self.numbering = Some(Numbering::new(self.wanted.id.clone(), begins));
        (self.clock, self.end_ns, self.refused) = (ClockSource::Arrival, 0, None);
        self.incidents = Incidents::default();
        let shelf = self.sink.shelf(&self.wanted.id, &epoch);
        self.evidence = Collector::new(shelf, self.wanted.analysis.faces, KEY_FRAME_BYTES);
        self.shared.epoch(&epoch, self.clock);
        let opened = self.sink.admit(&self.wanted).map_err(Break::Ours);
        // A source that is left behind holds nothing of the service.
        let (sink, wanted) = (Arc::downgrade(&self.sink), self.wanted.clone());
        let admits: Admits = Arc::new(move |uri| {
            let sink = sink.upgrade().ok_or("the service ends")?;
            sink.admit(&Wanted { uri: uri.to_owned(), ..wanted.clone() }).map(drop)
        });
        match opened.and_then(|uri| Connection::open(&self.wanted, &uri, epoch, &admits)) {
            Ok(connection) => {
                self.shared.opened(connection.analyzer(), connection.probe());
                self.connection = Some(connection);
            }
            Err(why) => self.refused = Some(why),
        }
    }

    fn close(&mut self) {
        self.refused = None;
        let Some(connection) = self.connection.take() else { return };
        self.end_ns = self.end_ns.max(connection.probe().end_ns());
        self.shared.closing();
        // Nothing of this epoch will be seen any more.
        self.incidents.end().into_iter().for_each(|incident| self.incident(incident));
        let (shared, began) = (Arc::clone(&self.shared), Instant::now());
        if !connection.close(move || shared.abandoned(-1)) {
            self.shared.abandoned(1);
        }
        memory::give_back();
        // The wait before the next connection goes on meanwhile.
        self.watched.0 += began.elapsed();
        self.watched.1 = Instant::now();
    }

    /// Says how the stream is, as an event and to the sink.
    fn announce(&mut self, instead: Option<String>) {
        let status = self.shared.status();
        if let Some(numbering) = &mut self.numbering {
            let reason = instead.or_else(|| status.reason.clone());
            let counters = status.counters.clone();
            let event = numbering.stream(Stream { reason, counters, ..Stream::new(status.state, self.end_ns) });
            self.sink.event(&event, None);
        }
        self.sink.state(&self.wanted.id, &status);
    }
}

fn name(clock: ClockSource) -> &'static str {
    match clock {
        ClockSource::Arrival => "the arrival of the data",
        ClockSource::RtcpSr => "the sender's reports (RTCP)",
        ClockSource::ProgramDateTime => "the playlist (EXT-X-PROGRAM-DATE-TIME)",
        ClockSource::File => "the file",
    }
}

/// From 0 to 1, drawn anew: a ULID's own chance, which is enough for jitter.
fn chance() -> f64 {
    (Ulid::new().random() & 0xFFFF) as f64 / f64::from(0xFFFF)
}
