// SPDX-License-Identifier: Apache-2.0
//! Weights of our own: the files of `models/weights`, compiled in.
//!
//! So a network of ours can be had wherever the binary is, without a package or a repository. `build.rs` lists what
//! lies there; a build without a file works, and says so when somebody wants it.

/// Paths below the repository's root, with their bytes.
const WEIGHTS: &[(&str, &[u8])] = include!(concat!(env!("OUT_DIR"), "/weights.rs"));

/// The bytes of a file of `models/weights`, by its path below the repository's root.
pub(super) fn of(path: &str) -> Option<&'static [u8]> {
    WEIGHTS.iter().find(|(known, _)| *known == path).map(|(_, bytes)| *bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        card::{Source, cards},
        store::digest,
    };

    /// GitHub warns from 50 MB on, and everybody who clones pays for it.
    const MOST_BYTES: usize = 20_000_000;

    #[test]
    fn what_is_compiled_in_is_what_the_cards_say() {
        for card in cards().iter().filter(|card| matches!(card.source, Source::Repository(_))) {
            for file in &card.files {
                let bytes = of(&file.path).unwrap_or_else(|| panic!("{} was not compiled in", file.path));
                assert_eq!(bytes.len() as u64, file.bytes, "{}", file.path);
                assert_eq!(digest::of_bytes(bytes), file.sha256, "{}", file.path);
                assert!(bytes.len() < MOST_BYTES, "{} is too big for a repository", file.path);
            }
        }
    }

    #[test]
    fn every_file_belongs_to_a_card() {
        let known: Vec<_> = cards().iter().flat_map(|card| &card.files).map(|file| &file.path).collect();
        for (path, _) in WEIGHTS {
            assert!(known.iter().any(|known| known == path), "no card names {path}");
        }
    }
}
