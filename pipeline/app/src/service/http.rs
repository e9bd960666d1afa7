// SPDX-License-Identifier: Apache-2.0
//! The HTTP API and the live page. What may take long (starting and stopping streams, reading the disk) is done on
//! threads for that, so that the API's own two are never held up.

mod deepstream;
mod events;
mod evidence;
pub mod gate;
mod incidents;
mod openapi;
mod page;
pub mod problem;
mod streams;
pub mod system;
mod view;

use std::fs::OpenOptions;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::extract::DefaultBodyLimit;
use axum::routing::{get, post};
use axum::{Router, middleware};
use polygraph_models::Engine;
use tokio::net::TcpListener;

use super::config::Config;
use super::hub::Hub;
use super::streams::Streams;
use crate::error::{Error, Result};
use gate::{Audit, Gate};
pub use openapi::document as openapi;

/// Most bytes of a request's body.
const MOST_BODY: usize = 64 << 10;

/// What handlers know.
pub struct App {
    hub: Arc<Hub>,
    streams: Arc<Streams>,
    engine: Arc<Engine>,
    gate: Gate,
    audit: Audit,
}

/// Handlers share it.
type Shared = axum::extract::State<Arc<App>>;

/// A server that listens.
pub struct Server {
    listener: TcpListener,
    address: SocketAddr,
    router: Router,
}

impl Server {
    /// Listens where the configuration says.
    ///
    /// # Errors
    /// When the port is taken, a token can't be read or the audit log can't be written.
    pub async fn bind(config: &Config, hub: Arc<Hub>, streams: Arc<Streams>, engine: Arc<Engine>) -> Result<Self> {
        let listen = config.listen();
        let taken = |error| Error::Service(format!("{listen}: {error}"));
        let listener = TcpListener::bind(listen).await.map_err(taken)?;
        let address = listener.local_addr().map_err(taken)?;
        let path = config.store.folder().join("audit.ndjson");
        let audit = OpenOptions::new().append(true).create(true).open(&path).map_err(Error::file(&path))?;
        let gate = Gate::new(&config.http).map_err(Error::Service)?;
        events::socket::count_from_zero(&hub.metrics);
        let app = App { hub, streams, engine, gate, audit: Audit(Mutex::new(audit)) };
        Ok(Self { listener, address, router: router(Arc::new(app)) })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves for ever.
    pub async fn serve(self) -> Result<()> {
        let service = self.router.into_make_service_with_connect_info::<SocketAddr>();
        axum::serve(self.listener, service).await.map_err(|error| Error::Service(format!("the API: {error}")))
    }
}

fn router(app: Arc<App>) -> Router {
    Router::new()
        .route("/", get(page::index))
        .route("/page/{file}", get(page::file))
        .route("/healthz", get(system::health))
        .route("/readyz", get(system::ready))
        .route("/metrics", get(system::metrics))
        .route("/api/v1/openapi.json", get(system::document))
        .route("/api/v1/cards", get(system::cards))
        .route("/api/v1/system", get(system::system))
        .route("/api/v1/reload", post(system::reload))
        .route("/api/v1/streams", get(streams::list).post(streams::add))
        .route("/api/v1/streams/{id}", get(streams::get).put(streams::put).delete(streams::remove))
        .route("/api/v1/streams/{id}/timeline", get(streams::timeline))
        .route("/api/v1/streams/{id}/thumbnail", get(streams::thumbnail))
        .route("/api/v1/streams/{id}/evidence", get(evidence::list))
        .route("/api/v1/streams/{id}/evidence/{name}", get(evidence::picture))
        .route("/api/v1/events", get(events::sse))
        .route("/api/v1/events/ws", get(events::socket::open))
        .route("/api/v1/incidents", get(incidents::list))
        .route("/api/v1/incidents/{id}", get(incidents::get))
        .route("/api/v1/incidents/{id}/acknowledge", post(incidents::acknowledge))
        .route("/api/v1/incidents/{id}/comments", post(incidents::comment))
        .route("/api/v1/stream/add", post(deepstream::add))
        .route("/api/v1/stream/remove", post(deepstream::remove))
        .fallback(page::missing)
        .layer(middleware::from_fn_with_state(Arc::clone(&app), gate::pass))
        .layer(DefaultBodyLimit::max(MOST_BODY))
        .with_state(app)
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_committed_openapi_is_that_of_the_handlers() {
        crate::service::schemas::compare("openapi.json", &super::openapi());
    }
}
