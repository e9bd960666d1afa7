// SPDX-License-Identifier: Apache-2.0
//! Stills through `polyscene`: one pipeline for all of one size, each still a shot of its own.

use std::{
    collections::BTreeMap,
    path::Path,
    sync::{Arc, Mutex},
};

use gst::{ElementFactory, prelude::*};
use gst_app::{AppSink, AppSinkCallbacks, AppSrc};
use gst_video::{VideoColorimetry, VideoFormat, VideoInfo};
use gstpolygraph::{analyser::lock, meta::video_results};
use polygraph_core::scene::{PLACES, SceneLabel};
use polygraph_models::Provider;

use super::{Line, Said};
use crate::{
    analyze::interrupted,
    error::{Error, Result},
    eval::{
        condition::Condition,
        degrade,
        observe::SPACING_NS,
        still::{self, Planes},
        stills::buffer,
    },
};

/// Between two looks whether a source has room again, and whether anything failed.
const TURN: gst::ClockTime = gst::ClockTime::from_mseconds(5);
/// Pictures that wait before the analysers.
const WAITING: u64 = 4;

/// What was said, by the still's number.
type Found = Arc<Mutex<BTreeMap<usize, Said>>>;

/// Whether a condition can be one of scenes.
pub fn suits(condition: Condition) -> bool {
    matches!(condition, Condition::Clean | Condition::Qp(_) | Condition::Half | Condition::Noise)
}

/// What is said of each still; `None` of one that can't be read, which is told.
pub fn stills(
    folder: &Path,
    lines: &[Line],
    condition: Condition,
    provider: Provider,
    quiet: bool,
) -> Result<Vec<Option<Said>>> {
    let mut sizes: BTreeMap<(u32, u32), Vec<usize>> = BTreeMap::new();
    for (number, line) in lines.iter().enumerate() {
        match still::size(&folder.join(&line.path)) {
            Some((width, height)) => sizes.entry((width & !1, height & !1)).or_default().push(number),
            None => errln!("polygraph: {} is no picture that can be read", line.path),
        }
    }
    let found = Found::default();
    let mut done = 0;
    for (size, numbers) in sizes {
        let pipeline = Pipeline::build(condition, size, provider, &found)?;
        for number in numbers {
            let picture = still::decode(&folder.join(&lines[number].path));
            match picture.map(|picture| Planes::of(&picture)) {
                Ok(planes) => pipeline.push(number, planes)?,
                Err(why) => errln!("polygraph: {}: {why}", lines[number].path),
            }
            done += 1;
            if !quiet && done % 1000 == 0 {
                errln!("{condition}: {done} of {} stills", lines.len());
            }
            if interrupted() {
                return Ok(vec![None; lines.len()]);
            }
        }
        pipeline.finish()?;
    }
    let mut found = lock(&found);
    Ok((0..lines.len()).map(|number| found.remove(&number)).collect())
}

/// `appsrc ! condition ! polyscene ! appsink`.
struct Pipeline {
    pipeline: gst::Pipeline,
    source: AppSrc,
    bus: gst::Bus,
}

impl Pipeline {
    fn build(condition: Condition, (width, height): (u32, u32), provider: Provider, found: &Found) -> Result<Self> {
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
        let scene = ElementFactory::make("polyscene")
            .property("scenes", true)
            .property("scene-interval", 0_u64)
            // The likeliest label, however likely: the threshold is looked at afterwards.
            .property("scene-threshold", 0.0_f32)
            .property_from_str("provider", provider.as_str());
        elements.push(scene.build().map_err(failed)?);
        elements.push(sink(found).upcast());
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

fn sink(found: &Found) -> AppSink {
    let found = found.clone();
    let callbacks = AppSinkCallbacks::builder().new_sample(move |sink| {
        let sample = sink.pull_sample().map_err(|_| gst::FlowError::Eos)?;
        let Some(buffer) = sample.buffer() else { return Ok(gst::FlowSuccess::Ok) };
        let labels = video_results(buffer).and_then(|results| results.scene).map(|scene| scene.labels);
        // Encoders shift their stamps; segments take the shift back.
        let moment = sample.segment().and_then(|segment| crate::eval::observe::moment(segment, buffer));
        if let (Some(labels), Some(pts)) = (labels, moment) {
            lock(&found).insert((pts / SPACING_NS) as usize, said(labels));
        }
        Ok(gst::FlowSuccess::Ok)
    });
    AppSink::builder().sync(false).callbacks(callbacks.build()).build()
}

fn said(labels: Vec<SceneLabel>) -> Said {
    let mut said = Said::default();
    for SceneLabel { label, p } in labels {
        if PLACES.contains(&label.as_str()) {
            said.place = Some((label, p));
        } else if said.group.is_none() {
            said.group = Some((label, p));
        }
    }
    said
}
