// SPDX-License-Identifier: Apache-2.0
//! The pipeline of a run. Everything is taken from one thread, by turns from the sink and from the bus; the sink's
//! bounded queue holds the pipeline back when that thread is slower.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use gst::prelude::*;
use polygraph_core::accounting::Counters;

use super::{complaints, input::Input, watch::Watch};
use crate::evidence::Exhibit;
use crate::{
    cli::Analyze,
    error::{Error, Result},
    fault,
    graph::{self, Analysis, Connected},
    rtsp,
};

/// rtspsrc's own jitterbuffer waits two seconds.
const RTSP_LATENCY_MS: u32 = 200;
/// How long a turn waits for a record.
const TURN: gst::ClockTime = gst::ClockTime::from_mseconds(50);
/// After an error, for what the analysers still have in hand.
const GRACE: Duration = Duration::from_secs(10);
/// A container's duration is rounded, and audio and video rarely end together.
const TOLERANCE: gst::ClockTime = gst::ClockTime::from_mseconds(1500);

/// Flaws that a decoder concealed and that are let pass: a clip of the GRID corpus has one, and is whole.
const MOST_CONCEALED: u64 = 2;

/// Demuxers of containers that state how long they are.
const STATE_DURATION: [&str; 7] =
    ["qtdemux", "matroskademux", "avidemux", "flvdemux", "wavparse", "flacparse", "asfdemux"];

/// What a turn brought.
pub enum Step {
    /// A record, as JSON.
    Record(Vec<u8>),
    /// Nothing yet.
    Idle,
    /// The end; `Some` says why it came too early.
    Ended(Option<String>),
}

/// The pipeline of a run.
pub struct Graph {
    media: graph::Graph,
    /// What came from the decoders to the analysers.
    pub watch: Arc<Watch>,
    /// What came from the decoders and isn't analysed: a second language, subtitles.
    others: Arc<Watch>,
    is_file: bool,
    duration: Option<gst::ClockTime>,
    missing: Vec<String>,
    /// The first thing that went wrong, and when to stop waiting for the rest.
    failure: Option<(String, Instant)>,
    damage: Option<String>,
    /// How often decoders complained, and the first time.
    complaints: Option<(u64, String)>,
    ended_early: bool,
    /// What incidents may need and nobody has fetched yet.
    exhibits: Vec<Exhibit>,
}

impl Graph {
    /// Builds the pipeline and lets it run.
    pub fn start(input: &Input, analyze: &Analyze) -> Result<Self> {
        let failed = |error: gst::glib::BoolError| Error::GStreamer(error.message.to_string());
        let source = gst::ElementFactory::make("uridecodebin").property("uri", &input.uri).build().map_err(failed)?;
        set_up_camera(&source);
        let (watch, others) = (Watch::new(), Watch::new());
        let watches = Watches { analysed: watch.clone(), others: others.clone() };
        let analyzer = analyze.analysis().element().map_err(failed)?;
        let media = graph::Graph::build(&source, analyzer, false, Arc::new(watches)).map_err(failed)?;
        let graph = Self {
            media,
            watch,
            others,
            is_file: input.file.is_some(),
            duration: None,
            missing: Vec::new(),
            failure: None,
            damage: None,
            complaints: None,
            ended_early: false,
            exhibits: Vec::new(),
        };
        // A refusal is an error message on the bus, which says more than the return value.
        let refused = graph.media.pipeline.set_state(gst::State::Playing).is_err();
        if refused && let Some(why) = graph.first_error() {
            graph.stop();
            return Err(Error::input(&input.given, why));
        }
        Ok(graph)
    }

    /// Takes what comes next.
    pub fn step(&mut self) -> Step {
        self.listen();
        if let Some(sample) = self.media.sink.try_pull_sample(TURN) {
            let map = sample.buffer().and_then(|buffer| buffer.map_readable().ok());
            return map.map_or(Step::Idle, |map| Step::Record(map.to_vec()));
        }
        if self.media.sink.is_eos() {
            // An error posted just before the end of the stream is still on the bus.
            self.listen();
            return Step::Ended(self.verdict());
        }
        match &self.failure {
            Some((failure, until)) if Instant::now() >= *until || self.watch.arrived() == 0 => {
                Step::Ended(Some(failure.clone()))
            }
            _ => Step::Idle,
        }
    }

    /// Takes what the bus and the decoders say.
    fn listen(&mut self) {
        while let Some(message) = self.media.bus.pop() {
            self.take(&message);
        }
        // A recording that begins between two key frames lacks what its first pictures refer to: no damage.
        let Some((count, complaint)) = complaints::take().filter(|_| self.watch.arrived() > 0) else { return };
        let at = fault::time(self.watch.end_ns());
        let (all, _) = self.complaints.get_or_insert((0, format!("the stream is damaged ({complaint}), near {at}")));
        *all += count;
    }

    fn take(&mut self, message: &gst::Message) {
        use gst::MessageView;
        let at = || fault::time(self.watch.end_ns());
        match message.view() {
            MessageView::Error(error) => {
                let why = fault::describe(&error.error(), &self.missing);
                let why = if self.watch.arrived() > 0 { format!("{why}, at {}", at()) } else { why };
                self.failure.get_or_insert((why, Instant::now() + GRACE));
            }
            MessageView::Warning(warning) if fault::is_damage(&warning.error()) => {
                let why = format!("{}, near {}", fault::describe(&warning.error(), &[]), at());
                self.damage.get_or_insert(why);
            }
            MessageView::Element(element) => match Exhibit::read(element) {
                Some(exhibit) => self.exhibits.push(exhibit),
                None => self.missing.extend(fault::missing_plugin(element)),
            },
            MessageView::StreamCollection(streams) if !fault::can_be_analysed(&streams.stream_collection()) => {
                let nothing = "there is neither video nor sound in it".to_owned();
                self.failure.get_or_insert((nothing, Instant::now()));
            }
            MessageView::Latency(_) => drop(self.media.pipeline.recalculate_latency()),
            _ => {}
        }
    }

    /// Why the stream that has come to its end is not all there, if so.
    fn verdict(&mut self) -> Option<String> {
        if let Some((failure, _)) = self.failure.take() {
            return Some(failure);
        }
        if self.ended_early {
            return None;
        }
        if self.watch.arrived() == 0 {
            let missing = if self.missing.is_empty() { "anything in it".into() } else { self.missing.join(", ") };
            return Some(format!("nothing could be decoded: no decoder for {missing}"));
        }
        let end = gst::ClockTime::from_nseconds(self.watch.end_ns().max(self.others.end_ns()));
        if self.states_duration()
            && let Some(duration) = self.duration()
            && end + TOLERANCE < duration
        {
            let (end, all) = (fault::time(end.nseconds()), fault::time(duration.nseconds()));
            return Some(format!("the file is truncated or damaged: it ends at {end} and should at {all}"));
        }
        let complaints = self.complaints.take().filter(|(count, _)| *count > MOST_CONCEALED).map(|(_, first)| first);
        self.damage.take().or(complaints).or_else(|| {
            let (count, first) = self.watch.damaged()?;
            Some(format!("the stream is damaged: {count} pictures or blocks of sound from {} on", fault::time(first)))
        })
    }

    /// The first error on the bus.
    fn first_error(&self) -> Option<String> {
        let message = self.media.bus.pop_filtered(&[gst::MessageType::Error])?;
        match message.view() {
            gst::MessageView::Error(error) => Some(fault::describe(&error.error(), &[])),
            _ => None,
        }
    }

    /// How long a file is by what is known now: parsers of raw streams guess, and guess better as they go on.
    pub fn duration(&mut self) -> Option<gst::ClockTime> {
        if self.is_file {
            let now = self.media.pipeline.query_duration().filter(|duration: &gst::ClockTime| !duration.is_zero());
            self.duration = now.or(self.duration);
        }
        self.duration
    }

    /// Whether the container states its duration, rather than a parser guessing it from the bit rate.
    fn states_duration(&self) -> bool {
        let states = |element: gst::Element| {
            element.factory().is_some_and(|factory| STATE_DURATION.contains(&factory.name().as_str()))
        };
        self.media.pipeline.iterate_recurse().into_iter().filter_map(Result::ok).any(states)
    }

    /// The duration as far as it was asked for.
    pub fn known_duration(&self) -> Option<gst::ClockTime> {
        self.duration
    }

    /// What came since the last call that incidents may need.
    pub fn exhibits(&mut self) -> Vec<Exhibit> {
        std::mem::take(&mut self.exhibits)
    }

    /// Lets the stream end here, in order.
    pub fn end_early(&mut self) {
        if !self.ended_early {
            self.ended_early = true;
            self.media.pipeline.send_event(gst::event::Eos::new());
        }
    }

    /// Whether the user ended it.
    pub fn ended_early(&self) -> bool {
        self.ended_early
    }

    /// The analysers' accounts so far.
    pub fn counters(&self) -> Counters {
        self.media.counters()
    }

    /// Ends the pipeline.
    pub fn stop(&self) {
        if self.media.pipeline.set_state(gst::State::Null).is_err() {
            errln!("polygraph: the pipeline doesn't stop in order");
        }
    }
}

impl Analyze {
    /// What the command line asks to be looked and listened for.
    fn analysis(&self) -> Analysis {
        Analysis {
            fps: self.analysis_fps,
            tiles: self.tiles,
            transcript: !self.no_transcript,
            forensics: !self.no_forensics,
            lip_sync: !self.no_lip_sync,
            scenes: !self.no_scenes,
            safety: self.safety,
            safety_thresholds: self.safety_threshold.join(","),
            blur_unsafe: !self.no_blur,
            screen_text: self.screen_text,
            faces: !self.no_faces,
            shots: !self.no_shots,
            voice: !self.no_voice,
            faults: self.faults.unwrap_or_default(),
            fault_limits: self.fault_limits.unwrap_or_default(),
            lip_reading: self.lip_reading,
            evidence: self.keep_faces,
            key_frames: self.keep_faces,
            provider: self.provider,
        }
    }
}

/// Watches what goes to the analysers, and what doesn't.
struct Watches {
    analysed: Arc<Watch>,
    others: Arc<Watch>,
}

impl Connected for Watches {
    fn analysed(self: Arc<Self>, _kind: &'static str, sink: &gst::Pad) {
        self.analysed.attach(sink);
    }

    fn left(self: Arc<Self>, pad: &gst::Pad) {
        self.others.attach(pad);
    }
}

/// A camera's latency and a way to its end, when the source is one.
fn set_up_camera(source: &gst::Element) {
    source.connect("source-setup", false, |values| {
        let source = values.get(1)?.get::<gst::Element>().ok()?;
        if source.factory().is_some_and(|factory| factory.name() == "rtspsrc") {
            source.set_property("latency", RTSP_LATENCY_MS);
            rtsp::lead_ends_past_jitterbuffers(&source);
        }
        None
    });
}
