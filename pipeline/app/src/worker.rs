// SPDX-License-Identifier: Apache-2.0
//! `polygraph worker`: runs the streams that Kafka gives it, beside others that do the same.

mod audit;
mod exposition;
mod gate;
mod keeper;
mod runner;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use clap::Args;
use polygraph_core::profile::Profile;
use polygraph_delivery::{
    Courier, CourierConfig, Keeper, Member, MemberConfig, Message, Notice, ProducerConfig, StatusWriter,
    check_fleet_topics, create_fleet_topics,
};
use polygraph_models::{Engine, Provider};

use crate::analyze;
use crate::cli::{Connection, bytes, seconds};
use crate::error::{Error, Result};
use crate::memory;
use crate::publish::{Announcer, config, spooled_shortfall, tell};
use crate::service::metrics::Metrics;
use audit::Audit;
use exposition::{Exposition, Told};
use keeper::Crew;
use runner::{Places, Supervised};

/// What is spooled has time.
const PATIENCE: Duration = Duration::from_secs(3600);
/// How long a turn waits for something to happen.
const TURN: Duration = Duration::from_millis(100);
/// How long the topics are waited for; the member goes on without an answer, and takes them when they come.
const TOPICS: Duration = Duration::from_secs(5);
/// How often brokers that are away are spoken of.
const REMINDER: Duration = Duration::from_secs(30);

/// `polygraph worker`.
#[derive(Args)]
pub struct Worker {
    /// host:port, several with commas between
    #[arg(long = "kafka", visible_alias = "brokers", value_name = "BROKERS")]
    brokers: String,
    #[command(flatten)]
    connection: Connection,
    /// Folder of this worker alone: events wait in it until Kafka has them, and what was found after its streams were
    /// given to others is kept in audit.ndjson
    #[arg(long, value_name = "DIR")]
    spool: PathBuf,
    /// Most bytes in the spool, such as 20M or 1G; default: 1G
    #[arg(long, value_name = "SIZE", value_parser = bytes)]
    spool_bytes: Option<u64>,
    /// How frames are written for Kafka: polygraph, dlstreamer or deepstream-minimal
    #[arg(long = "kafka-profile", value_name = "PROFILE", default_value_t)]
    profile: Profile,
    /// The consumer group whose members share the streams
    #[arg(long, default_value = "polygraph")]
    group: String,
    /// Name of this worker in `polygraph streams list`; default: host and process
    #[arg(long)]
    name: Option<String>,
    /// Partitions of polygraph.desired, when this worker has to make it: at most so many workers have something to do
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = clap::value_parser!(i32).range(1..=10_000))]
    partitions: i32,
    /// Streams may be files in this folder; may be repeated. Without it none may
    #[arg(long, value_name = "DIR")]
    allow_files: Vec<PathBuf>,
    /// Streams may come from these hosts only, with commas between; default: from any
    #[arg(long, value_name = "HOSTS", value_delimiter = ',')]
    allow_hosts: Vec<String>,
    /// What runs the networks: auto, cpu, cuda or tensorrt
    #[arg(long, default_value_t = Provider::Auto)]
    provider: Provider,
    /// Tell Prometheus at http://ADDRESS:PORT/metrics how the worker is
    #[arg(long, value_name = "ADDRESS:PORT")]
    metrics: Option<SocketAddr>,
    /// What Prometheus has to bring, 16 characters or more: env:NAME or file:PATH. Any address but a loopback one demands it
    #[arg(long, value_name = "TOKEN", requires = "metrics")]
    metrics_token: Option<String>,
    /// A worker that Kafka hasn't heard of for so long loses its streams
    #[arg(long, value_name = "SECONDS", default_value = "10", value_parser = seconds, hide_short_help = true)]
    session_timeout: Duration,
    /// How long, at the end, Kafka is waited for; what it hasn't acknowledged then stays in the spool
    #[arg(long = "kafka-timeout", value_name = "SECONDS", default_value = "5", value_parser = seconds)]
    timeout: Duration,
}

/// Runs streams until it is asked to stop.
pub fn run(options: &Worker) -> Result<ExitCode> {
    memory::few_arenas();
    runner::init()?;
    analyze::stop_on_ctrl_c();
    let name = options.name.clone().unwrap_or_else(|| format!("{}-{}", host(), std::process::id()));
    let connection = config(&options.brokers, PATIENCE, &options.connection)?;
    let within = |delivery_timeout| ProducerConfig { delivery_timeout, ..connection.clone() };
    let status = StatusWriter::start(&within(Duration::from_secs(60)))?;
    let mut spool = CourierConfig::new(connection.clone(), &options.spool);
    spool.max_bytes = options.spool_bytes.unwrap_or(spool.max_bytes);
    let (send, news) = mpsc::channel();
    let courier = Arc::new(Courier::start(spool, move |notice| {
        tell(&notice);
        // Nobody listens any more at the end.
        let _ = send.send(notice);
    })?);
    make_topics(&within(TOPICS), options.partitions);

    let places = Places::new(&options.allow_files, &options.allow_hosts)?;
    let runner = Box::new(Supervised::new(places, options.provider));
    let audit = Arc::new(Audit::in_folder(&options.spool));
    let metrics = Arc::new(Metrics::new().map_err(|error| Error::Service(format!("metrics: {error}")))?);
    let profile = options.profile;
    let (heard, kept) = (Arc::clone(&metrics), Arc::clone(&audit));
    let crew = Arc::new(Crew::new(name.clone(), runner, Arc::clone(&courier), profile, kept, status, heard));
    let exposition = options.metrics.map(|listen| {
        let told = Told { crew: Arc::downgrade(&crew), courier: Arc::downgrade(&courier), metrics, audit };
        Exposition::start(listen, options.metrics_token.as_deref(), told, Engine::shared(options.provider)?)
    });
    let exposition = exposition.transpose()?;
    let (session, group) = (options.session_timeout, options.group.clone());
    let group = MemberConfig { session, group, ..MemberConfig::new(within(TOPICS), &name) };
    let mut member = Member::join(group, Arc::clone(&crew) as Arc<dyn Keeper>)?;
    errln!("polygraph: worker {name} shares the streams of group {}", options.group);
    let ended = work(&mut member, &crew, &mut News::new(&name, news, Arc::clone(&courier), options.profile));
    // The others take over while the spool is emptied.
    member.leave();
    crew.end();
    drop(exposition);
    drop(crew);
    if let Some(courier) = Arc::into_inner(courier) {
        let delivery = courier.finish(options.timeout);
        if !delivery.complete() {
            errln!("polygraph: {}", spooled_shortfall(&delivery, &options.brokers, &options.spool));
        }
    }
    ended.map(|()| ExitCode::SUCCESS)
}

fn work(member: &mut Member, crew: &Crew, news: &mut News) -> Result<()> {
    let mut spoken: Option<(Instant, String)> = None;
    while !analyze::interrupted() {
        member.turn(TURN)?;
        news.tell();
        crew.heal();
        let Some(error) = member.last_error() else { continue };
        if spoken.as_ref().is_none_or(|(when, what)| *what != error && when.elapsed() > REMINDER) {
            errln!("polygraph: Kafka: {error}");
            spoken = Some((Instant::now(), error));
        }
    }
    Ok(())
}

/// What the spool has to say concerns all streams of this worker: it is told as of a stream that has its name.
struct News {
    teller: Announcer,
    news: mpsc::Receiver<Notice>,
    courier: Arc<Courier>,
    profile: Profile,
}

impl News {
    fn new(name: &str, news: mpsc::Receiver<Notice>, courier: Arc<Courier>, profile: Profile) -> Self {
        Self { teller: Announcer::new(name), news, courier, profile }
    }

    fn tell(&mut self) {
        while let Ok(notice) = self.news.try_recv() {
            let Some(event) = self.teller.event(&notice) else { continue };
            // A refusal is counted.
            drop(Message::of_event(&event, self.profile).and_then(|message| self.courier.send(&message)));
        }
    }
}

/// Makes the fleet's topics where they are missing, and says what is wrong with them. Brokers that are away now make no
/// difference: somebody else may make the topics, and the member waits for them.
fn make_topics(config: &ProducerConfig, partitions: i32) {
    let faults = create_fleet_topics(config, partitions, None).and_then(|_| check_fleet_topics(config));
    match faults {
        Ok(topics) => topics
            .iter()
            .filter_map(|topic| Some((topic.name, topic.fault.as_ref()?)))
            .for_each(|(name, fault)| errln!("polygraph: the topic {name}: {fault}")),
        Err(error) => errln!("polygraph: Kafka: {error}; waiting for it"),
    }
}

fn host() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    if name.trim().is_empty() { "worker".into() } else { name.trim().to_owned() }
}
