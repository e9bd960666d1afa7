// SPDX-License-Identifier: Apache-2.0
//! The queue between the streaming thread that brings sound and the task that recognises it.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::task::SAMPLE_NS;
use crate::analyser::lock;

/// Nobody waits longer than this without looking around.
const SLICE: Duration = Duration::from_millis(100);

/// What comes in, in order.
pub(super) enum Item {
    /// Sound.
    Sound(gst::Buffer),
    /// A serialised event.
    Event(gst::Event),
}

/// What became of a buffer that was offered.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Offer {
    /// It is in the queue.
    Taken,
    /// The queue is full and nobody may wait.
    Full,
}

struct State {
    items: VecDeque<Item>,
    queued: gst::ClockTime,
    /// Nothing is taken or given: `Flushing`, or why the task has ended.
    closed: Option<gst::FlowError>,
    /// Who waits for a change. To wake nobody costs a call of the kernel, and most of the time nobody waits.
    waiting: u32,
}

/// A queue bounded in time.
pub(super) struct Inbox {
    state: Mutex<State>,
    changed: Condvar,
}

impl Default for Inbox {
    fn default() -> Self {
        let state = State {
            items: VecDeque::new(),
            queued: gst::ClockTime::ZERO,
            closed: Some(gst::FlowError::Flushing),
            waiting: 0,
        };
        Self { state: Mutex::new(state), changed: Condvar::new() }
    }
}

/// How long an item sounds: by its samples, for not every buffer says its duration.
fn length(item: &Item) -> gst::ClockTime {
    match item {
        Item::Sound(buffer) => gst::ClockTime::from_nseconds((buffer.size() / size_of::<f32>()) as u64 * SAMPLE_NS),
        Item::Event(_) => gst::ClockTime::ZERO,
    }
}

impl Inbox {
    /// Empties the queue and lets items pass again.
    pub(super) fn open(&self) {
        let mut state = lock(&self.state);
        state.items.clear();
        state.queued = gst::ClockTime::ZERO;
        state.closed = None;
    }

    /// Sends everybody who waits away, and all who come later, with `reason`.
    pub(super) fn close(&self, reason: gst::FlowError) {
        let mut state = lock(&self.state);
        state.closed = Some(reason);
        state.items.clear();
        state.queued = gst::ClockTime::ZERO;
        self.tell(state);
    }

    /// Whether the queue has been closed.
    pub(super) fn closed(&self) -> Option<gst::FlowError> {
        lock(&self.state).closed
    }

    /// Sound that waits.
    pub(super) fn queued(&self) -> gst::ClockTime {
        lock(&self.state).queued
    }

    /// Brings a buffer. When `limit` of sound is waiting, `patient` callers wait until there is room or the queue
    /// is closed; others are told.
    pub(super) fn offer(
        &self,
        buffer: gst::Buffer,
        limit: gst::ClockTime,
        patient: bool,
    ) -> Result<Offer, gst::FlowError> {
        let mut state = lock(&self.state);
        loop {
            if let Some(reason) = state.closed {
                return Err(reason);
            }
            if state.queued < limit {
                break;
            }
            if !patient {
                return Ok(Offer::Full);
            }
            state = self.wait(state);
        }
        Self::put(&mut state, Item::Sound(buffer));
        self.tell(state);
        Ok(Offer::Taken)
    }

    /// Brings an event; there is always room.
    pub(super) fn event(&self, event: gst::Event) -> Result<(), gst::FlowError> {
        let mut state = lock(&self.state);
        if let Some(reason) = state.closed {
            return Err(reason);
        }
        Self::put(&mut state, Item::Event(event));
        self.tell(state);
        Ok(())
    }

    fn put(state: &mut State, item: Item) {
        state.queued += length(&item);
        state.items.push_back(item);
    }

    /// The next item; `Ok(None)` when none came for a while.
    pub(super) fn next(&self) -> Result<Option<Item>, gst::FlowError> {
        let mut state = lock(&self.state);
        if state.items.is_empty() && state.closed.is_none() {
            state = self.wait(state);
        }
        if let Some(reason) = state.closed {
            return Err(reason);
        }
        let item = state.items.pop_front();
        if let Some(item) = &item {
            state.queued = state.queued.saturating_sub(length(item));
        }
        self.tell(state);
        Ok(item)
    }

    fn wait<'a>(&self, mut state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        state.waiting += 1;
        let mut state = self.changed.wait_timeout(state, SLICE).unwrap_or_else(PoisonError::into_inner).0;
        state.waiting -= 1;
        state
    }

    /// Wakes those who wait.
    fn tell(&self, state: MutexGuard<'_, State>) {
        let waiting = state.waiting;
        drop(state);
        if waiting > 0 {
            self.changed.notify_all();
        }
    }
}
