// SPDX-License-Identifier: Apache-2.0
//! The two properties that every element which looks for broadcast faults has.

use gst::glib;
use gst::prelude::*;
use polygraph_core::fault::{Faults, Limits};

/// What to look for, and by which limits.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct FaultSettings {
    /// As it was given.
    names: String,
    numbers: String,
    pub(crate) faults: Faults,
    pub(crate) limits: Limits,
}

impl FaultSettings {
    /// Their specifications.
    pub(crate) fn specs() -> Vec<glib::ParamSpec> {
        vec![
            glib::ParamSpecString::builder("faults")
                .nick("Faults")
                .blurb("Broadcast faults to look for: names with commas between, all, picture or sound; empty for none")
                .default_value(Some(""))
                .mutable_ready()
                .build(),
            glib::ParamSpecString::builder("fault-limits")
                .nick("Limits of faults")
                .blurb("From where on something is a fault: NAME=NUMBER with commas between, such as black_s=1.5,silence_dbfs=-50; names end in their unit")
                .default_value(Some(""))
                .mutable_ready()
                .build(),
        ]
    }

    /// The value of one of them; `None` of another property.
    pub(crate) fn get(&self, name: &str) -> Option<glib::Value> {
        match name {
            "faults" => Some(self.names.to_value()),
            "fault-limits" => Some(self.numbers.to_value()),
            _ => None,
        }
    }

    /// Sets one of them; `None` of another property.
    ///
    /// # Errors
    /// One line that says what isn't known; then nothing is changed.
    pub(crate) fn set(&mut self, name: &str, value: &glib::Value) -> Option<Result<(), String>> {
        if !matches!(name, "faults" | "fault-limits") {
            return None;
        }
        let text = value.get::<Option<String>>().ok().flatten().unwrap_or_default();
        Some(match name {
            "faults" => Faults::parse(&text).map(|faults| (self.faults, self.names) = (faults, text)),
            _ => Limits::parse(&text)
                .map(|limits| (self.limits, self.numbers) = (limits, text))
                .map_err(|error| error.to_string()),
        })
    }
}
