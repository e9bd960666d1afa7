// SPDX-License-Identifier: Apache-2.0
//! BlazeFace, back-camera model (Bazarevsky et al., 2019): faces with six points.
//! (Signatures agreed between the houses; the body is under construction.)

use std::sync::Arc;

use crate::{Engine, Identity, Result, picture::Picture};

/// One face that was found. Coordinates are 0..1 of the picture.
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
    /// Also look at overlapping square tiles of the picture's height, for small faces.
    pub tiles: bool,
}

/// The detector; cheap to share between streams.
pub struct FaceDetector {}

impl FaceDetector {
    /// Loads the network through the engine.
    pub fn load(engine: &Arc<Engine>) -> Result<Self> {
        let _ = engine;
        todo!()
    }

    /// Finds the faces of a picture, the best first, after weighted non-maximum suppression.
    pub fn detect(&self, picture: &Picture<'_>, options: &DetectOptions) -> Result<Vec<Detection>> {
        let _ = (picture, options);
        todo!()
    }

    /// Where the scores come from.
    pub fn identity(&self) -> &Identity {
        todo!()
    }
}
