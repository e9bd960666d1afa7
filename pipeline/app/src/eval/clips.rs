// SPDX-License-Identifier: Apache-2.0
//! A clip through the analysers.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU64, Ordering},
};

use gst::{ElementFactory, glib, prelude::*};

use super::{
    Setup,
    chain::{Chain, End, Shape},
    condition::Condition,
    degrade::Psnr,
    manifest::Item,
    outcome::{Outcome, Seen},
};
use crate::{
    error::{Error, Result},
    graph,
};

/// What lies behind this is not looked at: a hostile file may have no end.
const LONGEST: gst::ClockTime = gst::ClockTime::from_seconds(600);
/// Pictures after which an encoder starts anew: ten seconds at 25 a second.
const KEY_INTERVAL: u32 = 250;
/// Playlists name other files and hosts; an item is one file.
const PLAYLISTS: [&str; 4] =
    ["application/x-hls", "application/dash+xml", "application/vnd.ms-sstr+xml", "text/uri-list"];

/// Runs a clip and says what became of it. `None` when the user asked to stop.
///
/// # Errors
/// When the analysers themselves can't be built: what is wrong with the clip is its outcome.
pub fn run(setup: &Setup, condition: Condition, psnr: &Arc<Psnr>, item: &Item) -> Result<Option<Outcome>> {
    let uri = match &item.file {
        Ok((file, _)) => glib::filename_to_uri(file, None).map_err(|error| error.message().to_owned()),
        Err(why) => Err(why.clone()),
    };
    let uri = match uri {
        Ok(uri) => uri,
        Err(why) => return Ok(Some(Outcome::unreadable(why))),
    };
    let shape = Shape { stills: false, analysis_fps: setup.analysis_fps, key_interval: KEY_INTERVAL };
    let chain = Chain::build(setup, condition, &shape, psnr)?;
    let passed = source(&chain, &uri)?;
    let came = || passed.load(Ordering::Relaxed);
    let end = chain.play().map_or_else(|end| end, |()| chain.wait(came));
    Ok(match end {
        End::Interrupted => None,
        End::Failed(why) => return Err(Error::GStreamer(why)),
        End::Broken(why) => Some(Outcome::unreadable(why)),
        End::Whole if came() == 0 => Some(Outcome::unreadable("there is no video in it")),
        End::Whole => Some(chain.observer.take().remove(&0).map_or_else(|| Seen::default().outcome(), Seen::outcome)),
    })
}

/// `uridecodebin ! queue ! videoconvert ! deinterlace ! videoflip ! head`, as `polyanalyze` has it; the answer counts
/// the pictures that passed.
fn source(chain: &Chain, uri: &str) -> Result<Arc<AtomicU64>> {
    let failed = |error: glib::BoolError| Error::GStreamer(error.message.to_string());
    let decoder = ElementFactory::make("uridecodebin").property("uri", uri).build().map_err(failed)?;
    decoder.connect("autoplug-continue", false, |values| {
        let caps = values.get(2)?.get::<gst::Caps>().ok()?;
        let name = caps.structure(0)?.name();
        // Sound is left as it is, and thrown away.
        let stop = PLAYLISTS.contains(&name.as_str()) || name.starts_with("audio/");
        Some((!stop).to_value())
    });
    let queue = ElementFactory::make("queue").property("max-size-buffers", 8u32).build().map_err(failed)?;
    let flip =
        ElementFactory::make("videoflip").property_from_str("video-direction", "auto").build().map_err(failed)?;
    let convert = ElementFactory::make("videoconvert").build().map_err(failed)?;
    let deinterlace = ElementFactory::make("deinterlace").build().map_err(failed)?;
    chain.pipeline.add_many([&decoder, &queue, &convert, &deinterlace, &flip]).map_err(failed)?;
    gst::Element::link_many([&queue, &convert, &deinterlace, &flip, &chain.head]).map_err(failed)?;
    let passed = Arc::new(AtomicU64::new(0));
    if let Some(pad) = queue.static_pad("src") {
        count(&pad, passed.clone());
    }
    let sink = queue.static_pad("sink");
    decoder.connect_pad_added(move |decoder, pad| {
        let is_video = pad.current_caps().is_some_and(|caps| caps.iter().any(|caps| caps.name() == "video/x-raw"));
        match sink.as_ref().filter(|sink| is_video && !sink.is_linked()) {
            Some(sink) => {
                if let Err(error) = pad.link(sink) {
                    gst::element_error!(decoder, gst::CoreError::Pad, ["it can't be analysed: {error}"]);
                }
            }
            // A pad that nobody takes would end the whole stream as not linked.
            None => graph::discard(decoder, pad),
        }
    });
    let queue = queue.downgrade();
    decoder.connect_no_more_pads(move |decoder| {
        let linked = queue.upgrade().and_then(|queue| queue.static_pad("sink")).is_none_or(|pad| pad.is_linked());
        if !linked {
            gst::element_error!(decoder, gst::StreamError::WrongType, ["there is no video in it"]);
        }
    });
    Ok(passed)
}

/// Counts pictures, and ends the stream where it grows too long.
fn count(pad: &gst::Pad, passed: Arc<AtomicU64>) {
    let ended = AtomicBool::new(false);
    pad.add_probe(gst::PadProbeType::BUFFER, move |pad, info| {
        passed.fetch_add(1, Ordering::Relaxed);
        if info.buffer().and_then(|buffer| buffer.pts()).is_none_or(|pts| pts < LONGEST) {
            return gst::PadProbeReturn::Ok;
        }
        if !ended.swap(true, Ordering::Relaxed) {
            pad.push_event(gst::event::Eos::new());
        }
        gst::PadProbeReturn::Drop
    });
}
