// SPDX-License-Identifier: Apache-2.0
//! What the source pad's task does with each item of the inbox.

use gst::prelude::*;
use gst::subclass::prelude::*;
use polygraph_core::record::Transcript;
use polygraph_core::results::AudioResults;

use super::imp::{CAT, PolySpeech};
use super::inbox::Item;
use super::listener::Listener;
use super::output::Form;
use crate::analyser::lock;
use crate::meta::audio_results;

/// Longest stretch of sound that is heard before a GAP event says so.
const STEP: usize = 1_600;
/// The same in time.
const STEP_TIME: gst::ClockTime = gst::ClockTime::from_mseconds(100);

/// Nanoseconds of a sample at 16 kHz.
pub(super) const SAMPLE_NS: u64 = 62_500;

/// What the task keeps from item to item.
pub(super) struct Task {
    listener: Listener,
    form: Form,
    segment: gst::FormattedSegment<gst::ClockTime>,
    /// Up to here the source pad has been told that time has passed.
    told: Option<gst::ClockTime>,
    /// Up to here it has: not every buffer of sound is worth an event.
    untold: Option<gst::ClockTime>,
}

impl Task {
    /// Nothing has come yet.
    pub(super) fn new(listener: Listener) -> Self {
        Self { listener, form: Form::Text, segment: gst::FormattedSegment::new(), told: None, untold: None }
    }

    /// Forgets the sound, as at a flush.
    pub(super) fn reset(&mut self) {
        self.listener.reset();
        self.told = None;
        self.untold = None;
    }
}

/// Running time of PTS 0 in a segment.
fn shift(segment: &gst::FormattedSegment<gst::ClockTime>) -> i64 {
    let start = segment.start().unwrap_or_default();
    match segment.to_running_time_full(start) {
        Some(gst::Signed::Positive(running)) => running.nseconds() as i64 - start.nseconds() as i64,
        Some(gst::Signed::Negative(running)) => -(running.nseconds() as i64) - start.nseconds() as i64,
        None => 0,
    }
}

impl PolySpeech {
    /// One turn of the task: the next item, or a look around.
    pub(super) fn turn(&self) {
        let item = match self.inbox.next() {
            Ok(Some(item)) => item,
            Ok(None) => return,
            Err(_) => return self.rest(),
        };
        // Taken out: nothing is locked while it works and pushes.
        let Some(mut task) = lock(&self.task).take() else { return self.rest() };
        task.listener.set_settings(lock(&self.settings).policy(self.is_live()));
        let result = match item {
            Item::Sound(buffer) => self.hear(&mut task, &buffer),
            Item::Event(event) => self.pass(&mut task, event),
        };
        self.count(&mut task);
        *lock(&self.task) = Some(task);
        if let Err(error) = result {
            gst::debug!(CAT, imp = self, "the task ends: {error:?}");
            self.inbox.close(error);
            self.rest();
        }
    }

    fn rest(&self) {
        if let Err(error) = self.srcpad.pause_task() {
            gst::warning!(CAT, imp = self, "the task didn't pause: {error}");
        }
    }

    /// Adds the listener's account to the element's.
    fn count(&self, task: &mut Task) {
        let new = std::mem::take(&mut task.listener.accounting);
        let mut counts = lock(&self.counts);
        let all = &mut counts.accounting;
        all.input += new.input;
        all.analysed += new.analysed;
        all.late += new.late;
        for (reason, count) in new.skipped {
            *all.skipped.entry(reason).or_default() += count;
        }
        for (what, count) in std::mem::take(&mut task.listener.looked) {
            *counts.lips.entry(what).or_default() += count;
        }
        counts.bad_samples = task.listener.bad_samples();
    }

    fn hear(&self, task: &mut Task, buffer: &gst::Buffer) -> Result<(), gst::FlowError> {
        let Some(pts) = buffer.pts() else {
            lock(&self.counts).accounting.skipped("no-pts");
            return Ok(());
        };
        let results = audio_results(buffer);
        task.listener.meet(results.as_ref()).map_err(|error| self.fail(&error))?;
        let map = buffer.map_readable().map_err(|_| gst::FlowError::Error)?;
        let samples: Vec<f32> = map.as_chunks().0.iter().map(|&sample| f32::from_le_bytes(sample)).collect();
        let mut windows = results.map(|AudioResults { speech, .. }| speech).unwrap_or_default().into_iter().peekable();
        for (i, step) in samples.chunks(STEP).enumerate() {
            let start = pts.nseconds() + (i * STEP) as u64 * SAMPLE_NS;
            let end = start + step.len() as u64 * SAMPLE_NS;
            let last = (i + 1) * STEP >= samples.len();
            let ended: Vec<_> =
                std::iter::from_fn(|| windows.next_if(|window| last || window.pts.end_ns <= end)).collect();
            task.listener.hear(start, step, &ended).map_err(|error| self.fail(&error))?;
            self.work(task)?;
            self.pass_time(task, gst::ClockTime::from_nseconds(start), gst::ClockTime::from_nseconds(end));
        }
        Ok(())
    }

    /// Does all work that is due.
    fn work(&self, task: &mut Task) -> Result<(), gst::FlowError> {
        loop {
            if let Some(reason) = self.inbox.closed() {
                return Err(reason);
            }
            let busy = self.is_live() && self.inbox.queued() > lock(&self.settings).partial_interval();
            let Some(done) = task.listener.work(busy, &self.lips, self.is_live()) else { return Ok(()) };
            if let Some(transcript) = done.map_err(|error| self.fail(&error))? {
                self.push(task, transcript)?;
            }
        }
    }

    fn push(&self, task: &Task, transcript: Transcript) -> Result<(), gst::FlowError> {
        gst::debug!(
            CAT,
            imp = self,
            "utterance {} revision {}{}: {}",
            transcript.utterance,
            transcript.revision,
            if transcript.is_final { ", final" } else { "" },
            transcript.text
        );
        let Some(buffer) = task.form.buffer(transcript, &task.segment) else { return Ok(()) };
        match self.srcpad.push(buffer) {
            // Another branch's flush is under way behind a source pad that we share; our own closes the inbox first.
            Err(gst::FlowError::Flushing) if self.inbox.closed().is_none() => {
                lock(&self.counts).accounting.skipped("flushing");
                gst::debug!(CAT, imp = self, "downstream flushes: the transcript is dropped");
                Ok(())
            }
            flow => flow.map(|_| ()),
        }
    }

    /// Sound has been heard from `start` to `end`; says so downstream before it would be longer than [`STEP_TIME`].
    fn pass_time(&self, task: &mut Task, start: gst::ClockTime, end: gst::ClockTime) {
        let told = match task.told {
            Some(told) if told <= end && end - told <= gst::ClockTime::SECOND => told,
            _ => {
                self.tell_time(task);
                start
            }
        };
        task.told = Some(told);
        task.untold = Some(end);
        // As much again would be too late.
        if end + end.saturating_sub(start) > told + STEP_TIME {
            self.tell_time(task);
        }
    }

    /// Says downstream that nothing will come for sound that has been heard, but text that is late anyway.
    fn tell_time(&self, task: &mut Task) {
        if let (Some(told), Some(end)) = (task.told, task.untold.take())
            && end > told
        {
            task.told = Some(end);
            self.srcpad.push_event(gst::event::Gap::builder(told).duration(end - told).build());
        }
    }

    /// A serialised event, in its place among the sound.
    fn pass(&self, task: &mut Task, event: gst::Event) -> Result<(), gst::FlowError> {
        match event.view() {
            gst::EventView::StreamStart(start) => self.start_stream(start),
            gst::EventView::Caps(_) => return self.negotiate(task),
            gst::EventView::Segment(segment) => self.begin_segment(task, segment, &event)?,
            gst::EventView::Gap(gap) => {
                let (start, duration) = gap.get();
                let end = start + duration.unwrap_or_default();
                task.listener.gap(end.nseconds());
                self.work(task)?;
                self.tell_time(task);
                task.told = Some(end);
                self.srcpad.push_event(event);
            }
            gst::EventView::Eos(_) => {
                task.listener.finish();
                self.work(task)?;
                self.tell_time(task);
                // Whoever meets the end finds the account whole.
                self.count(task);
                self.srcpad.push_event(event);
            }
            // They describe the sound.
            gst::EventView::Tag(_) => {}
            _ => {
                self.srcpad.push_event(event);
            }
        }
        Ok(())
    }

    fn start_stream(&self, start: &gst::event::StreamStart) {
        // As GStreamer would name it, which makes no id for an element with several sink pads.
        let id = format!("{}/transcript", start.stream_id());
        let mut own = gst::event::StreamStart::builder(&id).flags(gst::StreamFlags::SPARSE);
        if let Some(group) = start.group_id() {
            own = own.group_id(group);
        }
        self.srcpad.push_event(own.build());
    }

    /// Agrees with downstream on the form of the output.
    fn negotiate(&self, task: &mut Task) -> Result<(), gst::FlowError> {
        let mut caps = self.srcpad.allowed_caps().unwrap_or_else(Form::caps);
        if caps.is_empty() {
            gst::element_imp_error!(self, gst::CoreError::Negotiation, ["downstream takes none of {}", Form::caps()]);
            return Err(gst::FlowError::NotNegotiated);
        }
        caps.fixate();
        task.form = Form::of(&caps).ok_or(gst::FlowError::NotNegotiated)?;
        if !self.srcpad.push_event(gst::event::Caps::new(&caps)) && self.inbox.closed().is_none() {
            gst::warning!(CAT, imp = self, "downstream refuses {caps}");
        }
        Ok(())
    }

    fn begin_segment(
        &self,
        task: &mut Task,
        segment: &gst::event::Segment,
        event: &gst::Event,
    ) -> Result<(), gst::FlowError> {
        let Some(segment) = segment.segment().downcast_ref::<gst::ClockTime>() else {
            gst::element_imp_error!(self, gst::StreamError::Format, ["the segment isn't in time"]);
            return Err(gst::FlowError::Error);
        };
        // What was said before belongs to the old segment.
        task.listener.finish();
        self.work(task)?;
        self.tell_time(task);
        task.reset();
        task.segment = segment.clone();
        task.listener.set_shift(shift(segment));
        self.srcpad.push_event(event.clone());
        Ok(())
    }

    fn fail(&self, error: &polygraph_models::Error) -> gst::FlowError {
        gst::element_imp_error!(self, gst::StreamError::Failed, ["speech recognition: {error}"]);
        gst::FlowError::Error
    }
}
