// SPDX-License-Identifier: Apache-2.0
//! The bounded queue between callers and the batcher's thread; every wait in it ends.

use std::{
    collections::VecDeque,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak, mpsc::SyncSender},
    time::Instant,
};

use super::BatchOptions;
use crate::Error;

/// What a caller hands in.
pub(super) struct Request<I, O> {
    pub(super) input: I,
    /// Where the answer goes.
    pub(super) answer: SyncSender<Result<O, Arc<Error>>>,
    /// Dead once the caller has given up.
    pub(super) asked: Weak<()>,
}

/// Why a request was not taken.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    Full,
    Closed,
}

pub(super) struct Queue<I, O> {
    options: BatchOptions,
    state: Mutex<State<I, O>>,
    /// A request came, or the queue was closed.
    came: Condvar,
    /// Requests were taken, or the queue was closed.
    taken: Condvar,
}

struct State<I, O> {
    requests: VecDeque<(Instant, Request<I, O>)>,
    closed: bool,
}

impl<I, O> Queue<I, O> {
    pub(super) fn new(options: BatchOptions) -> Self {
        let options = BatchOptions { size: options.size.max(1), queue: options.queue.max(1), ..options };
        Self {
            options,
            state: Mutex::new(State { requests: VecDeque::new(), closed: false }),
            came: Condvar::new(),
            taken: Condvar::new(),
        }
    }

    /// Takes a request in, waiting for room until `deadline`.
    pub(super) fn push(&self, request: Request<I, O>, deadline: Instant) -> Result<(), Refusal> {
        let mut state = self.lock();
        while !state.closed && state.requests.len() >= self.options.queue {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(Refusal::Full);
            }
            state = self.taken.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        if state.closed {
            return Err(Refusal::Closed);
        }
        state.requests.push_back((Instant::now(), request));
        self.came.notify_one();
        Ok(())
    }

    /// The next batch, once it is full, its first request has waited long enough, or the queue is closed. None when it
    /// is closed and empty.
    pub(super) fn next_batch(&self) -> Option<Vec<Request<I, O>>> {
        let mut state = self.lock();
        loop {
            let before = state.requests.len();
            state.requests.retain(|(_, request)| request.asked.strong_count() > 0);
            if state.requests.len() < before {
                self.taken.notify_all();
            }
            let first = state.requests.front().map(|(came, _)| *came);
            let Some(first) = first else {
                if state.closed {
                    return None;
                }
                // The batcher's own thread, not a stream's: with nothing asked for it has nothing to be late for.
                state = self.came.wait(state).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            let waited = first.elapsed();
            if state.closed || state.requests.len() >= self.options.size || waited >= self.options.wait {
                let count = state.requests.len().min(self.options.size);
                let batch = state.requests.drain(..count).map(|(_, request)| request).collect();
                self.taken.notify_all();
                return Some(batch);
            }
            let left = self.options.wait - waited;
            state = self.came.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.came.notify_all();
        self.taken.notify_all();
    }

    pub(super) fn len(&self) -> usize {
        self.lock().requests.len()
    }

    fn lock(&self) -> MutexGuard<'_, State<I, O>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
