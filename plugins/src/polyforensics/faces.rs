// SPDX-License-Identifier: Apache-2.0
//! The faces of one picture: which are scored, and what was cut out for the network.

use polygraph_core::forensics::Gates;
use polygraph_core::results::{Face, ReasonNot};
use polygraph_models::forensics::FaceCrop;
use polygraph_models::picture::{Picture, PictureError};

use super::measures::measure;

/// Faces that the detector found in this very picture, the largest first, by their places in the list. Those carried on
/// by a tracker may lie beside the real face.
pub(super) fn detected(faces: &[Face]) -> Vec<usize> {
    let mut places: Vec<usize> = (0..faces.len()).filter(|at| faces[*at].detected).collect();
    places.sort_by(|a, b| faces[*b].rect.area().total_cmp(&faces[*a].rect.area()));
    places
}

/// What was cut out of a picture.
#[derive(Debug, Default)]
pub(super) struct Cut {
    /// Faces for the network, by their places, ...
    pub places: Vec<usize>,
    /// ... and their crops, in the same order.
    pub crops: Vec<FaceCrop>,
    /// Faces that can't be judged, and why.
    pub refused: Vec<(usize, ReasonNot)>,
    /// Faces whose boxes are none.
    pub unreadable: Vec<usize>,
}

/// Cuts faces out of a picture and turns away those that can't be judged.
///
/// # Errors
/// [`PictureError`] when it is the picture that can't be read, and not a face's box.
pub(super) fn cut(picture: &Picture<'_>, faces: &[Face], places: &[usize], gates: &Gates) -> Result<Cut, PictureError> {
    let mut cut = Cut::default();
    for &place in places {
        let face = &faces[place];
        let (right_eye, left_eye) = (face.points.right_eye.into(), face.points.left_eye.into());
        let crop = match FaceCrop::new(picture, face.rect.into(), right_eye, left_eye) {
            Ok(crop) => crop,
            Err(PictureError::Square(_)) => {
                cut.unreadable.push(place);
                continue;
            }
            Err(error) => return Err(error),
        };
        match gates.reason_not(&measure(picture, face, &crop)) {
            Some(reason) => cut.refused.push((place, reason)),
            None => {
                cut.places.push(place);
                cut.crops.push(crop);
            }
        }
    }
    Ok(cut)
}
