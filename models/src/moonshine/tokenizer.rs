// SPDX-License-Identifier: Apache-2.0
//! The list of tokens: each a length and that many bytes.

use std::{fs, path::Path};

use crate::{Error, Result};

/// U+2581 stands for a space.
const SPACE: &str = "\u{2581}";
/// Far more than any list of tokens has: nothing else is read into memory.
const MAX_BYTES: u64 = 16 << 20;
/// The longest token: longer ones are a sign of a file that is something else.
const MAX_TOKEN: usize = 1024;
/// Tokens before this are no text: unknown, start, end.
const FIRST_TEXT: usize = 3;

/// All tokens, by index.
#[derive(Debug)]
pub(super) struct Vocabulary {
    tokens: Vec<Box<[u8]>>,
}

impl Vocabulary {
    /// Reads and validates the file.
    pub fn read(path: &Path) -> Result<Self> {
        let bad = |reason| Error::Tokenizer { path: path.to_owned(), reason };
        let size = fs::metadata(path).map_err(Error::io(path))?.len();
        if size > MAX_BYTES {
            return Err(bad(format!("{size} bytes are too many")));
        }
        Self::parse(&fs::read(path).map_err(Error::io(path))?).map_err(bad)
    }

    /// Reads the list; says what is wrong with it and where.
    fn parse(bytes: &[u8]) -> Result<Self, String> {
        let (mut tokens, mut rest) = (Vec::new(), bytes);
        while let Some((&low, after)) = rest.split_first() {
            let at = bytes.len() - rest.len();
            let index = tokens.len();
            let (length, after) = match (low, after.split_first()) {
                (0..128, _) => (usize::from(low), after),
                (_, Some((&high @ 0..128, after))) => (usize::from(low - 128) + 128 * usize::from(high), after),
                (_, Some(_)) => return Err(format!("the length of token {index} at byte {at} takes over two bytes")),
                (_, None) => return Err(format!("the length of token {index} at byte {at} is cut off")),
            };
            if length > MAX_TOKEN {
                return Err(format!("token {index} at byte {at} would have {length} bytes"));
            }
            let Some((token, after)) = after.split_at_checked(length) else {
                return Err(format!("token {index} at byte {at} is cut off: {length} bytes, {} are left", after.len()));
            };
            tokens.push(token.into());
            rest = after;
        }
        if tokens.len() <= FIRST_TEXT {
            return Err(format!("it has {} tokens", tokens.len()));
        }
        Ok(Self { tokens })
    }

    /// How many tokens there are.
    pub fn len(&self) -> usize {
        self.tokens.len()
    }

    /// What each token adds to the text of those before it. Of a character that takes several tokens the last one has
    /// all; bytes that make no character are replaced.
    pub fn texts(&self, ids: impl IntoIterator<Item = u32>) -> Vec<String> {
        let mut open = Vec::new();
        let mut texts: Vec<String> = ids
            .into_iter()
            .map(|id| {
                let text = (id as usize).checked_sub(FIRST_TEXT).and_then(|_| self.tokens.get(id as usize));
                open.extend(text.iter().flat_map(|token| token.iter()));
                let rest = open.split_off(open.len() - unfinished(&open));
                let text = String::from_utf8_lossy(&open).replace(SPACE, " ");
                open = rest;
                text
            })
            .collect();
        if let Some(last) = texts.last_mut() {
            last.push_str(&String::from_utf8_lossy(&open));
        }
        texts
    }
}

/// How many bytes at the end begin a character that isn't finished.
fn unfinished(bytes: &[u8]) -> usize {
    bytes.utf8_chunks().last().map_or(0, |chunk| {
        let bytes = chunk.invalid();
        // A chunk stops at what can't go on; only at the end of all bytes can it be cut short.
        match std::str::from_utf8(bytes) {
            Err(error) if error.error_len().is_none() => bytes.len(),
            _ => 0,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(tokens: &[&[u8]]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for token in tokens {
            match token.len() {
                n @ 0..128 => bytes.push(n as u8),
                n => bytes.extend([(n % 128) as u8 + 128, (n / 128) as u8]),
            }
            bytes.extend_from_slice(token);
        }
        bytes
    }

    #[test]
    fn tokens_of_one_and_two_length_bytes_are_read() {
        let long = [b'x'; 300];
        let bytes = list(&[b"<unk>", b"<s>", b"</s>", "\u{2581}to".as_bytes(), b"day", &long, b""]);
        let vocabulary = Vocabulary::parse(&bytes).unwrap();
        assert_eq!(vocabulary.len(), 7);
        assert_eq!(vocabulary.texts([1, 3, 4, 2]), ["", " to", "day", ""]);
        assert_eq!(vocabulary.texts([5])[0].len(), 300);
    }

    #[test]
    fn a_character_may_take_several_tokens() {
        let vocabulary = Vocabulary::parse(&list(&[b"a", b"b", b"c", &[0xE2], &[0x99], &[0xAA], b"x"])).unwrap();
        assert_eq!(vocabulary.texts([3, 4, 5, 6]), ["", "", "♪", "x"]);
        assert_eq!(vocabulary.texts([3, 4]), ["", "\u{FFFD}"]);
        assert_eq!(vocabulary.texts([3, 6, 5]), ["", "\u{FFFD}x", "\u{FFFD}"]);
        assert_eq!(vocabulary.texts([999]), [""]);
        assert!(vocabulary.texts([]).is_empty());
    }

    #[test]
    fn lists_that_lie_are_refused_with_the_place() {
        let good = list(&[b"<unk>", b"<s>", b"</s>", b"word", &[b'x'; 200]]);
        assert!(Vocabulary::parse(&good).is_ok());
        // The file cut off at every byte that isn't the end of a token.
        let ends = [0, 6, 10, 15, 20];
        for cut in (0..good.len()).filter(|cut| !ends.contains(cut)) {
            let error = Vocabulary::parse(&good[..cut]).unwrap_err();
            assert!(error.contains("cut off"), "{cut}: {error}");
        }
        for (bytes, says) in [
            (&[][..], "0 tokens"),
            (&[1, b'a'], "1 tokens"),
            (&[0xFF, 0xFF, 1], "over two bytes"),
            (&[0xFF, 0x7F, 1], "16383 bytes"),
            (&[5, b'a'], "5 bytes, 1 are left"),
        ] {
            let error = Vocabulary::parse(bytes).unwrap_err();
            assert!(error.contains(says), "{error}");
        }
    }

    #[test]
    fn a_file_that_is_not_there_is_named() {
        let error = Vocabulary::read(Path::new("no/such/file")).unwrap_err();
        assert!(error.to_string().contains("no/such/file"), "{error}");
    }
}
