// SPDX-License-Identifier: Apache-2.0
//! What Prometheus reads of a worker, and what tells an orchestrator that it lives. The metrics are the service's, with
//! what only a worker has.

use std::net::SocketAddr;
use std::sync::{Arc, Weak};
use std::time::Duration;

use axum::extract::{ConnectInfo, Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Router, middleware};
use polygraph_delivery::Courier;
use polygraph_models::Engine;
use prometheus::core::Collector;
use prometheus::proto::MetricFamily;
use prometheus::{IntCounterVec, IntGauge, Opts};
use tokio::runtime::Runtime;

use super::audit::Audit;
use super::keeper::Crew;
use crate::error::{Error, Result};
use crate::metrics::delivery::Account;
use crate::service::config::{Config, Http, Role, Secret, Token};
use crate::service::http::gate::{Gate, admit};
use crate::service::http::problem::Problem;
use crate::service::http::system::{EXPOSITION, health};
use crate::service::metrics::{Metrics, Readings};
use crate::service::processes::wire::Network;

/// A request that takes longer at the end is given up.
const LAST_REQUEST: Duration = Duration::from_secs(1);

/// What is told. The worker ends when it wants to: nothing here keeps its streams or its spool.
pub struct Told {
    pub crew: Weak<Crew>,
    pub courier: Weak<Courier>,
    pub metrics: Arc<Metrics>,
    pub audit: Arc<Audit>,
}

struct Teller {
    told: Told,
    engine: Arc<Engine>,
    gate: Gate,
}

/// A server of its own, until it is dropped.
pub struct Exposition(Option<Runtime>);

impl Exposition {
    /// Listens.
    ///
    /// # Errors
    /// When the port is taken, or the address can be reached from elsewhere and there is no token.
    pub fn start(listen: SocketAddr, token: Option<&str>, told: Told, engine: Arc<Engine>) -> Result<Self> {
        let gate = gate(listen, token).map_err(Error::Service)?;
        let failed = |error| Error::Service(format!("--metrics {listen}: {error}"));
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("metrics")
            .enable_all()
            .build()
            .map_err(failed)?;
        let listener = runtime.block_on(tokio::net::TcpListener::bind(listen)).map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let router = router(Arc::new(Teller { told, engine, gate }));
        runtime.spawn(async move {
            let service = router.into_make_service_with_connect_info::<SocketAddr>();
            if let Err(error) = axum::serve(listener, service).await {
                errln!("polygraph: metrics are not served any more: {error}");
            }
        });
        errln!("polygraph: metrics are at http://{address}/metrics");
        Ok(Self(Some(runtime)))
    }
}

impl Drop for Exposition {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_timeout(LAST_REQUEST);
        }
    }
}

/// The service's rules of entry, for one who only looks.
fn gate(listen: SocketAddr, token: Option<&str>) -> Result<Gate, String> {
    let token =
        token.map(|token| Token { name: "metrics".into(), role: Role::Viewer, token: Secret::from(token.to_owned()) });
    if token.is_none() && !listen.ip().is_loopback() {
        return Err(format!("--metrics: {listen} can be reached from elsewhere, which demands --metrics-token"));
    }
    let http = Http { listen: listen.to_string(), tokens: token.into_iter().collect(), ..Http::default() };
    let config = Config { http, ..Config::default() };
    config.check()?;
    Gate::new(&config.http)
}

fn router(teller: Arc<Teller>) -> Router {
    Router::new()
        .route("/metrics", get(metrics))
        .layer(middleware::from_fn_with_state(Arc::clone(&teller), pass))
        .route("/healthz", get(health))
        .with_state(teller)
}

async fn pass(
    State(teller): State<Arc<Teller>>,
    ConnectInfo(address): ConnectInfo<SocketAddr>,
    request: Request,
    next: middleware::Next,
) -> Response {
    match admit(&teller.gate, &request, address.ip()) {
        Ok(_) => next.run(request).await,
        Err(problem) => problem.into_response(),
    }
}

async fn metrics(State(teller): State<Arc<Teller>>) -> Result<Response, Problem> {
    let text = tokio::task::spawn_blocking(move || teller.text()).await.map_err(Problem::failed)?;
    Ok((EXPOSITION, text.map_err(Problem::failed)?).into_response())
}

impl Teller {
    fn text(&self) -> prometheus::Result<String> {
        let (Some(crew), Some(courier)) = (self.told.crew.upgrade(), self.told.courier.upgrade()) else {
            return Err(prometheus::Error::Msg("the worker ends".into()));
        };
        let streams = crew.statuses();
        let networks: Vec<_> = self.engine.reports().into_iter().map(Network::from).collect();
        let (usage, delivery) = (self.engine.usage(), Some(Account::of(&courier)));
        let readings = Readings { streams: &streams, networks: &networks, usage: &usage, store: None, delivery };
        let mut text = self.told.metrics.text(&readings)?;
        prometheus::TextEncoder::new().encode_utf8(&self.own(streams.len())?, &mut text)?;
        Ok(text)
    }

    /// What only a worker has.
    fn own(&self, streams: usize) -> prometheus::Result<Vec<MetricFamily>> {
        let running = IntGauge::new("polygraph_worker_streams", "Streams that Kafka has given to this worker")?;
        running.set(i64::try_from(streams).unwrap_or(i64::MAX));
        let audited = IntCounterVec::new(
            Opts::new(
                "polygraph_worker_fenced_events_total",
                "Events of streams that were another worker's by then: kept in the audit file, or lost for want of room",
            ),
            &["fate"],
        )?;
        let (kept, lost) = self.told.audit.counts();
        audited.with_label_values(&["kept"]).inc_by(kept);
        audited.with_label_values(&["lost"]).inc_by(lost);
        Ok([running.collect(), audited.collect()].concat())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_that_others_reach_demands_a_token_that_cannot_be_guessed() {
        let (near, far) = ("127.0.0.1:0".parse().unwrap(), "0.0.0.0:0".parse().unwrap());
        assert!(gate(near, None).is_ok());
        assert!(gate(far, Some("0123456789abcdef")).is_ok());
        for (listen, token) in [(far, None), (far, Some("short")), (near, Some("env:NO_SUCH_VARIABLE_OF_OURS"))] {
            assert!(gate(listen, token).is_err(), "{listen} {token:?}");
        }
    }
}
