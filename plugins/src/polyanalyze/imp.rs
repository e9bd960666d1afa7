// SPDX-License-Identifier: Apache-2.0
//! The bin: pads, states, and the accounts of all inside.

use std::collections::BTreeMap;
use std::sync::{LazyLock, Mutex, MutexGuard};

use gst::glib;
use gst::prelude::*;
use gst::subclass::prelude::*;

use super::chain::{Chain, Error, Wanted, make};
use super::properties::{self, HANDED, Settings};
use super::{key_frames, sound};
use crate::analyser::{self, lock};
use crate::polylips::{Live, RECORD_CAPS};

static CAT: LazyLock<gst::DebugCategory> = LazyLock::new(|| {
    gst::DebugCategory::new("polyanalyze", gst::DebugColorFlags::empty(), Some("all analysers in one element"))
});

/// What the bin has built.
#[derive(Default)]
struct State {
    funnel: Option<gst::Element>,
    lips: Option<gst::Element>,
    fuse: Option<gst::Element>,
    chains: BTreeMap<String, (gst::GhostPad, Chain)>,
    /// A source said that it is live.
    live: bool,
}

/// The bin's insides.
#[derive(Default)]
pub struct PolyAnalyze {
    settings: Mutex<Settings>,
    state: Mutex<State>,
    /// Held while a chain is built: two pads requested at once share one join. Nothing is pushed and no pad is
    /// shown under it.
    construction: Mutex<()>,
}

impl PolyAnalyze {
    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    fn settings(&self) -> MutexGuard<'_, Settings> {
        lock(&self.settings)
    }

    /// Hands the bin's settings to an element inside.
    fn equip(&self, element: &gst::Element) {
        for handed in HANDED.iter().filter(|handed| handed.element == element.name()) {
            let value = self.settings().get(handed.name);
            if let Err(err) = properties::hand(element, handed.property, &value) {
                gst::warning!(CAT, imp = self, "{} is not handed on: {err}", handed.name);
            }
        }
    }

    /// The join, made when the first chain needs it.
    fn lips(&self) -> Result<(gst::Element, gst::Element), Error> {
        let (funnel, lips) = {
            let state = self.state();
            (state.funnel.clone(), state.lips.clone())
        };
        let bin = self.obj();
        let Some(funnel) = funnel else {
            return Err(glib::bool_error!("the bin has no funnel").into());
        };
        if let Some(lips) = lips {
            return Ok((funnel, lips));
        }
        let (lips, fuse) = (make("polylips", "polylips")?, make("polyfuse", "polyfuse")?);
        for element in [&fuse, &lips] {
            self.equip(element);
            bin.add(element)?;
        }
        lips.link(&fuse)?;
        fuse.link(&funnel)?;
        // What is further down first: nothing flows into what is not ready.
        fuse.sync_state_with_parent()?;
        lips.sync_state_with_parent()?;
        let mut state = self.state();
        (state.lips, state.fuse) = (Some(lips.clone()), Some(fuse));
        drop(state);
        Ok((funnel, lips))
    }

    /// Builds a chain and shows its pad; when that fails, nothing stays behind.
    fn open(&self, template: &gst::PadTemplate, name: &str) -> Result<gst::GhostPad, Error> {
        let ghost = self.construct(template, name)?;
        // Out of the construction: whoever hears of the new pad or the message may ask for the other pad at once.
        if let Err(err) = self.obj().add_pad(&ghost) {
            let built = self.state().chains.remove(name);
            if let Some((_, chain)) = built {
                chain.stop(self.obj().upcast_ref());
            }
            return Err(err.into());
        }
        self.leak();
        let _ = self.obj().post_message(gst::message::Latency::builder().src(&*self.obj()).build());
        Ok(ghost)
    }

    /// Builds a chain and its pad, one at a time.
    fn construct(&self, template: &gst::PadTemplate, name: &str) -> Result<gst::GhostPad, Error> {
        let _construction = lock(&self.construction);
        if self.state().chains.contains_key(name) {
            return Err(Error::Taken(name.to_owned()));
        }
        let mut chain = Chain::default();
        match self.build(&mut chain, template, name) {
            Ok(ghost) => {
                self.state().chains.insert(name.to_owned(), (ghost.clone(), chain));
                Ok(ghost)
            }
            Err(err) => {
                chain.stop(self.obj().upcast_ref());
                Err(err)
            }
        }
    }

    fn build(&self, chain: &mut Chain, template: &gst::PadTemplate, name: &str) -> Result<gst::GhostPad, Error> {
        let (funnel, lips) = self.lips()?;
        let bin = self.obj();
        if name == "video" {
            let wanted = Wanted::of(&self.settings());
            chain.build_video(bin.upcast_ref(), &lips, wanted)?;
            // Behind the analysers, where pictures are upright and are shown to nobody else.
            if let Some(pad) = lips.static_pad("video") {
                key_frames::watch(&pad, &bin);
            }
        } else {
            // One look, for one lock.
            let settings = self.settings().clone();
            let (transcript, voice) = (settings.transcript, settings.wants_voice());
            let transcript = transcript.then_some(&funnel);
            chain.build_audio(bin.upcast_ref(), &lips, voice, transcript, settings.reads_lips())?;
            if let Some(pad) = lips.static_pad("audio") {
                sound::watch(&pad, &bin);
            }
        }
        for element in chain.elements() {
            self.equip(element);
        }
        let target = chain.head().ok_or_else(|| glib::bool_error!("the {name} chain has no beginning"))?;
        self.watch(&target);
        let ghost = gst::GhostPad::builder_from_template_with_target(template, &target)?.name(name).build();
        chain.start()?;
        ghost.set_active(true)?;
        Ok(ghost)
    }

    /// Asks the source whether it is live when its segment comes.
    fn watch(&self, pad: &gst::Pad) {
        let bin = self.obj().downgrade();
        pad.add_probe(gst::PadProbeType::EVENT_DOWNSTREAM, move |pad, info| {
            if info.event().is_some_and(|event| event.type_() == gst::EventType::Segment)
                && let Some(bin) = bin.upgrade()
            {
                let mut query = gst::query::Latency::new();
                if pad.peer_query(&mut query) && query.result().0 {
                    bin.imp().state().live = true;
                    bin.imp().leak();
                }
            }
            gst::PadProbeReturn::Ok
        });
    }

    /// Lets the queues lose what is too old, or not, as the source demands.
    fn leak(&self) {
        let forced = self.settings().live;
        let state = self.state();
        let live = match forced {
            Live::Auto => state.live,
            Live::True => true,
            Live::False => false,
        };
        let queues: Vec<_> = state.chains.values().flat_map(|(_, chain)| chain.queues.clone()).collect();
        drop(state);
        for queue in queues {
            queue.set_leaky(live);
        }
    }

    /// The accounts of all elements inside.
    fn stats(&self) -> gst::Structure {
        let state = self.state();
        let (lips, fuse) = (state.lips.clone(), state.fuse.clone());
        let chains = state.chains.values();
        let (elements, queues): (Vec<_>, Vec<_>) =
            chains.map(|(_, chain)| (chain.elements().cloned().collect::<Vec<_>>(), chain.queues.clone())).unzip();
        drop(state);
        let mut stats = gst::Structure::new_empty("polygraph-stats");
        for queue in queues.iter().flatten() {
            stats.set(queue.element().name().as_str(), analyser::stats(&queue.accounts()));
        }
        for element in elements.iter().flatten().chain(&lips).chain(&fuse) {
            for (property, suffix) in [("stats", ""), ("audio-stats", "-audio")] {
                if element
                    .find_property(property)
                    .is_some_and(|spec| spec.value_type() == gst::Structure::static_type())
                    && let Some(own) = element.property::<Option<gst::Structure>>(property)
                {
                    stats.set(format!("{}{suffix}", element.name()), own);
                }
            }
        }
        stats
    }
}

#[glib::object_subclass]
impl ObjectSubclass for PolyAnalyze {
    const NAME: &'static str = "GstPolyAnalyze";
    type Type = super::PolyAnalyze;
    type ParentType = gst::Bin;
}

impl ObjectImpl for PolyAnalyze {
    fn properties() -> &'static [glib::ParamSpec] {
        static PROPERTIES: LazyLock<Vec<glib::ParamSpec>> = LazyLock::new(properties::specs);
        &PROPERTIES
    }

    fn set_property(&self, _id: usize, value: &glib::Value, pspec: &glib::ParamSpec) {
        if let Err(err) = self.settings().set(pspec.name(), value) {
            gst::error!(CAT, imp = self, "{}: {err}", pspec.name());
            return;
        }
        for handed in HANDED.iter().filter(|handed| handed.name == pspec.name()) {
            if let Some(element) = self.obj().by_name(handed.element) {
                self.equip(&element);
            }
        }
        if pspec.name() == "live" {
            self.leak();
        }
    }

    fn property(&self, _id: usize, pspec: &glib::ParamSpec) -> glib::Value {
        if pspec.name() == "stats" {
            return self.stats().to_value();
        }
        self.settings().get(pspec.name())
    }

    fn constructed(&self) {
        self.parent_constructed();
        if let Err(err) = self.end() {
            gst::error!(CAT, imp = self, "no source pad: {err}");
        }
    }
}

impl PolyAnalyze {
    /// The chains' common end.
    fn end(&self) -> Result<(), Error> {
        let funnel = make("funnel", "funnel")?;
        let bin = self.obj();
        bin.add(&funnel)?;
        let (Some(template), Some(target)) = (bin.pad_template("src"), funnel.static_pad("src")) else {
            return Err(glib::bool_error!("no pad to end in").into());
        };
        let src = gst::GhostPad::builder_from_template_with_target(&template, &target)?.name("src").build();
        bin.add_pad(&src)?;
        self.state().funnel = Some(funnel);
        Ok(())
    }
}

impl GstObjectImpl for PolyAnalyze {}

impl ElementImpl for PolyAnalyze {
    fn metadata() -> Option<&'static gst::subclass::ElementMetadata> {
        static METADATA: LazyLock<gst::subclass::ElementMetadata> = LazyLock::new(|| {
            gst::subclass::ElementMetadata::new(
                "Polygraph",
                "Analyzer/Video/Audio/Bin",
                "Analyses pictures and sound and gives what is seen and heard as JSON records",
                "Polygraph developers",
            )
        });
        Some(&METADATA)
    }

    fn pad_templates() -> &'static [gst::PadTemplate] {
        static TEMPLATES: LazyLock<Vec<gst::PadTemplate>> = LazyLock::new(|| {
            let sink = |name, media| {
                let caps = gst::Caps::new_empty_simple(media);
                gst::PadTemplate::new(name, gst::PadDirection::Sink, gst::PadPresence::Request, &caps)
            };
            let records = gst::Caps::new_empty_simple(RECORD_CAPS);
            let src = gst::PadTemplate::new("src", gst::PadDirection::Src, gst::PadPresence::Always, &records);
            [sink("video", "video/x-raw"), sink("audio", "audio/x-raw"), src].into_iter().flatten().collect()
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
        match self.open(template, name) {
            Ok(ghost) => Some(ghost.upcast()),
            Err(err @ Error::Taken(_)) => {
                gst::warning!(CAT, imp = self, "{err}");
                None
            }
            Err(err) => {
                let error = if matches!(err, Error::Missing { .. }) {
                    gst::CoreError::MissingPlugin
                } else {
                    gst::CoreError::Pad
                };
                gst::element_imp_error!(self, error, ["{name} cannot be analysed: {err}"]);
                None
            }
        }
    }

    fn change_state(&self, transition: gst::StateChange) -> Result<gst::StateChangeSuccess, gst::StateChangeError> {
        if transition == gst::StateChange::ReadyToPaused {
            self.state().live = false;
            self.leak();
        }
        self.parent_change_state(transition)
    }

    fn release_pad(&self, pad: &gst::Pad) {
        let Some((ghost, chain)) = self.state().chains.remove(pad.name().as_str()) else { return };
        chain.stop(self.obj().upcast_ref());
        if let Err(err) = ghost.set_active(false).and_then(|()| self.obj().remove_pad(&ghost)) {
            gst::error!(CAT, imp = self, "{} cannot go: {err}", pad.name());
        }
    }
}

impl BinImpl for PolyAnalyze {}
