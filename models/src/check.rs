// SPDX-License-Identifier: Apache-2.0
//! Checking any ONNX file against a card: does it take and give what the card says, and is what it gives sound?

mod contract;
pub(crate) mod trial;

use std::{
    fmt, fs,
    path::{Path, PathBuf},
};

use crate::{
    Error, Result,
    card::{Card, Role, Target},
    engine,
    store::{Store, digest, external},
};

/// What a check found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// The file that was checked.
    pub file: PathBuf,
    /// The card's name and version.
    pub card: (String, String),
    /// SHA-256 of the file.
    pub sha256: String,
    /// Whether it is the card's own file, byte by byte.
    pub same_file: bool,
    /// What doesn't fit, in plain words, most important first. Empty when the file can stand in for the card's.
    pub faults: Vec<String>,
}

impl Report {
    /// Whether the file can be used where the card's is.
    pub fn fits(&self) -> bool {
        self.faults.is_empty()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, version) = &self.card;
        let file = self.file.display();
        match (self.fits(), self.same_file) {
            (true, true) => write!(f, "{file} is the network of card {name} {version}, and runs"),
            (true, false) => write!(f, "{file} fits card {name} {version}; it is another file than the card's"),
            (false, _) => write!(f, "{file} doesn't fit card {name} {version}:"),
        }?;
        self.faults.iter().try_for_each(|fault| write!(f, "\n- {fault}"))
    }
}

/// Checks an ONNX file against a card: names, types, ranks and sizes of inputs and outputs, then one run on the
/// processor with plausible inputs, whose outputs must be finite, in their ranges and of the promised shapes.
///
/// The ONNX Runtime library is that of the default store, or of `ORT_DYLIB_PATH`.
///
/// # Errors
/// [`Error::Io`] for a file that can't be read, [`Error::Refused`] for one that is no ONNX file or whose external
/// data leave its folder, and those of [`crate::Engine::open`] for the library. What doesn't fit is no error.
pub fn check(file: &Path, card: &Card) -> Result<Report> {
    let bytes = fs::read(file).map_err(Error::io(file))?;
    external::files(file, &bytes)?;
    let environment = engine::environment(&Store::open(Store::default_dir()))?;
    let sha256 = digest::of_bytes(&bytes);
    let mut report = Report {
        file: file.to_owned(),
        card: (card.name.clone(), card.version.clone()),
        same_file: card.files.iter().any(|file| file.role == Role::Network && file.sha256 == sha256),
        sha256,
        faults: vec![],
    };
    let builder = engine::builder(&environment, Target::Cpu)?;
    let mut session = match engine::from_bytes(builder, file, &bytes) {
        Ok(session) => session,
        Err(error) => {
            report.faults.push(format!("it can't be loaded: {error}"));
            return Ok(report);
        }
    };
    report.faults = contract::compare(&session, card);
    // A run with inputs that the graph doesn't take would only say the same again.
    if report.faults.is_empty() {
        report.faults = match trial::run(&mut session, card) {
            Ok(outputs) => contract::judge(&outputs, card),
            Err(error) => vec![format!("it doesn't run on inputs by the card: {error}")],
        };
    }
    Ok(report)
}
