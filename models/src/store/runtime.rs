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
    /// SHA-256 of the wheel.
    pub archive_sha256: &'static str,
    /// Size of the wheel in bytes.
    pub archive_bytes: u64,
    /// SHA-256 of the library in it.
    pub sha256: &'static str,
    /// Size of the library in bytes.
    pub bytes: u64,
}

/// Path of the library in the wheel.
pub(super) const ENTRY: &str = "onnxruntime/capi/libonnxruntime.so.1.32.0";

/// The architectures that ONNX Runtime is pinned for. Only x86_64 has been run.
pub const PINS: [Pin; 2] = [
    Pin {
        arch: "x86_64",
        platform: "manylinux_2_28_x86_64",
        archive_sha256: "5a34fc4dfeb5a7b4a74c95dcba1e773d722abda720b474edf1b0c419dc6d163d",
        archive_bytes: 27_773_237,
        sha256: "6c1585d1bbf45b0712ea4a21b705c5fcb4ba04ff2e30f1fbf81a49faf658638f",
        bytes: 34_824_680,
    },
    Pin {
        arch: "aarch64",
        platform: "manylinux_2_28_aarch64",
        archive_sha256: "2303372a85299b6757b0e11e1cbf13e410ddf7e10c37f4b37e99d1c90e7daf7c",
        archive_bytes: 23_195_070,
        sha256: "49852228a93995158b2a813d4df487d47a1b76b0eaa894507ef49e91b6d7954a",
        bytes: 27_165_936,
    },
];

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
