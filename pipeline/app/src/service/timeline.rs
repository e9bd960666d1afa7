// SPDX-License-Identifier: Apache-2.0
//! What happened lately in a stream, small enough for a page to draw: scores, words, cuts and states on one axis of
//! wall time.

use std::collections::VecDeque;

use polygraph_core::event::{Event, EventData};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

/// Analysed pictures: ten minutes at five a second.
const MOST_POINTS: usize = 3000;
const MOST_WORDS: usize = 100;
const MOST_MARKS: usize = 200;
/// How late a shot boundary may be told: a long fade, and what is looked ahead.
const LATEST_SHOT_MS: u64 = 6000;

/// One analysed picture.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Point {
    /// Wall time, milliseconds since 1970.
    pub at_ms: u64,
    /// Faces in it.
    pub faces: usize,
    /// The highest calibrated probability of manipulation among them.
    pub manipulation: Option<f32>,
    /// Whether any of them shows signs of manipulation.
    pub signs: bool,
    /// Speech probability.
    pub speech: Option<f32>,
    /// Momentary loudness, LUFS.
    pub loudness: Option<f32>,
    /// The fused verdict, where there is one.
    pub fused: Option<Value>,
}

/// Words.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Words {
    /// Counts the utterances of an epoch.
    pub utterance: u64,
    /// When they began, milliseconds since 1970.
    pub at_ms: u64,
    /// How long they took, milliseconds.
    pub lasted_ms: u64,
    /// No revision will follow.
    pub is_final: bool,
    /// As read.
    pub text: String,
    /// Those words that were read from lips, by their place in the text.
    pub from_lips: Vec<usize>,
}

/// Something at a moment.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Mark {
    /// When, milliseconds since 1970.
    pub at_ms: u64,
    /// `cut`, `dissolve`, `fade`, `wipe`, or the state's name.
    pub what: String,
    /// Why, for people.
    pub why: Option<String>,
}

/// What happened lately.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
pub struct Timeline {
    /// Analysed pictures, oldest first.
    pub points: VecDeque<Point>,
    /// Words, oldest first; the last may be revised.
    pub words: VecDeque<Words>,
    /// Shot boundaries.
    pub shots: VecDeque<Mark>,
    /// States of the stream.
    pub states: VecDeque<Mark>,
    /// Faces of the last picture, as the event has them.
    pub faces: Vec<Value>,
}

impl Timeline {
    /// What is later than that; words that were revised since count as later.
    pub fn since(&self, at_ms: u64) -> Self {
        let later = |marks: &VecDeque<Mark>, at_ms: u64| -> VecDeque<Mark> {
            marks.iter().filter(|mark| mark.at_ms > at_ms).cloned().collect()
        };
        Self {
            points: self.points.iter().filter(|point| point.at_ms > at_ms).cloned().collect(),
            words: self.words.iter().filter(|words| words.at_ms + words.lasted_ms >= at_ms).cloned().collect(),
            // Boundaries are told late: whoever has the pictures of their time already hasn't them.
            shots: later(&self.shots, at_ms.saturating_sub(LATEST_SHOT_MS)),
            states: later(&self.states, at_ms),
            faces: self.faces.clone(),
        }
    }

    /// Takes note of an event.
    pub fn take(&mut self, event: &Event) {
        match &event.data {
            EventData::Frame(frame) => {
                let faces = &frame.content.faces;
                let found = || faces.iter().filter_map(|face| face.manipulation);
                let value = serde_json::to_value(&frame.content).unwrap_or_default();
                let point = Point {
                    at_ms: frame.clock.wall_ns / 1_000_000,
                    faces: faces.len(),
                    manipulation: found().filter_map(|found| found.p).max_by(f32::total_cmp),
                    signs: found().any(|found| found.signs == Some(true)),
                    speech: frame.content.audio.as_ref().and_then(|audio| audio.speech),
                    loudness: frame.content.audio.as_ref().and_then(|audio| audio.loudness.momentary_lufs),
                    fused: value.get("fused").cloned(),
                };
                push(&mut self.points, point, MOST_POINTS);
                self.faces = value.get("faces").and_then(Value::as_array).cloned().unwrap_or_default();
            }
            EventData::Transcript(said) => {
                let content = &said.content;
                let value = serde_json::to_value(content).unwrap_or_default();
                let from_lips = value["words"].as_array().into_iter().flatten().enumerate();
                let from_lips = from_lips.filter(|(_, word)| word["read_from_lips"] == true).map(|(n, _)| n).collect();
                let words = Words {
                    utterance: content.utterance,
                    at_ms: said.clock.wall_ns / 1_000_000,
                    lasted_ms: content.end_ns.saturating_sub(content.start_ns) / 1_000_000,
                    is_final: content.is_final,
                    text: content.text.clone(),
                    from_lips,
                };
                let revised = |last: &&mut Words| !last.is_final && last.utterance == words.utterance;
                match self.words.back_mut().filter(revised) {
                    Some(last) => *last = words,
                    None => push(&mut self.words, words, MOST_WORDS),
                }
            }
            EventData::Shot(shot) => {
                let at_ms = shot.clock.wall_ns / 1_000_000;
                push(&mut self.shots, Mark { at_ms, what: shot.content.kind.as_str().into(), why: None }, MOST_MARKS);
            }
            EventData::Stream(stream) => {
                let (what, why) = (stream.content.state.as_str().to_owned(), stream.content.reason.clone());
                // By our clock: a stream that is gone has no time of its own.
                push(&mut self.states, Mark { at_ms: super::now_ms(), what, why }, MOST_MARKS);
            }
            #[allow(unreachable_patterns, reason = "kinds that come later are in the event stream all the same")]
            _ => {}
        }
    }
}

fn push<T>(queue: &mut VecDeque<T>, item: T, most: usize) {
    if queue.len() == most {
        queue.pop_front();
    }
    queue.push_back(item);
}
