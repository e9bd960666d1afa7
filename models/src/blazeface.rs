// SPDX-License-Identifier: Apache-2.0
//! BlazeFace, back-camera model (Bazarevsky et al., 2019): faces with six points.
//!
//! The network sees 256x256 pixels and finds faces from about 12 of its own pixels upwards (measured on a portrait at
//! 24 places: the lowest score is 0.65 at 12 pixels, 0.59 at 11, nothing at 6). In a 1280x720 picture seen whole that
//! is a face 60 pixels high; with tiles, 24.

mod anchors;
mod suppress;
mod views;

use std::sync::Arc;

use ort::{session::Session, value::TensorRef};

use crate::{Engine, Error, Identity, Network, Result, picture::Picture};
use anchors::{COARSE, FINE, VALUES};
use views::View;

/// The card's name.
const CARD: &str = "blazeface-back";
/// Pixels of the network's square input, each way.
const SIDE: usize = 256;
/// Values of black and white at the network's input.
const LEVELS: [f32; 2] = [-1.0, 1.0];
/// The outputs: scores, then boxes and points, each of the fine and the coarse grid.
const OUTPUTS: [(&str, usize); 4] = [
    ("Identity:0", FINE.anchors()),
    ("Identity_1:0", COARSE.anchors()),
    ("Identity_2:0", FINE.anchors() * VALUES),
    ("Identity_3:0", COARSE.anchors() * VALUES),
];

/// One face that was found. Coordinates are 0..1 of the picture; they may reach over its edge.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Detection {
    /// `[x, y, w, h]`.
    pub rect: [f32; 4],
    /// Right eye, left eye, nose tip, mouth centre, right ear, left ear.
    pub points: [[f32; 2]; 6],
    /// Sigmoid of the network's score.
    pub score: f32,
}

/// How to look for faces.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DetectOptions {
    /// Scores under this are dropped.
    pub threshold: f32,
    /// For small faces, also look at overlapping square tiles of 2/3 of the picture's shorter side: six more calls for
    /// 16:9. Over 1440 lines also at tiles of half that side.
    pub tiles: bool,
}

impl Default for DetectOptions {
    /// No tiles, and a threshold between what was measured at 5 pictures a second: the face of a speaker in 585
    /// pictures of the GRID corpus never scores under 0.76 and nothing else reaches 0.3; at 0.65 a cartoon animal is
    /// a face in 13 of 26 pictures (24 at 0.5), and a busy street has 3 faces in 50 (15 at 0.5).
    fn default() -> Self {
        Self { threshold: 0.65, tiles: false }
    }
}

/// The detector; cheap to share between streams.
#[derive(Debug)]
pub struct FaceDetector {
    network: Arc<Network>,
}

impl FaceDetector {
    /// Loads the network through the engine.
    ///
    /// # Errors
    /// Those of [`Engine::load`].
    pub fn load(engine: &Arc<Engine>) -> Result<Self> {
        Ok(Self { network: engine.load(CARD)? })
    }

    /// Finds the faces of a picture, the best first, after weighted non-maximum suppression.
    ///
    /// # Errors
    /// [`Error::Picture`] when the planes don't hold what they should, and those of [`Network::run`].
    pub fn detect(&self, picture: &Picture<'_>, options: &DetectOptions) -> Result<Vec<Detection>> {
        picture.check()?;
        let mut found = Vec::new();
        let mut input = vec![0.0; SIDE * SIDE * 3];
        for view in views::views(picture, options.tiles) {
            picture.sample(&view.region, (SIDE, SIDE), LEVELS, &mut input)?;
            self.network
                .run(|session| look(session, &input, |outputs| collect(outputs, &view, options, &mut found)))?;
        }
        Ok(suppress::blend(found))
    }

    /// Network calls that [`Self::detect`] makes for such a picture.
    pub fn calls(picture: &Picture<'_>, options: &DetectOptions) -> usize {
        views::views(picture, options.tiles).len()
    }

    /// Where the scores come from.
    pub fn identity(&self) -> &Identity {
        self.network.identity()
    }
}

/// Runs the network on one input and hands its four outputs on.
fn look(session: &mut Session, input: &[f32], with: impl FnOnce([&[f32]; 4])) -> Result<()> {
    let input = TensorRef::from_array_view(([1, SIDE, SIDE, 3], input))?;
    let outputs = session.run(ort::inputs![input])?;
    let mut values = [&[] as &[f32]; 4];
    for (values, (name, length)) in values.iter_mut().zip(OUTPUTS) {
        let contract = |reason| Error::Contract { name: CARD.to_owned(), reason };
        let output = outputs.get(name).ok_or_else(|| contract(format!("output {name} is missing")))?;
        *values = output.try_extract_tensor::<f32>()?.1;
        if values.len() != length {
            return Err(contract(format!("output {name} has {} values, not {length}", values.len())));
        }
    }
    with(values);
    Ok(())
}

/// Decodes what one view shows, in parts of the picture.
fn collect(
    [fine, coarse, fine_boxes, coarse_boxes]: [&[f32]; 4],
    view: &View,
    options: &DetectOptions,
    found: &mut Vec<Detection>,
) {
    for (grid, scores, boxes) in [(FINE, fine, fine_boxes), (COARSE, coarse, coarse_boxes)] {
        let seen = grid.decode(scores, boxes, options.threshold);
        found.extend(seen.filter(|seen| view.shows_whole(seen)).map(|seen| view.to_picture(&seen)));
    }
}
