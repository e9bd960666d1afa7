// SPDX-License-Identifier: Apache-2.0
//! Rules of the user's: conditions in [CEL](https://cel.dev) over the fields of a moment and their short history.
//!
//! ```
//! use polygraph_core::rules::Rules;
//!
//! let text = r#"
//!     [[rule]]
//!     name = "speaks-with-signs"
//!     when = 'max_over("fused.p", "2s") > 0.8 && speaking'
//!     severity = "high"
//!     message = "face {track} speaks and shows signs of manipulation, p {fused.p}"
//! "#;
//! let rules = Rules::parse("mine.toml", text)?;
//! assert_eq!(rules.names().collect::<Vec<_>>(), ["speaks-with-signs"]);
//!
//! let typo = Rules::parse("mine.toml", &text.replace("fused.p\", ", "fused.q\", ")).unwrap_err();
//! assert_eq!(typo.to_string(), "mine.toml, line 4, column 22: there is no field `fused.q`; do you mean `fused.p`?");
//! # Ok::<(), polygraph_core::rules::RuleError>(())
//! ```
//!
//! A rule is asked at every analysed frame: for each face (`about = "face"`, the default) or once (`about = "stream"`). Its
//! answer has three values. Where a field that it needs isn't known, the field is `null`, a comparison with that is neither
//! true nor false, and an incident neither begins nor ends of it. Everything that can be wrong with a rule is found when
//! it is read: what doesn't compile, names no field, or makes no sense of a field's type.

mod ask;
mod check;
mod fields;
mod file;
mod history;

use std::sync::Arc;

use crate::record::{IncidentKind, Severity};
pub use ask::Asked;
pub use fields::{FIELDS, Field, FieldType};
pub use file::{Action, Webhook};
use history::Windows;

/// The rule sets that come with Polygraph, and their files.
pub const SHIPPED: [(&str, &str); 3] = [
    ("live-moderation", include_str!("../rules/live-moderation.toml")),
    ("deepfake-screening", include_str!("../rules/deepfake-screening.toml")),
    ("broadcast-monitoring", include_str!("../rules/broadcast-monitoring.toml")),
];

/// What is wrong with a file of rules, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{file}, line {line}, column {column}: {why}")]
pub struct RuleError {
    /// The file, or the name of a shipped set.
    pub file: String,
    /// From 1.
    pub line: usize,
    /// From 1, in characters.
    pub column: usize,
    /// What is wrong and what to do.
    pub why: String,
}

/// What a rule is asked of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum About {
    Face,
    Stream,
}

/// One rule, compiled.
#[derive(Clone, Debug)]
pub(crate) struct Rule {
    pub(crate) name: String,
    pub(crate) about: About,
    pub(crate) kind: IncidentKind,
    pub(crate) severity: Severity,
    /// How long it has to hold, in nanoseconds.
    pub(crate) for_ns: u64,
    pub(crate) message: file::Template,
    pub(crate) actions: Vec<Action>,
    /// Shared: a compiled program can't be copied.
    program: Arc<cel::Program>,
}

/// A set of rules, compiled and checked.
#[derive(Clone, Debug, Default)]
pub struct Rules {
    pub(crate) rules: Vec<Rule>,
    pub(crate) windows: Windows,
    webhook: Option<Webhook>,
}

impl Rules {
    /// Compiles the text of a file of rules.
    ///
    /// # Errors
    /// [`RuleError`] for the first thing that is wrong.
    pub fn parse(file: &str, text: &str) -> Result<Self, RuleError> {
        file::parse(file, text)
    }

    /// A set that comes with Polygraph; `None` when there is none of that name.
    pub fn shipped(name: &str) -> Option<Result<Self, RuleError>> {
        SHIPPED.iter().find(|(known, _)| *known == name).map(|(name, text)| Self::parse(name, text))
    }

    /// The rules' names, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.rules.iter().map(|rule| rule.name.as_str())
    }

    /// There are none.
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// Where webhooks go; there is one when a rule has the action.
    pub fn webhook(&self) -> Option<&Webhook> {
        self.webhook.as_ref()
    }

    /// Whether incidents of a rule have an action besides their event.
    pub fn has(&self, rule: &str, action: Action) -> bool {
        self.rules.iter().any(|known| known.name == rule && known.actions.contains(&action))
    }
}
