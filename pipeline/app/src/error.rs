// SPDX-License-Identifier: Apache-2.0
//! What a user is told when something goes wrong: one line, with what to do where we know it.

use std::{io, path::Path};

/// A result of the command.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What ends a command early.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// An input that can't be analysed, and why.
    #[error("{input}: {why}")]
    Input { input: String, why: String },
    /// A file of ours that can't be read or written.
    #[error("{path}: {why}")]
    File { path: String, why: io::Error },
    /// GStreamer lacks something that every run needs.
    #[error("GStreamer: {0}")]
    GStreamer(String),
    /// The networks or their runtime.
    #[error(transparent)]
    Models(#[from] polygraph_models::Error),
    /// Kafka's settings.
    #[error("Kafka: {0}")]
    Delivery(#[from] polygraph_delivery::Error),
    /// A flaw of an evaluation folder's manifest; `column` is empty where the whole line is wrong.
    #[error("{path}, line {line}{}: {why}", if column.is_empty() { String::new() } else { format!(", column `{column}`") })]
    Manifest { path: String, line: u64, column: &'static str, why: String },
    /// A file of rules that makes none.
    #[error(transparent)]
    Rules(#[from] polygraph_core::rules::RuleError),
    /// Scores that can't be made probabilities.
    #[error("calibration: {0}")]
    Calibration(String),
    /// A configuration that is wrong; `why` may be several lines.
    #[error("{path}: {why}")]
    Config { path: String, why: String },
    /// The service can't start.
    #[error("{0}")]
    Service(String),
    /// An event that isn't one of ours.
    #[error("{path}, line {line}: {why}")]
    Event { path: String, line: usize, why: String },
}

impl Error {
    /// An error about an input.
    pub fn input(input: impl Into<String>, why: impl Into<String>) -> Self {
        Self::Input { input: input.into(), why: why.into() }
    }

    /// Says which file an error of the system is about.
    pub fn file(path: &Path) -> impl FnOnce(io::Error) -> Self + '_ {
        move |why| Self::File { path: path.display().to_string(), why }
    }
}
