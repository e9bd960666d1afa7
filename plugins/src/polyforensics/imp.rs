// SPDX-License-Identifier: Apache-2.0
//! The element `polyforensics`.

use std::sync::{Arc, LazyLock, Mutex};

use gst::glib;
use gst::subclass::prelude::*;
use gst_base::prelude::*;
use gst_base::subclass::prelude::*;
use gst_video::VideoInfo;
use polygraph_core::accounting::Accounting;
use polygraph_core::forensics::{Calibration, Judge, Score};
use polygraph_core::results::{FaceResults, Manipulation, NetworkRef};
use polygraph_models::forensics::FaceForensics;
use polygraph_models::{Engine, Error, forensics};

use super::evidence::{Evidence, Highest};
use super::faces::{self, Cut};
use super::properties::{Settings, specs};
use crate::analyser::{lock, network_ref, stats};
use crate::lateness::{FLOOR_NS, Lateness, running_time};
use crate::meta::{update_video, video_results};
use crate::picture;

static CAT: LazyLock<gst::DebugCategory> = LazyLock::new(|| {
    gst::DebugCategory::new("polyforensics", gst::DebugColorFlags::empty(), Some("Signs of manipulation in faces"))
});

/// The network, how its scores are signed and what they mean.
#[derive(Clone)]
struct Expert {
    faces: Arc<FaceForensics>,
    network: NetworkRef,
    calibration: Option<Calibration>,
}

impl Expert {
    fn load(settings: &Settings) -> Result<Self, String> {
        let engine = Engine::shared(settings.provider.into()).map_err(|error| error.to_string())?;
        let faces = FaceForensics::load(&engine).map_err(|error| error.to_string())?;
        let calibration = match faces.calibration() {
            Some((scale, offset, threshold)) => {
                Some(Calibration::new(scale, offset, threshold).map_err(|error| error.to_string())?)
            }
            None => None,
        };
        Ok(Self { network: network_ref(faces.identity()), faces: Arc::new(faces), calibration })
    }
}

#[derive(Default)]
struct State {
    expert: Option<Expert>,
    info: Option<VideoInfo>,
    judge: Judge,
    highest: Highest,
    /// PTS of the last picture with scores.
    scored_ns: Option<u64>,
    lateness: Lateness,
    accounting: Accounting,
}

impl State {
    /// Nothing of before counts any more: a flush, new caps.
    fn restart(&mut self) {
        self.judge.cut();
        self.scored_ns = None;
        self.lateness.reset();
    }

    /// Whether the floor asks for scores, whatever the load. Time that went back asks for them too.
    fn starving(&self, pts_ns: u64) -> bool {
        self.scored_ns.is_none_or(|scored| pts_ns.abs_diff(scored) >= FLOOR_NS)
    }

    fn skip(&mut self, count: usize, reason: &str) {
        (0..count).for_each(|_| self.accounting.skipped(reason));
    }
}

/// The implementation.
#[derive(Default)]
pub struct PolyForensics {
    settings: Mutex<Settings>,
    state: Mutex<State>,
}

#[glib::object_subclass]
impl ObjectSubclass for PolyForensics {
    const NAME: &'static str = "GstPolyForensics";
    type Type = super::PolyForensics;
    type ParentType = gst_base::BaseTransform;
}

impl ObjectImpl for PolyForensics {
    fn properties() -> &'static [glib::ParamSpec] {
        static PROPERTIES: LazyLock<Vec<glib::ParamSpec>> = LazyLock::new(specs);
        &PROPERTIES
    }

    fn set_property(&self, _id: usize, value: &glib::Value, pspec: &glib::ParamSpec) {
        if let Err(error) = lock(&self.settings).set(pspec.name(), value) {
            gst::error!(CAT, imp = self, "property {}: {error}", pspec.name());
        }
    }

    fn property(&self, _id: usize, pspec: &glib::ParamSpec) -> glib::Value {
        match pspec.name() {
            "stats" => stats(&lock(&self.state).accounting).to_value(),
            name => lock(&self.settings).get(name),
        }
    }
}

impl GstObjectImpl for PolyForensics {}

impl ElementImpl for PolyForensics {
    fn metadata() -> Option<&'static gst::subclass::ElementMetadata> {
        static METADATA: LazyLock<gst::subclass::ElementMetadata> = LazyLock::new(|| {
            gst::subclass::ElementMetadata::new(
                "Polygraph face forensics",
                "Filter/Analyzer/Video",
                "Looks for signs of manipulation in the faces of the pictures that pass through",
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

impl BaseTransformImpl for PolyForensics {
    const MODE: gst_base::subclass::BaseTransformMode = gst_base::subclass::BaseTransformMode::AlwaysInPlace;
    const PASSTHROUGH_ON_SAME_CAPS: bool = false;
    const TRANSFORM_IP_ON_PASSTHROUGH: bool = false;

    fn start(&self) -> Result<(), gst::ErrorMessage> {
        let settings = lock(&self.settings).clone();
        let expert = Expert::load(&settings).map_err(|error| {
            gst::error!(CAT, imp = self, "no network: {error}");
            gst::error_msg!(
                gst::ResourceError::NotFound,
                ("Face forensics: {error}"),
                ["`polygraph models fetch` fetches the networks and ONNX Runtime"]
            )
        })?;
        let judge = Judge::new(settings.join(), expert.calibration);
        *lock(&self.state) = State { expert: Some(expert), judge, ..State::default() };
        Ok(())
    }

    fn stop(&self) -> Result<(), gst::ErrorMessage> {
        let mut state = lock(&self.state);
        // The account stays to be read.
        *state = State { accounting: std::mem::take(&mut state.accounting), ..State::default() };
        Ok(())
    }

    fn set_caps(&self, incaps: &gst::Caps, _outcaps: &gst::Caps) -> Result<(), gst::LoggableError> {
        let info = VideoInfo::from_caps(incaps).map_err(|_| gst::loggable_error!(CAT, "{incaps} are no video caps"))?;
        let mut state = lock(&self.state);
        state.restart();
        state.info = Some(info);
        Ok(())
    }

    fn sink_event(&self, event: gst::Event) -> bool {
        if event.type_() == gst::EventType::FlushStop {
            lock(&self.state).restart();
        }
        self.parent_sink_event(event)
    }

    fn src_event(&self, event: gst::Event) -> bool {
        if let gst::EventView::Qos(qos) = event.view() {
            lock(&self.state).lateness.told(qos);
        }
        self.parent_src_event(event)
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
        let Some(known) = video_results(buffer) else { return Ok(gst::FlowSuccess::Ok) };
        if known.transition.is_some() {
            lock(&self.state).judge.cut();
        }
        let Some(mut faces) = known.faces else { return Ok(gst::FlowSuccess::Ok) };
        let settings = lock(&self.settings).clone();
        let wanted = self.wanted(&settings, buffer, &faces);
        if let Some((expert, info, places)) = wanted
            && self.look(&settings, &expert, &info, &places, buffer, &mut faces)?
        {
            update_video(buffer, |known| known.faces = Some(faces));
        }
        Ok(gst::FlowSuccess::Ok)
    }
}

impl PolyForensics {
    /// The places of the faces to be scored; those that aren't to be are accounted for here.
    fn wanted(
        &self,
        settings: &Settings,
        buffer: &gst::BufferRef,
        faces: &FaceResults,
    ) -> Option<(Expert, VideoInfo, Vec<usize>)> {
        let mut places = faces::detected(&faces.faces);
        if places.is_empty() {
            return None;
        }
        let running = running_time(&*self.obj(), buffer);
        let mut state = lock(&self.state);
        state.judge.set_options(settings.join());
        if buffer.flags().contains(gst::BufferFlags::GAP) {
            state.skip(places.len(), "gap");
            return None;
        }
        let Some((expert, info)) = state.expert.clone().zip(state.info.clone()) else {
            state.skip(places.len(), "no-caps");
            return None;
        };
        if state.lateness.is_late(running) && !state.starving(faces.pts.start_ns) {
            places.iter().for_each(|_| state.accounting.late());
            return None;
        }
        let most = settings.max_faces as usize;
        state.skip(places.len().saturating_sub(most), "max-faces");
        places.truncate(most);
        Some((expert, info, places))
    }

    /// Cuts faces out and scores them, without a lock: others may read properties meanwhile. Says whether anything is
    /// known of them now.
    fn look(
        &self,
        settings: &Settings,
        expert: &Expert,
        info: &VideoInfo,
        places: &[usize],
        buffer: &gst::BufferRef,
        faces: &mut FaceResults,
    ) -> Result<bool, gst::FlowError> {
        let gates = settings.gates();
        let cut = match picture::with(buffer, info, |picture| faces::cut(picture, &faces.faces, places, &gates)) {
            Ok(Ok(cut)) => cut,
            Ok(Err(error)) => return Ok(self.unreadable(places.len(), &error.to_string())),
            Err(error) => return Ok(self.unreadable(places.len(), &error)),
        };
        let scores = match expert.faces.score(&cut.crops) {
            Ok(scores) => Some(scores),
            Err(error @ Error::Busy { .. }) => {
                gst::warning!(CAT, imp = self, "faces at {} ns not scored: {error}", faces.pts.start_ns);
                lock(&self.state).skip(cut.crops.len(), "busy");
                None
            }
            Err(error) => {
                gst::element_imp_error!(self, gst::LibraryError::Failed, ("Face forensics: {error}"));
                return Err(gst::FlowError::Error);
            }
        };
        self.refuse(&cut, faces);
        let scores = scores.unwrap_or_default();
        self.judge(&cut, &scores, faces);
        if settings.evidence {
            self.show(&cut, &scores, faces);
        }
        let known = faces.faces.iter().any(|face| face.manipulation.is_some());
        if known {
            faces.forensics = Some(expert.network.clone());
        }
        Ok(known)
    }

    fn unreadable(&self, count: usize, why: &str) -> bool {
        gst::warning!(CAT, imp = self, "{count} faces can't be read: {why}");
        lock(&self.state).skip(count, "unreadable");
        false
    }

    /// Gives faces that can't be judged their reason.
    fn refuse(&self, cut: &Cut, faces: &mut FaceResults) {
        let mut state = lock(&self.state);
        state.skip(cut.unreadable.len(), "unreadable");
        for &(place, reason) in &cut.refused {
            state.accounting.skipped(reason.as_str());
            let refused = Manipulation { reason_not: Some(reason), ..Manipulation::default() };
            faces.faces[place].manipulation = Some(refused);
        }
    }

    /// Joins scores with those of before.
    fn judge(&self, cut: &Cut, scores: &[forensics::Score], faces: &mut FaceResults) {
        let mut state = lock(&self.state);
        for (score, &place) in scores.iter().zip(&cut.places) {
            let face = &mut faces.faces[place];
            let (track, pts_ns) = (face.track, faces.pts.start_ns);
            let joined = state.judge.judge(Score { track, pts_ns, logit: score.logit, quality: face.quality });
            match joined {
                Ok(found) => {
                    gst::log!(CAT, imp = self, "track {track} at {pts_ns} ns: {found:?}");
                    face.manipulation = Some(found);
                    state.accounting.analysed();
                }
                // The network's numbers were looked at: it is the quality, which somebody else measured.
                Err(error) => {
                    gst::warning!(CAT, imp = self, "{error}");
                    state.accounting.skipped("unreadable");
                }
            }
            state.scored_ns = Some(pts_ns);
        }
    }

    /// Posts pictures of the scores that are their track's highest so far.
    fn show(&self, cut: &Cut, scores: &[forensics::Score], faces: &FaceResults) {
        for ((score, crop), &place) in scores.iter().zip(&cut.crops).zip(&cut.places) {
            let track = faces.faces[place].track;
            if !lock(&self.state).highest.is_new(track, score.logit) {
                continue;
            }
            let picture = match crop.evidence(&score.map) {
                Ok(picture) => picture,
                Err(error) => {
                    gst::warning!(CAT, imp = self, "no evidence: {error}");
                    continue;
                }
            };
            let evidence = Evidence { track, pts_ns: faces.pts.start_ns, logit: score.logit, picture };
            let message = gst::message::Element::builder(evidence.write()).src(&*self.obj()).build();
            // Without a bus nobody listens.
            if self.obj().post_message(message).is_err() {
                gst::debug!(CAT, imp = self, "no bus to post on");
            }
        }
    }
}
