// SPDX-License-Identifier: Apache-2.0
//! Which faces are fit to be judged, from numbers that the caller measures.

use crate::geometry::Point;
use crate::results::{FacePoints, ReasonNot};

/// What was measured of a face in one picture.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Measures {
    /// Side of the face's square in the picture, in shown pixels.
    pub side_px: f32,
    /// Fine detail against contrast, from 0 (blurred) to 1 (noise): see `polyforensics` for how it is measured.
    pub sharpness: f32,
    /// How far the face looks at the camera, 0..1: see [`frontality`].
    pub frontality: f32,
    /// The part of the face that was left without any fine detail, 0..1: see `polyforensics`.
    pub compression: f32,
    /// The part of the face's square that lies outside of the picture, 0..1.
    pub padding: f32,
}

/// What a face must be to be judged.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Gates {
    /// Least [`Measures::side_px`].
    pub min_side_px: f32,
    /// Least [`Measures::sharpness`].
    pub min_sharpness: f32,
    /// Least [`Measures::frontality`].
    pub min_frontality: f32,
    /// Greatest [`Measures::compression`].
    pub max_compression: f32,
    /// Greatest [`Measures::padding`].
    pub max_padding: f32,
}

impl Default for Gates {
    /// 40 pixels are a third of what the network sees. A portrait, a speaker of the GRID
    /// corpus and the sequence `carphone` have a sharpness of 0.17 to 0.28, and 0.10 is that of the portrait when it is
    /// blurred by 4 % of the face's width. A frontality of 0.15 is a head turned by some 35 degrees. A face
    /// with 0.95 of it left without detail shows hardly more than its outline: of DFDC's calibration crops 0.6 refused a
    /// quarter, and those that it let through were judged no better. Over 5 % of padding is what no picture of the training
    /// had.
    fn default() -> Self {
        Self {
            min_side_px: 40.0,
            min_sharpness: 0.10,
            min_frontality: 0.15,
            max_compression: 0.95,
            max_padding: MAX_PADDING,
        }
    }
}

/// More than this was never shown to the network, so that no setting lets it through.
const MAX_PADDING: f32 = 0.05;

impl Gates {
    /// Gates that let everything through but what the network was never made for: a face that is cut off.
    pub fn open() -> Self {
        Self {
            min_side_px: 0.0,
            min_sharpness: 0.0,
            min_frontality: 0.0,
            max_compression: 1.0,
            max_padding: MAX_PADDING,
        }
    }

    /// Why a face can't be judged, the plainest reason first; `None` when it can. What isn't a number doesn't pass.
    pub fn reason_not(&self, face: &Measures) -> Option<ReasonNot> {
        let reaches = |value: f32, least: f32| value >= least;
        let reasons = [
            (reaches(self.max_padding, face.padding), ReasonNot::CutOff),
            (reaches(face.side_px, self.min_side_px), ReasonNot::TooSmall),
            (reaches(face.frontality, self.min_frontality), ReasonNot::Profile),
            // Compression takes detail away as well: the cause is told before its effect.
            (reaches(self.max_compression, face.compression), ReasonNot::Compressed),
            (reaches(face.sharpness, self.min_sharpness), ReasonNot::Blurred),
        ];
        reasons.into_iter().find(|(passes, _)| !passes).map(|(_, reason)| reason)
    }
}

/// How far a face looks at the camera: 1 with the nose half-way between the ears, 0 with it over one of them, however
/// the head is tilted. `shown` is the picture's width and height in shown pixels.
///
/// With the nose's tip 1.25 head radii before the axis of the ears, a head turned by an angle has 1 - 1.25 tan(angle).
pub fn frontality(points: &FacePoints, shown: [f32; 2]) -> f32 {
    let pixels = |point: Point| [point.x * shown[0], point.y * shown[1]];
    let [nose, right, left] = [points.nose, points.right_ear, points.left_ear].map(pixels);
    let axis = [left[0] - right[0], left[1] - right[1]];
    let length = axis[0] * axis[0] + axis[1] * axis[1];
    if length <= f32::EPSILON {
        return 0.0;
    }
    let along = ((nose[0] - right[0]) * axis[0] + (nose[1] - right[1]) * axis[1]) / length;
    (1.0 - (2.0 * along - 1.0).abs()).clamp(0.0, 1.0)
}
