// SPDX-License-Identifier: Apache-2.0
//! Runs and stops streams as the group says, and tells how they are.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use polygraph_core::event::Event;
use polygraph_core::fleet::{Status, Wanted};
use polygraph_core::profile::Profile;
use polygraph_delivery::{Courier, Keeper, StatusWriter, Stop};

use super::audit::Audit;
use super::gate::Gate;
use super::runner::{Listener, Run, Runner};
use crate::service::metrics::Metrics;
use crate::sync::lock;
use crate::{supervise, wall};

/// How long streams may take to stop before others run them: a hand-over is over within five seconds.
const STOP: Duration = Duration::from_secs(3);
/// How long word of it is waited for.
const WORD: Duration = Duration::from_millis(500);

/// The streams of this worker.
pub struct Crew {
    name: String,
    runner: Box<dyn Runner>,
    courier: Arc<Courier>,
    profile: Profile,
    audit: Arc<Audit>,
    status: Arc<StatusWriter>,
    metrics: Arc<Metrics>,
    runs: Mutex<BTreeMap<String, Running>>,
}

struct Running {
    run: Box<dyn Run>,
    voice: Arc<Voice>,
}

/// What a run says: its events go through the gate, its states to the table.
struct Voice {
    worker: String,
    stream: String,
    generation: u64,
    gate: Gate,
    status: Arc<StatusWriter>,
    metrics: Arc<Metrics>,
}

impl Voice {
    fn say(&self, state: &str, reason: Option<String>) {
        let since_ms = wall::now_ms();
        let Self { worker, generation, .. } = self;
        let status =
            Status { worker: worker.clone(), generation: *generation, state: state.to_owned(), reason, since_ms };
        if let Ok(record) = serde_json::to_vec(&status) {
            self.status.write(&self.stream, &record);
        }
    }
}

impl Listener for Voice {
    fn event(&self, event: &Event, delay: Option<Duration>) {
        self.metrics.event(event, delay);
        self.gate.event(event);
    }

    fn state(&self, state: &str, reason: Option<&str>) {
        // What another worker says of it counts now.
        if !self.gate.is_fenced() {
            self.say(state, reason.map(str::to_owned));
        }
    }
}

impl Crew {
    pub fn new(
        name: String,
        runner: Box<dyn Runner>,
        courier: Arc<Courier>,
        profile: Profile,
        audit: Arc<Audit>,
        status: StatusWriter,
        metrics: Arc<Metrics>,
    ) -> Self {
        Self { name, runner, courier, profile, audit, status: Arc::new(status), metrics, runs: Mutex::default() }
    }

    fn runs(&self) -> MutexGuard<'_, BTreeMap<String, Running>> {
        lock(&self.runs)
    }

    fn voice(&self, stream: &str, generation: u64) -> Arc<Voice> {
        let gate = Gate::new(generation, self.profile, Arc::clone(&self.courier), Arc::clone(&self.audit));
        let status = Arc::clone(&self.status);
        let metrics = Arc::clone(&self.metrics);
        Arc::new(Voice { worker: self.name.clone(), stream: stream.to_owned(), generation, gate, status, metrics })
    }

    /// How each of its streams is.
    pub fn statuses(&self) -> Vec<(String, supervise::Status)> {
        self.runs().iter().map(|(stream, running)| (stream.clone(), running.run.status())).collect()
    }

    /// Sees to it that what it says is heard.
    pub fn heal(&self) {
        self.status.heal();
    }

    /// Waits for the last word.
    pub fn end(&self) {
        self.status.flush(WORD);
    }
}

impl Keeper for Crew {
    fn run(&self, stream: &str, record: &[u8], generation: u64) {
        // What has changed is run anew: options concern the whole graph.
        self.stop(&[stream.to_owned()], Stop::Unwanted);
        let voice = self.voice(stream, generation);
        let started = Wanted::read(record)
            .map_err(|why| format!("its record in {} is not valid: {why}", polygraph_delivery::DESIRED))
            .and_then(|wanted| self.runner.start(stream, &wanted, voice.clone()));
        match started {
            Ok(run) => {
                errln!("polygraph: {stream}: running, generation {generation}");
                self.runs().insert(stream.to_owned(), Running { run, voice });
            }
            Err(why) => {
                errln!("polygraph: {stream}: {why}");
                voice.say("refused", Some(why));
            }
        }
    }

    fn stop(&self, streams: &[String], why: Stop) {
        let stopping: Vec<_> = {
            let mut runs = self.runs();
            streams.iter().filter_map(|stream| runs.remove(stream)).collect()
        };
        if stopping.is_empty() {
            return;
        }
        if why == Stop::Lost {
            // Before anything else: from now on they are another worker's.
            stopping.iter().for_each(|running| running.voice.gate.fence());
            self.status.forget();
        }
        let names: Vec<_> = stopping.iter().map(|running| running.voice.stream.as_str()).collect();
        errln!("polygraph: {}: {}", names.join(", "), told(why));
        stopping.iter().for_each(|running| running.run.ask_to_stop());
        let deadline = Instant::now() + if why == Stop::Lost { Duration::ZERO } else { STOP };
        for Running { run, voice } in stopping {
            run.stop(deadline.saturating_duration_since(Instant::now()));
            if why == Stop::HandedOver {
                voice.say("handed_over", None);
            }
            // A run that takes longer says the rest to nobody but the audit file.
            voice.gate.fence();
            self.metrics.forget(&voice.stream);
        }
        if why == Stop::HandedOver {
            self.status.flush(WORD);
        }
    }
}

fn told(why: Stop) -> &'static str {
    match why {
        Stop::Unwanted => "ended",
        Stop::HandedOver => "handed over to another worker",
        Stop::Lost => "lost to another worker; what comes now goes to the audit file",
    }
}
