// SPDX-License-Identifier: Apache-2.0
//! SHA-256 (FIPS 180-4) of files and bytes, compared with what was pinned.

use std::{
    fmt::Write as _,
    fs,
    io::{self, Read as _},
    path::Path,
};

use sha2::{Digest as _, Sha256};

use crate::{Error, Result};

/// Hexadecimal SHA-256 of bytes.
pub(crate) fn of_bytes(bytes: &[u8]) -> String {
    hexadecimal(&Sha256::digest(bytes))
}

/// Hexadecimal SHA-256 of a file, read piecewise.
pub(crate) fn of_file(path: &Path) -> io::Result<String> {
    let mut file = fs::File::open(path)?;
    let mut hasher = Sha256::new();
    let mut piece = vec![0; 1 << 16];
    loop {
        match file.read(&mut piece)? {
            0 => return Ok(hexadecimal(&hasher.finalize())),
            n => hasher.update(&piece[..n]),
        }
    }
}

/// Whether the file of `name` has the expected digest; says which file it was where it hasn't.
pub(crate) fn verify_file(name: &str, path: &Path, expected: &str) -> Result<()> {
    let found = of_file(path).map_err(|error| absent_or_io(name, path, error))?;
    compare(name, path, expected, found)
}

/// The same for bytes that were read from `path`.
pub(crate) fn verify_bytes(name: &str, path: &Path, bytes: &[u8], expected: &str) -> Result<()> {
    compare(name, path, expected, of_bytes(bytes))
}

/// A file that isn't there is to be fetched; anything else is the file system's matter.
pub(crate) fn absent_or_io(name: &str, path: &Path, error: io::Error) -> Error {
    match error.kind() {
        io::ErrorKind::NotFound => Error::Missing { name: name.to_owned(), path: path.to_owned() },
        _ => Error::io(path)(error),
    }
}

fn compare(name: &str, path: &Path, expected: &str, found: String) -> Result<()> {
    if found == expected {
        return Ok(());
    }
    Err(Error::Changed { name: name.to_owned(), path: path.to_owned(), expected: expected.to_owned(), found })
}

fn hexadecimal(digest: &[u8]) -> String {
    digest.iter().fold(String::with_capacity(64), |mut text, byte| {
        // Writing to a string can't fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_are_those_of_the_standard() {
        // FIPS 180-2, appendix B.1.
        let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(of_bytes(b"abc"), abc);
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), b"abc").unwrap();
        assert_eq!(of_file(file.path()).unwrap(), abc);
    }
}
