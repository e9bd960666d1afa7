// SPDX-License-Identifier: Apache-2.0
//! Incidents to a webhook: each event of a rule that asks for it is posted as a CloudEvent, signed, and tried again while
//! the other side is away.
//!
//! The signature is `X-Polygraph-Signature: sha256=HEX`, the HMAC-SHA-256 (RFC 2104) of `TIMESTAMP.BODY` with the secret;
//! `X-Polygraph-Timestamp` has the seconds of the Unix epoch, so that an old post can be refused.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use curl::easy::{Easy, List};
use hmac::{Hmac, KeyInit, Mac};
use polygraph_core::rules::Webhook;
use sha2::Sha256;

use crate::error::{Error, Result};
use crate::service::config::Secret;
use crate::wall;

/// Events that wait at most; further ones are given up and counted, for a stream never waits for a webhook.
const MOST_WAITING: usize = 1024;
/// One attempt may take so long.
const ATTEMPT: Duration = Duration::from_secs(10);
/// Between attempts: at first, doubled each time...
const FIRST_PAUSE: Duration = Duration::from_millis(500);
/// ...up to this.
const LONGEST_PAUSE: Duration = Duration::from_secs(15);
/// How long the end of a run waits for a webhook that is away.
const PATIENCE: Duration = Duration::from_secs(90);

/// What became of the events.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Posted {
    /// Taken by the other side.
    pub delivered: u64,
    /// Given up: refused by the other side, no room, or the end came.
    pub given_up: u64,
}

/// Posts events from a thread of its own.
pub struct Hook {
    queue: Option<SyncSender<String>>,
    thread: Option<JoinHandle<()>>,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    delivered: AtomicU64,
    given_up: AtomicU64,
    /// The run is over: what can't be delivered within [`PATIENCE`] is given up.
    ending: AtomicBool,
}

impl Hook {
    /// For a rule set's webhook.
    ///
    /// # Errors
    /// When the secret can't be read or no thread can be started.
    pub fn start(webhook: &Webhook) -> Result<Self> {
        let secret = webhook.secret.as_deref().map(secret).transpose()?;
        let (queue, events) = sync_channel(MOST_WAITING);
        let shared = Arc::new(Shared::default());
        let poster = Poster { url: webhook.url.clone(), secret, shared: Arc::clone(&shared), away: false, ends: None };
        let thread = std::thread::Builder::new().name("webhook".into());
        let thread = thread.spawn(move || poster.run(&events));
        let thread = thread.map_err(|why| Error::File { path: webhook.url.clone(), why })?;
        Ok(Self { queue: Some(queue), thread: Some(thread), shared })
    }

    /// Hands over an event; never waits.
    pub fn post(&self, event: String) {
        let taken = self.queue.as_ref().is_some_and(|queue| queue.try_send(event).is_ok());
        if !taken && self.shared.given_up.fetch_add(1, Ordering::Relaxed) == 0 {
            errln!("polygraph: too many events wait for the webhook: further ones are given up");
        }
    }

    /// Waits until everything is delivered, at most [`PATIENCE`] while the other side is away.
    pub fn finish(mut self) -> Posted {
        self.shared.ending.store(true, Ordering::Relaxed);
        drop(self.queue.take());
        if let Some(thread) = self.thread.take() {
            // It holds no lock and nothing of ours: if it panicked, what it had delivered is counted.
            let _ = thread.join();
        }
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Posted { delivered: count(&self.shared.delivered), given_up: count(&self.shared.given_up) }
    }
}

/// The key of signatures, from `env:NAME` or `file:PATH`.
fn secret(source: &str) -> Result<Vec<u8>> {
    let missing =
        |why: String| Error::File { path: format!("the webhook's secret, {source}"), why: std::io::Error::other(why) };
    let key = Secret::from(source.to_owned()).value().map_err(missing)?;
    if key.is_empty() { Err(missing("it is empty".into())) } else { Ok(key.into_bytes()) }
}

struct Poster {
    url: String,
    secret: Option<Vec<u8>>,
    shared: Arc<Shared>,
    /// The last attempt failed, and that was told.
    away: bool,
    /// When to give up, once the run is over.
    ends: Option<Instant>,
}

enum Answer {
    Taken,
    /// It will never take this one.
    Refused(String),
    Away(String),
}

impl Poster {
    fn run(mut self, events: &Receiver<String>) {
        while let Ok(event) = events.recv() {
            let counter = if self.deliver(&event) { &self.shared.delivered } else { &self.shared.given_up };
            counter.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn deliver(&mut self, event: &str) -> bool {
        let mut pause = FIRST_PAUSE;
        // Patience is for all that is left, not for each.
        if self.ends.is_some_and(|ends| Instant::now() >= ends) {
            return false;
        }
        loop {
            match self.attempt(event) {
                Answer::Taken => {
                    if std::mem::take(&mut self.away) {
                        errln!("polygraph: the webhook takes events again");
                    }
                    return true;
                }
                Answer::Refused(why) => {
                    errln!("polygraph: the webhook refuses an event for good: {why}");
                    return false;
                }
                Answer::Away(why) => {
                    if !std::mem::replace(&mut self.away, true) {
                        errln!("polygraph: the webhook can't be reached ({why}); it is tried again");
                    }
                }
            }
            if self.shared.ending.load(Ordering::Relaxed) {
                let ends = *self.ends.get_or_insert_with(|| Instant::now() + PATIENCE);
                if Instant::now() >= ends {
                    return false;
                }
            }
            std::thread::sleep(pause);
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    fn attempt(&self, event: &str) -> Answer {
        match self.post(event) {
            Ok(200..=299) => Answer::Taken,
            // Too early, too many, or too slow: as good as away.
            Ok(code @ (408 | 425 | 429 | 500..)) => Answer::Away(format!("it answers {code}")),
            Ok(code) => Answer::Refused(format!("it answers {code}")),
            Err(error) => Answer::Away(error.description().to_owned()),
        }
    }

    fn post(&self, event: &str) -> std::result::Result<u32, curl::Error> {
        let mut easy = Easy::new();
        easy.url(&self.url)?;
        easy.timeout(ATTEMPT)?;
        easy.post(true)?;
        easy.post_fields_copy(event.as_bytes())?;
        let mut headers = List::new();
        headers.append("Content-Type: application/cloudevents+json")?;
        headers.append(concat!("User-Agent: polygraph/", env!("CARGO_PKG_VERSION")))?;
        let seconds = wall::now_ms() / 1000;
        headers.append(&format!("X-Polygraph-Timestamp: {seconds}"))?;
        if let Some(signature) = self.secret.as_ref().and_then(|secret| sign(secret, seconds, event)) {
            headers.append(&format!("X-Polygraph-Signature: sha256={signature}"))?;
        }
        easy.http_headers(headers)?;
        let mut transfer = easy.transfer();
        transfer.write_function(|answer| Ok(answer.len()))?;
        transfer.perform()?;
        drop(transfer);
        easy.response_code()
    }
}

/// Hexadecimal HMAC-SHA-256 of `SECONDS.BODY`.
fn sign(secret: &[u8], seconds: u64, body: &str) -> Option<String> {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret).ok()?;
    mac.update(format!("{seconds}.{body}").as_bytes());
    Some(mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_is_that_of_other_tools() {
        // printf '1.{}' | openssl dgst -sha256 -hmac key
        let expected = "1ba6b8171186efc613e8bcc0cbdab2748f24984d7c5a84faa2637afa0e40d224";
        assert_eq!(sign(b"key", 1, "{}").as_deref(), Some(expected));
    }
}
