// SPDX-License-Identifier: Apache-2.0
//! The element `polyspeech`.

use std::collections::BTreeMap;
use std::sync::{LazyLock, Mutex};

use gst::glib;
use gst::prelude::*;
use gst::subclass::prelude::*;
use polygraph_core::accounting::Accounting;
use polygraph_core::transcription;

use super::inbox::{Inbox, Offer};
use super::lips::Lips;
use super::listener::Listener;
use super::output::Form;
use super::task::Task;
use crate::analyser::{Provider, lock, stats};
use crate::polylips::LIPS_CAPS;

pub(super) static CAT: LazyLock<gst::DebugCategory> =
    LazyLock::new(|| gst::DebugCategory::new("polyspeech", gst::DebugColorFlags::empty(), Some("Speech recognition")));

#[derive(Clone, Debug)]
pub(super) struct Settings {
    partial_interval: u32,
    window: u32,
    min_pause: u32,
    max_utterance: u32,
    max_lag: u32,
    lip_reading: bool,
    compare: bool,
    provider: Provider,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            partial_interval: 500,
            window: 4_000,
            min_pause: 600,
            max_utterance: 15_000,
            max_lag: 5_000,
            lip_reading: true,
            compare: false,
            provider: Provider::Auto,
        }
    }
}

impl Settings {
    /// The policy of the transcriber. Where the stream is live, somebody waits for its finals.
    pub(super) fn policy(&self, live: bool) -> transcription::Settings {
        let ns = |ms: u32| u64::from(ms) * 1_000_000;
        transcription::Settings {
            partial_interval_ns: ns(self.partial_interval),
            window_ns: ns(self.window),
            min_pause_ns: ns(self.min_pause),
            max_utterance_ns: ns(self.max_utterance),
            ahead: live,
            ..transcription::Settings::default()
        }
    }

    pub(super) fn partial_interval(&self) -> gst::ClockTime {
        gst::ClockTime::from_mseconds(self.partial_interval.into())
    }

    fn max_lag(&self) -> gst::ClockTime {
        gst::ClockTime::from_mseconds(self.max_lag.into())
    }
}

/// What is counted.
#[derive(Default)]
pub(super) struct Counts {
    pub(super) accounting: Accounting,
    pub(super) bad_samples: u64,
    /// What became of lips: finals in which they were looked at, and others by reason.
    pub(super) lips: BTreeMap<&'static str, u64>,
}

/// The implementation.
pub struct PolySpeech {
    pub(super) sinkpad: gst::Pad,
    pub(super) srcpad: gst::Pad,
    pub(super) settings: Mutex<Settings>,
    pub(super) counts: Mutex<Counts>,
    pub(super) inbox: Inbox,
    pub(super) lips: Lips,
    /// Whether upstream is live, as of the last segment.
    live: Mutex<bool>,
    /// The task's own; taken out while it works, so that nothing is locked while it pushes.
    pub(super) task: Mutex<Option<Task>>,
}

#[glib::object_subclass]
impl ObjectSubclass for PolySpeech {
    const NAME: &'static str = "GstPolySpeech";
    type Type = super::PolySpeech;
    type ParentType = gst::Element;

    #[allow(clippy::expect_used, reason = "the class has made the templates")]
    fn with_class(klass: &Self::Class) -> Self {
        let template = |name| klass.pad_template(name).expect("pad templates are made by this class");
        let sinkpad = gst::Pad::builder_from_template(&template("sink"))
            .activatemode_function(|pad, parent, mode, active| {
                Self::catch_panic_pad_function(
                    parent,
                    || Err(gst::loggable_error!(CAT, "panic when activating the sink pad")),
                    |this| this.activate_sink(pad, mode, active),
                )
            })
            .chain_function(|_, parent, buffer| {
                Self::catch_panic_pad_function(parent, || Err(gst::FlowError::Error), |this| this.chain(buffer))
            })
            .event_function(|pad, parent, event| {
                Self::catch_panic_pad_function(parent, || false, |this| this.sink_event(pad, event))
            })
            .build();
        let srcpad = gst::Pad::builder_from_template(&template("src"))
            .activatemode_function(|_, parent, mode, active| {
                Self::catch_panic_pad_function(
                    parent,
                    || Err(gst::loggable_error!(CAT, "panic when activating the source pad")),
                    |this| this.activate_src(mode, active),
                )
            })
            .query_function(|pad, parent, query| {
                Self::catch_panic_pad_function(parent, || false, |this| this.src_query(pad, query))
            })
            // What comes from downstream goes to the sound: lips are joined by time alone.
            .iterate_internal_links_function(|_, parent| {
                let sink = parent.and_then(|parent| parent.downcast_ref::<gst::Element>()?.static_pad("sink"));
                gst::Iterator::from_vec(sink.into_iter().collect())
            })
            .build();
        Self {
            sinkpad,
            srcpad,
            settings: Mutex::default(),
            counts: Mutex::default(),
            inbox: Inbox::default(),
            lips: Lips::default(),
            live: Mutex::default(),
            task: Mutex::default(),
        }
    }
}

impl ObjectImpl for PolySpeech {
    fn properties() -> &'static [glib::ParamSpec] {
        static PROPERTIES: LazyLock<Vec<glib::ParamSpec>> = LazyLock::new(properties);
        &PROPERTIES
    }

    #[allow(clippy::expect_used, reason = "GObject has checked the type")]
    fn set_property(&self, _id: usize, value: &glib::Value, pspec: &glib::ParamSpec) {
        let mut settings = lock(&self.settings);
        match pspec.name() {
            "partial-interval" => settings.partial_interval = value.get().expect("type checked upstream"),
            "window" => settings.window = value.get().expect("type checked upstream"),
            "min-pause" => settings.min_pause = value.get().expect("type checked upstream"),
            "max-utterance" => settings.max_utterance = value.get().expect("type checked upstream"),
            "max-lag" => settings.max_lag = value.get().expect("type checked upstream"),
            "lip-reading" => settings.lip_reading = value.get().expect("type checked upstream"),
            "compare" => settings.compare = value.get().expect("type checked upstream"),
            "provider" => settings.provider = value.get().expect("type checked upstream"),
            _ => unimplemented!(),
        }
    }

    fn property(&self, _id: usize, pspec: &glib::ParamSpec) -> glib::Value {
        let settings = lock(&self.settings).clone();
        match pspec.name() {
            "partial-interval" => settings.partial_interval.to_value(),
            "window" => settings.window.to_value(),
            "min-pause" => settings.min_pause.to_value(),
            "max-utterance" => settings.max_utterance.to_value(),
            "max-lag" => settings.max_lag.to_value(),
            "lip-reading" => settings.lip_reading.to_value(),
            "compare" => settings.compare.to_value(),
            "provider" => settings.provider.to_value(),
            "stats" => {
                let counts = lock(&self.counts);
                let mut stats = stats(&counts.accounting);
                stats.set("bad-samples", counts.bad_samples);
                for (what, count) in &counts.lips {
                    stats.set(format!("lips-{what}"), *count);
                }
                stats.set("lips-dropped", self.lips.dropped());
                stats.to_value()
            }
            _ => unimplemented!(),
        }
    }

    #[allow(clippy::expect_used, reason = "a new element has no other pads")]
    fn constructed(&self) {
        self.parent_constructed();
        let element = self.obj();
        for pad in [&self.sinkpad, &self.srcpad] {
            element.add_pad(pad).expect("a new element has no other pads");
        }
    }
}

fn properties() -> Vec<glib::ParamSpec> {
    let default = Settings::default();
    let ms = |name: &'static str, nick: &'static str, blurb: &'static str, default: u32, least: u32, most: u32| {
        glib::ParamSpecUInt::builder(name)
            .nick(nick)
            .blurb(blurb)
            .default_value(default)
            .minimum(least)
            .maximum(most)
            .mutable_playing()
            .build()
    };
    vec![
        ms(
            "partial-interval",
            "Partial interval",
            "Longest time of speech between two partial transcripts, in milliseconds; 0 for finals only",
            default.partial_interval,
            0,
            60_000,
        ),
        ms(
            "window",
            "Window",
            "Most sound that a partial transcript reads, in milliseconds",
            default.window,
            1_000,
            4_000,
        ),
        ms("min-pause", "Pause", "Silence that ends an utterance, in milliseconds", default.min_pause, 100, 5_000),
        ms(
            "max-utterance",
            "Longest utterance",
            "Length at which an utterance is split without a pause, in milliseconds",
            default.max_utterance,
            4_000,
            30_000,
        ),
        ms(
            "max-lag",
            "Most lag",
            "Most sound that waits for recognition, in milliseconds: then a file is held back, and live sound dropped",
            default.max_lag,
            500,
            60_000,
        ),
        glib::ParamSpecBoolean::builder("lip-reading")
            .nick("Lip reading")
            .blurb("Whether to read the lips that the lips pad brings, where it is linked; they count only where they are sure")
            .default_value(default.lip_reading)
            .mutable_ready()
            .build(),
        glib::ParamSpecBoolean::builder("compare")
            .nick("Compare")
            .blurb("For evaluations: read lips whether or not they may count, and let the twin listen that has no eyes")
            .default_value(default.compare)
            .mutable_ready()
            .build(),
        glib::ParamSpecEnum::builder_with_default("provider", default.provider)
            .nick("Provider")
            .blurb("ONNX Runtime execution provider of the networks")
            .mutable_ready()
            .build(),
        glib::ParamSpecBoxed::builder::<gst::Structure>("stats")
            .nick("Statistics")
            .blurb(
                "Account of the transcriptions that were due, of the transcripts that met a flush downstream and of \
                    the buffers that were never heard: input = analysed + late + skipped-REASON; bad-samples counts samples that were no finite numbers; \
                    lips-REASON tells of the finals whose lips were looked at, lips-dropped of pictures that had no room",
            )
            .read_only()
            .build(),
    ]
}

impl GstObjectImpl for PolySpeech {}

impl ElementImpl for PolySpeech {
    fn metadata() -> Option<&'static gst::subclass::ElementMetadata> {
        static METADATA: LazyLock<gst::subclass::ElementMetadata> = LazyLock::new(|| {
            gst::subclass::ElementMetadata::new(
                "Polygraph speech recogniser",
                "Filter/Analyzer/Audio/Text",
                "Turns English speech into text, with partial results while somebody speaks",
                "Polygraph developers",
            )
        });
        Some(&METADATA)
    }

    fn pad_templates() -> &'static [gst::PadTemplate] {
        static TEMPLATES: LazyLock<Vec<gst::PadTemplate>> = LazyLock::new(|| {
            let sound = gst_audio::AudioCapsBuilder::new_interleaved()
                .format(gst_audio::AudioFormat::F32le)
                .rate(transcription::RATE as i32)
                .channels(1)
                .build();
            let lips = gst::Caps::new_empty_simple(LIPS_CAPS);
            [
                ("sink", gst::PadDirection::Sink, gst::PadPresence::Always, sound),
                ("lips", gst::PadDirection::Sink, gst::PadPresence::Request, lips),
                ("src", gst::PadDirection::Src, gst::PadPresence::Always, Form::caps()),
            ]
            .into_iter()
            .filter_map(|(name, way, presence, caps)| gst::PadTemplate::new(name, way, presence, &caps).ok())
            .collect()
        });
        &TEMPLATES
    }

    fn request_new_pad(
        &self,
        template: &gst::PadTemplate,
        _name: Option<&str>,
        _caps: Option<&gst::Caps>,
    ) -> Option<gst::Pad> {
        self.add_lips(template)
    }

    fn release_pad(&self, pad: &gst::Pad) {
        self.remove_lips(pad);
    }

    fn change_state(&self, transition: gst::StateChange) -> Result<gst::StateChangeSuccess, gst::StateChangeError> {
        if transition == gst::StateChange::ReadyToPaused {
            let settings = lock(&self.settings).clone();
            let looks = settings.lip_reading && self.obj().static_pad("lips").is_some();
            let eyes = looks.then_some(settings.compare);
            let listener =
                Listener::load(settings.provider.into(), settings.policy(self.is_live()), eyes).map_err(|error| {
                    gst::element_imp_error!(self, gst::LibraryError::Init, ["speech recognition: {error}"]);
                    gst::StateChangeError
                })?;
            *lock(&self.counts) = Counts::default();
            self.lips.open();
            *lock(&self.task) = Some(Task::new(listener));
        }
        let success = self.parent_change_state(transition)?;
        if transition == gst::StateChange::PausedToReady {
            *lock(&self.task) = None;
        }
        Ok(success)
    }
}

impl PolySpeech {
    fn activate_sink(&self, pad: &gst::Pad, mode: gst::PadMode, active: bool) -> Result<(), gst::LoggableError> {
        if mode == gst::PadMode::Pull {
            return Err(gst::loggable_error!(CAT, "{} can't pull", pad.name()));
        }
        if !active {
            // Whoever waits in the chain function must leave before the pad can be deactivated.
            self.lips.cancel();
            self.inbox.close(gst::FlowError::Flushing);
        }
        Ok(())
    }

    fn activate_src(&self, mode: gst::PadMode, active: bool) -> Result<(), gst::LoggableError> {
        if mode == gst::PadMode::Pull {
            return Err(gst::loggable_error!(CAT, "the source pad can't be pulled from"));
        }
        if active {
            self.inbox.open();
            return self.start_task();
        }
        self.lips.cancel();
        self.inbox.close(gst::FlowError::Flushing);
        self.srcpad.stop_task().map_err(|error| gst::loggable_error!(CAT, "the task didn't stop: {error}"))
    }

    pub(super) fn is_live(&self) -> bool {
        *lock(&self.live)
    }

    fn start_task(&self) -> Result<(), gst::LoggableError> {
        let weak = self.downgrade();
        self.srcpad
            .start_task(move || {
                if let Some(this) = weak.upgrade() {
                    this.turn();
                }
            })
            .map_err(|error| gst::loggable_error!(CAT, "the task didn't start: {error}"))
    }

    fn chain(&self, buffer: gst::Buffer) -> Result<gst::FlowSuccess, gst::FlowError> {
        let limit = lock(&self.settings).max_lag();
        let patient = !*lock(&self.live);
        if self.inbox.offer(buffer, limit, patient)? == Offer::Full {
            lock(&self.counts).accounting.skipped("overload");
            gst::debug!(CAT, imp = self, "sound dropped: {limit} of it are waiting");
        }
        Ok(gst::FlowSuccess::Ok)
    }

    fn sink_event(&self, pad: &gst::Pad, event: gst::Event) -> bool {
        match event.view() {
            gst::EventView::FlushStart(_) => {
                self.lips.cancel();
                self.inbox.close(gst::FlowError::Flushing);
                let sent = self.srcpad.push_event(event);
                // Waits for the turn that goes on: at most one transcription.
                if let Err(error) = self.srcpad.pause_task() {
                    gst::warning!(CAT, imp = self, "the task didn't pause: {error}");
                }
                sent
            }
            gst::EventView::FlushStop(_) => {
                let sent = self.srcpad.push_event(event);
                lock(&self.task).iter_mut().for_each(Task::reset);
                self.lips.resume();
                self.inbox.open();
                sent && self.start_task().map_err(|error| error.log()).is_ok()
            }
            gst::EventView::Segment(_) => {
                let mut query = gst::query::Latency::new();
                let live = pad.peer_query(&mut query) && query.result().0;
                *lock(&self.live) = live;
                self.inbox.event(event).is_ok()
            }
            _ if event.is_serialized() => self.inbox.event(event).is_ok(),
            _ => gst::Pad::event_default(pad, Some(&*self.obj()), event),
        }
    }

    fn src_query(&self, pad: &gst::Pad, query: &mut gst::QueryRef) -> bool {
        let gst::QueryViewMut::Latency(latency) = query.view_mut() else {
            return gst::Pad::query_default(pad, Some(&*self.obj()), query);
        };
        let mut upstream = gst::query::Latency::new();
        if !self.sinkpad.peer_query(&mut upstream) {
            return false;
        }
        let (live, min, max) = upstream.result();
        let lag = lock(&self.settings).max_lag();
        // Nothing waits for text: GAP events pass at once.
        latency.set(live, min, max.map(|max| max + lag));
        true
    }
}
