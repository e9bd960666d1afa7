// SPDX-License-Identifier: Apache-2.0
//! Lips and sound: whether they belong together, by how much one is late, and who speaks.
//!
//! Two networks give a vector for each 40 ms of a mouth and of the sound; vectors of the same moment are alike. All that
//! is made of this likeness is here, and pure: [`Watch`] is fed vectors by the step on the axis of running time, and asked
//! about a face at a step. After SyncNet (Chung and Zisserman, 2016): the offset is where the likeness, averaged over a
//! window, is greatest; the confidence is how far that stands out over the median of all offsets.

mod face;
mod limits;

use std::collections::VecDeque;

use crate::results::LipSync;

pub use face::motion;
use face::{Face, Speaks};
pub use limits::{BT1359, Bt1359};

/// Length of a step in ns: 25 a second.
pub const STEP_NS: u64 = 40_000_000;
/// Values of a vector.
pub const SIZE: usize = 128;
/// Largest offset that is looked at, in steps: 600 ms.
pub const REACH: i64 = 15;
/// The largest offset that cameras, encoders and networks between them are known to make, in steps: 200 ms.
pub const NEAR: i64 = 5;
/// Windows that are judged, in steps, the longest first: 6, 3 and 1 s.
pub const WINDOWS: [usize; 3] = [150, 75, 25];
/// What is kept of the sound, in steps: the longest window, and the reach on both of its sides.
const KEPT: usize = WINDOWS[0] + 2 * REACH as usize + 25;
/// Faces that are followed at most; the ones that were seen last.
const MOST_FACES: usize = 32;
/// Share of a window's steps that must be there.
const LEAST_SHARE: f32 = 0.6;
/// Steps of speech that a window must have: 0.6 s of the shortest, a second of the others.
fn least_spoken(steps: usize) -> usize {
    (steps * 3 / 5).min(25)
}

/// From this probability on a step is speech.
const SPEECH: f32 = 0.5;
/// Steps through which a mouth is watched before it is held to be still: 2 s.
const SILENT_STEPS: usize = 50;
/// Steps of speech in the last second from which on somebody is heard: a third of it, for people pause.
const HEARD_STEPS: usize = 8;

/// A vector of length 1.
pub type Vector = [f32; SIZE];

/// What likeness means for one length of window; fixed on calibration clips.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct WindowCalibration {
    /// Steps of the window.
    pub steps: usize,
    /// Probability of a mismatch is `sigmoid(scale * confidence + offset)`, and `far` more where the best offset is more than
    /// [`NEAR`] steps; the scale is negative.
    pub scale: f32,
    /// See `scale`.
    pub offset: f32,
    /// See `scale`. One's own sound is seldom so far off; of foreign sound any offset is as likely as another.
    pub far: f32,
    /// From this confidence on the offset can be believed.
    pub least_confidence: f32,
    /// From this probability of a mismatch on there are signs of one.
    pub threshold: f32,
}

impl WindowCalibration {
    /// Probability that lips and sound don't belong together, which fit best `late` steps apart.
    fn mismatch(&self, confidence: f32, late: i64) -> f32 {
        let far = if late.abs() > NEAR { self.far } else { 0.0 };
        1.0 / (1.0 + (-(self.scale * confidence + self.offset + far)).exp())
    }
}

/// What the networks' card says about their vectors.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Calibration {
    /// For each of [`WINDOWS`]; `None` where that window isn't judged.
    pub windows: [Option<WindowCalibration>; WINDOWS.len()],
    /// From this probability on that it is the one who is heard, among all faces and nobody, a face is said to speak.
    pub speaking: f32,
    /// Motion under which a mouth is still.
    pub still: f32,
    /// Motion from which on a mouth moves as those of people who talk do: under it nothing is said of lips and sound.
    pub talks: f32,
}

/// What is told of all faces at one moment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Told {
    /// Track and findings of each face that was asked about, and whether it speaks; in the order asked.
    pub faces: Vec<(u64, LipSync, Option<bool>)>,
    /// Who speaks.
    pub speaker: Option<u64>,
    /// Somebody speaks, and it is none of the faces.
    pub no_visible_speech: Option<bool>,
}

/// The sound of one step.
#[derive(Clone, Debug, Default)]
struct Heard {
    vector: Option<Box<Vector>>,
    speech: Option<f32>,
}

/// The sound of the last seconds, by step.
#[derive(Clone, Debug, Default)]
struct Sound {
    first: i64,
    steps: VecDeque<Heard>,
}

impl Sound {
    fn at(&self, step: i64) -> Option<&Heard> {
        self.steps.get(usize::try_from(step - self.first).ok()?)
    }

    /// The place of a step; steps too old have none.
    fn place(&mut self, step: i64) -> Option<&mut Heard> {
        if self.steps.is_empty() || step - self.first > 2 * KEPT as i64 {
            self.steps.clear();
            self.first = step;
        }
        let at = usize::try_from(step - self.first).ok()?;
        while self.steps.len() <= at {
            self.steps.push_back(Heard::default());
        }
        let over = self.steps.len().saturating_sub(KEPT);
        self.steps.drain(..over);
        self.first += over as i64;
        self.steps.get_mut(at.checked_sub(over)?)
    }

    /// How many of the `count` steps that end before `end` are known to be speech.
    fn spoken(&self, end: i64, count: usize) -> usize {
        let speech = |step| self.at(step).and_then(|heard| heard.speech);
        (end - count as i64..end).filter(|step| speech(*step).is_some_and(|p| p >= SPEECH)).count()
    }
}

/// Watches the lips of a stream.
#[derive(Clone, Debug)]
pub struct Watch {
    calibration: Calibration,
    sound: Sound,
    faces: Vec<Face>,
}

impl Watch {
    /// A watch that has seen nothing.
    pub fn new(calibration: Calibration) -> Self {
        Self { calibration, sound: Sound::default(), faces: Vec::new() }
    }

    /// Takes the sound's vector of a step.
    pub fn hear(&mut self, step: i64, vector: Vector) {
        if let Some(place) = self.sound.place(step) {
            place.vector = Some(Box::new(vector));
        }
    }

    /// Takes the speech probability of a step.
    pub fn speech(&mut self, step: i64, p: f32) {
        if let Some(place) = self.sound.place(step) {
            place.speech = Some(p);
        }
    }

    /// Takes the vector of a face's mouth at a step.
    pub fn see(&mut self, track: u64, step: i64, vector: Vector) {
        self.face(track).see(step, vector);
    }

    /// Takes how much a face's mouth moved from the step before to this one, by [`motion`].
    pub fn moved(&mut self, track: u64, step: i64, motion: f32) {
        self.face(track).moved(step, motion);
    }

    /// What is to be told of these faces at a step.
    pub fn tell(&mut self, tracks: &[u64], step: i64) -> Told {
        let Self { calibration, sound, faces } = self;
        let mut told: Vec<_> = tracks.iter().map(|track| (*track, LipSync::default(), None)).collect();
        let mut found = Vec::new();
        for (at, (track, sync, _)) in told.iter_mut().enumerate() {
            let Some(face) = faces.iter_mut().find(|face| face.track == *track) else {
                sync.reason_not = Some(crate::results::SyncReasonNot::Unclear);
                continue;
            };
            face.compare(sound, step);
            *sync = face.judge(calibration, sound, step);
            found.push((at, face.speaks(calibration, sound, step)));
        }
        let talking = sound.spoken(step + 1, WINDOWS[WINDOWS.len() - 1]) >= HEARD_STEPS;
        let best = speaker(&found, calibration.speaking);
        let silent = |speaks: &Speaks| matches!(speaks, Speaks::No | Speaks::Perhaps { never: true, .. });
        for (at, speaks) in &found {
            told[*at].2 = match best {
                Some(speaker) => Some(speaker == *at),
                None => silent(speaks).then_some(false),
            };
        }
        let all_silent = found.len() == tracks.len() && found.iter().all(|(_, speaks)| silent(speaks));
        let no_visible_speech = match (talking && !tracks.is_empty(), best) {
            (true, Some(_)) => Some(false),
            (true, None) if all_silent => Some(true),
            _ => None,
        };
        Told { speaker: best.map(|at| told[at].0), faces: told, no_visible_speech }
    }

    /// Forgets everything, as at a seek.
    pub fn reset(&mut self) {
        self.sound = Sound::default();
        self.faces.clear();
    }

    /// The face of a track, which becomes the one that was seen last.
    fn face(&mut self, track: u64) -> &mut Face {
        match self.faces.iter().position(|face| face.track == track) {
            Some(at) => self.faces[at..].rotate_left(1),
            None => {
                if self.faces.len() >= MOST_FACES {
                    self.faces.remove(0);
                }
                self.faces.push(Face::new(track));
            }
        }
        let last = self.faces.len() - 1;
        &mut self.faces[last]
    }
}

/// The face that is the likeliest to be heard, if it is likely enough: one of all faces that may speak, or nobody visible. Two
/// who speak at once are rare.
fn speaker(found: &[(usize, Speaks)], least: f32) -> Option<usize> {
    let odds = found.iter().filter_map(|(at, speaks)| match speaks {
        Speaks::Perhaps { odds, .. } => Some((*at, *odds)),
        _ => None,
    });
    let all: f32 = odds.clone().map(|(_, odds)| odds).sum();
    let (best, odds) = odds.max_by(|a, b| a.1.total_cmp(&b.1))?;
    (odds / (1.0 + all) >= least).then_some(best)
}
