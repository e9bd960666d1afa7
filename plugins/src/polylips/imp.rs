// SPDX-License-Identifier: Apache-2.0
//! The element: properties, pads, states.

use std::sync::{Condvar, LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use gst::glib;
use gst::prelude::*;
use gst::subclass::prelude::*;
use polygraph_core::timeline::{self, Side};

use super::mouths::LIPS_CAPS;
use super::output::RECORD_CAPS;
use super::reader::{Inbox, Reader, WAIT_NS};
use super::state::State;
use super::{Live, SyncMode};
use crate::analyser::{Provider, lock, stats};
use crate::faults::FaultSettings;

pub(super) static CAT: LazyLock<gst::DebugCategory> = LazyLock::new(|| {
    gst::DebugCategory::new("polylips", gst::DebugColorFlags::empty(), Some("joins what was seen with what was heard"))
});

/// The longest that a thread sleeps before it looks around, whatever it waits for.
const LONGEST_WAIT: Duration = Duration::from_secs(1);

#[derive(Clone, Debug)]
struct Settings {
    sync_mode: SyncMode,
    pts_tolerance: gst::ClockTime,
    max_wait_time: gst::ClockTime,
    stall_time: gst::ClockTime,
    max_queue: u32,
    live: Live,
    lip_sync: bool,
    provider: Provider,
    faults: FaultSettings,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            sync_mode: SyncMode::default(),
            pts_tolerance: gst::ClockTime::from_mseconds(40),
            max_wait_time: gst::ClockTime::from_mseconds(500),
            stall_time: gst::ClockTime::from_seconds(10),
            max_queue: 1024,
            live: Live::default(),
            lip_sync: false,
            provider: Provider::default(),
            faults: FaultSettings::default(),
        }
    }
}

impl Settings {
    /// As the join has them; `live` is what is known of the source.
    fn join(&self, live: bool) -> timeline::Settings {
        timeline::Settings {
            policy: self.sync_mode.into(),
            tolerance_ns: self.pts_tolerance.nseconds(),
            ahead_ns: if self.lip_sync { WAIT_NS } else { 0 },
            max_wait_ns: self.max_wait_time.nseconds(),
            stall_ns: self.stall_time.nseconds(),
            max_queue: self.max_queue as usize,
            live: match self.live {
                Live::Auto => live,
                Live::True => true,
                Live::False => false,
            },
            ..timeline::Settings::default()
        }
    }
}

/// The element's insides.
pub struct PolyLips {
    src_pad: gst::Pad,
    settings: Mutex<Settings>,
    state: Mutex<State>,
    changed: Condvar,
    since: Instant,
    /// Only the task reads; it is never locked while anything is pushed.
    reader: Mutex<Option<Reader>>,
}

impl PolyLips {
    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    pub(super) fn reader(&self) -> MutexGuard<'_, Option<Reader>> {
        lock(&self.reader)
    }

    /// Loads the networks, where lips are to be read.
    fn load(&self) -> Result<(), gst::StateChangeError> {
        let (lip_sync, provider) = {
            let settings = self.settings();
            (settings.lip_sync, settings.provider)
        };
        let reader = if lip_sync { Reader::load(provider) } else { Ok(None) };
        let reader = reader.map_err(|error| {
            gst::element_imp_error!(
                self,
                gst::ResourceError::NotFound,
                ("Lip-sync: {error}"),
                ["`polygraph models fetch` fetches the networks and ONNX Runtime"]
            );
            gst::StateChangeError
        })?;
        self.state().inbox = reader.is_some().then(Inbox::default);
        *self.reader() = reader;
        Ok(())
    }

    fn settings(&self) -> MutexGuard<'_, Settings> {
        lock(&self.settings)
    }

    pub(super) fn src_pad(&self) -> &gst::Pad {
        &self.src_pad
    }

    /// Nanoseconds on a clock that only goes forward.
    pub(super) fn now(&self) -> u64 {
        u64::try_from(self.since.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    /// Something changed that others may wait for.
    pub(super) fn wake(&self) {
        self.changed.notify_all();
    }

    /// Sleeps until something changes, or until the deadline, but never for longer than a second.
    pub(super) fn wait<'a>(&self, state: MutexGuard<'a, State>, until: Option<u64>, now: u64) -> MutexGuard<'a, State> {
        let left = until.map_or(LONGEST_WAIT, |until| Duration::from_nanos(until.saturating_sub(now)));
        let slept = self.changed.wait_timeout(state, left.min(LONGEST_WAIT));
        slept.unwrap_or_else(PoisonError::into_inner).0
    }

    /// The latency that the join adds.
    pub(super) fn latency(&self, live: bool) -> gst::ClockTime {
        let settings = self.settings();
        let waits = settings.join(live).live && settings.sync_mode == SyncMode::Slowest;
        if waits { settings.max_wait_time } else { gst::ClockTime::ZERO }
    }

    /// Asks the source whether it is live, where nobody has said so.
    pub(super) fn decide_live(&self, pad: &gst::Pad) {
        let mut query = gst::query::Latency::new();
        let live = pad.peer_query(&mut query) && query.result().0;
        let settings = self.settings().clone();
        let mut state = self.state();
        // One live side is enough: it can't be held back.
        let join = settings.join(live || state.live);
        state.live |= live;
        state.join.configure(join);
    }

    fn configure(&self) {
        let settings = self.settings().clone();
        let mut state = self.state();
        let live = state.live;
        state.join.configure(settings.join(live));
        drop(state);
        self.wake();
    }

    fn activate(&self, active: bool) -> Result<(), gst::LoggableError> {
        self.state().active = active;
        self.wake();
        if !active {
            return Ok(self.src_pad.stop_task()?);
        }
        let element = self.obj().downgrade();
        Ok(self.src_pad.start_task(move || {
            if let Some(element) = element.upgrade() {
                element.imp().turn();
            }
        })?)
    }

    fn sink_pad(&self, template: &gst::PadTemplate, side: Side) -> gst::Pad {
        gst::Pad::builder_from_template(template)
            .name(template.name_template())
            .chain_function(move |_pad, parent, buffer| {
                let flushing = || Err(gst::FlowError::Flushing);
                Self::catch_panic_pad_function(parent, flushing, |lips| lips.chain(side, buffer))
            })
            .event_function(move |pad, parent, event| {
                Self::catch_panic_pad_function(parent, || false, |lips| lips.sink_event(pad, side, event))
            })
            .query_function(move |pad, parent, query| {
                Self::catch_panic_pad_function(parent, || false, |lips| lips.sink_query(pad, side, query))
            })
            .build()
    }
}

fn side_of(name: &str) -> Side {
    if name == "video" { Side::Video } else { Side::Audio }
}

#[glib::object_subclass]
impl ObjectSubclass for PolyLips {
    const NAME: &'static str = "GstPolyLips";
    type Type = super::PolyLips;
    type ParentType = gst::Element;

    fn with_class(class: &Self::Class) -> Self {
        let template = class.pad_template("src");
        let builder = match &template {
            Some(template) => gst::Pad::builder_from_template(template),
            None => gst::Pad::builder(gst::PadDirection::Src),
        };
        let src_pad = builder
            .name("src")
            .event_function(|pad, parent, event| {
                Self::catch_panic_pad_function(parent, || false, |lips| lips.src_event(pad, event))
            })
            .query_function(|pad, parent, query| {
                Self::catch_panic_pad_function(parent, || false, |lips| lips.src_query(pad, query))
            })
            .activatemode_function(|_pad, parent, _mode, active| {
                let panicked = || Err(gst::loggable_error!(CAT, "activation panicked"));
                Self::catch_panic_pad_function(parent, panicked, |lips| lips.activate(active))
            })
            .build();
        Self {
            src_pad,
            settings: Mutex::default(),
            state: Mutex::new(State::new(Settings::default().join(false), &FaultSettings::default())),
            changed: Condvar::new(),
            since: Instant::now(),
            reader: Mutex::default(),
        }
    }
}

impl ObjectImpl for PolyLips {
    fn properties() -> &'static [glib::ParamSpec] {
        static PROPERTIES: LazyLock<Vec<glib::ParamSpec>> = LazyLock::new(|| {
            let default = Settings::default();
            let mut specs = vec![
                glib::ParamSpecEnum::builder_with_default("sync-mode", default.sync_mode)
                    .nick("Sync mode")
                    .blurb("What a picture waits for before its record leaves")
                    .mutable_playing()
                    .build(),
                glib::ParamSpecUInt64::builder("pts-tolerance")
                    .nick("PTS tolerance")
                    .blurb("How far from a picture the sound may lie that is taken for it (in nanoseconds)")
                    .default_value(default.pts_tolerance.nseconds())
                    .maximum(gst::ClockTime::from_seconds(60).nseconds())
                    .mutable_playing()
                    .build(),
                glib::ParamSpecUInt64::builder("max-wait-time")
                    .nick("Maximum wait")
                    .blurb("Live: how long a picture waits for its sound after its arrival (in nanoseconds)")
                    .default_value(default.max_wait_time.nseconds())
                    .maximum(gst::ClockTime::from_seconds(60).nseconds())
                    .mutable_playing()
                    .build(),
                glib::ParamSpecUInt64::builder("stall-time")
                    .nick("Stall time")
                    .blurb("Not live: how long nothing may arrive on any pad before pictures leave without their sound (in nanoseconds)")
                    .default_value(default.stall_time.nseconds())
                    .minimum(gst::ClockTime::from_mseconds(1).nseconds())
                    .maximum(gst::ClockTime::from_seconds(3600).nseconds())
                    .mutable_playing()
                    .build(),
                glib::ParamSpecUInt::builder("max-queue")
                    .nick("Maximum queue")
                    .blurb("How many results of pictures, and of sound, may wait; live streams lose the oldest, files are held back")
                    .default_value(default.max_queue)
                    .minimum(1)
                    .maximum(65_536)
                    .mutable_playing()
                    .build(),
                glib::ParamSpecEnum::builder_with_default("live", default.live)
                    .nick("Live")
                    .blurb("Whether the source goes on by itself and is never held back")
                    .mutable_ready()
                    .build(),
                glib::ParamSpecBoolean::builder("lip-sync")
                    .nick("Lip-sync")
                    .blurb("Whether to compare lips and sound, of mouths from polyface and sound from polyvoice")
                    .default_value(default.lip_sync)
                    .mutable_ready()
                    .build(),
                glib::ParamSpecEnum::builder_with_default("provider", default.provider)
                    .nick("Provider")
                    .blurb("ONNX Runtime execution provider of the networks for lips and sound")
                    .mutable_ready()
                    .build(),
                glib::ParamSpecBoxed::builder::<gst::Structure>("lips-stats")
                    .nick("Statistics of lips")
                    .blurb("Pieces of pictures and sound that lips could not be read in: dropped for room, or no session free")
                    .read_only()
                    .build(),
                glib::ParamSpecBoxed::builder::<gst::Structure>("stats")
                    .nick("Statistics")
                    .blurb("What became of the pictures: input = analysed + skipped-* + late")
                    .read_only()
                    .build(),
                glib::ParamSpecBoxed::builder::<gst::Structure>("audio-stats")
                    .nick("Statistics of sound")
                    .blurb("What became of the buffers of sound: input = analysed + skipped-* + late")
                    .read_only()
                    .build(),
            ];
            specs.extend(FaultSettings::specs());
            specs
        });
        &PROPERTIES
    }

    fn set_property(&self, _id: usize, value: &glib::Value, pspec: &glib::ParamSpec) {
        let time = || value.get::<u64>().map(gst::ClockTime::from_nseconds);
        let mut settings = self.settings();
        let set = match pspec.name() {
            "sync-mode" => value.get().map(|mode| settings.sync_mode = mode),
            "pts-tolerance" => time().map(|time| settings.pts_tolerance = time),
            "max-wait-time" => time().map(|time| settings.max_wait_time = time),
            "stall-time" => time().map(|time| settings.stall_time = time),
            "max-queue" => value.get().map(|count| settings.max_queue = count),
            "live" => value.get().map(|live| settings.live = live),
            "lip-sync" => value.get().map(|lip_sync| settings.lip_sync = lip_sync),
            "provider" => value.get().map(|provider| settings.provider = provider),
            name => {
                let set = settings.faults.set(name, value).unwrap_or_else(|| unimplemented!());
                if let Err(why) = set {
                    gst::error!(CAT, imp = self, "{name}: {why}");
                }
                return;
            }
        };
        drop(settings);
        if let Err(err) = set {
            gst::error!(CAT, imp = self, "{}: {err}", pspec.name());
            return;
        }
        self.configure();
        if matches!(pspec.name(), "sync-mode" | "max-wait-time") {
            let _ = self.obj().post_message(gst::message::Latency::builder().src(&*self.obj()).build());
        }
    }

    fn property(&self, _id: usize, pspec: &glib::ParamSpec) -> glib::Value {
        let settings = self.settings();
        match pspec.name() {
            "sync-mode" => settings.sync_mode.to_value(),
            "pts-tolerance" => settings.pts_tolerance.nseconds().to_value(),
            "max-wait-time" => settings.max_wait_time.nseconds().to_value(),
            "stall-time" => settings.stall_time.nseconds().to_value(),
            "max-queue" => settings.max_queue.to_value(),
            "live" => settings.live.to_value(),
            "lip-sync" => settings.lip_sync.to_value(),
            "provider" => settings.provider.to_value(),
            "lips-stats" => {
                let state = self.state();
                let dropped = state.inbox.as_ref().map_or(0, |inbox| inbox.dropped);
                gst::Structure::builder("stats")
                    .field("dropped", dropped)
                    .field("busy", state.lips_busy)
                    .build()
                    .to_value()
            }
            "stats" => stats(self.state().join.pictures()).to_value(),
            "audio-stats" => stats(self.state().join.sounds()).to_value(),
            name => settings.faults.get(name).unwrap_or_else(|| unimplemented!()),
        }
    }

    fn constructed(&self) {
        self.parent_constructed();
        if let Err(err) = self.obj().add_pad(&self.src_pad) {
            gst::error!(CAT, imp = self, "no source pad: {err}");
        }
    }
}

impl GstObjectImpl for PolyLips {}

impl ElementImpl for PolyLips {
    fn metadata() -> Option<&'static gst::subclass::ElementMetadata> {
        static METADATA: LazyLock<gst::subclass::ElementMetadata> = LazyLock::new(|| {
            gst::subclass::ElementMetadata::new(
                "Join of picture and sound",
                "Muxer/Analyzer/Video/Audio",
                "Joins the results of pictures with those of sound by time and gives them as JSON records",
                "Polygraph developers",
            )
        });
        Some(&METADATA)
    }

    fn pad_templates() -> &'static [gst::PadTemplate] {
        static TEMPLATES: LazyLock<Vec<gst::PadTemplate>> = LazyLock::new(|| {
            let sink = |name, media| {
                let caps = gst::Caps::builder(media).any_features().build();
                gst::PadTemplate::new(name, gst::PadDirection::Sink, gst::PadPresence::Request, &caps)
            };
            let records = gst::Caps::new_empty_simple(RECORD_CAPS);
            let src = gst::PadTemplate::new("src", gst::PadDirection::Src, gst::PadPresence::Always, &records);
            let lips = gst::Caps::new_empty_simple(LIPS_CAPS);
            let lips = gst::PadTemplate::new("lips", gst::PadDirection::Src, gst::PadPresence::Request, &lips);
            [sink("video", "video/x-raw"), sink("audio", "audio/x-raw"), src, lips].into_iter().flatten().collect()
        });
        &TEMPLATES
    }

    fn request_new_pad(
        &self,
        template: &gst::PadTemplate,
        _name: Option<&str>,
        _caps: Option<&gst::Caps>,
    ) -> Option<gst::Pad> {
        let name = template.name_template();
        if name == "lips" {
            return self.add_lips(template);
        }
        let side = side_of(name);
        if self.state().input(side).is_some() {
            gst::warning!(CAT, imp = self, "there is one {name} pad, and it is taken");
            return None;
        }
        let pad = self.sink_pad(template, side);
        let now = self.now();
        self.state().link(side, now);
        let added = pad.set_active(true).and_then(|()| self.obj().add_pad(&pad));
        if let Err(err) = added {
            gst::error!(CAT, imp = self, "no {name} pad: {err}");
            self.state().unlink(side);
            return None;
        }
        self.wake();
        Some(pad)
    }

    fn release_pad(&self, pad: &gst::Pad) {
        if pad.direction() == gst::PadDirection::Sink {
            self.state().unlink(side_of(&pad.name()));
            self.wake();
        }
        if let Err(err) = pad.set_active(false).and_then(|()| self.obj().remove_pad(pad)) {
            gst::error!(CAT, imp = self, "{} cannot go: {err}", pad.name());
        }
    }

    fn change_state(&self, transition: gst::StateChange) -> Result<gst::StateChangeSuccess, gst::StateChangeError> {
        if transition == gst::StateChange::ReadyToPaused {
            let settings = self.settings().clone();
            let now = self.now();
            self.state().reset(settings.join(false), &settings.faults, now);
            self.load()?;
        }
        let changed = self.parent_change_state(transition)?;
        if transition == gst::StateChange::PausedToReady {
            *self.reader() = None;
        }
        Ok(changed)
    }
}
