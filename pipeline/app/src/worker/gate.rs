// SPDX-License-Identifier: Apache-2.0
//! The way of a stream's events: to Kafka while the stream is ours, to the audit file from then on.

use std::sync::{Arc, Mutex};

use polygraph_core::event::Event;
use polygraph_core::profile::Profile;
use polygraph_delivery::{Courier, Message};

use super::audit::Audit;
use crate::sync::lock;

/// Where events of one run go.
pub struct Gate {
    generation: u64,
    profile: Profile,
    courier: Arc<Courier>,
    audit: Arc<Audit>,
    /// The stream is another worker's.
    fenced: Mutex<bool>,
}

impl Gate {
    pub fn new(generation: u64, profile: Profile, courier: Arc<Courier>, audit: Arc<Audit>) -> Self {
        Self { generation, profile, courier, audit, fenced: Mutex::new(false) }
    }

    /// Sends an event, or keeps it here.
    pub fn event(&self, event: &Event) {
        // Held until the event is in the queue, which takes no disk and no network: none passes after `fence`.
        let fenced = lock(&self.fenced);
        if *fenced {
            return self.audit.keep(self.generation, event);
        }
        // A refusal is counted.
        drop(
            Message::of_event(event, self.profile)
                .and_then(|message| self.courier.send(&message.of_generation(self.generation))),
        );
    }

    /// From here on nothing is sent.
    pub fn fence(&self) {
        *lock(&self.fenced) = true;
    }

    /// Whether the stream is another worker's.
    pub fn is_fenced(&self) -> bool {
        *lock(&self.fenced)
    }
}
