// SPDX-License-Identifier: Apache-2.0
//! What callers, librdkafka's callbacks and the courier's thread share. Nobody waits for a disk or a network under this
//! lock.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::block;
use crate::fate::Fate;
use crate::message::{Message, Topic};
use crate::queue::Queue;
use crate::spool::now_ms;
use crate::tally::{Lag, Tallies};

/// The shortest time between two commits, unless much has come: a sync to the disk for each record would wear it out.
pub(crate) const PACE: Duration = Duration::from_millis(20);
/// The longest time between two looks at what time alone changes.
const TICK: Duration = Duration::from_millis(500);
/// So many bytes or reports don't wait for the pace.
const MUCH: usize = 2 << 20;
const MANY: usize = 4000;

pub(crate) const QUEUE_FULL: &str = "queue full";

#[derive(Debug, PartialEq, Eq)]
enum Sleep {
    Awake,
    /// Anything wakes the thread.
    Idle,
    /// It waits for its pace; only much wakes it.
    Pacing,
}

pub(crate) struct State {
    pub(crate) queue: Queue,
    pub(crate) tallies: Tallies,
    pub(crate) lag: Lag,
    reports: Vec<(usize, Fate)>,
    sleep: Sleep,
    /// When records were last given up.
    pub(crate) last_drop: Option<Instant>,
    /// No more is taken; what is there is sent until then.
    pub(crate) closing: Option<Instant>,
    /// The thread is gone.
    pub(crate) ended: bool,
}

pub(crate) struct Shared {
    state: Mutex<State>,
    wake: Condvar,
    /// The thread has done its round.
    changed: Condvar,
}

impl Shared {
    pub(crate) fn new(queue_bytes: usize) -> Self {
        let state = State {
            queue: Queue::new(queue_bytes),
            tallies: Tallies::default(),
            lag: Lag::default(),
            reports: Vec::new(),
            sleep: Sleep::Awake,
            last_drop: None,
            closing: None,
            ended: false,
        };
        Self { state: Mutex::new(state), wake: Condvar::new(), changed: Condvar::new() }
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts a message into the queue, and gives up others for it where there is no room; never waits.
    pub(crate) fn push(&self, message: &Message) {
        let size = block::size(message);
        let mut state = self.lock();
        state.tallies.of_mut(message.topic).produced += 1;
        while !state.queue.has_room(size) {
            let Some((topic, records)) = state.queue.drop_one(message.topic) else {
                state.tallies.of_mut(message.topic).refuse(QUEUE_FULL);
                state.last_drop = Some(Instant::now());
                return self.wake_if_needed(state);
            };
            state.tallies.of_mut(topic).drop_queued(QUEUE_FULL, records.into());
            state.last_drop = Some(Instant::now());
        }
        self.enqueue(state, message);
    }

    /// Puts a message into the queue as soon as there is room; `false` when there was none until the deadline.
    pub(crate) fn push_or_wait(&self, message: &Message, patience: Duration) -> bool {
        let size = block::size(message);
        let full = |state: &mut State| !state.queue.has_room(size) && !state.ended;
        let (mut state, _) =
            self.changed.wait_timeout_while(self.lock(), patience, full).unwrap_or_else(PoisonError::into_inner);
        state.tallies.of_mut(message.topic).produced += 1;
        if !state.queue.has_room(size) {
            state.tallies.of_mut(message.topic).refuse(QUEUE_FULL);
            return false;
        }
        self.enqueue(state, message);
        true
    }

    /// Counts a message that can never be sent.
    pub(crate) fn refuse(&self, topic: Topic, reason: &str) {
        let mut state = self.lock();
        let tally = state.tallies.of_mut(topic);
        tally.produced += 1;
        tally.refuse(reason);
    }

    fn enqueue(&self, mut state: MutexGuard<'_, State>, message: &Message) {
        state.queue.push(message, now_ms());
        state.tallies.of_mut(message.topic).queued += 1;
        self.wake_if_needed(state);
    }

    /// A report of librdkafka.
    pub(crate) fn report(&self, ticket: usize, fate: Fate) {
        let mut state = self.lock();
        state.reports.push((ticket, fate));
        self.wake_if_needed(state);
    }

    fn wake_if_needed(&self, mut state: MutexGuard<'_, State>) {
        let wake = match state.sleep {
            Sleep::Awake => false,
            Sleep::Idle => true,
            Sleep::Pacing => state.is_much(),
        };
        if wake {
            state.sleep = Sleep::Awake;
            drop(state);
            self.wake.notify_one();
        }
    }

    /// Waits until it is time for another round. `stuck` says that what is in the queue can't be written now.
    pub(crate) fn wait(&self, last: Instant, stuck: bool) {
        let mut state = self.lock();
        loop {
            let something = !state.reports.is_empty() || (!stuck && !state.queue.is_empty());
            let much = if stuck { state.reports.len() >= MANY } else { state.is_much() };
            let mut due = last
                + if something {
                    PACE
                } else if stuck {
                    5 * PACE
                } else {
                    TICK
                };
            if let Some(closing) = state.closing {
                due = due.min(closing.max(last + PACE));
            }
            let left = due.saturating_duration_since(Instant::now());
            if much || left.is_zero() {
                state.sleep = Sleep::Awake;
                return;
            }
            state.sleep = if something || stuck { Sleep::Pacing } else { Sleep::Idle };
            state = self.wake.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    pub(crate) fn take_reports(&self) -> Vec<(usize, Fate)> {
        std::mem::take(&mut self.lock().reports)
    }

    /// Says to all who wait that something may have changed.
    pub(crate) fn tell(&self) {
        self.changed.notify_all();
    }

    /// Waits until a condition holds, at most until the deadline; whether it holds.
    pub(crate) fn wait_for(&self, timeout: Duration, holds: impl Fn(&State) -> bool) -> bool {
        let (state, _) = self
            .changed
            .wait_timeout_while(self.lock(), timeout, |state| !holds(state) && !state.ended)
            .unwrap_or_else(PoisonError::into_inner);
        holds(&state)
    }

    /// Takes no more, and ends when all is delivered or the deadline has come.
    pub(crate) fn close(&self, deadline: Instant) {
        let mut state = self.lock();
        state.closing = Some(deadline);
        state.sleep = Sleep::Awake;
        drop(state);
        self.wake.notify_one();
    }
}

impl State {
    fn is_much(&self) -> bool {
        self.has_much() || self.reports.len() >= MANY
    }

    /// Whether the queue can't wait.
    pub(crate) fn has_much(&self) -> bool {
        self.queue.bytes() >= MUCH.min(self.queue.limit() / 2)
    }
}
