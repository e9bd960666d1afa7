// SPDX-License-Identifier: Apache-2.0
//! `polygraph run`: many live streams, an API, a live page, metrics.
//!
//! ```text
//! polygraph.toml ─ Streams ── supervise::Stream, one each ── Hub ─┬─ Store (NDJSON)   ─ Incidents
//!        API ──────┘                                              ├─ Courier (Kafka)  ─ Timeline of each stream
//!                                                                 └─ listeners (SSE, WebSocket)
//! ```
//!
//! Streams' threads never wait for the API, the disk or Kafka: queues are bounded, what finds no room is counted.

pub mod config;
mod drifts;
mod evidence;
pub mod guard;
pub mod http;
pub mod hub;
mod incidents;
mod load;
pub mod metrics;
pub mod processes;
mod proxy;
mod schemas;
pub mod store;
mod streams;
mod timeline;

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::{Arc, mpsc};
use std::time::Duration;

use clap::Args;
use polygraph_delivery::{Courier, CourierConfig, Notice, ProducerConfig};
use polygraph_models::Engine;
use tokio::signal::unix::{SignalKind, signal};

use crate::error::{Error, Result};
use crate::{memory, publish, supervise};
use config::Config;
use evidence::{Gallery, Prepared};
use guard::Guard;
use hub::{Hub, Way};
use incidents::Incidents;
use metrics::Metrics;
use processes::{Processes, wire::Hello};
use store::Store;
use streams::Streams;

/// The stream of which is told what concerns all of them.
const NAME: &str = "polygraph";
/// How long all streams together may take to stop.
const STOP: Duration = Duration::from_secs(8);
/// How long Kafka may take to acknowledge what is left; the rest stays in the spool.
const LAST_WORDS: Duration = Duration::from_secs(5);
/// Of the API: streams have their own.
const API_THREADS: usize = 2;

/// `polygraph run`.
#[derive(Args, Clone)]
pub struct Run {
    /// The configuration, polygraph.toml; its JSON Schema: polygraph run --schema
    #[arg(required_unless_present_any = ["schema", "openapi", "worker"])]
    pub config: Option<PathBuf>,
    /// Check the configuration, say all that is wrong with it, and start nothing
    #[arg(long)]
    pub check: bool,
    /// Print the configuration's JSON Schema
    #[arg(long)]
    pub schema: bool,
    /// Print the API's OpenAPI document
    #[arg(long, conflicts_with = "schema")]
    pub openapi: bool,
    /// Run the streams in so many worker processes, each with an engine of its own: a decoder that crashes then takes
    /// along only its process's share, for a moment. 0: in this process
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = processes)]
    pub processes: usize,
    /// Be such a worker; for the service itself
    #[arg(long, hide = true)]
    pub worker: bool,
    /// Listen here instead of where the configuration says
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub listen: Option<String>,
}

fn processes(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(count) if count <= 64 => Ok(count),
        _ => Err("a number from 0 to 64".into()),
    }
}

/// Runs the service until SIGTERM or SIGINT.
pub fn run(run: &Run) -> Result<ExitCode> {
    memory::few_arenas();
    if run.worker {
        return processes::worker::run().map(|()| ExitCode::SUCCESS);
    }
    if run.schema || run.openapi {
        let document = if run.schema { config::of_config() } else { http::openapi() };
        return print(&schemas::text(&document));
    }
    let Some(path) = &run.config else { return Err(Error::Service("no configuration was named".into())) };
    let read = {
        let (path, listen) = (path.clone(), run.listen.clone());
        move || {
            let mut config = Config::read(&path)?;
            if let Some(listen) = &listen {
                config.http.listen.clone_from(listen);
                config.check().map_err(|why| Error::Config { path: path.display().to_string(), why })?;
            }
            Ok(config)
        }
    };
    let config = read()?;
    if run.check {
        return print(&format!("{}: {} streams, nothing wrong", path.display(), config.streams.len()));
    }
    let guard = Guard::new(&config.allow).map_err(Error::Service)?;
    let evidence = config.store.place().map_err(Error::Service)?.map(Prepared::new);
    let evidence = evidence.transpose().map_err(|why| Error::Service(format!("evidence: {why}")))?;
    // Before there is any other thread, for the environment is set.
    let proxy = proxy::Listening::bind(guard.clone())?;
    crate::analyze::init()?;
    supervise::forbid_files(&guard.schemes());
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(API_THREADS)
        .thread_name("api")
        .enable_all()
        .build()
        .map_err(|error| Error::Service(format!("the API's threads: {error}")))?;
    // An explicit provider that isn't there ends the start, not the first stream.
    let engine = Engine::shared(config.provider())?;
    let (hub, news) = hub(&config, guard, evidence)?;
    let hub = Arc::new(hub);
    announce(news, &hub)?;
    let workers = (run.processes > 0).then(|| Processes::start(run.processes, &hello(&config)?, &hub)).transpose()?;
    let streams = Arc::new(Streams::new(&config, Arc::clone(&hub), workers, Box::new(read))?);
    let load = config.load.control.then(|| load::Load::start(Arc::clone(&streams))).transpose()?;
    runtime.spawn(proxy.serve());
    let served = runtime.block_on(serve(&config, &hub, &streams, engine));
    drop(load);
    let late = streams.stop_all(STOP);
    if late > 0 {
        errln!("polygraph: {late} streams did not stop in time and were left");
    }
    drop(streams);
    runtime.shutdown_timeout(Duration::from_secs(1));
    finish(hub);
    served.map(|()| ExitCode::SUCCESS)
}

/// Prints a text. Whoever has read enough of it (`| head`) may go.
fn print(text: &str) -> Result<ExitCode> {
    match writeln!(std::io::stdout(), "{text}") {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(Error::Service(format!("the output can't be written: {error}")))
        }
        _ => Ok(ExitCode::SUCCESS),
    }
}

/// Where events go.
fn hub(config: &Config, guard: Guard, evidence: Option<Prepared>) -> Result<(Hub, mpsc::Receiver<Notice>)> {
    let folder = config.store.folder();
    let max_age = Duration::from_secs(config.store.max_days * 24 * 3600);
    let store = Store::open(&folder.join("events"), config.store.max_mb << 20, max_age)?;
    let incidents = Incidents::open(&folder.join("incidents.ndjson"), store.all_of("io.polygraph.incident.v1"));
    let metrics = Arc::new(Metrics::new().map_err(|error| Error::Service(format!("metrics: {error}")))?);
    let counted = Arc::clone(&metrics);
    let lost = move |stream: &str| counted.evidence_lost(stream);
    let evidence = evidence.map(|prepared| Gallery::open(prepared, true, lost)).transpose().map_err(Error::Service)?;
    let (send, news) = mpsc::channel();
    let way = config.kafka.as_ref().map(|kafka| {
        let mut producer = ProducerConfig::new(&kafka.brokers, Duration::from_secs(60));
        producer.settings = kafka.settings.clone();
        let spool = kafka.spool.clone().unwrap_or_else(|| folder.join("spool"));
        let mut config = CourierConfig::new(producer, spool);
        config.max_bytes = kafka.spool_mb.map_or(config.max_bytes, |megabytes| megabytes << 20);
        let courier = Courier::start(config, move |notice| {
            publish::tell(&notice);
            // Nobody listens any more at the end.
            let _ = send.send(notice);
        });
        courier.map(|courier| Way { courier, profile: kafka.profile })
    });
    Ok((Hub::new(store, way.transpose()?, guard, incidents, evidence, metrics), news))
}

/// Makes events of what the spool has to say, until there is no spool any more.
fn announce(news: mpsc::Receiver<Notice>, hub: &Arc<Hub>) -> Result<()> {
    let hub = Arc::downgrade(hub);
    let mut teller = publish::Announcer::new(NAME);
    let told = move || {
        for notice in news {
            let (Some(hub), Some(event)) = (hub.upgrade(), teller.event(&notice)) else { continue };
            supervise::Sink::event(&*hub, &event, None);
        }
    };
    let thread = std::thread::Builder::new().name("spool-news".into()).spawn(told);
    thread.map(drop).map_err(|error| Error::Service(format!("a thread: {error}")))
}

/// What worker processes are told first.
fn hello(config: &Config) -> Result<Hello> {
    let evidence = config.store.place().map_err(Error::Service)?;
    Ok(Hello { allow: config.allow.clone(), provider: config.provider().as_str().to_owned(), evidence })
}

/// Serves the API until the process is told to end; SIGHUP reads the configuration again.
async fn serve(config: &Config, hub: &Arc<Hub>, streams: &Arc<Streams>, engine: Arc<Engine>) -> Result<()> {
    let failed = |error: std::io::Error| Error::Service(format!("signals: {error}"));
    let mut terminate = signal(SignalKind::terminate()).map_err(failed)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(failed)?;
    let mut hangup = signal(SignalKind::hangup()).map_err(failed)?;
    let server = http::Server::bind(config, Arc::clone(hub), Arc::clone(streams), engine).await?;
    errln!("polygraph: the live page is at http://{}", server.address());
    let mut server = std::pin::pin!(server.serve());
    loop {
        tokio::select! {
            ended = &mut server => return ended,
            _ = terminate.recv() => return Ok(()),
            _ = interrupt.recv() => return Ok(()),
            _ = hangup.recv() => {
                let streams = Arc::clone(streams);
                let reloaded = tokio::task::spawn_blocking(move || streams.reload()).await;
                match reloaded {
                    Ok(Ok(changed)) => errln!("polygraph: the configuration was read again: {changed}"),
                    Ok(Err(error)) => errln!("polygraph: the configuration stays as it was: {error}"),
                    Err(error) => errln!("polygraph: the configuration stays as it was: {error}"),
                }
            }
        }
    }
}

/// Brings the last events to disk and to Kafka.
fn finish(hub: Arc<Hub>) {
    match Arc::try_unwrap(hub).map(Hub::into_courier) {
        Ok(Some(courier)) => {
            let left = courier.finish(LAST_WORDS).tallies.sum().spooled;
            if left > 0 {
                errln!("polygraph: {left} events are not acknowledged by Kafka yet; they stay in the spool");
            }
        }
        Ok(None) => {}
        // A stream that didn't stop holds it; its store and spool end with the process, and lose nothing accepted.
        Err(_) => errln!("polygraph: a stream still holds the outputs; what was accepted is on disk"),
    }
}
