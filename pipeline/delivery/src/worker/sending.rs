// SPDX-License-Identifier: Apache-2.0
//! Spool to librdkafka: each topic in its order, with a bounded number of records under way.

use std::time::Instant;

use super::Worker;
use crate::block;
use crate::flight::Place;
use crate::message::Topic;
use crate::wire::NotTaken;

/// Most bytes and records of a topic that librdkafka has at a time.
const WINDOW_BYTES: usize = 16 << 20;
const WINDOW_RECORDS: usize = 25_000;

/// Why sending stopped.
#[derive(PartialEq, Eq)]
enum Stop {
    /// Nothing more of this topic now.
    Topic,
    /// librdkafka takes nothing now.
    All,
}

impl Worker {
    /// Sends what there is, of what is missed most first.
    pub(super) fn send(&mut self) {
        for topic in Topic::EXPENDABLE.into_iter().rev() {
            self.resume(topic);
            if self.send_topic(topic) == Stop::All {
                return;
            }
        }
    }

    fn resume(&mut self, topic: Topic) {
        let lane = &mut self.lanes[topic.index()];
        if lane.flight.is_held() && lane.resume_at.is_none_or(|at| Instant::now() >= at) {
            lane.flight.resume();
            if !lane.flight.is_held() {
                lane.resume_at = None;
            }
        }
    }

    fn send_topic(&mut self, topic: Topic) -> Stop {
        // The block that was loaded last, which need not be read again.
        let mut at_hand: Option<(u64, Vec<u8>)> = None;
        loop {
            while let Some((number, records)) = self.lanes[topic.index()].flight.next() {
                let block = match at_hand.take().filter(|(at_hand, _)| *at_hand == number) {
                    Some((_, block)) => Some(block),
                    None => {
                        self.store.from(topic, number).filter(|(head, _)| head.number == number).map(|(_, block)| block)
                    }
                };
                match block {
                    Some(block) => {
                        if let Err(stop) = self.send_block(topic, number, &block, &records) {
                            return stop;
                        }
                    }
                    None if self.store.is_open() => self.lose(topic, number),
                    None => return Stop::Topic,
                }
            }
            if !self.lanes[topic.index()].flight.is_through() {
                return Stop::Topic;
            }
            at_hand = self.load(topic);
            if at_hand.is_none() {
                return Stop::Topic;
            }
        }
    }

    /// Takes the next block of a topic under way: number and content; `None` when there is none, or no room for it.
    fn load(&mut self, topic: Topic) -> Option<(u64, Vec<u8>)> {
        let lane = &self.lanes[topic.index()];
        let window = WINDOW_BYTES.min(usize::try_from(self.config.max_bytes / 8).unwrap_or(WINDOW_BYTES));
        if lane.flight.bytes() >= window || lane.flight.left() >= WINDOW_RECORDS {
            return None;
        }
        let (head, block) = self.store.from(topic, lane.cursor)?;
        let lane = &mut self.lanes[topic.index()];
        lane.cursor = head.number + 1;
        lane.flight.load(head.number, head.records as usize, head.bytes, head.written_ms);
        Some((head.number, block))
    }

    fn send_block(&mut self, topic: Topic, number: u64, block: &[u8], records: &[usize]) -> Result<(), Stop> {
        let Some(all) = block::read(block) else {
            self.lose(topic, number);
            return Ok(());
        };
        for &record in records {
            let place = Place { block: number, record };
            let Some(content) = all.get(record) else { continue };
            match self.wire.send(topic, place, content) {
                Ok(()) => self.lanes[topic.index()].flight.sent(place),
                Err(NotTaken::Full) => return Err(Stop::All),
                Err(NotTaken::Because(fate)) => {
                    let effect = self.lanes[topic.index()].flight.refused(place, fate);
                    self.apply(topic, place, effect);
                    if self.lanes[topic.index()].flight.is_held() {
                        return Err(Stop::Topic);
                    }
                }
            }
        }
        Ok(())
    }
}
