// SPDX-License-Identifier: Apache-2.0
//! Our own network for voices: signs of synthesis in a stretch of speech.
//!
//! It was trained by `models/training` on stretches that were made ready by the very rules of [`Stretch`]. It hears what
//! Moonshine's encoder makes of them, and a spectrogram for what a recogniser discards. Its card says what it was measured
//! to be worth, and on whom.

mod front;

use std::sync::Arc;

use ort::{session::Session, value::DynValue, value::TensorRef};

use crate::{Engine, Error, Identity, Network, Result, moonshine};
use front::Front;

pub use front::CELLS;

/// The card's name.
pub const CARD: &str = "voice-forensics";
/// Samples a second.
pub const RATE: usize = 16_000;
/// The longest stretch in samples: 4 s.
pub const LONGEST: usize = 4 * RATE;
/// The shortest stretch in samples: 1 s.
pub const SHORTEST: usize = RATE;

/// A stretch of speech as the network hears it: everybody's long-term spectrum and level, which tell microphones and
/// rooms apart, not voices.
#[derive(Clone, Debug, PartialEq)]
pub struct Stretch {
    wave: Vec<f32>,
    bands: Vec<f32>,
}

impl Stretch {
    /// Makes 16 kHz mono sound in -1..1 ready; it should begin and end with speech.
    ///
    /// # Errors
    /// [`Error::Sound`] for a length outside of [`SHORTEST`]..=[`LONGEST`], or a sample that isn't a finite number.
    pub fn new(sound: &[f32]) -> Result<Self> {
        if !(SHORTEST..=LONGEST).contains(&sound.len()) {
            let seconds = sound.len() as f32 / RATE as f32;
            return Err(Error::Sound(format!("a voice is judged by 1 to 4 s, not by {seconds:.2} s")));
        }
        if let Some(at) = sound.iter().position(|sample| !sample.is_finite()) {
            return Err(Error::Sound(format!("sample {at} is {}, no finite number", sound[at])));
        }
        let front = Front::shared();
        let wave = front.equalise(sound);
        let bands = front.spectrogram(&wave);
        Ok(Self { wave, bands })
    }

    /// The sound with everybody's spectrum and level, 16 kHz.
    pub fn wave(&self) -> &[f32] {
        &self.wave
    }

    /// Log power, rows of [`CELLS`] bands, one for each 10 ms.
    pub fn bands(&self) -> &[f32] {
        &self.bands
    }
}

/// The network; cheap to share between streams.
#[derive(Debug)]
pub struct VoiceForensics {
    network: Arc<Network>,
    encoder: Arc<Network>,
}

impl VoiceForensics {
    /// Loads the network and Moonshine's encoder through the engine, which `polyspeech` shares if it runs.
    ///
    /// # Errors
    /// Those of [`Engine::load`].
    pub fn load(engine: &Arc<Engine>) -> Result<Self> {
        Ok(Self { network: engine.load(CARD)?, encoder: engine.load(moonshine::ENCODER)? })
    }

    /// Logit of synthesis, not calibrated; higher is more likely synthetic.
    ///
    /// # Errors
    /// Those of [`Network::run`]; [`Error::Contract`] when the network answers with something else than a number.
    pub fn score(&self, stretch: &Stretch) -> Result<f32> {
        let features = self.encoder.run(|session| moonshine::listen(session, &stretch.wave))?;
        self.network.run(|session| score(session, &features, &stretch.bands))
    }

    /// Where the scores come from.
    pub fn identity(&self) -> &Identity {
        self.network.identity()
    }

    /// How the card turns a logit into a probability, `p = sigmoid(scale * logit + offset)`, and the least `p` that is a
    /// finding: scale, offset, threshold. `None` where nobody has calibrated it.
    pub fn calibration(&self) -> Option<(f64, f64, Option<f64>)> {
        self.network.card().calibration.numbers()
    }
}

/// Runs the network on what the encoder heard and the spectrogram.
fn score(session: &mut Session, features: &DynValue, bands: &[f32]) -> Result<f32> {
    let bands = TensorRef::from_array_view(([1, bands.len() / CELLS, CELLS], bands))?;
    let outputs = session.run(ort::inputs!["features" => features, "bands" => bands])?;
    let output = outputs.get("logit").ok_or_else(|| contract("output logit is missing".into()))?;
    answer(output.try_extract_tensor::<f32>()?.1)
}

/// What the network said, if it makes sense.
fn answer(logits: &[f32]) -> Result<f32> {
    match logits {
        [logit] if logit.is_finite() => Ok(*logit),
        other => Err(contract(format!("{other:?} is no logit"))),
    }
}

fn contract(reason: String) -> Error {
    Error::Contract { name: CARD.to_owned(), reason }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_that_are_no_logit_are_refused() {
        assert_eq!(answer(&[-3.5]).unwrap(), -3.5);
        for bad in [&[f32::NAN][..], &[f32::INFINITY], &[], &[1.0, 2.0]] {
            assert!(matches!(answer(bad), Err(Error::Contract { .. })), "{bad:?}");
        }
    }

    #[test]
    fn stretches_that_are_none_are_refused() {
        let mut broken = vec![0.1; 2 * RATE];
        broken[77] = f32::NAN;
        for bad in [vec![], vec![0.1; SHORTEST - 1], vec![0.1; LONGEST + 1], broken] {
            assert!(matches!(Stretch::new(&bad), Err(Error::Sound(_))), "{} samples", bad.len());
        }
        let silent = Stretch::new(&vec![0.0; SHORTEST]).unwrap();
        assert!(silent.wave().iter().chain(silent.bands()).all(|value| value.is_finite()));
    }
}
