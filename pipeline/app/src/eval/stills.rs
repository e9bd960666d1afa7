// SPDX-License-Identifier: Apache-2.0
//! Stills through the analysers: one pipeline for many of one canvas size, each still a moment of its own.
//!
//! A still is one picture. Where `polyface` reports no face it is shown again, twice, 200 ms apart: a weak face is
//! reported only when a second look finds it again, as it would be in a video.

use std::{collections::BTreeMap, sync::Arc};

use gst::prelude::*;
use gst_app::AppSrc;
use gst_video::{VideoColorimetry, VideoFormat, VideoInfo};
use image::RgbImage;

use super::{
    Setup,
    chain::{Chain, End, Shape},
    condition::Condition,
    degrade::Psnr,
    manifest::Item,
    moving::{self, Actor, Stage},
    observe::SPACING_NS,
    outcome::{Outcome, Seen},
    still::{self, Area, Planes},
};
use crate::error::{Error, Result};

/// Between the two looks at a still in which the first found nothing: five a second, as shipped.
const SECOND_LOOK_NS: u64 = 200_000_000;

/// How a still is shown.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Show {
    Once,
    Twice,
    Moving,
}

/// Stills of one canvas size, or of any for [`Condition::Moving`].
pub struct Stills<'a> {
    pub setup: &'a Setup,
    pub condition: Condition,
    pub psnr: &'a Arc<Psnr>,
    pub canvas: (u32, u32),
}

impl Stills<'_> {
    /// Runs them and says what became of each, by its number. `None` when the user asked to stop.
    ///
    /// # Errors
    /// When the analysers themselves fail: what is wrong with an item is its outcome.
    pub fn run(&self, items: &[(usize, &Item)], mut done: impl FnMut()) -> Result<Option<BTreeMap<usize, Outcome>>> {
        let mut outcomes = BTreeMap::new();
        let show = if matches!(self.condition, Condition::Moving(_)) { Show::Moving } else { Show::Once };
        let Some(mut seen) = self.pass(items, show, &mut outcomes, &mut done)? else { return Ok(None) };
        if show == Show::Once {
            let missed = |number: &usize| seen.get(number).is_some_and(|seen| !seen.found());
            let again: Vec<_> = items.iter().copied().filter(|(number, _)| missed(number)).collect();
            if !again.is_empty() {
                let Some(second) = self.pass(&again, Show::Twice, &mut outcomes, &mut || {})? else { return Ok(None) };
                seen.extend(second);
            }
        }
        for (number, _) in items {
            let seen = seen.remove(number);
            let lost = || Outcome::unreadable("its picture did not come through");
            outcomes.entry(*number).or_insert_with(|| seen.map_or_else(lost, Seen::outcome));
        }
        Ok(Some(outcomes))
    }

    /// Shows each once, twice or moving. Those that can't be read go into `outcomes`.
    fn pass(
        &self,
        items: &[(usize, &Item)],
        show: Show,
        outcomes: &mut BTreeMap<usize, Outcome>,
        done: &mut impl FnMut(),
    ) -> Result<Option<BTreeMap<usize, Seen>>> {
        let key_interval = if show == Show::Moving { moving::PICTURES as u32 } else { 1 };
        let shape = Shape { stills: true, analysis_fps: 0.0, key_interval };
        let chain = Chain::build(self.setup, self.condition, &shape, self.psnr)?;
        let source = self.source(&chain, show)?;
        if let Err(end) = chain.play() {
            return early(end);
        }
        let stage = (show == Show::Moving).then(Stage::new);
        for (number, item) in items {
            match decode(item) {
                Ok(still) => {
                    let pictures = self.pictures(&still, *number, show, stage.as_ref());
                    if let Err(end) = push(&source, &chain, pictures) {
                        return early(end);
                    }
                }
                Err(why) => drop(outcomes.insert(*number, Outcome::unreadable(why))),
            }
            done();
            if crate::analyze::interrupted() {
                return Ok(None);
            }
        }
        // A pipeline that failed refuses it; the bus says why.
        let _ = source.end_of_stream();
        match chain.wait(|| source.current_level_buffers()) {
            End::Whole => Ok(Some(chain.observer.take())),
            end => early(end),
        }
    }

    fn source(&self, chain: &Chain, show: Show) -> Result<AppSrc> {
        let failed = |error: gst::glib::BoolError| Error::GStreamer(error.message.to_string());
        let (width, height) =
            if show == Show::Moving { (moving::SIZE.0 as u32, moving::SIZE.1 as u32) } else { self.canvas };
        let info = VideoInfo::builder(VideoFormat::I420, width, height)
            .fps(gst::Fraction::new(25, 1))
            .colorimetry(&"bt601".parse::<VideoColorimetry>().map_err(failed)?)
            .build()
            .map_err(failed)?;
        let caps = info.to_caps().map_err(failed)?;
        let source = AppSrc::builder().caps(&caps).format(gst::Format::Time).build();
        chain.pipeline.add(&source).map_err(failed)?;
        source.link(&chain.head).map_err(failed)?;
        Ok(source)
    }

    /// The pictures of a still with their times.
    fn pictures<'a>(
        &self,
        still: &'a RgbImage,
        number: usize,
        show: Show,
        stage: Option<&'a Stage>,
    ) -> Box<dyn Iterator<Item = (u64, Planes, Area)> + 'a> {
        let start = number as u64 * SPACING_NS;
        if let Some(stage) = stage {
            let actor = Actor::new(still, number);
            return Box::new((0..moving::PICTURES).map(move |at| {
                let (planes, area) = actor.picture(stage, at);
                (start + at as u64 * moving::STEP_NS, planes, area)
            }));
        }
        let (planes, area) = still::on_canvas(still, self.canvas);
        let looks = if show == Show::Twice { 2 } else { 1 };
        Box::new((0..looks).map(move |look| (start + look * SECOND_LOOK_NS, planes.clone(), area)))
    }
}

fn decode(item: &Item) -> Result<RgbImage, String> {
    let (file, _) = item.file.as_ref().map_err(Clone::clone)?;
    still::decode(file)
}

/// An end before all was seen. What is pushed was decoded already: nothing of it is an item's fault.
fn early<T>(end: End) -> Result<Option<T>> {
    match end {
        End::Broken(why) | End::Failed(why) => Err(Error::GStreamer(why)),
        End::Whole => Err(Error::GStreamer("the stills ended early".into())),
        End::Interrupted => Ok(None),
    }
}

/// Gives pictures to the pipeline as it has room for them.
fn push(source: &AppSrc, chain: &Chain, pictures: impl Iterator<Item = (u64, Planes, Area)>) -> Result<(), End> {
    for (pts, planes, area) in pictures {
        chain.make_room(source)?;
        chain.observer.shown.note(pts, area);
        let mut buffer = buffer(planes);
        if let Some(buffer) = buffer.get_mut() {
            buffer.set_pts(gst::ClockTime::from_nseconds(pts));
            buffer.set_duration(gst::ClockTime::from_nseconds(moving::STEP_NS));
        }
        // A pipeline that failed refuses it; the bus says why.
        if source.push_buffer(buffer).is_err() {
            return Err(chain.wait(|| 0));
        }
    }
    Ok(())
}

/// The planes as one buffer in GStreamer's default layout of I420: strides rounded up to 4.
pub fn buffer(planes: Planes) -> gst::Buffer {
    let Planes { width, height, data } = planes;
    let mut bytes = Vec::with_capacity(width * height * 2);
    for (at, plane) in data.iter().enumerate() {
        let width = width >> at.min(1);
        for row in plane.chunks(width) {
            bytes.extend_from_slice(row);
            bytes.resize(bytes.len() + width.next_multiple_of(4) - width, 0);
        }
    }
    gst::Buffer::from_mut_slice(bytes)
}
