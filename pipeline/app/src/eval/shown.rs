// SPDX-License-Identifier: Apache-2.0
//! Stills through `polyscene`: one pipeline for all of one size, each still a shot of its own.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    sync::{Arc, Mutex},
};

use gst::{ElementFactory, prelude::*};
use gst_app::{AppSink, AppSinkCallbacks, AppSrc};
use gst_video::{VideoColorimetry, VideoFormat, VideoInfo};
use gstpolygraph::meta::video_results;
use polygraph_core::results::VideoResults;
use polygraph_models::Provider;

use crate::{
    analyze::{self, interrupted},
    cli::Eval,
    error::{Error, Result},
    eval::{
        condition::Condition,
        degrade,
        observe::{self, SPACING_NS},
        still::{self, Planes},
        stills::buffer,
    },
    sync::lock,
};

/// Between two looks whether a source has room again, and whether anything failed.
const TURN: gst::ClockTime = gst::ClockTime::from_mseconds(5);
/// Pictures that wait before the analysers.
const WAITING: u64 = 4;

/// What was said, by the still's number.
type Found<T> = Arc<Mutex<BTreeMap<usize, T>>>;

/// What `polyscene` is asked, and what of its answer counts.
pub struct Question<T> {
    /// Properties that are set to true.
    pub switches: &'static [&'static str],
    /// What of a picture's meta counts; `None` where it says nothing.
    pub answer: fn(VideoResults) -> Option<T>,
}

/// A line of a list of stills.
pub trait Listed {
    /// Where the still lies in the folder.
    fn path(&self) -> &str;
    /// Items of one corpus are measured together.
    fn corpus(&self) -> &str;
}

/// Shows all stills of a list under each condition, and measures each corpus of it; `None` when it was interrupted.
///
/// # Errors
/// A condition that isn't one of stills, and what the pipeline says.
pub fn each_corpus<L: Listed, T: Clone + Send + 'static, M>(
    eval: &Eval,
    lines: &[L],
    question: &Question<T>,
    mut measure: impl FnMut(Condition, &str, &[(&L, Option<&T>)]) -> M,
) -> Result<Option<Vec<M>>> {
    check(&eval.folder, &eval.conditions)?;
    analyze::init()?;
    analyze::stop_on_ctrl_c();
    let paths: Vec<&str> = lines.iter().map(Listed::path).collect();
    let corpora: BTreeSet<&str> = lines.iter().map(Listed::corpus).collect();
    let mut measured = Vec::new();
    for condition in &eval.conditions {
        let found = stills(&eval.folder, &paths, *condition, question, eval.provider, eval.quiet)?;
        if interrupted() {
            return Ok(None);
        }
        for corpus in &corpora {
            let own = lines.iter().zip(&found).filter(|(line, _)| line.corpus() == *corpus);
            let own: Vec<_> = own.map(|(line, found)| (line, found.as_ref())).collect();
            measured.push(measure(*condition, corpus, &own));
        }
    }
    Ok(Some(measured))
}

/// Whether a condition can be one of stills.
pub fn suits(condition: Condition) -> bool {
    matches!(condition, Condition::Clean | Condition::Qp(_) | Condition::Half | Condition::Noise)
}

/// Says which condition doesn't suit stills.
fn check(folder: &Path, conditions: &[Condition]) -> Result<()> {
    match conditions.iter().find(|condition| !suits(**condition)) {
        Some(condition) => {
            Err(Error::input(folder.display().to_string(), format!("condition `{condition}` is none for stills")))
        }
        None => Ok(()),
    }
}

/// What is said of each still of a folder; `None` of one that can't be read, which is told.
fn stills<T: Clone + Send + 'static>(
    folder: &Path,
    paths: &[&str],
    condition: Condition,
    question: &Question<T>,
    provider: Provider,
    quiet: bool,
) -> Result<Vec<Option<T>>> {
    let mut sizes: BTreeMap<(u32, u32), Vec<usize>> = BTreeMap::new();
    for (number, path) in paths.iter().enumerate() {
        match still::size(&folder.join(path)) {
            Some((width, height)) => sizes.entry((width & !1, height & !1)).or_default().push(number),
            None => errln!("polygraph: {path} is no picture that can be read"),
        }
    }
    let found = Found::default();
    let mut done = 0;
    for (size, numbers) in sizes {
        let pipeline = Pipeline::build(condition, size, question, provider, &found)?;
        for number in numbers {
            let picture = still::decode(&folder.join(paths[number]));
            match picture.map(|picture| Planes::of(&picture)) {
                Ok(planes) => pipeline.push(number, planes)?,
                Err(why) => errln!("polygraph: {}: {why}", paths[number]),
            }
            done += 1;
            if !quiet && done % 1000 == 0 {
                errln!("{condition}: {done} of {} stills", paths.len());
            }
            if interrupted() {
                return Ok(vec![None; paths.len()]);
            }
        }
        pipeline.finish()?;
    }
    let mut found = lock(&found);
    Ok((0..paths.len()).map(|number| found.remove(&number)).collect())
}

/// `appsrc ! condition ! polyscene ! appsink`.
struct Pipeline {
    pipeline: gst::Pipeline,
    source: AppSrc,
    bus: gst::Bus,
}

impl Pipeline {
    fn build<T: Send + 'static>(
        condition: Condition,
        (width, height): (u32, u32),
        question: &Question<T>,
        provider: Provider,
        found: &Found<T>,
    ) -> Result<Self> {
        let failed = |error: gst::glib::BoolError| Error::GStreamer(error.message.to_string());
        let info = VideoInfo::builder(VideoFormat::I420, width, height)
            .fps(gst::Fraction::new(25, 1))
            .colorimetry(&"bt601".parse::<VideoColorimetry>().map_err(failed)?)
            .build()
            .map_err(failed)?;
        let source = AppSrc::builder().caps(&info.to_caps().map_err(failed)?).format(gst::Format::Time).build();
        let mut elements = vec![source.clone().upcast::<gst::Element>()];
        // Nothing of a still is left in the next one.
        elements.extend(degrade::elements(condition, 1).map_err(failed)?);
        let mut scene = ElementFactory::make("polyscene")
            .property("scene-interval", 0_u64)
            .property("text-interval", 0_u64)
            // The likeliest label, however likely: the threshold is looked at afterwards.
            .property("scene-threshold", 0.0_f32)
            .property_from_str("provider", provider.as_str());
        for switch in question.switches {
            scene = scene.property(switch, true);
        }
        elements.push(scene.build().map_err(failed)?);
        elements.push(sink(question.answer, found).upcast());
        let pipeline = gst::Pipeline::new();
        pipeline.add_many(&elements).map_err(failed)?;
        gst::Element::link_many(&elements).map_err(failed)?;
        let bus = pipeline.bus().ok_or_else(|| Error::GStreamer("a pipeline has no bus".into()))?;
        let pipeline = Self { pipeline, source, bus };
        if pipeline.pipeline.set_state(gst::State::Playing).is_err() {
            pipeline.failed(gst::ClockTime::ZERO)?;
        }
        Ok(pipeline)
    }

    fn push(&self, number: usize, planes: Planes) -> Result<()> {
        while self.source.current_level_buffers() >= WAITING && !interrupted() {
            self.failed(TURN)?;
        }
        let mut buffer = buffer(planes);
        if let Some(buffer) = buffer.get_mut() {
            buffer.set_pts(gst::ClockTime::from_nseconds(number as u64 * SPACING_NS));
            buffer.set_duration(gst::ClockTime::from_mseconds(40));
        }
        if self.source.push_buffer(buffer).is_err() {
            self.failed(gst::ClockTime::from_seconds(1))?;
        }
        Ok(())
    }

    /// The error on the bus, if there is one.
    fn failed(&self, patience: gst::ClockTime) -> Result<()> {
        match self.bus.timed_pop_filtered(patience, &[gst::MessageType::Error]).as_ref().map(|message| message.view()) {
            Some(gst::MessageView::Error(error)) => Err(Error::GStreamer(error.error().message().to_owned())),
            _ => Ok(()),
        }
    }

    /// Waits until all was seen.
    fn finish(self) -> Result<()> {
        // A pipeline that failed refuses it; the bus says why.
        let _ = self.source.end_of_stream();
        while !interrupted() {
            let kinds = [gst::MessageType::Error, gst::MessageType::Eos];
            let message = self.bus.timed_pop_filtered(gst::ClockTime::from_mseconds(200), &kinds);
            match message.as_ref().map(|message| message.view()) {
                Some(gst::MessageView::Error(error)) => {
                    return Err(Error::GStreamer(error.error().message().to_owned()));
                }
                Some(_) => break,
                None => {}
            }
        }
        Ok(())
    }
}

impl Drop for Pipeline {
    fn drop(&mut self) {
        if self.pipeline.set_state(gst::State::Null).is_err() {
            errln!("polygraph: a pipeline doesn't stop in order");
        }
    }
}

fn sink<T: Send + 'static>(answer: fn(VideoResults) -> Option<T>, found: &Found<T>) -> AppSink {
    let found = found.clone();
    let callbacks = AppSinkCallbacks::builder().new_sample(move |sink| {
        let sample = sink.pull_sample().map_err(|_| gst::FlowError::Eos)?;
        let Some(buffer) = sample.buffer() else { return Ok(gst::FlowSuccess::Ok) };
        let said = video_results(buffer).and_then(answer);
        // Encoders shift their stamps; segments take the shift back.
        let moment = sample.segment().and_then(|segment| observe::moment(segment, buffer));
        if let (Some(said), Some(pts)) = (said, moment) {
            lock(&found).insert((pts / SPACING_NS) as usize, said);
        }
        Ok(gst::FlowSuccess::Ok)
    });
    AppSink::builder().sync(false).callbacks(callbacks.build()).build()
}
