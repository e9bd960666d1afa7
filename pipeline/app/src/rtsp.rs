// SPDX-License-Identifier: Apache-2.0
//! What every `rtspsrc` needs, whoever made it.

use gst::prelude::*;

/// Has the end of a stream go around `rtpjitterbuffer`, with at most the latency's packets lost.
///
/// An end that goes through it makes its streaming thread wait for its timers, on the condition for which its timer thread
/// waits as well; whoever stops it then wakes only one of the two, and where that is the wrong one waits for ever, and the
/// pipeline with its threads never ends (seen in GStreamer 1.22, `pop_and_push_next` and `JBUF_SIGNAL_TIMER`).
pub fn lead_ends_past_jitterbuffers(source: &gst::Element) {
    source.connect("new-manager", false, |values| {
        let manager = values.get(1)?.get::<gst::Element>().ok()?;
        manager.connect("new-jitterbuffer", false, |values| {
            let jitterbuffer = values.get(1)?.get::<gst::Element>().ok()?;
            let (sink, src) = (jitterbuffer.static_pad("sink")?, jitterbuffer.static_pad("src")?.downgrade());
            sink.add_probe(gst::PadProbeType::EVENT_DOWNSTREAM, move |_, info| {
                if info.event().is_none_or(|event| event.type_() != gst::EventType::Eos) {
                    return gst::PadProbeReturn::Ok;
                }
                if let (Some(src), Some(end)) = (src.upgrade(), info.take_event()) {
                    src.push_event(end);
                }
                gst::PadProbeReturn::Handled
            });
            None
        });
        None
    });
}
