// SPDX-License-Identifier: Apache-2.0
//! When to connect a stream that runs for ever, when to doubt it, and when to begin again: a pure state machine. Times
//! are durations since any moment that the caller chose; it has no clock, no thread and no source of chance of its own.

use std::time::Duration;

pub use crate::record::StreamState as State;

/// What the machine waits for.
#[derive(Clone, Debug, PartialEq)]
pub struct Times {
    /// From connecting to the first data of any kind; `None` for sources that wait for a sender (UDP, SRT listeners).
    pub connect: Option<Duration>,
    /// From the first data to the first picture or sound that was decoded.
    pub decode: Duration,
    /// Without anything decoded for so long, the stream is stalled.
    pub stall: Duration,
    /// Without anything decoded for so long, it is connected anew. While the source goes on to send, it is given at
    /// least `decode`: on a machine that has too much to do, pictures come late, and a source that sends isn't gone.
    pub restart: Duration,
    /// The first wait before connecting again; it doubles up to `backoff_max`. Waits count from the last that came of the
    /// source, and are never shorter than this.
    pub backoff_min: Duration,
    /// The longest wait, before jitter.
    pub backoff_max: Duration,
    /// Waits are drawn from `1 - jitter ..= 1 + jitter` times their length, so that streams of one server that
    /// restarted don't come back in one moment.
    pub jitter: f64,
    /// The back-off begins anew after the stream ran for so long.
    pub stable: Duration,
    /// The wait after a fault that trying again is unlikely to mend.
    pub hopeless: Duration,
}

impl Default for Times {
    fn default() -> Self {
        let seconds = Duration::from_secs;
        Self {
            connect: Some(seconds(3)),
            decode: seconds(10),
            stall: seconds(2),
            restart: seconds(5),
            backoff_min: Duration::from_millis(500),
            backoff_max: seconds(5),
            jitter: 0.2,
            stable: seconds(10),
            hopeless: seconds(30),
        }
    }
}

/// What the source has shown since it was connected.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// Buffers that came from the source, of whatever kind.
    pub received: u64,
    /// Decoded pictures; of a source without any, decoded blocks of sound. It only grows.
    pub decoded: u64,
    /// What ended the connection.
    pub broken: Option<Break>,
}

/// Why a connection ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Break {
    /// The source failed; it may come back.
    Source(String),
    /// Its time stepped: PTS before and after can't share an epoch. It is connected anew without a wait.
    Stepped(String),
    /// A file that is to be shown again and again came to its end.
    Again,
    /// A file came to its end.
    Ended,
    /// What failed is not the source: a plugin or a network is missing, or the source may not be opened.
    Ours(String),
}

/// What the caller has to do now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Do {
    /// Open a new connection, in a new epoch.
    Connect,
    /// Close the connection, however long that takes it.
    Close,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Phase {
    Waiting { until: Duration },
    Opening { since: Duration, first_data: Option<Duration> },
    Flowing(Flow),
    Over,
}

/// A stream that gives something.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Flow {
    /// Since when it runs.
    since: Duration,
    /// How much was decoded, and when that last grew.
    decoded: (u64, Duration),
    /// How much came from the source, and when that last grew.
    received: (u64, Duration),
}

/// The state machine of one stream.
#[derive(Clone, Debug)]
pub struct Machine {
    times: Times,
    state: State,
    reason: Option<String>,
    phase: Phase,
    /// Connections that failed since the stream was last stable.
    failures: u32,
    /// Connections after the first; a file that begins again is none.
    reconnects: u64,
    /// The next connection is one of them.
    again: bool,
}

impl Machine {
    /// A stream that is to be connected at once.
    pub fn new(times: Times) -> Self {
        Self {
            times,
            state: State::Connecting,
            reason: None,
            phase: Phase::Waiting { until: Duration::ZERO },
            failures: 0,
            reconnects: 0,
            again: false,
        }
    }

    /// How the stream is.
    pub fn state(&self) -> State {
        self.state
    }

    /// Why it is so, for people.
    pub fn reason(&self) -> Option<&str> {
        self.reason.as_deref()
    }

    /// Connections after the first. A file that is shown again is not counted.
    pub fn reconnects(&self) -> u64 {
        self.reconnects
    }

    /// Takes what the source has shown by `now`, and says what is to be done; to be called again until it says nothing.
    /// `chance` is drawn anew for each call, from 0 to 1.
    pub fn step(&mut self, now: Duration, seen: &Seen, chance: f64) -> Option<Do> {
        match self.phase {
            Phase::Over => None,
            Phase::Waiting { until } if now < until => None,
            Phase::Waiting { .. } => {
                self.phase = Phase::Opening { since: now, first_data: None };
                self.reconnects += u64::from(self.again);
                Some(Do::Connect)
            }
            Phase::Opening { .. } | Phase::Flowing(_) if seen.broken.is_some() => {
                // `is_some` was just asked.
                seen.broken.clone().map(|broken| self.break_off(now, broken, chance))
            }
            Phase::Opening { since, first_data } => self.opening(now, since, first_data, seen, chance),
            Phase::Flowing(flow) => self.flowing(now, flow, seen, chance),
        }
    }

    /// Ends the stream for good.
    pub fn stop(&mut self, reason: Option<String>) {
        (self.phase, self.state, self.reason) = (Phase::Over, State::Stopped, reason);
    }

    fn opening(
        &mut self,
        now: Duration,
        since: Duration,
        first_data: Option<Duration>,
        seen: &Seen,
        chance: f64,
    ) -> Option<Do> {
        if seen.decoded > 0 {
            let (decoded, received) = ((seen.decoded, now), (seen.received, now));
            self.phase = Phase::Flowing(Flow { since: now, decoded, received });
            (self.state, self.reason) = (State::Running, None);
            return None;
        }
        let Some(first) = first_data.or_else(|| (seen.received > 0).then_some(now)) else {
            let patience = self.times.connect?;
            let late = now.saturating_sub(since) >= patience;
            return late.then(|| {
                let why = format!("no data within {:.1} s of connecting", patience.as_secs_f64());
                self.break_off(now, Break::Source(why), chance)
            });
        };
        self.phase = Phase::Opening { since, first_data: Some(first) };
        (now.saturating_sub(first) >= self.times.decode).then(|| {
            let why = format!("data came, and nothing could be decoded in {:.1} s", self.times.decode.as_secs_f64());
            self.break_off(now, Break::Source(why), chance)
        })
    }

    fn flowing(&mut self, now: Duration, mut flow: Flow, seen: &Seen, chance: f64) -> Option<Do> {
        if seen.received != flow.received.0 {
            flow.received = (seen.received, now);
        }
        if seen.decoded != flow.decoded.0 {
            if self.state == State::Stalled {
                flow.since = now;
            }
            flow.decoded = (seen.decoded, now);
            (self.state, self.reason, self.phase) = (State::Running, None, Phase::Flowing(flow));
            if now.saturating_sub(flow.since) >= self.times.stable {
                self.failures = 0;
            }
            return None;
        }
        self.phase = Phase::Flowing(flow);
        let silent = now.saturating_sub(flow.decoded.1);
        let sends = now.saturating_sub(flow.received.1) < self.times.stall;
        let nothing = |patience: Duration| {
            let what = if sends { "the source sends, and nothing was decoded" } else { "nothing came from the source" };
            format!("{what} for {:.1} s", patience.as_secs_f64())
        };
        let restart = if sends { self.times.restart.max(self.times.decode) } else { self.times.restart };
        if silent >= restart {
            return Some(self.break_off(now, Break::Source(nothing(restart)), chance));
        }
        if silent >= self.times.stall && self.state == State::Running {
            (self.state, self.reason) = (State::Stalled, Some(nothing(self.times.stall)));
        }
        None
    }

    /// The connection is over.
    fn break_off(&mut self, now: Duration, why: Break, chance: f64) -> Do {
        self.again = why != Break::Again;
        // A source that was silent before it was given up has been left alone for as long already.
        let heard = match (&self.phase, &why) {
            (Phase::Flowing(flow), Break::Source(_)) => flow.received.1,
            _ => now,
        };
        let (state, reason, wait) = match why {
            Break::Ended => {
                self.stop(Some("the file came to its end".into()));
                return Do::Close;
            }
            Break::Again => (self.state, None, Duration::ZERO),
            Break::Stepped(reason) => (State::Recovering, Some(reason), Duration::ZERO),
            Break::Source(reason) => (State::Recovering, Some(reason), self.backoff(chance)),
            Break::Ours(reason) => (State::Failed, Some(reason), self.times.hopeless),
        };
        let until = (heard + wait).max(now + wait.min(self.times.backoff_min));
        (self.state, self.reason, self.phase) = (state, reason, Phase::Waiting { until });
        Do::Close
    }

    /// Exponential, with jitter.
    fn backoff(&mut self, chance: f64) -> Duration {
        let doublings = self.failures.min(16);
        self.failures += 1;
        let wait = (self.times.backoff_min * (1 << doublings)).min(self.times.backoff_max);
        wait.mul_f64(1.0 + self.times.jitter * (2.0 * chance.clamp(0.0, 1.0) - 1.0))
    }
}
