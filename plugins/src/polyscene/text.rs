// SPDX-License-Identifier: Apache-2.0
//! The text that stands in a shot.

use std::sync::Arc;

use gst_video::VideoInfo;
use polygraph_core::screen_text::{TextLine, TextResults};
use polygraph_models::text::{Line, Readings, TextNetwork};
use polygraph_models::{Engine, Error};

use super::watched::Watched;
use crate::analyser::network_ref;
use crate::picture;

/// The networks for text, and what they have read of the shot.
#[derive(Debug)]
pub(super) struct Text {
    network: TextNetwork,
    /// Kept over cuts: captions often stay.
    readings: Readings,
    pub shot: Watched<TextResults>,
}

impl Text {
    pub fn load(engine: &Arc<Engine>) -> Result<Self, Error> {
        let network = TextNetwork::load(engine)?;
        Ok(Self { network, readings: Readings::default(), shot: Watched::default() })
    }

    /// Nothing of before counts any more.
    pub fn restart(&mut self) {
        self.readings.forget();
        self.shot = Watched::default();
    }

    /// Looks at a picture if it is due.
    pub fn look(
        &mut self,
        interval_ns: u64,
        info: &VideoInfo,
        buffer: &gst::BufferRef,
        pts_ns: u64,
        cut: bool,
    ) -> Result<(), Error> {
        if !self.shot.is_due(pts_ns, interval_ns, cut) {
            return Ok(());
        }
        let Self { network, readings, .. } = self;
        let Ok(looked) = picture::with(buffer, info, |picture| network.look(picture, readings)) else { return Ok(()) };
        looked?;
        let lines = self.readings.told().into_iter().map(line).collect();
        let networks = self.network.identities().map(network_ref);
        self.shot.looked(pts_ns, TextResults { analysed: true, lines, networks });
        Ok(())
    }
}

fn line(line: Line) -> TextLine {
    TextLine { text: line.text, score: line.score, rect: line.rect.into() }
}
