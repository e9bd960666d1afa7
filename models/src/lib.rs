// SPDX-License-Identifier: Apache-2.0
//! Networks: their cards, the store that keeps their files, and the runtime that executes them.
//!
//! The only house that knows ONNX Runtime. It knows nothing of GStreamer, events or Kafka.

pub mod batch;
pub mod blazeface;
pub mod card;
pub mod check;
pub mod engine;
pub mod error;
pub mod forensics;
pub mod lips;
pub mod moonshine;
pub mod picture;
pub mod reading;
pub mod safety;
pub mod scene;
pub mod silero;
pub mod store;
pub mod text;
pub mod voice;

pub use card::{Card, card, cards};
pub use check::check;
pub use engine::{Engine, EngineConfig, Identity, Network, Placement, Provider, ProviderReport, Usage};
pub use error::{Error, Result};
pub use store::Store;
