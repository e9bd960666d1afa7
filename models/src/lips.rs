// SPDX-License-Identifier: Apache-2.0
//! Our own networks for lips and sound: vectors of a mouth in motion, and of what is heard, that are alike where both are of
//! the same moment. `polygraph-core` makes offsets and findings of them.
//!
//! Both are fed a stream piece by piece: each answer is that of the whole stream, whatever the pieces.

use std::sync::Arc;

use ort::{session::Session, value::TensorRef};

use crate::{Engine, Error, Identity, Network, Result, card::LipSync};

/// The card of the network that sees; it holds the calibration of both.
pub const MOUTH_CARD: &str = "lips-mouth";
/// The card of the network that hears.
pub const SOUND_CARD: &str = "lips-sound";
/// Pixels of a mouth, each way.
pub const SIDE: usize = 48;
/// Values of a vector.
pub const SIZE: usize = 128;
/// Mouths before the first one that gets a vector, and as many after the last.
pub const MOUTH_MARGIN: usize = 4;
/// Samples of a step at 16 kHz: 25 vectors a second.
pub const STEP: usize = 640;
/// Samples before the first step that gets a vector, and as many after the last.
pub const SOUND_MARGIN: usize = 1760;

/// A vector of length 1.
pub type Vector = [f32; SIZE];

/// Both networks; cheap to share between streams.
#[derive(Clone, Debug)]
pub struct Lips {
    mouth: Arc<Network>,
    sound: Arc<Network>,
}

impl Lips {
    /// Loads both through the engine.
    ///
    /// # Errors
    /// Those of [`Engine::load`].
    pub fn load(engine: &Arc<Engine>) -> Result<Self> {
        Ok(Self { mouth: engine.load(MOUTH_CARD)?, sound: engine.load(SOUND_CARD)? })
    }

    /// Vectors of all mouths but [`MOUTH_MARGIN`] at either end. `mouths` are pictures of [`SIDE`] by [`SIDE`] luma pixels,
    /// 0..=255, one after the other, 25 a second; none when they are too few.
    ///
    /// # Errors
    /// Those of [`Network::run`]; [`Error::Contract`] when the network answers with something else than vectors.
    pub fn see(&self, mouths: &[f32]) -> Result<Vec<Vector>> {
        let count = mouths.len() / (SIDE * SIDE);
        if count <= 2 * MOUTH_MARGIN {
            return Ok(Vec::new());
        }
        let input = &mouths[..count * SIDE * SIDE];
        self.mouth.run(|session| {
            let input = TensorRef::from_array_view(([1, count, SIDE, SIDE], input))?;
            vectors(session, (MOUTH_CARD, "mouths"), input, count - 2 * MOUTH_MARGIN)
        })
    }

    /// Vectors of all whole steps of sound between two margins of [`SOUND_MARGIN`] samples; 16 kHz mono in -1..1.
    ///
    /// # Errors
    /// Those of [`Network::run`]; [`Error::Contract`] when the network answers with something else than vectors.
    pub fn hear(&self, sound: &[f32]) -> Result<Vec<Vector>> {
        let count = sound.len().saturating_sub(2 * SOUND_MARGIN) / STEP;
        if count == 0 {
            return Ok(Vec::new());
        }
        let input = &sound[..count * STEP + 2 * SOUND_MARGIN];
        self.sound.run(|session| {
            let input = TensorRef::from_array_view(([1, input.len()], input))?;
            vectors(session, (SOUND_CARD, "sound"), input, count)
        })
    }

    /// What their likeness means; `None` where nobody has calibrated it.
    pub fn calibration(&self) -> Option<&LipSync> {
        self.mouth.card().lip_sync.as_ref()
    }

    /// Where the vectors come from: of mouths, and of sound.
    pub fn identities(&self) -> [&Identity; 2] {
        [self.mouth.identity(), self.sound.identity()]
    }
}

/// Runs a network, by its card's name and its input's, and takes its vectors.
fn vectors(
    session: &mut Session,
    (card, name): (&str, &str),
    input: TensorRef<'_, f32>,
    count: usize,
) -> Result<Vec<Vector>> {
    let contract = |reason: String| Error::Contract { name: card.to_owned(), reason };
    let outputs = session.run(ort::inputs![name => input])?;
    let output = outputs.get("vectors").ok_or_else(|| contract("output vectors is missing".into()))?;
    let (_, values) = output.try_extract_tensor::<f32>()?;
    let (vectors, rest) = values.as_chunks::<SIZE>();
    if vectors.len() != count || !rest.is_empty() || values.iter().any(|value| !value.is_finite()) {
        return Err(contract(format!("{} values are no {count} vectors of {SIZE} numbers", values.len())));
    }
    Ok(vectors.to_vec())
}
