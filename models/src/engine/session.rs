// SPDX-License-Identifier: Apache-2.0
//! One session as this crate wants it: one thread, no spinning, every node accounted for.

use std::path::Path;

use ort::{
    environment::Environment,
    session::{
        Session,
        builder::{GraphOptimizationLevel, SessionBuilder},
    },
};

use super::provider;
use crate::{
    Error, Result,
    card::{Card, File, Role, Target},
    store::{Store, external},
};

/// Options of every session.
pub(crate) fn builder(environment: &Environment, target: Target) -> Result<SessionBuilder> {
    let (key, value) = provider::RECORD_PLACEMENT;
    let builder = Session::builder(environment)?
        .with_intra_threads(1)?
        .with_inter_threads(1)?
        .with_intra_op_spinning(false)?
        .with_inter_op_spinning(false)?
        .with_config_entry(key, value)?
        .with_execution_providers(provider::dispatch(target))?;
    // A build of ONNX Runtime without optimisers refuses the level, and runs all the same.
    Ok(builder.with_optimization_level(GraphOptimizationLevel::All).unwrap_or_else(|error| error.recover()))
}

/// A session of a card's file, made from the bytes that were verified.
pub(super) fn open(builder: SessionBuilder, store: &Store, card: &Card, file: &File) -> Result<Session> {
    let bytes = store.verified_bytes(card, file)?;
    let path = store.path(card, file);
    // Weights outside the graph are part of the card and verified like it, or they are not read at all.
    for external in external::files(&path, &bytes)? {
        let listed = card.files.iter().find(|file| file.role == Role::Weights && store.path(card, file) == external);
        match listed {
            Some(file) => store.verified(card, file)?,
            None => return Err(unlisted(&path, &external)),
        };
    }
    from_bytes(builder, &path, &bytes)
}

/// A session of a graph that was read from `path`.
pub(crate) fn from_bytes(builder: SessionBuilder, path: &Path, bytes: &[u8]) -> Result<Session> {
    let folder = path.parent().unwrap_or(Path::new(".")).to_string_lossy().into_owned();
    let mut builder = builder.with_config_entry("session.model_external_initializers_file_folder_path", folder)?;
    Ok(builder.commit_from_memory(bytes)?)
}

fn unlisted(path: &Path, external: &Path) -> Error {
    let reason = format!("its external data {} is not among the card's files", external.display());
    Error::Refused { path: path.to_owned(), reason }
}
