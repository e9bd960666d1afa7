// SPDX-License-Identifier: Apache-2.0
//! What a member knows of the wanted streams: pure, and told of each record, end and rebalance.

use std::collections::{BTreeMap, BTreeSet};

/// What a record, an end or a rebalance leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Change {
    /// Run it, or run it anew: the record says how.
    Run(String, Vec<u8>),
    /// It isn't wanted, or not of this member, any more.
    Stop(String),
}

#[derive(Debug, Default)]
struct Partition {
    /// It was read to its end once: what is in it is what is wanted.
    complete: bool,
    wanted: BTreeMap<String, Vec<u8>>,
}

/// The latest record of each stream, by partition.
#[derive(Debug, Default)]
pub(super) struct Table(BTreeMap<i32, Partition>);

impl Table {
    /// Partitions have come; they are read from their beginning.
    pub(super) fn assign(&mut self, partitions: impl IntoIterator<Item = i32>) {
        self.0.extend(partitions.into_iter().map(|partition| (partition, Partition::default())));
    }

    /// A record; without a value the stream isn't wanted any more. Of partitions that have gone nothing is taken.
    pub(super) fn record(&mut self, partition: i32, stream: &str, value: Option<&[u8]>) -> Option<Change> {
        let before = self.wanted(stream).map(<[u8]>::to_vec);
        let wanted = &mut self.0.get_mut(&partition)?.wanted;
        match value {
            Some(value) => wanted.insert(stream.to_owned(), value.to_vec()),
            None => wanted.remove(stream),
        };
        self.difference(stream, before.as_deref())
    }

    /// A partition was read to its end.
    pub(super) fn end(&mut self, partition: i32) -> Vec<Change> {
        self.change(&[partition], |table| {
            if let Some(partition) = table.0.get_mut(&partition) {
                partition.complete = true;
            }
        })
    }

    /// Partitions have gone.
    pub(super) fn revoke(&mut self, partitions: &[i32]) -> Vec<Change> {
        self.change(partitions, |table| table.0.retain(|partition, _| !partitions.contains(partition)))
    }

    fn change(&mut self, partitions: &[i32], change: impl FnOnce(&mut Self)) -> Vec<Change> {
        let keys = |partition| self.0.get(partition).into_iter().flat_map(|partition| partition.wanted.keys().cloned());
        let streams: BTreeSet<String> = partitions.iter().flat_map(keys).collect();
        let before: Vec<_> = streams.iter().map(|stream| self.wanted(stream).map(<[u8]>::to_vec)).collect();
        change(self);
        streams.iter().zip(before).filter_map(|(stream, before)| self.difference(stream, before.as_deref())).collect()
    }

    /// How a stream is wanted. One that is in two partitions, as after another tool's partitioner or more partitions, is
    /// run once here.
    fn wanted(&self, stream: &str) -> Option<&[u8]> {
        let complete = self.0.values().filter(|partition| partition.complete);
        complete.filter_map(|partition| partition.wanted.get(stream)).map(Vec::as_slice).next()
    }

    fn difference(&self, stream: &str, before: Option<&[u8]>) -> Option<Change> {
        match (before, self.wanted(stream)) {
            (before, now) if before == now => None,
            (_, Some(record)) => Some(Change::Run(stream.to_owned(), record.to_vec())),
            (_, None) => Some(Change::Stop(stream.to_owned())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn run(stream: &str, record: &[u8]) -> Change {
        Change::Run(stream.into(), record.to_vec())
    }

    #[test]
    fn streams_start_when_their_partition_was_read_to_its_end() {
        let mut table = Table::default();
        table.assign([0, 1]);
        assert_eq!(table.record(0, "a", Some(b"1")), None);
        assert_eq!(table.record(0, "b", Some(b"1")), None);
        assert_eq!(table.record(0, "a", Some(b"2")), None);
        assert_eq!(table.record(0, "b", None), None, "it was taken back before anybody ran it");
        assert_eq!(table.end(0), [run("a", b"2")]);
        assert_eq!(table.end(0), []);
        assert_eq!(table.record(0, "a", Some(b"2")), None, "the same again changes nothing");
        assert_eq!(table.record(0, "a", Some(b"3")), Some(run("a", b"3")));
        assert_eq!(table.record(0, "c", Some(b"1")), Some(run("c", b"1")));
        assert_eq!(table.record(0, "c", None), Some(Change::Stop("c".into())));
        assert_eq!(table.record(7, "d", Some(b"1")), None, "nobody gave us partition 7");
        assert_eq!(table.revoke(&[0]), [Change::Stop("a".into())]);
    }

    #[test]
    fn a_stream_in_two_partitions_runs_once() {
        let mut table = Table::default();
        table.assign([0, 1]);
        table.end(0);
        table.end(1);
        assert_eq!(table.record(1, "a", Some(b"1")), Some(run("a", b"1")));
        assert_eq!(table.record(0, "a", Some(b"1")), None);
        assert_eq!(table.revoke(&[1]), [], "partition 0 still wants it");
        assert_eq!(table.revoke(&[0]), [Change::Stop("a".into())]);
    }

    proptest! {
        /// Whatever comes: who does what the changes say runs what the complete partitions want.
        #[test]
        fn changes_add_up_to_what_is_wanted(
            steps in prop::collection::vec((0..4_u8, 0..3_i32, 0..5_u8, prop::option::of(0..3_u8)), 0..200),
        ) {
            let mut table = Table::default();
            let mut running = BTreeMap::new();
            for (what, partition, stream, value) in steps {
                let changes = match what {
                    0 => { table.revoke(&[partition]).into_iter().chain({ table.assign([partition]); None }).collect() }
                    1 => table.end(partition),
                    2 => table.revoke(&[partition]),
                    _ => {
                        let value = value.map(|value| [value]);
                        let value = value.as_ref().map(<[u8; 1]>::as_slice);
                        table.record(partition, &stream.to_string(), value).into_iter().collect()
                    }
                };
                for change in changes {
                    match change {
                        Change::Run(stream, record) => drop(running.insert(stream, record)),
                        Change::Stop(stream) => prop_assert!(running.remove(&stream).is_some()),
                    }
                }
                let wanted: BTreeMap<String, Vec<u8>> = (0..5)
                    .filter_map(|stream| Some((stream.to_string(), table.wanted(&stream.to_string())?.to_vec())))
                    .collect();
                prop_assert_eq!(&running, &wanted);
            }
        }
    }
}
