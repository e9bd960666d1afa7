// SPDX-License-Identifier: Apache-2.0
//! Locks.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Locks, also after a thread that held it panicked: what is kept under our locks is whole at each moment.
pub fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
