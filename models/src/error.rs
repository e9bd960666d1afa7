// SPDX-License-Identifier: Apache-2.0
//! Errors of this crate: each says what is wrong and what to do.

/// A result of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What can go wrong with a network.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// ONNX Runtime said no.
    #[error("ONNX Runtime: {0}")]
    Runtime(String),
}
