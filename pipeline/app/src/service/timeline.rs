// SPDX-License-Identifier: Apache-2.0
//! What happened lately in a stream, small enough for a page to draw: scores, words, shots, scenes, text on screen, faults and
//! states on one axis of wall time.

use std::collections::VecDeque;

use polygraph_core::event::{Clock, Data, Event, EventData};
use polygraph_core::record::{Frame, Incident, IncidentState, Severity, Shot, Transcript};
use polygraph_core::scene::PLACES;
use polygraph_core::screen_text::recognised;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use crate::wall;

/// Analysed pictures: ten minutes at five a second.
const MOST_POINTS: usize = 3000;
const MOST_WORDS: usize = 100;
const MOST_MARKS: usize = 200;
/// Faults, so few that a page gets all of them each time: one may end long after it began.
const MOST_FAULTS: usize = 50;
/// Frames of a scene may lie so far apart; where they do, nobody looked between them.
const SCENE_GAP_MS: u64 = 12_000;
/// A line of text that was away for longer has come again.
const TEXT_GAP_MS: u64 = 3_000;
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
    /// When those were said.
    pub lips_at: Vec<Stretch>,
}

/// From a moment to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Stretch {
    /// Milliseconds since 1970.
    pub at_ms: u64,
    /// Milliseconds since 1970.
    pub until_ms: u64,
}

/// A shot boundary.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Boundary {
    /// When the new shot begins, milliseconds since 1970.
    pub at_ms: u64,
    /// When the old one begins to go; that of a cut is the same.
    pub from_ms: u64,
    /// `cut`, `dissolve`, `fade`, `wipe`.
    pub what: String,
}

/// What is shown, for as long as the labels stay the same.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Scene {
    /// When it begins, milliseconds since 1970.
    pub at_ms: u64,
    /// When it was last seen.
    pub until_ms: u64,
    /// The group of scenes; `none` where none is likely enough.
    pub label: String,
    /// The label's calibrated probability when it was last seen, 0..1.
    pub p: f32,
    /// `indoor` or `outdoor`, where that is sure enough.
    pub place: Option<String>,
    /// Labels that users added.
    pub more: Vec<String>,
}

/// A line of text that stands on the screen.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Text {
    /// Counts the lines of the stream; what it says may yet be read better.
    pub line: u64,
    /// When it was first read, milliseconds since 1970.
    pub at_ms: u64,
    /// When it was last seen.
    pub until_ms: u64,
    /// What it says, as read with the highest score.
    pub text: String,
    /// That score, 0..1; no probability.
    pub score: f32,
}

/// A broadcast fault.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Fault {
    /// When it began, milliseconds since 1970.
    pub at_ms: u64,
    /// When it ended; absent while it lasts.
    pub until_ms: Option<u64>,
    /// Its kind's name.
    pub what: String,
    /// How much it matters.
    pub severity: Severity,
    /// For people.
    pub message: String,
    /// Which of the epoch's incidents it is.
    #[serde(skip)]
    incident: u64,
    #[serde(skip)]
    epoch: String,
}

/// Something at a moment.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Mark {
    /// When, milliseconds since 1970.
    pub at_ms: u64,
    /// The state's name.
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
    pub shots: VecDeque<Boundary>,
    /// What was shown.
    pub scenes: VecDeque<Scene>,
    /// What stood on the screen.
    pub texts: VecDeque<Text>,
    /// Broadcast faults, the last ones whenever they were.
    pub faults: VecDeque<Fault>,
    /// States of the stream.
    pub states: VecDeque<Mark>,
    /// Faces of the last picture, as the event has them.
    pub faces: Vec<Value>,
    #[serde(skip)]
    lines: u64,
}

impl Timeline {
    /// What is later than that; words and scenes that went on since count as later.
    pub fn since(&self, at_ms: u64) -> Self {
        // Boundaries are told late: whoever has the pictures of their time already hasn't them.
        let told_ms = at_ms.saturating_sub(LATEST_SHOT_MS);
        Self {
            points: self.points.iter().filter(|point| point.at_ms > at_ms).cloned().collect(),
            words: self.words.iter().filter(|words| words.at_ms + words.lasted_ms >= at_ms).cloned().collect(),
            shots: self.shots.iter().filter(|shot| shot.at_ms > told_ms).cloned().collect(),
            scenes: self.scenes.iter().filter(|scene| scene.until_ms >= told_ms).cloned().collect(),
            texts: self.texts.iter().filter(|text| text.until_ms >= told_ms).cloned().collect(),
            faults: self.faults.clone(),
            states: self.states.iter().filter(|mark| mark.at_ms > at_ms).cloned().collect(),
            faces: self.faces.clone(),
            lines: self.lines,
        }
    }

    /// Takes note of an event.
    pub fn take(&mut self, event: &Event) {
        match &event.data {
            EventData::Frame(frame) => self.frame(frame),
            EventData::Transcript(said) => self.words(said),
            EventData::Shot(shot) => self.shot(shot),
            EventData::Incident(incident) => self.fault(incident),
            EventData::Stream(stream) => {
                let (what, why) = (stream.content.state.as_str().to_owned(), stream.content.reason.clone());
                // By our clock: a stream that is gone has no time of its own.
                push(&mut self.states, Mark { at_ms: wall::now_ms(), what, why }, MOST_MARKS);
            }
            #[allow(unreachable_patterns, reason = "kinds that come later are in the event stream all the same")]
            _ => {}
        }
    }

    fn frame(&mut self, Data { content, clock }: &Data<Frame>) {
        let found = || content.faces.iter().filter_map(|face| face.manipulation);
        let value = serde_json::to_value(content).unwrap_or_default();
        let at_ms = clock.wall_ns / 1_000_000;
        let point = Point {
            at_ms,
            faces: content.faces.len(),
            manipulation: found().filter_map(|found| found.p).max_by(f32::total_cmp),
            signs: found().any(|found| found.signs == Some(true)),
            speech: content.audio.as_ref().and_then(|audio| audio.speech),
            loudness: content.audio.as_ref().and_then(|audio| audio.loudness.momentary_lufs),
            fused: value.get("fused").cloned(),
        };
        push(&mut self.points, point, MOST_POINTS);
        self.faces = value.get("faces").and_then(Value::as_array).cloned().unwrap_or_default();
        self.scene(content, at_ms);
        self.texts(content, at_ms);
    }

    /// Goes on with the lines that stand, and begins others.
    fn texts(&mut self, frame: &Frame, at_ms: u64) {
        let stands = |text: &Text| at_ms >= text.until_ms && at_ms - text.until_ms <= TEXT_GAP_MS;
        let mut standing: Vec<_> = self.texts.iter_mut().filter(|text| stands(text)).collect();
        let texts: Vec<_> = standing.iter().map(|text| text.text.as_str()).collect();
        let known = recognised(&texts, &frame.screen_text);
        let mut new = Vec::new();
        for (line, place) in frame.screen_text.iter().zip(known) {
            match place.and_then(|place| standing.get_mut(place)) {
                Some(text) => {
                    text.until_ms = at_ms;
                    if line.score > text.score {
                        (text.text, text.score) = (line.text.clone(), line.score);
                    }
                }
                None => {
                    let (text, score) = (line.text.clone(), line.score);
                    new.push(Text { line: self.lines, at_ms, until_ms: at_ms, text, score });
                    self.lines += 1;
                }
            }
        }
        new.into_iter().for_each(|text| push(&mut self.texts, text, MOST_MARKS));
    }

    /// Goes on with the last scene, or begins another.
    fn scene(&mut self, frame: &Frame, at_ms: u64) {
        // The group comes first, then the place, then what users added.
        let Some((group, others)) = frame.scene.split_first() else { return };
        let (place, more): (Vec<_>, Vec<_>) =
            others.iter().map(|own| own.label.clone()).partition(|label| PLACES.contains(&label.as_str()));
        let place = place.into_iter().next();
        let goes_on = |last: &&mut Scene| {
            let same = (&last.label, &last.place, &last.more) == (&group.label, &place, &more);
            same && at_ms >= last.until_ms && at_ms - last.until_ms <= SCENE_GAP_MS
        };
        match self.scenes.back_mut().filter(goes_on) {
            Some(last) => (last.until_ms, last.p) = (at_ms, group.p),
            None => {
                let (label, p) = (group.label.clone(), group.p);
                push(&mut self.scenes, Scene { at_ms, until_ms: at_ms, label, p, place, more }, MOST_MARKS);
            }
        }
    }

    fn words(&mut self, Data { content, clock }: &Data<Transcript>) {
        // The event's wall time is that of the start.
        let wall = |pts_ns: u64| wall_ms(clock, content.start_ns, pts_ns);
        let lips = || content.words.iter().enumerate().filter(|(_, word)| word.read_from_lips);
        let words = Words {
            utterance: content.utterance,
            at_ms: wall(content.start_ns),
            lasted_ms: content.end_ns.saturating_sub(content.start_ns) / 1_000_000,
            is_final: content.is_final,
            text: content.text.clone(),
            from_lips: lips().map(|(at, _)| at).collect(),
            lips_at: lips()
                .map(|(_, word)| Stretch { at_ms: wall(word.start_ns), until_ms: wall(word.end_ns) })
                .collect(),
        };
        let revised = |last: &&mut Words| !last.is_final && last.utterance == words.utterance;
        match self.words.back_mut().filter(revised) {
            Some(last) => *last = words,
            None => push(&mut self.words, words, MOST_WORDS),
        }
    }

    fn shot(&mut self, Data { content, clock }: &Data<Shot>) {
        let wall = |pts_ns: u64| wall_ms(clock, content.pts_ns, pts_ns);
        let (at_ms, from_ms) = (wall(content.end_ns), wall(content.start_ns));
        push(&mut self.shots, Boundary { at_ms, from_ms, what: content.kind.as_str().into() }, MOST_MARKS);
    }

    fn fault(&mut self, Data { content, clock }: &Data<Incident>) {
        let Some(fault) = &content.fault else { return };
        let wall = |pts_ns: u64| wall_ms(clock, content.pts_ns, pts_ns);
        let fault = Fault {
            at_ms: wall(content.start_ns),
            until_ms: (content.state == IncidentState::Close).then(|| wall(content.end_ns)),
            what: fault.kind.as_str().to_owned(),
            severity: content.severity,
            message: content.message.clone(),
            incident: content.incident,
            epoch: clock.epoch.clone(),
        };
        let same = |known: &&mut Fault| (known.incident, &known.epoch) == (fault.incident, &fault.epoch);
        match self.faults.iter_mut().find(same) {
            Some(known) => *known = fault,
            None => push(&mut self.faults, fault, MOST_FAULTS),
        }
    }
}

/// Wall time of a stream time, in milliseconds since 1970: an event has that of `pts_ns`.
fn wall_ms(clock: &Clock, pts_ns: u64, at_ns: u64) -> u64 {
    clock.wall_ns.saturating_add(at_ns).saturating_sub(pts_ns) / 1_000_000
}

fn push<T>(queue: &mut VecDeque<T>, item: T, most: usize) {
    if queue.len() == most {
        queue.pop_front();
    }
    queue.push_back(item);
}

#[cfg(test)]
mod tests {
    use polygraph_core::event::{Epoch, Numbering, StreamId};
    use polygraph_core::record::{Record, Word};
    use polygraph_core::scene::SceneLabel;
    use polygraph_core::screen_text::TextLine;

    use super::*;

    /// A timeline of records of an epoch that began a second after 1970 did.
    fn of(records: impl IntoIterator<Item = Record>) -> Timeline {
        let mut numbering = Numbering::new(StreamId::new("a"), Epoch::of_connection("E".to_owned(), 1_000_000_000));
        let mut timeline = Timeline::default();
        records.into_iter().for_each(|record| timeline.take(&numbering.record(record)));
        timeline
    }

    fn frame(at_ms: u64, labels: &[&str]) -> Record {
        let scene = labels.iter().map(|label| SceneLabel { label: (*label).to_owned(), p: 0.75 }).collect();
        Record::Frame(Frame { pts_ns: at_ms * 1_000_000, scene, ..Frame::default() })
    }

    #[test]
    fn a_line_of_text_stands_as_it_was_read_best_until_it_is_gone() {
        let line = |(text, score): &(&str, f32)| TextLine {
            text: (*text).to_owned(),
            score: *score,
            rect: [0.0, 0.0, 0.1, 0.1].into(),
        };
        let frame = |at_ms: u64, lines: &[(&str, f32)]| {
            let screen_text = lines.iter().map(line).collect();
            Record::Frame(Frame { pts_ns: at_ms * 1_000_000, screen_text, ..Frame::default() })
        };
        let timeline = of([
            frame(0, &[("BREAKlNG NEWS", 0.7), ("Weather", 0.9)]),
            frame(1000, &[("BREAKING NEWS", 0.95)]),
            frame(5000, &[("Weather", 0.9)]),
        ]);
        let told: Vec<_> = timeline.texts.iter().map(|one| (one.text.as_str(), one.at_ms, one.until_ms)).collect();
        assert_eq!(told, [("BREAKING NEWS", 1000, 2000), ("Weather", 1000, 1000), ("Weather", 6000, 6000)]);
    }

    #[test]
    fn a_scene_lasts_while_its_labels_stay_and_somebody_looks() {
        let street = ["street", "outdoor", "our logo"];
        let timeline = of([
            frame(0, &street),
            frame(200, &street),
            frame(400, &["none"]),
            frame(600, &[]),
            frame(800, &["none", "indoor"]),
            frame(20_000, &["none", "indoor"]),
        ]);
        let scene = |at_ms, until_ms, label: &str, place: Option<&str>, more: &[&str]| Scene {
            at_ms,
            until_ms,
            label: label.to_owned(),
            p: 0.75,
            place: place.map(str::to_owned),
            more: more.iter().map(|label| (*label).to_owned()).collect(),
        };
        assert_eq!(
            Vec::from(timeline.scenes.clone()),
            [
                scene(1000, 1200, "street", Some("outdoor"), &["our logo"]),
                scene(1400, 1400, "none", None, &[]),
                scene(1800, 1800, "none", Some("indoor"), &[]),
                scene(21_000, 21_000, "none", Some("indoor"), &[]),
            ]
        );
        assert_eq!(timeline.since(20_000).scenes, [timeline.scenes[3].clone()]);
    }

    #[test]
    fn words_from_lips_have_their_own_times() {
        let word = |text: &str, from_s: u64, read_from_lips| Word {
            text: text.to_owned(),
            start_ns: from_s * 1_000_000_000,
            end_ns: (from_s + 1) * 1_000_000_000,
            p: 1.0,
            read_from_lips,
        };
        let timeline = of([Record::Transcript(Transcript {
            start_ns: 2_000_000_000,
            end_ns: 5_000_000_000,
            text: "place red now".to_owned(),
            words: vec![word("place", 2, false), word("red", 3, true), word("now", 4, false)],
            ..Transcript::default()
        })]);
        let words = &timeline.words[0];
        assert_eq!((words.at_ms, words.lasted_ms, words.from_lips.as_slice()), (3000, 3000, [1].as_slice()));
        assert_eq!(words.lips_at, [Stretch { at_ms: 4000, until_ms: 5000 }]);
    }
}
