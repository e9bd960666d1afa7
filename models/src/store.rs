// SPDX-License-Identifier: Apache-2.0
//! The store: where the files of networks and the ONNX Runtime library lie, verified by SHA-256 before use.
//!
//! `<store>/networks/<card>/<version>/<file>` and `<store>/onnxruntime/<version>/libonnxruntime.so.<version>`.

mod archive;
mod client;
pub(crate) mod digest;
pub(crate) mod external;
mod fetch;
pub mod plots;
pub mod runtime;
mod weights;

use std::{
    env, fs,
    path::{Path, PathBuf},
};

pub use client::Clients;
pub use fetch::Progress;

use crate::{
    Error, Result,
    card::{Card, File},
};

/// A folder with networks and the runtime library.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Store {
    root: PathBuf,
    clients: Clients,
}

/// What the store has of a card.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// Every file is there and is the card's, byte by byte.
    Ready,
    /// Files that aren't there.
    Missing(Vec<String>),
    /// A file that isn't the card's.
    Changed(String),
}

impl Store {
    /// `$POLYGRAPH_HOME`, else `$XDG_CACHE_HOME/polygraph`, else `~/.cache/polygraph`.
    pub fn default_dir() -> PathBuf {
        let set = |name| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        set("POLYGRAPH_HOME")
            .or_else(|| set("XDG_CACHE_HOME").map(|cache| cache.join("polygraph")))
            .or_else(|| set("HOME").map(|home| home.join(".cache/polygraph")))
            .unwrap_or_else(|| PathBuf::from(".polygraph"))
    }

    /// The store in that folder, which need not exist yet.
    pub fn open(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into(), clients: Clients::default() }
    }

    /// The same store, fetching with other clients.
    #[must_use]
    pub fn with_clients(self, clients: Clients) -> Self {
        Self { clients, ..self }
    }

    /// Its folder.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Folder of a card's files.
    pub fn folder(&self, card: &Card) -> PathBuf {
        self.root.join("networks").join(&card.name).join(&card.version)
    }

    /// Where a card's file lies, or would.
    pub fn path(&self, card: &Card, file: &File) -> PathBuf {
        self.folder(card).join(&file.name)
    }

    /// What the store has of a card. Reads every file of it.
    ///
    /// # Errors
    /// [`Error::Io`] when a file is there and can't be read.
    pub fn state(&self, card: &Card) -> Result<State> {
        let mut missing = Vec::new();
        for file in &card.files {
            match self.verified(card, file) {
                Ok(_) => {}
                Err(Error::Missing { .. }) => missing.push(file.name.clone()),
                Err(Error::Changed { .. }) => return Ok(State::Changed(file.name.clone())),
                Err(error) => return Err(error),
            }
        }
        Ok(if missing.is_empty() { State::Ready } else { State::Missing(missing) })
    }

    /// Verifies every file of a card.
    ///
    /// # Errors
    /// [`Error::Missing`] or [`Error::Changed`], by name, for the first file that isn't as the card says.
    pub fn verify(&self, card: &Card) -> Result<()> {
        card.files.iter().try_for_each(|file| self.verified(card, file).map(drop))
    }

    /// The path of a card's file, after its bytes were verified.
    ///
    /// # Errors
    /// [`Error::Missing`], [`Error::Changed`] or [`Error::Io`].
    pub fn verified(&self, card: &Card, file: &File) -> Result<PathBuf> {
        let path = self.path(card, file);
        digest::verify_file(&card.name, &path, &file.sha256)?;
        Ok(path)
    }

    /// The very bytes that were verified, so that nothing can change between the check and the load.
    ///
    /// # Errors
    /// [`Error::Missing`], [`Error::Changed`] or [`Error::Io`].
    pub(crate) fn verified_bytes(&self, card: &Card, file: &File) -> Result<Vec<u8>> {
        let path = self.path(card, file);
        let bytes = fs::read(&path).map_err(|error| digest::absent_or_io(&card.name, &path, error))?;
        digest::verify_bytes(&card.name, &path, &bytes, &file.sha256)?;
        Ok(bytes)
    }
}
