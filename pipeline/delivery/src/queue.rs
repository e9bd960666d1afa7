// SPDX-License-Identifier: Apache-2.0
//! The queue in memory between callers and the spool: bounded, filled under a lock that is never held over a disk or
//! a network.

use std::collections::VecDeque;

use crate::block::{self, Builder};
use crate::message::{Message, Topic};

/// Blocks that are being filled, for each topic.
#[derive(Debug)]
pub(crate) struct Queue {
    piles: [VecDeque<Builder>; Topic::ALL.len()],
    bytes: usize,
    limit: usize,
}

impl Queue {
    pub(crate) fn new(limit: usize) -> Self {
        Self { piles: Default::default(), bytes: 0, limit }
    }

    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(crate) fn limit(&self) -> usize {
        self.limit
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.piles.iter().all(VecDeque::is_empty)
    }

    /// Whether a message of this size has room.
    pub(crate) fn has_room(&self, size: usize) -> bool {
        self.bytes + size <= self.limit
    }

    /// Gives up the block that is missed least, if it is missed no more than `topic`: its topic and records.
    pub(crate) fn drop_one(&mut self, topic: Topic) -> Option<(Topic, u32)> {
        let (topic, block) =
            topic.gives_way_to().find_map(|topic| Some((topic, self.piles[topic.index()].pop_front()?)))?;
        self.bytes -= block.len();
        Some((topic, block.records()))
    }

    pub(crate) fn push(&mut self, message: &Message, now_ms: u64) {
        let size = block::size(message);
        let pile = &mut self.piles[message.topic.index()];
        let before = pile.back().map_or(0, Builder::len);
        match pile.back_mut() {
            Some(block) if !block.is_full(size) => {
                block.push(message);
                self.bytes += block.len() - before;
            }
            _ => {
                let mut block = Builder::new(now_ms);
                block.push(message);
                self.bytes += block.len();
                pile.push_back(block);
            }
        }
    }

    /// Takes the oldest blocks, of what is missed most first; at most `most` bytes, but one block at least.
    pub(crate) fn take(&mut self, most: usize) -> Vec<(Topic, Builder)> {
        let mut taken = Vec::new();
        let mut bytes = 0;
        for topic in Topic::EXPENDABLE.into_iter().rev() {
            let pile = &mut self.piles[topic.index()];
            while bytes < most
                && let Some(block) = pile.pop_front()
            {
                bytes += block.len();
                taken.push((topic, block));
            }
        }
        self.bytes -= bytes;
        taken
    }

    /// Puts back what was taken and could not be written.
    pub(crate) fn put_back(&mut self, taken: Vec<(Topic, Builder)>) {
        for (topic, block) in taken.into_iter().rev() {
            self.bytes += block.len();
            self.piles[topic.index()].push_front(block);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(topic: Topic, size: usize) -> Message {
        Message { topic, key: "k".into(), headers: vec![], payload: vec![0; size] }
    }

    #[test]
    fn what_is_missed_least_goes_first_and_never_for_less() {
        let mut queue = Queue::new(1 << 20);
        for topic in [Topic::Incidents, Topic::Frames, Topic::Shots] {
            queue.push(&message(topic, 59_000), 0);
            queue.push(&message(topic, 59_000), 0);
        }
        assert_eq!(queue.drop_one(Topic::Incidents), Some((Topic::Frames, 1)));
        assert_eq!(queue.drop_one(Topic::Frames), Some((Topic::Frames, 1)));
        assert_eq!(queue.drop_one(Topic::Frames), None);
        assert_eq!(queue.drop_one(Topic::Streams), Some((Topic::Shots, 1)));
    }

    #[test]
    fn the_bytes_are_those_of_the_blocks() {
        let mut queue = Queue::new(1 << 20);
        for size in [10, 70_000, 100, 59_000, 59_000] {
            queue.push(&message(Topic::Shots, size), 0);
        }
        let bytes = queue.bytes();
        let taken = queue.take(1);
        assert_eq!(taken.len(), 1);
        assert_eq!(bytes, queue.bytes() + taken[0].1.len());
        queue.put_back(taken);
        assert_eq!(queue.bytes(), bytes);
        assert_eq!(queue.take(usize::MAX).iter().map(|(_, block)| block.records()).sum::<u32>(), 5);
        assert_eq!((queue.bytes(), queue.is_empty()), (0, true));
    }
}
