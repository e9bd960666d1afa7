// SPDX-License-Identifier: Apache-2.0
//! One clip, or the picture of one with the sound of another, through the shipped elements.

use std::{collections::BTreeMap, path::PathBuf};

use polygraph_core::record::{Frame, Record};
use polygraph_models::Provider;

use super::Found;
use crate::eval::listed::records;

/// What is found in the picture of one file with the sound of another, which comes late by so much.
pub fn clip(paths: &[PathBuf; 2], offset_ms: i64, provider: Provider) -> Result<Found, String> {
    let analyzer = gst::ElementFactory::make("polyanalyze")
        .property("transcript", false)
        .property("forensics", false)
        .property("scenes", false)
        .property_from_str("provider", provider.as_str());
    let analyzer = analyzer.build().map_err(|error| error.to_string())?;
    let frame = |record| match record {
        Record::Frame(frame) => Some(frame),
        _ => None,
    };
    records(paths, offset_ms, &analyzer, frame).map(|frames| found(&frames))
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
