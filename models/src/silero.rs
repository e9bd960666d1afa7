// SPDX-License-Identifier: Apache-2.0
//! Silero VAD v6: speech activity of 32 ms windows at 16 kHz.

use std::sync::Arc;

use ndarray::ArrayD;
use ort::{
    session::Session,
    value::{Tensor, TensorRef},
};

use crate::{
    Engine, Error, Identity, Network, Result,
    batch::{Batcher, NetworkBatch},
    engine::CHECKOUT,
};

/// Samples of one window, at 16 kHz mono.
pub const WINDOW: usize = 512;

/// The card's name.
const CARD: &str = "silero-vad";
/// Samples before the window that the network wants to see again.
const CONTEXT: usize = 64;
/// Values of the recurrent state, `[2, 1, 128]`.
const STATE: usize = 2 * 128;
/// The only rate that is used here, in hertz.
const RATE: i64 = 16_000;

/// Speech activity of one stream: the network's state lives here.
#[derive(Debug)]
pub struct VoiceActivity {
    network: Arc<Network>,
    /// Joins its calls with those of other streams, on a GPU.
    batcher: Option<Arc<Batcher<NetworkBatch>>>,
    /// The context, then the window.
    input: [f32; CONTEXT + WINDOW],
    state: [f32; STATE],
}

impl VoiceActivity {
    /// Loads the network through the engine; the state is that of a new stream.
    ///
    /// # Errors
    /// Those of [`Engine::load`] and [`Engine::batcher`].
    pub fn load(engine: &Arc<Engine>) -> Result<Self> {
        Ok(Self::new(engine.load(CARD)?, engine.batcher(CARD)?))
    }

    /// Speech activity whose calls go through a batcher, if one is given, and else through a worker session.
    pub fn new(network: Arc<Network>, batcher: Option<Arc<Batcher<NetworkBatch>>>) -> Self {
        Self { network, batcher, input: [0.0; CONTEXT + WINDOW], state: [0.0; STATE] }
    }

    /// The speech probability, 0..1, of the next window of 16 kHz mono sound in -1..1.
    ///
    /// Louder samples are clipped, and what isn't a finite number is heard as silence: the state would never get rid
    /// of it.
    ///
    /// # Errors
    /// Those of [`Network::run`]; [`Error::Contract`] when the network answers with something else than a
    /// probability. The state is then as it was before the window.
    pub fn push(&mut self, window: &[f32; WINDOW]) -> Result<f32> {
        let mut input = self.input;
        input.copy_within(WINDOW.., 0);
        for (input, sample) in input[CONTEXT..].iter_mut().zip(window) {
            *input = if sample.is_finite() { sample.clamp(-1.0, 1.0) } else { 0.0 };
        }
        let (p, state) = match &self.batcher {
            Some(batcher) => listen_together(batcher, &input, &self.state)?,
            None => self.network.run(|session| listen(session, &input, &self.state))?,
        };
        (self.input, self.state) = (input, state);
        Ok(p)
    }

    /// Forgets what was heard, as at a gap or a seek.
    pub fn reset(&mut self) {
        self.input.fill(0.0);
        self.state.fill(0.0);
    }

    /// Where the scores come from.
    pub fn identity(&self) -> &Identity {
        self.network.identity()
    }
}

/// Runs the network on one window: the probability and the next state.
fn listen(session: &mut Session, input: &[f32], state: &[f32; STATE]) -> Result<(f32, [f32; STATE])> {
    let outputs = session.run(ort::inputs![
        "input" => TensorRef::from_array_view(([1, CONTEXT + WINDOW], input))?,
        "state" => TensorRef::from_array_view(([2, 1, 128], &state[..]))?,
        "sr" => Tensor::from_array(((), vec![RATE]))?,
    ])?;
    let values = |name: &str| -> Result<&[f32]> {
        let output = outputs.get(name).ok_or_else(|| contract(format!("output {name} is missing")))?;
        Ok(output.try_extract_tensor::<f32>()?.1)
    };
    answer(values("output")?, values("stateN")?)
}

/// The same through a batcher, which joins it with the windows of other streams.
fn listen_together(
    batcher: &Batcher<NetworkBatch>,
    input: &[f32],
    state: &[f32; STATE],
) -> Result<(f32, [f32; STATE])> {
    let array = |shape: &[usize], values: &[f32]| {
        ArrayD::from_shape_vec(shape, values.to_vec()).map_err(|error| contract(error.to_string()))
    };
    let request = vec![array(&[1, CONTEXT + WINDOW], input)?, array(&[2, 1, 128], state)?];
    match &*batcher.call(request, CHECKOUT)? {
        [output, state] => answer(output.as_slice().unwrap_or_default(), state.as_slice().unwrap_or_default()),
        other => Err(contract(format!("it gives {} outputs", other.len()))),
    }
}

/// What the network said, if it makes sense.
fn answer(output: &[f32], state: &[f32]) -> Result<(f32, [f32; STATE])> {
    let state: [f32; STATE] = state.try_into().map_err(|_| contract("the state has another size".into()))?;
    match output {
        [p] if (0.0..=1.0).contains(p) && state.iter().all(|v| v.is_finite()) => Ok((*p, state)),
        other => Err(contract(format!("{other:?} is no probability"))),
    }
}

fn contract(reason: String) -> Error {
    Error::Contract { name: CARD.to_owned(), reason }
}
