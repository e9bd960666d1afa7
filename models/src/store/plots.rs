// SPDX-License-Identifier: Apache-2.0
//! [uPlot](https://github.com/leeoniya/uPlot), which draws the plots of reports: pinned and kept like the networks, so that
//! the build needs none and no code of others is in the repository.

use std::fs;
use std::path::PathBuf;

use super::{Store, digest};
use crate::card::Package;
use crate::{Error, Result};

/// Its version.
pub const VERSION: &str = "1.6.32";
/// Its name in messages.
pub(super) const NAME: &str = "uplot";

/// A file of the package: its path in the archive, its SHA-256 and its size in bytes.
pub(super) struct Pin {
    pub(super) path: &'static str,
    pub(super) sha256: &'static str,
    pub(super) bytes: u64,
}

/// Script, style and licence.
pub(super) const PINS: [Pin; 3] = [
    Pin {
        path: "package/dist/uPlot.iife.min.js",
        sha256: "19c8d4c6ad88929a79f4ae49d6f7161566dfd0ba3d15cc495e974f787eb78f1f",
        bytes: 51_081,
    },
    Pin {
        path: "package/dist/uPlot.min.css",
        sha256: "df630c6a8d6f8eeaff264b50f73ce5b114f646ffd9a0bb74f049b0a00135fa04",
        bytes: 1857,
    },
    Pin {
        path: "package/LICENSE",
        sha256: "8f989229699b4fe2f1a0432d0e9edc338a8a911e250e2d1b01ecd770a5f5b1bd",
        bytes: 1078,
    },
];

/// The package at npm.
pub(super) fn package() -> Package {
    Package {
        package: NAME.to_owned(),
        version: VERSION.to_owned(),
        archive_sha256: "4b8a8191e425658e3ea8c8c1314b0fc679c861ee3a1af2b20c7b16ba50b5133d".to_owned(),
        archive_bytes: 164_279,
        wheel: None,
    }
}

/// What a report needs to draw plots.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plots {
    /// JavaScript that defines `uPlot`.
    pub script: String,
    /// Its style sheet.
    pub style: String,
    /// The text of its licence (MIT), which goes with every copy.
    pub licence: String,
}

impl Store {
    pub(super) fn plots_path(&self, pin: &Pin) -> PathBuf {
        let name = pin.path.rsplit('/').next().unwrap_or(pin.path);
        self.root().join("plots").join(format!("{NAME}-{VERSION}")).join(name)
    }

    /// The plot library, from bytes that were verified.
    ///
    /// # Errors
    /// [`Error::Missing`], [`Error::Changed`] or [`Error::Io`].
    pub fn plots(&self) -> Result<Plots> {
        let read = |pin: &Pin| {
            let path = self.plots_path(pin);
            digest::verify_file(NAME, &path, pin.sha256)?;
            fs::read_to_string(&path).map_err(Error::io(&path))
        };
        let [script, style, licence] = &PINS;
        Ok(Plots { script: read(script)?, style: read(style)?, licence: read(licence)? })
    }
}
