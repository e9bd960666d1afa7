// SPDX-License-Identifier: Apache-2.0
//! GStreamer elements that analyse live audio and video.
//!
//! Analysers are transparent: pictures and sound pass through unchanged and uncopied, and what was found travels
//! beside them in the metas of [`meta`]. Each element has a folder of its own.

use gst::glib;

pub mod analyser;
mod faults;
pub mod late;
mod lateness;
pub mod meta;
mod picture;
pub mod polyanalyze;
pub mod polyface;
pub mod polyforensics;
pub mod polyfuse;
pub mod polykafkasink;
pub mod polylips;
pub mod polyscene;
pub mod polyspeech;
pub mod polyvoice;
mod times;

pub use descriptor::plugin_register_static;

fn plugin_init(plugin: &gst::Plugin) -> Result<(), glib::BoolError> {
    meta::register();
    polyscene::register(plugin)?;
    polyface::register(plugin)?;
    polyforensics::register(plugin)?;
    polyvoice::register(plugin)?;
    polyspeech::register(plugin)?;
    polyanalyze::register(plugin)?;
    polykafkasink::register(plugin)?;
    polylips::register(plugin)?;
    polyfuse::register(plugin)
}

/// What GStreamer's loader reads; the macro's items carry no documentation of their own.
#[allow(missing_docs)]
mod descriptor {
    use super::plugin_init;

    gst::plugin_define!(
        polygraph,
        env!("CARGO_PKG_DESCRIPTION"),
        plugin_init,
        concat!(env!("CARGO_PKG_VERSION"), "-", env!("COMMIT_ID")),
        "Apache 2.0",
        env!("CARGO_PKG_NAME"),
        env!("CARGO_PKG_NAME"),
        env!("CARGO_PKG_REPOSITORY"),
        env!("BUILD_REL_DATE")
    );
}
