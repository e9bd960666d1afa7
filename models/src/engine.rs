// SPDX-License-Identifier: Apache-2.0
//! One engine a process: the ONNX Runtime library, its environment, and the networks loaded so far.
//! (Signatures agreed between the houses; the body is under construction.)

use std::{path::PathBuf, sync::Arc};

use crate::error::Result;

/// The execution provider that is asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Provider {
    /// The best that can be had; falling back is allowed and reported.
    #[default]
    Auto,
    /// The processor.
    Cpu,
    /// CUDA, or an error.
    Cuda,
    /// TensorRT, or an error.
    TensorRt,
}

/// How to open an engine.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct EngineConfig {
    /// The store's folder.
    pub store: PathBuf,
    /// The provider asked for.
    pub provider: Provider,
    /// Worker sessions of one thread that a network has at most.
    pub workers: usize,
}

/// Where a score comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The card's name.
    pub name: String,
    /// The card's version.
    pub version: String,
    /// SHA-256 of the file, hexadecimal.
    pub sha256: String,
    /// The provider that runs it: `cpu`, `cuda` or `tensorrt`.
    pub provider: &'static str,
}

/// The process's engine.
pub struct Engine {}

impl Engine {
    /// The engine of this process for `provider`, opened on first use with the default store and workers.
    pub fn shared(provider: Provider) -> Result<Arc<Self>> {
        let _ = provider;
        todo!()
    }

    /// The network of a card, verified and loaded on first use.
    pub fn load(self: &Arc<Self>, card: &str) -> Result<Arc<Network>> {
        let _ = card;
        todo!()
    }
}

/// A loaded network with its worker sessions.
pub struct Network {}

impl Network {
    /// Where its scores come from.
    pub fn identity(&self) -> &Identity {
        todo!()
    }

    /// Checks a worker session out of the pool, within a deadline, and runs `call` with it on this thread.
    pub fn run<R>(&self, call: impl FnOnce(&mut ort::session::Session) -> Result<R>) -> Result<R> {
        let _ = call;
        todo!()
    }

    /// Path of a verified file that the card lists beside the network, e.g. a tokenizer.
    pub fn extra(&self, file: &str) -> Result<PathBuf> {
        let _ = file;
        todo!()
    }
}
