// SPDX-License-Identifier: Apache-2.0
//! What Prometheus reads at `/metrics`. Names begin with `polygraph_` and end in their unit; labels are stream, analyser,
//! reason, kind, network and the like, of which there are as many as there are streams and networks, never more.

use std::sync::Mutex;
use std::time::Duration;

use polygraph_core::event::{Data, Event, EventData};
use polygraph_core::fault::FaultKind;
use polygraph_core::record::{Evidence, EvidenceState, IncidentState};
use polygraph_core::supervision::State;
use polygraph_models::Usage;
use prometheus::core::Collector;
use prometheus::process_collector::ProcessCollector;
use prometheus::{
    CounterVec, Encoder, GaugeVec, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts,
    Registry, TextEncoder,
};

use super::drifts::Drifts;
use super::hub::kind;
use super::processes::wire::Network;
use crate::metrics::delivery;
use crate::supervise::Status;
use crate::sync::lock;

/// From 10 ms, which is a face's detection, to 10 s, which is a source that came back.
const DELAYS: [f64; 11] = [0.01, 0.025, 0.05, 0.1, 0.2, 0.3, 0.5, 1.0, 2.0, 5.0, 10.0];
/// The label of evidence that was lost between its event and the place where it is kept.
const LOST: &str = "lost";
/// Of requests.
const DURATIONS: [f64; 7] = [0.001, 0.005, 0.02, 0.1, 0.5, 2.0, 10.0];

/// All metrics of a service.
pub struct Metrics {
    registry: Registry,
    scraping: Mutex<()>,
    state: IntGaugeVec,
    reconnects: IntCounterVec,
    abandoned: IntGaugeVec,
    frozen: GaugeVec,
    analysis_rate: GaugeVec,
    partial_interval: GaugeVec,
    input: IntCounterVec,
    analysed: IntCounterVec,
    skipped: IntCounterVec,
    late: IntCounterVec,
    events: IntCounterVec,
    faults: IntCounterVec,
    faults_open: IntGaugeVec,
    evidence: IntCounterVec,
    delay: HistogramVec,
    drifts: Drifts,
    network: IntGaugeVec,
    nodes: IntGaugeVec,
    runs: IntCounterVec,
    busy: CounterVec,
    store_events: IntCounterVec,
    store_bytes: IntGauge,
    store_waiting: IntGauge,
    requests: IntCounterVec,
    request_duration: HistogramVec,
    /// Listeners of the event stream, by protocol.
    pub listeners: IntGaugeVec,
    /// Events that a listener missed because it was too slow.
    pub missed: IntCounter,
    /// Listeners that are there no more, by protocol and reason.
    pub closed: IntCounterVec,
    decoder_complaints: IntCounter,
}

/// What is measured and not in the events: read anew for each scrape.
pub struct Readings<'a> {
    /// Every stream's id and status.
    pub streams: &'a [(String, Status)],
    /// Networks that are loaded.
    pub networks: &'a [Network],
    /// What each has cost.
    pub usage: &'a std::collections::BTreeMap<String, Usage>,
    /// The embedded store, where there is one.
    pub store: Option<&'a super::store::StoreCounts>,
    /// The way to Kafka, where there is one.
    pub delivery: Option<delivery::Account>,
}

impl Metrics {
    /// Registers them.
    ///
    /// # Errors
    /// When two have one name, which a test would find.
    pub fn new() -> prometheus::Result<Self> {
        let registry = Registry::new();
        let build = IntGauge::with_opts(
            Opts::new("polygraph_build_info", "Always 1; the version is a label")
                .const_label("version", env!("CARGO_PKG_VERSION")),
        )?;
        build.set(1);
        registry.register(Box::new(build))?;
        registry.register(Box::new(ProcessCollector::for_self()))?;
        let add = Add(&registry);
        Ok(Self {
            state: add.gauges(
                "polygraph_stream_state",
                "1 for the state that a stream is in, else 0",
                &["stream", "state"],
            )?,
            reconnects: add.counters(
                "polygraph_stream_reconnects_total",
                "Connections after a stream's first",
                &["stream"],
            )?,
            abandoned: add.gauges(
                "polygraph_stream_abandoned_pipelines",
                "Pipelines that did not end in time, were left to themselves, and have not ended yet",
                &["stream"],
            )?,
            frozen: add.plain_gauges(
                "polygraph_stream_frozen_seconds",
                "For how long a stream's picture has been the same",
                &["stream"],
            )?,
            analysis_rate: add.plain_gauges(
                "polygraph_stream_analysis_rate_hertz",
                "Pictures a second that load control lets a stream search for faces",
                &["stream"],
            )?,
            partial_interval: add.plain_gauges(
                "polygraph_stream_partial_interval_seconds",
                "Time between two partial transcripts that load control lets a stream have",
                &["stream"],
            )?,
            input: add.counters(
                "polygraph_frames_input_total",
                "Buffers that an analyser was given",
                &["stream", "analyser"],
            )?,
            analysed: add.counters(
                "polygraph_frames_analysed_total",
                "Buffers that it analysed",
                &["stream", "analyser"],
            )?,
            skipped: add.counters(
                "polygraph_frames_skipped_total",
                "Buffers that it passed on unanalysed, by reason",
                &["stream", "analyser", "reason"],
            )?,
            late: add.counters(
                "polygraph_frames_late_total",
                "Buffers that came after their deadline",
                &["stream", "analyser"],
            )?,
            events: add.counters("polygraph_events_total", "Events that were made", &["stream", "kind"])?,
            drifts: Drifts::new(add.plain_gauges(
                "polygraph_score_drift",
                "Mean logit of a stream's latest scores, in standard deviations from the clips of the network's calibration",
                &["stream", "network"],
            )?),
            evidence: add.counters(
                "polygraph_evidence_total",
                "Pictures of incidents that are over and of shots, by whether they were kept; lost: taken, and not written in the end",
                &["stream", "state"],
            )?,
            faults: add.counters("polygraph_faults_total", "Broadcast faults that began", &["stream", "fault"])?,
            faults_open: add.gauges(
                "polygraph_fault_open",
                "1 while a stream has a broadcast fault, else 0",
                &["stream", "fault"],
            )?,
            delay: add.histograms(
                "polygraph_frame_event_delay_seconds",
                "From a picture's arrival at the analysers to its event",
                &["stream"],
                &DELAYS,
            )?,
            network: add.gauges(
                "polygraph_network_info",
                "Always 1; a loaded network and the provider that was asked for and that runs it",
                &["network", "asked", "actual", "fell_back"],
            )?,
            nodes: add.gauges(
                "polygraph_network_nodes",
                "Nodes of a network's graph by what runs them",
                &["network", "provider"],
            )?,
            runs: add.counters("polygraph_network_runs_total", "How often a network ran", &["network"])?,
            busy: add.float_counters(
                "polygraph_network_run_seconds_total",
                "How long a network's sessions were in use: by the number of runs, the time of one",
                &["network"],
            )?,
            store_events: add.counters(
                "polygraph_store_events_total",
                "Events that went to the embedded store, by fate",
                &["fate"],
            )?,
            store_bytes: add.gauge("polygraph_store_bytes", "Size of the embedded store")?,
            store_waiting: add.gauge("polygraph_store_waiting_events", "Events on their way to the disk")?,
            requests: add.counters(
                "polygraph_http_requests_total",
                "Requests by route and status",
                &["method", "route", "status"],
            )?,
            request_duration: add.histograms(
                "polygraph_http_request_duration_seconds",
                "Until a request's answer began",
                &["route"],
                &DURATIONS,
            )?,
            listeners: add.gauges("polygraph_listeners", "Listeners of the event stream", &["protocol"])?,
            missed: add.counter(
                "polygraph_listener_missed_events_total",
                "Events that listeners missed because they were too slow",
            )?,
            closed: add.counters(
                "polygraph_listener_closed_total",
                "Listeners that left or were closed, by reason",
                &["protocol", "reason"],
            )?,
            decoder_complaints: add
                .counter("polygraph_decoder_complaints_total", "Damage that decoders concealed and logged")?,
            registry,
            scraping: Mutex::default(),
        })
    }

    /// An event was made; `delay` is what lies between the arrival of its picture and now.
    pub fn event(&self, event: &Event, delay: Option<Duration>) {
        let stream = event.subject.as_str();
        self.events.with_label_values(&[stream, kind(&event.event_type)]).inc();
        if let Some(delay) = delay {
            self.delay.with_label_values(&[stream]).observe(delay.as_secs_f64());
        }
        match &event.data {
            EventData::Frame(Data { content, .. }) => self.drifts.take(stream, content),
            EventData::Incident(Data { content, .. }) => {
                if let Some(fault) = &content.fault {
                    self.fault(stream, fault.kind, content.state);
                }
                // Earlier events of an incident name the same pictures.
                if content.state == IncidentState::Close {
                    content.evidence.iter().for_each(|one| self.evidence(stream, one));
                }
            }
            EventData::Shot(Data { content, .. }) => {
                content.key_frame.iter().for_each(|one| self.evidence(stream, one));
            }
            _ => {}
        }
    }

    /// A broadcast fault began, or is over.
    fn fault(&self, stream: &str, fault: FaultKind, state: IncidentState) {
        let labels = [stream, fault.as_str()];
        match state {
            IncidentState::Open => {
                self.faults.with_label_values(&labels).inc();
                self.faults_open.with_label_values(&labels).set(1);
            }
            IncidentState::Close => self.faults_open.with_label_values(&labels).set(0),
            IncidentState::Update => {}
        }
    }

    fn evidence(&self, stream: &str, evidence: &Evidence) {
        self.evidence.with_label_values(&[stream, evidence.state.as_str()]).inc();
    }

    /// A picture of a stream's evidence that counts as kept couldn't be written in the end.
    pub fn evidence_lost(&self, stream: &str) {
        self.evidence.with_label_values(&[stream, LOST]).inc();
    }

    /// A stream is in a state.
    pub fn state(&self, stream: &str, now: State) {
        for state in State::LIVE {
            self.state.with_label_values(&[stream, state.as_str()]).set(i64::from(state == now));
        }
        // From zero on, or `increase` would miss the first.
        for state in evidence_states() {
            self.evidence.with_label_values(&[stream, state]);
        }
    }

    /// A request was answered.
    pub fn request(&self, method: &str, route: &str, status: u16, took: Duration) {
        // Whoever connects can name a method; a series for each would fill the memory.
        let method = match method {
            "GET" | "HEAD" | "POST" | "PUT" | "DELETE" | "OPTIONS" => method,
            _ => "other",
        };
        self.requests.with_label_values(&[method, route, &status.to_string()]).inc();
        self.request_duration.with_label_values(&[route]).observe(took.as_secs_f64());
    }

    /// What a stream's process had found, it can't find again to close it.
    pub fn no_faults(&self, stream: &str) {
        for fault in FaultKind::ALL {
            // Only where there was one: gauges of faults that never were say nothing.
            if self.faults.with_label_values(&[stream, fault.as_str()]).get() > 0 {
                self.faults_open.with_label_values(&[stream, fault.as_str()]).set(0);
            }
        }
    }

    /// A stream was removed: its labels go.
    pub fn forget(&self, stream: &str) {
        for state in State::LIVE {
            // Those that never were are no error.
            let _ = self.state.remove_label_values(&[stream, state.as_str()]);
        }
        for kind in ["stream", "frame", "transcript", "shot", "incident"] {
            let _ = self.events.remove_label_values(&[stream, kind]);
        }
        for fault in FaultKind::ALL {
            let _ = self.faults.remove_label_values(&[stream, fault.as_str()]);
            let _ = self.faults_open.remove_label_values(&[stream, fault.as_str()]);
        }
        for state in evidence_states() {
            let _ = self.evidence.remove_label_values(&[stream, state]);
        }
        let _ = self.delay.remove_label_values(&[stream]);
        self.drifts.forget(stream);
    }

    /// The text that Prometheus reads.
    ///
    /// # Errors
    /// What the encoder says.
    pub fn text(&self, readings: &Readings<'_>) -> prometheus::Result<String> {
        // What is copied is begun anew for each scrape, which two at once would both do.
        let _alone = lock(&self.scraping);
        self.read_streams(readings.streams);
        self.read_networks(readings);
        if let Some(counts) = readings.store {
            self.read_store(counts);
        }
        if let Some((count, _)) = crate::analyze::complaints::take() {
            self.decoder_complaints.inc_by(count);
        }
        let mut families = self.registry.gather();
        if let Some(account) = &readings.delivery {
            families.extend(delivery::families(account)?);
        }
        let mut text = Vec::new();
        TextEncoder::new().encode(&families, &mut text)?;
        Ok(String::from_utf8_lossy(&text).into_owned())
    }

    /// Accounts are kept by the elements; here they are copied, so that removed streams leave nothing behind.
    fn read_streams(&self, streams: &[(String, Status)]) {
        for accounts in [&self.input, &self.analysed, &self.skipped, &self.late, &self.reconnects] {
            accounts.reset();
        }
        self.abandoned.reset();
        for gauge in [&self.frozen, &self.analysis_rate, &self.partial_interval] {
            gauge.reset();
        }
        for (id, status) in streams {
            self.state(id, status.state);
            self.reconnects.with_label_values(&[id]).inc_by(status.reconnects);
            self.abandoned.with_label_values(&[id]).set(i64::try_from(status.abandoned).unwrap_or(i64::MAX));
            self.frozen.with_label_values(&[id]).set(status.frozen.as_secs_f64());
            if let Some(rates) = status.rates {
                self.analysis_rate.with_label_values(&[id]).set(rates.analysis_fps);
                self.partial_interval.with_label_values(&[id]).set(f64::from(rates.partial_interval_ms) / 1000.0);
            }
            for (analyser, account) in &status.counters {
                let labels = [id.as_str(), analyser.as_str()];
                self.input.with_label_values(&labels).inc_by(account.input);
                self.analysed.with_label_values(&labels).inc_by(account.analysed);
                self.late.with_label_values(&labels).inc_by(account.late);
                for (reason, count) in &account.skipped {
                    self.skipped.with_label_values(&[id, analyser, reason]).inc_by(*count);
                }
            }
        }
    }

    fn read_networks(&self, readings: &Readings<'_>) {
        self.network.reset();
        self.nodes.reset();
        self.runs.reset();
        self.busy.reset();
        for report in readings.networks {
            let fell_back = if report.fell_back.is_some() { "true" } else { "false" };
            let labels = [report.network.as_str(), report.asked.as_str(), report.actual.as_str(), fell_back];
            self.network.with_label_values(&labels).set(1);
            for (provider, nodes) in &report.nodes {
                let labels = [report.network.as_str(), provider.as_str()];
                self.nodes.with_label_values(&labels).set(i64::try_from(*nodes).unwrap_or(i64::MAX));
            }
        }
        for (network, usage) in readings.usage {
            self.runs.with_label_values(&[network]).inc_by(usage.runs);
            self.busy.with_label_values(&[network]).inc_by(usage.busy_ns as f64 / 1e9);
        }
    }

    fn read_store(&self, counts: &super::store::StoreCounts) {
        use std::sync::atomic::Ordering::Relaxed;
        self.store_events.reset();
        for (fate, count) in [("written", &counts.written), ("dropped", &counts.dropped), ("failed", &counts.failed)] {
            self.store_events.with_label_values(&[fate]).inc_by(count.load(Relaxed));
        }
        let gauge = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
        self.store_bytes.set(gauge(counts.bytes.load(Relaxed)));
        self.store_waiting.set(gauge(counts.waiting.load(Relaxed)));
    }
}

/// Makes and registers.
struct Add<'a>(&'a Registry);

impl Add<'_> {
    fn register<C: Collector + Clone + 'static>(&self, metric: C) -> prometheus::Result<C> {
        self.0.register(Box::new(metric.clone()))?;
        Ok(metric)
    }

    fn counters(&self, name: &str, help: &str, labels: &[&str]) -> prometheus::Result<IntCounterVec> {
        self.register(IntCounterVec::new(Opts::new(name, help), labels)?)
    }

    fn float_counters(&self, name: &str, help: &str, labels: &[&str]) -> prometheus::Result<CounterVec> {
        self.register(CounterVec::new(Opts::new(name, help), labels)?)
    }

    fn counter(&self, name: &str, help: &str) -> prometheus::Result<IntCounter> {
        self.register(IntCounter::new(name, help)?)
    }

    fn gauges(&self, name: &str, help: &str, labels: &[&str]) -> prometheus::Result<IntGaugeVec> {
        self.register(IntGaugeVec::new(Opts::new(name, help), labels)?)
    }

    fn plain_gauges(&self, name: &str, help: &str, labels: &[&str]) -> prometheus::Result<GaugeVec> {
        self.register(GaugeVec::new(Opts::new(name, help), labels)?)
    }

    fn gauge(&self, name: &str, help: &str) -> prometheus::Result<IntGauge> {
        self.register(IntGauge::new(name, help)?)
    }

    fn histograms(&self, name: &str, help: &str, labels: &[&str], buckets: &[f64]) -> prometheus::Result<HistogramVec> {
        self.register(HistogramVec::new(HistogramOpts::new(name, help).buckets(buckets.to_vec()), labels)?)
    }
}

/// All states that evidence is counted in.
fn evidence_states() -> impl Iterator<Item = &'static str> {
    EvidenceState::ALL.into_iter().map(EvidenceState::as_str).chain([LOST])
}
