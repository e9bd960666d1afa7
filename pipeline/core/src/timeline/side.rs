// SPDX-License-Identifier: Apache-2.0
//! What a join knows of one of its two sides.

/// A side of the join.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The pictures.
    Video,
    /// The sound.
    Audio,
}

/// Whether anybody brings data.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Link {
    /// Nobody, and nobody said that they would.
    #[default]
    Absent,
    /// The source has such a stream, and may link it.
    Expected { wait_ns: u64, since: Option<u64> },
    /// Somebody does.
    Linked,
}

/// What is known of a side.
#[derive(Debug, Default)]
pub(super) struct State {
    link: Link,
    /// No more data will come.
    pub(super) ended: bool,
    /// Nothing came for so long that nobody waits until something does.
    pub(super) stalled: bool,
    /// Running time that the side has reached, gaps included.
    pub(super) position: Option<u64>,
    /// When something last came.
    pub(super) progress_ns: u64,
}

impl State {
    pub(super) fn link(&mut self, now: u64) {
        self.link = Link::Linked;
        self.progress_ns = self.progress_ns.max(now);
        self.ended = false;
        self.stalled = false;
    }

    pub(super) fn unlink(&mut self) {
        self.link = Link::Absent;
    }

    pub(super) fn expect(&mut self, longer_ns: u64) {
        match &mut self.link {
            Link::Absent => self.link = Link::Expected { wait_ns: longer_ns, since: None },
            Link::Expected { wait_ns, .. } => *wait_ns = longer_ns.max(*wait_ns),
            Link::Linked => (),
        }
    }

    /// The other side has something that needs this one.
    pub(super) fn awaited(&mut self, now: u64) {
        if let Link::Expected { since, .. } = &mut self.link {
            since.get_or_insert(now);
        }
    }

    pub(super) fn is_linked(&self) -> bool {
        self.link == Link::Linked
    }

    /// Whether data may still come.
    pub(super) fn is_open(&self) -> bool {
        match self.link {
            Link::Absent => false,
            Link::Expected { .. } => true,
            Link::Linked => !self.ended,
        }
    }

    /// When a promise to link is no longer believed.
    pub(super) fn expires(&self) -> Option<u64> {
        match self.link {
            Link::Expected { wait_ns, since } => Some(since?.saturating_add(wait_ns)),
            _ => None,
        }
    }

    pub(super) fn expire(&mut self, now: u64) {
        if self.expires().is_some_and(|at| now >= at) {
            self.link = Link::Absent;
        }
    }

    pub(super) fn moved(&mut self, position_ns: u64, now: u64) {
        self.position = self.position.max(Some(position_ns));
        self.touched(now);
    }

    pub(super) fn touched(&mut self, now: u64) {
        self.progress_ns = self.progress_ns.max(now);
        self.stalled = false;
    }

    pub(super) fn end(&mut self, now: u64) {
        self.ended = true;
        self.progress_ns = self.progress_ns.max(now);
    }

    pub(super) fn flush(&mut self, now: u64) {
        self.ended = false;
        self.stalled = false;
        self.position = None;
        self.progress_ns = self.progress_ns.max(now);
    }
}
