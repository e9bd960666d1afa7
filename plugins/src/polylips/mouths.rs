// SPDX-License-Identifier: Apache-2.0
//! The `lips` pad: the mouths of each picture, as they come, in running time.
//!
//! They leave on the thread that brings the pictures, which waits for nobody: who takes them keeps them.

use gst::prelude::*;
use gst::subclass::prelude::*;
use polygraph_core::results::{FaceResults, Mouth, NetworkRef, PtsRange};

use super::imp::{CAT, PolyLips};
use crate::meta;

/// The caps of mouths: empty buffers with a `PolyVideoMeta`.
pub(crate) const LIPS_CAPS: &str = "application/x-polygraph-lips";

impl PolyLips {
    /// Adds the `lips` pad, of which there is one.
    pub(super) fn add_lips(&self, template: &gst::PadTemplate) -> Option<gst::Pad> {
        let element = self.obj();
        if element.static_pad("lips").is_some() {
            gst::warning!(CAT, imp = self, "there is one lips pad, and it is taken");
            return None;
        }
        // Nothing that comes from there concerns picture or sound.
        let pad = gst::Pad::builder_from_template(template)
            .name("lips")
            .event_function(|_, _, _| false)
            .query_function(|_, _, _| false)
            .build();
        let added = pad.set_active(true).and_then(|()| element.add_pad(&pad));
        if let Err(error) = added {
            gst::error!(CAT, imp = self, "no lips pad: {error}");
            return None;
        }
        Some(pad)
    }

    /// Tells whoever reads lips that pictures will come.
    pub(super) fn announce_lips(&self) {
        if let Some(pad) = self.obj().static_pad("lips") {
            self.open_lips(&pad);
        }
    }

    /// Stream, caps and segment, before anything else.
    fn open_lips(&self, pad: &gst::Pad) {
        // GStreamer makes no id for an element with several sink pads.
        let stream = self.state().stream.as_ref().map_or_else(|| "polygraph".to_owned(), |(name, _)| name.clone());
        let id = format!("{stream}/lips");
        pad.push_event(gst::event::StreamStart::builder(&id).flags(gst::StreamFlags::SPARSE).build());
        pad.push_event(gst::event::Caps::new(&gst::Caps::new_empty_simple(LIPS_CAPS)));
        pad.push_event(gst::event::Segment::new(&gst::FormattedSegment::<gst::ClockTime>::new()));
    }

    /// Hands on the mouths of a picture; `None` where none were cut.
    pub(super) fn hand_lips(&self, running_ns: u64, mouths: Option<Vec<Mouth>>) {
        let Some(pad) = self.obj().static_pad("lips") else { return };
        if pad.sticky_event::<gst::event::Segment>(0).is_none() {
            self.open_lips(&pad);
        }
        let at = gst::ClockTime::from_nseconds(running_ns);
        let Some(mouths) = mouths.filter(|mouths| !mouths.is_empty()) else {
            pad.push_event(gst::event::Gap::builder(at).duration(gst::ClockTime::ZERO).build());
            return;
        };
        let mut buffer = gst::Buffer::new();
        if let Some(buffer) = buffer.get_mut() {
            buffer.set_pts(at);
            meta::update_video(buffer, |results| {
                results.faces = Some(FaceResults {
                    pts: PtsRange { start_ns: running_ns, end_ns: running_ns },
                    analysed: false,
                    faces: Vec::new(),
                    network: NetworkRef {
                        name: String::new(),
                        version: String::new(),
                        sha256: String::new(),
                        provider: String::new(),
                    },
                    forensics: None,
                    mouths: Some(mouths),
                });
            });
        }
        // Whoever takes none has no need of them.
        if let Err(error) = pad.push(buffer) {
            gst::log!(CAT, obj = pad, "nobody takes mouths: {error}");
        }
    }

    /// Passes an event of the pictures on to who reads their lips.
    pub(super) fn tell_lips(&self, event: gst::Event) {
        if let Some(pad) = self.obj().static_pad("lips") {
            pad.push_event(event);
        }
    }
}
