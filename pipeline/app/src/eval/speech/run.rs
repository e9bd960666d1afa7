// SPDX-License-Identifier: Apache-2.0
//! One clip, or the picture of one with the sound of another, through the shipped elements.

use std::path::PathBuf;

use gst::prelude::*;
use gst_app::AppSink;
use polygraph_core::arbiter::changed;
use polygraph_core::record::{Record, Transcript};
use polygraph_core::wer::normalise;
use polygraph_models::Provider;

use super::Found;
use crate::eval::lips::decode;

/// A pipeline that gives nothing for so long is given up.
const PATIENCE: gst::ClockTime = gst::ClockTime::from_seconds(60);

/// What is told of the picture of one file with the sound of another.
pub fn clip([video, sound]: &[PathBuf; 2], provider: Provider) -> Result<Found, String> {
    let analyzer = gst::ElementFactory::make("polyanalyze")
        .property("forensics", false)
        .property("lip-reading", true)
        .property("compare-texts", true)
        .property_from_str("provider", provider.as_str());
    let analyzer = analyzer.build().map_err(|error| error.to_string())?;
    let sink = AppSink::builder().sync(false).build();
    let pipeline = gst::Pipeline::new();
    pipeline.add_many([&analyzer, sink.upcast_ref()]).map_err(|error| error.to_string())?;
    analyzer.link(&sink).map_err(|error| error.to_string())?;
    // The bin waits for no pad that nobody has asked for: both are there before anything flows.
    decode(&pipeline, &analyzer, video, "video", 0)?;
    decode(&pipeline, &analyzer, sound, "audio", 0)?;
    let told = pipeline
        .set_state(gst::State::Playing)
        .map_err(|error| error.to_string())
        .and_then(|_| transcripts(&pipeline, &sink));
    // Nobody holds on to a clip whose pipeline has ended.
    let _ = pipeline.set_state(gst::State::Null);
    told.map(found)
}

fn transcripts(pipeline: &gst::Pipeline, sink: &AppSink) -> Result<Vec<Transcript>, String> {
    let mut told = Vec::new();
    while let Some(sample) = sink.try_pull_sample(PATIENCE) {
        let map = sample.buffer().and_then(|buffer| buffer.map_readable().ok()).ok_or("a record can't be read")?;
        match serde_json::from_slice(&map) {
            Ok(Record::Transcript(transcript)) => told.push(transcript),
            Ok(_) => {}
            Err(error) => return Err(error.to_string()),
        }
    }
    let error = pipeline.bus().and_then(|bus| bus.pop_filtered(&[gst::MessageType::Error]));
    match error.as_ref().map(|message| message.view()) {
        Some(gst::MessageView::Error(error)) => Err(error.error().message().to_owned()),
        _ if sink.is_eos() => Ok(told),
        _ => Err(format!("nothing came for {} s", PATIENCE.seconds())),
    }
}

fn found(told: Vec<Transcript>) -> Found {
    let flicker = flicker(&told);
    let finals: Vec<Transcript> = told.into_iter().filter(|told| told.is_final).collect();
    let join = |text: &dyn Fn(&Transcript) -> Option<String>| {
        finals.iter().filter_map(text).filter(|text| !text.is_empty()).collect::<Vec<_>>().join(" ")
    };
    let read = |of: &dyn Fn(&polygraph_core::record::LipReading) -> Option<String>| {
        join(&|told: &Transcript| told.lip_reading.as_ref().and_then(of))
    };
    Found {
        told: join(&|told| Some(told.text.clone())),
        heard: join(&|told| Some(told.audio_only_text.clone().unwrap_or_else(|| told.text.clone()))),
        sound: read(&|reading| reading.sound_text.clone()),
        lips: read(&|reading| Some(reading.lips_text.clone())),
        both: read(&|reading| Some(reading.text.clone())),
        finals,
        flicker,
    }
}

/// Words of partials that the next revision did not keep, and all of them.
fn flicker(told: &[Transcript]) -> [usize; 2] {
    let mut counts = [0; 2];
    for pair in told.windows(2).filter(|pair| pair[0].utterance == pair[1].utterance) {
        let [before, after] = [&pair[0], &pair[1]].map(|told| normalise(&told.text));
        let [before, after] = [&before, &after].map(|words| words.iter().map(String::as_str).collect::<Vec<_>>());
        counts[0] += changed(&before, &after).into_iter().filter(|changed| *changed).count();
        counts[1] += before.len();
    }
    counts
}
