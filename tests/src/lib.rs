// SPDX-License-Identifier: Apache-2.0
//! What the end-to-end tests share: the command under test, media to feed it, its events, a real Kafka broker and an
//! independent client.
//!
//! Nothing here returns errors: a helper that can't do its work panics and says why, and the test has failed.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

pub mod broker;
pub mod browser;
pub mod command;
pub mod consumer;
pub mod courier;
pub mod disk;
pub mod events;
pub mod java;
mod kafka_log;
pub mod line;
pub mod media;
pub mod metrics;
pub mod rtsp;
pub mod service;
pub mod sink;

use std::path::{Path, PathBuf};

/// Where networks, media and the broker are kept: `$POLYGRAPH_HOME` or its default.
pub fn home() -> PathBuf {
    polygraph_models::store::Store::default_dir()
}

/// The root of the working copy.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests/ lies in the workspace").to_path_buf()
}
