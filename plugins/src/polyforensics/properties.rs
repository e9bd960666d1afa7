// SPDX-License-Identifier: Apache-2.0
//! The properties of `polyforensics`.

use gst::glib;
use gst::prelude::*;
use polygraph_core::forensics::{Gates, JoinOptions, MAX_SCORES, MAX_TRACKS};

use crate::analyser::Provider;

/// Faces of a picture that are scored at most, unless told otherwise: eight take some 50 ms of a core.
pub(crate) const MAX_FACES: u32 = 8;

/// What can be set.
#[derive(Clone, Debug)]
pub(super) struct Settings {
    pub max_faces: u32,
    window: u64,
    least_pictures: u32,
    gates: bool,
    min_face_size: f32,
    pub evidence: bool,
    pub provider: Provider,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            max_faces: MAX_FACES,
            window: JoinOptions::default().window_ns,
            least_pictures: JoinOptions::default().least,
            gates: true,
            min_face_size: Gates::default().min_side_px,
            evidence: false,
            provider: Provider::Auto,
        }
    }
}

impl Settings {
    pub fn join(&self) -> JoinOptions {
        JoinOptions { window_ns: self.window, least: self.least_pictures, ..JoinOptions::default() }
    }

    pub fn gates(&self) -> Gates {
        if self.gates { Gates { min_side_px: self.min_face_size, ..Gates::default() } } else { Gates::open() }
    }

    /// Sets a property other than `stats`; the type was checked upstream.
    pub fn set(&mut self, name: &str, value: &glib::Value) -> Result<(), glib::value::ValueTypeMismatchError> {
        match name {
            "max-faces" => self.max_faces = value.get()?,
            "window" => self.window = value.get()?,
            "least-pictures" => self.least_pictures = value.get()?,
            "gates" => self.gates = value.get()?,
            "min-face-size" => self.min_face_size = value.get()?,
            "evidence" => self.evidence = value.get()?,
            "provider" => self.provider = value.get()?,
            _ => unimplemented!(),
        }
        Ok(())
    }

    pub fn get(&self, name: &str) -> glib::Value {
        match name {
            "max-faces" => self.max_faces.to_value(),
            "window" => self.window.to_value(),
            "least-pictures" => self.least_pictures.to_value(),
            "gates" => self.gates.to_value(),
            "min-face-size" => self.min_face_size.to_value(),
            "evidence" => self.evidence.to_value(),
            "provider" => self.provider.to_value(),
            _ => unimplemented!(),
        }
    }
}

pub(super) fn specs() -> Vec<glib::ParamSpec> {
    let default = Settings::default();
    vec![
        glib::ParamSpecUInt::builder("max-faces")
            .nick("Most faces")
            .blurb("Faces of a picture that are scored at most, the largest ones")
            .minimum(1)
            .maximum(MAX_TRACKS as u32)
            .default_value(default.max_faces)
            .mutable_playing()
            .build(),
        glib::ParamSpecUInt64::builder("window")
            .nick("Window")
            .blurb("Time over which the scores of a face are joined, in nanoseconds of PTS")
            .minimum(1)
            .maximum(60_000_000_000)
            .default_value(default.window)
            .mutable_playing()
            .build(),
        glib::ParamSpecUInt::builder("least-pictures")
            .nick("Least pictures")
            .blurb("Scored pictures of a face within the window without which there is no finding about it (too_brief)")
            .minimum(1)
            .maximum(MAX_SCORES as u32)
            .default_value(default.least_pictures)
            .mutable_playing()
            .build(),
        glib::ParamSpecBoolean::builder("gates")
            .nick("Gates")
            .blurb(
                "Whether faces that can't be judged are left out with a reason (those cut off by the edge always are)",
            )
            .default_value(default.gates)
            .mutable_playing()
            .build(),
        glib::ParamSpecFloat::builder("min-face-size")
            .nick("Least face size")
            .blurb("Least side of a face's square that is scored, in pixels as shown; counts with gates=true")
            .minimum(0.0)
            .maximum(32_768.0)
            .default_value(default.min_face_size)
            .mutable_playing()
            .build(),
        glib::ParamSpecBoolean::builder("evidence")
            .nick("Evidence")
            .blurb("Whether to post an element message polygraph-evidence with a picture of each track's highest score")
            .default_value(default.evidence)
            .mutable_playing()
            .build(),
        glib::ParamSpecEnum::builder_with_default("provider", default.provider)
            .nick("Provider")
            .blurb("ONNX Runtime execution provider of the network")
            .mutable_ready()
            .build(),
        glib::ParamSpecBoxed::builder::<gst::Structure>("stats")
            .nick("Statistics")
            .blurb("Account of the detected faces: input = analysed + late + skipped-REASON")
            .read_only()
            .build(),
    ]
}
