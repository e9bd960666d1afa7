// SPDX-License-Identifier: Apache-2.0
//! One clip, or the picture of one with the sound of another, through the shipped elements.

use std::path::PathBuf;

use polygraph_core::arbiter::changed;
use polygraph_core::record::{Record, Transcript};
use polygraph_core::wer::normalise;
use polygraph_models::Provider;

use super::Found;
use crate::eval::listed::records;

/// What is told of the picture of one file with the sound of another.
pub fn clip(paths: &[PathBuf; 2], provider: Provider) -> Result<Found, String> {
    let analyzer = gst::ElementFactory::make("polyanalyze")
        .property("forensics", false)
        .property("scenes", false)
        .property("lip-reading", true)
        .property("compare-texts", true)
        .property_from_str("provider", provider.as_str());
    let analyzer = analyzer.build().map_err(|error| error.to_string())?;
    let transcript = |record| match record {
        Record::Transcript(transcript) => Some(transcript),
        _ => None,
    };
    records(paths, 0, &analyzer, transcript).map(found)
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
