// SPDX-License-Identifier: Apache-2.0
//! Our own recogniser of a closed lexicon that sees mouths and hears: log-probabilities of its words (connectionist temporal
//! classification) for each 40 ms, piece by piece, with its state outside. `polygraph-core` makes text of them.
//!
//! Whatever takes mouths, sound and masks, and gives log-probabilities, can stand in its place: the card says which tensors.

mod ears;
mod mel;

use std::{ops::Range, sync::Arc};

use ort::{
    session::Session,
    value::{Tensor, TensorRef},
};

use crate::{
    Engine, Error, Identity, Network, Result,
    card::{Dim, LipReading},
    lips::SIDE,
};

pub use ears::{Ears, HEARD};
pub use mel::{FEATURES, LEAD, log_mel};

/// The card of the network that sees and hears; it holds the lexicon.
pub const CARD: &str = "speech-reading";
/// The card of its twin that only hears: same clips, same lexicon. It is for comparison.
pub const SOUND_CARD: &str = "speech-reading-sound";
/// Samples of a step at 16 kHz: 25 steps a second.
pub const STEP: usize = 640;
/// Mouths before a step, and as many after it, that are seen with it.
pub const MARGIN: usize = 2;
/// Pixels of a mouth.
pub const AREA: usize = SIDE * SIDE;

/// What a network remembers of a stream; empty before the first step.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct State(Vec<f32>);

/// Some steps of a stream. Steps without a mouth, or without sound, have a mask of 0.
#[derive(Clone, Debug, Default)]
pub struct Steps {
    /// Mouths of the steps and of [`MARGIN`] more on both sides: luma of 0..=255, row by row.
    pub mouths: Vec<f32>,
    /// 1 where there is a mouth; as many as mouths.
    pub mouth_mask: Vec<f32>,
    /// [`log_mel`] of the steps, [`FEATURES`] each.
    pub sound: Vec<f32>,
    /// What [`Ears`] hear in the steps, [`HEARD`] each.
    pub heard: Vec<f32>,
    /// 1 where there is sound; as many as steps.
    pub sound_mask: Vec<f32>,
}

impl Steps {
    /// Some of the steps, with their margins.
    ///
    /// # Panics
    /// When there are fewer steps.
    pub fn part(&self, steps: Range<usize>) -> Self {
        let of =
            |values: &[f32], each: usize, more: usize| values[steps.start * each..(steps.end + more) * each].to_vec();
        Self {
            mouths: of(&self.mouths, AREA, 2 * MARGIN),
            mouth_mask: of(&self.mouth_mask, 1, 2 * MARGIN),
            sound: of(&self.sound, FEATURES, 0),
            heard: of(&self.heard, HEARD, 0),
            sound_mask: of(&self.sound_mask, 1, 0),
        }
    }
}

/// The network; cheap to share between streams.
#[derive(Clone, Debug)]
pub struct Reader {
    network: Arc<Network>,
    classes: usize,
    /// Dimensions of the state, by the card.
    state: Vec<usize>,
}

impl Reader {
    /// Loads the network of a card through the engine.
    ///
    /// # Errors
    /// Those of [`Engine::load`]; [`Error::Contract`] for a card without a lexicon.
    pub fn load(engine: &Arc<Engine>, card: &str) -> Result<Self> {
        let network = engine.load(card)?;
        let words = network.card().lip_reading.as_ref().map(|reading| reading.words.len());
        let contract = |reason: &str| Error::Contract { name: card.to_owned(), reason: reason.to_owned() };
        let classes = words.ok_or_else(|| contract("its card has no lexicon"))? + 1;
        let state = network.card().inputs.iter().find(|tensor| tensor.name == "state").map(|tensor| &tensor.shape);
        let fixed = |dim: &Dim| match dim {
            Dim::Fixed(size) => usize::try_from(*size).ok(),
            Dim::Named(_) => None,
        };
        let state = state.and_then(|shape| shape.iter().map(fixed).collect());
        Ok(Self { state: state.ok_or_else(|| contract("its card has no state of a fixed size"))?, classes, network })
    }

    /// The lexicon, how far the network looks ahead, and when its lips may have a say.
    pub fn reading(&self) -> Option<&LipReading> {
        self.network.card().lip_reading.as_ref()
    }

    /// Classes of a step: the blank and the words.
    pub fn classes(&self) -> usize {
        self.classes
    }

    /// Where the log-probabilities come from.
    pub fn identity(&self) -> &Identity {
        self.network.identity()
    }

    /// Reads some steps: natural logarithms of the classes' probabilities, a row for each step that was read. The row is of
    /// the step that was read [`LipReading::delay`] steps before.
    ///
    /// # Errors
    /// [`Error::Contract`] for steps whose tensors don't fit each other, or answers that are none; those of [`Network::run`].
    pub fn read(&self, state: &mut State, steps: &Steps) -> Result<Vec<f32>> {
        let count = steps.sound_mask.len();
        let seen = count + 2 * MARGIN;
        let fits = [
            (steps.mouths.len(), seen * AREA),
            (steps.mouth_mask.len(), seen),
            (steps.sound.len(), count * FEATURES),
            (steps.heard.len(), count * HEARD),
        ];
        if let Some((is, due)) = fits.into_iter().find(|(is, due)| is != due) {
            return Err(self.contract(format!("{is} values for {count} steps, {due} are due")));
        }
        if count == 0 {
            return Ok(Vec::new());
        }
        let (log_probs, next) = self.network.run(|session| self.ask(session, state, steps, count))?;
        state.0 = next;
        Ok(log_probs)
    }

    fn ask(&self, session: &mut Session, state: &State, steps: &Steps, count: usize) -> Result<(Vec<f32>, Vec<f32>)> {
        let seen = count + 2 * MARGIN;
        let size = self.state.iter().product();
        let state = if state.0.is_empty() { vec![0.0; size] } else { state.0.clone() };
        let outputs = session.run(ort::inputs![
            "mouths" => TensorRef::from_array_view(([1, seen, 1, SIDE, SIDE], steps.mouths.as_slice()))?,
            "mouth_mask" => TensorRef::from_array_view(([1, seen], steps.mouth_mask.as_slice()))?,
            "sound" => TensorRef::from_array_view(([1, count, FEATURES], steps.sound.as_slice()))?,
            "heard" => TensorRef::from_array_view(([1, count, HEARD], steps.heard.as_slice()))?,
            "sound_mask" => TensorRef::from_array_view(([1, count], steps.sound_mask.as_slice()))?,
            "state" => Tensor::from_array((self.state.clone(), state))?,
        ])?;
        let take = |name: &str, due: usize| {
            let output = outputs.get(name).ok_or_else(|| self.contract(format!("output {name} is missing")))?;
            let values = output.try_extract_tensor::<f32>()?.1;
            if values.len() != due || values.iter().any(|value| !value.is_finite()) {
                return Err(self.contract(format!("{name} are {} values, and not {due} finite numbers", values.len())));
            }
            Ok(values.to_vec())
        };
        Ok((take("log_probs", count * self.classes)?, take("state_out", size)?))
    }

    fn contract(&self, reason: String) -> Error {
        Error::Contract { name: self.network.card().name.clone(), reason }
    }
}
