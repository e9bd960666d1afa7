// SPDX-License-Identifier: Apache-2.0
//! Speech activity of a stream, for the elements of this plugin.

use polygraph_core::results::{NetworkRef, PtsRange, SpeechWindow};
use polygraph_models::silero::{VoiceActivity, WINDOW};
use polygraph_models::{Engine, Error, Provider};

use crate::analyser::network_ref;

/// Silero with the state of one stream.
pub(crate) struct Speech {
    network: VoiceActivity,
    /// Windows that no session was free for.
    pub(crate) lost: u64,
}

impl Speech {
    /// Loads the network.
    pub(crate) fn load(provider: Provider) -> Result<Self, Error> {
        Ok(Self { network: VoiceActivity::load(&Engine::shared(provider)?)?, lost: 0 })
    }

    /// Listens to a window; `None` when all sessions were busy.
    pub(crate) fn listen(&mut self, pts: PtsRange, window: &[f32; WINDOW]) -> Result<Option<SpeechWindow>, Error> {
        match self.network.push(window) {
            Ok(p) => Ok(Some(SpeechWindow { pts, p })),
            Err(Error::Busy { .. }) => {
                self.lost += 1;
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// Forgets what was heard.
    pub(crate) fn reset(&mut self) {
        self.network.reset();
    }

    /// The network behind the scores.
    pub(crate) fn network(&self) -> NetworkRef {
        network_ref(self.network.identity())
    }
}
