// SPDX-License-Identifier: Apache-2.0
//! Silero VAD v6: speech activity of 32 ms windows at 16 kHz.
//! (Signatures agreed between the houses; the body is under construction.)

use std::sync::Arc;

use crate::{Engine, Identity, Result};

/// Samples of one window, at 16 kHz mono.
pub const WINDOW: usize = 512;

/// Speech activity of one stream: the network's state lives here.
pub struct VoiceActivity {}

impl VoiceActivity {
    /// Loads the network through the engine; the state is that of a new stream.
    pub fn load(engine: &Arc<Engine>) -> Result<Self> {
        let _ = engine;
        todo!()
    }

    /// The speech probability of the next window.
    pub fn push(&mut self, window: &[f32; WINDOW]) -> Result<f32> {
        let _ = window;
        todo!()
    }

    /// Forgets what was heard, as at a gap or a seek.
    pub fn reset(&mut self) {}

    /// Where the scores come from.
    pub fn identity(&self) -> &Identity {
        todo!()
    }
}
