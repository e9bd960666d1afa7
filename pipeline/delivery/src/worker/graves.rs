// SPDX-License-Identifier: Apache-2.0
//! Dead letters under way: to their topic or, when that refuses them, to their file.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Instant;

use super::{PAUSE, Worker};
use crate::block;
use crate::deadletter::DeadLetterFile;
use crate::fate::Fate;
use crate::flight::Place;
use crate::message::Topic;
use crate::wire::{NotTaken, Ticket};

/// Most dead letters that librdkafka has at a time.
const WINDOW: usize = 1000;
const FILE_FULL: &str = "refused by Kafka, and the dead letters' file is full";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    ToTopic,
    Sent,
    ToFile,
    Buried,
    /// The file is full.
    NoRoom,
}

#[derive(Debug)]
struct Grave {
    reason: String,
    state: State,
}

/// Records that were refused and have not left yet.
#[derive(Debug)]
pub(super) struct Graves {
    all: BTreeMap<(Topic, Place), Grave>,
    file: DeadLetterFile,
    retry_at: Option<Instant>,
}

impl Graves {
    pub(super) fn of(folder: &Path, max_bytes: u64) -> Self {
        Self { all: BTreeMap::new(), file: DeadLetterFile::of(folder, max_bytes), retry_at: None }
    }

    pub(super) fn dig(&mut self, topic: Topic, place: Place, reason: String) {
        self.all.insert((topic, place), Grave { reason, state: State::ToTopic });
    }

    /// librdkafka's report on a dead letter.
    pub(super) fn report(&mut self, ticket: Ticket, fate: &Fate) {
        let Some(grave) = self.all.get_mut(&(ticket.topic, ticket.place)) else { return };
        if grave.state != State::Sent {
            return;
        }
        grave.state = match fate {
            Fate::Stored => State::Buried,
            Fate::Again => {
                self.retry_at = Some(Instant::now() + PAUSE);
                State::ToTopic
            }
            Fate::Suspect(_) | Fate::Refused(_) => State::ToFile,
        };
    }

    /// The producer is gone, and with it whatever it had.
    pub(super) fn return_all(&mut self) {
        for grave in self.all.values_mut().filter(|grave| grave.state == State::Sent) {
            grave.state = State::ToTopic;
        }
    }

    fn with(&self, state: State) -> Vec<(Topic, Place)> {
        self.all.iter().filter(|(_, grave)| grave.state == state).map(|(at, _)| *at).take(WINDOW).collect()
    }
}

impl Worker {
    /// Brings dead letters a step further.
    pub(super) fn bury(&mut self) {
        if self.graves.all.is_empty() {
            return;
        }
        if self.graves.retry_at.is_none_or(|at| Instant::now() >= at) {
            self.graves.retry_at = None;
            for (topic, place) in self.graves.with(State::ToTopic) {
                self.bury_one(topic, place, State::ToTopic);
            }
            for (topic, place) in self.graves.with(State::ToFile) {
                self.bury_one(topic, place, State::ToFile);
            }
        }
        for (topic, place) in self.graves.with(State::Buried) {
            let Some(grave) = self.graves.all.remove(&(topic, place)) else { continue };
            self.lanes[topic.index()].flight.buried(place);
            self.shared.lock().tallies.of_mut(topic).dead_letter(&grave.reason);
        }
        for (topic, place) in self.graves.with(State::NoRoom) {
            self.graves.all.remove(&(topic, place));
            self.lanes[topic.index()].flight.buried(place);
            let mut state = self.shared.lock();
            state.tallies.of_mut(topic).drop_spooled(FILE_FULL, 1);
            state.last_drop = Some(Instant::now());
        }
    }

    fn bury_one(&mut self, topic: Topic, place: Place, state: State) {
        let block = match self.store.from(topic, place.block) {
            Some((head, block)) if head.number == place.block => block,
            None if !self.store.is_open() => return,
            _ => {
                self.graves.all.remove(&(topic, place));
                return self.lose(topic, place.block);
            }
        };
        let records = block::read(&block);
        let record = records.as_ref().and_then(|records| records.get(place.record));
        let (Some(record), Some(grave)) = (record, self.graves.all.get_mut(&(topic, place))) else { return };
        if state == State::ToTopic {
            grave.state = match self.wire.bury(topic, place, record, &grave.reason) {
                Ok(()) => State::Sent,
                Err(NotTaken::Full | NotTaken::Because(Fate::Again)) => State::ToTopic,
                Err(NotTaken::Because(_)) => State::ToFile,
            };
            return;
        }
        match self.graves.file.append(topic, record, &grave.reason) {
            Ok(true) => grave.state = State::Buried,
            Ok(false) => grave.state = State::NoRoom,
            Err(error) => {
                self.ledger.note(format!("the dead letters' file can't be written: {error}"));
                self.graves.retry_at = Some(Instant::now() + PAUSE);
            }
        }
    }
}
