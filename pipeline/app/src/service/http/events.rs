// SPDX-License-Identifier: Apache-2.0
//! The event stream: CloudEvents, filtered by stream and kind, resumed after an id. Here as Server-Sent Events: what a
//! listener is too slow for it misses, and is told so. [`socket`] has it as a WebSocket.

pub mod socket;

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::HeaderMap;
use axum::response::sse::{Event, KeepAlive, Sse};
use serde::Deserialize;
use tokio::sync::{Semaphore, broadcast};
use tokio::task::spawn_blocking;
use tokio_stream::wrappers::BroadcastStream;
use tokio_stream::wrappers::errors::BroadcastStreamRecvError;
use tokio_stream::{Stream, StreamExt};

use super::{App, Shared, problem::Problem};
use crate::service::hub::{Hub, Said};

/// Events that are repeated from disk at most.
const MOST_REPEATED: usize = 50_000;
/// Listeners for whom the disk is read at once: one that is behind may be a gigabyte behind.
static READERS: Semaphore = Semaphore::const_new(4);
/// Between two signs of life.
const ALIVE: Duration = Duration::from_secs(15);

/// Which events.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Filter {
    /// Ids of streams, with commas between; all without.
    #[serde(default)]
    streams: String,
    /// Kinds, with commas between: stream, frame, transcript, shot, incident; all without.
    #[serde(default)]
    kinds: String,
    /// Begin after the event of this id; Last-Event-ID does the same.
    after: Option<String>,
}

impl Filter {
    fn takes(&self, said: &Said) -> bool {
        let lets = |list: &str, item: &str| list.is_empty() || list.split(',').any(|own| own.trim() == item);
        lets(&self.kinds, &said.kind) && lets(&self.streams, &said.stream)
    }
}

/// What came before, and what comes.
struct Resumed {
    before: Vec<Arc<Said>>,
    /// The id isn't known any more: there is a gap of unknown size.
    gap: bool,
    listener: broadcast::Receiver<Arc<Said>>,
}

/// Listens, after an id if there is one: from memory, else from disk.
async fn resume(app: &Arc<App>, after: Option<String>, filter: &Filter) -> Result<Resumed, Problem> {
    let Some(id) = after else {
        return Ok(Resumed { before: vec![], gap: false, listener: app.hub.listen() });
    };
    let (memory, listener) = app.hub.listen_after(&id);
    if memory.found {
        return Ok(Resumed { before: memory.events, gap: false, listener });
    }
    // Older than memory: from disk up to where memory begins.
    let reading = Arc::clone(app);
    let until = memory.events.first().map(|said| said.id.clone());
    let filter = filter.clone();
    let takes = move |line: &str| Said::of_line(line.into()).is_some_and(|said| filter.takes(&said));
    // It is never closed, so a turn comes.
    let turn = READERS.acquire().await;
    let stored = spawn_blocking(move || reading.hub.store().after(&id, until.as_deref(), MOST_REPEATED, takes)).await?;
    drop(turn);
    // Memory of a run that has forgotten nothing follows the last run's disk.
    let gap = stored.as_ref().is_none_or(|stored| stored.cut || (!stored.reached && memory.full));
    let lines = stored.into_iter().flat_map(|stored| stored.lines);
    let mut before: Vec<_> = lines.filter_map(|line| Said::of_line(line).map(Arc::new)).collect();
    before.extend(memory.events);
    Ok(Resumed { before, gap, listener })
}

/// Counts a listener while it is there.
struct Present(Arc<Hub>, &'static str);

impl Present {
    fn new(hub: &Arc<Hub>, protocol: &'static str) -> Self {
        hub.metrics.listeners.with_label_values(&[protocol]).inc();
        Self(Arc::clone(hub), protocol)
    }
}

impl Drop for Present {
    fn drop(&mut self) {
        self.0.metrics.listeners.with_label_values(&[self.1]).dec();
    }
}

/// The event stream as Server-Sent Events. `id` is the CloudEvent's id, the data are the CloudEvent. An event `missed`
/// says how many were lost for want of speed, `gap` that the id to begin after isn't known any more.
pub async fn sse(
    State(app): Shared,
    filter: Result<Query<Filter>, QueryRejection>,
    headers: HeaderMap,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, Problem> {
    let Query(filter) = filter?;
    let last = headers.get("last-event-id").and_then(|id| id.to_str().ok()).map(str::to_owned);
    let Resumed { before, gap, listener } = resume(&app, filter.after.clone().or(last), &filter).await?;
    let present = Present::new(&app.hub, "sse");
    let hub = Arc::clone(&app.hub);
    let event = |said: &Said| Event::default().id(&said.id).event(&said.kind).data(&*said.line);
    let gap = gap.then(|| Event::default().event("gap").data("{}"));
    let live = filter.clone();
    let past = before.into_iter().filter(move |said| filter.takes(said)).map(move |said| event(&said));
    let coming = BroadcastStream::new(listener).filter_map(move |said| {
        // Present as long as the stream is.
        let _ = &present;
        match said {
            Ok(said) => live.takes(&said).then(|| event(&said)),
            Err(BroadcastStreamRecvError::Lagged(missed)) => {
                hub.metrics.missed.inc_by(missed);
                Some(Event::default().event("missed").data(missed.to_string()))
            }
        }
    });
    let events = tokio_stream::iter(gap.into_iter().chain(past)).chain(coming).map(Ok);
    Ok(Sse::new(events).keep_alive(KeepAlive::new().interval(ALIVE)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_let_pass_what_they_name_and_everything_without_a_name() {
        let said = Said { id: "a".into(), kind: "frame".into(), stream: "cam".into(), line: "{}".into() };
        let takes = |streams: &str, kinds: &str| {
            Filter { streams: streams.into(), kinds: kinds.into(), after: None }.takes(&said)
        };
        assert!(takes("", "") && takes("cam", "") && takes("x, cam", "shot,frame"));
        assert!(!takes("came", "") && !takes("", "shot") && !takes("cam", "shot"));
    }
}
