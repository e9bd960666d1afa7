// SPDX-License-Identifier: Apache-2.0
//! The event stream as a WebSocket, by CloudEvents' binding for it (subprotocol `cloudevents.json`): each message is one
//! CloudEvent. Nobody is waited for: whoever reads too slowly or answers no ping is closed, and that is counted. Nothing is
//! lost by it, for who comes back resumes after the last id.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::rejection::QueryRejection;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade, close_code};
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde_json::json;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::{Instant, sleep_until, timeout};
use ulid::Ulid;

use super::{ALIVE, Filter, Present, Resumed, resume};
use crate::service::http::{Shared, problem::Problem};
use crate::service::hub::{Hub, Said};
use crate::service::metrics::Metrics;

/// What this is called in metrics.
const PROTOCOL: &str = "websocket";
/// Most bytes of what a client sends: it has nothing to say but pongs and its farewell.
const MOST_BYTES: usize = 4096;
/// For the answer to a ping.
const PONG: Duration = Duration::from_secs(10);
/// For one message to find room on its way: behind a full socket nobody reads.
const ROOM: Duration = Duration::from_secs(5);
/// For the other side's farewell.
const FAREWELL: Duration = Duration::from_secs(1);

/// Why a listener is there no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// It went.
    Left,
    /// It reads more slowly than events come.
    Slow,
    /// It didn't answer a ping in time.
    Silent,
    /// What it sent was too long, or no WebSocket's.
    Broken,
}

impl End {
    const ALL: [Self; 4] = [Self::Left, Self::Slow, Self::Silent, Self::Broken];

    /// Its name in metrics.
    fn as_str(self) -> &'static str {
        match self {
            Self::Left => "left",
            Self::Slow => "slow",
            Self::Silent => "silent",
            Self::Broken => "broken",
        }
    }

    fn frame(self) -> CloseFrame {
        let (code, reason) = match self {
            Self::Left => (close_code::NORMAL, ""),
            Self::Slow => (close_code::AGAIN, "too slow: come back after the last id"),
            Self::Silent => (close_code::POLICY, "no answer to a ping"),
            // Of whoever breaks the protocol otherwise there is mostly nobody left to hear it.
            Self::Broken => (close_code::SIZE, "messages of 4096 bytes at most"),
        };
        CloseFrame { code, reason: reason.into() }
    }
}

/// Gives every reason a count, so that one can be told of that never was.
pub fn count_from_zero(metrics: &Metrics) {
    for end in End::ALL {
        metrics.closed.with_label_values(&[PROTOCOL, end.as_str()]);
    }
}

/// The event stream as a WebSocket.
pub async fn open(
    State(app): Shared,
    filter: Result<Query<Filter>, QueryRejection>,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response, Problem> {
    let Query(filter) = filter?;
    let upgrade = upgrade.map_err(|why| {
        Problem::new(StatusCode::UPGRADE_REQUIRED, format!("this is a WebSocket: {}", why.body_text()))
    })?;
    let resumed = resume(&app, filter.after.clone(), &filter).await?;
    let hub = Arc::clone(&app.hub);
    let limited = upgrade.max_message_size(MOST_BYTES).max_frame_size(MOST_BYTES).protocols(["cloudevents.json"]);
    Ok(limited.on_upgrade(move |mut socket| async move {
        let _present = Present::new(&hub, PROTOCOL);
        let end = talk(&mut socket, &hub, &filter, resumed).await;
        let end = close(&mut socket, end).await;
        hub.metrics.closed.with_label_values(&[PROTOCOL, end.as_str()]).inc();
    }))
}

/// What happened next.
enum Turn {
    Heard(Option<Result<Message, axum::Error>>),
    Due,
    Said(Result<Arc<Said>, RecvError>),
}

/// Tells events until either side ends it.
async fn talk(socket: &mut WebSocket, hub: &Hub, filter: &Filter, resumed: Resumed) -> End {
    let Resumed { before, gap, mut listener } = resumed;
    if gap && let Err(end) = send(socket, Message::text(gap_event())).await {
        return end;
    }
    let mut before = before.into_iter();
    let mut pulse = Pulse::new();
    loop {
        let turn = {
            let next = async {
                match before.next() {
                    Some(said) => Ok(said),
                    None => listener.recv().await,
                }
            };
            tokio::select! {
                heard = socket.recv() => Turn::Heard(heard),
                () = sleep_until(pulse.due) => Turn::Due,
                said = next => Turn::Said(said),
            }
        };
        let done = match turn {
            Turn::Heard(heard) => pulse.hear(heard),
            Turn::Due => match pulse.beat() {
                Ok(ping) => send(socket, ping).await,
                Err(end) => Err(end),
            },
            Turn::Said(Ok(said)) if filter.takes(&said) => send(socket, Message::text(&*said.line)).await,
            Turn::Said(Ok(_)) => Ok(()),
            Turn::Said(Err(RecvError::Lagged(missed))) => {
                hub.metrics.missed.inc_by(missed);
                Err(End::Slow)
            }
            Turn::Said(Err(RecvError::Closed)) => Err(End::Left),
        };
        if let Err(end) = done {
            return end;
        }
    }
}

async fn send(socket: &mut WebSocket, message: Message) -> Result<(), End> {
    match timeout(ROOM, socket.send(message)).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(_)) => Err(End::Left),
        Err(_) => Err(End::Slow),
    }
}

/// Says farewell, and reads on for a moment until the other side has done so, lest what it still has to read is thrown away.
/// Says why it ended.
async fn close(socket: &mut WebSocket, end: End) -> End {
    let told = timeout(FAREWELL, socket.send(Message::Close(Some(end.frame())))).await;
    let rest = async { while let Some(Ok(_)) = socket.recv().await {} };
    // Who has gone, or reads nothing, has no farewell.
    let _ = timeout(FAREWELL, rest).await;
    match (end, told) {
        // A connection that was cut reads like one that breaks the protocol, but nothing can be sent on it.
        (End::Broken, Ok(Err(_)) | Err(_)) => End::Left,
        _ => end,
    }
}

/// Events are missing here that nobody has any more: a CloudEvent as well, so that all messages are.
fn gap_event() -> String {
    json!({
        "specversion": "1.0", "id": format!("gap/{}", Ulid::new()), "source": "/api/v1/events", "type": "io.polygraph.gap.v1",
    })
    .to_string()
}

/// Pings, and whether they are answered.
struct Pulse {
    /// When the next ping is to go, or the answer to the last one is to be there.
    due: Instant,
    asked: bool,
}

impl Pulse {
    fn new() -> Self {
        Self { due: Instant::now() + ALIVE, asked: false }
    }

    /// Takes note of what the other side says.
    fn hear(&mut self, heard: Option<Result<Message, axum::Error>>) -> Result<(), End> {
        match heard {
            None | Some(Ok(Message::Close(_))) => Err(End::Left),
            Some(Err(_)) => Err(End::Broken),
            Some(Ok(Message::Pong(_))) => {
                *self = Self::new();
                Ok(())
            }
            // Pings are answered by the library; there is nothing to be said otherwise.
            Some(Ok(_)) => Ok(()),
        }
    }

    /// The time has come: a ping that is to be sent, or the end where none was answered.
    fn beat(&mut self) -> Result<Message, End> {
        if self.asked {
            return Err(End::Silent);
        }
        *self = Self { due: Instant::now() + PONG, asked: true };
        Ok(Message::Ping("alive".into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_answers_pings_stays_and_who_does_not_goes() {
        let mut pulse = Pulse::new();
        for _ in 0..3 {
            assert!(pulse.beat().is_ok());
            assert_eq!(pulse.hear(Some(Ok(Message::Pong("alive".into())))), Ok(()));
        }
        assert!(pulse.beat().is_ok());
        assert_eq!(pulse.hear(Some(Ok(Message::text("hello")))), Ok(()));
        assert_eq!(pulse.beat().err(), Some(End::Silent), "what isn't asked for is no answer");
        assert_eq!(pulse.hear(None), Err(End::Left));
    }
}
