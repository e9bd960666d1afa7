// SPDX-License-Identifier: Apache-2.0
//! The element `polyface`.

use std::sync::{Arc, LazyLock, Mutex};

use gst::glib;
use gst::subclass::prelude::*;
use gst_base::prelude::*;
use gst_base::subclass::prelude::*;
use gst_video::VideoInfo;
use polygraph_core::accounting::Accounting;
use polygraph_core::geometry::Point;
use polygraph_core::mouth::{MouthSquare, Mouths};
use polygraph_core::results::{FacePoints, FaceResults, MOUTH_SIDE, Mouth, NetworkRef, PtsRange};
use polygraph_core::track::{Detection, Tracker};
use polygraph_models::blazeface::{self, FaceDetector};
use polygraph_models::picture::{Picture, Square};
use polygraph_models::{Engine, Error};

use super::properties::{Settings, specs};
#[cfg(feature = "v1_24")]
use super::relations;
use super::schedule::Schedule;
use super::{mirror, quality::quality};
use crate::analyser::{lock, network_ref, stats};
use crate::lateness::{Lateness, running_time};
use crate::meta::{update_video, video_results};
use crate::picture::{self, Clock};

static CAT: LazyLock<gst::DebugCategory> = LazyLock::new(|| {
    gst::DebugCategory::new("polyface", gst::DebugColorFlags::empty(), Some("Finds faces and follows them"))
});

/// The network, and how its scores are signed.
#[derive(Clone)]
struct Detector {
    faces: Arc<FaceDetector>,
    network: NetworkRef,
}

impl Detector {
    fn load(settings: &Settings) -> Result<Self, Error> {
        let faces = FaceDetector::load(&Engine::shared(settings.provider.into())?)?;
        let network = network_ref(faces.identity());
        Ok(Self { faces: Arc::new(faces), network })
    }
}

#[derive(Default)]
struct State {
    detector: Option<Detector>,
    info: Option<VideoInfo>,
    clock: Clock,
    last_ns: Option<u64>,
    schedule: Schedule,
    tracker: Tracker,
    mouths: Mouths,
    accounting: Accounting,
    lateness: Lateness,
    #[cfg(feature = "v1_24")]
    first_seen: relations::FirstSeen,
}

impl State {
    /// Nothing of before counts any more: a flush, new caps, a jump in time.
    fn restart(&mut self) {
        self.clock.reset();
        self.last_ns = None;
        self.schedule.restart();
        self.tracker.cut();
        self.mouths.reset();
        self.lateness.reset();
    }
}

/// What is to be done with a picture.
enum Plan {
    // Boxed: ten times the size of the others.
    Look(Detector, Box<VideoInfo>, PtsRange),
    Carry(PtsRange),
    Pass,
}

/// The implementation.
#[derive(Default)]
pub struct PolyFace {
    settings: Mutex<Settings>,
    state: Mutex<State>,
}

#[glib::object_subclass]
impl ObjectSubclass for PolyFace {
    const NAME: &'static str = "GstPolyFace";
    type Type = super::PolyFace;
    type ParentType = gst_base::BaseTransform;
}

impl ObjectImpl for PolyFace {
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

impl GstObjectImpl for PolyFace {}

impl ElementImpl for PolyFace {
    fn metadata() -> Option<&'static gst::subclass::ElementMetadata> {
        static METADATA: LazyLock<gst::subclass::ElementMetadata> = LazyLock::new(|| {
            gst::subclass::ElementMetadata::new(
                "Polygraph face analyser",
                "Filter/Analyzer/Video",
                "Finds faces in the pictures that pass through and follows them",
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

impl BaseTransformImpl for PolyFace {
    const MODE: gst_base::subclass::BaseTransformMode = gst_base::subclass::BaseTransformMode::AlwaysInPlace;
    const PASSTHROUGH_ON_SAME_CAPS: bool = false;
    const TRANSFORM_IP_ON_PASSTHROUGH: bool = false;

    fn start(&self) -> Result<(), gst::ErrorMessage> {
        let settings = lock(&self.settings).clone();
        let detector = Detector::load(&settings).map_err(|error| {
            gst::error!(CAT, imp = self, "no detector: {error}");
            gst::error_msg!(
                gst::ResourceError::NotFound,
                ("Face detector: {error}"),
                ["`polygraph models fetch` fetches the networks and ONNX Runtime"]
            )
        })?;
        *lock(&self.state) = State { detector: Some(detector), ..State::default() };
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
        let settings = lock(&self.settings).clone();
        let results = match self.plan(&settings, buffer) {
            Plan::Look(detector, info, pts) => self.look(&settings, &detector, &info, pts, buffer)?,
            Plan::Carry(pts) => self.carry(pts),
            Plan::Pass => None,
        };
        if let Some(mut results) = results {
            if settings.mouths {
                results.mouths = self.mouths(buffer, &results);
            }
            self.publish(&settings, buffer, results);
        }
        Ok(gst::FlowSuccess::Ok)
    }
}

impl PolyFace {
    /// Decides whether to look at a picture; one that isn't looked at is accounted for here.
    fn plan(&self, settings: &Settings, buffer: &gst::BufferRef) -> Plan {
        let cut = video_results(buffer).is_some_and(|known| known.transition.is_some());
        let running = running_time(&*self.obj(), buffer);
        let mut guard = lock(&self.state);
        let state = &mut *guard;
        let (Some(info), Some(detector)) = (state.info.clone(), state.detector.clone()) else {
            state.accounting.skipped("no-caps");
            return Plan::Pass;
        };
        let Some(pts) = state.clock.place(buffer, &info) else {
            state.accounting.skipped("no-pts");
            return Plan::Pass;
        };
        state.schedule.set_rate(settings.analysis_fps);
        let options = settings.track(state.schedule.interval_ns());
        state.tracker.set_options(options);
        let jump = |last: u64| pts.start_ns < last || pts.start_ns - last > options.max_unseen_ns;
        if cut || state.last_ns.is_some_and(jump) {
            state.tracker.cut();
        }
        if state.last_ns.is_some_and(jump) {
            state.schedule.restart();
        }
        state.last_ns = Some(pts.start_ns);
        if buffer.flags().contains(gst::BufferFlags::GAP) {
            state.accounting.skipped("gap");
            return Plan::Carry(pts);
        }
        if !cut && !state.schedule.due(pts.start_ns) {
            state.accounting.skipped("interval");
            return Plan::Carry(pts);
        }
        if state.lateness.is_late(running) && !state.schedule.starving(pts.start_ns) {
            state.accounting.late();
            return Plan::Carry(pts);
        }
        state.schedule.looked(pts.start_ns);
        Plan::Look(detector, Box::new(info), pts)
    }

    /// Runs the detector, without a lock: others may read properties meanwhile.
    fn look(
        &self,
        settings: &Settings,
        detector: &Detector,
        info: &VideoInfo,
        pts: PtsRange,
        buffer: &gst::BufferRef,
    ) -> Result<Option<FaceResults>, gst::FlowError> {
        let found = picture::with(buffer, info, |picture| {
            let found = detector.faces.detect(picture, &settings.detect())?;
            Ok(found.iter().map(|face| detection(picture, face)).collect::<Vec<_>>())
        });
        let detections = match found {
            Ok(Ok(detections)) => detections,
            Ok(Err(error @ Error::Busy { .. })) => {
                gst::warning!(CAT, imp = self, "picture at {} ns not looked at: {error}", pts.start_ns);
                lock(&self.state).accounting.skipped("busy");
                return Ok(self.carry(pts));
            }
            Err(error) => return Ok(self.unreadable(pts, &error)),
            Ok(Err(Error::Picture(error))) => return Ok(self.unreadable(pts, &error.to_string())),
            Ok(Err(error)) => {
                gst::element_imp_error!(self, gst::LibraryError::Failed, ("Face detector: {error}"));
                return Err(gst::FlowError::Error);
            }
        };
        let mut state = lock(&self.state);
        state.accounting.analysed();
        let faces = state.tracker.detected(pts.start_ns, &detections);
        gst::log!(CAT, imp = self, "{} faces at {} ns", faces.len(), pts.start_ns);
        Ok(Some(FaceResults {
            pts,
            analysed: true,
            faces,
            network: detector.network.clone(),
            forensics: None,
            mouths: None,
        }))
    }

    fn unreadable(&self, pts: PtsRange, why: &str) -> Option<FaceResults> {
        gst::warning!(CAT, imp = self, "picture at {} ns can't be read: {why}", pts.start_ns);
        lock(&self.state).accounting.skipped("unreadable");
        self.carry(pts)
    }

    /// Where the faces of the last look should be now.
    fn carry(&self, pts: PtsRange) -> Option<FaceResults> {
        let mut state = lock(&self.state);
        let network = state.detector.as_ref()?.network.clone();
        let faces = state.tracker.carry(pts.start_ns);
        (!faces.is_empty()).then_some(FaceResults {
            pts,
            analysed: false,
            faces,
            network,
            forensics: None,
            mouths: None,
        })
    }

    /// Cuts out the mouths; `None` in a picture that is left out, or that can't be read.
    fn mouths(&self, buffer: &gst::BufferRef, results: &FaceResults) -> Option<Vec<Mouth>> {
        let mut state = lock(&self.state);
        let info = state.info.clone()?;
        let par = f64::from(info.par().numer()) / f64::from(info.par().denom());
        let shown = [f64::from(info.width()) * par, f64::from(info.height())];
        let squares = state.mouths.place(results.pts.start_ns, &results.faces, shown)?;
        drop(state);
        if squares.is_empty() {
            return Some(Vec::new());
        }
        let cut = picture::with(buffer, &info, |picture| squares.iter().map(|square| mouth(picture, square)).collect());
        match cut {
            Ok(mouths) => mouths,
            Err(why) => {
                gst::warning!(CAT, imp = self, "no mouths at {} ns: {why}", results.pts.start_ns);
                None
            }
        }
    }

    fn publish(&self, settings: &Settings, buffer: &mut gst::BufferRef, results: FaceResults) {
        let info = lock(&self.state).info.clone();
        if let Some(info) = info.as_ref().filter(|_| settings.roi_meta) {
            mirror::regions(buffer, info, &results.faces);
        }
        #[cfg(feature = "v1_24")]
        if let Some(info) = info.as_ref().filter(|_| settings.analytics_meta)
            && let Err(why) = relations::add(buffer, info, &results, &mut lock(&self.state).first_seen)
        {
            gst::warning!(CAT, imp = self, "no analytics meta at {} ns: {why}", results.pts.start_ns);
        }
        if settings.post_messages && results.analysed {
            let element = self.obj();
            let message = gst::message::Element::builder(mirror::message(&results)).src(&*element).build();
            // Without a bus nobody listens.
            if element.post_message(message).is_err() {
                gst::debug!(CAT, imp = self, "no bus to post on");
            }
        }
        update_video(buffer, |known| known.faces = Some(results));
    }
}

/// A mouth; `None` for a square that lies beyond all pictures.
fn mouth(picture: &Picture<'_>, square: &MouthSquare) -> Option<Mouth> {
    let MouthSquare { track, centre, side, angle } = *square;
    let mut pixels = vec![0; MOUTH_SIDE * MOUTH_SIDE];
    picture.crop_luma(&Square { centre, side, angle }, MOUTH_SIDE, &mut pixels).ok()?;
    Some(Mouth { track, pixels: pixels.into() })
}

fn detection(picture: &Picture<'_>, face: &blazeface::Detection) -> Detection {
    let [right_eye, left_eye, nose, mouth, right_ear, left_ear] = face.points.map(Point::from);
    let points = FacePoints { right_eye, left_eye, nose, mouth, right_ear, left_ear };
    let seen = Detection { rect: face.rect.into(), points, score: face.score, quality: 0.0 };
    Detection { quality: quality(picture, &seen), ..seen }
}
