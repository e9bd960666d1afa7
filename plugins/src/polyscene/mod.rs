// SPDX-License-Identifier: Apache-2.0
//! `polyscene`: finds cuts, and says what shots show.
//!
//! Pictures pass through untouched and uncopied. The first picture of a new shot carries a transition of kind `cut` in
//! its `PolyVideoMeta`, with a strength of which 1 is the threshold; nothing is delayed. Dissolves, fades and wipes
//! aren't reported.
//!
//! - `threshold` is the least difference of two neighbouring pictures that is a cut, 0..1: the geometric mean of the
//!   differences in structure and in colour. Where pictures differ much anyway, a cut has to differ three times as
//!   much as the last second.
//! - Of a flash the end is no cut: what was shown before is shown again.
//! - `min-shot` is the length that a shot has at least.
//!
//! With `scenes=true` each shot is looked at with its first picture and then every `scene-interval`, and each picture's
//! meta carries the labels of its shot so far: a group of scenes or `none`, `indoor` or `outdoor`, and labels that
//! users added. With `safety=true` it carries what `safety-network` found in the last picture of the shot that was looked
//! at. Both need networks in the store; all else doesn't.
//!
//! A flush, new caps and a jump in time start anew. `stats` holds the account: `input = analysed + skipped-REASON`, with
//! the reasons `no-pts`, `gap` and `unreadable`.
//!
//! ## Example pipelines
//!
//! ```bash
//! GST_DEBUG=polyscene:5 gst-launch-1.0 filesrc location=video.mp4 ! decodebin ! videoconvert ! polyscene ! fakesink
//! ```
//!
//! It prints each cut.

use gst::glib;
use gst::prelude::*;

mod imp;
mod properties;
mod shown;
mod thumbnail;

pub(crate) use properties::{INTERVAL_NS, LONGEST_NS};

glib::wrapper! {
    /// Finds cuts in pictures that pass through.
    pub struct PolyScene(ObjectSubclass<imp::PolyScene>) @extends gst_base::BaseTransform, gst::Element, gst::Object;
}

/// Makes the element known.
pub fn register(plugin: &gst::Plugin) -> Result<(), glib::BoolError> {
    gst::Element::register(Some(plugin), "polyscene", gst::Rank::NONE, PolyScene::static_type())
}
