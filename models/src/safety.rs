// SPDX-License-Identifier: Apache-2.0
//! Networks for content safety: what in a picture may be unfit to be shown.
//!
//! Any network whose card has the task `safety` fits the contract that its card's `[safety]` describes: a detector in
//! Ultralytics' form, or a classifier of whole pictures. The first is NudeNet (AGPL: only there when it was accepted by name).

use std::sync::Arc;

use ort::{session::Session, value::TensorRef};

use crate::{
    Engine, Error, Identity, Network, Result,
    card::{Activation, Card, Dim, Safety, SafetyForm, Task},
    picture::{Picture, PictureError, Region, iou},
};

/// The card that is used unless another is named.
pub const CARD: &str = "nudenet-320n";
/// Candidates under this score are dropped whatever the thresholds, so that suppression stays quick.
const LEAST: f32 = 0.1;
/// Boxes kept of one picture.
const MOST: usize = 100;

/// Something that was found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Found {
    /// Which of the card's labels.
    pub label: usize,
    /// The network's score, 0..1.
    pub score: f32,
    /// `[x, y, w, h]` in 0..1 of the picture; a classifier has none.
    pub rect: Option<[f32; 4]>,
}

/// How a picture lies in the network's square.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Square {
    /// Pixels of the square, each way.
    pub side: usize,
    /// Part of it that the picture's width takes.
    width: f32,
    /// Part of it that the picture's height takes.
    height: f32,
}

impl Square {
    /// The square of a picture: for a detector padded at the right and bottom, for a classifier squeezed.
    pub fn of(picture: &Picture<'_>, form: SafetyForm, side: usize) -> Self {
        // As shown: anamorphic pixels would make people slim.
        let (width, height) = (picture.width as f32 * picture.pixel_aspect, picture.height as f32);
        let longest = width.max(height);
        match form {
            SafetyForm::Detector { .. } => Self { side, width: width / longest, height: height / longest },
            SafetyForm::Classifier { .. } => Self { side, width: 1.0, height: 1.0 },
        }
    }

    /// RGB planes of the square, 0..=1.
    ///
    /// # Errors
    /// [`PictureError`] when the picture's planes don't hold what they should.
    pub fn pixels(&self, picture: &Picture<'_>) -> Result<Vec<f32>, PictureError> {
        let Region { x, y, w, h } = picture.region();
        let region = Region { x, y, w: w / f64::from(self.width), h: h / f64::from(self.height) };
        picture.planes(&region, (self.side, self.side), self.side, [0.0, 1.0])
    }
}

/// A network for content safety; cheap to share between streams.
#[derive(Debug)]
pub struct SafetyNetwork {
    network: Arc<Network>,
    side: usize,
}

impl SafetyNetwork {
    /// Loads the network of a card through the engine.
    ///
    /// # Errors
    /// Those of [`Engine::load`]; [`Error::Card`] for a card that isn't one for content safety.
    pub fn load(engine: &Arc<Engine>, card: &str) -> Result<Self> {
        side(crate::card::card(card)?)?;
        let network = engine.load(card)?;
        let side = side(network.card())?;
        Ok(Self { network, side })
    }

    /// Its labels and what becomes of them. Loading made sure that the card says so.
    pub fn safety(&self) -> Option<&Safety> {
        self.network.card().safety.as_ref()
    }

    /// Looks at a picture; the highest score first.
    ///
    /// # Errors
    /// [`Error::Picture`] when the planes don't hold what they should, and those of [`Network::run`]; [`Error::Contract`]
    /// when the network answers with something else than the card says.
    pub fn look(&self, picture: &Picture<'_>) -> Result<Vec<Found>> {
        let card = self.network.card();
        let Some(safety) = &card.safety else { return Err(no_contract(card)) };
        let square = Square::of(picture, safety.form, self.side);
        let pixels = square.pixels(picture)?;
        self.network.run(|session| look(session, card, safety, &square, &pixels))
    }

    /// Where the findings come from.
    pub fn identity(&self) -> &Identity {
        self.network.identity()
    }
}

/// The side of the network's square, when the card fulfils the contract.
fn side(card: &Card) -> Result<usize> {
    match (card.task, &card.safety, card.inputs.first().map(|input| &*input.shape)) {
        (Task::Safety, Some(_), Some([_, Dim::Fixed(3), Dim::Fixed(height), Dim::Fixed(width)])) if height == width => {
            Ok(*height as usize)
        }
        _ => Err(no_contract(card)),
    }
}

fn no_contract(card: &Card) -> Error {
    let reason =
        "it is no card for content safety: that has the task `safety`, [safety], and an input [batch, 3, side, side]";
    Error::Card { name: card.name.clone(), reason: reason.into() }
}

fn look(session: &mut Session, card: &Card, safety: &Safety, square: &Square, pixels: &[f32]) -> Result<Vec<Found>> {
    let input = TensorRef::from_array_view(([1, 3, square.side, square.side], pixels))?;
    let outputs = session.run(ort::inputs![input])?;
    let contract = |reason| Error::Contract { name: card.name.clone(), reason };
    let name = card.outputs.first().map_or("", |output| &output.name);
    let output = outputs.get(name).ok_or_else(|| contract(format!("output {name} is missing")))?;
    found(safety, square, output.try_extract_tensor::<f32>()?.1).map_err(contract)
}

/// What a network's output says, by its card: the highest score first.
///
/// # Errors
/// What is wrong with the output, in a line.
pub fn found(safety: &Safety, square: &Square, values: &[f32]) -> Result<Vec<Found>, String> {
    if values.iter().any(|value| !value.is_finite()) {
        return Err("a value is not a number (NaN or infinite)".into());
    }
    let mut all = match safety.form {
        SafetyForm::Detector { overlap } => suppressed(boxes(safety, square, values)?, overlap),
        SafetyForm::Classifier { activation } => scores(safety, activation, values)?,
    };
    all.sort_by(|a, b| b.score.total_cmp(&a.score));
    Ok(all)
}

fn scores(safety: &Safety, activation: Activation, values: &[f32]) -> Result<Vec<Found>, String> {
    if values.len() != safety.labels.len() {
        return Err(format!("it gives {} values for {} labels", values.len(), safety.labels.len()));
    }
    let most = values.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let sum: f32 = values.iter().map(|value| (value - most).exp()).sum();
    let score = |value: f32| match activation {
        Activation::None => value.clamp(0.0, 1.0),
        Activation::Softmax => (value - most).exp() / sum,
        Activation::Sigmoid => 1.0 / (1.0 + (-value).exp()),
    };
    Ok(values.iter().enumerate().map(|(label, value)| Found { label, score: score(*value), rect: None }).collect())
}

/// Each candidate's best label, in parts of the picture.
fn boxes(safety: &Safety, square: &Square, values: &[f32]) -> Result<Vec<Found>, String> {
    let rows = 4 + safety.labels.len();
    let candidates = values.len() / rows;
    if candidates == 0 || candidates * rows != values.len() {
        return Err(format!("its {} values are no candidates of {rows}", values.len()));
    }
    let value = |row: usize, at: usize| values[row * candidates + at];
    let side = square.side as f32;
    let mut found = Vec::new();
    for at in 0..candidates {
        let best = (0..safety.labels.len()).max_by(|a, b| value(4 + a, at).total_cmp(&value(4 + b, at)));
        let Some(label) = best else { continue };
        let score = value(4 + label, at);
        if score < LEAST {
            continue;
        }
        let [x, y, w, h] = [0, 1, 2, 3].map(|row| value(row, at) / side);
        let (left, top) = ((x - w / 2.0).max(0.0) / square.width, (y - h / 2.0).max(0.0) / square.height);
        let (right, bottom) = ((x + w / 2.0) / square.width, (y + h / 2.0) / square.height);
        let rect = [left, top, right.min(1.0) - left, bottom.min(1.0) - top];
        // What lies in the padding isn't in the picture.
        if rect[2] > 0.0 && rect[3] > 0.0 {
            found.push(Found { label, score: score.min(1.0), rect: Some(rect) });
        }
    }
    Ok(found)
}

/// Non-maximum suppression among all labels, as NudeNet's own code does it: a thing has one label.
fn suppressed(mut found: Vec<Found>, overlap: f32) -> Vec<Found> {
    found.sort_by(|a, b| b.score.total_cmp(&a.score));
    let mut kept: Vec<Found> = Vec::new();
    for one in found {
        let covered = |other: &Found| matches!((one.rect, other.rect), (Some(a), Some(b)) if iou(&a, &b) > overlap);
        if kept.len() < MOST && !kept.iter().any(covered) {
            kept.push(one);
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        card::SafetyLabel,
        picture::{Matrix, PixelFormat},
    };

    const DETECTOR: SafetyForm = SafetyForm::Detector { overlap: 0.45 };

    fn safety(form: SafetyForm, labels: &[&str]) -> Safety {
        let label = |label: &&str| SafetyLabel { label: (*label).to_owned(), threshold: 0.5, sensitive: true };
        Safety { form, labels: labels.iter().map(label).collect() }
    }

    /// A picture of one colour.
    fn flat<R>(width: usize, height: usize, pixel_aspect: f32, look: impl FnOnce(&Picture<'_>) -> R) -> R {
        let (luma, chroma) = (vec![180_u8; width * height], vec![128_u8; width.div_ceil(2) * height.div_ceil(2)]);
        look(&Picture {
            format: PixelFormat::I420,
            width,
            height,
            planes: [&luma, &chroma, &chroma],
            strides: [width, width.div_ceil(2), width.div_ceil(2)],
            matrix: Matrix::Bt709,
            full_range: false,
            pixel_aspect,
        })
    }

    #[test]
    fn a_detector_sees_the_picture_at_the_top_left_and_black_beside_it() {
        let pixels = flat(320, 160, 1.0, |picture| Square::of(picture, DETECTOR, 320).pixels(picture).unwrap());
        let at = |x: usize, y: usize| pixels[y * 320 + x];
        assert!(at(5, 5) > 0.5 && at(315, 155) > 0.5, "the picture is where it belongs");
        assert!(at(5, 165) < 0.01 && at(315, 315) < 0.01, "the rest is black");
        // 720x576 shown as 16:9 is wider than its pixels are many.
        let wide = flat(720, 576, 64.0 / 45.0, |picture| Square::of(picture, DETECTOR, 320));
        assert!((wide.height - 9.0 / 16.0).abs() < 1e-3 && (wide.width - 1.0).abs() < 1e-6);
    }

    #[test]
    fn boxes_come_back_in_parts_of_the_picture_and_one_thing_once() {
        let safety = safety(DETECTOR, &["a", "b"]);
        let square = flat(320, 160, 1.0, |picture| Square::of(picture, DETECTOR, 320));
        // Rows: x, y, w, h, a, b; four candidates: a thing, the same by another label, one elsewhere, one in the padding.
        let values = [
            [80.0, 82.0, 240.0, 160.0],
            [80.0, 80.0, 80.0, 300.0],
            [40.0, 40.0, 40.0, 40.0],
            [40.0, 40.0, 40.0, 20.0],
            [0.9, 0.2, 0.1, 0.8],
            [0.0, 0.7, 0.6, 0.0],
        ]
        .concat();
        let found = found(&safety, &square, &values).unwrap();
        assert_eq!(found.iter().map(|one| (one.label, one.score)).collect::<Vec<_>>(), [(0, 0.9), (1, 0.6)]);
        let rect = found[0].rect.unwrap();
        for (found, wanted) in rect.into_iter().zip([60.0 / 320.0, 60.0 / 160.0, 40.0 / 320.0, 40.0 / 160.0]) {
            assert!((found - wanted).abs() < 1e-5, "{rect:?}");
        }
    }

    #[test]
    fn a_classifiers_values_become_scores_by_its_activation() {
        let square = Square { side: 224, width: 1.0, height: 1.0 };
        let of = |activation, values: &[f32]| {
            found(&safety(SafetyForm::Classifier { activation }, &["neutral", "explicit"]), &square, values).unwrap()
        };
        let soft = of(Activation::Softmax, &[1.0, 3.0]);
        assert_eq!(soft[0].label, 1);
        assert!((soft[0].score - 0.880_797).abs() < 1e-5 && (soft[0].score + soft[1].score - 1.0).abs() < 1e-6);
        assert!((of(Activation::Sigmoid, &[0.0, -9.0])[0].score - 0.5).abs() < 1e-6);
        assert_eq!(of(Activation::None, &[0.3, 1.4])[0], Found { label: 1, score: 1.0, rect: None });
    }

    #[test]
    fn an_output_that_is_another_networks_is_refused() {
        let square = Square { side: 320, width: 1.0, height: 0.5 };
        for (form, values) in [
            (DETECTOR, vec![0.0; 7]),
            (DETECTOR, vec![]),
            (DETECTOR, vec![f32::NAN; 6]),
            (SafetyForm::Classifier { activation: Activation::None }, vec![0.5]),
        ] {
            assert!(found(&safety(form, &["a", "b"]), &square, &values).is_err(), "{form:?} {values:?}");
        }
    }
}
