// SPDX-License-Identifier: Apache-2.0
//! Pipelines around a `polyanalyze`, watched so that one that hangs fails.

use std::sync::{Arc, Condvar, Mutex, Once};
use std::time::Duration;

use gst::prelude::*;
use polygraph_core::record::{Frame, Missing, Record};

/// Far more than any of these pipelines needs: only a hang takes so long.
const GUARD: Duration = Duration::from_secs(180);

/// Makes the plugin's elements known.
pub fn init() {
    static INIT: Once = Once::new();
    INIT.call_once(|| {
        gst::init().unwrap();
        gstpolygraph::plugin_register_static().unwrap();
    });
}

/// Pictures at 25 a second.
pub fn video(seconds: u32, properties: &str) -> String {
    let count = seconds * 25;
    format!(
        "videotestsrc num-buffers={count} {properties} ! video/x-raw,format=I420,width=96,height=64,framerate=25/1 "
    )
}

/// Sound in buffers of 20 ms.
pub fn audio(seconds: u32, properties: &str) -> String {
    let count = seconds * 50;
    format!(
        "audiotestsrc samplesperbuffer=960 num-buffers={count} {properties} ! \
         audio/x-raw,format=S16LE,rate=48000,channels=2 "
    )
}

/// A pipeline that collects the records of `a`, its `polyanalyze`.
pub struct Run {
    pub pipeline: gst::Pipeline,
    records: Arc<(Mutex<Vec<Record>>, Condvar)>,
}

impl Run {
    /// Builds the pipeline; it has to have a `polyanalyze name=a` and leaves its source pad to this.
    pub fn new(description: &str) -> Self {
        init();
        let pipeline = gst::parse::launch(description).unwrap().downcast::<gst::Pipeline>().unwrap();
        let records = Arc::<(Mutex<Vec<Record>>, Condvar)>::default();
        let sink = gst_app::AppSink::builder().sync(false).build();
        let collected = records.clone();
        let callbacks = gst_app::AppSinkCallbacks::builder().new_sample(move |sink| {
            let sample = sink.pull_sample().map_err(|_| gst::FlowError::Eos)?;
            let line = sample.buffer().unwrap().map_readable().unwrap();
            collected.0.lock().unwrap().push(serde_json::from_slice(&line).unwrap());
            collected.1.notify_all();
            Ok(gst::FlowSuccess::Ok)
        });
        sink.set_callbacks(callbacks.build());
        pipeline.add(&sink).unwrap();
        pipeline.by_name("a").unwrap().link(&sink).unwrap();
        Self { pipeline, records }
    }

    /// The element under test.
    pub fn analyze(&self) -> gst::Element {
        self.pipeline.by_name("a").unwrap()
    }

    /// Starts it.
    pub fn play(self) -> Self {
        self.pipeline.set_state(gst::State::Playing).unwrap();
        self
    }

    /// Waits until a record is there that does.
    pub fn await_record(&self, does: impl Fn(&Record) -> bool) {
        let records = self.records.0.lock().unwrap();
        let waited = self.records.1.wait_timeout_while(records, GUARD, |records| !records.iter().any(&does));
        assert!(!waited.unwrap().1.timed_out(), "no such record came");
    }

    /// Waits for the end, and gives the records and the accounts.
    pub fn finish(self) -> Outcome {
        let bus = self.pipeline.bus().unwrap();
        let guard = gst::ClockTime::from_nseconds(u64::try_from(GUARD.as_nanos()).unwrap());
        let message = bus.timed_pop_filtered(guard, &[gst::MessageType::Eos, gst::MessageType::Error]);
        let message = message.expect("the pipeline hangs");
        if let gst::MessageView::Error(error) = message.view() {
            panic!("{} {:?}", error.error(), error.debug());
        }
        let stats = self.analyze().property::<gst::Structure>("stats");
        self.pipeline.set_state(gst::State::Null).unwrap();
        let records = std::mem::take(&mut *self.records.0.lock().unwrap());
        Outcome { records, stats }
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        let _ = self.pipeline.set_state(gst::State::Null);
    }
}

/// What a pipeline said.
pub struct Outcome {
    pub records: Vec<Record>,
    pub stats: gst::Structure,
}

impl Outcome {
    /// The frame records.
    pub fn frames(&self) -> Vec<&Frame> {
        let records = self.records.iter();
        records.filter_map(|record| if let Record::Frame(frame) = record { Some(frame) } else { None }).collect()
    }

    /// Stretches of frames that miss the same: what, how many, and the first one's time in milliseconds.
    pub fn stretches(&self) -> Vec<(Vec<Missing>, usize, u64)> {
        let frames = self.frames();
        let alike = frames.chunk_by(|one, other| one.missing == other.missing);
        alike.map(|frames| (frames[0].missing.clone(), frames.len(), frames[0].pts_ns / 1_000_000)).collect()
    }

    /// One number of an element's accounts; all of them have to close.
    pub fn count(&self, element: &str, field: &str) -> u64 {
        let own = self.stats.get::<gst::Structure>(element).unwrap();
        let count = |name: &str| own.get::<u64>(name).unwrap_or(0);
        let skipped: u64 = own.fields().filter(|name| name.starts_with("skipped-")).map(|name| count(name)).sum();
        assert_eq!(count("input"), count("analysed") + count("late") + skipped, "{own}");
        count(field)
    }
}
