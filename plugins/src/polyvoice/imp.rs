// SPDX-License-Identifier: Apache-2.0
//! The element `polyvoice`.

use std::sync::{LazyLock, Mutex};

use gst::glib;
use gst::prelude::*;
use gst::subclass::prelude::*;
use gst_audio::{AudioFormat, AudioInfo, AudioStreamAlign};
use gst_base::prelude::*;
use gst_base::subclass::prelude::*;
use polygraph_core::accounting::Accounting;
use polygraph_core::fault::{Edge, LoudnessSeen};
use polygraph_core::results::{AudioResults, Heard, PtsRange, SpeechWindow};

use super::faults::Ear;
use super::hearing::Hearing;
use super::loudness::{Meter, heard};
use super::speech::Speech;
use super::synthetic::Voice;
use crate::analyser::{Provider, lock, stats};
use crate::faults::FaultSettings;
use crate::late::Late;
use crate::meta::update_audio;

static CAT: LazyLock<gst::DebugCategory> = LazyLock::new(|| {
    gst::DebugCategory::new("polyvoice", gst::DebugColorFlags::empty(), Some("Loudness, silence and speech activity"))
});

/// Deviation of the stamps that is jitter, and the time after which it is a hole.
const JITTER: gst::ClockTime = gst::ClockTime::from_mseconds(40);

#[derive(Clone, Debug)]
struct Settings {
    vad: bool,
    synthetic: bool,
    keep_sound: bool,
    provider: Provider,
    silence_threshold: f64,
    silence_time: u64,
    faults: FaultSettings,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            vad: true,
            synthetic: true,
            keep_sound: false,
            provider: Provider::Auto,
            silence_threshold: -60.0,
            silence_time: 1_000_000_000,
            faults: FaultSettings::default(),
        }
    }
}

/// What depends on the caps.
struct Stream {
    info: AudioInfo,
    align: AudioStreamAlign,
    meter: Meter,
    hearing: Hearing,
    ear: Option<Ear>,
    /// Frames in -1..1, when the buffer doesn't hold them so.
    scratch: Vec<f32>,
}

impl Stream {
    fn new(info: &AudioInfo, faults: &FaultSettings) -> Result<Self, String> {
        let ear = Ear::new(faults, info.channels() as usize, info.rate());
        let meter = Meter::new(info, ear.as_ref().is_some_and(Ear::wants_peaks))
            .map_err(|error| format!("loudness of {info:?}: {error}"))?;
        let align = AudioStreamAlign::new(info.rate() as i32, JITTER, gst::ClockTime::ZERO);
        let hearing = Hearing::new(info.rate(), heard(info))?;
        Ok(Self { info: info.clone(), align, meter, hearing, ear, scratch: Vec::new() })
    }
}

#[derive(Default)]
struct State {
    stream: Option<Stream>,
    speech: Option<Speech>,
    voice: Option<Voice>,
    /// Where faults begin and end that nobody was told of yet.
    edges: Vec<Edge>,
}

/// What `stats` tells. Apart from the state, which is held while networks run: who asks how things are doesn't wait for them.
#[derive(Default)]
struct Counts {
    accounting: Accounting,
    bad_samples: u64,
}

/// The implementation.
#[derive(Default)]
pub struct PolyVoice {
    settings: Mutex<Settings>,
    counts: Mutex<Counts>,
    state: Mutex<State>,
}

#[glib::object_subclass]
impl ObjectSubclass for PolyVoice {
    const NAME: &'static str = "GstPolyVoice";
    type Type = super::PolyVoice;
    type ParentType = gst_base::BaseTransform;
}

impl ObjectImpl for PolyVoice {
    fn properties() -> &'static [glib::ParamSpec] {
        static PROPERTIES: LazyLock<Vec<glib::ParamSpec>> = LazyLock::new(|| {
            let default = Settings::default();
            let mut specs = vec![
                glib::ParamSpecBoolean::builder("vad")
                    .nick("Speech activity")
                    .blurb("Whether to run the speech activity network")
                    .default_value(default.vad)
                    .mutable_ready()
                    .build(),
                glib::ParamSpecBoolean::builder("synthetic")
                    .nick("Synthetic voice")
                    .blurb("Whether to look for signs of a synthetic voice; needs speech activity")
                    .default_value(default.synthetic)
                    .mutable_ready()
                    .build(),
                glib::ParamSpecBoolean::builder("keep-sound")
                    .nick("Keep sound")
                    .blurb("Whether to put the sound as networks hear it (16 kHz, mono) into the meta, for elements that compare it with the lips")
                    .default_value(default.keep_sound)
                    .mutable_playing()
                    .build(),
                glib::ParamSpecEnum::builder_with_default("provider", default.provider)
                    .nick("Provider")
                    .blurb("ONNX Runtime execution provider of the networks")
                    .mutable_ready()
                    .build(),
                glib::ParamSpecDouble::builder("silence-threshold")
                    .nick("Silence threshold")
                    .blurb("Level under which a channel is silent, in dBFS (root mean square of a buffer)")
                    .minimum(-120.0)
                    .maximum(0.0)
                    .default_value(default.silence_threshold)
                    .mutable_playing()
                    .build(),
                glib::ParamSpecUInt64::builder("silence-time")
                    .nick("Silence time")
                    .blurb("Time that all channels must be silent before the sound counts as silent, in nanoseconds")
                    .default_value(default.silence_time)
                    .mutable_playing()
                    .build(),
                glib::ParamSpecBoxed::builder::<gst::Structure>("stats")
                    .nick("Statistics")
                    .blurb(
                        "Account of the buffers: input = analysed + late + skipped-REASON; bad-samples counts \
                            samples that were no finite numbers and were taken as silence",
                    )
                    .read_only()
                    .build(),
            ];
            specs.extend(FaultSettings::specs());
            specs
        });
        &PROPERTIES
    }

    #[allow(clippy::expect_used, reason = "GObject has checked the type")]
    fn set_property(&self, _id: usize, value: &glib::Value, pspec: &glib::ParamSpec) {
        let mut settings = lock(&self.settings);
        match pspec.name() {
            "vad" => settings.vad = value.get().expect("type checked upstream"),
            "synthetic" => settings.synthetic = value.get().expect("type checked upstream"),
            "keep-sound" => settings.keep_sound = value.get().expect("type checked upstream"),
            "provider" => settings.provider = value.get().expect("type checked upstream"),
            "silence-threshold" => settings.silence_threshold = value.get().expect("type checked upstream"),
            "silence-time" => settings.silence_time = value.get().expect("type checked upstream"),
            name => {
                if let Err(why) = settings.faults.set(name, value).unwrap_or_else(|| unimplemented!()) {
                    gst::error!(CAT, imp = self, "{name}: {why}");
                }
            }
        }
    }

    fn property(&self, _id: usize, pspec: &glib::ParamSpec) -> glib::Value {
        let settings = lock(&self.settings).clone();
        match pspec.name() {
            "vad" => settings.vad.to_value(),
            "synthetic" => settings.synthetic.to_value(),
            "keep-sound" => settings.keep_sound.to_value(),
            "provider" => settings.provider.to_value(),
            "silence-threshold" => settings.silence_threshold.to_value(),
            "silence-time" => settings.silence_time.to_value(),
            "stats" => {
                let counts = lock(&self.counts);
                let mut stats = stats(&counts.accounting);
                stats.set("bad-samples", counts.bad_samples);
                stats.to_value()
            }
            name => settings.faults.get(name).unwrap_or_else(|| unimplemented!()),
        }
    }
}

impl GstObjectImpl for PolyVoice {}

impl ElementImpl for PolyVoice {
    fn metadata() -> Option<&'static gst::subclass::ElementMetadata> {
        static METADATA: LazyLock<gst::subclass::ElementMetadata> = LazyLock::new(|| {
            gst::subclass::ElementMetadata::new(
                "Polygraph voice analyser",
                "Filter/Analyzer/Audio",
                "Measures loudness (EBU R 128), silence and speech activity, and looks for signs of a synthetic voice",
                "Polygraph developers",
            )
        });
        Some(&METADATA)
    }

    fn pad_templates() -> &'static [gst::PadTemplate] {
        static TEMPLATES: LazyLock<Vec<gst::PadTemplate>> = LazyLock::new(|| {
            let caps = gst_audio::AudioCapsBuilder::new_interleaved()
                .format_list([AudioFormat::F32le, AudioFormat::S16le])
                .rate_range(4_000..=384_000)
                .channels_range(1..=64)
                .build();
            [("sink", gst::PadDirection::Sink), ("src", gst::PadDirection::Src)]
                .into_iter()
                .filter_map(|(name, way)| gst::PadTemplate::new(name, way, gst::PadPresence::Always, &caps).ok())
                .collect()
        });
        &TEMPLATES
    }
}

impl BaseTransformImpl for PolyVoice {
    const MODE: gst_base::subclass::BaseTransformMode = gst_base::subclass::BaseTransformMode::AlwaysInPlace;
    const PASSTHROUGH_ON_SAME_CAPS: bool = false;
    const TRANSFORM_IP_ON_PASSTHROUGH: bool = false;

    fn start(&self) -> Result<(), gst::ErrorMessage> {
        let settings = lock(&self.settings).clone();
        let speech = settings.vad.then(|| Speech::load(settings.provider.into())).transpose();
        let speech = speech.map_err(|error| {
            gst::error!(CAT, imp = self, "no speech activity: {error}");
            gst::error_msg!(gst::LibraryError::Init, ["speech activity: {error}"])
        })?;
        let voice = (settings.vad && settings.synthetic).then(|| Voice::load(settings.provider.into())).transpose();
        let voice = voice.map_err(|error| {
            gst::error!(CAT, imp = self, "no network for voices: {error}");
            gst::error_msg!(
                gst::ResourceError::NotFound,
                ("Synthetic voice: {error}"),
                ["`polygraph models fetch` fetches the networks and ONNX Runtime"]
            )
        })?;
        *lock(&self.state) = State { speech, voice, ..State::default() };
        *lock(&self.counts) = Counts::default();
        Ok(())
    }

    fn stop(&self) -> Result<(), gst::ErrorMessage> {
        let mut state = lock(&self.state);
        state.stream = None;
        state.speech = None;
        state.voice = None;
        Ok(())
    }

    fn set_caps(&self, incaps: &gst::Caps, _outcaps: &gst::Caps) -> Result<(), gst::LoggableError> {
        let info = AudioInfo::from_caps(incaps).map_err(|_| gst::loggable_error!(CAT, "{incaps} are no audio caps"))?;
        let faults = lock(&self.settings).faults.clone();
        let stream = Stream::new(&info, &faults).map_err(|error| gst::loggable_error!(CAT, "{error}"))?;
        let mut state = lock(&self.state);
        state.end_faults();
        state.stream = Some(stream);
        state.speech.iter_mut().for_each(Speech::reset);
        Ok(())
    }

    fn sink_event(&self, event: gst::Event) -> bool {
        if matches!(event.view(), gst::EventView::FlushStop(_) | gst::EventView::Segment(_)) {
            self.restart();
        }
        if event.type_() == gst::EventType::FlushStop {
            lock(&self.state).edges.clear();
        }
        if event.type_() == gst::EventType::Eos {
            let mut state = lock(&self.state);
            state.end_faults();
            let edges = std::mem::take(&mut state.edges);
            drop(state);
            self.tell(edges);
        }
        self.parent_sink_event(event)
    }

    fn transform_ip(&self, buffer: &mut gst::BufferRef) -> Result<gst::FlowSuccess, gst::FlowError> {
        let settings = lock(&self.settings).clone();
        let (results, edges) = {
            let mut state = lock(&self.state);
            let results = self.analyse(&mut state, &settings, buffer).map_err(|error| {
                gst::error!(CAT, imp = self, "{error}");
                error
            });
            (results, std::mem::take(&mut state.edges))
        };
        self.tell(edges);
        match results {
            Ok(Some(results)) => update_audio(buffer, |known| *known = results),
            Ok(None) => {}
            Err(error) => {
                gst::element_imp_error!(self, gst::StreamError::Failed, ["{error}"]);
                return Err(gst::FlowError::Error);
            }
        }
        Ok(gst::FlowSuccess::Ok)
    }
}

impl State {
    /// No fault goes on.
    fn end_faults(&mut self) {
        let ended = self.stream.as_mut().and_then(|stream| stream.ear.as_mut()).map(Ear::end);
        self.edges.extend(ended.into_iter().flatten());
    }
}

impl PolyVoice {
    /// Sends where faults begin and end downstream, before the sound at which it was known.
    fn tell(&self, edges: Vec<Edge>) {
        let late = Late { edges, ..Late::default() };
        if !late.is_empty() {
            gst::debug!(CAT, imp = self, "{late:?}");
            self.obj().src_pad().push_event(late.event());
        }
    }

    /// Starts all measures anew.
    fn restart(&self) {
        let faults = lock(&self.settings).faults.clone();
        let mut state = lock(&self.state);
        state.end_faults();
        let info = state.stream.as_ref().map(|stream| stream.info.clone());
        // The same layout was accepted before.
        state.stream = info.and_then(|info| Stream::new(&info, &faults).ok());
        state.speech.iter_mut().for_each(Speech::reset);
        state.voice.iter_mut().for_each(Voice::restart);
    }

    /// Measures a buffer; nothing comes of one without PTS, which can't be placed.
    fn analyse(
        &self,
        state: &mut State,
        settings: &Settings,
        buffer: &gst::BufferRef,
    ) -> Result<Option<AudioResults>, String> {
        let State { stream, speech, voice, edges } = state;
        let stream = stream.as_mut().ok_or("sound came before its caps")?;
        let Some(pts) = buffer.pts() else {
            lock(&self.counts).accounting.skipped("no-pts");
            return Ok(None);
        };
        let map = buffer.map_readable().map_err(|_| "the buffer can't be read")?;
        let mut scratch = std::mem::take(&mut stream.scratch);
        let bad = samples(&map, stream.info.format(), &mut scratch);
        lock(&self.counts).bad_samples += bad;
        let range = follow(stream, speech, voice, edges, pts, scratch.len(), buffer.flags())?;
        let quiet = 10f64.powf(settings.silence_threshold / 20.0) as f32;
        stream.meter.push(&scratch, quiet).map_err(|error| format!("loudness: {error}"))?;
        faults(stream, &scratch, edges);
        let lost = |speech: &Option<Speech>, voice: &Option<Voice>| {
            speech.as_ref().map_or(0, |speech| speech.lost) + voice.as_ref().map_or(0, |voice| voice.lost)
        };
        let before = lost(speech, voice);
        let mut heard = Vec::new();
        let keep = settings.keep_sound.then_some(&mut heard);
        let windows = listen(&mut stream.hearing, speech, voice, &scratch, keep)?;
        let is_lost = lost(speech, voice) > before;
        let mut counts = lock(&self.counts);
        if is_lost {
            counts.accounting.skipped("busy");
        } else {
            counts.accounting.analysed();
        }
        drop(counts);
        stream.scratch = scratch;
        for window in &windows {
            gst::log!(CAT, imp = self, "speech {:.3} at {}", window.p, window.pts.start_ns);
        }
        Ok(Some(AudioResults {
            pts: range,
            speech: windows,
            loudness: stream.meter.loudness(),
            silent: stream.meter.quiet_ns() >= settings.silence_time,
            network: speech.as_ref().map(Speech::network),
            synthetic: voice.as_ref().and_then(Voice::known),
            voice: voice.as_ref().map(Voice::network),
            heard,
        }))
    }
}

/// The samples of a buffer in -1..1; those that are no numbers are silenced, and counted.
fn samples(bytes: &[u8], format: AudioFormat, into: &mut Vec<f32>) -> u64 {
    into.clear();
    if format == AudioFormat::S16le {
        into.extend(bytes.as_chunks().0.iter().map(|&sample| f32::from(i16::from_le_bytes(sample)) / 32_768.0));
        return 0;
    }
    let mut bad = 0;
    into.extend(bytes.as_chunks().0.iter().map(|&sample| {
        let sample = f32::from_le_bytes(sample);
        if sample.is_finite() {
            return sample;
        }
        bad += 1;
        0.0
    }));
    bad
}

/// Joins a buffer on to those before: the range of its sound.
fn follow(
    stream: &mut Stream,
    speech: &mut Option<Speech>,
    voice: &mut Option<Voice>,
    edges: &mut Vec<Edge>,
    pts: gst::ClockTime,
    samples: usize,
    flags: gst::BufferFlags,
) -> Result<PtsRange, String> {
    let frames = (samples / stream.info.channels() as usize) as u32;
    let first = stream.align.samples_since_discont() == 0;
    let end = stream.align.timestamp_at_discont().map(|start| {
        let frames = stream.align.samples_since_discont();
        start.nseconds() + frames * 1_000_000_000 / u64::from(stream.hearing.rate())
    });
    // A flag without a step in time is no hole.
    let stepped = end.is_none_or(|end| end.abs_diff(pts.nseconds()) > JITTER.nseconds());
    let flagged = flags.contains(gst::BufferFlags::DISCONT) && stepped;
    let (broken, start, duration, _) = stream.align.process(flagged, pts, frames);
    if broken || first {
        stream.hearing.restart(start.nseconds());
        edges.extend(stream.ear.iter_mut().flat_map(|ear| ear.restart(start.nseconds())));
        speech.iter_mut().for_each(Speech::reset);
        voice.iter_mut().for_each(Voice::restart);
        let hole = end.filter(|_| !first).map_or(0, |end| pts.nseconds().saturating_sub(end));
        let frames = u128::from(hole) * u128::from(stream.info.rate()) / 1_000_000_000;
        stream.meter.hole(frames as u64).map_err(|error| format!("loudness: {error}"))?;
        // Silence of a hole is none that was heard.
        drop(stream.meter.take_blocks());
    }
    Ok(PtsRange { start_ns: start.nseconds(), end_ns: (start + duration).nseconds() })
}

/// Looks for faults in frames that the meter has just taken.
fn faults(stream: &mut Stream, frames: &[f32], edges: &mut Vec<Edge>) {
    let (since, blocks) = stream.meter.take_blocks();
    let Some(ear) = &mut stream.ear else { return };
    edges.extend(ear.push(frames));
    let count = blocks.len() as u64;
    for (index, (loudness, true_peak_dbtp)) in blocks.into_iter().enumerate() {
        let pts = ear.hundredth(since, count - 1 - index as u64);
        edges.extend(ear.loudness(&LoudnessSeen { pts, loudness, true_peak_dbtp }));
    }
}

fn listen(
    hearing: &mut Hearing,
    speech: &mut Option<Speech>,
    voice: &mut Option<Voice>,
    frames: &[f32],
    mut keep: Option<&mut Vec<Heard>>,
) -> Result<Vec<SpeechWindow>, String> {
    if speech.is_none() && keep.is_none() {
        return Ok(Vec::new());
    }
    let mut windows = Vec::new();
    hearing
        .push(frames, |pts, window| {
            if let Some(kept) = &mut keep {
                kept.push(Heard { pts, samples: window[..].into() });
            }
            let spoken = match speech {
                Some(speech) => speech.listen(pts, window)?,
                None => None,
            };
            if let Some(voice) = voice {
                voice.hear(pts, window, spoken.as_ref().map(|spoken| spoken.p))?;
            }
            windows.extend(spoken);
            Ok(())
        })
        .map_err(|error: polygraph_models::Error| format!("speech activity or synthetic voice: {error}"))?;
    Ok(windows)
}
