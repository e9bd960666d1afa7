// SPDX-License-Identifier: Apache-2.0
//! The source pad: a task of its own hands the records on, so that a deadline needs no arrival.

use gst::prelude::*;
use gst::subclass::prelude::*;
use polygraph_core::record::Record;
use polygraph_core::timeline::Output;

use super::imp::{CAT, PolyLips};
use super::reader::Inbox;
use super::state::{Offset, State};

/// The caps of records.
pub(crate) const RECORD_CAPS: &str = "application/x-polygraph";

impl PolyLips {
    /// One turn of the task: hands on what may leave, or waits for an arrival or the next deadline.
    pub(super) fn turn(&self) {
        let mut state = self.state();
        let now = self.now();
        if !state.active {
            drop(state);
            // Whoever deactivates the pad takes the task down; until then it need not turn.
            if let Err(err) = self.src_pad().pause_task() {
                gst::warning!(CAT, imp = self, "the task does not pause: {err}");
            }
            return;
        }
        if !state.runs() {
            drop(self.wait(state, None, now));
            return;
        }
        if let Some(mut output) = state.join.pop(now) {
            let offset = Offset::new(output.record.pts_ns(), output.running_ns);
            let events = self.headers(&mut state, Some(offset));
            state.pushing = true;
            let inbox = match &output.record {
                Record::Frame(_) => state.inbox.as_mut().map(|inbox| inbox.take(output.running_ns)),
                _ => None,
            };
            drop(state);
            // There is room again for what is held back.
            self.wake();
            let read = inbox.map_or(Ok(gst::FlowSuccess::Ok), |inbox| self.read(inbox, &mut output));
            if let Record::Frame(frame) = &output.record {
                self.state().lips(frame, output.running_ns);
            }
            let flow = read.and_then(|_| self.push(events, &output));
            self.pushed(flow);
        } else if state.join.finished()
            && let Some(output) = state.lips_end()
        {
            state.join.tell(output.running_ns, output);
        } else if state.join.finished() && !state.ended {
            let mut events = self.headers(&mut state, None);
            state.ended = true;
            state.pushing = true;
            drop(state);
            events.push(gst::event::Eos::new());
            for event in events {
                self.src_pad().push_event(event);
            }
            self.pushed(Ok(gst::FlowSuccess::Ok));
        } else {
            let until = state.join.next_deadline();
            drop(self.wait(state, until, now));
        }
    }

    /// Has the lips read for a frame.
    fn read(&self, inbox: Inbox, output: &mut Output) -> Result<gst::FlowSuccess, gst::FlowError> {
        let (running_ns, Record::Frame(frame)) = (output.running_ns, &mut output.record) else {
            return Ok(gst::FlowSuccess::Ok);
        };
        let mut reader = self.reader();
        let Some(reader) = reader.as_mut() else { return Ok(gst::FlowSuccess::Ok) };
        match reader.read(inbox, running_ns, frame) {
            Ok(()) => Ok(gst::FlowSuccess::Ok),
            Err(error @ polygraph_models::Error::Busy { .. }) => {
                gst::warning!(CAT, imp = self, "lips not read at {running_ns} ns: {error}");
                self.state().lips_busy += 1;
                reader.skip();
                Ok(gst::FlowSuccess::Ok)
            }
            Err(error) => {
                gst::element_imp_error!(self, gst::LibraryError::Failed, ("Lip-sync: {error}"));
                Err(gst::FlowError::Error)
            }
        }
    }

    fn pushed(&self, flow: Result<gst::FlowSuccess, gst::FlowError>) {
        let mut state = self.state();
        let now = self.now();
        state.pushing = false;
        state.join.resumed(now);
        if let Err(err) = flow {
            gst::debug!(CAT, imp = self, "downstream says {err:?}");
            // A flush that has come meanwhile makes its own end of this.
            if err != gst::FlowError::Flushing {
                state.flow = flow;
            }
        }
        drop(state);
        self.wake();
        if let Err(err) = flow
            && !matches!(err, gst::FlowError::Flushing | gst::FlowError::Eos)
        {
            gst::element_imp_error!(self, gst::StreamError::Failed, ["nobody takes the records: {err}"]);
        }
    }

    /// The events that have to go before the next record, which stands at this offset.
    fn headers(&self, state: &mut State, offset: Option<Offset>) -> Vec<gst::Event> {
        let mut events = Vec::new();
        if !state.started {
            state.started = true;
            let (name, group) = state.stream.clone().unwrap_or_else(|| ("polygraph".to_owned(), None));
            let start = gst::event::StreamStart::builder(&name);
            events.push(match group {
                Some(group) => start.group_id(group).build(),
                None => start.build(),
            });
            events.push(gst::event::Caps::new(&gst::Caps::new_empty_simple(RECORD_CAPS)));
        }
        let offset = offset.or_else(|| state.segment.is_none().then(|| Offset::new(0, 0)));
        if let Some(offset) = offset
            && state.segment != Some(offset)
        {
            state.segment = Some(offset);
            let mut segment = gst::FormattedSegment::<gst::ClockTime>::new();
            segment.set_start(gst::ClockTime::from_nseconds(offset.start_ns));
            segment.set_time(gst::ClockTime::from_nseconds(offset.start_ns));
            segment.set_position(gst::ClockTime::from_nseconds(offset.start_ns));
            segment.set_base(gst::ClockTime::from_nseconds(offset.base_ns));
            events.push(gst::event::Segment::new(&segment));
        }
        events
    }

    fn push(&self, events: Vec<gst::Event>, output: &Output) -> Result<gst::FlowSuccess, gst::FlowError> {
        for event in events {
            self.src_pad().push_event(event);
        }
        let buffer = buffer(&output.record).map_err(|err| {
            gst::error!(CAT, imp = self, "cannot write a record: {err}");
            gst::FlowError::Error
        })?;
        gst::log!(CAT, imp = self, "{} at {:?}", kind(&output.record), buffer.pts());
        self.src_pad().push(buffer)
    }

    pub(super) fn src_query(&self, pad: &gst::Pad, query: &mut gst::QueryRef) -> bool {
        let gst::QueryViewMut::Latency(latency) = query.view_mut() else {
            return gst::Pad::query_default(pad, Some(&*self.obj()), query);
        };
        let (mut live, mut min, mut max) = (false, gst::ClockTime::ZERO, gst::ClockTime::NONE);
        for sink in self.obj().sink_pads() {
            let mut peer = gst::query::Latency::new();
            if !sink.peer_query(&mut peer) {
                continue;
            }
            let (peer_live, peer_min, peer_max) = peer.result();
            if peer_live {
                live = true;
                min = min.max(peer_min);
                max = [max, peer_max].into_iter().flatten().min();
            }
        }
        let own = self.latency(live);
        latency.set(live, min + own, max.map(|max| max + own));
        true
    }

    pub(super) fn src_event(&self, pad: &gst::Pad, event: gst::Event) -> bool {
        let gst::EventView::Seek(seek) = event.view() else {
            return gst::Pad::event_default(pad, Some(&*self.obj()), event);
        };
        let flushes = seek.get().1.contains(gst::SeekFlags::FLUSH);
        // Until all sides have jumped, what one of them brings must not meet what another left behind.
        self.state().seeking = flushes;
        let mut taken = false;
        for sink in self.obj().sink_pads() {
            taken |= sink.push_event(event.clone());
        }
        self.state().seeking = false;
        self.wake();
        taken
    }
}

fn kind(record: &Record) -> &'static str {
    match record {
        Record::Frame(_) => "frame",
        Record::Transcript(_) => "transcript",
        Record::Shot(_) => "shot",
        Record::Incident(_) => "incident",
    }
}

/// A record as it leaves: a JSON object and a line's end.
fn buffer(record: &Record) -> serde_json::Result<gst::Buffer> {
    let mut line = serde_json::to_vec(record)?;
    line.push(b'\n');
    let mut buffer = gst::Buffer::from_mut_slice(line);
    if let Some(buffer) = buffer.get_mut() {
        buffer.set_pts(gst::ClockTime::from_nseconds(record.pts_ns()));
    }
    Ok(buffer)
}
