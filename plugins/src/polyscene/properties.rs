// SPDX-License-Identifier: Apache-2.0
//! The properties of `polyscene` that are about what a shot shows.

use std::collections::BTreeMap;

use gst::glib;
use gst::prelude::*;
use polygraph_models::card::SafetyLabel;
use polygraph_models::safety;

use crate::analyser::Provider;

/// Time between two looks at a shot, unless told otherwise.
pub(crate) const INTERVAL_NS: u64 = 1_000_000_000;
/// The longest such time.
const LONGEST_NS: u64 = 3_600_000_000_000;

/// Thresholds that a user set, by label.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Thresholds(BTreeMap<String, f32>);

impl Thresholds {
    /// Reads `LABEL=0.5,OTHER=0.3`.
    ///
    /// # Errors
    /// What is wrong with it, in a line.
    pub fn read(text: &str) -> Result<Self, String> {
        let mut thresholds = BTreeMap::new();
        for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
            let (label, number) = part.split_once('=').ok_or_else(|| format!("`{part}` isn't LABEL=THRESHOLD"))?;
            let number = number.trim().parse::<f32>().ok().filter(|number| (0.0..=1.0).contains(number));
            let number = number.ok_or_else(|| format!("the threshold of `{part}` isn't a number of 0..1"))?;
            thresholds.insert(label.trim().to_owned(), number);
        }
        Ok(Self(thresholds))
    }

    /// The threshold of a label, if a user set one.
    pub fn of(&self, label: &str) -> Option<f32> {
        self.0.get(label).copied()
    }

    /// A label that isn't among the network's.
    pub fn unknown(&self, known: &[SafetyLabel]) -> Option<&str> {
        self.0.keys().map(String::as_str).find(|label| known.iter().all(|known| known.label != *label))
    }

    fn write(&self) -> String {
        self.0.iter().map(|(label, number)| format!("{label}={number}")).collect::<Vec<_>>().join(",")
    }
}

/// What can be set.
#[derive(Clone, Debug)]
pub(super) struct Shown {
    pub scenes: bool,
    pub scene_interval: u64,
    /// Negative: the card's.
    pub scene_threshold: f32,
    pub safety: bool,
    pub safety_interval: u64,
    pub safety_network: String,
    pub thresholds: Thresholds,
    pub text: bool,
    pub text_interval: u64,
    pub provider: Provider,
}

impl Default for Shown {
    fn default() -> Self {
        Self {
            scenes: false,
            scene_interval: INTERVAL_NS,
            scene_threshold: -1.0,
            safety: false,
            safety_interval: INTERVAL_NS,
            safety_network: safety::CARD.to_owned(),
            thresholds: Thresholds::default(),
            text: false,
            text_interval: INTERVAL_NS,
            provider: Provider::Auto,
        }
    }
}

impl Shown {
    /// Sets a property.
    ///
    /// # Errors
    /// What is wrong with the value, in a line.
    pub fn set(&mut self, name: &str, value: &glib::Value) -> Result<(), String> {
        let wrong = |error: glib::value::ValueTypeMismatchError| error.to_string();
        let text = || value.get::<Option<String>>().map(Option::unwrap_or_default).map_err(|error| error.to_string());
        match name {
            "scenes" => self.scenes = value.get().map_err(wrong)?,
            "scene-interval" => self.scene_interval = value.get().map_err(wrong)?,
            "scene-threshold" => self.scene_threshold = value.get().map_err(wrong)?,
            "safety" => self.safety = value.get().map_err(wrong)?,
            "safety-interval" => self.safety_interval = value.get().map_err(wrong)?,
            "safety-network" => self.safety_network = text()?,
            "safety-thresholds" => self.thresholds = Thresholds::read(&text()?)?,
            "text" => self.text = value.get().map_err(wrong)?,
            "text-interval" => self.text_interval = value.get().map_err(wrong)?,
            "provider" => self.provider = value.get().map_err(wrong)?,
            _ => unimplemented!(),
        }
        Ok(())
    }

    pub fn get(&self, name: &str) -> glib::Value {
        match name {
            "scenes" => self.scenes.to_value(),
            "scene-interval" => self.scene_interval.to_value(),
            "scene-threshold" => self.scene_threshold.to_value(),
            "safety" => self.safety.to_value(),
            "safety-interval" => self.safety_interval.to_value(),
            "safety-network" => self.safety_network.to_value(),
            "safety-thresholds" => self.thresholds.write().to_value(),
            "text" => self.text.to_value(),
            "text-interval" => self.text_interval.to_value(),
            "provider" => self.provider.to_value(),
            _ => unimplemented!(),
        }
    }
}

/// Of a time between two looks at a shot.
pub(crate) fn interval(name: &'static str, nick: &'static str, blurb: &'static str) -> glib::ParamSpec {
    glib::ParamSpecUInt64::builder(name)
        .nick(nick)
        .blurb(blurb)
        .default_value(INTERVAL_NS)
        .maximum(LONGEST_NS)
        .mutable_playing()
        .build()
}

pub(super) fn specs() -> Vec<glib::ParamSpec> {
    let default = Shown::default();
    vec![
        glib::ParamSpecBoolean::builder("scenes")
            .nick("Scenes")
            .blurb("Whether to label what is shown")
            .default_value(default.scenes)
            .mutable_ready()
            .build(),
        interval(
            "scene-interval",
            "Scene interval",
            "Time between two looks at a shot for its labels, in nanoseconds (0 = every picture); its first picture is always looked at",
        ),
        glib::ParamSpecFloat::builder("scene-threshold")
            .nick("Scene threshold")
            .blurb("Least probability with which a label of the scene, indoors or outdoors is told; under 0 = those of the network's card")
            .minimum(-1.0)
            .maximum(1.0)
            .default_value(default.scene_threshold)
            .mutable_ready()
            .build(),
        glib::ParamSpecBoolean::builder("safety")
            .nick("Content safety")
            .blurb(
                "Whether to look for what may be unfit to be shown; its network is fetched only when accepted by name",
            )
            .default_value(default.safety)
            .mutable_ready()
            .build(),
        interval(
            "safety-interval",
            "Safety interval",
            "Time between two looks at a shot for content safety, in nanoseconds (0 = every picture); its first picture is always looked at",
        ),
        glib::ParamSpecString::builder("safety-network")
            .nick("Safety network")
            .blurb("Card of the network for content safety")
            .default_value(Some(safety::CARD))
            .mutable_ready()
            .build(),
        glib::ParamSpecString::builder("safety-thresholds")
            .nick("Safety thresholds")
            .blurb("Least scores of labels that are told, in place of the card's: LABEL=0.5,OTHER=0.3")
            .default_value(Some(""))
            .mutable_playing()
            .build(),
        glib::ParamSpecBoolean::builder("text")
            .nick("Text on screen")
            .blurb("Whether to read the text that stands in the picture")
            .default_value(default.text)
            .mutable_ready()
            .build(),
        interval(
            "text-interval",
            "Text interval",
            "Time between two looks at a shot for text, in nanoseconds (0 = every picture); its first picture is always looked at",
        ),
        glib::ParamSpecEnum::builder_with_default("provider", default.provider)
            .nick("Provider")
            .blurb("ONNX Runtime execution provider of the networks")
            .mutable_ready()
            .build(),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thresholds_are_read_and_what_is_none_is_refused() {
        let read = Thresholds::read(" FACE_MALE=0.5, BUTTOCKS_EXPOSED = 0.25,").unwrap();
        assert_eq!((read.of("FACE_MALE"), read.of("BUTTOCKS_EXPOSED"), read.of("x")), (Some(0.5), Some(0.25), None));
        assert_eq!(Thresholds::read(&read.write()), Ok(read));
        assert_eq!(Thresholds::read(""), Ok(Thresholds::default()));
        for bad in ["FACE_MALE", "a=b", "a=1.5", "a=-1", "a=NaN", "a="] {
            assert!(Thresholds::read(bad).is_err(), "{bad}");
        }
    }
}
