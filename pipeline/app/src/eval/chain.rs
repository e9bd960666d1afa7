// SPDX-License-Identifier: Apache-2.0
//! The shipped analysers, with a condition before them: what stills and clips have in common.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use gst::{ElementFactory, prelude::*};
use gst_app::AppSrc;
use polygraph_core::forensics::JoinOptions;

use super::{
    Setup,
    condition::Condition,
    degrade::{self, Psnr},
    observe::Observer,
};
use crate::{
    analyze::interrupted,
    error::{Error, Result},
};

/// How often somebody looks whether the user wants to stop.
const TURN: gst::ClockTime = gst::ClockTime::from_mseconds(100);
/// Between two looks whether a source has room again.
const SHORT: gst::ClockTime = gst::ClockTime::from_mseconds(2);
/// Pictures that wait before the analysers.
const WAITING: u64 = 4;
/// A pipeline that nothing passes for so long is over.
const STALLED: Duration = Duration::from_secs(60);

/// How a pipeline ended.
#[derive(Debug, PartialEq, Eq)]
pub enum End {
    /// All of it was seen.
    Whole,
    /// The input is bad; the message.
    Broken(String),
    /// An analyser failed, whatever the input; the message.
    Failed(String),
    /// The user asked to stop.
    Interrupted,
}

/// A pipeline that ends in the analysers.
pub struct Chain {
    /// The pipeline, which stops when this is dropped.
    pub pipeline: gst::Pipeline,
    /// What the source is linked to.
    pub head: gst::Element,
    /// What was seen.
    pub observer: Arc<Observer>,
}

/// What differs between stills and clips.
pub struct Shape {
    /// Stills, `SPACING_NS` apart, or one clip.
    pub stills: bool,
    /// Pictures a second that are searched for faces; 0 is every one.
    pub analysis_fps: f64,
    /// Pictures after which an encoder starts anew.
    pub key_interval: u32,
}

impl Chain {
    /// Builds `[head ! condition] ! (polyscene for clips) ! polyface ! polyforensics ! sink`, in no pipeline's hurry yet.
    pub fn build(setup: &Setup, condition: Condition, shape: &Shape, psnr: &Arc<Psnr>) -> Result<Self> {
        let failed = |error: gst::glib::BoolError| Error::GStreamer(error.message.to_string());
        let observer = Arc::new(Observer::default());
        let caps = gst::Caps::builder("video/x-raw").field("format", "I420").build();
        let head = ElementFactory::make("capsfilter").property("caps", caps).build().map_err(failed)?;
        let worse = degrade::elements(condition, shape.key_interval).map_err(|error| {
            let needed = "`apt-get install gstreamer1.0-plugins-ugly gstreamer1.0-libav` brings what conditions need";
            Error::GStreamer(format!("{}; {needed}", error.message))
        })?;
        degrade::compare(&worse, &observer.shown, psnr);
        let mut elements = vec![head.clone()];
        elements.extend(worse);
        if !shape.stills {
            elements.push(ElementFactory::make("polyscene").build().map_err(failed)?);
        }
        let provider = setup.provider.as_str();
        let face = ElementFactory::make("polyface")
            .property("analysis-fps", shape.analysis_fps)
            .property("roi-meta", false)
            .property_from_str("provider", provider);
        let face = face.build().map_err(failed)?;
        if let Condition::Boxes(percent) = condition {
            degrade::boxes(&face, percent);
        }
        elements.push(face);
        let forensics = ElementFactory::make("polyforensics")
            .property("gates", setup.gates)
            // A still has but one picture.
            .property("least-pictures", if shape.stills { 1 } else { JoinOptions::default().least })
            .property_from_str("provider", provider);
        elements.push(forensics.build().map_err(failed)?);
        elements.push(observer.sink(shape.stills).upcast());
        let pipeline = gst::Pipeline::new();
        pipeline.add_many(&elements).map_err(failed)?;
        gst::Element::link_many(&elements).map_err(failed)?;
        Ok(Self { pipeline, head, observer })
    }

    /// Lets it run.
    pub fn play(&self) -> Result<(), End> {
        match self.pipeline.set_state(gst::State::Playing) {
            Ok(_) => Ok(()),
            Err(error) => Err(self.error(gst::ClockTime::ZERO).unwrap_or_else(|| End::Failed(error.to_string()))),
        }
    }

    /// The next error on the bus, waited for so long.
    fn error(&self, patience: gst::ClockTime) -> Option<End> {
        self.pipeline.bus()?.timed_pop_filtered(patience, &[gst::MessageType::Error]).map(|message| end(&message))
    }

    /// Waits until `source` has room. An `appsrc` that blocks would wait for ever where the pipeline has failed.
    pub fn make_room(&self, source: &AppSrc) -> Result<(), End> {
        let began = Instant::now();
        while source.current_level_buffers() >= WAITING {
            if let Some(error) = self.error(SHORT) {
                return Err(error);
            }
            if interrupted() {
                return Err(End::Interrupted);
            }
            if began.elapsed() > STALLED {
                return Err(End::Failed(format!("nothing went on for {} s", STALLED.as_secs())));
            }
        }
        Ok(())
    }

    /// Waits for its end. `progress` says how far it is; where that stands still too long, the end has come.
    pub fn wait(&self, mut progress: impl FnMut() -> u64) -> End {
        let Some(bus) = self.pipeline.bus() else { return End::Failed("a pipeline has no bus".into()) };
        let (mut last, mut moved) = (progress(), Instant::now());
        loop {
            let kinds = [gst::MessageType::Error, gst::MessageType::Eos];
            if let Some(message) = bus.timed_pop_filtered(TURN, &kinds) {
                return end(&message);
            }
            if interrupted() {
                return End::Interrupted;
            }
            let now = progress();
            if now != last {
                (last, moved) = (now, Instant::now());
            } else if moved.elapsed() > STALLED {
                return End::Broken(format!("nothing came for {} s", STALLED.as_secs()));
            }
        }
    }
}

/// What a message of the end or of an error says. Our own elements don't mind what a picture shows: where they fail it
/// is not the item's fault.
fn end(message: &gst::Message) -> End {
    let gst::MessageView::Error(error) = message.view() else { return End::Whole };
    let why = error.error().message().lines().next().unwrap_or_default().trim_end_matches('.').to_owned();
    let factory = message.src().and_then(|src| src.downcast_ref::<gst::Element>()).and_then(gst::Element::factory);
    if factory.is_some_and(|factory| factory.name().starts_with("poly")) { End::Failed(why) } else { End::Broken(why) }
}

impl Drop for Chain {
    fn drop(&mut self) {
        if self.pipeline.set_state(gst::State::Null).is_err() {
            errln!("polygraph: a pipeline doesn't stop in order");
        }
    }
}
