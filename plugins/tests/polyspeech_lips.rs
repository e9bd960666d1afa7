// SPDX-License-Identifier: Apache-2.0
//! `polyspeech` with its `lips` pad: real speech from one side, painted mouths from the other, and all that may go wrong
//! between both. Nobody of the painted ones says what is heard, so the text must be that of the sound.
#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a panic is the report of a test")]

mod sound;

use std::sync::Arc;

use gst::prelude::*;
use gst_check::Harness;
use gstpolygraph::meta;
use polygraph_core::record::{LipsWhy, Record, Transcript};
use polygraph_core::results::{FaceResults, MOUTH_SIDE, Mouth, NetworkRef, PtsRange};
use sound::{buffer, decode, media};

const SOUND: &str = "audio/x-raw,format=F32LE,layout=interleaved,rate=16000,channels=1";
const LIPS: &str = "application/x-polygraph-lips";
const MS: u64 = 1_000_000;
const HOUR: u64 = 3_600_000 * MS;

/// What is painted at a time, if anything.
type Paint<'a> = &'a dyn Fn(u64) -> Option<Vec<Mouth>>;

/// A mouth that opens and closes three times a second, or stays as it is.
fn mouth(track: u64, at_ns: u64, moves: bool) -> Mouth {
    let open = if moves { 6.0 + 6.0 * (at_ns as f32 / 1e9 * 3.0 * std::f32::consts::TAU).sin() } else { 6.0 };
    let pixel = |at: usize| {
        let (x, y) = ((at % MOUTH_SIDE) as f32 - 24.0, (at / MOUTH_SIDE) as f32 - 24.0);
        let lips = (x / 18.0).powi(2) + (y / (open + 4.0)).powi(2);
        let inside = (x / 15.0).powi(2) + (y / open.max(0.5)).powi(2);
        if inside < 1.0 {
            20
        } else if lips < 1.0 {
            110
        } else {
            190
        }
    };
    Mouth { track, pixels: Arc::from((0..MOUTH_SIDE * MOUTH_SIDE).map(pixel).collect::<Vec<u8>>()) }
}

fn picture(at_ns: u64, mouths: Vec<Mouth>) -> gst::Buffer {
    let mut picture = gst::Buffer::new();
    let fields = picture.get_mut().unwrap();
    fields.set_pts(gst::ClockTime::from_nseconds(at_ns));
    let none = String::new;
    let network = NetworkRef { name: none(), version: none(), sha256: none(), provider: none() };
    let pts = PtsRange { start_ns: at_ns, end_ns: at_ns };
    meta::update_video(fields, |results| {
        let faces = Vec::new();
        results.faces =
            Some(FaceResults { pts, analysed: false, faces, network, forensics: None, mouths: Some(mouths) });
    });
    picture
}

/// The finals of the sound with pictures of `fps` painted at running times, which begin `ahead_ns` before the sound's PTS.
struct Run<'a> {
    properties: &'a str,
    fps: u64,
    paint: Paint<'a>,
    /// PTS of the sound's first sample, and running time of it.
    sound_ns: [u64; 2],
    /// After so many samples stamps jump by an hour.
    jump: Option<usize>,
}

impl Run<'_> {
    fn finals(&self, samples: &[f32]) -> (Vec<Transcript>, gst::Structure) {
        sound::init();
        let element = gst::ElementFactory::make("polyspeech").property("compare", true).build().unwrap();
        for pair in self.properties.split_whitespace() {
            let (name, value) = pair.split_once('=').unwrap();
            element.set_property_from_str(name, value);
        }
        let mut lips = Harness::with_element(&element, Some("lips"), None);
        lips.set_src_caps_str(LIPS);
        let mut speech = Harness::with_element(&element, Some("sink"), Some("src"));
        speech.set_live(false);
        speech.set_sink_caps_str("application/x-polygraph");
        let [pts, running] = self.sound_ns;
        let mut segment = gst::FormattedSegment::<gst::ClockTime>::new();
        segment.set_start(gst::ClockTime::from_nseconds(pts));
        segment.set_base(gst::ClockTime::from_nseconds(running));
        speech.push_event(gst::event::StreamStart::new("sound"));
        speech.push_event(gst::event::Caps::new(&SOUND.parse().unwrap()));
        speech.push_event(gst::event::Segment::new(&segment));
        let mut shown = 0;
        for (number, piece) in samples.chunks(320).enumerate() {
            let at = number as u64 * 20 * MS;
            while shown * 1_000_000_000 / self.fps <= running + at {
                let time = shown * 1_000_000_000 / self.fps;
                if let Some(mouths) = (self.paint)(time) {
                    lips.push(picture(time, mouths)).unwrap();
                }
                shown += 1;
            }
            let jumped = self.jump.is_some_and(|jump| number * 320 >= jump);
            let pts = pts + at + if jumped { HOUR } else { 0 };
            speech.push(buffer(piece, 1, 16_000, pts)).unwrap();
        }
        lips.push_event(gst::event::Eos::new());
        speech.push_event(gst::event::Eos::new());
        let mut told = Vec::new();
        loop {
            let event = speech.pull_event().expect("an event within the harness's time");
            while let Some(buffer) = speech.try_pull() {
                let Record::Transcript(transcript) =
                    serde_json::from_slice(&buffer.map_readable().unwrap()).expect("a record")
                else {
                    panic!("no transcript")
                };
                told.push(transcript);
            }
            if event.type_() == gst::EventType::Eos {
                break;
            }
        }
        // No word of a final changes: nothing comes of an utterance after it.
        for (at, last) in told.iter().enumerate().filter(|(_, told)| told.is_final) {
            assert!(told[at + 1..].iter().all(|later| later.utterance != last.utterance));
        }
        told.retain(|transcript| transcript.is_final);
        (told, element.property::<gst::Structure>("stats"))
    }
}

fn passage(seconds: usize) -> Vec<f32> {
    let mut samples = decode(&media("two_cities.wav"));
    samples.truncate(seconds * 16_000);
    samples
}

fn text(told: &[Transcript]) -> String {
    told.iter().map(|told| told.text.as_str()).collect::<Vec<_>>().join(" ")
}

fn why(told: &[Transcript]) -> Vec<Option<LipsWhy>> {
    told.iter().map(|told| told.lip_reading.as_ref().map(|reading| reading.why)).collect()
}

fn run(paint: Paint<'_>) -> Run<'_> {
    Run { properties: "", fps: 25, paint, sound_ns: [0, 0], jump: None }
}

#[test]
fn lips_that_say_something_else_change_nothing() {
    let samples = passage(5);
    let deaf = Run { properties: "lip-reading=false", ..run(&|_| None) };
    let (alone, _) = deaf.finals(&samples);
    assert!(!text(&alone).is_empty());
    for fps in [24, 30] {
        let (told, stats) = Run { fps, ..run(&|at| Some(vec![mouth(1, at, true)])) }.finals(&samples);
        assert_eq!(text(&told), text(&alone), "{fps} pictures a second");
        for (told, alone) in told.iter().zip(&alone) {
            let reading = told.lip_reading.as_ref().expect("lips were read");
            assert!(!reading.used && reading.why == LipsWhy::Unsure && reading.seen > 0.95, "{reading:?}");
            assert_eq!(told.audio_only_text.as_ref(), Some(&told.text));
            assert_eq!((told.start_ns, told.end_ns), (alone.start_ns, alone.end_ns));
            assert!(told.networks.iter().any(|network| network.name == "speech-reading"));
        }
        assert_eq!(stats.get::<u64>("lips-unsure"), Ok(told.len() as u64));
    }
}

#[test]
fn a_frozen_picture_and_a_face_that_leaves_are_told_of() {
    let samples = passage(5);
    let (frozen, _) = run(&|_| Some(vec![mouth(1, 0, false)])).finals(&samples);
    assert!(why(&frozen).iter().all(|why| *why == Some(LipsWhy::StillMouth)), "{:?}", why(&frozen));
    // It leaves at once, and nobody comes again: pictures go on without mouths.
    let (left, _) = run(&|at| Some(if at < 200 * MS { vec![mouth(1, at, true)] } else { Vec::new() })).finals(&samples);
    assert!(why(&left).iter().all(|why| *why == Some(LipsWhy::NoMouth)), "{:?}", why(&left));
    assert_eq!(text(&left), text(&frozen));
    // At a cut another track goes on in mid-sentence: neither is seen for long enough, or nobody knows who speaks.
    let (cut, _) = run(&|at| Some(vec![mouth(at / (700 * MS), at, true)])).finals(&samples);
    assert!(why(&cut).iter().all(|why| matches!(why, Some(LipsWhy::NoMouth | LipsWhy::NoSpeaker | LipsWhy::Unsure))));
    assert_eq!(text(&cut), text(&frozen));
}

#[test]
fn sound_that_starts_late_and_stamps_that_jump_are_joined_by_running_time() {
    let samples = passage(5);
    let (plain, _) = run(&|at| Some(vec![mouth(1, at, true)])).finals(&samples);
    // The sound's PTS begin at an hour, and it runs from the second second on.
    let late = Run { sound_ns: [HOUR, 2_000 * MS], ..run(&|at| Some(vec![mouth(1, at, true)])) };
    let (late, _) = late.finals(&samples);
    assert_eq!(text(&late), text(&plain));
    for (late, plain) in late.iter().zip(&plain) {
        // Records are in stream time, which begins with the segment.
        assert!(late.start_ns.abs_diff(plain.start_ns) < 100 * MS && late.end_ns.abs_diff(plain.end_ns) < 100 * MS);
        assert!(late.lip_reading.as_ref().expect("lips were read").seen > 0.95);
    }
    // In mid-sentence an hour is missing: what was said before is told, and all that comes after.
    let jump = Run { jump: Some(3 * 16_000), ..run(&|at| Some(vec![mouth(1, at, true)])) };
    let (jumped, _) = jump.finals(&samples);
    assert!(jumped.iter().any(|told| told.end_ns < 4_000 * MS) && jumped.iter().any(|told| told.start_ns > HOUR));
    assert!(jumped.iter().all(|told| told.end_ns - told.start_ns < 8_000 * MS));
}

#[test]
fn without_a_glance_nothing_is_told_of_lips() {
    let samples = passage(4);
    let off = Run { properties: "lip-reading=false compare=false", ..run(&|at| Some(vec![mouth(1, at, true)])) };
    let (told, _) = off.finals(&samples);
    assert!(!told.is_empty());
    for told in &told {
        assert_eq!((&told.lip_reading, &told.audio_only_text, told.speaker_track), (&None, &None, None));
    }
}
