// SPDX-License-Identifier: Apache-2.0
//! The one graph: a source, `polyanalyze`, and a sink that hands out records. `analyze` and the service build it here.
//!
//! The decoder is `uridecodebin`, not uridecodebin3: that of GStreamer 1.22 now and then loses a short file's streams at
//! the start and stands still; seen here in one of ten files on a busy machine.

use std::collections::BTreeMap;
use std::sync::Arc;

use gst::glib;
use gst::prelude::*;
use gst_app::AppSink;
use polygraph_core::accounting::{Accounting, Counters};
use polygraph_core::fault::{Faults, Limits};
use polygraph_core::load::Rates;
use polygraph_models::Provider;

/// Records between the analysers and whoever takes them.
const MOST_WAITING: u32 = 256;

/// What is looked and listened for.
#[derive(Clone, Debug, PartialEq)]
pub struct Analysis {
    /// Pictures a second that are searched for faces.
    pub fps: f64,
    /// Look for small faces too, in tiles.
    pub tiles: bool,
    /// Write down what is said.
    pub transcript: bool,
    /// Look for signs of manipulation in faces.
    pub forensics: bool,
    /// Compare lips with the sound, and tell who speaks.
    pub lip_sync: bool,
    /// Label what is shown.
    pub scenes: bool,
    /// Look for what may be unfit to be shown.
    pub safety: bool,
    /// Least scores of content safety's labels, in place of the card's: LABEL=0.5,OTHER=0.3.
    pub safety_thresholds: String,
    /// Blur pictures in which content safety found something that isn't to be shown.
    pub blur_unsafe: bool,
    /// Read the text that stands on the screen.
    pub screen_text: bool,
    /// Look for faces.
    pub faces: bool,
    /// Look for shot boundaries.
    pub shots: bool,
    /// Look for speech, loudness and silence.
    pub voice: bool,
    /// Broadcast faults that are looked for.
    pub faults: Faults,
    /// From where on something is one.
    pub fault_limits: Limits,
    /// Let lips help the transcript.
    pub lip_reading: bool,
    /// Post pictures of faces' highest scores on the bus.
    pub evidence: bool,
    /// Post small pictures of what was searched for faces.
    pub key_frames: bool,
    /// What runs the networks.
    pub provider: Provider,
}

impl Default for Analysis {
    fn default() -> Self {
        Self {
            fps: 5.0,
            tiles: false,
            transcript: true,
            forensics: true,
            lip_sync: true,
            scenes: true,
            safety: false,
            safety_thresholds: String::new(),
            blur_unsafe: true,
            screen_text: false,
            faces: true,
            shots: true,
            voice: true,
            faults: Faults::NONE,
            fault_limits: Limits::default(),
            lip_reading: false,
            evidence: false,
            key_frames: false,
            provider: Provider::default(),
        }
    }
}

impl Analysis {
    /// `polyanalyze` set up for it.
    ///
    /// # Errors
    /// When GStreamer doesn't know the element.
    pub fn element(&self) -> Result<gst::Element, glib::BoolError> {
        gst::ElementFactory::make("polyanalyze")
            .property("analysis-fps", self.fps)
            .property("tiles", self.tiles)
            .property("transcript", self.transcript)
            .property("forensics", self.forensics)
            .property("lip-sync", self.lip_sync)
            .property("scenes", self.scenes)
            .property("safety", self.safety)
            .property("safety-thresholds", &self.safety_thresholds)
            .property("blur-unsafe", self.blur_unsafe)
            .property("screen-text", self.screen_text)
            .property("faces", self.faces)
            .property("shots", self.shots)
            .property("voice", self.voice)
            .property("faults", self.faults.to_string())
            .property("fault-limits", self.fault_limits.written())
            .property("lip-reading", self.lip_reading)
            .property("evidence", self.evidence)
            .property("key-frames", self.key_frames)
            .property_from_str("provider", self.provider.as_str())
            .build()
    }
}

/// Gives `polyanalyze`, while it runs, other rates than it was set up for.
pub fn set_rates(analyzer: &gst::Element, rates: &Rates) {
    analyzer.set_property("analysis-fps", rates.analysis_fps);
    analyzer.set_property("partial-interval", rates.partial_interval_ms);
}

/// A pipeline that has not been started.
pub struct Graph {
    /// All of it.
    pub pipeline: gst::Pipeline,
    /// `polyanalyze`.
    pub analyzer: gst::Element,
    /// Gives one record, a JSON object, a buffer. Full, it holds the analysers back.
    pub sink: AppSink,
    /// What all elements have to say.
    pub bus: gst::Bus,
}

/// What happens to a decoder's pads.
pub trait Connected: Send + Sync + 'static {
    /// A pad whose data go to the analysers: `kind` is `video` or `audio`, `sink` their pad.
    fn analysed(self: Arc<Self>, kind: &'static str, sink: &gst::Pad);
    /// A pad that nobody analyses: a second language, subtitles.
    fn left(self: Arc<Self>, pad: &gst::Pad);
}

impl Graph {
    /// Puts a source with sometimes pads of decoded data, an analyser and a sink into a pipeline. With `paced`, data
    /// that come faster than they are shown are held back to their time, as from a camera.
    ///
    /// # Errors
    /// When an element is missing.
    pub fn build(
        source: &gst::Element,
        analyzer: gst::Element,
        paced: bool,
        connected: Arc<dyn Connected>,
    ) -> Result<Self, glib::BoolError> {
        let sink = AppSink::builder().sync(false).async_(!paced).max_buffers(MOST_WAITING).build();
        let pipeline = gst::Pipeline::new();
        pipeline.add_many([source, &analyzer, sink.upcast_ref()])?;
        analyzer.link(&sink)?;
        connect(source, &analyzer, paced, connected);
        let bus = pipeline.bus().ok_or_else(|| glib::bool_error!("a pipeline has no bus"))?;
        Ok(Self { pipeline, analyzer, sink, bus })
    }

    /// The analysers' accounts so far.
    pub fn counters(&self) -> Counters {
        counters(&self.analyzer)
    }
}

/// The accounts of `polyanalyze` so far.
pub fn counters(analyzer: &gst::Element) -> Counters {
    let stats: gst::Structure = analyzer.property("stats");
    let account = |(name, value): (&glib::GStr, &glib::SendValue)| {
        let stats = value.get::<&gst::StructureRef>().ok()?;
        Some((name.to_string(), accounting(stats)))
    };
    stats.iter().filter_map(account).collect()
}

/// Gives the first stream of video and of sound to the analysers as they appear, and the others to nobody.
fn connect(source: &gst::Element, analyzer: &gst::Element, paced: bool, connected: Arc<dyn Connected>) {
    if source.is::<gst::Bin>() {
        trust_stamps(source);
    }
    let analyzer = analyzer.downgrade();
    source.connect_pad_added(move |source, pad| {
        let Some(analyzer) = analyzer.upgrade() else { return };
        let kind = kind(pad).filter(|kind| analyzer.static_pad(kind).is_none());
        let Some(kind) = kind else {
            // A pad that nobody takes would end the whole stream as not linked.
            Arc::clone(&connected).left(pad);
            discard(source, pad);
            return;
        };
        let Some(sink) = analyzer.request_pad_simple(kind) else { return }; // It has said why on the bus.
        Arc::clone(&connected).analysed(kind, &sink);
        let linked = if paced { link_paced(source, pad, &sink) } else { pad.link(&sink).map(drop).map_err(failed) };
        if let Err(error) = linked {
            gst::element_error!(source, gst::CoreError::Pad, ["{kind} can't be analysed: {error}"]);
        }
    });
    source.connect_no_more_pads(move |source| {
        let pads = source.src_pads();
        if !pads.iter().any(|pad| kind(pad).is_some()) {
            gst::element_error!(source, gst::StreamError::WrongType, ["there is neither video nor sound in it"]);
        }
    });
}

fn failed(error: gst::PadLinkError) -> glib::BoolError {
    glib::bool_error!("the pads don't fit ({error})")
}

fn link_paced(source: &gst::Element, pad: &gst::Pad, sink: &gst::Pad) -> Result<(), glib::BoolError> {
    let gone = || glib::bool_error!("the pipeline is gone");
    let pipeline = source.parent().and_downcast::<gst::Bin>().ok_or_else(gone)?;
    let pace = gst::ElementFactory::make("clocksync").build()?;
    pipeline.add(&pace)?;
    let (Some(into), Some(out)) = (pace.static_pad("sink"), pace.static_pad("src")) else {
        return Err(glib::bool_error!("clocksync has no pads"));
    };
    out.link(sink).map_err(failed)?;
    pace.sync_state_with_parent()?;
    pad.link(&into).map(drop).map_err(failed)
}

/// Has the demuxer of MPEG program streams believe the stamps of pictures and sound, and not the multiplexer's clock: where
/// that steps in mid-file, as in most clips of the GRID corpus, it would tear a hole into both.
pub fn trust_stamps(source: &gst::Element) {
    source.connect("deep-element-added", false, |values| {
        let added = values.get(2)?.get::<gst::Element>().ok()?;
        if added.factory().is_some_and(|factory| factory.name() == "mpegpsdemux") {
            added.set_property("ignore-scr", true);
        }
        None
    });
}

/// When a buffer is shown, counted from the stream's beginning.
pub fn stream_time(pad: &gst::Pad, buffer: &gst::BufferRef) -> Option<gst::ClockTime> {
    let event = pad.sticky_event::<gst::event::Segment>(0)?;
    event.segment().downcast_ref::<gst::ClockTime>()?.to_stream_time(buffer.pts()?)
}

/// Which pad of the analysers takes a decoder's pad.
pub fn kind(pad: &gst::Pad) -> Option<&'static str> {
    let caps = pad.current_caps().unwrap_or_else(|| pad.query_caps(None));
    match caps.structure(0)?.name().as_str() {
        "video/x-raw" => Some("video"),
        "audio/x-raw" => Some("audio"),
        _ => None,
    }
}

/// Gives a decoder's pad to nobody.
pub fn discard(source: &gst::Element, pad: &gst::Pad) {
    let Some(pipeline) = source.parent().and_downcast::<gst::Bin>() else { return };
    let sink = gst::ElementFactory::make("fakesink").property("sync", false).property("async", false).build();
    if let Ok(sink) = sink
        && pipeline.add(&sink).is_ok()
        && sink.sync_state_with_parent().is_ok()
        && let Some(target) = sink.static_pad("sink")
        && let Err(error) = pad.link(&target)
    {
        gst::warning!(gst::CAT_RUST, obj = source, "{} is left unlinked: {error}", pad.name());
    }
}

fn accounting(stats: &gst::StructureRef) -> Accounting {
    let count = |name: &str| stats.get::<u64>(name).unwrap_or_default();
    let skipped: BTreeMap<_, _> =
        stats.fields().filter_map(|name| Some((name.strip_prefix("skipped-")?.to_owned(), count(name)))).collect();
    Accounting { input: count("input"), analysed: count("analysed"), skipped, late: count("late") }
}
