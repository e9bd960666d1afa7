// SPDX-License-Identifier: Apache-2.0
//! What a file's content credentials (C2PA 2.x) claim of where it comes from.
//!
//! Credentials say who signed a file and what that signer says was done to it. A valid signature proves that nothing was
//! changed since; it doesn't prove that the signer tells the truth, and a file without credentials is no worse for it.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Makers by generative networks, as IPTC's digital source types that C2PA refers to end.
const GENERATED: [&str; 2] = ["trainedAlgorithmicMedia", "compositeWithTrainedAlgorithmicMedia"];

/// How far credentials hold: the C2PA specification's validation states, `invalid` told apart by why, and two in which there
/// is nothing to validate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CredentialsState {
    /// The file carries none.
    None,
    /// Whether there are any couldn't be found out, or they couldn't be read.
    Unreadable,
    /// Something is wrong with them: a certificate that has ended, say. Whether the file was changed isn't known.
    Invalid,
    /// The file, or what is claimed of it, was changed after it was signed.
    Changed,
    /// The file is what was signed; no authority on the user's list vouches for who signed it.
    Valid,
    /// The file is what was signed, and an authority on the user's list vouches for who signed it.
    Trusted,
}

impl CredentialsState {
    /// Its name in events and rules.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Unreadable => "unreadable",
            Self::Invalid => "invalid",
            Self::Changed => "changed",
            Self::Valid => "valid",
            Self::Trusted => "trusted",
        }
    }
}

/// The content credentials of a file. Everything but `state` and `problems` is the signer's claim, and told only where the file
/// is what was signed. Texts have no control characters and an end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Provenance {
    /// How far they hold.
    pub state: CredentialsState,
    /// Whom the signer's certificate names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signer: Option<String>,
    /// When it was signed, RFC 3339, where a time-stamp in the file says so; who made that isn't checked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signed: Option<String>,
    /// The program that made the claim.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub generator: Option<String>,
    /// What was done, as C2PA names it (`c2pa.created`, `c2pa.edited`), in the file's order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub actions: Vec<String>,
    /// Digital source types (IPTC's, mostly), by the last part of their URIs, that it and what it was made of claim.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sources: Vec<String>,
    /// Files that it was made of.
    #[serde(default)]
    pub ingredients: usize,
    /// What is wrong, as C2PA's status codes, or why nothing could be read.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub problems: Vec<String>,
}

impl Provenance {
    /// Of which nothing but the state is known.
    pub fn new(state: CredentialsState) -> Self {
        let (actions, sources, problems) = (Vec::new(), Vec::new(), Vec::new());
        Self { state, signer: None, signed: None, generator: None, actions, sources, ingredients: 0, problems }
    }

    /// Credentials that couldn't be read, and why.
    pub fn unreadable(why: String) -> Self {
        Self { problems: vec![why], ..Self::new(CredentialsState::Unreadable) }
    }

    /// Whether the file is what was signed, so that the claims are the signer's.
    pub fn holds(&self) -> bool {
        matches!(self.state, CredentialsState::Valid | CredentialsState::Trusted)
    }

    /// Whether they say that a generative network had a part in it; `None` where no claim can be relied on.
    pub fn generated(&self) -> Option<bool> {
        self.holds().then(|| self.sources.iter().any(|source| GENERATED.contains(&source.as_str())))
    }
}

/// In one line, for people.
impl fmt::Display for Provenance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let signer = self.signer.as_deref().unwrap_or("somebody whom the certificate doesn't name");
        match self.state {
            CredentialsState::None => return write!(f, "none, which says nothing either way"),
            CredentialsState::Unreadable => write!(f, "could not be read")?,
            CredentialsState::Invalid => write!(f, "invalid, so that nothing they say counts")?,
            CredentialsState::Changed => write!(f, "the file was changed after it was signed")?,
            CredentialsState::Valid => {
                write!(f, "unchanged since it was signed as {signer}; no authority of yours vouches for that")?
            }
            CredentialsState::Trusted => {
                write!(f, "unchanged since {signer} signed it, for whom an authority of yours vouches")?
            }
        }
        if !self.problems.is_empty() {
            write!(f, " ({})", self.problems.join(", "))?;
        }
        if self.generated() == Some(true) {
            write!(f, "; says that generative AI had a part in it")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_claim_counts_only_where_the_file_is_what_was_signed() {
        let sources = vec!["compositeWithTrainedAlgorithmicMedia".to_owned()];
        let claim = |state| Provenance { sources: sources.clone(), ..Provenance::new(state) };
        for (state, generated) in [
            (CredentialsState::None, None),
            (CredentialsState::Unreadable, None),
            (CredentialsState::Invalid, None),
            (CredentialsState::Changed, None),
            (CredentialsState::Valid, Some(true)),
            (CredentialsState::Trusted, Some(true)),
        ] {
            assert_eq!(claim(state).generated(), generated, "{state:?}");
            assert_eq!(claim(state).to_string().contains("generative"), generated.is_some(), "{}", claim(state));
        }
        let camera = Provenance { sources: vec!["digitalCapture".into()], ..Provenance::new(CredentialsState::Valid) };
        assert_eq!(camera.generated(), Some(false));
    }
}
