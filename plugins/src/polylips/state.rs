// SPDX-License-Identifier: Apache-2.0
//! What the element knows, behind one lock.

use polygraph_core::record::PictureSize;
use polygraph_core::timeline::{Join, Settings, Side};

use super::late::Watchman;
use super::reader::Inbox;
use crate::faults::FaultSettings;

/// A linked sink pad.
#[derive(Debug, Default)]
pub(super) struct Input {
    /// The current segment; `None` before it came.
    pub(super) segment: Option<gst::FormattedSegment<gst::ClockTime>>,
    /// The size of the pictures; `None` before it is known, and of sound.
    pub(super) size: Option<PictureSize>,
    /// Between flush-start and flush-stop.
    pub(super) flushing: bool,
}

/// Where records stand between stream time and running time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Offset {
    /// Start of the segment, in stream time and PTS.
    pub(super) start_ns: u64,
    /// Running time at that start.
    pub(super) base_ns: u64,
}

impl Offset {
    pub(super) fn new(stream_ns: u64, running_ns: u64) -> Self {
        let both = stream_ns.min(running_ns);
        Self { start_ns: stream_ns - both, base_ns: running_ns - both }
    }
}

/// All that the pads' threads share.
#[derive(Debug)]
pub(super) struct State {
    pub(super) join: Join,
    video: Option<Input>,
    audio: Option<Input>,
    /// The source pad is active.
    pub(super) active: bool,
    /// The task is handing something on, without the lock.
    pub(super) pushing: bool,
    /// A flushing seek is on its way upstream.
    pub(super) seeking: bool,
    /// Sides that are held back.
    pub(super) held: u32,
    /// What downstream last said.
    pub(super) flow: Result<gst::FlowSuccess, gst::FlowError>,
    /// The name of the records' stream and its group, once they are known.
    pub(super) stream: Option<(String, Option<gst::GroupId>)>,
    pub(super) started: bool,
    pub(super) segment: Option<Offset>,
    /// A source said that it is live.
    pub(super) live: bool,
    pub(super) ended: bool,
    /// What the lips' reader is to be given; `None` when nobody reads.
    pub(super) inbox: Option<Inbox>,
    /// How often no session was free to read the lips.
    pub(super) lips_busy: u64,
    /// What is known of faults.
    pub(super) watchman: Watchman,
}

impl State {
    pub(super) fn new(settings: Settings, faults: &FaultSettings) -> Self {
        Self {
            join: Join::new(settings),
            video: None,
            audio: None,
            active: false,
            pushing: false,
            seeking: false,
            held: 0,
            flow: Ok(gst::FlowSuccess::Ok),
            stream: None,
            started: false,
            live: false,
            segment: None,
            ended: false,
            inbox: None,
            lips_busy: 0,
            watchman: Watchman::new(faults),
        }
    }

    /// Starts from nothing, with the pads that are there.
    pub(super) fn reset(&mut self, settings: Settings, faults: &FaultSettings, now: u64) {
        let (video, audio) = (self.video.is_some(), self.audio.is_some());
        *self = Self::new(settings, faults);
        if video {
            self.link(Side::Video, now);
        }
        if audio {
            self.link(Side::Audio, now);
        }
    }

    pub(super) fn link(&mut self, side: Side, now: u64) {
        *self.slot(side) = Some(Input::default());
        self.join.link(side, now);
    }

    pub(super) fn unlink(&mut self, side: Side) {
        *self.slot(side) = None;
        self.join.unlink(side);
    }

    pub(super) fn input(&mut self, side: Side) -> Option<&mut Input> {
        self.slot(side).as_mut()
    }

    fn slot(&mut self, side: Side) -> &mut Option<Input> {
        match side {
            Side::Video => &mut self.video,
            Side::Audio => &mut self.audio,
        }
    }

    /// Whether any pad is between flush-start and flush-stop.
    pub(super) fn flushing(&self) -> bool {
        [&self.video, &self.audio].into_iter().flatten().any(|input| input.flushing)
    }

    /// Whether the other pad is.
    pub(super) fn flushing_besides(&self, side: Side) -> bool {
        let other = match side {
            Side::Video => &self.audio,
            Side::Audio => &self.video,
        };
        other.as_ref().is_some_and(|input| input.flushing)
    }

    /// Whether the task may hand anything on.
    pub(super) fn runs(&self) -> bool {
        self.active && !self.seeking && !self.flushing() && self.flow.is_ok()
    }

    /// Whether anybody has to look around because something arrived: a picture waits for it, or a side is held back.
    /// Most buffers concern nobody, and to wake the task for nothing costs more than to take their results.
    pub(super) fn concerns(&self) -> bool {
        self.held > 0 || self.join.queued(Side::Video) > 0 || self.join.has_told()
    }

    /// A new stream began after the end: the records go on too.
    pub(super) fn revive(&mut self) {
        if self.ended || self.flow == Err(gst::FlowError::Eos) {
            self.ended = false;
            self.started = false;
            self.segment = None;
            self.flow = Ok(gst::FlowSuccess::Ok);
        }
    }
}
