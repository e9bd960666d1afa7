// SPDX-License-Identifier: Apache-2.0
//! The sink pads: results are read and the pictures let go; events and queries.

use gst::prelude::*;
use gst::subclass::prelude::*;
use polygraph_core::results::{AudioResults, Mouth, PtsRange, VideoResults};
use polygraph_core::timeline::{Picture, Side};

use super::imp::{CAT, PolyLips};
use super::late::range as stream_range;
use super::state::State;
use crate::late::Late;
use crate::meta;
use crate::picture::picture_size;
use crate::times::{Segment, stream};

/// How long to wait for the pad of a stream that the source has.
const LISTED_WAIT: gst::ClockTime = gst::ClockTime::from_seconds(2);
/// How long to wait for the pad of a stream that the source may be about to find.
const UNLISTED_WAIT: gst::ClockTime = gst::ClockTime::from_mseconds(500);

/// Running time of a PTS that may lie outside the segment; times before its start count as its start.
fn running(segment: &Segment, pts_ns: u64) -> Option<u64> {
    match segment.to_running_time_full(gst::ClockTime::from_nseconds(pts_ns))? {
        gst::Signed::Positive(time) => Some(time.nseconds()),
        gst::Signed::Negative(_) => Some(0),
    }
}

/// What the join needs of a buffer, read so that the buffer can be let go.
enum Found {
    Video(Box<VideoResults>),
    Audio(Option<Box<AudioResults>>),
}

impl PolyLips {
    /// A buffer arrives: waits while its side is held back, then hands its results to the join.
    pub(super) fn chain(&self, side: Side, buffer: gst::Buffer) -> Result<gst::FlowSuccess, gst::FlowError> {
        let pts = buffer.pts();
        let end = pts.map(|pts| pts + buffer.duration().unwrap_or_default());
        let found = match side {
            Side::Video => Found::Video(Box::new(meta::video_results(&buffer).unwrap_or_default())),
            Side::Audio => Found::Audio(meta::audio_results(&buffer).map(Box::new)),
        };
        // Results wait below; pictures do not, or the decoder runs out of them.
        drop(buffer);

        let mut state = self.state();
        loop {
            if !state.active || state.input(side).is_none_or(|input| input.flushing) {
                return Err(gst::FlowError::Flushing);
            }
            state.flow?;
            let now = self.now();
            if state.pushing {
                state.join.resumed(now);
            }
            let Some(until) = state.join.blocked_until(side, now) else { break };
            state.held += 1;
            state = self.wait(state, Some(until), now);
            state.held = state.held.saturating_sub(1);
        }
        let concerned = state.concerns();
        let mouths = self.hand_over(&mut state, side, pts.zip(end), found);
        let concerned = concerned || state.concerns();
        drop(state);
        if let Some((running_ns, mouths)) = mouths {
            self.hand_lips(running_ns, mouths);
        }
        if concerned {
            self.wake();
        }
        Ok(gst::FlowSuccess::Ok)
    }

    /// Hands results to the join; gives the running time of a picture, and its mouths where they were cut.
    fn hand_over(
        &self,
        state: &mut State,
        side: Side,
        range: Option<(gst::ClockTime, gst::ClockTime)>,
        found: Found,
    ) -> Option<(u64, Option<Vec<Mouth>>)> {
        let now = self.now();
        let segment = state.input(side).and_then(|input| input.segment.clone());
        let (Some(segment), Some((pts, end))) = (segment, range) else {
            state.join.refuse(side, "no-time", now);
            return None;
        };
        // A picture that nobody looked at is there, and so is sound.
        state.present(side, &segment, stream_range(&segment, (pts, end)));
        match found {
            Found::Video(mut results) => {
                let Some(running_ns) = segment.to_running_time(pts).map(gst::ClockTime::nseconds) else {
                    state.join.refuse(side, "outside-segment", now);
                    return None;
                };
                let mouths = results.faces.as_mut().and_then(|faces| faces.mouths.take());
                if let Some((inbox, mouths)) = state.inbox.as_mut().zip(mouths.clone()) {
                    inbox.see(running_ns, mouths);
                }
                let stream_ns = stream(&segment, pts.nseconds());
                let size = state.input(side).and_then(|input| input.size);
                state.join.video(Picture { running_ns, stream_ns, size, results: *results }, now);
                return Some((running_ns, mouths));
            }
            Found::Audio(Some(mut results)) => {
                let shift = |range: PtsRange| {
                    Some(PtsRange {
                        start_ns: running(&segment, range.start_ns)?,
                        end_ns: running(&segment, range.end_ns)?,
                    })
                };
                let Some(pts) = shift(results.pts) else {
                    state.join.refuse(side, "outside-segment", now);
                    return None;
                };
                results.pts = pts;
                results.speech.retain_mut(|window| shift(window.pts).map(|pts| window.pts = pts).is_some());
                results.heard.retain_mut(|heard| shift(heard.pts).map(|pts| heard.pts = pts).is_some());
                let heard = std::mem::take(&mut results.heard);
                if let Some(inbox) = state.inbox.as_mut().filter(|_| !heard.is_empty()) {
                    inbox.hear(results.speech.clone(), heard);
                }
                state.join.audio(*results, now);
            }
            Found::Audio(None) => {
                state.join.refuse(side, "no-results", now);
                if let Some(end_ns) = running(&segment, end.nseconds()) {
                    state.join.advance(side, end_ns, now);
                }
            }
        }
        None
    }

    /// An event arrives. None is passed on as it is: the records are a stream of their own.
    pub(super) fn sink_event(&self, pad: &gst::Pad, side: Side, event: gst::Event) -> bool {
        gst::log!(CAT, obj = pad, "{event:?}");
        match event.view() {
            gst::EventView::FlushStart(_) => self.flush_start(side, event),
            gst::EventView::FlushStop(_) => self.flush_stop(side, event),
            gst::EventView::Segment(segment) => {
                let Ok(segment) = segment.segment().clone().downcast::<gst::ClockTime>() else {
                    gst::element_imp_error!(self, gst::CoreError::Event, ["only segments in time can be joined"]);
                    return false;
                };
                self.decide_live(pad);
                if let Some(input) = self.state().input(side) {
                    input.segment = Some(segment);
                }
                true
            }
            gst::EventView::Caps(caps) => {
                if let Some(input) = self.state().input(side) {
                    input.size = picture_size(caps.caps());
                }
                true
            }
            gst::EventView::StreamStart(start) => {
                let mut state = self.state();
                state.revive();
                if state.stream.is_none() || side == Side::Video {
                    state.stream = Some((format!("{}/polygraph", start.stream_id()), start.group_id()));
                }
                state.join.begin(side);
                drop(state);
                if side == Side::Video {
                    self.announce_lips();
                }
                true
            }
            gst::EventView::StreamCollection(collection) => {
                self.learn(&collection.stream_collection());
                true
            }
            gst::EventView::Gap(gap) => {
                let (pts, duration) = gap.get();
                let mut state = self.state();
                let end = pts + duration.unwrap_or_default();
                let segment = state.input(side).and_then(|input| input.segment.clone());
                if let Some(until) = segment.and_then(|segment| running(&segment, end.nseconds())) {
                    let now = self.now();
                    state.join.advance(side, until, now);
                    self.wake();
                }
                true
            }
            gst::EventView::Eos(_) => {
                let now = self.now();
                let mut state = self.state();
                state.join.end(side, now);
                state.absent(side);
                drop(state);
                self.wake();
                if side == Side::Video {
                    self.tell_lips(event);
                }
                true
            }
            gst::EventView::CustomDownstream(_) => {
                if let Some(late) = Late::read(&event) {
                    self.late(side, late);
                }
                true
            }
            _ => true,
        }
    }

    /// The source says which streams it has: those that are not linked yet may still be.
    ///
    /// A demuxer of a format without a table of streams (MPEG-PS, MPEG-TS) adds them as it meets them, so that even
    /// a side that the collection lacks may come a moment later.
    fn learn(&self, collection: &gst::StreamCollection) {
        let mut state = self.state();
        for (side, kind) in [(Side::Audio, gst::StreamType::AUDIO), (Side::Video, gst::StreamType::VIDEO)] {
            let listed = collection.iter().any(|stream| stream.stream_type().contains(kind));
            let wait = if listed { LISTED_WAIT } else { UNLISTED_WAIT };
            state.join.expect(side, wait.nseconds());
        }
        drop(state);
        self.wake();
    }

    fn flush_start(&self, side: Side, event: gst::Event) -> bool {
        let first = {
            let mut state = self.state();
            let now = self.now();
            let first = !state.flushing();
            state.join.flush(side, now);
            state.forget(side);
            if let Some(inbox) = &mut state.inbox {
                inbox.flush();
            }
            if let Some(input) = state.input(side) {
                input.flushing = true;
            }
            first
        };
        self.wake();
        if side == Side::Video {
            self.tell_lips(event.clone());
        }
        !first || self.src_pad().push_event(event)
    }

    fn flush_stop(&self, side: Side, event: gst::Event) -> bool {
        let mut state = self.state();
        // Downstream refuses everything since flush-start, so the task soon comes back.
        while state.pushing && state.active {
            let now = self.now();
            state = self.wait(state, None, now);
        }
        let now = self.now();
        state.join.flush(side, now);
        // This side stays marked until the event has passed, so that nothing leaves before it.
        let others = state.flushing_besides(side);
        drop(state);
        if side == Side::Video {
            self.tell_lips(event.clone());
        }
        let passed = others || self.src_pad().push_event(event);
        let mut state = self.state();
        if let Some(input) = state.input(side) {
            input.flushing = false;
            input.segment = None;
        }
        if !state.flushing() {
            state.flow = Ok(gst::FlowSuccess::Ok);
            state.segment = None;
            state.ended = false;
        }
        drop(state);
        self.wake();
        passed
    }

    pub(super) fn sink_query(&self, pad: &gst::Pad, side: Side, query: &mut gst::QueryRef) -> bool {
        match query.view_mut() {
            // Nobody reads the pixels here, so any layout will do: decoders need not copy.
            gst::QueryViewMut::Allocation(allocation) => {
                if side == Side::Video {
                    allocation.add_allocation_meta::<gst_video::VideoMeta>(None);
                }
                true
            }
            gst::QueryViewMut::Drain(_) => true,
            _ => gst::Pad::query_default(pad, Some(&*self.obj()), query),
        }
    }
}
