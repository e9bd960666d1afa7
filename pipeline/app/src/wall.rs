// SPDX-License-Identifier: Apache-2.0
//! Wall time: what has passed since 1970 in UTC, 0 for what lies before.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Of a time, in nanoseconds.
pub fn ns(time: SystemTime) -> u64 {
    u64::try_from(since(time).as_nanos()).unwrap_or(u64::MAX)
}

/// Of a time, in milliseconds.
pub fn ms(time: SystemTime) -> u64 {
    u64::try_from(since(time).as_millis()).unwrap_or(u64::MAX)
}

/// By this machine's clock, in nanoseconds.
pub fn now_ns() -> u64 {
    ns(SystemTime::now())
}

/// By this machine's clock, in milliseconds.
pub fn now_ms() -> u64 {
    ms(SystemTime::now())
}

fn since(time: SystemTime) -> Duration {
    time.duration_since(UNIX_EPOCH).unwrap_or_default()
}
