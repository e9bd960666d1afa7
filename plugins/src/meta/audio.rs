// SPDX-License-Identifier: Apache-2.0
//! Layout of `PolyAudioMeta`.

use gst::glib;
use polygraph_core::results::{AudioResults, Heard, Loudness, SpeechWindow, Synthetic, VoiceReasonNot};

use super::fields::{network, read_network, read_range, write_known, write_range};

pub(super) fn write(results: &AudioResults, structure: &mut gst::StructureRef) {
    write_range(results.pts, structure);
    structure.set("silent", results.silent);
    structure.set("speech", gst::Array::new(results.speech.iter().map(write_window)));
    let Loudness { momentary_lufs, short_term_lufs, integrated_lufs } = results.loudness;
    let levels = [
        ("momentary-lufs", momentary_lufs),
        ("short-term-lufs", short_term_lufs),
        ("integrated-lufs", integrated_lufs),
    ];
    write_known(levels, structure);
    if let Some(from) = &results.network {
        structure.set("network", network(from));
    }
    if let Some(synthetic) = &results.synthetic {
        structure.set("synthetic", write_synthetic(synthetic));
    }
    if let Some(from) = &results.voice {
        structure.set("voice", network(from));
    }
    if !results.heard.is_empty() {
        structure.set("heard", gst::Array::new(results.heard.iter().map(write_heard)));
    }
}

pub(super) fn read(structure: &gst::StructureRef) -> Option<AudioResults> {
    let windows = structure.get::<gst::Array>("speech").ok()?;
    let speech =
        windows.iter().map(|window| read_window(window.get::<&gst::StructureRef>().ok()?)).collect::<Option<_>>()?;
    let network = |field| match structure.get::<&gst::StructureRef>(field) {
        Ok(network) => read_network(network).map(Some),
        Err(_) => Some(None),
    };
    let synthetic = match structure.get::<&gst::StructureRef>("synthetic") {
        Ok(synthetic) => Some(read_synthetic(synthetic)?),
        Err(_) => None,
    };
    Some(AudioResults {
        pts: read_range(structure)?,
        speech,
        loudness: Loudness {
            momentary_lufs: structure.get("momentary-lufs").ok(),
            short_term_lufs: structure.get("short-term-lufs").ok(),
            integrated_lufs: structure.get("integrated-lufs").ok(),
        },
        silent: structure.get("silent").ok()?,
        network: network("network")?,
        synthetic,
        voice: network("voice")?,
        heard: read_all_heard(structure)?,
    })
}

fn write_synthetic(found: &Synthetic) -> gst::Structure {
    let mut structure = gst::Structure::new_empty("synthetic");
    write_known([("p", found.p), ("logit", found.logit)], &mut structure);
    if let Some(signs) = found.signs {
        structure.set("signs", signs);
    }
    if let Some(reason) = found.reason_not {
        structure.set("reason-not", reason.as_str());
    }
    structure
}

/// `None` for a reason that this version doesn't know.
fn read_synthetic(structure: &gst::StructureRef) -> Option<Synthetic> {
    let reason_not = match structure.get::<&str>("reason-not") {
        Ok(name) => Some(VoiceReasonNot::of_name(name)?),
        Err(_) => None,
    };
    Some(Synthetic {
        p: structure.get("p").ok(),
        logit: structure.get("logit").ok(),
        signs: structure.get("signs").ok(),
        reason_not,
    })
}

/// Samples are little-endian, 32 bits, so that readers in any language have them at once.
fn write_heard(heard: &Heard) -> gst::Structure {
    let samples: Vec<u8> = heard.samples.iter().flat_map(|sample| sample.to_le_bytes()).collect();
    let mut structure = gst::Structure::builder("sound").field("samples", glib::Bytes::from_owned(samples)).build();
    write_range(heard.pts, &mut structure);
    structure
}

fn read_all_heard(structure: &gst::StructureRef) -> Option<Vec<Heard>> {
    let Ok(list) = structure.get::<gst::Array>("heard") else { return Some(Vec::new()) };
    list.iter().map(|heard| read_heard(heard.get::<&gst::StructureRef>().ok()?)).collect()
}

fn read_heard(structure: &gst::StructureRef) -> Option<Heard> {
    let bytes = structure.get::<glib::Bytes>("samples").ok()?;
    let (samples, []) = bytes.as_chunks() else { return None };
    let samples = samples.iter().map(|sample| f32::from_le_bytes(*sample)).collect();
    Some(Heard { pts: read_range(structure)?, samples })
}

fn write_window(window: &SpeechWindow) -> gst::Structure {
    let mut structure = gst::Structure::builder("window").field("p", window.p).build();
    write_range(window.pts, &mut structure);
    structure
}

fn read_window(structure: &gst::StructureRef) -> Option<SpeechWindow> {
    Some(SpeechWindow { pts: read_range(structure)?, p: structure.get("p").ok()? })
}
