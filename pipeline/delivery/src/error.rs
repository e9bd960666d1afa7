// SPDX-License-Identifier: Apache-2.0
//! What can go wrong before a message is on its way; what happens to it later is in the report.

use std::path::{Path, PathBuf};

use crate::message::Topic;

/// A result of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// One line that says what is wrong and what to do.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The list of brokers can't be one.
    #[error("'{given}' is not a list of Kafka brokers ({why}): write host:port, several with commas between")]
    Brokers {
        /// What was given.
        given: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// The timeout is none, or longer than librdkafka can count.
    #[error("the Kafka timeout must be at least 1 ms and at most 24 days")]
    Timeout,
    /// A setting on which the promises of this crate rest.
    #[error("the Kafka setting '{0}' can't be changed: delivery without loss or repetition rests on it")]
    FixedSetting(String),
    /// librdkafka refuses the settings.
    #[error("librdkafka refuses the Kafka settings: {0}")]
    Settings(String),
    /// A setting that librdkafka refuses, or whose secret can't be had.
    #[error("the Kafka setting '{name}' is refused: {why}")]
    Setting {
        /// Its name.
        name: String,
        /// What is wrong with it; never a secret.
        why: String,
    },
    /// A file of settings that can't be read.
    #[error("{file}: {why}")]
    Properties {
        /// The file, and the line where there is one.
        file: String,
        /// What is wrong with it.
        why: String,
    },
    /// The operating system gives no thread.
    #[error("no thread for the Kafka topics could be started: {0}")]
    Thread(std::io::Error),
    /// The cluster does not answer, or refuses.
    #[error("{0}")]
    Cluster(String),
    /// A message that was refused; it is counted as failed.
    #[error("an event for {topic} was refused: {reason}")]
    Refused {
        /// Where it was to go.
        topic: Topic,
        /// Why it can't.
        reason: String,
    },
    /// Text that is no event of Polygraph.
    #[error("not an event: {0}")]
    NotAnEvent(String),
    /// The spool's folder belongs to another process.
    #[error("the spool folder {0} is in use by another process: name another folder with --spool, or end that process")]
    SpoolInUse(PathBuf),
    /// The spool can't be read or written.
    #[error("the spool folder {folder} can't be used: {why}")]
    Spool {
        /// The folder.
        folder: PathBuf,
        /// What is wrong with it.
        why: String,
    },
}

impl Error {
    pub(crate) fn spool(folder: &Path, why: impl std::fmt::Display) -> Self {
        Self::Spool { folder: folder.to_owned(), why: why.to_string() }
    }
}
