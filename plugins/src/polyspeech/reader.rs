// SPDX-License-Identifier: Apache-2.0
//! Reads the lips of an utterance: whose they are, what the network says of them, and whether that counts.

use std::collections::BTreeMap;
use std::sync::Arc;

use polygraph_core::arbiter::{self, Evidence, Gate, Reading, Weights};
use polygraph_core::ctc::LogProbs;
use polygraph_core::lips::{Calibration, STEP_NS, Watch, motion};
use polygraph_core::record::{LipReading, LipsWhy, TextDoubt, Word};
use polygraph_core::results::{Mouth, NetworkRef};
use polygraph_core::transcription::{Job, JobKind, Read};
use polygraph_core::wer::normalise;
use polygraph_models::card::LipGate;
use polygraph_models::lips::{self, Lips};
use polygraph_models::reading::{
    AREA, CARD, Ears, FEATURES, HEARD, LEAD, MARGIN, Reader, SOUND_CARD, STEP, State, Steps, log_mel,
};
use polygraph_models::{Engine, Error};

use crate::analyser::network_ref;
use crate::polylips::calibration;

/// A picture further from a step is none of its: pictures of 24 a second are 41.7 ms apart.
const NEAR_NS: u64 = 22_000_000;
/// Words may end this much after the last speech window.
const AFTER_NS: u64 = 120_000_000;
/// Steps that one call of the network takes at most: bounds memory.
const MOST_STEPS: usize = 50;
/// Readings beside that with eyes and ears.
const EYES: usize = 1;
const EARS: usize = 2;
/// Steps that the encoder hears before the first that is read. Training had 3 s; 1 s reads as well, and costs half.
const BEFORE: i64 = 25;
/// The last steps of a partial, which the next one reads again: the encoder hears to both sides.
const PROVISIONAL: i64 = 8;
/// Share of an utterance in which a mouth must be seen for its lips to be read.
const LEAST_SEEN: f32 = 0.6;
/// Steps by which is judged whether lips and sound belong together: 3 s, and the reach of offsets.
const SYNC_STEPS: i64 = 75;
/// A confidence in lip-sync that is hardly ever exceeded.
const HIGH_SYNC: f32 = 2.0;
/// Speech that stands out less over the noise may be another's, in dB.
const NOISY_DB: f32 = 10.0;
/// Nanoseconds of a sample at 16 kHz.
const SAMPLE_NS: i64 = 62_500;

/// An utterance's pictures, on the axis of steps.
pub(super) struct Seen<'a> {
    pictures: &'a [(u64, Vec<Mouth>)],
}

impl<'a> Seen<'a> {
    pub(super) fn new(pictures: &'a [(u64, Vec<Mouth>)]) -> Self {
        Self { pictures }
    }

    /// The mouth of a track at a step.
    fn at(&self, track: u64, step: i64) -> Option<&'a Mouth> {
        let time = u64::try_from(step).ok()? * STEP_NS;
        let after = self.pictures.partition_point(|(running, _)| *running < time);
        let near = [after.checked_sub(1), Some(after)].into_iter().flatten().filter_map(|at| self.pictures.get(at));
        let of = near.filter_map(|(running, mouths)| {
            let mouth = mouths.iter().find(|mouth| mouth.track == track)?;
            Some((running.abs_diff(time), mouth))
        });
        of.filter(|(away, _)| *away <= NEAR_NS).min_by_key(|(away, _)| *away).map(|(_, mouth)| mouth)
    }

    /// In how many pictures each track is seen.
    fn tracks(&self) -> BTreeMap<u64, usize> {
        let mut tracks = BTreeMap::new();
        for mouth in self.pictures.iter().flat_map(|(_, mouths)| mouths) {
            *tracks.entry(mouth.track).or_default() += 1;
        }
        tracks
    }
}

/// The steps of an utterance, and where its sound lies among them.
#[derive(Clone, Copy, Debug)]
struct Span {
    first: i64,
    /// Behind the last step whose words count.
    end: i64,
    /// Behind the last step that is read.
    read: i64,
    /// Behind the last step whose sound has come.
    heard: i64,
    /// Running time of PTS 0.
    shift_ns: i64,
}

/// What the network has read of an utterance so far: partials go on where the last one was sure of its sound.
#[derive(Clone, Default)]
struct Progress {
    /// The first step, and whose mouth.
    of: Option<(i64, u64)>,
    next: i64,
    states: [State; 3],
    /// With eyes and ears, with [`EYES`] only and with [`EARS`] only: rows of the steps since the first, the delay left out.
    rows: [Vec<f32>; 3],
}

/// The networks, and what they are in the middle of.
pub(super) struct LipReader {
    reader: Reader,
    twin: Option<Reader>,
    ears: Ears,
    lips: Lips,
    calibration: Option<Calibration>,
    words: Vec<String>,
    delay: usize,
    gate: Option<LipGate>,
    /// Up to the last step that is sure.
    sure: Progress,
    /// Up to the last that was read.
    progress: Progress,
    /// What came of an utterance that was read ahead: its beginning and end, and what was heard.
    ahead: Option<((u64, u64, String), Option<Read>)>,
}

impl LipReader {
    /// Loads the networks; the twin that only hears where all texts are to be compared. `None` where nobody has learnt when
    /// lips help and nobody compares: nothing would come of it.
    pub(super) fn load(engine: &Arc<Engine>, compare: bool) -> Result<Option<Self>, Error> {
        let reader = Reader::load(engine, CARD)?;
        let Some(reading) = reader.reading().cloned() else { return Ok(None) };
        if reading.gate.is_none() && !compare {
            return Ok(None);
        }
        let twin = if compare { Some(Reader::load(engine, SOUND_CARD)?) } else { None };
        let lips = Lips::load(engine)?;
        let calibration = lips.calibration().map(calibration);
        let (words, delay, gate) = (reading.words, reading.delay, reading.gate);
        let (sure, progress, ears) = (Progress::default(), Progress::default(), Ears::load(engine)?);
        Ok(Some(Self { reader, twin, ears, lips, calibration, words, delay, gate, sure, progress, ahead: None }))
    }

    /// The network behind the words.
    pub(super) fn network(&self) -> NetworkRef {
        network_ref(self.reader.identity())
    }

    /// Forgets what it is in the middle of, as at a flush: times may come again.
    pub(super) fn forget(&mut self) {
        (self.sure, self.progress, self.ahead) = (Progress::default(), Progress::default(), None);
    }

    /// How much must have been heard behind the speech for its lips to be read.
    pub(super) fn behind_ns(&self) -> u64 {
        AFTER_NS + (self.delay + MARGIN) as u64 * STEP_NS
    }

    /// Until when, in running time, mouths are needed for a job.
    pub(super) fn needs(&self, job: &Job, shift_ns: i64) -> u64 {
        let last = job.utterance().speech_end_ns() + self.behind_ns();
        (last as i64 + shift_ns).max(0) as u64
    }

    /// Reads what has come of an utterance, or says what was read ahead of it. `seen_ns`: all mouths up to that running time have
    /// come. `None` where nobody is seen.
    ///
    /// # Errors
    /// Those of the networks.
    pub(super) fn read(
        &mut self,
        job: &Job,
        words: &[Word],
        shift_ns: i64,
        seen: &Seen<'_>,
        seen_ns: u64,
    ) -> Result<Option<Read>, Error> {
        let heard = words.iter().map(|word| word.text.as_str()).collect::<Vec<_>>().join(" ");
        let of = (job.utterance().start_ns, job.utterance().speech_end_ns(), heard);
        if job.kind != JobKind::Partial && self.ahead.as_ref().is_some_and(|(known, _)| *known == of) {
            // Asked for again while the pause goes on, or told at its end.
            return Ok(self.ahead.as_ref().and_then(|(_, read)| read.clone()));
        }
        let read = self.look(job, &of.2, shift_ns, seen, seen_ns)?;
        if job.kind == JobKind::LipsAhead {
            self.ahead = Some((of, read.clone()));
        }
        Ok(read)
    }

    fn look(
        &mut self,
        job: &Job,
        heard: &str,
        shift_ns: i64,
        seen: &Seen<'_>,
        seen_ns: u64,
    ) -> Result<Option<Read>, Error> {
        let tracks = seen.tracks();
        if tracks.is_empty() && self.twin.is_none() {
            return Ok(None);
        }
        let span = self.span(job, shift_ns, seen_ns);
        let steps = (span.end - span.first).max(1);
        let least = (steps as f32 * LEAST_SEEN / 2.0) as usize;
        let there: Vec<u64> = tracks.iter().filter(|(_, count)| **count > least).map(|(track, _)| *track).collect();
        // Who fits the sound is dear to know: of one face a partial asks only when all else speaks for its lips.
        let sure = job.kind != JobKind::Partial || there.len() > 1;
        let mut who = if sure { self.who(job, &there, span, seen)? } else { (None, BTreeMap::new()) };
        let track = match (there.as_slice(), who.0) {
            ([track], _) => Some(*track),
            (_, speaker) => speaker,
        };
        let mut told = LipReading { snr_db: arbiter::snr_db(&job.heard.samples), ..LipReading::default() };
        if self.twin.is_some() && job.kind != JobKind::Partial {
            told.sound_text = Some(self.sound_text(job, span)?);
        }
        let Some(track) = track else {
            told.why = if there.is_empty() { LipsWhy::NoMouth } else { LipsWhy::NoSpeaker };
            return Ok(Some(Read { lip_reading: Some(told), always: self.twin.is_some(), ..Read::default() }));
        };
        self.go_on(job, track, span, seen)?;
        let look = Evidence { snr_db: told.snr_db, ..look(seen, track, span) };
        if !sure && self.judge(heard, Evidence { sync: HIGH_SYNC, ..look }, span, told.clone()).words.is_some() {
            who = self.who(job, &there, span, seen)?;
        }
        let evidence = Evidence { sync: who.1.get(&track).copied().unwrap_or(0.0), ..look };
        let mut read = self.judge(heard, evidence, span, told);
        read.speaker_track = who.0.or_else(|| read.words.is_some().then_some(track));
        Ok(Some(read))
    }

    fn span(&self, job: &Job, shift_ns: i64, seen_ns: u64) -> Span {
        let step = STEP_NS as i64;
        let running = |ns: u64| ns as i64 + shift_ns;
        let utterance = job.utterance();
        let first = running(utterance.start_ns).max(0).div_euclid(step) + 1;
        let heard = job.heard.start_ns as i64 + job.heard.samples.len() as i64 * SAMPLE_NS + shift_ns;
        let delay = self.delay as i64;
        let read = match job.kind {
            JobKind::Final | JobKind::Ahead | JobKind::LipsAhead => {
                (running(utterance.speech_end_ns() + AFTER_NS)).div_euclid(step) + 1 + delay
            }
            JobKind::Partial => {
                let seen = i64::try_from(seen_ns / STEP_NS).unwrap_or(i64::MAX) - MARGIN as i64;
                heard.div_euclid(step).min(seen)
            }
        };
        Span { first, end: (read - delay).max(first), read: read.max(first), heard: heard.div_euclid(step), shift_ns }
    }

    /// Who speaks, and how well each one's lips fit the sound.
    fn who(
        &self,
        job: &Job,
        tracks: &[u64],
        span: Span,
        seen: &Seen<'_>,
    ) -> Result<(Option<u64>, BTreeMap<u64, f32>), Error> {
        let Some(calibration) = self.calibration.filter(|_| !tracks.is_empty()) else {
            return Ok((None, BTreeMap::new()));
        };
        let mut watch = Watch::new(calibration);
        let (begin, end) = ((span.end - SYNC_STEPS).max(span.first), span.end);
        for window in &job.utterance().windows {
            let at = |ns: u64| (ns as i64 + span.shift_ns).div_euclid(STEP_NS as i64);
            (at(window.pts.start_ns)..=at(window.pts.end_ns - 1)).for_each(|step| watch.speech(step, window.p));
        }
        let (from, reach) = (begin - polygraph_core::lips::REACH, polygraph_core::lips::REACH);
        let sound = sound_of(job, span, from, (end + reach - from) as usize, [lips::SOUND_MARGIN; 2]).0;
        for (step, vector) in (from..).zip(self.lips.hear(&sound)?) {
            watch.hear(step, vector);
        }
        for track in tracks {
            self.watch(&mut watch, *track, begin..end, seen)?;
        }
        let told = watch.tell(tracks, end - 1);
        let sync = told.faces.iter().filter_map(|(track, sync, _)| Some((*track, sync.confidence?))).collect();
        Ok((told.speaker, sync))
    }

    /// Shows a watch the mouths of a track, each stretch without holes by itself.
    fn watch(&self, watch: &mut Watch, track: u64, steps: std::ops::Range<i64>, seen: &Seen<'_>) -> Result<(), Error> {
        let margin = lips::MOUTH_MARGIN as i64;
        let (mut pixels, mut first) = (Vec::new(), steps.start);
        for step in steps.start - margin..steps.end + margin + 1 {
            let mouth = seen.at(track, step).filter(|_| step < steps.end + margin);
            if let Some(mouth) = mouth {
                if pixels.is_empty() {
                    first = step;
                } else if let Some(before) = seen.at(track, step - 1) {
                    watch.moved(track, step, motion(&before.pixels, &mouth.pixels));
                }
                pixels.extend(mouth.pixels.iter().map(|pixel| f32::from(*pixel)));
                continue;
            }
            for (at, vector) in (first + margin..).zip(self.lips.see(&pixels)?) {
                watch.see(track, at, vector);
            }
            pixels.clear();
        }
        Ok(())
    }

    /// Reads the steps that aren't sure yet, with eyes and ears and with each alone.
    fn go_on(&mut self, job: &Job, track: u64, span: Span, seen: &Seen<'_>) -> Result<(), Error> {
        if self.sure.of != Some((span.first, track)) {
            self.sure = Progress { of: Some((span.first, track)), next: span.first, ..Progress::default() };
        }
        let mut progress = self.sure.clone();
        let sure = if job.kind == JobKind::Final { span.read } else { span.heard - PROVISIONAL };
        while progress.next < span.read {
            let left = (span.read - progress.next) as usize;
            let count = if left > MOST_STEPS + PROVISIONAL as usize { MOST_STEPS } else { left };
            let mut steps = mouths_of(seen, track, progress.next, count);
            self.hear(&mut steps, job, span, progress.next, count)?;
            let settled = (sure - progress.next).clamp(0, count as i64) as usize;
            self.read_steps(&mut progress, span, steps.part(0..settled))?;
            self.sure = progress.clone();
            // Only the last ones aren't.
            self.read_steps(&mut progress, span, steps.part(settled..count))?;
        }
        self.progress = progress;
        Ok(())
    }

    fn read_steps(&self, progress: &mut Progress, span: Span, mut steps: Steps) -> Result<(), Error> {
        let count = steps.sound_mask.len();
        let there = steps.sound_mask.clone();
        for (which, (state, rows)) in progress.states.iter_mut().zip(&mut progress.rows).enumerate() {
            match which {
                EYES => steps.sound_mask.fill(0.0),
                EARS => {
                    steps.sound_mask.clone_from(&there);
                    steps.mouth_mask.fill(0.0);
                }
                _ => {}
            }
            let new = self.reader.read(state, &steps)?;
            // The first rows are of steps before the first.
            let late = (span.first + self.delay as i64 - progress.next).clamp(0, count as i64) as usize;
            rows.extend_from_slice(&new[late * self.reader.classes()..]);
        }
        progress.next += count as i64;
        Ok(())
    }

    /// Adds the sound of some steps. The encoder hears what was before them, and what has come behind them.
    fn hear(&self, steps: &mut Steps, job: &Job, span: Span, first: i64, count: usize) -> Result<(), Error> {
        let (sound, there) = sound_of(job, span, first, count, [LEAD, 0]);
        steps.sound = log_mel(&sound);
        steps.sound.resize(count * FEATURES, 0.0);
        steps.heard = vec![0.0; count * HEARD];
        if there.contains(&1.0) {
            let end = first + count as i64;
            let from = (first - BEFORE).max(span.first);
            let to = span.heard.clamp(end, end + PROVISIONAL);
            let (window, _) = sound_of(job, span, from, (to - from) as usize, [0; 2]);
            steps.heard = self.ears.hear(&window, (first - from) as usize..(end - from) as usize)?;
        }
        steps.sound_mask = there;
        Ok(())
    }

    /// What the twin says that only hears.
    fn sound_text(&self, job: &Job, span: Span) -> Result<String, Error> {
        let Some(twin) = &self.twin else { return Ok(String::new()) };
        let (mut state, mut rows, mut next) = (State::default(), Vec::new(), span.first);
        while next < span.read {
            let count = ((span.read - next) as usize).min(MOST_STEPS);
            let (seen, mut steps) = (count + 2 * MARGIN, Steps::default());
            (steps.mouths, steps.mouth_mask) = (vec![0.0; seen * AREA], vec![0.0; seen]);
            self.hear(&mut steps, job, span, next, count)?;
            rows.extend(twin.read(&mut state, &steps)?);
            next += count as i64;
        }
        let rows = rows.get(self.delay * twin.classes()..).unwrap_or_default();
        let Some(both) = LogProbs::new(rows, twin.classes()) else { return Ok(String::new()) };
        let reading = Reading { words: &self.words, both, lips: both, sound: both };
        let best = both.beam(8).into_iter().next().map(|found| found.classes).unwrap_or_default();
        Ok(reading.spell(best).join(" "))
    }

    /// What comes of it: the words, whether they count, and why.
    fn judge(&self, heard: &str, evidence: Evidence, span: Span, mut told: LipReading) -> Read {
        let classes = self.reader.classes();
        let end = (span.end - span.first) as usize * classes;
        let rows = |which: usize| {
            LogProbs::new(self.progress.rows[which].get(..end).unwrap_or(&self.progress.rows[which]), classes)
        };
        let (Some(both), Some(lips), Some(sound)) = (rows(0), rows(EYES), rows(EARS)) else { return Read::default() };
        let reading = Reading { words: &self.words, both, lips, sound };
        let (alone, certainty) = reading.lips_alone();
        let weights = self.gate.map_or(Weights { lips: 0.0, heard: 0.0 }, |gate| Weights {
            lips: gate.lips_weight,
            heard: gate.heard_weight,
        });
        let text = reading.best(heard, &weights);
        let together: Vec<usize> = text.words.iter().map(|word| word.class).collect();
        let heard_agreement = reading.agreement(&alone, &reading.sound_alone());
        let agreement = reading.agreement(&alone, &together);
        let evidence = Evidence { certainty, agreement, heard: heard_agreement, ..evidence };
        let gate = self.gate.map_or(Gate::SHUT, gate);
        told.weight = gate.p(&evidence);
        let count = alone.len();
        told.lips_text = reading.spell(alone).join(" ");
        let words = reading.spell(together);
        told.text = words.join(" ");
        (told.certainty, told.agreement, told.heard_agreement) = (certainty, agreement, heard_agreement);
        (told.activity, told.seen) = (evidence.activity, evidence.seen);
        told.sync_confidence = (evidence.sync > 0.0).then_some(evidence.sync);
        let still = self.calibration.is_some_and(|known| evidence.activity < known.still);
        told.why = if evidence.seen < LEAST_SEEN {
            LipsWhy::NoMouth
        } else if still {
            LipsWhy::StillMouth
        } else if count < self.gate.map_or(0, |gate| gate.least_words) {
            LipsWhy::Unsure
        } else if gate.confirmed(&evidence) {
            LipsWhy::Sure
        } else if !gate.sure(&evidence) {
            LipsWhy::Unsure
        } else if !gate.synced(&evidence) {
            LipsWhy::Unsynced
        } else {
            LipsWhy::Sure
        };
        told.used = told.why == LipsWhy::Sure;
        let noisy = told.snr_db.is_some_and(|snr| snr < NOISY_DB);
        let doubt = (told.why == LipsWhy::StillMouth && noisy && !heard.is_empty()).then_some(TextDoubt::MouthClosed);
        let normal = normalise(heard);
        let changed = arbiter::changed(&words, &normal.iter().map(String::as_str).collect::<Vec<_>>());
        let pts = |step: usize| ((span.first + step as i64) * STEP_NS as i64 - span.shift_ns).max(0) as u64;
        let spoken = text.words.iter().zip(words.iter().zip(changed)).map(|(word, (text, changed))| Word {
            text: (*text).to_owned(),
            start_ns: pts(word.steps.start),
            end_ns: pts(word.steps.end),
            p: word.p,
            read_from_lips: changed,
        });
        let words = told.used.then(|| spoken.collect());
        Read { words, speaker_track: None, lip_reading: Some(told), doubt, always: self.twin.is_some() }
    }
}

/// How much of a mouth is seen, and how much it moves.
fn look(seen: &Seen<'_>, track: u64, span: Span) -> Evidence {
    let (mut there, mut moved, mut pairs) = (0, 0.0, 0);
    for step in span.first..span.end {
        let Some(mouth) = seen.at(track, step) else { continue };
        there += 1;
        if let Some(before) = seen.at(track, step - 1) {
            moved += motion(&before.pixels, &mouth.pixels);
            pairs += 1;
        }
    }
    let steps = (span.end - span.first).max(1);
    Evidence { seen: there as f32 / steps as f32, activity: moved / pairs.max(1) as f32, ..Evidence::default() }
}

/// The mouths of some steps and their margins.
fn mouths_of(seen: &Seen<'_>, track: u64, first: i64, count: usize) -> Steps {
    let mut steps = Steps::default();
    for step in first - MARGIN as i64..first + (count + MARGIN) as i64 {
        match seen.at(track, step) {
            Some(mouth) => {
                steps.mouths.extend(mouth.pixels.iter().map(|pixel| f32::from(*pixel)));
                steps.mouth_mask.push(1.0);
            }
            None => {
                steps.mouths.resize(steps.mouths.len() + AREA, 0.0);
                steps.mouth_mask.push(0.0);
            }
        }
    }
    steps
}

/// The sound of some steps with so many samples before and after them, silence where there is none; and for each step 1
/// where there was sound.
fn sound_of(job: &Job, span: Span, first: i64, count: usize, [before, after]: [usize; 2]) -> (Vec<f32>, Vec<f32>) {
    let begin = (first * STEP_NS as i64 - span.shift_ns - job.heard.start_ns as i64).div_euclid(SAMPLE_NS);
    let sample = |at: i64| usize::try_from(at).ok().and_then(|at| job.heard.samples.get(at)).copied();
    let sound = (begin - before as i64..begin + (count * STEP + after) as i64).map(|at| sample(at).unwrap_or(0.0));
    let there = (0..count as i64)
        .map(|step| begin + (step + 1) * STEP as i64 - 1)
        .map(|at| f32::from(u8::from(sample(at).is_some())));
    (sound.collect(), there.collect())
}

fn gate(known: LipGate) -> Gate {
    let LipGate { certainty, agreement, offset, least, least_calm, least_sync, sync_per_db, least_heard, .. } = known;
    Gate { certainty, agreement, offset, least, least_calm, least_sync, sync_per_db, least_heard }
}
