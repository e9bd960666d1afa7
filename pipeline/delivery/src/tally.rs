// SPDX-License-Identifier: Apache-2.0
//! What became of the records that a courier was given.

use std::collections::BTreeMap;

use crate::message::Topic;

/// What became of the records of a topic. Each is in one place at any time:
/// `produced + replayed == acknowledged + all of dead_lettered + all of dropped + queued + spooled`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Handed over by the caller.
    pub produced: u64,
    /// Found in the spool when it was opened, to be sent again.
    pub replayed: u64,
    /// Stored by all the replicas that the topic asks for.
    pub acknowledged: u64,
    /// Refused by Kafka for good and kept as a dead letter, by reason.
    pub dead_lettered: BTreeMap<String, u64>,
    /// Given up, by reason.
    pub dropped: BTreeMap<String, u64>,
    /// In memory, not yet accepted.
    pub queued: u64,
    /// Accepted: in the spool, on its way.
    pub spooled: u64,
    /// How many were ever written to the spool by this process; not part of the sum.
    pub accepted: u64,
    /// How long it took until Kafka had the acknowledged ones.
    pub delays: Delays,
}

/// How long records took from the caller to Kafka's acknowledgement. Those of a block of 60 kB count from its first: a little
/// too much rather than too little.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Delays {
    /// Records by delay: up to each of [`Delays::BOUNDS_MS`], and longer.
    pub counts: [u64; Self::BOUNDS_MS.len() + 1],
    /// All delays together, in milliseconds.
    pub sum_ms: u64,
}

impl Delays {
    /// From what a quiet broker takes to an outage of five minutes.
    pub const BOUNDS_MS: [u64; 11] = [50, 100, 250, 500, 1000, 2500, 5000, 10_000, 30_000, 60_000, 300_000];

    fn add(&mut self, delay_ms: u64) {
        self.counts[Self::BOUNDS_MS.partition_point(|bound| *bound < delay_ms)] += 1;
        self.sum_ms += delay_ms;
    }

    fn join(&mut self, other: &Self) {
        self.counts.iter_mut().zip(other.counts).for_each(|(count, other)| *count += other);
        self.sum_ms += other.sum_ms;
    }
}

impl Tally {
    /// Whether every record is in exactly one place.
    pub fn closes(&self) -> bool {
        let ended = self.acknowledged + total(&self.dead_lettered) + total(&self.dropped);
        self.produced + self.replayed == ended + self.queued + self.spooled
    }

    /// Nothing is under way.
    pub fn is_settled(&self) -> bool {
        self.queued + self.spooled == 0
    }

    pub(crate) fn acknowledge(&mut self, delay_ms: u64) {
        self.delays.add(delay_ms);
        self.spooled = self.spooled.saturating_sub(1);
        self.acknowledged += 1;
    }

    pub(crate) fn dead_letter(&mut self, reason: &str) {
        self.spooled = self.spooled.saturating_sub(1);
        *self.dead_lettered.entry(reason.to_owned()).or_default() += 1;
    }

    /// Gives up what never came into the queue.
    pub(crate) fn refuse(&mut self, reason: &str) {
        *self.dropped.entry(reason.to_owned()).or_default() += 1;
    }

    pub(crate) fn drop_queued(&mut self, reason: &str, records: u64) {
        self.queued = self.queued.saturating_sub(records);
        *self.dropped.entry(reason.to_owned()).or_default() += records;
    }

    pub(crate) fn drop_spooled(&mut self, reason: &str, records: u64) {
        self.spooled = self.spooled.saturating_sub(records);
        *self.dropped.entry(reason.to_owned()).or_default() += records;
    }

    fn add(&mut self, other: &Self) {
        self.produced += other.produced;
        self.replayed += other.replayed;
        self.acknowledged += other.acknowledged;
        self.queued += other.queued;
        self.spooled += other.spooled;
        self.accepted += other.accepted;
        self.delays.join(&other.delays);
        for (all, one) in [(&mut self.dead_lettered, &other.dead_lettered), (&mut self.dropped, &other.dropped)] {
            for (reason, records) in one {
                *all.entry(reason.clone()).or_default() += records;
            }
        }
    }
}

fn total(by_reason: &BTreeMap<String, u64>) -> u64 {
    by_reason.values().sum()
}

/// The tallies of all topics.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tallies([Tally; Topic::ALL.len()]);

impl Tallies {
    /// Of one topic.
    pub fn of(&self, topic: Topic) -> &Tally {
        &self.0[topic.index()]
    }

    /// Of all topics together.
    pub fn sum(&self) -> Tally {
        let mut sum = Tally::default();
        self.0.iter().for_each(|tally| sum.add(tally));
        sum
    }

    /// All topics with their tallies.
    pub fn iter(&self) -> impl Iterator<Item = (Topic, &Tally)> {
        Topic::ALL.into_iter().zip(&self.0)
    }

    pub(crate) fn of_mut(&mut self, topic: Topic) -> &mut Tally {
        &mut self.0[topic.index()]
    }
}

/// How far Kafka is behind.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Lag {
    /// Bytes in the spool.
    pub bytes: u64,
    /// Age of the oldest record in the spool, in seconds; 0 when it is empty.
    pub seconds: f64,
}
