// SPDX-License-Identifier: Apache-2.0
//! Ties the parts together: sound and speech windows in, work for the recogniser and transcripts out.

use std::collections::VecDeque;

use super::activity::{Segmenter, Utterance};
use super::guard;
use super::partials::{Partials, lengths};
use super::sound::{Join, Sound, Stretch};
use super::words::{Spoken, share_out, words};
use super::{Hypothesis, Settings};
use crate::record::{LipReading, TextDoubt, Transcript, Word, WordTimes};
use crate::results::{PtsRange, SpeechWindow};

/// Sound from before an utterance that its lips are read with.
const BEFORE_NS: u64 = 150_000_000;

/// Sound that is kept beyond the pre-roll: speech windows may come this much later than their sound.
const SLACK_NS: u64 = 1_000_000_000;

/// What a job's answer will be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JobKind {
    /// A revision that others will follow; may be left out under load.
    Partial,
    /// What will be the final if the pause that goes on ends the utterance: nothing is told of it yet. May be left out under load.
    Ahead,
    /// The same once more, with what was heard, when there is enough behind it for its lips. May be left out under load.
    LipsAhead,
    /// The last word on an utterance.
    Final,
}

/// Sound to be transcribed; give it back with the [`Hypothesis`] to [`Transcriber::answer`].
#[derive(Debug)]
pub struct Job {
    /// Partial or final.
    pub kind: JobKind,
    /// 16 kHz mono.
    pub wave: Vec<f32>,
    /// Tokens already settled for the start of this sound.
    pub prefix: Vec<u32>,
    /// Of what was read ahead: what was heard in the very same sound.
    pub known: Option<Hypothesis>,
    /// All that was heard from shortly before the utterance until now, for who listens with lips in view.
    pub heard: Stretch,
    utterance: Utterance,
    progress: Progress,
}

impl Job {
    /// The speech so far.
    pub fn utterance(&self) -> &Utterance {
        &self.utterance
    }
}

/// What lips make of a text; see [`crate::arbiter`].
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Read {
    /// The words with their times by alignment; `None` leaves those that were heard.
    pub words: Option<Vec<Word>>,
    /// Whose they are.
    pub speaker_track: Option<u64>,
    /// What the lips said.
    pub lip_reading: Option<LipReading>,
    /// Why to take the text with care.
    pub doubt: Option<TextDoubt>,
    /// Tell a final even when it has no words.
    pub always: bool,
}

/// What is known of an utterance besides its speech.
#[derive(Clone, Debug)]
struct Progress {
    partials: Partials,
    /// Number and revisions of the utterance, once something has been said of it.
    told: Option<(u64, u32)>,
}

impl Progress {
    fn of(utterance: &Utterance) -> Self {
        Self { partials: Partials::new(utterance), told: None }
    }
}

/// A final that is read before anybody knows whether it is one.
#[derive(Clone, Debug)]
struct Ahead {
    span: PtsRange,
    /// Once it is answered.
    heard: Option<Hypothesis>,
    /// What had been heard when its lips were last asked for: they may have been late.
    lips_ns: u64,
}

/// The state machine of streaming recognition. Times are PTS in nanoseconds.
#[derive(Debug)]
pub struct Transcriber {
    settings: Settings,
    sound: Sound,
    segmenter: Segmenter,
    progress: Option<Progress>,
    ahead: Option<Ahead>,
    ended: VecDeque<Job>,
    utterances: u64,
}

impl Transcriber {
    /// A stream that begins.
    pub fn new(settings: Settings) -> Self {
        Self {
            settings,
            sound: Sound::default(),
            segmenter: Segmenter::default(),
            progress: None,
            ahead: None,
            ended: VecDeque::new(),
            utterances: 0,
        }
    }

    /// How the stream is cut.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Changes how the stream is cut, from the next window on.
    pub fn set_settings(&mut self, settings: Settings) {
        self.settings = settings;
    }

    /// Takes sound, 16 kHz mono in -1..=1, ahead of its speech windows. Small holes become silence; a hole over a
    /// second ends the utterance.
    pub fn push_sound(&mut self, pts_ns: u64, samples: &[f32]) -> Join {
        if self.sound.joins(pts_ns) == Join::Broken {
            self.finish();
        }
        self.sound.push(pts_ns, samples)
    }

    /// Samples that were no finite numbers so far.
    pub fn bad_samples(&self) -> u64 {
        self.sound.bad_samples()
    }

    /// Takes the speech probability of the next window of sound.
    pub fn push_speech(&mut self, window: SpeechWindow) {
        let ended = self.segmenter.push(window, &self.settings);
        self.end(ended);
        let mut needed_ns = window.pts.end_ns.saturating_sub(self.settings.pre_roll_ns + SLACK_NS);
        if let Some(open) = self.segmenter.open() {
            needed_ns = needed_ns.min(open.start_ns);
            self.progress.get_or_insert_with(|| Progress::of(open));
        }
        self.sound.drop_before(needed_ns);
    }

    /// Time goes on to `now_ns` without speech windows, as in a gap.
    pub fn advance(&mut self, now_ns: u64) {
        let ended = self.segmenter.advance(now_ns, &self.settings);
        self.end(ended);
    }

    /// Nothing more will come, or not for now: ends the utterance that goes on.
    pub fn finish(&mut self) {
        let ended = self.segmenter.finish();
        self.end(ended);
    }

    /// Forgets everything but the count of utterances, as at a flush.
    pub fn reset(&mut self) {
        self.sound.clear();
        self.segmenter = Segmenter::default();
        self.progress = None;
        self.ahead = None;
        self.ended.clear();
    }

    fn end(&mut self, ended: Option<Utterance>) {
        let Some(utterance) = ended else { return };
        let progress = self.progress.take().unwrap_or_else(|| Progress::of(&utterance));
        let ahead = self.ahead.take();
        // Too little speech and nothing said of it: nothing to take back either.
        if guard::heard(&utterance, &self.settings.guard).is_err() && progress.told.is_none() {
            return;
        }
        let span = self.whole(&utterance);
        let known = ahead.filter(|ahead| ahead.span == span).and_then(|ahead| ahead.heard);
        let job = self.whole_job(JobKind::Final, span, utterance, progress);
        self.ended.push_back(Job { known, ..job });
    }

    /// The sound of an utterance that ends where its speech does.
    fn whole(&self, utterance: &Utterance) -> PtsRange {
        let end_ns = utterance.heard_ns().min(utterance.speech_end_ns() + self.settings.pre_roll_ns);
        PtsRange { start_ns: utterance.start_ns, end_ns }
    }

    fn whole_job(&self, kind: JobKind, span: PtsRange, utterance: Utterance, progress: Progress) -> Job {
        let wave = self.sound.between(span.start_ns, span.end_ns).to_vec();
        let heard = self.heard(&utterance);
        Job { kind, wave, prefix: Vec::new(), known: None, heard, utterance, progress }
    }

    fn heard(&self, utterance: &Utterance) -> Stretch {
        self.sound.stretch(utterance.start_ns.saturating_sub(BEFORE_NS), self.sound.end_ns())
    }

    /// The next stretch of sound to transcribe, if any. Ask until there is none after each speech window.
    pub fn poll(&mut self) -> Option<Job> {
        self.ended
            .pop_front()
            .or_else(|| self.ahead_job())
            .or_else(|| self.lips_ahead_job())
            .or_else(|| self.partial_job())
    }

    /// The final, as soon as all of its sound is there: the rest of the pause is long enough to read it in. Speech that goes on
    /// makes it worthless, so it is read once a pause.
    fn ahead_job(&mut self) -> Option<Job> {
        let utterance = self.segmenter.open().filter(|open| self.settings.ahead && !open.speaking())?;
        let span = self.whole(utterance);
        let there = utterance.heard_ns() >= utterance.speech_end_ns() + self.settings.pre_roll_ns;
        let begun = self.ahead.as_ref().is_some_and(|ahead| ahead.span == span);
        if !there || begun || guard::heard(utterance, &self.settings.guard).is_err() {
            return None;
        }
        let progress = self.progress.clone().unwrap_or_else(|| Progress::of(utterance));
        let job = self.whole_job(JobKind::Ahead, span, utterance.clone(), progress);
        self.ahead = Some(Ahead { span, heard: None, lips_ns: 0 });
        Some(job)
    }

    /// What was read ahead, for its lips; once a window of speech activity.
    fn lips_ahead_job(&mut self) -> Option<Job> {
        let needed_ns = self.settings.lips_ahead_ns?;
        let utterance = self.segmenter.open().filter(|open| !open.speaking())?;
        let (span, heard_ns) = (self.whole(utterance), utterance.heard_ns());
        let ahead = self.ahead.as_mut().filter(|ahead| ahead.span == span && ahead.lips_ns < heard_ns)?;
        if heard_ns < utterance.speech_end_ns() + needed_ns {
            return None;
        }
        let known = Some(ahead.heard.clone()?);
        ahead.lips_ns = heard_ns;
        let progress = self.progress.clone().unwrap_or_else(|| Progress::of(utterance));
        let job = self.whole_job(JobKind::LipsAhead, span, utterance.clone(), progress);
        Some(Job { known, ..job })
    }

    fn partial_job(&mut self) -> Option<Job> {
        let utterance = self.segmenter.open()?;
        let progress = self.progress.as_mut()?;
        if !progress.partials.due(utterance, progress.told.is_some(), &self.settings)
            || guard::heard(utterance, &self.settings.guard).is_err()
        {
            return None;
        }
        let (window, prefix) = progress.partials.begin(utterance.heard_ns(), &self.settings);
        let wave = self.sound.between(window.start_ns, window.end_ns).to_vec();
        let (utterance, progress) = (utterance.clone(), progress.clone());
        let heard = self.heard(&utterance);
        Some(Job { kind: JobKind::Partial, wave, prefix, known: None, heard, utterance, progress })
    }

    /// Takes the recogniser's answer. Nothing comes of it when the guards refuse it, unless there are partials to
    /// take back: then an empty final; and nothing yet when it was read ahead. `networks` of the transcript is empty.
    pub fn answer(&mut self, job: Job, hypothesis: Hypothesis) -> Option<Transcript> {
        self.answer_read(job, hypothesis, |_, _| None)
    }

    /// The same, where lips may have a say: `read` is given the job and the words that are believed, and says what becomes
    /// of them. What it says of lips read ahead is for itself to remember.
    pub fn answer_read(
        &mut self,
        job: Job,
        hypothesis: Hypothesis,
        read: impl FnOnce(&Job, &[Word]) -> Option<Read>,
    ) -> Option<Transcript> {
        let Job { kind, utterance, .. } = &job;
        let mut progress = job.progress.clone();
        let spoken = guard::cut_repeats(words(&hypothesis.tokens));
        // All that was heard is believed or not, also where a part of it is told.
        let (timed, believed, end_ns) = match kind {
            JobKind::Partial => {
                progress.partials.answer(spoken, utterance);
                let all: Vec<_> = progress.partials.words().map(|timed| timed.word.clone()).collect();
                let told = progress.partials.told().map(|timed| (timed.word.clone(), timed.pts)).collect();
                (told, self.believes(&all, utterance), utterance.heard_ns())
            }
            JobKind::Ahead => {
                let span = self.whole(utterance);
                // Of an utterance that is over by now it is of no use.
                if let Some(ahead) = self.ahead.as_mut().filter(|ahead| ahead.span == span) {
                    ahead.heard = Some(hypothesis);
                }
                return None;
            }
            JobKind::LipsAhead | JobKind::Final => {
                let believed = self.believes(&spoken, utterance);
                (spread(spoken, utterance), believed, utterance.speech_end_ns())
            }
        };
        let timed = if believed { timed } else { Vec::new() };
        let word = |(word, pts): (Spoken, PtsRange)| Word {
            text: word.text,
            start_ns: pts.start_ns,
            end_ns: pts.end_ns,
            p: word.p,
            read_from_lips: false,
        };
        let heard: Vec<Word> = timed.into_iter().map(word).collect();
        let read = read(&job, &heard);
        if *kind == JobKind::LipsAhead {
            return None;
        }
        let transcript = self.tell(&job, heard, read, end_ns, &mut progress);
        if job.kind == JobKind::Partial {
            self.progress = Some(progress);
        }
        transcript
    }

    fn believes(&self, spoken: &[Spoken], utterance: &Utterance) -> bool {
        let limits = &self.settings.guard;
        guard::heard(utterance, limits).and_then(|()| guard::believed(spoken, utterance, limits)).is_ok()
    }

    /// The transcript of some words, and the book-keeping of its number and revision.
    fn tell(
        &mut self,
        job: &Job,
        heard: Vec<Word>,
        read: Option<Read>,
        end_ns: u64,
        progress: &mut Progress,
    ) -> Option<Transcript> {
        let is_final = job.kind == JobKind::Final;
        let audio_only_text = read.as_ref().map(|_| text(&heard));
        let Read { words, speaker_track, lip_reading, doubt, always } = read.unwrap_or_default();
        let word_times = if words.is_some() { WordTimes::Aligned } else { WordTimes::Estimated };
        let words = words.unwrap_or(heard);
        if words.is_empty() && ((progress.told.is_none() && !always) || !is_final) {
            return None;
        }
        let (number, revision) = match progress.told {
            Some((number, revision)) => (number, revision + 1),
            None => {
                self.utterances += 1;
                (self.utterances - 1, 0)
            }
        };
        progress.told = Some((number, revision));
        let start_ns = speech_start(&job.utterance);
        Some(Transcript {
            utterance: number,
            revision,
            // Lips move before anything is heard.
            start_ns: words.first().map_or(start_ns, |word| word.start_ns.min(start_ns)),
            end_ns: words.last().map_or(end_ns, |word| word.end_ns.max(end_ns)),
            is_final,
            text: text(&words),
            words,
            word_times,
            speaker_track,
            audio_only_text,
            lip_reading,
            doubt,
            networks: Vec::new(),
        })
    }
}

fn text(words: &[Word]) -> String {
    words.iter().map(|word| word.text.as_str()).collect::<Vec<_>>().join(" ")
}

fn speech_start(utterance: &Utterance) -> u64 {
    utterance.speech().next().map_or(utterance.start_ns, |window| window.pts.start_ns)
}

/// Shares the words of a final out over the utterance's speech.
fn spread(spoken: Vec<Spoken>, utterance: &Utterance) -> Vec<(Spoken, PtsRange)> {
    let speech: Vec<PtsRange> = utterance.speech().map(|window| window.pts).collect();
    let times = share_out(&lengths(spoken.iter()), &speech);
    spoken.into_iter().zip(times).collect()
}
