// SPDX-License-Identifier: Apache-2.0
//! One clip, or the picture of one with the sound of another, through the shipped elements.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use gst::prelude::*;
use gst_app::AppSink;
use polygraph_core::record::{Frame, Record};
use polygraph_models::Provider;

use super::Found;
use crate::graph::{discard, kind, trust_stamps};

/// A pipeline that gives nothing for so long is given up.
const PATIENCE: gst::ClockTime = gst::ClockTime::from_seconds(60);

/// What is found in the picture of one file with the sound of another, which comes late by so much.
pub fn clip([video, sound]: &[PathBuf; 2], offset_ms: i64, provider: Provider) -> Result<Found, String> {
    let analyzer = gst::ElementFactory::make("polyanalyze")
        .property("transcript", false)
        .property("forensics", false)
        .property("scenes", false)
        .property_from_str("provider", provider.as_str());
    let analyzer = analyzer.build().map_err(|error| error.to_string())?;
    let sink = AppSink::builder().sync(false).build();
    let pipeline = gst::Pipeline::new();
    pipeline.add_many([&analyzer, sink.upcast_ref()]).map_err(|error| error.to_string())?;
    analyzer.link(&sink).map_err(|error| error.to_string())?;
    // The bin waits for no pad that nobody has asked for: both are there before anything flows.
    decode(&pipeline, &analyzer, video, "video", 0)?;
    decode(&pipeline, &analyzer, sound, "audio", offset_ms)?;
    let frames = pipeline
        .set_state(gst::State::Playing)
        .map_err(|error| error.to_string())
        .and_then(|_| frames(&pipeline, &sink));
    // Nobody holds on to a clip whose pipeline has ended.
    let _ = pipeline.set_state(gst::State::Null);
    frames.map(|frames| found(&frames))
}

/// Decodes one kind of stream of a file into the analysers.
pub fn decode(
    pipeline: &gst::Pipeline,
    analyzer: &gst::Element,
    path: &Path,
    wanted: &'static str,
    late_ms: i64,
) -> Result<(), String> {
    let path = path.canonicalize().map_err(|error| error.to_string())?;
    let uri = gst::glib::filename_to_uri(path, None).map_err(|error| error.to_string())?;
    let source = gst::ElementFactory::make("uridecodebin").property("uri", uri.as_str()).build();
    let source = source.map_err(|error| error.to_string())?;
    pipeline.add(&source).map_err(|error| error.to_string())?;
    trust_stamps(&source);
    let to = analyzer.request_pad_simple(wanted).ok_or("the analysers have no such pad")?;
    source.connect_pad_added(move |source, pad| {
        if kind(pad) != Some(wanted) || to.is_linked() {
            return discard(source, pad);
        }
        pad.set_offset(late_ms * 1_000_000);
        if let Err(error) = pad.link(&to) {
            gst::element_error!(source, gst::CoreError::Pad, ["{wanted} can't be analysed: {error}"]);
        }
    });
    Ok(())
}

fn frames(pipeline: &gst::Pipeline, sink: &AppSink) -> Result<Vec<Frame>, String> {
    let mut frames = Vec::new();
    while let Some(sample) = sink.try_pull_sample(PATIENCE) {
        let map = sample.buffer().and_then(|buffer| buffer.map_readable().ok()).ok_or("a record can't be read")?;
        match serde_json::from_slice(&map) {
            Ok(Record::Frame(frame)) => frames.push(frame),
            Ok(_) => {}
            Err(error) => return Err(error.to_string()),
        }
    }
    let error = pipeline.bus().and_then(|bus| bus.pop_filtered(&[gst::MessageType::Error]));
    match error.as_ref().map(|message| message.view()) {
        Some(gst::MessageView::Error(error)) => Err(error.error().message().to_owned()),
        _ if sink.is_eos() => Ok(frames),
        _ => Err(format!("nothing came for {} s", PATIENCE.seconds())),
    }
}

/// What the frames say of the face that was seen most, and of who speaks.
fn found(frames: &[Frame]) -> Found {
    let mut found = Found::default();
    let mut seconds = BTreeMap::new();
    for frame in frames {
        if let Some(sync) = frame.faces.first().and_then(|face| face.lip_sync) {
            found.confidence = sync.confidence.or(found.confidence);
            found.offset_ms = sync.offset_ms.or(found.offset_ms);
            (found.signs, found.reason_not) = match sync.reason_not {
                None => (sync.signs, None),
                Some(reason) => {
                    (None, serde_json::to_value(reason).ok().and_then(|name| name.as_str().map(str::to_owned)))
                }
            };
        }
        let speaker = frame.faces.iter().find(|face| Some(face.track) == frame.speaker_track);
        if let Some(face) = speaker {
            found.named[usize::from(face.rect.x + face.rect.w / 2.0 > 0.5)] += 1;
        }
        let second = seconds.entry(frame.pts_ns / 1_000_000_000).or_insert([0_i32; 2]);
        let spoken = frame.audio.and_then(|audio| audio.speech).is_some_and(|p| p >= 0.5);
        second[0] += if spoken { 1 } else { -1 };
        if spoken {
            second[1] += if frame.no_visible_speech == Some(true) { 1 } else { -1 };
        }
    }
    // By most frames of a second, and by most of those with speech.
    found.spoken_seconds = seconds.values().filter(|[spoken, _]| *spoken > 0).count() as u32;
    found.unseen_seconds = seconds.values().filter(|[spoken, unseen]| *spoken > 0 && *unseen > 0).count() as u32;
    found
}
