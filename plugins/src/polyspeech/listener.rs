// SPDX-License-Identifier: Apache-2.0
//! The task's own state: sound in, transcripts out.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use polygraph_core::accounting::Accounting;
use polygraph_core::record::Transcript;
use polygraph_core::results::{AudioResults, NetworkRef, PtsRange, SpeechWindow};
use polygraph_core::transcription::sound::Join;
use polygraph_core::transcription::{Hypothesis, Job, JobKind, Settings, Token, Transcriber};
use polygraph_models::moonshine::Recogniser;
use polygraph_models::silero::WINDOW;
use polygraph_models::{Engine, Error, Provider};

use super::lips::Lips;
use super::reader::{LipReader, Seen};
use crate::analyser::network_ref;
use crate::polyvoice::speech::Speech;

/// How often a final asks for a free session; each time it waits for the runtime's own deadline.
const TRIES: u32 = 5;

/// Speech windows may come this much later than their sound.
const WINDOWS_LATE_NS: u64 = 300_000_000;

/// Nanoseconds of a sample at 16 kHz.
const SAMPLE_NS: u64 = 62_500;

/// Deviation of the stamps from the count of samples that is no hole.
const JITTER_NS: u64 = 40_000_000;

/// Where the speech windows come from.
enum Activity {
    /// Nobody knows before the first buffer.
    Unknown,
    /// `polyvoice` has measured them.
    Meta,
    /// This element measures them: sound that is not yet a whole window, and the PTS of its first sample.
    Own { pending: Vec<f32>, pts_ns: u64 },
}

/// Everything that recognition of one stream needs.
pub(super) struct Listener {
    transcriber: Transcriber,
    recogniser: Recogniser,
    provider: Provider,
    activity: Activity,
    /// Windows that the transcriber has not been told of: it may have work to do between two of them.
    windows: VecDeque<SpeechWindow>,
    heard_ns: u64,
    speech: Option<Speech>,
    speech_network: Option<NetworkRef>,
    /// The account of the work since it was last collected.
    pub(super) accounting: Accounting,
    /// Finals whose lips were looked at, by what came of it, since that was last collected.
    pub(super) looked: BTreeMap<&'static str, u64>,
    eyes: Option<LipReader>,
    /// Running time of PTS 0.
    shift_ns: i64,
}

impl Listener {
    /// Loads the networks; those that read lips where `eyes` says whether all texts are to be compared.
    pub(super) fn load(provider: Provider, settings: Settings, eyes: Option<bool>) -> Result<Self, Error> {
        let engine: Arc<Engine> = Engine::shared(provider)?;
        Ok(Self {
            transcriber: Transcriber::new(settings),
            recogniser: Recogniser::load(&engine)?,
            provider,
            activity: Activity::Unknown,
            windows: VecDeque::new(),
            heard_ns: 0,
            speech: None,
            speech_network: None,
            accounting: Accounting::default(),
            looked: BTreeMap::new(),
            eyes: eyes.map(|compare| LipReader::load(&engine, compare)).transpose()?.flatten(),
            shift_ns: 0,
        })
    }

    /// Changes the policy while running.
    pub(super) fn set_settings(&mut self, mut settings: Settings) {
        settings.lips_ahead_ns = self.eyes.as_ref().filter(|_| settings.ahead).map(LipReader::behind_ns);
        if *self.transcriber.settings() != settings {
            self.transcriber.set_settings(settings);
        }
    }

    /// Says where PTS stand in running time.
    pub(super) fn set_shift(&mut self, shift_ns: i64) {
        self.shift_ns = shift_ns;
    }

    /// Samples that were no finite numbers so far.
    pub(super) fn bad_samples(&self) -> u64 {
        self.transcriber.bad_samples()
    }

    /// Forgets the sound, as at a flush.
    pub(super) fn reset(&mut self) {
        self.transcriber.reset();
        self.eyes.iter_mut().for_each(LipReader::forget);
        self.forget_speech();
        self.windows.clear();
        self.heard_ns = 0;
        self.activity = Activity::Unknown;
    }

    fn forget_speech(&mut self) {
        self.speech.iter_mut().for_each(Speech::reset);
        if let Activity::Own { pending, .. } = &mut self.activity {
            pending.clear();
        }
    }

    /// Ends the utterance that goes on, as at the end of the stream.
    pub(super) fn finish(&mut self) {
        self.transcriber.finish();
    }

    /// Time goes on without sound.
    pub(super) fn gap(&mut self, end_ns: u64) {
        self.heard_ns = self.heard_ns.max(end_ns + WINDOWS_LATE_NS);
    }

    /// Decides at the first buffer of a stream where speech windows come from.
    pub(super) fn meet(&mut self, results: Option<&AudioResults>) -> Result<(), Error> {
        let network = results.and_then(|results| results.network.clone());
        if network.is_some() {
            self.activity = Activity::Meta;
            self.speech_network = network;
        } else if matches!(self.activity, Activity::Unknown) {
            let speech = match self.speech.take() {
                Some(speech) => speech,
                None => Speech::load(self.provider)?,
            };
            self.speech_network = Some(speech.network());
            self.speech = Some(speech);
            self.activity = Activity::Own { pending: Vec::new(), pts_ns: 0 };
        }
        Ok(())
    }

    /// Takes sound with the speech windows of its meta; [`Listener::work`] until nothing is left, then bring more.
    pub(super) fn hear(&mut self, pts_ns: u64, samples: &[f32], windows: &[SpeechWindow]) -> Result<(), Error> {
        if self.transcriber.push_sound(pts_ns, samples) == Join::Broken {
            self.forget_speech();
        }
        match &self.activity {
            Activity::Own { .. } => self.listen(pts_ns, samples)?,
            _ => self.windows.extend(windows),
        }
        self.heard_ns = pts_ns + samples.len() as u64 * SAMPLE_NS;
        Ok(())
    }

    /// Measures speech activity here.
    fn listen(&mut self, at_ns: u64, samples: &[f32]) -> Result<(), Error> {
        let (Activity::Own { pending, pts_ns }, Some(speech)) = (&mut self.activity, &mut self.speech) else {
            return Ok(());
        };
        let expected = *pts_ns + pending.len() as u64 * SAMPLE_NS;
        if pending.is_empty() || expected.abs_diff(at_ns) > JITTER_NS {
            pending.clear();
            *pts_ns = at_ns;
        }
        pending.extend(samples.iter().map(|sample| if sample.is_finite() { *sample } else { 0.0 }));
        let (windows, rest) = pending.as_chunks::<WINDOW>();
        for window in windows {
            let pts = PtsRange { start_ns: *pts_ns, end_ns: *pts_ns + WINDOW as u64 * SAMPLE_NS };
            *pts_ns = pts.end_ns;
            self.windows.extend(speech.listen(pts, window)?);
        }
        *pending = rest.to_vec();
        Ok(())
    }

    /// Does the next piece of work that is due; `None` when there is none. Partials are left out when `busy`.
    pub(super) fn work(&mut self, busy: bool, lips: &Lips, live: bool) -> Option<Result<Option<Transcript>, Error>> {
        let job = loop {
            if let Some(job) = self.transcriber.poll() {
                break job;
            }
            match self.windows.pop_front() {
                Some(window) => self.transcriber.push_speech(window),
                None => {
                    self.transcriber.advance(self.heard_ns.saturating_sub(WINDOWS_LATE_NS));
                    break self.transcriber.poll()?;
                }
            }
        };
        if job.kind != JobKind::Final && busy {
            self.accounting.skipped("busy");
            return Some(Ok(None));
        }
        Some(self.recognise(job, lips, live))
    }

    fn recognise(&mut self, mut job: Job, lips: &Lips, live: bool) -> Result<Option<Transcript>, Error> {
        let hypothesis = match job.known.take() {
            Some(known) => known,
            None => match self.hypothesis(&job)? {
                Some(hypothesis) => hypothesis,
                None => return Ok(None),
            },
        };
        let transcript = self.answer(job, hypothesis, lips, live)?;
        Ok(transcript.map(|transcript| Transcript { networks: self.networks(&transcript), ..transcript }))
    }

    /// What is heard in a job's sound; nothing when no session is free, which costs all but a final no more than their turn.
    fn hypothesis(&mut self, job: &Job) -> Result<Option<Hypothesis>, Error> {
        let tries = if job.kind == JobKind::Final { TRIES } else { 1 };
        let mut heard = Err(None);
        for _ in 0..tries {
            heard = self.recogniser.transcribe(&job.wave, &job.prefix).map_err(Some);
            if !matches!(heard, Err(Some(Error::Busy { .. }))) {
                break;
            }
        }
        match heard {
            Ok(heard) => {
                self.accounting.analysed();
                let token =
                    |token: polygraph_models::moonshine::Token| Token { id: token.id, text: token.text, p: token.p };
                let tokens = heard.tokens.into_iter().map(token).collect();
                Ok(Some(Hypothesis { tokens, complete: heard.complete }))
            }
            Err(None | Some(Error::Busy { .. })) if job.kind != JobKind::Final => {
                self.accounting.skipped("busy");
                Ok(None)
            }
            Err(None | Some(Error::Busy { .. })) => {
                self.accounting.late();
                Ok(Some(Hypothesis::default()))
            }
            Err(Some(error)) => Err(error),
        }
    }

    /// The transcript of what was heard, and of what the lips say where there are any.
    fn answer(
        &mut self,
        job: Job,
        hypothesis: Hypothesis,
        lips: &Lips,
        live: bool,
    ) -> Result<Option<Transcript>, Error> {
        let Some(eyes) = self.eyes.as_mut().filter(|_| lips.any() && job.kind != JobKind::Ahead) else {
            return Ok(self.transcriber.answer(job, hypothesis));
        };
        let is_final = job.kind == JobKind::Final;
        let until_ns = eyes.needs(&job, self.shift_ns);
        if is_final {
            lips.wait(until_ns, live);
        }
        let from_ns = (job.utterance().start_ns as i64 + self.shift_ns).max(0) as u64;
        let (pictures, seen_ns) = lips.between(from_ns.saturating_sub(1_000_000_000), until_ns);
        // The next window asks again.
        if job.kind == JobKind::LipsAhead && seen_ns < until_ns {
            return Ok(None);
        }
        let (mut failed, shift_ns) = (None, self.shift_ns);
        let transcript = self.transcriber.answer_read(job, hypothesis, |job, words| {
            match eyes.read(job, words, shift_ns, &Seen::new(&pictures), seen_ns) {
                Ok(read) => read,
                Err(error) => {
                    failed = Some(error);
                    None
                }
            }
        });
        match failed {
            // What was heard is told all the same.
            Some(Error::Busy { .. }) => *self.looked.entry("busy").or_default() += 1,
            Some(error) => return Err(error),
            None => {}
        }
        if let Some(reading) = transcript.as_ref().filter(|_| is_final).and_then(|told| told.lip_reading.as_ref()) {
            *self.looked.entry(reading.why.as_str()).or_default() += 1;
            let doubt = transcript.as_ref().is_some_and(|told| told.doubt.is_some());
            *self.looked.entry("doubt-mouth-closed").or_default() += u64::from(doubt);
        }
        Ok(transcript)
    }

    fn networks(&self, transcript: &Transcript) -> Vec<NetworkRef> {
        let recogniser = self.recogniser.identities().into_iter().map(network_ref);
        let eyes = self.eyes.as_ref().filter(|_| transcript.lip_reading.is_some()).map(LipReader::network);
        recogniser.chain(self.speech_network.clone()).chain(eyes).collect()
    }
}
