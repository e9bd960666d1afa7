// SPDX-License-Identifier: Apache-2.0
//! `polyscene`: finds shot boundaries and faults of the picture, and says what shots show.
//!
//! Pictures pass through untouched and uncopied, and none is delayed. The first picture after a cut carries a transition of kind
//! `cut` in its `PolyVideoMeta`, with a strength of which 1 is the threshold, for those that follow faces. What takes a look
//! ahead goes downstream as a custom event `polygraph-late`, some pictures later: all boundaries, cuts, dissolves, fades and
//! wipes, each with its range and the PTS of a key frame, and where faults begin and end.
//!
//! - `shots` is whether boundaries are looked for.
//! - `faults` names the faults to look for: `black`, `frozen`, `colour_bars`, `picture_size`, `frame_rate`, or `picture` for all
//!   of them; none by default. `fault-limits` says from where on, as in `black_s=1.5,frozen_db=-50`; the names end in their
//!   units, and `polygraph_core::fault::Limits` has them all with their sources.
//! - `threshold` is the least difference of two neighbouring pictures that is a cut, 0..1: the geometric mean of the
//!   differences in structure and in colour. Where pictures differ much anyway, a cut has to differ three times as
//!   much as the last second.
//! - Of a flash the end is no cut: what was shown before is shown again. Its beginning is one in the meta, and not in the event.
//! - `min-shot` is the length that a shot has at least.
//!
//! With `scenes=true` each shot is looked at with its first picture and then every `scene-interval`, and each picture's
//! meta carries the labels of its shot so far: a group of scenes or `none`, `indoor` or `outdoor`, and labels that
//! users added. With `safety=true` it carries what `safety-network` found in the last picture of the shot that was looked
//! at, and with `text=true` the lines of text that stood in it; a line that still stands as it stood isn't read again. These need
//! networks in the store; all else doesn't.
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
mod late;
mod properties;
mod shown;
mod text;
mod thumbnail;
mod watched;

pub(crate) use properties::{INTERVAL_NS, interval};

glib::wrapper! {
    /// Finds cuts in pictures that pass through.
    pub struct PolyScene(ObjectSubclass<imp::PolyScene>) @extends gst_base::BaseTransform, gst::Element, gst::Object;
}

/// Makes the element known.
pub fn register(plugin: &gst::Plugin) -> Result<(), glib::BoolError> {
    gst::Element::register(Some(plugin), "polyscene", gst::Rank::NONE, PolyScene::static_type())
}
