// SPDX-License-Identifier: Apache-2.0
//! The element: states, buffers, news.

use std::sync::{LazyLock, Mutex};
use std::time::Duration;

use gst::glib;
use gst::prelude::*;
use gst::subclass::prelude::*;
use gst_base::prelude::*;
use gst_base::subclass::prelude::*;
use polygraph_core::event::Event;
use polygraph_core::profile::Profile;
use polygraph_core::record::{PictureSize, Record};
use polygraph_delivery::{Courier, Lag, Message, Notice, Tallies};

use super::events::{Events, records};
use super::properties::{self, Settings};
use crate::analyser::lock;
use crate::late::Late;
use crate::meta::video_results;
use crate::picture::picture_size;

static CAT: LazyLock<gst::DebugCategory> = LazyLock::new(|| {
    gst::DebugCategory::new("polykafkasink", gst::DebugColorFlags::empty(), Some("brings findings to Apache Kafka"))
});

/// What the sink has while it is started.
struct State {
    courier: Courier,
    profile: Profile,
    events: Events,
    /// Buffers are records, and not something that results travel with.
    records: bool,
    /// Of the pictures that come.
    size: Option<PictureSize>,
}

/// The element's insides.
#[derive(Default)]
pub struct PolyKafkaSink {
    settings: Mutex<Settings>,
    state: Mutex<Option<State>>,
    /// The account of a delivery that is over.
    last: Mutex<Option<(Tallies, Lag)>>,
}

#[glib::object_subclass]
impl ObjectSubclass for PolyKafkaSink {
    const NAME: &'static str = "GstPolyKafkaSink";
    type Type = super::PolyKafkaSink;
    type ParentType = gst_base::BaseSink;
}

impl ObjectImpl for PolyKafkaSink {
    fn properties() -> &'static [glib::ParamSpec] {
        static PROPERTIES: LazyLock<Vec<glib::ParamSpec>> = LazyLock::new(properties::specs);
        &PROPERTIES
    }

    #[allow(clippy::expect_used, reason = "GObject has checked the type")]
    fn set_property(&self, _id: usize, value: &glib::Value, pspec: &glib::ParamSpec) {
        lock(&self.settings).set(pspec.name(), value).expect("type checked upstream");
    }

    fn property(&self, _id: usize, pspec: &glib::ParamSpec) -> glib::Value {
        if pspec.name() == "stats" { self.stats().to_value() } else { lock(&self.settings).get(pspec.name()) }
    }

    fn constructed(&self) {
        self.parent_constructed();
        // Events are sent when they are known; their times say when they were true.
        self.obj().set_sync(false);
    }
}

impl GstObjectImpl for PolyKafkaSink {}

impl ElementImpl for PolyKafkaSink {
    fn metadata() -> Option<&'static gst::subclass::ElementMetadata> {
        static METADATA: LazyLock<gst::subclass::ElementMetadata> = LazyLock::new(|| {
            gst::subclass::ElementMetadata::new(
                "Polygraph Kafka sink",
                "Sink/Network",
                "Brings what the analysers found to Apache Kafka, without ever blocking or stopping the stream",
                "Polygraph developers",
            )
        });
        Some(&METADATA)
    }

    fn pad_templates() -> &'static [gst::PadTemplate] {
        static TEMPLATES: LazyLock<Vec<gst::PadTemplate>> = LazyLock::new(|| {
            let sink = gst::PadDirection::Sink;
            let any = gst::Caps::new_any();
            gst::PadTemplate::new("sink", sink, gst::PadPresence::Always, &any).into_iter().collect()
        });
        &TEMPLATES
    }
}

impl BaseSinkImpl for PolyKafkaSink {
    fn start(&self) -> Result<(), gst::ErrorMessage> {
        let settings = lock(&self.settings).clone();
        let failed = |why: String| gst::error_msg!(gst::ResourceError::OpenWrite, ("{why}"));
        let config = settings.courier().map_err(failed)?;
        let weak = self.obj().downgrade();
        let courier = Courier::start(config, move |notice| {
            if let Some(element) = weak.upgrade() {
                element.imp().tell(&notice);
            }
        });
        let courier = courier.map_err(|error| failed(error.to_string()))?;
        let events = Events::new(&settings.stream_id);
        *lock(&self.state) =
            Some(State { courier, profile: settings.profile.into(), events, records: false, size: None });
        Ok(())
    }

    fn stop(&self) -> Result<(), gst::ErrorMessage> {
        let drain_time = Duration::from_nanos(lock(&self.settings).drain_time);
        // Taken out first: nothing else waits while this does.
        let state = lock(&self.state).take();
        if let Some(state) = state {
            let delivery = state.courier.finish(drain_time);
            let left = delivery.tallies.sum().spooled;
            if left > 0 {
                let why = delivery.last_error.unwrap_or_else(|| "Kafka hasn't acknowledged them yet".into());
                gst::warning!(CAT, imp = self, "{left} events stay in the spool: {why}");
            }
            *lock(&self.last) = Some((delivery.tallies, delivery.lag));
        }
        Ok(())
    }

    fn set_caps(&self, caps: &gst::Caps) -> Result<(), gst::LoggableError> {
        if let Some(state) = lock(&self.state).as_mut() {
            state.size = picture_size(caps);
            state.records = caps.structure(0).is_some_and(|first| first.name() == "application/x-polygraph");
        }
        Ok(())
    }

    fn event(&self, event: gst::Event) -> bool {
        match event.view() {
            gst::EventView::Eos(_) => {
                if let Some(state) = lock(&self.state).as_mut() {
                    let ended = state.events.end();
                    self.send(&state.courier, state.profile, ended);
                }
            }
            gst::EventView::StreamStart(_) | gst::EventView::FlushStop(_) => {
                if let Some(state) = lock(&self.state).as_mut() {
                    state.events.restart();
                }
            }
            gst::EventView::CustomDownstream(_) => {
                let segment = self.obj().segment().downcast::<gst::ClockTime>().ok();
                if let Some((late, segment)) = Late::read(&event).zip(segment)
                    && let Some(state) = lock(&self.state).as_mut()
                {
                    let events = state.events.late(&late.in_stream_time(&segment));
                    self.send(&state.courier, state.profile, events);
                }
            }
            _ => {}
        }
        self.parent_event(event)
    }

    fn render(&self, buffer: &gst::Buffer) -> Result<gst::FlowSuccess, gst::FlowError> {
        let segment = self.obj().segment();
        let mut state = lock(&self.state);
        let state = state.as_mut().ok_or(gst::FlowError::Flushing)?;
        let found = if state.records { read(buffer) } else { seen(buffer, &segment, state.size) };
        let found = found.unwrap_or_else(|why| {
            gst::warning!(CAT, imp = self, "{why}: passed over");
            Vec::new()
        });
        let events = state.events.of(found);
        self.send(&state.courier, state.profile, events);
        Ok(gst::FlowSuccess::Ok)
    }
}

/// The record that is a buffer's content.
fn read(buffer: &gst::Buffer) -> Result<Vec<Record>, String> {
    let map = buffer.map_readable().map_err(|_| "a buffer that can't be read")?;
    serde_json::from_slice(&map).map(|record| vec![record]).map_err(|error| format!("not a record ({error})"))
}

/// What travels with a picture.
fn seen(buffer: &gst::Buffer, segment: &gst::Segment, size: Option<PictureSize>) -> Result<Vec<Record>, String> {
    let Some(results) = video_results(buffer) else { return Ok(Vec::new()) };
    let nowhere = "a picture that has no place in the stream";
    let segment = segment.downcast_ref::<gst::ClockTime>().ok_or(nowhere)?;
    let at = buffer.pts().and_then(|pts| segment.to_stream_time(pts)).ok_or(nowhere)?;
    Ok(records(results, at.nseconds(), size))
}

impl PolyKafkaSink {
    /// Hands events over; never waits. What is refused is counted, and comes up in `stats`.
    fn send(&self, courier: &Courier, profile: Profile, events: impl IntoIterator<Item = Event>) {
        for event in events {
            if let Err(error) = Message::of_event(&event, profile).and_then(|message| courier.send(&message)) {
                gst::warning!(CAT, imp = self, "{}: {error}", event.id);
            }
        }
    }

    /// News of the delivery, for the application.
    fn tell(&self, notice: &Notice) {
        let (name, why) = match notice {
            Notice::DroppingBegan => ("dropping-began", None),
            Notice::DroppingEnded(_) => ("dropping-ended", None),
            Notice::SpoolFailed(why) => ("spool-failed", Some(why)),
            Notice::SpoolHealed => ("spool-healed", None),
            Notice::SpoolDamaged(why) => ("spool-damaged", Some(why)),
        };
        gst::warning!(CAT, imp = self, "{name}: {why:?}");
        // On the courier's thread, which takes events all the same: they go into memory.
        if let Some(state) = lock(&self.state).as_mut() {
            let told = state.events.told(notice);
            self.send(&state.courier, state.profile, told);
        }
        let news = gst::Structure::builder("polygraph-delivery").field("notice", name);
        let news = news.field_if_some("why", why.map(String::as_str)).build();
        let obj = self.obj();
        // Without a bus nobody listens.
        let _ = obj.post_message(gst::message::Element::builder(news).src(&*obj).build());
    }

    fn stats(&self) -> gst::Structure {
        let now = lock(&self.state).as_ref().map(|state| (state.courier.tallies(), state.courier.lag()));
        let (tallies, lag) = now.or_else(|| lock(&self.last).clone()).unwrap_or_default();
        let sum = tallies.sum();
        let mut stats = gst::Structure::builder("stats")
            .field("produced", sum.produced)
            .field("replayed", sum.replayed)
            .field("acknowledged", sum.acknowledged)
            .field("dead-lettered", sum.dead_lettered.values().sum::<u64>())
            .field("dropped", sum.dropped.values().sum::<u64>())
            .field("queued", sum.queued)
            .field("spooled", sum.spooled)
            .field("lag-bytes", lag.bytes)
            .field("lag-time", (lag.seconds * 1e9) as u64)
            .build();
        for (kind, reasons) in [("dead-lettered", &sum.dead_lettered), ("dropped", &sum.dropped)] {
            for (reason, count) in reasons {
                let name: String = reason.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
                stats.set(format!("{kind}-{name}"), *count);
            }
        }
        stats
    }
}
