// SPDX-License-Identifier: Apache-2.0
//! This machine's clock: the time since 1970 in UTC, 0 where the clock stands before that.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Since 1970.
pub fn now() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// Nanoseconds since 1970.
pub fn now_ns() -> u64 {
    u64::try_from(now().as_nanos()).unwrap_or(u64::MAX)
}

/// Milliseconds since 1970.
pub fn now_ms() -> u64 {
    u64::try_from(now().as_millis()).unwrap_or(u64::MAX)
}
