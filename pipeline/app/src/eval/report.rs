// SPDX-License-Identifier: Apache-2.0
//! `eval.json`: everything that an evaluation measured. The page is made of this and nothing else.

mod build;
mod fairness;
mod group;

use polygraph_core::evaluation::{Bin, Estimate, PersonRate, RiskCoverage};
use polygraph_core::results::NetworkRef;
use serde::Serialize;

use super::{condition::Condition, manifest::Split, outcome::Outcome};
pub use build::{build, predictive_values};
pub use fairness::Fairness;
pub use group::{Group, Tally};

/// Items of a corpus under which each is listed by itself, since figures mean little.
pub const SMALL: usize = 30;
/// Persons that are listed, the worst first.
pub const WORST: usize = 10;

/// An evaluation.
#[derive(Debug, Serialize)]
pub struct Report {
    /// Under which circumstances.
    pub about: About,
    /// What to keep in mind.
    pub warnings: Vec<String>,
    /// One for each condition, in the order of the command.
    pub conditions: Vec<Measured>,
    /// Other means on the first condition's items.
    pub baselines: Vec<BaselineFigures>,
    /// Corpora of few items, one by one, on the first condition.
    pub small: Vec<Listed>,
    /// Every item of every condition.
    pub items: Vec<ItemLine>,
}

/// Under which circumstances.
#[derive(Debug, Serialize)]
pub struct About {
    /// Version of the command.
    pub polygraph: String,
    /// Commit that it was built from, if known.
    pub commit: Option<String>,
    /// When, RFC 3339.
    pub date: String,
    /// Processor, cores, memory.
    pub hardware: String,
    /// Name of the folder.
    pub folder: String,
    /// Which items.
    pub split: Split,
    /// Items per corpus and label at most.
    pub limit: Option<usize>,
    /// Pictures of a clip that are searched for faces each second.
    pub analysis_fps: f64,
    /// Faces of too low a quality were refused, as shipped.
    pub gates: bool,
    /// The network that scores, and the one that finds faces.
    pub networks: Vec<NetworkRef>,
    /// From logit to probability, by the network's card; none where the card has none.
    pub calibration: Option<Calibration>,
    /// Terms of the network that scores, in its card's words.
    pub terms: String,
    /// Wall time of the measurement, seconds.
    pub seconds: f64,
    /// Jobs side by side.
    pub jobs: usize,
    /// Resamples of each interval.
    pub resamples: usize,
}

/// From logit to probability to an alarm: `p = sigmoid(scale * logit + offset)`, signs at `p >= threshold`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Calibration {
    /// Factor of the logit.
    pub scale: f64,
    /// Added to it.
    pub offset: f64,
    /// Of `p`.
    pub threshold: f64,
}

/// What was measured under one condition.
#[derive(Debug, Serialize)]
pub struct Measured {
    /// Its name.
    pub condition: Condition,
    /// In words.
    pub title: String,
    /// Mean PSNR of the pictures against what they were; none where nothing was changed.
    pub psnr_db: Option<f64>,
    /// Wall time, seconds.
    pub seconds: f64,
    /// All items.
    pub overall: Group,
    /// By corpus.
    pub by_corpus: Vec<Group>,
    /// Manipulated items of one kind against the genuine items of the same corpora (where those have none: all).
    pub by_manipulation: Vec<Group>,
    /// Part of pairs in which the manipulated item scores higher than its own original.
    pub paired: Option<Estimate>,
    /// How many such pairs there are.
    pub pairs: usize,
    /// `[fpr, tpr]` of judged items.
    pub roc: Vec<[f64; 2]>,
    /// What is won by keeping silent where one isn't sure.
    pub risk_coverage: Option<RiskCoverage>,
    /// How true the probabilities are.
    pub reliability: Option<Calibrated>,
    /// Whom false alarms hit.
    pub false_alarms: Option<FalseAlarms>,
}

/// How true the probabilities are, at even odds.
#[derive(Debug, Serialize)]
pub struct Calibrated {
    /// Expected calibration error.
    pub ece: Option<Estimate>,
    /// Bins of equal mass.
    pub bins: Vec<Bin>,
}

/// Whom false alarms hit: judged genuine items that show signs at the shipped threshold.
#[derive(Debug, Serialize)]
pub struct FalseAlarms {
    /// Persons with judged genuine items.
    pub persons: usize,
    /// Those of them with any false alarm.
    pub persons_alarmed: usize,
    /// Part of genuine items of the worst tenth of persons.
    pub worst_decile: Option<f64>,
    /// The worst persons, by number.
    pub worst: Vec<PersonRate>,
    /// By what can be measured on a picture: a proxy.
    pub proxies: Vec<Fairness>,
    /// Right alarms per alarm when 1 % and 10 % of all items are manipulated.
    pub ppv: [Option<Estimate>; 2],
    /// What was not looked at.
    pub not_assessed: &'static str,
}

/// What another score reaches.
#[derive(Debug, Serialize)]
pub struct BaselineFigures {
    /// Its name.
    pub name: String,
    /// Whether a higher or a lower value says "manipulated".
    pub direction: &'static str,
    /// Items that have it.
    pub items: usize,
    /// AUC in that direction.
    pub auc: Option<Estimate>,
    /// AUC of the network on the very same items.
    pub network_auc: Option<Estimate>,
}

/// A corpus of few items.
#[derive(Debug, Serialize)]
pub struct Listed {
    /// Its name.
    pub corpus: String,
    /// Numbers of its items in [`Report::items`].
    pub items: Vec<usize>,
}

/// One item under one condition.
#[derive(Debug, Serialize)]
pub struct ItemLine {
    /// As in the manifest.
    pub path: String,
    /// `genuine` or `manipulated`.
    pub label: &'static str,
    /// Name of the corpus.
    pub corpus: String,
    /// Name of the manipulation; empty for genuine items.
    pub manipulation: String,
    /// Number of the person, by first appearance in the manifest.
    pub person: usize,
    /// The condition.
    pub condition: Condition,
    /// What became of it.
    #[serde(flatten)]
    pub outcome: Outcome,
}
