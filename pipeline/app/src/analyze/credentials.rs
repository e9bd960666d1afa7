// SPDX-License-Identifier: Apache-2.0
//! Content credentials of a file (C2PA), read and verified before its analysis. Nothing is fetched for it: the crate is built
//! without a client, so that a file can't make us call anybody.

use std::{
    fs::{self, File},
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
};

use c2pa::{Context, Manifest, Reader, Settings, ValidationState};
use polygraph_core::provenance::{CredentialsState, Provenance};
use serde_json::Value;

use crate::error::{Error, Result};

/// That the signer is on no list, which the state says.
const UNTRUSTED: &str = "signingCredential.untrusted";
/// Problems that are told: a hostile file can have any number of them.
const PROBLEMS: usize = 8;

/// Who is trusted to sign: certificates of authorities.
pub struct Anchors(Settings);

impl Anchors {
    /// Those of a PEM file; without one, nobody.
    pub fn read(path: Option<&Path>) -> Result<Self> {
        let Some(path) = path else { return Ok(Self(Settings::new())) };
        let pem = fs::read_to_string(path).map_err(Error::file(path))?;
        let refused = |why: String| Error::File {
            path: path.display().to_string(),
            why: std::io::Error::new(std::io::ErrorKind::InvalidData, why),
        };
        if !pem.contains("-----BEGIN CERTIFICATE-----") {
            return Err(refused("no certificate in PEM is in it".to_owned()));
        }
        Settings::new().with_value("trust.user_anchors", pem).map(Self).map_err(|why| refused(why.to_string()))
    }
}

/// What a file's credentials say; `None` of a kind of file that can't have any.
pub fn read(path: &Path, anchors: &Anchors) -> Option<Provenance> {
    // It parses what strangers made: whatever happens in there, the analysis goes on.
    let looked = catch_unwind(AssertUnwindSafe(|| verified(path, anchors)));
    match looked {
        Ok(Ok(reader)) => Some(provenance(&reader)),
        Ok(Err(c2pa::Error::UnsupportedType)) => None,
        Ok(Err(c2pa::Error::JumbfNotFound)) => Some(Provenance::new(CredentialsState::None)),
        Ok(Err(c2pa::Error::RemoteManifestUrl(url))) => {
            Some(Provenance::unreadable(format!("they are kept at {url}, and nothing is fetched from there")))
        }
        Ok(Err(why)) => Some(Provenance::unreadable(why.to_string())),
        Err(_) => Some(Provenance::unreadable("the reader of credentials gave up on them".to_owned())),
    }
}

fn verified(path: &Path, anchors: &Anchors) -> c2pa::Result<Reader> {
    // The content tells the format, the name only where the content doesn't.
    let format = c2pa::format_from_path(path).unwrap_or_default();
    let context = Context::new().with_settings(anchors.0.clone())?;
    Reader::from_context(context).with_stream(&format, File::open(path)?)
}

fn provenance(reader: &Reader) -> Provenance {
    let state = match reader.validation_state() {
        ValidationState::Invalid => CredentialsState::Invalid,
        ValidationState::Valid => CredentialsState::Valid,
        ValidationState::Trusted => CredentialsState::Trusted,
    };
    let mut found = Provenance::new(state);
    for status in reader.validation_status().unwrap_or_default() {
        let code = status.code();
        let told = found.problems.iter().any(|problem| problem == code);
        if found.problems.len() < PROBLEMS && code != UNTRUSTED && !told {
            found.problems.push(code.to_owned());
        }
    }
    if let Some(manifest) = reader.active_manifest() {
        found.signer = manifest.common_name().or_else(|| manifest.issuer());
        found.signed = manifest.time();
        let program = manifest.claim_generator_info.as_ref().and_then(|info| info.first());
        found.generator = program.map(|info| info.name.clone());
        found.ingredients = manifest.ingredients().len();
        found.actions = actions(manifest).filter_map(|action| text(action, "action")).collect();
    }
    // What went into the file has credentials of its own in it.
    let sources = reader.iter_manifests().flat_map(actions).filter_map(|action| text(action, "digitalSourceType"));
    found.sources = sources.map(|uri| uri.rsplit('/').next().unwrap_or(&uri).to_owned()).collect();
    found.sources.sort();
    found.sources.dedup();
    found
}

/// What a manifest says was done.
fn actions(manifest: &Manifest) -> impl Iterator<Item = &Value> {
    let lists = manifest.assertions().iter().filter(|assertion| assertion.label().starts_with("c2pa.actions"));
    lists.filter_map(|list| list.value().ok()?.get("actions")?.as_array()).flatten()
}

fn text(value: &Value, key: &str) -> Option<String> {
    Some(value.get(key)?.as_str()?.to_owned())
}
