// SPDX-License-Identifier: Apache-2.0
//! One verdict from all senses: the fused verdict of each face and of each frame.
//!
//! A pure, causal step over joined frames: a frame's verdict depends on that frame alone, since what networks say
//! through time was joined before ([`crate::forensics`]). It is a noisy-OR of the calibrated parts: any one of picture,
//! voice and mismatch is enough. Each part's probability is at even odds of that part alone, so that three innocent
//! parts of 0.3 would give 0.66 by the textbook's formula. So each is first brought to the prior at which all the parts
//! that are there are at even odds *together* ([`prior`]). With one part there is nothing to join: `p` is that part's.
//!
//! What is missing is masked: it counts neither for nor against. What a verdict is with any combination of parts:
//!
//! | picture | mismatch | voice of the speaker | the face's verdict |
//! | --- | --- | --- | --- |
//! | - | - | - | inconclusive, without `p` |
//! | - | any | any | manipulated or inconclusive: nobody could look at the face |
//! | yes | - | - | by the picture |
//! | yes | yes | - | by both |
//! | yes | - | yes | by both |
//! | yes | yes | yes | by all |
//!
//! *Manipulated* needs a part that reaches its own network's threshold, or `p` at [`Options::threshold`]; *none found*
//! needs a picture and `p` under [`Options::clear`]; whatever lies between is *inconclusive*. The voice is its speaker's:
//! it counts for a face that is known to speak. While nobody is known to, it stands by itself and makes a candidate of
//! its own for the frame's verdict. A frame without a face and without such a voice has no verdict.
//!
//! Source: the noisy-OR of J. Pearl, Probabilistic Reasoning in Intelligent Systems, 1988, section 4.3.2.

use crate::record::Frame;
use crate::results::{Face, Fused, FusedVerdict, Part, Parts};

/// How parts are joined.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Options {
    /// The voice counts. Off where its network is experimental.
    pub voice: bool,
    /// The mismatch of lips and sound counts.
    pub mismatch: bool,
    /// The least fused probability that is called manipulated, whatever the parts say.
    pub threshold: f32,
    /// Under this fused probability no manipulation is found.
    pub clear: f32,
}

impl Default for Options {
    /// Without the voice, whose network is experimental.
    fn default() -> Self {
        Self { voice: false, mismatch: true, threshold: 0.9, clear: 0.5 }
    }
}

/// What one part says at one moment.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Signal {
    /// Calibrated probability at even odds, 0..1.
    pub p: f32,
    /// It reaches its network's threshold.
    pub signs: bool,
}

/// What all parts say of one face, or of the sound alone; `None` is masked.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Signals {
    /// How the face looks.
    pub picture: Option<Signal>,
    /// How the voice sounds.
    pub voice: Option<Signal>,
    /// Whether lips and sound belong together.
    pub mismatch: Option<Signal>,
}

impl Signals {
    /// What is known of a face of a frame, as far as it counts.
    pub fn of_face(face: &Face, frame: &Frame, options: &Options) -> Self {
        Self {
            picture: face.manipulation.and_then(|found| signal(found.p, found.signs)),
            voice: voice(frame, options).filter(|_| speaks(face, frame)),
            mismatch: face
                .lip_sync
                .filter(|_| options.mismatch)
                .and_then(|found| signal(found.mismatch_p, found.signs)),
        }
    }

    /// What is known of a voice that is no face's.
    pub fn of_sound(frame: &Frame, options: &Options) -> Self {
        let of_a_face = frame.faces.iter().any(|face| speaks(face, frame));
        Self { voice: voice(frame, options).filter(|_| !of_a_face), ..Self::default() }
    }

    /// What a part says.
    pub fn get(&self, part: Part) -> Option<Signal> {
        match part {
            Part::Picture => self.picture,
            Part::Voice => self.voice,
            Part::Mismatch => self.mismatch,
        }
    }

    /// The parts' probabilities.
    pub fn parts(&self) -> Parts {
        let p = |signal: Option<Signal>| signal.map(|signal| signal.p);
        Parts { picture: p(self.picture), voice: p(self.voice), mismatch: p(self.mismatch) }
    }

    /// The parts that reach their networks' thresholds.
    pub fn with_signs(&self) -> impl Iterator<Item = Part> + '_ {
        Part::ALL.into_iter().filter(|part| self.get(*part).is_some_and(|signal| signal.signs))
    }
}

/// Whether the voice that is heard is known to be a face's.
fn speaks(face: &Face, frame: &Frame) -> bool {
    frame.speaker_track.map_or(face.speaking == Some(true), |speaker| speaker == face.track)
}

fn voice(frame: &Frame, options: &Options) -> Option<Signal> {
    let found = frame.audio?.synthetic.filter(|_| options.voice)?;
    signal(found.p, found.signs)
}

/// A network's finding as a signal. A probability that is none is masked, for one NaN would silence all other parts.
fn signal(p: Option<f32>, signs: Option<bool>) -> Option<Signal> {
    let p = p.filter(|p| (0.0..=1.0).contains(p))?;
    Some(Signal { p, signs: signs.unwrap_or(false) })
}

/// The probability of each of `parts` causes at which one at least is there at even odds.
pub fn prior(parts: usize) -> f64 {
    1.0 - 0.5_f64.powf(1.0 / parts.max(1) as f64)
}

/// Joins what the parts say.
pub fn fuse(signals: &Signals, options: &Options) -> Fused {
    let parts = signals.parts();
    let known: Vec<_> = Part::ALL.into_iter().filter_map(|part| Some((part, parts.get(part)?))).collect();
    let prior = prior(known.len());
    // The doubt that a part leaves, as a logarithm: doubts multiply, so these add up.
    let doubts: Vec<_> = known.iter().map(|(part, p)| (*part, -(1.0 - at_prior(f64::from(*p), prior)).ln())).collect();
    let sum: f64 = doubts.iter().map(|(_, doubt)| doubt).sum();
    let p = (!known.is_empty()).then(|| if known.len() == 1 { known[0].1 } else { -(-sum).exp_m1() as f32 });
    let mut contributions = Parts::default();
    for (part, doubt) in doubts {
        let equal = 1.0 / known.len() as f64;
        contributions.set(part, Some(if sum > 0.0 { doubt / sum } else { equal } as f32));
    }
    Fused { verdict: verdict(signals, p, options), p, parts, contributions, track: None }
}

/// A probability at even odds, brought to another prior. Never quite 1: its logarithm has to be a number.
fn at_prior(p: f64, prior: f64) -> f64 {
    let p = p.clamp(0.0, 1.0 - 1e-6);
    let odds = p / (1.0 - p) * (prior / (1.0 - prior));
    odds / (1.0 + odds)
}

fn verdict(signals: &Signals, p: Option<f32>, options: &Options) -> FusedVerdict {
    let signs = signals.with_signs().next().is_some();
    match p {
        Some(p) if signs || p >= options.threshold => FusedVerdict::Manipulated,
        Some(p) if signals.picture.is_some() && p < options.clear => FusedVerdict::NoManipulationFound,
        _ => FusedVerdict::Inconclusive,
    }
}

/// Gives each face of a frame its verdict, and the frame that of the worst face, or of a voice that is no face's.
pub fn fuse_frame(frame: &mut Frame, options: &Options) {
    let fused: Vec<_> = frame.faces.iter().map(|face| fuse(&Signals::of_face(face, frame, options), options)).collect();
    let sound = Signals::of_sound(frame, options);
    let sound = (sound != Signals::default()).then(|| fuse(&sound, options));
    let of_faces = frame.faces.iter().zip(&fused).map(|(face, fused)| Fused { track: Some(face.track), ..*fused });
    frame.fused = of_faces.chain(sound).reduce(|worst, other| if worse(&other, &worst) { other } else { worst });
    for (face, fused) in frame.faces.iter_mut().zip(fused) {
        face.fused = Some(fused);
    }
}

/// The first of equals stays: faces come the best first.
fn worse(one: &Fused, other: &Fused) -> bool {
    let rank = |fused: &Fused| (fused.verdict == FusedVerdict::Manipulated, fused.p.unwrap_or(-1.0));
    let ((found, p), (other_found, other_p)) = (rank(one), rank(other));
    (found && !other_found) || (found == other_found && p > other_p)
}
