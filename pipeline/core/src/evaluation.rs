// SPDX-License-Identifier: Apache-2.0
//! How good a detector is: the figures of an evaluation, with intervals that know that two pictures of one person are
//! not two persons.
//!
//! A score orders items, a higher one says "manipulated". Nothing here reads a file or knows a network.
//! - [`Ranking`]: ROC, AUC, equal error rate, average precision, rates at a threshold.
//! - [`Bootstrap`]: intervals by drawing persons, not items (Field and Welsh, "Bootstrapping clustered data", 2007).
//! - [`Platt`], [`Reliability`]: scores as probabilities, and how true they are.
//! - [`threshold_at`], [`risk_coverage`], [`Terciles`], [`Persons`]: what to do with them, and whom it hits.

mod bootstrap;
mod calibration;
mod classes;
mod groups;
mod ranking;
mod reliability;
mod risk;
mod skin;

use serde::Serialize;

pub use bootstrap::{Bootstrap, Estimate, Random};
pub use calibration::{FitError, Platt, positive_predictive_value, threshold_at};
pub use classes::{Answer, ClassFigures, ClassRow, class_figures, class_rows, confusion};
pub use groups::{PersonRate, Persons, Terciles, paired, share};
pub use ranking::{Figures, Ranking};
pub use reliability::{Bin, Reliability};
pub use risk::{Decision, RiskCoverage, risk_coverage};
pub use skin::Skin;

/// One item with its score and its truth.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Sample {
    /// Higher says "manipulated". [`f64::NEG_INFINITY`] for an item that was not judged: it raises no alarm at any
    /// threshold. Never NaN.
    pub score: f64,
    /// The truth.
    pub manipulated: bool,
    /// Whose face it is; the same number is the same person.
    pub person: usize,
}
