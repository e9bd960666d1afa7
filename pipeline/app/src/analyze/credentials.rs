// SPDX-License-Identifier: Apache-2.0
//! Content credentials of a file (C2PA), read and verified before its analysis. Nothing is fetched for it: the crate is built
//! without a client, so that a file can't make us call anybody.

use std::{
    collections::BTreeSet,
    fs::{self, File},
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
    time::{Duration, Instant},
};

use base64::prelude::{BASE64_STANDARD, Engine};
use c2pa::{Context, Ingredient, Manifest, Reader, Settings, ValidationState};
use polygraph_core::provenance::{CredentialsState, Provenance};
use serde_json::Value;

use super::interrupted;
use crate::error::{Error, Result};

/// That the signer is on no list, which the state says.
const UNTRUSTED: &str = "signingCredential.untrusted";
/// What says that the file, or a claim, isn't what was signed.
const CHANGED: [&str; 6] = [
    "assertion.bmffHash.mismatch",
    "assertion.boxesHash.mismatch",
    "assertion.collectionHash.mismatch",
    "assertion.dataHash.mismatch",
    "assertion.hashedURI.mismatch",
    "claimSignature.mismatch",
];
/// Of each list; a hostile file can have any number of anything.
const MOST: usize = 32;
/// Characters of a text.
const LONGEST: usize = 200;
/// Longer than it takes to sum up a file that fits on a disk in memory's speed; a file made to keep us busy ends there.
const LIMIT: Duration = Duration::from_secs(120);

/// Who is trusted to sign: certificates of authorities.
pub struct Anchors(Settings);

impl Anchors {
    /// Those of a PEM file; without one, nobody.
    pub fn read(path: Option<&Path>) -> Result<Self> {
        // Identities of CAWG need the network to be verified, and what isn't would make the whole invalid.
        let settings = Settings::new().with_value("core.decode_identity_assertions", false);
        let refused = |path: &Path, why: String| Error::File {
            path: path.display().to_string(),
            why: io::Error::new(io::ErrorKind::InvalidData, why),
        };
        let Some(path) = path else {
            return settings.map(Self).map_err(|why| refused(Path::new("content credentials"), why.to_string()));
        };
        let pem = fs::read_to_string(path).map_err(Error::file(path))?;
        certificates(&pem).map_err(|why| refused(path, why))?;
        let settings = settings.and_then(|settings| settings.with_value("trust.user_anchors", pem));
        settings.map(Self).map_err(|why| refused(path, why.to_string()))
    }
}

/// Refuses a PEM text without certificates, or with a broken one: the crate passes over those.
fn certificates(pem: &str) -> std::result::Result<(), String> {
    let blocks: Vec<_> = pem.split("-----BEGIN CERTIFICATE-----").skip(1).collect();
    for (at, block) in blocks.iter().enumerate() {
        let body = block.split_once("-----END CERTIFICATE-----").map_or("", |(body, _)| body);
        let body: String = body.split_whitespace().collect();
        // A sequence in DER.
        if BASE64_STANDARD.decode(body).ok().and_then(|der| der.first().copied()) != Some(0x30) {
            return Err(format!("certificate {} in it is broken", at + 1));
        }
    }
    if blocks.is_empty() { Err("no certificate in PEM is in it".to_owned()) } else { Ok(()) }
}

/// What a file's credentials say; `None` of a kind of file in which none can be read.
pub fn read(path: &Path, anchors: &Anchors) -> Option<Provenance> {
    // It parses what strangers made: a panic in there ends no analysis.
    let looked = catch_unwind(AssertUnwindSafe(|| verified(path, anchors)));
    match looked {
        Ok(Ok(reader)) => Some(provenance(&reader)),
        Ok(Err(c2pa::Error::UnsupportedType)) => None,
        Ok(Err(c2pa::Error::JumbfNotFound)) => Some(Provenance::new(CredentialsState::None)),
        Ok(Err(c2pa::Error::RemoteManifestUrl(url))) => {
            Some(Provenance::unreadable(clean(&format!("they are kept at {url}, and nothing is fetched from there"))))
        }
        Ok(Err(why)) => Some(Provenance::unreadable(clean(&why.to_string()))),
        Err(_) => Some(Provenance::unreadable("the reader of credentials gave up on them".to_owned())),
    }
}

fn verified(path: &Path, anchors: &Anchors) -> c2pa::Result<Reader> {
    // The content tells the format, the name only where the content doesn't.
    let format = c2pa::format_from_path(path).unwrap_or_default();
    let began = Instant::now();
    let context = Context::new()
        .with_settings(anchors.0.clone())?
        .with_progress_callback(move |_, _, _| !interrupted() && began.elapsed() < LIMIT);
    Reader::from_context(context).with_stream(&format, File::open(path)?)
}

fn provenance(reader: &Reader) -> Provenance {
    let codes: BTreeSet<_> =
        reader.validation_status().unwrap_or_default().iter().map(|status| status.code()).collect();
    let state = match reader.validation_state() {
        ValidationState::Invalid if codes.iter().any(|code| CHANGED.contains(code)) => CredentialsState::Changed,
        ValidationState::Invalid => CredentialsState::Invalid,
        ValidationState::Valid => CredentialsState::Valid,
        ValidationState::Trusted => CredentialsState::Trusted,
    };
    let mut found = Provenance::new(state);
    found.problems = codes.into_iter().filter(|code| *code != UNTRUSTED).take(MOST).map(clean).collect();
    let Some(manifest) = reader.active_manifest().filter(|_| found.holds()) else { return found };
    found.signer = manifest.common_name().or_else(|| manifest.issuer()).as_deref().map(clean);
    found.signed = manifest.time().as_deref().map(clean);
    let program = manifest.claim_generator_info.as_ref().and_then(|info| info.first());
    found.generator = program.map(|info| clean(&info.name));
    found.ingredients = manifest.ingredients().len();
    found.actions = actions(manifest).filter_map(|action| text(action, "action")).take(MOST).collect();
    let sources = vouched(reader, manifest).into_iter().flat_map(actions);
    let sources = sources.filter_map(|action| text(action, "digitalSourceType"));
    let last = |uri: String| uri.rsplit('/').next().unwrap_or(&uri).to_owned();
    found.sources = sources.map(last).collect::<BTreeSet<_>>().into_iter().take(MOST).collect();
    found
}

/// The manifest and those of what it was made of, as far as who signed vouches for them. A file can hold others that nobody
/// refers to and nothing has verified.
fn vouched<'a>(reader: &'a Reader, active: &'a Manifest) -> Vec<&'a Manifest> {
    let good = |ingredient: &Ingredient| match ingredient.validation_results() {
        Some(results) => results.validation_state() != ValidationState::Invalid,
        None => ingredient.validation_status().is_none_or(<[_]>::is_empty),
    };
    let (mut seen, mut found, mut next) = (BTreeSet::new(), Vec::new(), vec![active]);
    while let Some(manifest) = next.pop() {
        found.push(manifest);
        let labels = manifest.ingredients().iter().filter(|it| good(it)).filter_map(Ingredient::active_manifest);
        next.extend(labels.filter(|label| seen.insert(*label)).filter_map(|label| reader.get_manifest(label)));
    }
    found
}

/// What a manifest says was done.
fn actions(manifest: &Manifest) -> impl Iterator<Item = &Value> {
    let lists = manifest.assertions().iter().filter(|assertion| assertion.label().starts_with("c2pa.actions"));
    lists.filter_map(|list| list.value().ok()?.get("actions")?.as_array()).flatten()
}

/// A stranger's text for terminals and logs: no control characters, none that turn the direction of writing, and an end.
fn clean(text: &str) -> String {
    let odd = |c: char| {
        c.is_control()
            || matches!(c, '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2066}'..='\u{2069}' | '\u{FEFF}')
    };
    text.chars().take(LONGEST).map(|c| if odd(c) { ' ' } else { c }).collect()
}

fn text(value: &Value, key: &str) -> Option<String> {
    Some(clean(value.get(key)?.as_str()?))
}
