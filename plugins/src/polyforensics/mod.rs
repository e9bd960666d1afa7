// SPDX-License-Identifier: Apache-2.0
//! `polyforensics`: looks for signs of manipulation in the faces that `polyface` found.
//!
//! Pictures pass through untouched and uncopied. Each face that the detector found in this very picture is cut out,
//! upright, and scored by our own network; what came out goes to the face in the picture's `PolyVideoMeta`: the logit of
//! this picture, the logit and the calibrated probability of the face's track over the last `window`, and whether that is
//! a sign of manipulation by the threshold of the network's card. Faces that a tracker carries on are left alone. Where
//! nobody looked for faces, there is nothing to do.
//!
//! - A face that no network should be asked about isn't scored, and the reason is given: `too_small`, `blurred`,
//!   `profile`, `compressed`, `cut_off` or `too_brief`. `gates=false` scores all but the ones that are cut off.
//! - A face's scores are joined over `window`: the mean logit of the best 60 % of its pictures, by quality. They end with
//!   the track: at a cut, a flush, new caps, a jump in time.
//! - Of more than `max-faces` faces the largest are scored.
//! - `evidence` posts an element message `polygraph-evidence` whenever a track has its highest score so far: `track`,
//!   `pts`, `logit`, and `picture`, a JPEG file of the face with a coarse map of where it looks manipulated.
//!
//! A picture that comes too late for its sink (QoS) isn't scored, but one a second always is. `stats` holds the account of
//! the detected faces: `input = analysed + late + skipped-REASON`, with the reasons above and `max-faces`, `busy` (the
//! network was busy with other streams until the deadline), `gap`, `no-caps` and `unreadable`.
//!
//! ## Example pipeline
//!
//! ```bash
//! gst-launch-1.0 -q filesrc location=video.mp4 ! decodebin ! videoconvert ! polyscene ! polyface ! polyforensics ! \
//!     polylips ! fdsink
//! ```
//!
//! prints a line of JSON for each picture that was looked at, with what was found of each face.

use gst::glib;
use gst::prelude::*;

mod evidence;
mod faces;
mod imp;
mod measures;
mod properties;

pub use evidence::{EVIDENCE, Evidence};
pub(crate) use properties::MAX_FACES;

glib::wrapper! {
    /// Looks for signs of manipulation in faces.
    pub struct PolyForensics(ObjectSubclass<imp::PolyForensics>)
        @extends gst_base::BaseTransform, gst::Element, gst::Object;
}

/// Makes the element known.
///
/// # Errors
/// When the registry refuses it.
pub fn register(plugin: &gst::Plugin) -> Result<(), glib::BoolError> {
    gst::Element::register(Some(plugin), "polyforensics", gst::Rank::NONE, PolyForensics::static_type())
}
