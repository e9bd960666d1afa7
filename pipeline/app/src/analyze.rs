// SPDX-License-Identifier: Apache-2.0
//! `polygraph analyze`: inputs, one after the other, into events, a transcript and a summary.

mod batch;
pub(crate) mod complaints;
mod credentials;
mod graph;
mod input;
mod outputs;
mod page;
mod progress;
mod summary;
mod watch;

use std::{
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
    sync::atomic::{AtomicUsize, Ordering},
    time::{Duration, Instant},
};

use polygraph_core::{
    accounting::Counters,
    event::Numbering,
    provenance::Provenance,
    record::{Record, Stream, StreamState},
    report::{Judged, Verdict},
    rules::{Rules, SHIPPED},
};
use polygraph_models::Engine;

use crate::{
    cli::Analyze,
    error::{Error, Result},
    fault,
    publish::Sender,
    supervise, uri,
};
use credentials::Anchors;
use graph::{Graph, Step};
use input::Input;
use outputs::Outputs;
use progress::Progress;
use summary::Summary;

/// A rule with the action `exit` was met.
const MATCHED: u8 = 3;
/// As shells report a process that SIGINT ended.
const INTERRUPTED: u8 = 130;
/// Without anything new from the source for so long, a run is over.
const STALLED: Duration = Duration::from_secs(30);

/// How often the user asked to stop.
static INTERRUPTS: AtomicUsize = AtomicUsize::new(0);

/// Makes GStreamer and our elements ready.
pub fn init() -> Result<()> {
    let failed =
        |error: &dyn std::fmt::Display| Error::GStreamer(format!("{error}; is GStreamer 1.22 or newer there?"));
    gst::init().map_err(|error| failed(&error))?;
    gstpolygraph::plugin_register_static().map_err(|error| failed(&error))?;
    complaints::listen();
    Ok(())
}

/// Analyses every input; a bad one doesn't keep the others from their turn.
pub fn run(analyze: &Analyze) -> Result<ExitCode> {
    // Before anything is decoded: a rule with a typo is found at once.
    let rules = analyze.rules.as_deref().map(rules).transpose()?.unwrap_or_default();
    let anchors = Anchors::read(analyze.trust_anchors.as_deref())?;
    init()?;
    let inputs = analyze.inputs.iter().map(|given| Input::parse(given, analyze)).collect::<Vec<_>>();
    let folders = folders(analyze, &inputs);
    // Before any thread is started. A live stream wants its results at once.
    if inputs.iter().flatten().all(|input| input.file.is_some()) {
        batch::schedule();
    }
    // A playlist from elsewhere names what it likes, and neither files nor devices are for it. Where files are analysed
    // beside, they stay open.
    if inputs.iter().flatten().all(|input| input.file.is_none()) {
        supervise::forbid_files(&uri::SCHEMES);
    }
    stop_on_ctrl_c();
    let (mut failed, mut met) = (false, false);
    for (input, folder) in inputs.into_iter().zip(folders) {
        let ended = input.and_then(|input| one(&input, &folder, analyze, &rules, &anchors));
        let failure = match ended {
            Ok(Ended { failure, matched }) => {
                met |= matched;
                failure
            }
            Err(error) => Some(error.to_string()),
        };
        if let Some(failure) = failure {
            errln!("polygraph: {failure}");
            failed = true;
        }
        if interrupted() {
            return Ok(ExitCode::from(INTERRUPTED));
        }
    }
    // An error counts more than a rule: nobody knows what the rest would have shown.
    Ok(match (failed, met) {
        (true, _) => ExitCode::FAILURE,
        (false, true) => ExitCode::from(MATCHED),
        (false, false) => ExitCode::SUCCESS,
    })
}

/// A folder for each input: `--out` itself for a single one, else one by its name, numbered where names repeat.
fn folders(analyze: &Analyze, inputs: &[Result<Input>]) -> Vec<PathBuf> {
    if inputs.len() == 1 {
        return vec![analyze.out.clone()];
    }
    let mut taken = std::collections::HashSet::new();
    let name = |input: &Result<Input>| {
        let name = input.as_ref().map_or_else(|_| "input".to_owned(), |input| input.name.to_string());
        let numbered = (1..).map(|n| if n == 1 { name.clone() } else { format!("{name}-{n}") });
        // Without end, and the names taken are few: one is free.
        let name = numbered.into_iter().find(|name| taken.insert(name.clone())).unwrap_or_default();
        analyze.out.join(name)
    };
    inputs.iter().map(name).collect()
}

/// The first Ctrl-C ends the stream in order, with all that was found; the second ends the process.
pub fn stop_on_ctrl_c() {
    let handler = || {
        if INTERRUPTS.fetch_add(1, Ordering::Relaxed) > 0 {
            std::process::exit(INTERRUPTED.into());
        }
    };
    if let Err(error) = ctrlc::set_handler(handler) {
        errln!("polygraph: Ctrl-C will end the run at once: {error}");
    }
}

/// Whether the user asked to stop.
pub fn interrupted() -> bool {
    INTERRUPTS.load(Ordering::Relaxed) > 0
}

/// A shipped set of rules by its name, or the file of that name.
fn rules(name: &str) -> Result<Rules> {
    if let Some(shipped) = Rules::shipped(name) {
        return Ok(shipped?);
    }
    let text = fs::read_to_string(name).map_err(|error| {
        let shipped: Vec<_> = SHIPPED.iter().map(|(name, _)| *name).collect();
        let why = format!("{error}; the sets that come along are {}", shipped.join(", "));
        Error::File { path: name.to_owned(), why: std::io::Error::new(error.kind(), why) }
    })?;
    Ok(Rules::parse(name, &text)?)
}

/// How the run of an input ended, after everything that was found was written.
struct Ended {
    failure: Option<String>,
    /// A rule with the action `exit` was met.
    matched: bool,
}

/// One input.
fn one(input: &Input, folder: &Path, analyze: &Analyze, rules: &Rules, anchors: &Anchors) -> Result<Ended> {
    let began = Instant::now();
    let epoch = input.epoch(analyze)?;
    fs::create_dir_all(folder).map_err(Error::file(folder))?;
    let numbering = Numbering::new(input.stream.clone(), epoch.clone());
    let sender = Sender::start(&analyze.kafka, input.file.is_none())?;
    let mut outputs = Outputs::create(folder, numbering, sender, rules.clone(), analyze.keep_faces)?;
    let provenance = input.file.as_ref().and_then(|file| credentials::read(file, anchors));
    let mut graph = Graph::start(input, analyze)?;
    let mut progress = Progress::new(analyze.quiet);
    let ended = drive(&mut graph, &mut outputs, &mut progress, provenance.as_ref());
    progress.finish();
    // What was found is told and delivered even when writing or the pipeline failed half-way.
    let mut failure = ended.unwrap_or_else(|error| Some(error.to_string()));
    let counters = graph.counters();
    graph.stop();
    if let Err(error) = outputs.end() {
        failure.get_or_insert(error.to_string());
    }
    if let Err(error) = tell_end(&mut outputs, &graph, failure.as_deref(), counters.clone()) {
        failure.get_or_insert(error.to_string());
    }

    let mut summary = Summary::new(input, &epoch, &graph, &outputs, began.elapsed());
    summary.counters = counters;
    summary.provenance = provenance;
    if let Some(failure) = &failure {
        summary.failed(failure);
    }
    // Asked of the engine that the elements shared; they have it, so it opens at once.
    if let Ok(engine) = Engine::shared(analyze.provider) {
        summary.engine(&engine);
    }
    let undelivered = deliver(&mut outputs, &mut summary, analyze);
    summary.webhook = outputs.finish_hook();
    for written in [summary.write(folder), page::write(folder, &summary, outputs.report())] {
        if let Err(error) = written {
            failure.get_or_insert(error.to_string());
        }
    }
    if !analyze.quiet {
        out!("{summary}{}", outputs.report());
        caveat(&outputs);
    }
    let failure = failure.map(|failure| format!("{}: {failure}", input.given)).or(undelivered);
    Ok(Ended { failure, matched: outputs.matched() })
}

/// Says what signs of manipulation are worth, to whoever has just read of some.
fn caveat(outputs: &Outputs) {
    let report = outputs.report();
    let found = |judged: &Judged| judged.verdict == Verdict::SignsFound;
    let face = report.tracks().any(|track| track.manipulation.as_ref().is_some_and(found));
    let voice = report.voice().is_some_and(|voice| voice.verdict == Verdict::SignsFound);
    for (card, what) in [
        (face.then_some(polygraph_models::forensics::CARD), "signs in faces"),
        (voice.then_some(polygraph_models::voice::CARD), "signs of a synthetic voice"),
    ] {
        if let Some(Ok(card)) = card.map(polygraph_models::card) {
            outln!("  What {what} are worth: {}", card.quality.note);
        }
    }
}

/// Takes what the pipeline gives until it ends; `Some` says why it ended too early.
fn drive(
    graph: &mut Graph,
    outputs: &mut Outputs,
    progress: &mut Progress,
    provenance: Option<&Provenance>,
) -> Result<Option<String>> {
    let mut started = false;
    let mut heard = Instant::now();
    let mut seen = graph.watch.arrived();
    loop {
        let step = graph.step();
        graph.exhibits().into_iter().for_each(|exhibit| outputs.exhibit(exhibit));
        let arrived = graph.watch.arrived();
        if arrived != seen || matches!(step, Step::Record(_)) {
            (seen, heard) = (arrived, Instant::now());
        }
        if !started && arrived > 0 {
            started = true;
            outputs.stream(Stream { provenance: provenance.cloned(), ..Stream::new(StreamState::Started, 0) })?;
        }
        match step {
            Step::Record(text) => {
                let record: Record = serde_json::from_slice(&text).map_err(|error| {
                    Error::GStreamer(format!("polyanalyze gave something that is no record: {error}"))
                })?;
                outputs.record(record)?;
            }
            Step::Idle if heard.elapsed() > STALLED => {
                let at = fault::time(graph.watch.end_ns());
                return Ok(Some(format!("nothing came from the source for {} s, at {at}", STALLED.as_secs())));
            }
            Step::Idle => {}
            Step::Ended(failure) => return Ok(failure),
        }
        outputs.tell_of_delivery(graph.watch.end_ns())?;
        if interrupted() {
            graph.end_early();
        }
        progress.show(graph, outputs.report_counts());
    }
}

fn tell_end(outputs: &mut Outputs, graph: &Graph, failure: Option<&str>, counters: Counters) -> Result<()> {
    let at = StreamState::Ended;
    let (kind, reason) = match (failure, graph.ended_early()) {
        (Some(failure), _) => (StreamState::Failed, Some(failure.to_owned())),
        (None, true) => (at, Some("interrupted".to_owned())),
        (None, false) => (at, None),
    };
    outputs.stream(state(kind, graph.watch.end_ns(), reason, counters))
}

fn state(state: StreamState, pts_ns: u64, reason: Option<String>, counters: Counters) -> Stream {
    Stream { reason, counters, ..Stream::new(state, pts_ns) }
}

/// Waits for Kafka; `Some` says what is missing and how to send it again.
fn deliver(outputs: &mut Outputs, summary: &mut Summary, analyze: &Analyze) -> Option<String> {
    let outcome = outputs.take_sender()?.finish(analyze.kafka.timeout);
    summary.kafka = Some((&outcome).into());
    (!outcome.complete()).then(|| outcome.shortfall(&analyze.kafka, &outputs.events_path()))
}
