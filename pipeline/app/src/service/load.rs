// SPDX-License-Identifier: Apache-2.0
//! Load control at work: sheds are measured, [`Control`] decides, streams get their rates.

use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread::JoinHandle;
use std::time::Duration;

use polygraph_core::accounting::Counters;
use polygraph_core::load::{Control, Options};

use super::streams::Streams;
use crate::error::{Error, Result};

/// Between two looks.
const TICK: Duration = Duration::from_secs(2);

/// The thread of load control; it ends with this.
pub struct Load {
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Load {
    /// Begins to look after the streams.
    ///
    /// # Errors
    /// When there is no thread to be had.
    pub fn start(streams: Arc<Streams>) -> Result<Self> {
        let (stop, stopped) = mpsc::channel();
        let mut keeper = Keeper { control: Control::new(Options::default()), last: (0, 0) };
        let thread = std::thread::Builder::new().name("load".into()).spawn(move || {
            while stopped.recv_timeout(TICK) == Err(RecvTimeoutError::Timeout) {
                keeper.look_after(&streams);
            }
        });
        let thread = thread.map_err(|error| Error::Service(format!("load control's thread: {error}")))?;
        Ok(Self { stop: Some(stop), thread: Some(thread) })
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // A panic of it has been said on its own.
            let _ = thread.join();
        }
    }
}

struct Keeper {
    control: Control,
    /// Pictures and blocks of sound that came so far, and of them shed.
    last: (u64, u64),
}

impl Keeper {
    fn look_after(&mut self, streams: &Streams) {
        let all = streams.all();
        for (config, _, _) in &all {
            self.control.set(&config.id, config.demand());
        }
        self.control.retain(|id| all.iter().any(|(config, _, _)| config.id == id));
        let (came, shed) = all
            .iter()
            .map(|(_, _, status)| before_the_analysers(&status.counters))
            .fold((0, 0), |(came, shed), (more, lost)| (came + more, shed + lost));
        // Streams that were removed take their counts with them.
        let more = (came.saturating_sub(self.last.0), shed.saturating_sub(self.last.1));
        self.last = (came, shed);
        self.control.tick(if more.0 == 0 { 0.0 } else { more.1 as f64 / more.0 as f64 });
        for (config, _, _) in &all {
            if let Some(rates) = self.control.of(&config.id) {
                streams.set_rates(&config.id, rates);
            }
        }
    }
}

/// What came to the queues before the analysers, and what they shed.
fn before_the_analysers(counters: &Counters) -> (u64, u64) {
    let queues = counters.iter().filter(|(name, _)| name.ends_with("queue"));
    queues.fold((0, 0), |(came, shed), (_, account)| {
        (came + account.input, shed + account.skipped.get("queue").copied().unwrap_or_default())
    })
}
