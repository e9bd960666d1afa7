// SPDX-License-Identifier: Apache-2.0
//! The transcriber from its outside: sound and speech windows go in, and a recogniser that hears a word wherever a
//! sample says so answers the jobs.

use polygraph_core::record::Transcript;
use polygraph_core::results::{PtsRange, SpeechWindow};
use polygraph_core::transcription::{Hypothesis, Job, JobKind, Settings, Token, Transcriber};
use proptest::prelude::*;

const MS: u64 = 1_000_000;
const WINDOW: u64 = 32 * MS;

/// A stream whose words are spikes in the sound: 0.3 + n/1000 is word n, one every 320 ms of speech.
struct Stream {
    transcriber: Transcriber,
    now: u64,
    windows: u64,
    words: u32,
    p: f32,
    jobs: Vec<(JobKind, usize)>,
    /// Stretches that were listened to for a final, ahead or not.
    read: usize,
    told: Vec<Transcript>,
}

impl Stream {
    fn new(settings: Settings) -> Self {
        let transcriber = Transcriber::new(settings);
        Self { transcriber, now: 0, windows: 0, words: 0, p: 0.9, jobs: vec![], read: 0, told: vec![] }
    }

    fn play(&mut self, windows: u64, speech: bool) -> &mut Self {
        for _ in 0..windows {
            let mut sound = [0.01f32; 512];
            if speech {
                if self.windows.is_multiple_of(10) {
                    sound[100] = 0.3 + self.words as f32 / 1000.0;
                    self.words += 1;
                }
                self.windows += 1;
            }
            self.transcriber.push_sound(self.now, &sound);
            let pts = PtsRange { start_ns: self.now, end_ns: self.now + WINDOW };
            self.now += WINDOW;
            self.transcriber.push_speech(SpeechWindow { pts, p: if speech { 0.95 } else { 0.02 } });
            self.work();
        }
        self
    }

    fn finish(&mut self) -> &mut Self {
        self.transcriber.finish();
        self.work();
        self
    }

    fn work(&mut self) {
        while let Some(job) = self.transcriber.poll() {
            self.jobs.push((job.kind, job.wave.len()));
            let hypothesis = match &job.known {
                Some(known) => known.clone(),
                None => self.hear(&job),
            };
            self.read += usize::from(job.known.is_none() && job.kind != JobKind::Partial);
            self.told.extend(self.transcriber.answer(job, hypothesis));
        }
    }

    fn hear(&self, job: &Job) -> Hypothesis {
        let known = job.prefix.last().map_or(0, |n| n + 1);
        let heard =
            job.wave.iter().filter(|sample| **sample > 0.2).map(|sample| ((sample - 0.3) * 1000.0).round() as u32);
        let ids = job.prefix.iter().copied().chain(heard.filter(|&n| n >= known));
        Hypothesis { tokens: ids.map(|id| Token { id, text: format!(" w{id}"), p: self.p }).collect(), complete: true }
    }

    fn finals(&self) -> Vec<&Transcript> {
        self.told.iter().filter(|told| told.is_final).collect()
    }
}

fn text(words: std::ops::Range<u32>) -> String {
    words.map(|n| format!("w{n}")).collect::<Vec<_>>().join(" ")
}

#[test]
fn an_utterance_is_told_in_revisions_and_ends_with_a_final() {
    let mut stream = Stream::new(Settings::default());
    stream.play(30, false).play(200, true).play(40, false);
    let told = &stream.told;
    assert!(told.len() >= 200 * 32 / 500, "{} revisions", told.len());
    for (i, pair) in told.windows(2).enumerate() {
        assert_eq!((pair[1].utterance, pair[1].revision), (0, i as u32 + 1));
        assert!(pair[1].end_ns - pair[0].end_ns <= 500 * MS, "partials come at least every 500 ms of speech");
    }
    assert_eq!(told.iter().filter(|told| told.is_final).count(), 1);
    let last = told.last().unwrap();
    assert!(last.is_final);
    assert_eq!(last.text, text(0..20));
    assert_eq!((last.start_ns, last.end_ns), (30 * WINDOW, 230 * WINDOW));
    assert!(stream.jobs.iter().all(|(kind, samples)| *kind == JobKind::Final || *samples <= 4 * 16_000));
}

#[test]
fn a_partial_left_out_under_load_loses_nothing_of_the_final() {
    let mut stream = Stream::new(Settings::default());
    for _ in 0..300 {
        stream.now += WINDOW;
        let pts = PtsRange { start_ns: stream.now - WINDOW, end_ns: stream.now };
        let mut sound = [0.01; 512];
        sound[9] = 0.301;
        stream.transcriber.push_sound(pts.start_ns, &sound);
        stream.transcriber.push_speech(SpeechWindow { pts, p: 0.9 });
        while let Some(job) = stream.transcriber.poll() {
            assert_eq!(job.kind, JobKind::Partial);
        }
    }
    stream.finish();
    assert_eq!(stream.jobs, [(JobKind::Final, 300 * 512)]);
}

#[test]
fn what_is_read_ahead_is_the_final_unless_speech_goes_on() {
    let play = |ahead| {
        let mut stream = Stream::new(Settings { ahead, partial_interval_ns: 0, ..Settings::default() });
        // A breath that is too short to read in, one in which it is read for nothing, and the end.
        stream.play(60, true).play(6, false).play(60, true).play(12, false).play(60, true).play(40, false);
        stream
    };
    let (waiting, ahead) = (play(false), play(true));
    assert_eq!(waiting.told, ahead.told, "the same is told");
    assert_eq!(ahead.finals()[0].text, text(0..18));
    let kinds: Vec<_> = ahead.jobs.iter().map(|(kind, _)| *kind).collect();
    assert_eq!(kinds, [JobKind::Ahead, JobKind::Ahead, JobKind::Final]);
    assert_eq!(ahead.jobs[1].1, ahead.jobs[2].1, "of the very same sound");
    assert_eq!((waiting.read, ahead.read), (1, 2), "the final itself is not listened to again");
}

#[test]
fn lips_are_read_ahead_once_a_window_when_there_is_enough_behind_the_speech() {
    let play = |lips_ahead_ns| {
        let settings = Settings { ahead: true, lips_ahead_ns, partial_interval_ns: 0, ..Settings::default() };
        let mut stream = Stream::new(settings);
        stream.play(60, true).play(40, false);
        stream
    };
    let (without, with) = (play(None), play(Some(500_000_000)));
    assert_eq!(without.told, with.told, "nothing is told of it");
    let kinds: Vec<_> = with.jobs.iter().map(|(kind, _)| *kind).collect();
    let [JobKind::Ahead, lips @ .., JobKind::Final] = kinds.as_slice() else { panic!("{kinds:?}") };
    // Of 600 ms of pause the windows of 32 ms that end after 500.
    assert!((2..=4).contains(&lips.len()) && lips.iter().all(|kind| *kind == JobKind::LipsAhead), "{kinds:?}");
    assert_eq!((without.read, with.read), (1, 1), "the recogniser doesn't listen again");
}

#[test]
fn a_recogniser_that_takes_it_all_back_gives_an_empty_final() {
    let mut stream = Stream::new(Settings::default());
    stream.play(100, true);
    assert!(!stream.told.is_empty());
    stream.p = 0.05;
    stream.play(40, false);
    let last = stream.told.last().unwrap();
    assert!(last.is_final && last.text.is_empty() && last.words.is_empty());
}

#[test]
fn nothing_is_listened_to_without_speech() {
    let mut stream = Stream::new(Settings::default());
    stream.play(500, false).play(5, true).play(500, false).finish();
    assert_eq!((stream.jobs.len(), stream.told.len()), (0, 0));
}

#[test]
fn without_partials_only_finals_are_told() {
    let mut stream = Stream::new(Settings { partial_interval_ns: 0, ..Settings::default() });
    stream.play(100, true).play(40, false).play(100, true).finish();
    let told: Vec<_> = stream.told.iter().map(|told| (told.utterance, told.revision, told.text.clone())).collect();
    assert_eq!(told, [(0, 0, text(0..10)), (1, 0, text(10..20))]);
}

#[test]
fn a_hole_in_the_sound_ends_the_utterance_and_its_words_are_kept() {
    let mut stream = Stream::new(Settings::default());
    stream.play(100, true);
    stream.now += 5_000 * MS;
    stream.play(100, true).finish();
    let texts: Vec<_> = stream.finals().iter().map(|told| told.text.clone()).collect();
    assert_eq!(texts, [text(0..10), text(10..20)]);
}

#[test]
fn endless_speech_is_split_and_the_sound_behind_it_let_go() {
    let mut stream = Stream::new(Settings::default());
    stream.play(5_000, true).finish();
    assert!(stream.finals().len() >= 10);
    let said = stream.finals().iter().map(|told| told.text.clone()).collect::<Vec<_>>().join(" ");
    assert_eq!(said, text(0..500), "no word is lost or doubled at a split");
    let longest = stream.jobs.iter().map(|(_, samples)| *samples).max();
    assert!(longest <= Some(16 * 16_000), "{longest:?}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn whatever_is_played_the_records_are_in_order(parts in prop::collection::vec((1..150u64, any::<bool>(), 0..3000u64), 1..12)) {
        let mut stream = Stream::new(Settings { max_utterance_ns: 6_000 * MS, ..Settings::default() });
        for (windows, speech, hole) in parts {
            stream.now += hole * MS;
            stream.play(windows, speech);
        }
        stream.finish();
        let mut last: Option<&Transcript> = None;
        for told in &stream.told {
            let (number, revision) = last.map_or((0, 0), |last| {
                if last.is_final { (last.utterance + 1, 0) } else { (last.utterance, last.revision + 1) }
            });
            prop_assert_eq!((told.utterance, told.revision), (number, revision));
            prop_assert!(told.start_ns <= told.end_ns);
            for word in &told.words {
                prop_assert!(told.start_ns <= word.start_ns && word.start_ns <= word.end_ns && word.end_ns <= told.end_ns);
            }
            prop_assert!(told.words.windows(2).all(|pair| pair[0].end_ns <= pair[1].start_ns));
            last = Some(told);
        }
        prop_assert!(last.is_none_or(|last| last.is_final), "the last word is a final");
    }
}
