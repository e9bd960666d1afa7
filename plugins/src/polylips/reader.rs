// SPDX-License-Identifier: Apache-2.0
//! Reads the lips: mouths and sound become steps of 40 ms, steps become vectors, and frames are told what these say.

use std::collections::{BTreeMap, VecDeque};

use polygraph_core::lips::{self, Calibration, STEP_NS, WINDOWS, Watch, WindowCalibration};
use polygraph_core::record::Frame;
use polygraph_core::results::{Heard, MOUTH_SIDE, Mouth, NetworkRef, SpeechWindow};
use polygraph_models::card::{LipSync, LipSyncWindow};
use polygraph_models::lips::{Lips, MOUTH_MARGIN, SOUND_MARGIN, STEP};
use polygraph_models::{Engine, Error};

use crate::analyser::{Provider, network_ref};

/// Pictures, and pieces of sound, that wait for a frame to be told of, at most: twice what the join holds.
const MOST_WAITING: usize = 2048;
/// How far from a step the picture may lie that is taken for it: pictures of 24 a second are 41.7 ms apart.
const NEAR_NS: u64 = 22_000_000;
/// Sound that is this much later than a picture has nothing to do with it: the reach of offsets, and a margin.
const AHEAD_NS: u64 = (lips::REACH as u64 + 10) * STEP_NS;
/// How much sound a picture of a file has to wait for: what is looked at, and what a resampler may still hold of it. Then the
/// findings are the same in every run.
pub(super) const WAIT_NS: u64 = AHEAD_NS + 5 * STEP_NS;
/// Samples a second of the sound.
const RATE: u64 = 16_000;
/// Steps that one call of a network takes at most: bounds memory after a pause.
const MOST_STEPS: usize = 50;

/// What came in since the last frame; times are running time.
#[derive(Debug, Default)]
pub(super) struct Inbox {
    mouths: VecDeque<(u64, Vec<Mouth>)>,
    sounds: VecDeque<(Vec<SpeechWindow>, Vec<Heard>)>,
    /// All of before is void.
    reset: bool,
    /// Pieces that had to make room.
    pub(super) dropped: u64,
}

impl Inbox {
    /// Takes the mouths of a picture.
    pub(super) fn see(&mut self, running_ns: u64, mouths: Vec<Mouth>) {
        self.dropped += u64::from(self.mouths.len() >= MOST_WAITING && self.mouths.pop_front().is_some());
        self.mouths.push_back((running_ns, mouths));
    }

    /// Takes sound, and what is known of the speech in it.
    pub(super) fn hear(&mut self, speech: Vec<SpeechWindow>, heard: Vec<Heard>) {
        self.dropped += u64::from(self.sounds.len() >= MOST_WAITING && self.sounds.pop_front().is_some());
        self.sounds.push_back((speech, heard));
    }

    /// Forgets everything, as at a seek.
    pub(super) fn flush(&mut self) {
        *self = Self { reset: true, dropped: self.dropped, ..Self::default() };
    }

    /// The mouths up to a running time, and the sound that may belong to them: what comes later is another frame's. The
    /// sound of a file may be far ahead.
    pub(super) fn take(&mut self, until_ns: u64) -> Self {
        let due = self.mouths.partition_point(|(running, _)| *running <= until_ns);
        let later = self.mouths.split_off(due);
        let begins = |heard: &[Heard]| heard.first().map_or(0, |heard| heard.pts.start_ns);
        let due = self.sounds.partition_point(|(_, heard)| begins(heard) < until_ns.saturating_add(AHEAD_NS));
        let unheard = self.sounds.split_off(due);
        Self {
            mouths: std::mem::replace(&mut self.mouths, later),
            sounds: std::mem::replace(&mut self.sounds, unheard),
            reset: std::mem::take(&mut self.reset),
            dropped: 0,
        }
    }
}

/// The mouths of a face that have no vector yet, and the margin before them.
#[derive(Debug, Default)]
struct Mouths {
    /// The step of the first one.
    first: i64,
    /// Pixels, one mouth after the other.
    pixels: Vec<f32>,
    last: Option<(u64, Mouth)>,
}

/// The sound that has no vector yet, and the margin before it.
#[derive(Debug, Default)]
struct Sound {
    /// The first sample, counted from running time 0.
    first: i64,
    samples: Vec<f32>,
}

/// Reads the lips of one stream.
pub(super) struct Reader {
    lips: Lips,
    watch: Watch,
    networks: [NetworkRef; 2],
    mouths: BTreeMap<u64, Mouths>,
    sound: Sound,
}

impl Reader {
    /// Loads the networks. `None` where nobody has calibrated them: nothing could be said.
    pub(super) fn load(provider: Provider) -> Result<Option<Self>, Error> {
        let lips = Lips::load(&Engine::shared(provider.into())?)?;
        let Some(calibration) = lips.calibration().map(calibration) else { return Ok(None) };
        let networks = lips.identities().map(network_ref);
        let (watch, sound) = (Watch::new(calibration), Sound::default());
        Ok(Some(Self { lips, watch, networks, mouths: BTreeMap::new(), sound }))
    }

    /// Takes what came, and adds to a frame at a running time what it says of its faces.
    pub(super) fn read(&mut self, inbox: Inbox, running_ns: u64, frame: &mut Frame) -> Result<(), Error> {
        if inbox.reset {
            self.watch.reset();
            self.mouths.clear();
            self.sound = Sound::default();
        }
        for (speech, heard) in inbox.sounds {
            self.hear(&speech, &heard)?;
        }
        for (at_ns, mouths) in inbox.mouths {
            for mouth in mouths {
                self.see(at_ns, mouth)?;
            }
        }
        let step = step_of(running_ns);
        self.mouths.retain(|_, mouths| step - mouths.first < WINDOWS[0] as i64);
        self.look()?;
        if frame.faces.is_empty() {
            return Ok(());
        }
        let tracks: Vec<u64> = frame.faces.iter().map(|face| face.track).collect();
        let told = self.watch.tell(&tracks, step);
        for (face, (_, sync, speaking)) in frame.faces.iter_mut().zip(told.faces) {
            (face.lip_sync, face.speaking) = (Some(sync), speaking);
        }
        (frame.speaker_track, frame.no_visible_speech) = (told.speaker, told.no_visible_speech);
        // Who has no score needs no network's name.
        if frame.faces.iter().any(|face| face.lip_sync.is_some_and(|sync| sync.confidence.is_some())) {
            frame.networks.extend(self.networks.iter().cloned());
        }
        Ok(())
    }

    /// Leaves out what has no vector yet, because nobody was free to make one.
    pub(super) fn skip(&mut self) {
        self.mouths.clear();
        self.sound = Sound::default();
    }

    fn hear(&mut self, speech: &[SpeechWindow], heard: &[Heard]) -> Result<(), Error> {
        for window in speech {
            for step in step_of(window.pts.start_ns)..=step_of(window.pts.end_ns.saturating_sub(1)) {
                self.watch.speech(step, window.p);
            }
        }
        for Heard { pts, samples } in heard {
            let at = (u128::from(pts.start_ns) * u128::from(RATE) / 1_000_000_000) as i64;
            let end = self.sound.first + self.sound.samples.len() as i64;
            // Rounding moves a sample or two; a hole begins anew, and what overlaps is heard once.
            if self.sound.samples.is_empty() || (at - end).abs() > 32 {
                self.sound = Sound { first: at, samples: Vec::new() };
            }
            self.sound.samples.extend_from_slice(samples);
            if self.sound.samples.len() >= MOST_STEPS * STEP + 2 * SOUND_MARGIN {
                self.listen()?;
            }
        }
        self.listen()
    }

    /// Makes vectors of all whole steps of the sound.
    fn listen(&mut self) -> Result<(), Error> {
        let Sound { first, samples } = &mut self.sound;
        let (step, margin) = (STEP as i64, SOUND_MARGIN as i64);
        // The first step whose margin is there.
        let begin = (*first + margin).div_euclid(step) + i64::from((*first + margin).rem_euclid(step) != 0);
        let skip = (begin * step - margin - *first) as usize;
        let Some(sound) = samples.get(skip..).filter(|sound| sound.len() >= STEP + 2 * SOUND_MARGIN) else {
            return Ok(());
        };
        let vectors = self.lips.hear(sound)?;
        let used = skip + vectors.len() * STEP;
        for (at, vector) in (begin..).zip(vectors) {
            self.watch.hear(at, vector);
        }
        samples.drain(..used);
        *first += used as i64;
        Ok(())
    }

    /// Puts a mouth on the steps that it is the nearest picture of.
    fn see(&mut self, at_ns: u64, mouth: Mouth) -> Result<(), Error> {
        let track = mouth.track;
        let mouths = self.mouths.entry(track).or_default();
        let before = mouths.last.replace((at_ns, mouth.clone()));
        let Some((before_ns, before)) = before else { return Ok(()) };
        // Steps between the two pictures: each takes the nearer one.
        for step in step_of(before_ns + STEP_NS - 1)..=step_of(at_ns.saturating_sub(1).max(before_ns)) {
            let time = step.unsigned_abs() * STEP_NS;
            if time < before_ns || time >= at_ns {
                continue;
            }
            let (near, away) =
                if time - before_ns <= at_ns - time { (&before, time - before_ns) } else { (&mouth, at_ns - time) };
            if away > NEAR_NS {
                continue;
            }
            let next = mouths.first + (mouths.pixels.len() / AREA) as i64;
            if mouths.pixels.is_empty() || step != next {
                (mouths.first, mouths.pixels) = (step, Vec::new());
            } else {
                let last = &mouths.pixels[mouths.pixels.len() - AREA..];
                let last: Vec<u8> = last.iter().map(|pixel| *pixel as u8).collect();
                self.watch.moved(track, step, lips::motion(&last, &near.pixels));
            }
            mouths.pixels.extend(near.pixels.iter().map(|pixel| f32::from(*pixel)));
        }
        if mouths.pixels.len() >= MOST_STEPS * AREA { self.look() } else { Ok(()) }
    }

    /// Makes vectors of all mouths that have their margin.
    fn look(&mut self) -> Result<(), Error> {
        for (track, mouths) in &mut self.mouths {
            let vectors = self.lips.see(&mouths.pixels)?;
            let used = vectors.len();
            for (step, vector) in (mouths.first + MOUTH_MARGIN as i64..).zip(vectors) {
                self.watch.see(*track, step, vector);
            }
            mouths.pixels.drain(..used * AREA);
            mouths.first += used as i64;
        }
        Ok(())
    }
}

/// Pixels of a mouth.
const AREA: usize = MOUTH_SIDE * MOUTH_SIDE;

/// The step that a running time lies in.
fn step_of(running_ns: u64) -> i64 {
    (running_ns / STEP_NS) as i64
}

pub(crate) fn calibration(card: &LipSync) -> Calibration {
    let window = |steps: usize| {
        let known = card.windows.iter().find(|window| window.seconds as usize * 25 == steps)?;
        let LipSyncWindow { scale, offset, far, least_confidence, threshold, .. } = *known;
        Some(WindowCalibration { steps, scale, offset, far, least_confidence, threshold })
    };
    Calibration { windows: WINDOWS.map(window), speaking: card.speaking, still: card.still, talks: card.talks }
}
