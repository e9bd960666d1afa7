// SPDX-License-Identifier: Apache-2.0
//! External data of ONNX files: the weights that a graph keeps in files of their own, named by the graph itself.
//!
//! A name that leaves the graph's own folder would let a network read any file of the machine, so it is found and
//! refused before ONNX Runtime sees the graph. The names are read from the protobuf encoding by the field numbers of
//! `onnx.proto` (ONNX IR, version 10); everything else of the file is skipped over.

use std::{
    collections::BTreeSet,
    fs,
    path::{Component, Path, PathBuf},
};

use crate::{Error, Result};

/// The messages that a tensor can sit in, and where they nest.
#[derive(Clone, Copy)]
enum Message {
    Model,
    Training,
    Function,
    Graph,
    Node,
    Attribute,
    SparseTensor,
    Tensor,
    /// `StringStringEntryProto` of a tensor's `external_data`.
    Entry,
}

impl Message {
    /// The message in a field, or none where no tensor can be in it.
    fn field(self, number: u64) -> Option<Self> {
        Some(match (self, number) {
            (Self::Model, 7) | (Self::Training, 1 | 2) | (Self::Attribute, 6 | 11) => Self::Graph,
            (Self::Model, 20) => Self::Training,
            (Self::Model, 25) => Self::Function,
            (Self::Function, 7) | (Self::Graph, 1) => Self::Node,
            (Self::Function, 11) | (Self::Node, 5) => Self::Attribute,
            (Self::Graph, 5) | (Self::Attribute, 5 | 10) | (Self::SparseTensor, 1 | 2) => Self::Tensor,
            (Self::Graph, 15) | (Self::Attribute, 22 | 23) => Self::SparseTensor,
            (Self::Tensor, 13) => Self::Entry,
            _ => return None,
        })
    }
}

/// Deepest nesting of messages that is followed; graphs in graphs take three levels each.
const DEPTH: usize = 96;

/// The names of the external files of an ONNX graph. A graph in ONNX Runtime's own format (flatbuffers) has none.
///
/// # Errors
/// A sentence when the bytes are neither.
pub(crate) fn locations(bytes: &[u8]) -> Result<BTreeSet<String>, String> {
    let mut found = BTreeSet::new();
    if bytes.get(4..8) == Some(b"ORTM") {
        return Ok(found);
    }
    walk(Message::Model, bytes, DEPTH, &mut found)
        .ok_or("it is no ONNX file: its protobuf encoding breaks off or makes no sense")?;
    Ok(found)
}

/// The files that a graph names, after making sure that each lies in the graph's own folder.
///
/// # Errors
/// [`Error::Refused`] for a graph that can't be read, and for a name that is absolute, climbs folders, is missing or
/// is a link out of the folder.
pub(crate) fn files(path: &Path, bytes: &[u8]) -> Result<Vec<PathBuf>> {
    let refuse = |reason: String| Error::Refused { path: path.to_owned(), reason };
    let folder = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let inside = |location: String| {
        // A backslash is a folder on other systems; no honest name has one.
        let plain = Path::new(&location).components().all(|part| matches!(part, Component::Normal(_)));
        if !plain || location.is_empty() || location.contains('\\') {
            return Err(refuse(format!("its external data `{location}` leaves the folder")));
        }
        let file = folder.join(&location);
        let real =
            fs::canonicalize(&file).map_err(|error| refuse(format!("its external data `{location}`: {error}")))?;
        let root = fs::canonicalize(folder).map_err(Error::io(folder))?;
        if !real.starts_with(&root) {
            return Err(refuse(format!("its external data `{location}` is a link out of the folder")));
        }
        Ok(file)
    };
    locations(bytes).map_err(refuse)?.into_iter().map(inside).collect()
}

/// Follows `message` and everything in it that can hold a tensor. None for an encoding that makes no sense.
fn walk(message: Message, mut bytes: &[u8], depth: usize, found: &mut BTreeSet<String>) -> Option<()> {
    if matches!(message, Message::Entry) {
        return entry(bytes, found);
    }
    while let Some((number, value, rest)) = field(bytes)? {
        bytes = rest;
        if let (Some(inner), Some(value)) = (message.field(number), value) {
            walk(inner, value, depth.checked_sub(1)?, found)?;
        }
    }
    Some(())
}

/// The value of an `external_data` entry whose key is `location`.
fn entry(mut bytes: &[u8], found: &mut BTreeSet<String>) -> Option<()> {
    let (mut key, mut text): (&[u8], &[u8]) = (b"", b"");
    while let Some((number, value, rest)) = field(bytes)? {
        bytes = rest;
        match (number, value) {
            (1, Some(value)) => key = value,
            (2, Some(value)) => text = value,
            _ => {}
        }
    }
    if key == b"location" {
        found.insert(String::from_utf8_lossy(text).into_owned());
    }
    Some(())
}

/// Number, bytes (of a length-delimited field) and what comes after.
type Field<'a> = (u64, Option<&'a [u8]>, &'a [u8]);

/// The next field of the protobuf wire format; the inner none at the end of the message.
fn field(bytes: &[u8]) -> Option<Option<Field<'_>>> {
    if bytes.is_empty() {
        return Some(None);
    }
    let (tag, rest) = varint(bytes)?;
    let number = tag >> 3;
    let skip = |n: usize| rest.get(n..).map(|rest| Some((number, None, rest)));
    match tag & 7 {
        _ if number == 0 => None,
        0 => varint(rest).map(|(_, rest)| Some((number, None, rest))),
        1 => skip(8),
        2 => {
            let (length, rest) = varint(rest)?;
            let (value, rest) = rest.split_at_checked(usize::try_from(length).ok()?)?;
            Some(Some((number, Some(value), rest)))
        }
        5 => skip(4),
        // Groups (3 and 4) are not in proto3, 6 and 7 in nothing.
        _ => None,
    }
}

/// A base-128 number of at most ten bytes, low part first.
fn varint(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let mut value = 0;
    for (i, byte) in bytes.iter().take(10).enumerate() {
        value |= u64::from(byte & 0x7f).checked_shl(7 * u32::try_from(i).ok()?)?;
        if byte & 0x80 == 0 {
            return Some((value, &bytes[i + 1..]));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    /// A length-delimited field.
    fn part(number: u8, content: &[u8]) -> Vec<u8> {
        assert!(number < 16 || number < 32);
        let mut bytes = Vec::new();
        push_varint(&mut bytes, u64::from(number) << 3 | 2);
        push_varint(&mut bytes, content.len() as u64);
        bytes.extend(content);
        bytes
    }

    fn push_varint(bytes: &mut Vec<u8>, mut value: u64) {
        while value > 0x7f {
            bytes.push((value & 0x7f | 0x80) as u8);
            value >>= 7;
        }
        bytes.push(value as u8);
    }

    fn tensor(location: &str) -> Vec<u8> {
        let entry = [part(1, b"location"), part(2, location.as_bytes())].concat();
        // `dims` (a number) and `raw_data` come first, to be skipped.
        [vec![0x08, 0x80, 0x01], part(9, &[7; 300]), part(13, &entry)].concat()
    }

    /// The same tensor in each place that can hold one.
    fn models(location: &str) -> Vec<Vec<u8>> {
        let tensor = tensor(location);
        let in_graph = |graph: Vec<u8>| [vec![0x08, 0x0a], part(7, &graph)].concat();
        let attribute = |attribute: Vec<u8>| part(1, &part(5, &attribute));
        vec![
            in_graph(part(5, &tensor)),
            in_graph(part(15, &part(1, &tensor))),
            in_graph(attribute(part(5, &tensor))),
            in_graph(attribute(part(10, &tensor))),
            in_graph(attribute(part(22, &part(2, &tensor)))),
            in_graph(attribute(part(6, &part(5, &tensor)))),
            in_graph(attribute(part(11, &attribute(part(5, &tensor))))),
            part(25, &part(7, &part(5, &part(5, &tensor)))),
            part(25, &part(11, &part(5, &tensor))),
            part(20, &part(1, &part(5, &tensor))),
        ]
    }

    #[test]
    fn a_name_is_found_wherever_a_tensor_can_be() {
        for (i, model) in models("w.bin").into_iter().enumerate() {
            let found = locations(&model).unwrap();
            assert_eq!(found.iter().collect::<Vec<_>>(), ["w.bin"], "place {i}");
        }
    }

    #[test]
    fn names_that_leave_the_folder_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let (inner, outside) = (folder.path().join("in"), folder.path().join("secret"));
        fs::create_dir(&inner).unwrap();
        fs::write(&outside, "secret").unwrap();
        symlink(&outside, inner.join("link")).unwrap();
        symlink(folder.path(), inner.join("linked")).unwrap();
        let absolute = outside.to_str().unwrap();
        let climbing = ["../secret", absolute, "a/../../secret", "..\\secret", "link", "linked/secret", "", "."];
        for location in climbing.into_iter().chain(["*/_ORT_MEM_ADDR_/*", "absent.bin"]) {
            for model in models(location) {
                let refused = files(&inner.join("net.onnx"), &model).unwrap_err();
                assert!(matches!(refused, Error::Refused { .. }), "{location}: {refused}");
            }
        }
    }

    #[test]
    fn names_in_the_folder_are_given() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("w.bin"), "weights").unwrap();
        let given = files(&folder.path().join("net.onnx"), &models("w.bin")[0]).unwrap();
        assert_eq!(given, [folder.path().join("w.bin")]);
    }

    #[test]
    fn nonsense_is_refused_and_never_a_panic() {
        let model = models("w.bin").swap_remove(0);
        for end in 1..model.len() {
            // Cut anywhere, it is refused, or it ends between fields of the model itself.
            if locations(&model[..end]).is_ok() {
                assert_eq!(end, 2, "only the first field ends there");
            }
        }
        for bytes in
            [&[0x00, 0x00][..], &[0x3b], &[0xff; 20], &[0x3a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f]]
        {
            assert!(locations(bytes).is_err(), "{bytes:?}");
        }
    }

    #[test]
    fn nesting_without_end_is_refused() {
        let mut graph = vec![];
        for _ in 0..1000 {
            graph = part(1, &part(5, &part(6, &graph)));
        }
        assert!(locations(&part(7, &graph)).is_err());
    }
}
