// SPDX-License-Identifier: Apache-2.0
//! Our own network for faces: signs of manipulation in one crop of a face, and where in it they are.
//!
//! It was trained by `models/training`, on crops that are cut by the very rules of [`Picture::crop`]. Its card says what
//! it was measured to be worth, and on whom.

mod heat;

use std::sync::Arc;

use ndarray::ArrayD;
use ort::{session::Session, value::TensorRef};

use crate::{
    Engine, Error, Identity, Network, Result,
    batch::{Batcher, NetworkBatch},
    engine::CHECKOUT,
    picture::{Picture, PictureError, Square},
};

/// The card's name.
pub const CARD: &str = "face-forensics";
/// Pixels of a crop, each way.
pub const SIDE: usize = 128;
/// Values of a crop: planes R, G and B.
const VALUES: usize = 3 * SIDE * SIDE;
/// Cells of the map, each way.
pub const CELLS: usize = 8;
/// Side of the square of a face, in sides of the detector's box.
const SCALE: f64 = 0.95;

/// A face as the network sees it.
#[derive(Clone, Debug, PartialEq)]
pub struct FaceCrop {
    /// Planes R, G and B of [`SIDE`] by [`SIDE`] values of 0..=1.
    pixels: Vec<f32>,
    /// The part of it that lies outside of the picture, 0..=1.
    pub padding: f32,
    /// Side of its square in the picture, in shown pixels.
    pub side_px: f32,
}

impl FaceCrop {
    /// Cuts a face out of a picture: the detector's box `[x, y, w, h]` and both eyes, in 0..1 of the picture; the right
    /// eye is the one at the left of an upright picture.
    ///
    /// # Errors
    /// [`PictureError`] when the planes don't hold what they should or the box is none.
    pub fn new(
        picture: &Picture<'_>,
        rect: [f32; 4],
        right_eye: [f32; 2],
        left_eye: [f32; 2],
    ) -> Result<Self, PictureError> {
        let square = Square::of_face(picture, rect, right_eye, left_eye, SCALE);
        let mut pixels = vec![0.0; VALUES];
        let padding = picture.crop(&square, SIDE, &mut pixels)?;
        Ok(Self { pixels, padding, side_px: square.side as f32 })
    }

    /// Planes R, G and B of [`SIDE`] by [`SIDE`] values of 0..=1.
    pub fn pixels(&self) -> &[f32] {
        &self.pixels
    }
}

/// What the network says of one crop.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Score {
    /// Logit of manipulation, not calibrated; higher is more likely manipulated.
    pub logit: f32,
    /// The same for each cell of the crop, rows of [`CELLS`] cells: where it looks manipulated.
    pub map: [f32; CELLS * CELLS],
}

/// The network; cheap to share between streams.
#[derive(Debug)]
pub struct FaceForensics {
    network: Arc<Network>,
    /// Joins its calls with those of other streams, on a GPU.
    batcher: Option<Arc<Batcher<NetworkBatch>>>,
}

impl FaceForensics {
    /// Loads the network through the engine.
    ///
    /// # Errors
    /// Those of [`Engine::load`] and [`Engine::batcher`].
    pub fn load(engine: &Arc<Engine>) -> Result<Self> {
        Ok(Self::new(engine.load(CARD)?, engine.batcher(CARD)?))
    }

    /// The network whose calls go through a batcher, if one is given, and else through a worker session.
    pub fn new(network: Arc<Network>, batcher: Option<Arc<Batcher<NetworkBatch>>>) -> Self {
        Self { network, batcher }
    }

    /// Scores the faces of a picture, in their order: together on a GPU, and one after the other on the processor, which
    /// gains nothing from a batch, so that other streams get their turn between two faces.
    ///
    /// # Errors
    /// Those of [`Network::run`]; [`Error::Contract`] when the network answers with something else than numbers.
    pub fn score(&self, crops: &[FaceCrop]) -> Result<Vec<Score>> {
        match &self.batcher {
            _ if crops.is_empty() => Ok(Vec::new()),
            Some(batcher) => score_together(batcher, crops),
            None => crops.iter().map(|crop| self.network.run(|session| score(session, crop))).collect(),
        }
    }

    /// Where the scores come from.
    pub fn identity(&self) -> &Identity {
        self.network.identity()
    }

    /// How the card turns a track's logit into a probability, `p = sigmoid(scale * logit + offset)`, and the least `p`
    /// that is a finding: scale, offset, threshold. `None` where nobody has calibrated it.
    pub fn calibration(&self) -> Option<(f64, f64, Option<f64>)> {
        self.network.card().calibration.numbers()
    }
}

/// Runs the network on one crop.
fn score(session: &mut Session, crop: &FaceCrop) -> Result<Score> {
    let input = TensorRef::from_array_view(([1, 3, SIDE, SIDE], crop.pixels()))?;
    let outputs = session.run(ort::inputs!["face" => input])?;
    let values = |name: &str| -> Result<&[f32]> {
        let output = outputs.get(name).ok_or_else(|| contract(format!("output {name} is missing")))?;
        Ok(output.try_extract_tensor::<f32>()?.1)
    };
    let mut scores = answers(1, values("logit")?, values("map")?)?;
    scores.pop().ok_or_else(|| contract("it gives no answer".into()))
}

/// The same through a batcher, which joins them with the crops of other streams.
fn score_together(batcher: &Batcher<NetworkBatch>, crops: &[FaceCrop]) -> Result<Vec<Score>> {
    let values: Vec<f32> = crops.iter().flat_map(|crop| crop.pixels()).copied().collect();
    let input = ArrayD::from_shape_vec(vec![crops.len(), 3, SIDE, SIDE], values);
    let input = input.map_err(|error| contract(error.to_string()))?;
    match &*batcher.call(vec![input], CHECKOUT)? {
        [logits, maps] => {
            answers(crops.len(), logits.as_slice().unwrap_or_default(), maps.as_slice().unwrap_or_default())
        }
        other => Err(contract(format!("it gives {} outputs", other.len()))),
    }
}

/// What the network said of `count` crops, if it makes sense.
fn answers(count: usize, logits: &[f32], maps: &[f32]) -> Result<Vec<Score>> {
    let (maps, rest) = maps.as_chunks::<{ CELLS * CELLS }>();
    if logits.len() != count || maps.len() != count || !rest.is_empty() {
        let cells = maps.len() * CELLS * CELLS + rest.len();
        return Err(contract(format!("{count} crops got {} logits and maps of {cells} cells", logits.len())));
    }
    if logits.iter().chain(maps.iter().flatten()).any(|value| !value.is_finite()) {
        return Err(contract("a score is not a number (NaN or infinite)".into()));
    }
    Ok(logits.iter().zip(maps).map(|(logit, map)| Score { logit: *logit, map: *map }).collect())
}

fn contract(reason: String) -> Error {
    Error::Contract { name: CARD.to_owned(), reason }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAP: [f32; CELLS * CELLS] = [0.5; CELLS * CELLS];

    #[test]
    fn answers_are_told_apart_by_their_crops() {
        let maps = [MAP, [-1.0; CELLS * CELLS]].concat();
        let scores = answers(2, &[3.0, -4.0], &maps).unwrap();
        assert_eq!(scores[0], Score { logit: 3.0, map: MAP });
        assert_eq!((scores[1].logit, scores[1].map[63]), (-4.0, -1.0));
    }

    #[test]
    fn answers_that_are_no_scores_are_refused() {
        let mut bad = MAP;
        bad[7] = f32::NAN;
        for (count, logits, maps) in [
            (1, vec![f32::NAN], MAP.to_vec()),
            (1, vec![f32::INFINITY], MAP.to_vec()),
            (1, vec![1.0], bad.to_vec()),
            (1, vec![], MAP.to_vec()),
            (1, vec![1.0, 2.0], MAP.to_vec()),
            (1, vec![1.0], MAP[1..].to_vec()),
            (2, vec![1.0, 2.0], MAP.to_vec()),
        ] {
            let refused = answers(count, &logits, &maps);
            assert!(matches!(refused, Err(Error::Contract { .. })), "{refused:?}");
        }
    }
}
