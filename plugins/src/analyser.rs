// SPDX-License-Identifier: Apache-2.0
//! What all analysers of this plugin have in common.

use std::sync::{Mutex, MutexGuard, PoisonError};

use gst::glib;
use polygraph_core::accounting::Accounting;
use polygraph_core::results::NetworkRef;

/// The execution provider that an element asks for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, glib::Enum)]
#[enum_type(name = "GstPolygraphProvider")]
#[repr(i32)]
pub enum Provider {
    /// The best that can be had; falling back is allowed and reported.
    #[default]
    #[enum_value(name = "The best that can be had", nick = "auto")]
    Auto = 0,
    /// The processor.
    #[enum_value(name = "The processor", nick = "cpu")]
    Cpu = 1,
    /// CUDA, or an error.
    #[enum_value(name = "CUDA, or an error", nick = "cuda")]
    Cuda = 2,
    /// TensorRT, or an error.
    #[enum_value(name = "TensorRT, or an error", nick = "tensorrt")]
    TensorRt = 3,
}

impl From<Provider> for polygraph_models::Provider {
    fn from(provider: Provider) -> Self {
        match provider {
            Provider::Auto => Self::Auto,
            Provider::Cpu => Self::Cpu,
            Provider::Cuda => Self::Cuda,
            Provider::TensorRt => Self::TensorRt,
        }
    }
}

/// How results name the network behind them.
pub fn network_ref(identity: &polygraph_models::Identity) -> NetworkRef {
    NetworkRef {
        name: identity.name.clone(),
        version: identity.version.clone(),
        sha256: identity.sha256.clone(),
        provider: identity.provider.to_owned(),
    }
}

/// The `stats` of an analyser.
pub fn stats(accounting: &Accounting) -> gst::Structure {
    let mut stats = gst::Structure::builder("polygraph-stats")
        .field("input", accounting.input)
        .field("analysed", accounting.analysed)
        .field("late", accounting.late)
        .build();
    for (reason, count) in &accounting.skipped {
        stats.set(format!("skipped-{reason}"), *count);
    }
    stats
}

/// Locks a mutex; one that a panic has poisoned holds plain values that are still whole.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
