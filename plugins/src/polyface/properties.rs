// SPDX-License-Identifier: Apache-2.0
//! The properties of `polyface`.

use gst::glib;
use gst::prelude::*;
use polygraph_core::track::TrackOptions;
use polygraph_models::blazeface::DetectOptions;

use crate::analyser::Provider;

/// What can be set.
#[derive(Clone, Debug)]
pub(super) struct Settings {
    pub analysis_fps: f64,
    pub threshold: f32,
    pub tiles: bool,
    pub max_occlusion: u64,
    pub mouths: bool,
    pub roi_meta: bool,
    #[cfg(feature = "v1_24")]
    pub analytics_meta: bool,
    pub post_messages: bool,
    pub provider: Provider,
}

impl Default for Settings {
    fn default() -> Self {
        let DetectOptions { threshold, tiles } = DetectOptions::default();
        Self {
            analysis_fps: 5.0,
            threshold,
            tiles,
            max_occlusion: 1_000_000_000,
            mouths: false,
            roi_meta: true,
            #[cfg(feature = "v1_24")]
            analytics_meta: true,
            post_messages: false,
            provider: Provider::Auto,
        }
    }
}

impl Settings {
    pub fn detect(&self) -> DetectOptions {
        DetectOptions { threshold: self.threshold, tiles: self.tiles }
    }

    /// A face must be seen again at the first look after its occlusion.
    pub fn track(&self, interval_ns: u64) -> TrackOptions {
        TrackOptions { max_unseen_ns: self.max_occlusion.saturating_add(interval_ns), ..TrackOptions::default() }
    }

    /// Sets a property other than `stats`; the type was checked upstream.
    pub fn set(&mut self, name: &str, value: &glib::Value) -> Result<(), glib::value::ValueTypeMismatchError> {
        match name {
            "analysis-fps" => self.analysis_fps = value.get()?,
            "threshold" => self.threshold = value.get()?,
            "tiles" => self.tiles = value.get()?,
            "max-occlusion" => self.max_occlusion = value.get()?,
            "mouths" => self.mouths = value.get()?,
            "roi-meta" => self.roi_meta = value.get()?,
            #[cfg(feature = "v1_24")]
            "analytics-meta" => self.analytics_meta = value.get()?,
            "post-messages" => self.post_messages = value.get()?,
            "provider" => self.provider = value.get()?,
            _ => unimplemented!(),
        }
        Ok(())
    }

    pub fn get(&self, name: &str) -> glib::Value {
        match name {
            "analysis-fps" => self.analysis_fps.to_value(),
            "threshold" => self.threshold.to_value(),
            "tiles" => self.tiles.to_value(),
            "max-occlusion" => self.max_occlusion.to_value(),
            "mouths" => self.mouths.to_value(),
            "roi-meta" => self.roi_meta.to_value(),
            #[cfg(feature = "v1_24")]
            "analytics-meta" => self.analytics_meta.to_value(),
            "post-messages" => self.post_messages.to_value(),
            "provider" => self.provider.to_value(),
            _ => unimplemented!(),
        }
    }
}

pub(super) fn specs() -> Vec<glib::ParamSpec> {
    let default = Settings::default();
    vec![
        glib::ParamSpecDouble::builder("analysis-fps")
            .nick("Analysis rate")
            .blurb("Pictures a second, by PTS, that the detector looks at (0 = every picture)")
            .minimum(0.0)
            .maximum(1000.0)
            .default_value(default.analysis_fps)
            .mutable_playing()
            .build(),
        glib::ParamSpecFloat::builder("threshold")
            .nick("Threshold")
            .blurb("Least score of the detector that counts as a face")
            .minimum(0.0)
            .maximum(1.0)
            .default_value(default.threshold)
            .mutable_playing()
            .build(),
        glib::ParamSpecBoolean::builder("tiles")
            .nick("Tiles")
            .blurb("Whether to look at overlapping tiles of the picture too, for small faces (six more calls for 16:9)")
            .default_value(default.tiles)
            .mutable_playing()
            .build(),
        glib::ParamSpecUInt64::builder("max-occlusion")
            .nick("Longest occlusion")
            .blurb("Time for which a face may be hidden and keep its id, in nanoseconds")
            .default_value(default.max_occlusion)
            .mutable_playing()
            .build(),
        glib::ParamSpecBoolean::builder("mouths")
            .nick("Mouths")
            .blurb("Whether to cut out the mouths of all faces, up to 30 times a second, for elements that read lips")
            .default_value(default.mouths)
            .mutable_playing()
            .build(),
        glib::ParamSpecBoolean::builder("roi-meta")
            .nick("Regions of interest")
            .blurb("Whether to mirror the faces as GstVideoRegionOfInterestMeta of type face, for other elements")
            .default_value(default.roi_meta)
            .mutable_playing()
            .build(),
        #[cfg(feature = "v1_24")]
        glib::ParamSpecBoolean::builder("analytics-meta")
            .nick("GstAnalytics")
            .blurb(
                "Whether to mirror the faces as GstAnalyticsRelationMeta (detection and tracking), for other elements",
            )
            .default_value(default.analytics_meta)
            .mutable_playing()
            .build(),
        glib::ParamSpecBoolean::builder("post-messages")
            .nick("Post messages")
            .blurb("Whether to post an element message polygraph-faces for each picture that was looked at")
            .default_value(default.post_messages)
            .mutable_playing()
            .build(),
        glib::ParamSpecEnum::builder_with_default("provider", default.provider)
            .nick("Provider")
            .blurb("ONNX Runtime execution provider of the detector")
            .mutable_ready()
            .build(),
        glib::ParamSpecBoxed::builder::<gst::Structure>("stats")
            .nick("Statistics")
            .blurb("Account of the pictures: input = analysed + late + skipped-REASON")
            .read_only()
            .build(),
    ]
}
