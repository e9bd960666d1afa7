// SPDX-License-Identifier: Apache-2.0
//! What a score of the network for voices means, as lines for its card: as for faces, on calibration recordings.

use polygraph_core::evaluation::Bootstrap;

use super::{Outcomes, judge::Heard};
use crate::{
    error::Result,
    eval::{
        calibrate::{self, Judged},
        manifest::Manifest,
    },
};

/// Lines of TOML for the card.
///
/// # Errors
/// When a class is missing or the scores run against the labels.
pub fn snippet(manifest: &Manifest, outcomes: &Outcomes, bootstrap: &Bootstrap) -> Result<String> {
    let judged: Vec<Judged<'_>> = outcomes
        .iter()
        .filter_map(|(number, heard)| {
            let item = manifest.items.get(*number)?;
            let Heard::Judged { logit, .. } = heard else { return None };
            Some(Judged {
                corpus: item.corpus.as_str(),
                logit: *logit,
                manipulated: item.manipulated,
                person: item.person,
            })
        })
        .collect();
    calibrate::of(&judged, bootstrap)
}
