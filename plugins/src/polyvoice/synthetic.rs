// SPDX-License-Identifier: Apache-2.0
//! Signs of a synthetic voice in a stream.

use polygraph_core::forensics::Calibration;
use polygraph_core::results::{NetworkRef, PtsRange, Synthetic};
use polygraph_core::voice::{Listener, PIECE, Turn, VoiceOptions};
use polygraph_models::voice::{Stretch, VoiceForensics};
use polygraph_models::{Engine, Error, Provider};

use crate::analyser::network_ref;

/// The network, and what one stream has said lately.
pub(super) struct Voice {
    network: VoiceForensics,
    reference: NetworkRef,
    listener: Listener,
    /// What is known of the voice since the last stretch that was asked about.
    known: Option<Synthetic>,
    /// Stretches that no session was free for.
    pub(super) lost: u64,
}

impl Voice {
    /// Loads the network. Without a calibration it gives logits and no finding.
    pub(super) fn load(provider: Provider) -> Result<Self, String> {
        let engine = Engine::shared(provider).map_err(|error| error.to_string())?;
        let network = VoiceForensics::load(&engine).map_err(|error| error.to_string())?;
        let calibration = match network.calibration() {
            Some((scale, offset, threshold)) => {
                Some(Calibration::new(scale, offset, threshold).map_err(|error| error.to_string())?)
            }
            None => None,
        };
        let listener = Listener::new(VoiceOptions::default(), calibration);
        Ok(Self { reference: network_ref(network.identity()), network, listener, known: None, lost: 0 })
    }

    /// Hears the next piece of sound with its speech probability, and judges when it is time to.
    pub(super) fn hear(&mut self, pts: PtsRange, samples: &[f32; PIECE], speech: Option<f32>) -> Result<(), Error> {
        match self.listener.hear(pts, samples, speech) {
            None => {}
            Some(Turn::Refused(found)) => self.known = Some(found),
            Some(Turn::Judge(stretch)) => match Stretch::new(&stretch.samples).and_then(|it| self.network.score(&it)) {
                Ok(logit) => self.known = Some(self.listener.judged(&stretch, logit)),
                Err(Error::Busy { .. }) => self.lost += 1,
                Err(error) => return Err(error),
            },
        }
        Ok(())
    }

    /// Forgets what was heard.
    pub(super) fn restart(&mut self) {
        self.listener.restart();
        self.known = None;
    }

    /// What is known of the voice now.
    pub(super) fn known(&self) -> Option<Synthetic> {
        self.known
    }

    /// The network behind it.
    pub(super) fn network(&self) -> NetworkRef {
        self.reference.clone()
    }
}
