// SPDX-License-Identifier: Apache-2.0
//! `polyfuse`: one verdict from all senses.
//!
//! Takes the records that `polylips` gives and adds to each `frame` the fused verdict of every face and of the frame:
//! `manipulated`, `no_manipulation_found` or `inconclusive`, with the probability, the parts that it was made of and how
//! much each counted. Records pass in place and in order; a frame's verdict depends on that frame alone, so nothing is
//! held back and no latency is added. Records of other kinds pass untouched.
//!
//! How the parts are joined, and what becomes of every combination of missing ones, is `polygraph_core::fusion`.
//!
//! - `voice` says whether a synthetic voice counts. It doesn't by default: its network is experimental. Its score stays
//!   in the record either way.
//! - `mismatch` says whether lips that don't fit the sound count.
//! - `threshold` is the least fused probability that is called manipulated, besides the networks' own thresholds.
//!
//! `stats` holds the account of the frames: `input = analysed + skipped-unreadable`; what is no record of ours passes as it
//! came.
//!
//! ## Example pipeline
//!
//! ```bash
//! gst-launch-1.0 -q filesrc location=video.mp4 ! decodebin ! videoconvert ! polyscene ! polyface ! polyforensics ! \
//!     polylips ! polyfuse ! fdsink
//! ```

use gst::glib;
use gst::prelude::*;

mod imp;

glib::wrapper! {
    /// Gives each frame's faces one verdict from all senses.
    pub struct PolyFuse(ObjectSubclass<imp::PolyFuse>) @extends gst_base::BaseTransform, gst::Element, gst::Object;
}

/// Makes the element known.
///
/// # Errors
/// When the registry refuses it.
pub fn register(plugin: &gst::Plugin) -> Result<(), glib::BoolError> {
    gst::Element::register(Some(plugin), "polyfuse", gst::Rank::NONE, PolyFuse::static_type())
}
