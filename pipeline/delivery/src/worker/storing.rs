// SPDX-License-Identifier: Apache-2.0
//! Queue to spool: commits, limits, and a disk that fails.

use std::collections::VecDeque;
use std::time::Instant;

use super::{PAUSE, Worker};
use crate::block::Builder;
use crate::courier::{Notice, Policy};
use crate::error::Result;
use crate::message::Topic;
use crate::shared::PACE;
use crate::spool::{Head, Held, Spool, now_ms};

/// Most bytes of a commit.
const BATCH: usize = 4 << 20;
const SPOOL_FULL: &str = "spool full";
const TOO_OLD: &str = "too old";
const DAMAGED: &str = "damaged in the spool";

/// The spool, or what is known of it while the disk fails.
pub(super) struct Store {
    spool: Option<Spool>,
    held: [Held; Topic::ALL.len()],
    /// Blocks that Kafka has or that were given up, still in the spool.
    retired: Vec<(Topic, u64)>,
    retired_bytes: u64,
    /// The disk has failed; it is written again only then, and read meanwhile.
    retry_at: Option<Instant>,
    reopen_at: Option<Instant>,
    last_commit: Option<Instant>,
    full: bool,
    /// The oldest block of each topic that waits for its turn, as far as it was looked at.
    waiting: [Option<Head>; Topic::ALL.len()],
    news: VecDeque<Notice>,
}

impl Store {
    pub(super) fn new(mut spool: Spool) -> Self {
        let news = spool.damage.take().map(Notice::SpoolDamaged).into_iter().collect();
        Self {
            held: Topic::ALL.map(|topic| spool.held(topic)),
            spool: Some(spool),
            retired: Vec::new(),
            retired_bytes: 0,
            retry_at: None,
            reopen_at: None,
            last_commit: None,
            full: false,
            waiting: Default::default(),
            news,
        }
    }

    /// Whether what is in the queue can't be written now.
    pub(super) fn is_stuck(&self) -> bool {
        !self.is_writable() || self.full
    }

    pub(super) fn bytes(&self) -> u64 {
        self.held.iter().map(|held| held.bytes).sum::<u64>().saturating_sub(self.retired_bytes)
    }

    pub(super) fn oldest_waiting_ms(&self) -> Option<u64> {
        self.waiting.iter().flatten().map(|head| head.written_ms).min()
    }

    pub(super) fn news(&mut self) -> Option<Notice> {
        self.news.pop_front()
    }

    pub(super) fn retire(&mut self, topic: Topic, number: u64, bytes: usize) {
        self.retired.push((topic, number));
        self.retired_bytes += bytes as u64;
    }

    /// The first block from this number on; `None` also when the disk fails.
    pub(super) fn from(&mut self, topic: Topic, number: u64) -> Option<(Head, Vec<u8>)> {
        match self.spool.as_ref()?.from(topic, number) {
            Ok(block) => block,
            Err(error) => {
                self.fail(&error.to_string());
                None
            }
        }
    }

    pub(super) fn is_open(&self) -> bool {
        self.spool.is_some()
    }

    fn is_writable(&self) -> bool {
        self.spool.is_some() && self.retry_at.is_none_or(|at| Instant::now() >= at)
    }

    fn fail(&mut self, why: &str) {
        if self.retry_at.is_none() {
            self.news.push_back(Notice::SpoolFailed(why.to_owned()));
        }
        // redb takes nothing more after an error of the disk: it is closed and opened again.
        self.spool = None;
        self.retry_at = Some(Instant::now() + PAUSE);
    }

    fn commit(&mut self, add: &mut [(Topic, Builder)]) -> Option<Vec<Head>> {
        self.last_commit = Some(Instant::now());
        match self.spool.as_mut()?.commit(add, &self.retired) {
            Ok(heads) => {
                let spool = self.spool.as_ref()?;
                self.held = Topic::ALL.map(|topic| spool.held(topic));
                self.retired.clear();
                self.retired_bytes = 0;
                if self.retry_at.take().is_some() {
                    self.news.push_back(Notice::SpoolHealed);
                }
                Some(heads)
            }
            Err(error) => {
                self.fail(&error.to_string());
                None
            }
        }
    }
}

impl Worker {
    /// Writes what is in the queue, and takes out what has left.
    pub(super) fn save(&mut self) {
        self.retire_finished();
        self.reopen();
        if !self.store.is_writable() || self.is_early() {
            return;
        }
        let room = self.config.max_bytes.saturating_sub(self.store.bytes());
        let waits = matches!(self.config.policy, Policy::File(_));
        let most = if waits { BATCH.min(room as usize) } else { BATCH };
        let taken = if most == 0 { Vec::new() } else { self.shared.lock().queue.take(most) };
        self.store.full = most == 0;
        let mut taken = if waits { taken } else { self.make_room(taken) };
        if taken.is_empty() && self.store.retired.is_empty() {
            return;
        }
        match self.store.commit(&mut taken) {
            Some(heads) => self.accept(&taken, &heads),
            None => self.shared.lock().queue.put_back(taken),
        }
    }

    /// All of the queue, at the end.
    pub(super) fn save_all(&mut self) {
        loop {
            let before = self.shared.lock().queue.bytes();
            self.save();
            let left = self.shared.lock().queue.bytes();
            if left == 0 || left >= before {
                break;
            }
        }
    }

    /// Whether a commit is better left for later: each is synced to the disk.
    fn is_early(&self) -> bool {
        let soon = self.store.last_commit.is_some_and(|last| last.elapsed() < PACE);
        let state = self.shared.lock();
        soon && !state.has_much() && state.closing.is_none()
    }

    fn accept(&mut self, taken: &[(Topic, Builder)], heads: &[Head]) {
        let mut state = self.shared.lock();
        for ((topic, _), head) in taken.iter().zip(heads) {
            let tally = state.tallies.of_mut(*topic);
            let records = u64::from(head.records);
            tally.queued = tally.queued.saturating_sub(records);
            tally.spooled += records;
            tally.accepted += records;
        }
        drop(state);
    }

    fn retire_finished(&mut self) {
        for topic in Topic::ALL {
            for (number, bytes) in self.lanes[topic.index()].flight.take_finished() {
                self.store.retire(topic, number, bytes);
            }
        }
    }

    /// Gives up what is missed least until the rest has room: blocks in the spool that are not under way, or blocks of
    /// `taken` itself.
    fn make_room(&mut self, mut taken: Vec<(Topic, Builder)>) -> Vec<(Topic, Builder)> {
        loop {
            let need: usize = taken.iter().map(|(_, block)| block.len()).sum();
            if self.store.bytes() + need as u64 <= self.config.max_bytes || taken.is_empty() {
                return taken;
            }
            let spooled = Topic::EXPENDABLE.into_iter().find_map(|topic| Some((topic, self.oldest_waiting(topic)?)));
            let place = |topic: Topic| topic.gives_way_to().count();
            let new = (0..taken.len()).min_by_key(|index| place(taken[*index].0)).unwrap_or_default();
            match spooled {
                Some((topic, head)) if place(topic) <= place(taken[new].0) => {
                    self.give_up(topic, head, SPOOL_FULL);
                }
                _ => {
                    let (topic, block) = taken.remove(new);
                    let mut state = self.shared.lock();
                    state.tallies.of_mut(topic).drop_queued(SPOOL_FULL, block.records().into());
                    state.last_drop = Some(Instant::now());
                }
            }
        }
    }

    /// The oldest block of a topic that is not under way.
    fn oldest_waiting(&mut self, topic: Topic) -> Option<Head> {
        let cursor = self.lanes[topic.index()].cursor;
        let known = self.store.waiting[topic.index()].filter(|head| head.number >= cursor);
        let head = known.or_else(|| self.store.from(topic, cursor).map(|(head, _)| head));
        self.store.waiting[topic.index()] = head;
        head
    }

    fn give_up(&mut self, topic: Topic, head: Head, reason: &str) {
        self.store.retire(topic, head.number, head.bytes);
        self.lanes[topic.index()].cursor = head.number + 1;
        self.store.waiting[topic.index()] = None;
        let mut state = self.shared.lock();
        state.tallies.of_mut(topic).drop_spooled(reason, head.records.into());
        state.last_drop = Some(Instant::now());
    }

    /// Gives up what is too old and not under way.
    pub(super) fn expire(&mut self) {
        if !self.store.is_open() {
            return;
        }
        let limit = self.config.max_age.as_millis();
        for topic in Topic::ALL {
            while let Some(head) = self.oldest_waiting(topic)
                && u128::from(now_ms().saturating_sub(head.written_ms)) > limit
            {
                self.give_up(topic, head, TOO_OLD);
            }
        }
    }

    /// A block that is under way and can't be read any more.
    pub(super) fn lose(&mut self, topic: Topic, number: u64) {
        let lost = self.lanes[topic.index()].flight.lost(number) as u64;
        self.store.news.push_back(Notice::SpoolDamaged(format!("{lost} records of {topic} can't be read any more")));
        let mut state = self.shared.lock();
        state.tallies.of_mut(topic).drop_spooled(DAMAGED, lost);
        state.last_drop = Some(Instant::now());
    }

    /// Opens the spool again after the disk has failed.
    fn reopen(&mut self) {
        let soon = self.store.reopen_at.is_some_and(|at| Instant::now() < at);
        if !self.store.is_open() && !soon && self.open_again().is_err() {
            self.store.reopen_at = Some(Instant::now() + PAUSE);
        }
    }

    fn open_again(&mut self) -> Result<()> {
        let mut spool = Spool::open(&self.config.spool)?;
        for topic in Topic::ALL {
            let before = self.store.held[topic.index()];
            spool.go_on_from(topic, before);
            let lost = before.records.saturating_sub(spool.held(topic).records);
            if lost > 0 && spool.damage.is_some() {
                self.lose_all(topic);
            }
        }
        self.store.news.extend(spool.damage.take().map(Notice::SpoolDamaged));
        self.store.held = Topic::ALL.map(|topic| spool.held(topic));
        self.store.spool = Some(spool);
        Ok(())
    }

    /// The file was damaged while it was in use, and what can't be found in it any more is gone.
    fn lose_all(&mut self, topic: Topic) {
        let lane = &mut self.lanes[topic.index()];
        let under_way = lane.flight.left() as u64;
        let mut state = self.shared.lock();
        let tally = state.tallies.of_mut(topic);
        // What librdkafka has may still arrive; its reports count it.
        let lost = tally.spooled.saturating_sub(under_way);
        tally.drop_spooled(DAMAGED, lost);
        state.last_drop = Some(Instant::now());
    }
}
