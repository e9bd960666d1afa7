// SPDX-License-Identifier: Apache-2.0
//! Every frame that enters an analyser is accounted for: `input = analysed + skipped{reason} + late`.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What became of the buffers that one analyser was given.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Accounting {
    /// Buffers that came in.
    pub input: u64,
    /// Buffers that were analysed.
    pub analysed: u64,
    /// Buffers that were passed on unanalysed, by reason.
    pub skipped: BTreeMap<String, u64>,
    /// Buffers that came after their deadline.
    pub late: u64,
}

impl Accounting {
    /// Counts a buffer that was analysed.
    pub fn analysed(&mut self) {
        self.input += 1;
        self.analysed += 1;
    }

    /// Counts a buffer that was passed on unanalysed.
    pub fn skipped(&mut self, reason: &str) {
        self.input += 1;
        match self.skipped.get_mut(reason) {
            Some(count) => *count += 1,
            None => {
                self.skipped.insert(reason.to_owned(), 1);
            }
        }
    }

    /// Counts a buffer that came after its deadline.
    pub fn late(&mut self) {
        self.input += 1;
        self.late += 1;
    }

    /// Whether the sum closes.
    pub fn closes(&self) -> bool {
        self.input == self.analysed + self.skipped.values().sum::<u64>() + self.late
    }
}

/// The accounts of a stream's analysers, by the element's name.
pub type Counters = BTreeMap<String, Accounting>;
