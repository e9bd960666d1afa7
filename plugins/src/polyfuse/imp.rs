// SPDX-License-Identifier: Apache-2.0
//! The element `polyfuse`.

use std::sync::{LazyLock, Mutex};

use gst::glib;
use gst::subclass::prelude::*;
use gst_base::prelude::*;
use gst_base::subclass::prelude::*;
use polygraph_core::accounting::Accounting;
use polygraph_core::fusion::{Options, fuse_frame};
use polygraph_core::record::Record;

use crate::analyser::{lock, stats};
use crate::polylips::RECORD_CAPS;

static CAT: LazyLock<gst::DebugCategory> = LazyLock::new(|| {
    gst::DebugCategory::new("polyfuse", gst::DebugColorFlags::empty(), Some("One verdict from all senses"))
});

/// How a record of a frame begins, as `polylips` writes it: others needn't be read.
const FRAME: &[u8] = b"{\"frame\":";

/// The implementation.
#[derive(Default)]
pub struct PolyFuse {
    settings: Mutex<Options>,
    accounting: Mutex<Accounting>,
}

#[glib::object_subclass]
impl ObjectSubclass for PolyFuse {
    const NAME: &'static str = "GstPolyFuse";
    type Type = super::PolyFuse;
    type ParentType = gst_base::BaseTransform;
}

impl ObjectImpl for PolyFuse {
    fn properties() -> &'static [glib::ParamSpec] {
        static PROPERTIES: LazyLock<Vec<glib::ParamSpec>> = LazyLock::new(|| {
            let default = Options::default();
            vec![
                glib::ParamSpecBoolean::builder("voice")
                    .nick("Voice")
                    .blurb("Whether a synthetic voice counts in the verdict; its network is experimental")
                    .default_value(default.voice)
                    .mutable_playing()
                    .build(),
                glib::ParamSpecBoolean::builder("mismatch")
                    .nick("Mismatch")
                    .blurb("Whether lips that don't fit the sound count in the verdict")
                    .default_value(default.mismatch)
                    .mutable_playing()
                    .build(),
                glib::ParamSpecFloat::builder("threshold")
                    .nick("Threshold")
                    .blurb("Least fused probability that is called manipulated, besides the networks' own thresholds")
                    .minimum(0.0)
                    .maximum(1.0)
                    .default_value(default.threshold)
                    .mutable_playing()
                    .build(),
                glib::ParamSpecBoxed::builder::<gst::Structure>("stats")
                    .nick("Statistics")
                    .blurb("Account of the frames: input = analysed + skipped-REASON")
                    .read_only()
                    .build(),
            ]
        });
        &PROPERTIES
    }

    fn set_property(&self, _id: usize, value: &glib::Value, pspec: &glib::ParamSpec) {
        let mut settings = lock(&self.settings);
        let set = match pspec.name() {
            "voice" => value.get().map(|value| settings.voice = value),
            "mismatch" => value.get().map(|value| settings.mismatch = value),
            "threshold" => value.get().map(|value| settings.threshold = value),
            _ => unimplemented!(),
        };
        if let Err(error) = set {
            gst::error!(CAT, imp = self, "property {}: {error}", pspec.name());
        }
    }

    fn property(&self, _id: usize, pspec: &glib::ParamSpec) -> glib::Value {
        match pspec.name() {
            "voice" => lock(&self.settings).voice.to_value(),
            "mismatch" => lock(&self.settings).mismatch.to_value(),
            "threshold" => lock(&self.settings).threshold.to_value(),
            "stats" => stats(&lock(&self.accounting)).to_value(),
            _ => unimplemented!(),
        }
    }
}

impl GstObjectImpl for PolyFuse {}

impl ElementImpl for PolyFuse {
    fn metadata() -> Option<&'static gst::subclass::ElementMetadata> {
        static METADATA: LazyLock<gst::subclass::ElementMetadata> = LazyLock::new(|| {
            gst::subclass::ElementMetadata::new(
                "Polygraph fusion",
                "Filter/Analyzer",
                "Gives each frame's faces one verdict from all senses",
                "Polygraph developers",
            )
        });
        Some(&METADATA)
    }

    fn pad_templates() -> &'static [gst::PadTemplate] {
        static TEMPLATES: LazyLock<Vec<gst::PadTemplate>> = LazyLock::new(|| {
            let caps = gst::Caps::new_empty_simple(RECORD_CAPS);
            let pad = |name, direction| gst::PadTemplate::new(name, direction, gst::PadPresence::Always, &caps);
            [pad("sink", gst::PadDirection::Sink), pad("src", gst::PadDirection::Src)].into_iter().flatten().collect()
        });
        &TEMPLATES
    }
}

impl BaseTransformImpl for PolyFuse {
    const MODE: gst_base::subclass::BaseTransformMode = gst_base::subclass::BaseTransformMode::AlwaysInPlace;
    const PASSTHROUGH_ON_SAME_CAPS: bool = false;
    const TRANSFORM_IP_ON_PASSTHROUGH: bool = false;

    fn start(&self) -> Result<(), gst::ErrorMessage> {
        *lock(&self.accounting) = Accounting::default();
        Ok(())
    }

    fn transform_ip(&self, buffer: &mut gst::BufferRef) -> Result<gst::FlowSuccess, gst::FlowError> {
        let options = *lock(&self.settings);
        match fused(buffer, &options) {
            Ok(None) => {}
            Ok(Some(line)) => {
                buffer.remove_all_memory();
                buffer.append_memory(gst::Memory::from_mut_slice(line));
                lock(&self.accounting).analysed();
            }
            Err(error) => {
                gst::warning!(CAT, imp = self, "a record passes as it came: {error}");
                lock(&self.accounting).skipped("unreadable");
            }
        }
        Ok(gst::FlowSuccess::Ok)
    }
}

/// A frame's record with its verdicts; `None` for what is no frame.
fn fused(buffer: &gst::BufferRef, options: &Options) -> Result<Option<Vec<u8>>, String> {
    let map = buffer.map_readable().map_err(|error| error.to_string())?;
    if !map.starts_with(FRAME) {
        return Ok(None);
    }
    let mut record: Record = serde_json::from_slice(&map).map_err(|error| error.to_string())?;
    if let Record::Frame(frame) = &mut record {
        fuse_frame(frame, options);
    }
    let mut line = serde_json::to_vec(&record).map_err(|error| error.to_string())?;
    line.push(b'\n');
    Ok(Some(line))
}
