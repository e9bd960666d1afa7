// SPDX-License-Identifier: Apache-2.0
//! `polyface`: finds faces and follows them.
//!
//! Pictures pass through untouched and uncopied; the faces travel with each picture in a `PolyVideoMeta`: box, six
//! points, score, quality and the id of the track, in parts of the picture.
//!
//! - The detector (BlazeFace) looks at `analysis-fps` pictures a second, chosen by PTS, and at the first picture after
//!   a cut that `polyscene` reported; `analysis-fps=0` looks at every picture. In between a tracker carries the boxes.
//! - An id outlives an occlusion of `max-occlusion`; it ends at a cut, a flush, new caps and a jump in time, and is
//!   never used again.
//! - `tiles` finds faces from 24 pixels upwards in 720p, for six more calls of the network a look.
//! - `roi-meta` mirrors the faces as `GstVideoRegionOfInterestMeta` of type `face` for other elements, and
//!   `post-messages` posts those of each look as an element message `polygraph-faces`. Built with the feature `v1_24`,
//!   `analytics-meta` mirrors them as `GstAnalyticsRelationMeta` too: a detection and a tracking each, related.
//!
//! A picture that comes too late for its sink (QoS) isn't looked at, but one a second always is. `stats` holds the
//! account: `input = analysed + late + skipped-REASON`, with the reasons `interval` (no look was due), `busy` (the
//! network was busy with other streams until the deadline), `no-pts`, `gap` and `unreadable`.
//!
//! ## Example pipelines
//!
//! ```bash
//! gst-launch-1.0 -m filesrc location=video.mp4 ! decodebin ! videoconvert ! polyface post-messages=true ! fakesink
//! gst-launch-1.0 -v filesrc location=video.mp4 ! decodebin ! videoconvert ! polyscene ! polyface ! \
//!     fakesink silent=false
//! ```
//!
//! The first prints the faces of each look, the second the metas of each picture.

use gst::glib;
use gst::prelude::*;

mod imp;
mod mirror;
mod properties;
mod quality;
#[cfg(feature = "v1_24")]
mod relations;
mod schedule;

glib::wrapper! {
    /// Finds faces in pictures that pass through, and follows them.
    pub struct PolyFace(ObjectSubclass<imp::PolyFace>) @extends gst_base::BaseTransform, gst::Element, gst::Object;
}

/// Makes the element known.
pub fn register(plugin: &gst::Plugin) -> Result<(), glib::BoolError> {
    gst::Element::register(Some(plugin), "polyface", gst::Rank::NONE, PolyFace::static_type())
}
