// SPDX-License-Identifier: Apache-2.0
//! Which records librdkafka has been given and what it said of them: pure, so that order can be tested by property.
//!
//! A topic's blocks are loaded in their order and their records sent in theirs. When a record comes back to be sent
//! again, nothing more of its topic is sent until all that is under way has been reported on; then everything that is
//! open is sent from the oldest on. So no record overtakes one that came before it.

use std::collections::VecDeque;

use crate::fate::Fate;

/// A record under way: number of its block, and its place in there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Place {
    pub(crate) block: u64,
    pub(crate) record: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// To be sent.
    Open,
    /// To be sent alone, for its batch was refused.
    Suspect,
    /// librdkafka has it.
    Sent,
    /// Refused for good; becomes a dead letter.
    Doomed,
    /// Has left us.
    Done,
}

#[derive(Debug)]
struct Block {
    number: u64,
    bytes: usize,
    written_ms: u64,
    states: Vec<State>,
    /// Records that have not left us.
    left: usize,
    /// Records to be sent.
    open: usize,
}

/// The blocks of a topic that are under way.
#[derive(Debug, Default)]
pub(crate) struct Flight {
    blocks: VecDeque<Block>,
    /// Records that librdkafka has.
    sent: usize,
    /// Something came back: nothing is sent before all that is under way has.
    held: bool,
    /// A suspect is under way, alone.
    alone: bool,
}

/// What a report leads to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    /// Kafka has the record, of a block that was begun at this time.
    Acknowledged(u64),
    /// The record becomes a dead letter.
    DeadLetter(String),
    /// It comes again.
    Nothing,
}

impl Flight {
    /// Adds the next block.
    pub(crate) fn load(&mut self, number: u64, records: usize, bytes: usize, written_ms: u64) {
        let states = vec![State::Open; records];
        self.blocks.push_back(Block { number, bytes, written_ms, states, left: records, open: records });
    }

    /// Bytes of all blocks under way.
    pub(crate) fn bytes(&self) -> usize {
        self.blocks.iter().map(|block| block.bytes).sum()
    }

    /// Records that have not left us.
    pub(crate) fn left(&self) -> usize {
        self.blocks.iter().map(|block| block.left).sum()
    }

    /// When the oldest block was written.
    pub(crate) fn oldest_ms(&self) -> Option<u64> {
        self.blocks.front().map(|block| block.written_ms)
    }

    /// Whether something came back, and all that was under way has been reported on.
    pub(crate) fn is_held(&self) -> bool {
        self.held
    }

    /// Sends again what came back, when nothing is under way any more.
    pub(crate) fn resume(&mut self) {
        if self.sent == 0 {
            self.held = false;
        }
    }

    /// The block whose records are next, and which of them; `None` when there is nothing to send now.
    pub(crate) fn next(&self) -> Option<(u64, Vec<usize>)> {
        if self.held || self.alone {
            return None;
        }
        let block = self.blocks.iter().find(|block| block.open > 0)?;
        let open = |state: &State| matches!(state, State::Open | State::Suspect);
        let first = block.states.iter().position(open)?;
        if block.states[first] == State::Suspect {
            return (self.sent == 0).then(|| (block.number, vec![first]));
        }
        let run = block.states.iter().enumerate().skip(first);
        let run = run.take_while(|(_, state)| **state != State::Suspect);
        Some((block.number, run.filter(|(_, state)| open(state)).map(|(record, _)| record).collect()))
    }

    /// Whether everything that was loaded has been sent.
    pub(crate) fn is_through(&self) -> bool {
        !self.held && !self.alone && self.blocks.iter().all(|block| block.open == 0)
    }

    /// librdkafka has taken a record.
    pub(crate) fn sent(&mut self, place: Place) {
        let Some(block) = self.block(place) else { return };
        let suspect = block.states[place.record] == State::Suspect;
        block.states[place.record] = State::Sent;
        block.open -= 1;
        self.sent += 1;
        self.alone |= suspect;
    }

    /// Whether a suspect is under way, which is alone.
    pub(crate) fn is_alone(&self) -> bool {
        self.alone
    }

    /// librdkafka's report on a record that it had.
    pub(crate) fn report(&mut self, place: Place, fate: Fate) -> Effect {
        let Some(block) = self.block(place) else { return Effect::Nothing };
        if block.states[place.record] != State::Sent {
            return Effect::Nothing;
        }
        self.sent -= 1;
        self.alone = false;
        self.judge(place, fate)
    }

    /// librdkafka did not take a record at all.
    pub(crate) fn refused(&mut self, place: Place, fate: Fate) -> Effect {
        if let Some(block) = self.block(place) {
            block.open -= 1;
        }
        self.judge(place, fate)
    }

    fn judge(&mut self, place: Place, fate: Fate) -> Effect {
        let Some(block) = self.block(place) else { return Effect::Nothing };
        let state = &mut block.states[place.record];
        match fate {
            Fate::Stored => {
                *state = State::Done;
                block.left -= 1;
                Effect::Acknowledged(block.written_ms)
            }
            Fate::Again | Fate::Suspect(_) => {
                *state = if fate == Fate::Again { State::Open } else { State::Suspect };
                block.open += 1;
                self.held = true;
                Effect::Nothing
            }
            Fate::Refused(reason) => {
                *state = State::Doomed;
                Effect::DeadLetter(reason)
            }
        }
    }

    /// The producer is gone, and with it whatever it had: all of that comes again.
    pub(crate) fn return_all(&mut self) {
        for block in &mut self.blocks {
            for state in block.states.iter_mut().filter(|state| **state == State::Sent) {
                *state = State::Open;
                block.open += 1;
            }
        }
        self.sent = 0;
        self.alone = false;
    }

    /// A dead letter has been kept.
    pub(crate) fn buried(&mut self, place: Place) {
        if let Some(block) = self.block(place)
            && block.states[place.record] == State::Doomed
        {
            block.states[place.record] = State::Done;
            block.left -= 1;
        }
    }

    /// A block that can't be read any more: how many of its records are lost.
    pub(crate) fn lost(&mut self, number: u64) -> usize {
        let Some(block) = self.blocks.iter_mut().find(|block| block.number == number) else { return 0 };
        let mut lost = 0;
        for state in &mut block.states {
            if matches!(state, State::Open | State::Suspect | State::Doomed) {
                *state = State::Done;
                lost += 1;
            }
        }
        block.left -= lost;
        block.open = 0;
        lost
    }

    /// Takes out the blocks whose records have all left: numbers and bytes.
    pub(crate) fn take_finished(&mut self) -> Vec<(u64, usize)> {
        let finished = self.blocks.iter().filter(|block| block.left == 0);
        let finished = finished.map(|block| (block.number, block.bytes)).collect();
        self.blocks.retain(|block| block.left > 0);
        finished
    }

    fn block(&mut self, place: Place) -> Option<&mut Block> {
        let at = self.blocks.binary_search_by_key(&place.block, |block| block.number).ok()?;
        self.blocks.get_mut(at).filter(|block| place.record < block.states.len())
    }
}

#[cfg(test)]
mod tests;
