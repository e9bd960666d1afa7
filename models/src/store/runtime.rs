// SPDX-License-Identifier: Apache-2.0
//! ONNX Runtime itself: the library that the store keeps, pinned like the networks.

use std::path::PathBuf;

use super::{Store, digest};
use crate::{Error, Result};

/// Version of ONNX Runtime that this crate was tested with.
pub const VERSION: &str = "1.32.0";

/// What is pinned for one processor architecture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pin {
    /// Architecture, by Rust's name.
    pub arch: &'static str,
    /// Platform tag of the wheel.
    pub platform: &'static str,
    /// SHA-256 of the library.
    pub sha256: &'static str,
    /// Its size in bytes.
    pub bytes: u64,
}

/// The architectures that ONNX Runtime is pinned for.
pub const PINS: [Pin; 1] = [Pin {
    arch: "x86_64",
    platform: "manylinux_2_28_x86_64",
    sha256: "6c1585d1bbf45b0712ea4a21b705c5fcb4ba04ff2e30f1fbf81a49faf658638f",
    bytes: 34_824_680,
}];

/// The pin of this machine.
///
/// # Errors
/// [`Error::Library`] on an architecture without one.
pub fn pin() -> Result<&'static Pin> {
    let arch = std::env::consts::ARCH;
    PINS.iter().find(|pin| pin.arch == arch).ok_or_else(|| Error::Library {
        path: PathBuf::from("the store"),
        reason: format!("none is pinned for {arch}; set ORT_DYLIB_PATH to a libonnxruntime.so of version {VERSION}"),
    })
}

impl Store {
    /// Where the ONNX Runtime library lies, or would.
    pub fn runtime_path(&self) -> PathBuf {
        self.root().join("onnxruntime").join(VERSION).join(format!("libonnxruntime.so.{VERSION}"))
    }

    /// The path of the ONNX Runtime library, after its bytes were verified.
    ///
    /// # Errors
    /// [`Error::Missing`], [`Error::Changed`], or [`Error::Library`] on an architecture without a pin.
    pub fn verified_runtime(&self) -> Result<PathBuf> {
        let path = self.runtime_path();
        digest::verify_file("onnxruntime", &path, pin()?.sha256)?;
        Ok(path)
    }
}
