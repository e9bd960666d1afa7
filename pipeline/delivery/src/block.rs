// SPDX-License-Identifier: Apache-2.0
//! Blocks: records of one topic, in their order, as they lie in the spool.
//!
//! A store pays for each entry, so the spool's entries are blocks of many records. All numbers are little-endian:
//!
//! | bytes | what |
//! | --- | --- |
//! | 4 | `PBK1`: the layout |
//! | 4 | CRC-32 (IEEE 802.3) of all that follows |
//! | 8 | when its first record was taken, in milliseconds since 1970 |
//! | 4 | how many records |
//! | | the records: key, number of headers, name and value of each, payload; each text with its length in 4 bytes before |

use crate::message::Message;

const LAYOUT: [u8; 4] = *b"PBK1";
const HEAD: usize = 20;
/// A block that is this long takes no more: its entry just fits a page of 64 KiB of the store.
const FULL: usize = 60_000;
/// A record's number within its block has 12 bits.
pub(crate) const MOST_RECORDS: usize = 4096;

/// A block that is being filled.
#[derive(Clone, Debug)]
pub(crate) struct Builder {
    bytes: Vec<u8>,
    records: u32,
}

impl Builder {
    pub(crate) fn new(now_ms: u64) -> Self {
        let mut bytes = Vec::with_capacity(4096);
        bytes.extend(LAYOUT);
        bytes.extend([0; 4]);
        bytes.extend(now_ms.to_le_bytes());
        bytes.extend([0; 4]);
        Self { bytes, records: 0 }
    }

    /// Whether another record of this size belongs into a new block.
    pub(crate) fn is_full(&self, size: usize) -> bool {
        self.records > 0 && (self.bytes.len() + size > FULL || self.records as usize >= MOST_RECORDS)
    }

    pub(crate) fn push(&mut self, message: &Message) {
        self.text(message.key.as_bytes());
        self.number(message.headers.len());
        for (name, value) in &message.headers {
            self.text(name.as_bytes());
            self.text(value.as_bytes());
        }
        self.text(&message.payload);
        self.records += 1;
    }

    pub(crate) fn len(&self) -> usize {
        self.bytes.len()
    }

    pub(crate) fn records(&self) -> u32 {
        self.records
    }

    /// The block as it is now, sealed by its checksum; more may follow, and then it is sealed anew.
    pub(crate) fn seal(&mut self) -> &[u8] {
        self.bytes[16..HEAD].copy_from_slice(&self.records.to_le_bytes());
        let sum = crc32fast::hash(&self.bytes[8..]);
        self.bytes[4..8].copy_from_slice(&sum.to_le_bytes());
        &self.bytes
    }

    fn text(&mut self, text: &[u8]) {
        self.number(text.len());
        self.bytes.extend(text);
    }

    /// Lengths fit: [`size`] is checked against a queue that is far smaller than 4 GiB.
    fn number(&mut self, number: usize) {
        self.bytes.extend((number as u32).to_le_bytes());
    }
}

/// How many bytes a message takes in a block.
pub(crate) fn size(message: &Message) -> usize {
    let headers: usize = message.headers.iter().map(|(name, value)| 8 + name.len() + value.len()).sum();
    12 + message.key.len() + headers + message.payload.len()
}

/// How many records a block says it has.
pub(crate) fn records(block: &[u8]) -> Option<u32> {
    Some(u32::from_le_bytes(block.get(16..HEAD)?.try_into().ok()?))
}

/// When a block says its first record was taken.
pub(crate) fn written_ms(block: &[u8]) -> Option<u64> {
    Some(u64::from_le_bytes(block.get(8..16)?.try_into().ok()?))
}

/// A record in a block.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Record<'a> {
    pub(crate) key: &'a [u8],
    pub(crate) headers: Vec<(&'a str, &'a [u8])>,
    pub(crate) payload: &'a [u8],
}

/// All records of a block; `None` when it isn't what was written.
pub(crate) fn read(block: &[u8]) -> Option<Vec<Record<'_>>> {
    let sum = u32::from_le_bytes(block.get(4..8)?.try_into().ok()?);
    if block.get(..4)? != LAYOUT || crc32fast::hash(block.get(8..)?) != sum {
        return None;
    }
    let mut rest = Rest(block.get(HEAD..)?);
    let records = records(block)?;
    let all = (0..records).map(|_| rest.record()).collect::<Option<Vec<_>>>()?;
    rest.0.is_empty().then_some(all)
}

struct Rest<'a>(&'a [u8]);

impl<'a> Rest<'a> {
    fn record(&mut self) -> Option<Record<'a>> {
        let key = self.text()?;
        let headers = self.number()?;
        let header = |_| Some((std::str::from_utf8(self.text()?).ok()?, self.text()?));
        let headers = (0..headers).map(header).collect::<Option<Vec<_>>>()?;
        Some(Record { key, headers, payload: self.text()? })
    }

    fn number(&mut self) -> Option<usize> {
        let (number, rest) = self.0.split_at_checked(4)?;
        self.0 = rest;
        Some(u32::from_le_bytes(number.try_into().ok()?) as usize)
    }

    fn text(&mut self) -> Option<&'a [u8]> {
        let length = self.number()?;
        let (text, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::Topic;
    use proptest::prelude::*;

    fn messages() -> impl Strategy<Value = Vec<Message>> {
        let headers = prop::collection::vec((".{0,9}", ".{0,9}"), 0..4);
        let message = (".{0,9}", headers, prop::collection::vec(any::<u8>(), 0..99));
        let message =
            message.prop_map(|(key, headers, payload)| Message { topic: Topic::Frames, key, headers, payload });
        prop::collection::vec(message, 0..20)
    }

    fn block(messages: &[Message]) -> Vec<u8> {
        let mut builder = Builder::new(7);
        let before = builder.len();
        messages.iter().for_each(|message| builder.push(message));
        assert_eq!(builder.len() - before, messages.iter().map(size).sum::<usize>());
        builder.seal().to_vec()
    }

    proptest! {
        #[test]
        fn what_is_read_is_what_was_written(messages in messages()) {
            let block = block(&messages);
            prop_assert_eq!((records(&block), written_ms(&block)), (Some(messages.len() as u32), Some(7)));
            let read = read(&block).unwrap();
            prop_assert_eq!(read.len(), messages.len());
            for (record, message) in read.iter().zip(&messages) {
                prop_assert_eq!(record.key, message.key.as_bytes());
                prop_assert_eq!(record.payload, &*message.payload);
                let headers: Vec<_> = message.headers.iter().map(|(name, value)| (&**name, value.as_bytes())).collect();
                prop_assert_eq!(&record.headers, &headers);
            }
        }

        #[test]
        fn a_block_that_was_damaged_is_none(messages in messages(), at in any::<prop::sample::Index>(), bit in 0..8_u32) {
            let whole = block(&messages);
            let mut flipped = whole.clone();
            flipped[at.index(whole.len())] ^= 1_u8 << bit;
            prop_assert_eq!(read(&flipped), None);
            prop_assert_eq!(read(&whole[..at.index(whole.len())]), None);
        }
    }
}
