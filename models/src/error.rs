// SPDX-License-Identifier: Apache-2.0
//! Errors of this crate: each says what is wrong and what to do.

use std::{io, path::PathBuf};

use crate::picture::PictureError;

/// A result of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What can go wrong with a network.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// ONNX Runtime said no.
    #[error("ONNX Runtime: {0}")]
    Runtime(String),
    /// The ONNX Runtime library can't be loaded.
    #[error("ONNX Runtime can't be loaded from {path}: {reason}")]
    Library {
        /// The library.
        path: PathBuf,
        /// Why not, and what to do.
        reason: String,
    },
    /// The provider that was asked for by name can't be had.
    #[error("provider `{provider}` can't be had: {missing}")]
    Provider {
        /// The provider.
        provider: &'static str,
        /// What is missing.
        missing: String,
    },
    /// No such card.
    #[error("there is no network `{name}`; known are {known}")]
    UnknownCard {
        /// What was asked for.
        name: String,
        /// The names that there are.
        known: String,
    },
    /// A card that is no card.
    #[error("card `{name}`: {reason}")]
    Card {
        /// The card.
        name: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A file isn't in the store.
    #[error("{path} is missing; fetch it with `polygraph models fetch {name}`")]
    Missing {
        /// The card, or `onnxruntime`.
        name: String,
        /// The file.
        path: PathBuf,
    },
    /// A file's bytes aren't those of the card.
    #[error(
        "{path} is not the file of card `{name}`: its SHA-256 is {found}, not {expected}; \
         delete it and run `polygraph models fetch {name}`"
    )]
    Changed {
        /// The card, or `onnxruntime`.
        name: String,
        /// The file.
        path: PathBuf,
        /// SHA-256 that the card gives.
        expected: String,
        /// SHA-256 of the file.
        found: String,
    },
    /// A file is no network that may be loaded.
    #[error("{path} is refused: {reason}")]
    Refused {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// A package can't be had.
    #[error("{package} {version} can't be fetched: {reason}")]
    Fetch {
        /// The package.
        package: String,
        /// Its version.
        version: String,
        /// One line that says what to do.
        reason: String,
    },
    /// A file of our own can't be written into the store.
    #[error("network `{name}` is part of this program, but its file {path} can't be had: {reason}; build it anew")]
    Own {
        /// The card.
        name: String,
        /// The file, below the repository's root.
        path: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A licence must be accepted by name first.
    #[error("network `{name}` is under {spdx}, which must be accepted by name (`--accept {name}`): {terms}")]
    NotAccepted {
        /// The card.
        name: String,
        /// Its licence.
        spdx: String,
        /// What the licence asks.
        terms: String,
    },
    /// A whole batch failed; each of its requesters gets the same error.
    #[error("{0}")]
    Batch(std::sync::Arc<Error>),
    /// The batcher takes no more requests.
    #[error("the batcher of network `{name}` is closed")]
    Closed {
        /// The card.
        name: String,
    },
    /// The network was busy until the deadline.
    #[error("network `{name}` was busy for {waited_ms} ms: there are more streams than it can serve")]
    Busy {
        /// The card.
        name: String,
        /// How long the caller waited, in milliseconds.
        waited_ms: u64,
    },
    /// A picture whose planes don't hold what they should.
    #[error("picture: {0}")]
    Picture(#[from] PictureError),
    /// Sound that no network can hear.
    #[error("sound: {0}")]
    Sound(String),
    /// A network answered otherwise than its card says.
    #[error("network `{name}` answered against its contract: {reason}")]
    Contract {
        /// The card.
        name: String,
        /// What is wrong.
        reason: String,
    },
    /// A list of tokens that can't be read.
    #[error("{path} is no list of tokens: {reason}")]
    Tokenizer {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// A token that can't be part of a text.
    #[error("token {id} can't be part of a text: the vocabulary has {vocabulary}, of which the first three are marks")]
    Token {
        /// The token.
        id: u32,
        /// Tokens of the vocabulary.
        vocabulary: usize,
    },
    /// A label of a user that can't be made.
    #[error("{0}")]
    Scene(String),
    /// The file system said no.
    #[error("{path}: {source}")]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What it said.
        source: io::Error,
    },
}

impl Error {
    /// Gives an I/O error the path it was about.
    pub(crate) fn io(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { path, source }
    }
}

impl<R> From<ort::Error<R>> for Error {
    fn from(error: ort::Error<R>) -> Self {
        Self::Runtime(plain(error.message()).to_owned())
    }
}

/// ONNX Runtime's message without what only its developers need: source lines before its words, a stack trace after.
fn plain(message: &str) -> &str {
    let line = message.lines().next().unwrap_or_default();
    // "file.cc:12 function [ONNXRuntimeError] : 1 : FAIL : words"
    let words = line.rsplit_once("[ONNXRuntimeError] : ").and_then(|(_, coded)| coded.splitn(3, " : ").nth(2));
    match words.unwrap_or(line).trim() {
        "" => "unknown error",
        words => words,
    }
}

#[cfg(test)]
mod tests {
    use super::plain;

    #[test]
    fn messages_are_one_line_without_source_positions() {
        let long = "/src/a.cc:2043 ns::F& ns::G() [ONNXRuntimeError] : 1 : FAIL : no library : x.so\nstack\n";
        assert_eq!(plain(long), "no library : x.so");
        assert_eq!(plain("plain words"), "plain words");
        assert_eq!(plain(""), "unknown error");
    }
}
