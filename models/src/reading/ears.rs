// SPDX-License-Identifier: Apache-2.0
//! What Moonshine's encoder hears, on the axis of steps. `models/tests/reading_of_training.rs` holds it against the training's own.

use std::ops::Range;
use std::sync::Arc;

use super::STEP;
use crate::{Engine, Error, Network, Result, moonshine};

/// Values of a step.
pub const HEARD: usize = 288;
/// Samples from one frame of the encoder to the next ...
const STRIDE: usize = 384;
/// ... and to the middle of the first: three convolutions of 127, 7 and 3 with strides of 64, 3 and 2.
const CENTRE: usize = 447;
/// Shorter sound gives no frame.
const SHORTEST: usize = 895;

/// The encoder; cheap to share between streams.
#[derive(Clone, Debug)]
pub struct Ears {
    encoder: Arc<Network>,
}

impl Ears {
    /// Loads the encoder through the engine.
    ///
    /// # Errors
    /// Those of [`Engine::load`].
    pub fn load(engine: &Arc<Engine>) -> Result<Self> {
        Ok(Self { encoder: engine.load(moonshine::ENCODER)? })
    }

    /// Listens to 16 kHz mono sound in -1..1 that begins with step 0: [`HEARD`] values for each of some of its steps, between
    /// the two nearest frames. It hears to both sides, so the last steps are heard otherwise when there is more behind them.
    ///
    /// # Errors
    /// Those of [`Network::run`]; [`Error::Contract`] for features that are none.
    pub fn hear(&self, sound: &[f32], steps: Range<usize>) -> Result<Vec<f32>> {
        let sound = moonshine::followed_by_silence(sound, SHORTEST);
        let features = self.encoder.run(|session| moonshine::listen(session, &sound))?;
        let frames = features.try_extract_tensor::<f32>()?.1;
        let (frames, rest) = frames.as_chunks::<HEARD>();
        let Some(last) = frames.len().checked_sub(1).filter(|_| rest.is_empty()) else {
            let reason = format!("features aren't rows of {HEARD} values");
            return Err(Error::Contract { name: moonshine::ENCODER.to_owned(), reason });
        };
        Ok(steps.flat_map(|step| between(frames, last, step)).collect())
    }
}

/// The features of a step's middle.
fn between(frames: &[[f32; HEARD]], last: usize, step: usize) -> impl Iterator<Item = f32> {
    let place = ((step * STEP + STEP / 2) as f32 - CENTRE as f32) / STRIDE as f32;
    let place = place.clamp(0.0, last as f32);
    let (low, part) = (place as usize, place.fract());
    let (before, behind) = (&frames[low], &frames[(low + 1).min(last)]);
    before.iter().zip(behind).map(move |(before, behind)| before * (1.0 - part) + behind * part)
}
