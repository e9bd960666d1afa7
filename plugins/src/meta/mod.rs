// SPDX-License-Identifier: Apache-2.0
//! What analysers found, travelling beside the picture or the sound it was found in.
//!
//! Two custom metas, `PolyVideoMeta` and `PolyAudioMeta`, hold plain `GstStructure` values (numbers, strings,
//! arrays), so that a reader in any language can read them and no Rust type leaks through the plugin's edge. They
//! carry no tags: an element copies an untagged meta whatever it does to the picture, hence results survive
//! conversion and scaling (coordinates are parts of the picture). Elements that change what 0..1 means (crop, box,
//! flip) copy it as well, and then the boxes are wrong; deinterlacing loses it. So all these come before the first
//! analyser. `tests/meta.rs` has the whole table.
//!
//! Each meta is versioned by [`RESULTS_VERSION`](polygraph_core::results::RESULTS_VERSION); a reader leaves a newer
//! one alone, and nobody overwrites it. Times are buffer PTS.

mod audio;
mod fields;
mod shown;
mod video;

use std::sync::LazyLock;

use gst::meta::CustomMeta;
use polygraph_core::results::{AudioResults, RESULTS_VERSION, VideoResults};

static CAT: LazyLock<gst::DebugCategory> = LazyLock::new(|| {
    gst::DebugCategory::new("polymeta", gst::DebugColorFlags::empty(), Some("Metas of Polygraph's analysers"))
});

/// Name of the meta on pictures.
pub const VIDEO_META: &str = "PolyVideoMeta";
/// Name of the meta on sound.
pub const AUDIO_META: &str = "PolyAudioMeta";

/// Registers both metas; GStreamer keeps them for the life of the process.
pub(crate) fn register() {
    static REGISTERED: LazyLock<()> = LazyLock::new(|| {
        for name in [VIDEO_META, AUDIO_META] {
            // The plugin may be linked statically and be found on the plugin path as well.
            if !CustomMeta::is_registered(name) {
                CustomMeta::register_simple(name);
            }
        }
    });
    LazyLock::force(&REGISTERED);
}

/// Adds to what is known of a picture; the buffer needs to be writable, its memory isn't touched. A meta of a newer
/// layout stays as it is.
pub fn update_video(buffer: &mut gst::BufferRef, change: impl FnOnce(&mut VideoResults)) {
    if is_newer(buffer, VIDEO_META) {
        return;
    }
    let mut results = video_results(buffer).unwrap_or_default();
    change(&mut results);
    write(buffer, VIDEO_META, |structure| video::write(&results, structure));
}

/// What is known of a picture: `None` without a meta, or with one of a newer layout.
pub fn video_results(buffer: &gst::BufferRef) -> Option<VideoResults> {
    read(buffer, VIDEO_META, video::read)
}

/// Adds to what is known of a buffer of sound; the buffer needs to be writable, its memory isn't touched. A meta of a
/// newer layout stays as it is.
pub fn update_audio(buffer: &mut gst::BufferRef, change: impl FnOnce(&mut AudioResults)) {
    if is_newer(buffer, AUDIO_META) {
        return;
    }
    let mut results = audio_results(buffer).unwrap_or_default();
    change(&mut results);
    write(buffer, AUDIO_META, |structure| audio::write(&results, structure));
}

/// What is known of a buffer of sound: `None` without a meta, or with one of a newer layout.
pub fn audio_results(buffer: &gst::BufferRef) -> Option<AudioResults> {
    read(buffer, AUDIO_META, audio::read)
}

/// Whether a newer plugin wrote the meta: what it knows and we don't would be lost if we wrote into it.
fn is_newer(buffer: &gst::BufferRef, name: &str) -> bool {
    register();
    let version =
        CustomMeta::from_buffer(buffer, name).ok().and_then(|meta| meta.structure().get::<u32>("version").ok());
    let newer = version.is_some_and(|version| version > RESULTS_VERSION);
    if newer {
        gst::warning!(CAT, "{name} has layout {version:?}, this plugin writes {RESULTS_VERSION}: left as it is");
    }
    newer
}

fn write(buffer: &mut gst::BufferRef, name: &str, fill: impl FnOnce(&mut gst::StructureRef)) {
    register();
    let meta = if CustomMeta::from_buffer(buffer, name).is_ok() {
        CustomMeta::from_mut_buffer(buffer, name)
    } else {
        CustomMeta::add(buffer, name)
    };
    match meta {
        Ok(mut meta) => {
            let structure = meta.mut_structure();
            structure.remove_all_fields();
            structure.set("version", RESULTS_VERSION);
            fill(structure);
        }
        Err(err) => gst::error!(CAT, "{name} can't be attached: {err}"),
    }
}

fn read<T>(buffer: &gst::BufferRef, name: &str, parse: impl FnOnce(&gst::StructureRef) -> Option<T>) -> Option<T> {
    register();
    let meta = CustomMeta::from_buffer(buffer, name).ok()?;
    let structure = meta.structure();
    match structure.get::<u32>("version") {
        Ok(version) if version <= RESULTS_VERSION => {
            let results = parse(structure);
            if results.is_none() {
                gst::warning!(CAT, "{name} can't be read: {structure}");
            }
            results
        }
        Ok(version) => {
            gst::warning!(CAT, "{name} has layout {version}, this plugin reads up to {RESULTS_VERSION}");
            None
        }
        Err(err) => {
            gst::warning!(CAT, "{name} without a version: {err}");
            None
        }
    }
}
