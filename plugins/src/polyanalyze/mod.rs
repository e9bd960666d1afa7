// SPDX-License-Identifier: Apache-2.0
//! `polyanalyze`: all analysers of Polygraph in one element.
//!
//! A bin that takes decoded pictures (`video`) and sound (`audio`), analyses both and gives the records of all its
//! analysers on one source pad, one JSON object and a line's end a buffer. Either pad may be left out, and may be
//! requested late: only the chains that are asked for are built.
//!
//! ```text
//! video ─ queue ─ videoconvert ─ deinterlace ─ videoflip ─ polyscene ─ polyface ─ polyforensics ─┐
//! audio ─ queue ─ audioconvert ─ polyvoice ─ tee ────────────────────────────────────────────── polylips ─ polyfuse ─ funnel ─ src
//!                                             └ queue ─ audioconvert ─ audioresample ─ polyspeech ────────────────────────┘
//! ```
//!
//! From a live source the queues before the analysers lose their oldest buffers when the analysers are too slow, and
//! `stats` counts what they lost (`skipped-queue`); the decoder never waits. From a file nothing is
//! lost, and the decoder waits.
//!
//! Each analyser can be switched off before its pad is requested: `faces` (and with them `forensics`, `lip-sync` and all frame
//! records), `shots`, `voice`, `transcript`. Those of whom nothing is wanted aren't built at all, and a pad of whom nothing is
//! wanted costs a queue. `faults` names broadcast faults to look for, none by default; they come as records of incidents.
//!
//! `stats` has one structure for each element inside.
//!
//! With `evidence` element messages `polygraph-evidence` are posted by `polyforensics`; with `key-frames`, up to twice a second,
//! `polygraph-key-frame` with `pts` (stream time) and `picture`, a small JPEG file of what was analysed, and each half
//! second `polygraph-sound` with `pts` and `samples`, mono at 16 kHz in 32-bit floats; and up to eight
//! times a second `polygraph-mouth` with `track`, `pts` and `pixels` of each mouth; the last two with `lip-sync` only.
//!
//! ## Example pipeline
//!
//! ```bash
//! gst-launch-1.0 -q uridecodebin uri=file:///tmp/clip.mp4 name=d  d. ! polyanalyze name=a ! fdsink  d. ! a.
//! ```
//!
//! prints what is seen and heard in a file. `d. ! a.` is linked when the sound's pad appears; a file without sound
//! needs no second branch.

use gst::glib;
use gst::prelude::*;

mod chain;
mod imp;
mod key_frames;
mod mouths;
mod properties;
mod queue;
mod sound;

pub use key_frames::{KEY_FRAME, KeyFrame, coarse};
pub use mouths::{MOUTH, MouthSeen};
pub use sound::{SOUND, Sound};

glib::wrapper! {
    /// All analysers of Polygraph in one element.
    pub struct PolyAnalyze(ObjectSubclass<imp::PolyAnalyze>) @extends gst::Bin, gst::Element, gst::Object;
}

/// Makes the element known to a plugin.
///
/// # Errors
/// When the registry refuses it.
pub fn register(plugin: &gst::Plugin) -> Result<(), glib::BoolError> {
    gst::Element::register(Some(plugin), "polyanalyze", gst::Rank::NONE, PolyAnalyze::static_type())
}
