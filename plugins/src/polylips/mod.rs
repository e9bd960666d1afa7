// SPDX-License-Identifier: Apache-2.0
//! `polylips`: joins what was seen with what was heard.
//!
//! Takes the results that analysers left on pictures (`video`) and on sound (`audio`), joins them by running time
//! and gives one JSON record a buffer: a `frame` for each analysed picture, with the sound of its moment or the
//! reason why there is none, and a `shot` for each shot boundary. The pictures themselves are dropped at once;
//! only results wait.
//!
//! Either pad may be absent, may come late and may end first. With sound alone there are no pictures to speak of,
//! and nothing but the end of the stream comes out.
//!
//! How long a picture waits for its sound is a matter of `sync-mode`. From a live source a picture waits
//! for `max-wait-time` at most, and the oldest results go when there is no room. From a file it waits
//! for the sound to come along: the faster side is held back, until `stall-time` passes in which
//! nothing moves at all. Sound that the source announces in its stream collection is waited for until its pad is
//! linked, for two seconds at most.
//!
//! With `lip-sync` it also reads the lips, of the mouths that `polyface mouths=true` cut out and the sound that
//! `polyvoice keep-sound=true` kept: each face of a frame is told whether its lips and the sound belong together, and
//! whether it speaks.
//!
//! What `polyface` cut is handed on by the `lips` pad, in running time, for `polyspeech` to read.
//!
//! ## Example pipeline
//!
//! ```bash
//! gst-launch-1.0 -q videotestsrc num-buffers=50 ! polyscene ! polyface ! polylips ! fdsink
//! ```

use gst::glib;
use gst::prelude::*;

mod imp;
mod input;
mod late;
mod mouths;
mod output;
mod reader;
mod state;

pub(crate) use mouths::LIPS_CAPS;
pub(crate) use output::RECORD_CAPS;
pub(crate) use reader::calibration;

use polygraph_core::timeline::SyncPolicy;

/// What a picture waits for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, glib::Enum)]
#[enum_type(name = "GstPolyLipsSyncMode")]
#[repr(i32)]
pub enum SyncMode {
    /// The sound that covers it.
    #[default]
    #[enum_value(
        name = "Slowest: wait for the sound that covers the picture, until the wait is over",
        nick = "slowest"
    )]
    Slowest = 0,
    /// The sound that is there already, within the tolerance.
    #[enum_value(
        name = "Basepad: the picture leads and takes the sound within the tolerance that is there",
        nick = "basepad"
    )]
    BasePad = 1,
    /// The latest sound, whatever its time.
    #[enum_value(name = "Refresh: the picture takes the latest sound, whatever its time", nick = "refresh")]
    Refresh = 2,
}

impl From<SyncMode> for SyncPolicy {
    fn from(mode: SyncMode) -> Self {
        match mode {
            SyncMode::Slowest => Self::Slowest,
            SyncMode::BasePad => Self::BasePad,
            SyncMode::Refresh => Self::Refresh,
        }
    }
}

/// Whether the source goes on by itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, glib::Enum)]
#[enum_type(name = "GstPolygraphLive")]
#[repr(i32)]
pub enum Live {
    /// As the source says in its answer to the latency query.
    #[default]
    #[enum_value(name = "Auto: as the source says", nick = "auto")]
    Auto = 0,
    /// It does: never hold it back.
    #[enum_value(name = "True: never hold the source back", nick = "true")]
    True = 1,
    /// It does not: hold it back rather than lose anything.
    #[enum_value(name = "False: hold the source back rather than lose anything", nick = "false")]
    False = 2,
}

glib::wrapper! {
    /// Joins what was seen with what was heard.
    pub struct PolyLips(ObjectSubclass<imp::PolyLips>) @extends gst::Element, gst::Object;
}

/// Makes the element known to a plugin.
///
/// # Errors
/// When the registry refuses it.
pub fn register(plugin: &gst::Plugin) -> Result<(), glib::BoolError> {
    gst::Element::register(Some(plugin), "polylips", gst::Rank::NONE, PolyLips::static_type())
}
