// SPDX-License-Identifier: Apache-2.0
//! A bounded pool of things that are dear to make and used by one caller at a time, made when first needed.

use std::{
    ops::{Deref, DerefMut},
    sync::{Condvar, Mutex, PoisonError},
    thread,
    time::{Duration, Instant},
};

use super::lock;

/// At most `limit` items; see [`Pool::take`].
#[derive(Debug)]
pub(super) struct Pool<T> {
    slots: Mutex<Slots<T>>,
    freed: Condvar,
    limit: usize,
}

#[derive(Debug)]
struct Slots<T> {
    idle: Vec<T>,
    /// Idle, taken and being made.
    made: usize,
}

/// Why nothing was had.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Refusal<E> {
    /// All were taken until the deadline.
    Busy,
    /// Making one failed.
    Make(E),
}

impl<T> Pool<T> {
    /// A pool that begins with `first` and makes up to `limit` in all.
    pub(super) fn new(first: T, limit: usize) -> Self {
        Self { slots: Mutex::new(Slots { idle: vec![first], made: 1 }), freed: Condvar::new(), limit: limit.max(1) }
    }

    /// An idle item, a new one while there are fewer than the limit, or the first that is given back before `wait`
    /// has passed. Items are made outside the lock.
    pub(super) fn take<E>(
        &self,
        wait: Duration,
        make: impl FnOnce() -> Result<T, E>,
    ) -> Result<Taken<'_, T>, Refusal<E>> {
        let deadline = Instant::now() + wait;
        let mut slots = lock(&self.slots);
        loop {
            if let Some(item) = slots.idle.pop() {
                return Ok(Taken { pool: self, item: Some(item) });
            }
            if slots.made < self.limit {
                slots.made += 1;
                break;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(Refusal::Busy);
            }
            slots = self.freed.wait_timeout(slots, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        drop(slots);
        // From here the slot is ours: dropped without an item, by an error or a panic, it is given up again.
        let mut taken = Taken { pool: self, item: None };
        taken.item = Some(make().map_err(Refusal::Make)?);
        Ok(taken)
    }

    /// How many exist.
    #[cfg(test)]
    fn made(&self) -> usize {
        lock(&self.slots).made
    }
}

/// An item on loan; it goes back when dropped. After a panic it is thrown away, for nobody knows its state.
#[derive(Debug)]
pub(super) struct Taken<'a, T> {
    pool: &'a Pool<T>,
    item: Option<T>,
}

impl<T> Drop for Taken<'_, T> {
    fn drop(&mut self) {
        let item = self.item.take().filter(|_| !thread::panicking());
        let mut slots = lock(&self.pool.slots);
        match item {
            Some(item) => slots.idle.push(item),
            None => slots.made -= 1,
        }
        drop(slots);
        self.pool.freed.notify_one();
    }
}

impl<T> Deref for Taken<'_, T> {
    type Target = T;

    #[expect(clippy::expect_used, reason = "`take` hands out only filled loans")]
    fn deref(&self) -> &T {
        self.item.as_ref().expect("a loan is filled")
    }
}

impl<T> DerefMut for Taken<'_, T> {
    #[expect(clippy::expect_used, reason = "`take` hands out only filled loans")]
    fn deref_mut(&mut self) -> &mut T {
        self.item.as_mut().expect("a loan is filled")
    }
}

#[cfg(test)]
mod tests {
    use std::{convert::Infallible, sync::mpsc};

    use super::*;

    const LONG: Duration = Duration::from_secs(30);

    fn two() -> Result<u32, Infallible> {
        Ok(2)
    }

    #[test]
    fn items_are_made_when_needed_and_reused() {
        let pool = Pool::new(1, 2);
        let first = pool.take(LONG, two).unwrap();
        assert_eq!((*first, pool.made()), (1, 1));
        let second = pool.take(LONG, two).unwrap();
        assert_eq!((*second, pool.made()), (2, 2));
        drop(second);
        assert_eq!(*pool.take(LONG, || Err("made a third")).unwrap(), 2);
    }

    #[test]
    fn a_full_pool_refuses_at_the_deadline() {
        let pool = Pool::new(1, 1);
        let _held = pool.take(LONG, two).unwrap();
        assert_eq!(pool.take(Duration::from_millis(1), two).unwrap_err(), Refusal::Busy);
    }

    #[test]
    fn who_waits_gets_what_is_given_back() {
        let pool = Pool::new(1, 1);
        let held = pool.take(LONG, two).unwrap();
        let (sender, receiver) = mpsc::channel();
        thread::scope(|scope| {
            scope.spawn(|| sender.send(*pool.take(LONG, two).unwrap()).unwrap());
            drop(held);
            assert_eq!(receiver.recv_timeout(LONG), Ok(1));
        });
    }

    #[test]
    fn a_failed_making_gives_up_its_slot() {
        let pool = Pool::new(1, 2);
        let _held = pool.take(LONG, two).unwrap();
        assert_eq!(pool.take(LONG, || Err("no")).unwrap_err(), Refusal::Make("no"));
        assert_eq!(pool.made(), 1);
        assert_eq!(*pool.take(LONG, two).unwrap(), 2);
    }

    #[test]
    fn an_item_is_thrown_away_after_a_panic_and_made_anew() {
        let pool = Pool::new(1, 1);
        let panicked = thread::scope(|scope| {
            scope
                .spawn(|| {
                    let _held = pool.take(LONG, two).unwrap();
                    panic!("in the middle of a call (this test's own panic)");
                })
                .join()
        });
        assert!(panicked.is_err());
        assert_eq!(pool.made(), 0);
        assert_eq!(*pool.take(LONG, two).unwrap(), 2);
    }
}
