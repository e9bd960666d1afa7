// SPDX-License-Identifier: Apache-2.0
//! The batcher for GPUs: joins the requests of all streams into one call, until the batch is full or the first of
//! them has waited long enough.
//!
//! A GPU runs a batch of eight in little more than the time of one; a processor core doesn't, which is why worker
//! sessions take one request each there ([`crate::Network::run`]). The batcher itself is tested and measured with real
//! networks on the processor; it has not run on a GPU yet.

mod network;
mod queue;

use std::{
    fmt,
    panic::{self, AssertUnwindSafe},
    sync::{Arc, mpsc},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

pub use network::NetworkBatch;

use crate::{Error, Result};
use queue::{Queue, Request};

/// Runs several requests at once.
pub trait RunBatch: Send + 'static {
    /// What one request brings.
    type Input: Send + 'static;
    /// What one request gets.
    type Output: Send + 'static;

    /// Name for errors, that of the network.
    fn name(&self) -> &str;

    /// Runs the requests together: one output for each input, in their order.
    ///
    /// # Errors
    /// Whatever makes the batch fail as a whole; each of its requesters gets it.
    fn run(&mut self, inputs: Vec<Self::Input>) -> Result<Vec<Self::Output>>;
}

/// When a batch is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchOptions {
    /// Requests that make a batch full.
    pub size: usize,
    /// How long the first request of a batch waits for others at most.
    pub wait: Duration,
    /// Requests that may wait; more are held back at their callers.
    pub queue: usize,
}

impl Default for BatchOptions {
    /// Eight requests, 5 ms, 64 waiting.
    fn default() -> Self {
        Self { size: 8, wait: Duration::from_millis(5), queue: 64 }
    }
}

/// Joins requests of many threads into batches, which one thread of its own runs.
pub struct Batcher<B: RunBatch> {
    name: String,
    queue: Arc<Queue<B::Input, B::Output>>,
    thread: Option<JoinHandle<()>>,
}

impl<B: RunBatch> fmt::Debug for Batcher<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Batcher").field("name", &self.name).finish_non_exhaustive()
    }
}

impl<B: RunBatch> Batcher<B> {
    /// Starts the batcher's thread.
    ///
    /// # Errors
    /// [`Error::Runtime`] when the system gives no thread.
    pub fn start(mut runner: B, options: BatchOptions) -> Result<Self> {
        let name = runner.name().to_owned();
        let queue = Arc::new(Queue::new(options));
        let thread = thread::Builder::new()
            .name(format!("batch {name}"))
            .spawn({
                let queue = queue.clone();
                move || {
                    while let Some(batch) = queue.next_batch() {
                        serve(&mut runner, batch);
                    }
                }
            })
            .map_err(|error| Error::Runtime(format!("no thread for the batcher: {error}")))?;
        Ok(Self { name, queue, thread: Some(thread) })
    }

    /// Hands a request in and waits for its answer, at most `wait` in all. A request whose caller has given up is
    /// not run.
    ///
    /// # Errors
    /// [`Error::Busy`] when `wait` passed first; [`Error::Batch`] with what made the whole batch fail;
    /// [`Error::Closed`] after [`Batcher::close`].
    pub fn call(&self, input: B::Input, wait: Duration) -> Result<B::Output> {
        let deadline = Instant::now() + wait;
        let busy =
            || Error::Busy { name: self.name.clone(), waited_ms: u64::try_from(wait.as_millis()).unwrap_or(u64::MAX) };
        let (answer, answered) = mpsc::sync_channel(1);
        let asked = Arc::new(());
        self.queue.push(Request { input, answer, asked: Arc::downgrade(&asked) }, deadline).map_err(
            |full| match full {
                queue::Refusal::Full => busy(),
                queue::Refusal::Closed => Error::Closed { name: self.name.clone() },
            },
        )?;
        match answered.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            Ok(answer) => answer.map_err(Error::Batch),
            Err(mpsc::RecvTimeoutError::Timeout) => Err(busy()),
            Err(mpsc::RecvTimeoutError::Disconnected) => Err(Error::Closed { name: self.name.clone() }),
        }
    }

    /// Takes no more requests; those that were handed in are still answered.
    pub fn close(&self) {
        self.queue.close();
    }

    /// Requests that wait for a batch.
    pub fn waiting(&self) -> usize {
        self.queue.len()
    }
}

impl<B: RunBatch> Drop for Batcher<B> {
    fn drop(&mut self) {
        self.close();
        if let Some(thread) = self.thread.take() {
            // It catches the runner's panics, so there is nothing to hear from it.
            let _ = thread.join();
        }
    }
}

/// Runs a batch and answers each of its requests.
fn serve<B: RunBatch>(runner: &mut B, batch: Vec<Request<B::Input, B::Output>>) {
    let (inputs, answers): (Vec<_>, Vec<_>) = batch.into_iter().map(|request| (request.input, request.answer)).unzip();
    let count = inputs.len();
    let outputs = match panic::catch_unwind(AssertUnwindSafe(|| runner.run(inputs))) {
        Ok(Ok(outputs)) if outputs.len() == count => Ok(outputs),
        Ok(Ok(outputs)) => Err(Error::Runtime(format!("a batch of {count} gave {} answers", outputs.len()))),
        Ok(Err(error)) => Err(error),
        Err(_) => Err(Error::Runtime(format!("a batch of {count} panicked"))),
    };
    // A caller that has given up no longer listens: that is its right.
    match outputs {
        Ok(outputs) => answers.into_iter().zip(outputs).for_each(|(answer, output)| drop(answer.send(Ok(output)))),
        Err(error) => {
            let error = Arc::new(error);
            answers.into_iter().for_each(|answer| drop(answer.send(Err(error.clone()))));
        }
    }
}

#[cfg(test)]
mod tests;
