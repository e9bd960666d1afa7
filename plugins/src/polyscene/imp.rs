// SPDX-License-Identifier: Apache-2.0
//! The element `polyscene`.

use std::sync::{Arc, LazyLock, Mutex};

use gst::glib;
use gst::subclass::prelude::*;
use gst_base::prelude::*;
use gst_base::subclass::prelude::*;
use gst_video::VideoInfo;
use polygraph_core::accounting::Accounting;
use polygraph_core::cut::{CutDetector, CutOptions};
use polygraph_core::results::{PtsRange, Transition, TransitionKind};

use super::late::Lookout;
use super::properties;
use super::shown::Shown;
use super::thumbnail::thumbnail;
use crate::analyser::{lock, stats};
use crate::faults::FaultSettings;
use crate::late::Late;
use crate::meta::update_video;
use crate::picture::{self, Clock};

static CAT: LazyLock<gst::DebugCategory> =
    LazyLock::new(|| gst::DebugCategory::new("polyscene", gst::DebugColorFlags::empty(), Some("Finds cuts")));

/// Pictures that lie further apart aren't neighbours: nobody knows what was between.
const JUMP_NS: u64 = 2_000_000_000;

#[derive(Clone, Debug)]
struct Settings {
    cuts: CutOptions,
    shots: bool,
    faults: FaultSettings,
}

impl Default for Settings {
    fn default() -> Self {
        Self { cuts: CutOptions::default(), shots: true, faults: FaultSettings::default() }
    }
}

#[derive(Default)]
struct State {
    info: Option<VideoInfo>,
    clock: Clock,
    last_ns: Option<u64>,
    cuts: CutDetector,
    lookout: Lookout,
    scratch: Vec<f32>,
    accounting: Accounting,
}

impl State {
    /// Nothing of before counts any more: a flush, new caps, a jump in time.
    fn restart(&mut self) {
        self.clock.reset();
        self.last_ns = None;
        self.cuts.reset();
        self.lookout.restart();
    }
}

/// The implementation.
#[derive(Default)]
pub struct PolyScene {
    settings: Mutex<Settings>,
    state: Mutex<State>,
    /// Shared with the streaming thread, which takes them for each picture.
    shown_settings: Mutex<Arc<properties::Shown>>,
    /// The streaming thread's own: nobody else waits for it while networks run.
    shown: Mutex<Shown>,
}

#[glib::object_subclass]
impl ObjectSubclass for PolyScene {
    const NAME: &'static str = "GstPolyScene";
    type Type = super::PolyScene;
    type ParentType = gst_base::BaseTransform;
}

impl ObjectImpl for PolyScene {
    fn properties() -> &'static [glib::ParamSpec] {
        static PROPERTIES: LazyLock<Vec<glib::ParamSpec>> = LazyLock::new(|| {
            let default = CutOptions::default();
            let mut specs = properties::specs();
            specs.extend([
                glib::ParamSpecFloat::builder("threshold")
                    .nick("Threshold")
                    .blurb("Least difference of two neighbouring pictures that is a cut, 0..1")
                    .minimum(0.0)
                    .maximum(1.0)
                    .default_value(default.threshold)
                    .mutable_playing()
                    .build(),
                glib::ParamSpecUInt64::builder("min-shot")
                    .nick("Shortest shot")
                    .blurb("Time that a shot lasts at least, in nanoseconds")
                    .default_value(default.min_shot_ns)
                    .mutable_playing()
                    .build(),
                glib::ParamSpecBoolean::builder("shots")
                    .nick("Shots")
                    .blurb("Whether to look for shot boundaries")
                    .default_value(Settings::default().shots)
                    .mutable_ready()
                    .build(),
                glib::ParamSpecBoxed::builder::<gst::Structure>("stats")
                    .nick("Statistics")
                    .blurb("Account of the pictures: input = analysed + late + skipped-REASON")
                    .read_only()
                    .build(),
            ]);
            specs.extend(FaultSettings::specs());
            specs
        });
        &PROPERTIES
    }

    fn set_property(&self, _id: usize, value: &glib::Value, pspec: &glib::ParamSpec) {
        let mut settings = lock(&self.settings);
        let set = match pspec.name() {
            "threshold" => value.get().map(|value| settings.cuts.threshold = value).map_err(|error| error.to_string()),
            "min-shot" => value.get().map(|value| settings.cuts.min_shot_ns = value).map_err(|error| error.to_string()),
            "shots" => value.get().map(|value| settings.shots = value).map_err(|error| error.to_string()),
            name => settings
                .faults
                .set(name, value)
                .unwrap_or_else(|| Arc::make_mut(&mut lock(&self.shown_settings)).set(name, value)),
        };
        if let Err(error) = set {
            gst::error!(CAT, imp = self, "property {}: {error}", pspec.name());
        }
    }

    fn property(&self, _id: usize, pspec: &glib::ParamSpec) -> glib::Value {
        match pspec.name() {
            "threshold" => lock(&self.settings).cuts.threshold.to_value(),
            "min-shot" => lock(&self.settings).cuts.min_shot_ns.to_value(),
            "shots" => lock(&self.settings).shots.to_value(),
            "stats" => stats(&lock(&self.state).accounting).to_value(),
            name => {
                let of_faults = lock(&self.settings).faults.get(name);
                of_faults.unwrap_or_else(|| lock(&self.shown_settings).get(name))
            }
        }
    }
}

impl GstObjectImpl for PolyScene {}

impl ElementImpl for PolyScene {
    fn metadata() -> Option<&'static gst::subclass::ElementMetadata> {
        static METADATA: LazyLock<gst::subclass::ElementMetadata> = LazyLock::new(|| {
            gst::subclass::ElementMetadata::new(
                "Polygraph scene analyser",
                "Filter/Analyzer/Video",
                "Finds cuts in the pictures that pass through",
                "Polygraph developers",
            )
        });
        Some(&METADATA)
    }

    fn pad_templates() -> &'static [gst::PadTemplate] {
        static TEMPLATES: LazyLock<Vec<gst::PadTemplate>> = LazyLock::new(picture::pad_templates);
        &TEMPLATES
    }
}

impl BaseTransformImpl for PolyScene {
    const MODE: gst_base::subclass::BaseTransformMode = gst_base::subclass::BaseTransformMode::AlwaysInPlace;
    const PASSTHROUGH_ON_SAME_CAPS: bool = false;
    const TRANSFORM_IP_ON_PASSTHROUGH: bool = false;

    fn start(&self) -> Result<(), gst::ErrorMessage> {
        let settings = Arc::clone(&lock(&self.shown_settings));
        let (shown, warnings) = Shown::load(&settings).map_err(|error| {
            gst::error!(CAT, imp = self, "no network: {error}");
            gst::error_msg!(
                gst::ResourceError::NotFound,
                ("Scenes, content safety and text: {error}"),
                ["`polygraph models fetch` fetches the networks and ONNX Runtime"]
            )
        })?;
        warnings.iter().for_each(|warning| gst::warning!(CAT, imp = self, "{warning}"));
        *lock(&self.shown) = shown;
        let settings = lock(&self.settings).clone();
        let lookout = Lookout::new(settings.shots, &settings.faults);
        *lock(&self.state) = State { lookout, ..State::default() };
        Ok(())
    }

    fn set_caps(&self, incaps: &gst::Caps, _outcaps: &gst::Caps) -> Result<(), gst::LoggableError> {
        let info = VideoInfo::from_caps(incaps).map_err(|_| gst::loggable_error!(CAT, "{incaps} are no video caps"))?;
        let mut state = lock(&self.state);
        state.restart();
        state.info = Some(info);
        drop(state);
        lock(&self.shown).restart();
        Ok(())
    }

    fn sink_event(&self, event: gst::Event) -> bool {
        match event.type_() {
            gst::EventType::FlushStop => {
                let mut state = lock(&self.state);
                state.restart();
                state.lookout.forget();
                drop(state);
                lock(&self.shown).restart();
            }
            gst::EventType::Eos => {
                let late = lock(&self.state).lookout.end();
                self.tell(&late);
            }
            _ => {}
        }
        self.parent_sink_event(event)
    }

    /// Pictures keep their memory, so that it's downstream's wishes that count.
    fn propose_allocation(
        &self,
        _decide: Option<&gst::query::Allocation>,
        query: &mut gst::query::Allocation,
    ) -> Result<(), gst::LoggableError> {
        if self.obj().src_pad().peer_query(query) {
            return Ok(());
        }
        Err(gst::loggable_error!(CAT, "downstream proposes no allocation"))
    }

    fn transform_ip(&self, buffer: &mut gst::BufferRef) -> Result<gst::FlowSuccess, gst::FlowError> {
        let (cuts, shots) = {
            let settings = lock(&self.settings);
            (settings.cuts, settings.shots)
        };
        let (transition, late) = self.analyse(cuts, shots, &mut lock(&self.state), buffer);
        self.tell(&late);
        if let Some(transition) = transition {
            gst::debug!(CAT, imp = self, "cut of {:.2} at {} ns", transition.strength, transition.pts.start_ns);
            update_video(buffer, |known| known.transition = Some(transition));
        }
        self.show(buffer, transition.is_some())
    }
}

impl PolyScene {
    /// Says what the picture's shot shows.
    fn show(&self, buffer: &mut gst::BufferRef, cut: bool) -> Result<gst::FlowSuccess, gst::FlowError> {
        let mut shown = lock(&self.shown);
        if shown.is_idle() || buffer.flags().contains(gst::BufferFlags::GAP) {
            return Ok(gst::FlowSuccess::Ok);
        }
        let (info, pts_ns) = {
            let state = lock(&self.state);
            (state.info.clone(), state.last_ns)
        };
        let Some((info, pts_ns)) = info.zip(pts_ns) else { return Ok(gst::FlowSuccess::Ok) };
        let settings = Arc::clone(&lock(&self.shown_settings));
        let results = shown.look(&settings, &info, buffer, pts_ns, cut).map_err(|error| {
            gst::element_imp_error!(self, gst::LibraryError::Failed, ("Scenes, content safety and text: {error}"));
            gst::FlowError::Error
        })?;
        if results.busy {
            gst::warning!(CAT, imp = self, "picture at {pts_ns} ns not looked at: all workers are busy");
        }
        if results.scene.is_some() || results.safety.is_some() || results.text.is_some() {
            update_video(buffer, |known| {
                known.scene = results.scene;
                known.safety = results.safety;
                known.text = results.text;
            });
        }
        Ok(gst::FlowSuccess::Ok)
    }

    /// Sends what is known late downstream, before the picture at which it was known.
    fn tell(&self, late: &Late) {
        if late.is_empty() {
            return;
        }
        for shot in &late.shots {
            gst::debug!(CAT, imp = self, "{} from {} to {} ns", shot.kind.as_str(), shot.start_ns, shot.end_ns);
        }
        for edge in &late.edges {
            gst::debug!(CAT, imp = self, "fault: {edge:?}");
        }
        self.obj().src_pad().push_event(late.event());
    }

    fn analyse(
        &self,
        options: CutOptions,
        shots: bool,
        state: &mut State,
        buffer: &gst::BufferRef,
    ) -> (Option<Transition>, Late) {
        let State { info, clock, last_ns, cuts, lookout, scratch, accounting } = state;
        let nothing = (None, Late::default());
        let Some((info, pts)) = info.as_ref().and_then(|info| Some((info, clock.place(buffer, info)?))) else {
            accounting.skipped("no-pts");
            return nothing;
        };
        let start_ns = pts.start_ns;
        if last_ns.is_some_and(|last| start_ns < last || start_ns - last > JUMP_NS) {
            cuts.reset();
            lookout.restart();
        }
        *last_ns = Some(start_ns);
        if buffer.flags().contains(gst::BufferFlags::GAP) {
            accounting.skipped("gap");
            return nothing;
        }
        let seen = picture::with(buffer, info, |picture| {
            lookout.sample(picture);
            thumbnail(picture, scratch)
        });
        let seen = seen.and_then(|seen| seen.map_err(|error| error.to_string()));
        let picture = match seen {
            Ok(Some(picture)) => picture,
            seen => {
                gst::warning!(CAT, imp = self, "picture at {start_ns} ns can't be read: {:?}", seen.err());
                accounting.skipped("unreadable");
                return nothing;
            }
        };
        accounting.analysed();
        let par = info.par();
        let size = (info.width(), info.height(), par.numer() as f32 / par.denom() as f32);
        let late = lookout.push(pts, size, scratch, picture.clone(), options);
        if !shots {
            return (None, late);
        }
        cuts.set_options(options);
        let pts = PtsRange { start_ns, end_ns: start_ns };
        let cut = cuts.push(start_ns, picture).map(|strength| Transition { kind: TransitionKind::Cut, pts, strength });
        (cut, late)
    }
}
