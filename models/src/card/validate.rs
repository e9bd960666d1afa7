// SPDX-License-Identifier: Apache-2.0
//! What a card must be beyond its grammar.

use std::collections::BTreeSet;

use super::{Card, CommercialUse, Dim, Package, Role};
use crate::{Error, Result};

impl Card {
    /// Reads a card from TOML and validates it.
    ///
    /// # Errors
    /// [`Error::Card`] with the line of a grammar error, or with what is inconsistent.
    pub fn from_toml(text: &str) -> Result<Self> {
        let card: Self = toml::from_str(text)
            .map_err(|error| Error::Card { name: "?".into(), reason: error.to_string().trim_end().into() })?;
        card.validate()?;
        Ok(card)
    }

    /// Says what is wrong with the card, if anything.
    ///
    /// # Errors
    /// [`Error::Card`] with the first fault.
    pub fn validate(&self) -> Result<()> {
        let fail = |reason: String| Err(Error::Card { name: self.name.clone(), reason });
        // Name and version become folders of the store, file names become files in it.
        for (what, value) in [("name", &self.name), ("version", &self.version)] {
            if !is_plain(value) {
                return fail(format!(
                    "{what} `{value}` must be letters, digits, `.`, `_` and `-`, not starting with `.` or `-`"
                ));
            }
        }
        let parts = [
            self.validate_source(),
            self.validate_files(),
            self.validate_tensors(),
            self.validate_licence(),
            self.calibration.validate(),
            self.typical.as_ref().map_or(Ok(()), super::Typical::validate),
            self.lip_sync.as_ref().map_or(Ok(()), super::LipSync::validate),
            self.scene.as_ref().map_or(Ok(()), super::Scene::validate),
            self.safety.as_ref().map_or(Ok(()), super::Safety::validate),
            self.lip_reading.as_ref().map_or(Ok(()), super::LipReading::validate),
            self.quality.validate(),
        ];
        if let Some(reason) = parts.into_iter().find_map(Result::err) {
            return fail(reason);
        }
        for variant in &self.variants {
            if self.file(&variant.file).is_none() {
                return fail(format!(
                    "variant {} names the file `{}`, which the card doesn't list",
                    variant.provider.as_str(),
                    variant.file
                ));
            }
        }
        if self.variants.is_empty() {
            return fail("it has no variants: say at least what runs on the CPU".into());
        }
        if let Some(rate) = self.rates.iter().find(|rate| !(rate.calls.is_finite() && rate.calls > 0.0)) {
            return fail(format!("a rate of {} calls is no rate", rate.calls));
        }
        Ok(())
    }

    fn validate_source(&self) -> Result<(), String> {
        let Some((_, Package { package, version, archive_sha256, .. })) = self.source.package() else { return Ok(()) };
        // Handed to a client's command line: no option, no URL, no path, no version range.
        let plain = package.strip_prefix('@').unwrap_or(package);
        if plain.is_empty() || !plain.split('/').all(is_plain) || plain.split('/').count() > 2 {
            return Err(format!("source package `{package}` is no package name"));
        }
        if !is_plain(version) {
            return Err(format!("source version `{version}` is no exact version"));
        }
        if !is_sha256(archive_sha256) {
            return Err("archive_sha256 isn't 64 lower-case hexadecimal digits".into());
        }
        Ok(())
    }

    fn validate_licence(&self) -> Result<(), String> {
        let told = self.licence.commercial_reason.as_ref().is_some_and(|reason| !reason.trim().is_empty());
        if self.licence.commercial_use != CommercialUse::Yes && !told {
            return Err("commercial_use isn't `yes`, and commercial_reason doesn't say why".into());
        }
        Ok(())
    }

    fn validate_files(&self) -> Result<(), String> {
        let mut names = BTreeSet::new();
        for file in &self.files {
            if !is_plain(&file.name) {
                return Err(format!("file name `{}` must be a plain name without folders", file.name));
            }
            if !names.insert(&file.name) {
                return Err(format!("file `{}` is listed twice", file.name));
            }
            if !is_sha256(&file.sha256) {
                return Err(format!("sha256 of `{}` isn't 64 lower-case hexadecimal digits", file.name));
            }
            if file.bytes == 0 {
                return Err(format!("`{}` can't have 0 bytes", file.name));
            }
        }
        let mut networks = self.files.iter().filter(|file| file.role == Role::Network).peekable();
        if networks.peek().is_none() {
            return Err("it has no file with the role `network`".into());
        }
        // A second precision is a second file, for the providers that it is made for.
        match networks.find(|file| self.variants.iter().all(|variant| variant.file != file.name)) {
            Some(file) => Err(format!("no variant runs `{}`", file.name)),
            None => Ok(()),
        }
    }

    fn validate_tensors(&self) -> Result<(), String> {
        if self.inputs.is_empty() || self.outputs.is_empty() {
            return Err("it needs at least one input and one output".into());
        }
        for (side, tensors) in [("input", &self.inputs), ("output", &self.outputs)] {
            let mut names = BTreeSet::new();
            for tensor in tensors {
                if !names.insert(&tensor.name) {
                    return Err(format!("{side} `{}` is listed twice", tensor.name));
                }
                if let Some([least, greatest]) = tensor.range
                    && !(least <= greatest && least.is_finite() && greatest.is_finite())
                {
                    return Err(format!("range {least} to {greatest} of {side} `{}` is empty", tensor.name));
                }
            }
        }
        for dim in self.inputs.iter().flat_map(|tensor| &tensor.shape) {
            if let Dim::Named(name) = dim
                && !self.trial.contains_key(name)
            {
                return Err(format!("inputs have the dimension `{name}`, but `trial` gives it no size"));
            }
        }
        Ok(())
    }
}

fn is_plain(name: &str) -> bool {
    !name.is_empty()
        && !name.starts_with(['.', '-'])
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-'))
}

fn is_sha256(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}
