// SPDX-License-Identifier: Apache-2.0
//! Our own network for scenes: what a picture shows, as one of some thirty groups, and whether that is indoors.
//!
//! It was trained by `models/training` on whole pictures that were squeezed into a square by the very rules of
//! [`ScenePicture`]. It also gives an embedding, from which labels of users are made: see [`AddedLabel`].

mod added;

use std::sync::Arc;

use ndarray::ArrayD;
use ort::{session::Session, value::TensorRef};

use crate::{
    Engine, Error, Identity, Network, Result,
    batch::{Batcher, NetworkBatch},
    card::{Scene, SceneAdded},
    engine::CHECKOUT,
    picture::{Picture, PictureError},
};

pub use added::{AddedLabel, AddedLabels, LeaveOneOut, MIN_EXAMPLES};

/// The card's name.
pub const CARD: &str = "scene-groups";
/// Pixels of a squeezed picture, each way.
pub const SIDE: usize = 128;

/// A picture as the network sees it: all of it, squeezed into a square whatever its shape.
#[derive(Clone, Debug, PartialEq)]
pub struct ScenePicture {
    /// Planes R, G and B of [`SIDE`] by [`SIDE`] values of 0..=1.
    pixels: Vec<f32>,
}

impl ScenePicture {
    /// Squeezes a picture.
    ///
    /// # Errors
    /// [`PictureError`] when the planes don't hold what they should.
    pub fn new(picture: &Picture<'_>) -> Result<Self, PictureError> {
        let pixels = picture.planes(&picture.region(), (SIDE, SIDE), SIDE, [0.0, 1.0])?;
        Ok(Self { pixels })
    }

    /// Planes R, G and B of [`SIDE`] by [`SIDE`] values of 0..=1.
    pub fn pixels(&self) -> &[f32] {
        &self.pixels
    }
}

/// What the network says of one picture.
#[derive(Clone, Debug, PartialEq)]
pub struct Seen {
    /// Calibrated probability of each group, in the card's order; they add up to 1.
    pub groups: Vec<f32>,
    /// Calibrated probability that it was taken indoors, 0..1.
    pub indoor: f32,
    /// What the picture is like, for labels of users.
    pub embedding: Vec<f32>,
}

/// The network; cheap to share between streams.
#[derive(Debug)]
pub struct SceneNetwork {
    network: Arc<Network>,
    /// Joins its calls with those of other streams, on a GPU.
    batcher: Option<Arc<Batcher<NetworkBatch>>>,
    scale: f64,
}

impl SceneNetwork {
    /// Loads the network through the engine.
    ///
    /// # Errors
    /// Those of [`Engine::load`] and [`Engine::batcher`]; [`Error::Card`] when the card doesn't say what it can name.
    pub fn load(engine: &Arc<Engine>) -> Result<Self> {
        let (network, batcher) = (engine.load(CARD)?, engine.batcher(CARD)?);
        let card = network.card();
        let (Some(_), Some((scale, ..))) = (&card.scene, card.calibration.numbers()) else {
            return Err(Error::Card { name: CARD.into(), reason: "it needs [scene] and a calibration".into() });
        };
        Ok(Self { network, batcher, scale })
    }

    /// What it can name. Loading made sure that the card says so.
    pub fn scene(&self) -> Option<&Scene> {
        self.network.card().scene.as_ref()
    }

    /// What labels of users are made of.
    pub fn added(&self) -> Option<&SceneAdded> {
        self.scene().map(|scene| &scene.added)
    }

    /// The least probability with which a group is told; 1 where the card sets none.
    pub fn least(&self) -> f32 {
        self.network.card().calibration.threshold.unwrap_or(1.0) as f32
    }

    /// Looks at a picture.
    ///
    /// # Errors
    /// Those of [`Network::run`]; [`Error::Contract`] when the network answers with something else than the card says.
    pub fn look(&self, picture: &ScenePicture) -> Result<Seen> {
        let answers = match &self.batcher {
            Some(batcher) => look_together(batcher, picture)?,
            None => self.network.run(|session| look(session, picture))?,
        };
        self.seen(answers)
    }

    /// Where the labels come from.
    pub fn identity(&self) -> &Identity {
        self.network.identity()
    }

    /// The network's answers as calibrated probabilities.
    fn seen(&self, [groups, indoor, embedding]: [Vec<f32>; 3]) -> Result<Seen> {
        let Some(scene) = self.scene() else { return Err(contract("its card has no [scene]".into())) };
        let wanted = [scene.groups.len(), 1, scene.added.between.len()];
        let found = [groups.len(), indoor.len(), embedding.len()];
        if found != wanted {
            return Err(contract(format!("it gives {found:?} values, not {wanted:?}")));
        }
        if groups.iter().chain(&indoor).chain(&embedding).any(|value| !value.is_finite()) {
            return Err(contract("a value is not a number (NaN or infinite)".into()));
        }
        let place = scene.place_scale * indoor[0] + scene.place_offset;
        Ok(Seen { groups: softmax(&groups, self.scale as f32), indoor: sigmoid(place), embedding })
    }
}

/// The names of the outputs, in the order that [`SceneNetwork::seen`] takes them in.
const OUTPUTS: [&str; 3] = ["scene", "indoor", "embedding"];

fn look(session: &mut Session, picture: &ScenePicture) -> Result<[Vec<f32>; 3]> {
    let input = TensorRef::from_array_view(([1, 3, SIDE, SIDE], picture.pixels()))?;
    let outputs = session.run(ort::inputs!["picture" => input])?;
    let mut answers = [Vec::new(), Vec::new(), Vec::new()];
    for (answer, name) in answers.iter_mut().zip(OUTPUTS) {
        let output = outputs.get(name).ok_or_else(|| contract(format!("output {name} is missing")))?;
        *answer = output.try_extract_tensor::<f32>()?.1.to_vec();
    }
    Ok(answers)
}

/// The same through a batcher, which joins it with the pictures of other streams.
fn look_together(batcher: &Batcher<NetworkBatch>, picture: &ScenePicture) -> Result<[Vec<f32>; 3]> {
    let input = ArrayD::from_shape_vec(vec![1, 3, SIDE, SIDE], picture.pixels().to_vec());
    let input = input.map_err(|error| contract(error.to_string()))?;
    let outputs = batcher.call(vec![input], CHECKOUT)?;
    let answers: Vec<Vec<f32>> = outputs.iter().map(|output| output.iter().copied().collect()).collect();
    answers.try_into().map_err(|other: Vec<_>| contract(format!("it gives {} outputs", other.len())))
}

/// `softmax(scale * logs)`.
fn softmax(logs: &[f32], scale: f32) -> Vec<f32> {
    let most = logs.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let powers: Vec<f32> = logs.iter().map(|log| (scale * (log - most)).exp()).collect();
    let sum: f32 = powers.iter().sum();
    powers.iter().map(|power| power / sum).collect()
}

fn sigmoid(logit: f32) -> f32 {
    1.0 / (1.0 + (-logit).exp())
}

fn contract(reason: String) -> Error {
    Error::Contract { name: CARD.to_owned(), reason }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_smaller_scale_makes_the_same_order_less_sure() {
        let logs = [0.7_f32.ln(), 0.2_f32.ln(), 0.1_f32.ln()];
        let plain = softmax(&logs, 1.0);
        assert!((plain[0] - 0.7).abs() < 1e-6 && (plain[2] - 0.1).abs() < 1e-6);
        let calmer = softmax(&logs, 0.5);
        assert!(calmer[0] < 0.7 && calmer[0] > calmer[1] && calmer[1] > calmer[2]);
        assert!((calmer.iter().sum::<f32>() - 1.0).abs() < 1e-6);
        assert_eq!(softmax(&[-1e30, 0.0], 1.0), [0.0, 1.0]);
    }
}
