// SPDX-License-Identifier: Apache-2.0
//! What libav's decoders complain of. They conceal damaged data and post no message on the bus; all they do is log,
//! so their log is listened to.

use std::sync::{
    Mutex, PoisonError,
    atomic::{AtomicU64, Ordering},
};

/// The category under which GStreamer passes on what libav logs.
const CATEGORY: &str = "libav";

static COUNT: AtomicU64 = AtomicU64::new(0);
static FIRST: Mutex<Option<String>> = Mutex::new(None);

/// Starts to listen; without the plugin there is nothing to listen to.
pub fn listen() {
    if gst::Plugin::load_by_name(CATEGORY).is_err() {
        return;
    }
    let Some(category) = gst::DebugCategory::get(CATEGORY) else { return };
    if std::env::var_os("GST_DEBUG").is_none() {
        // Raising the category's threshold would fill the user's terminal through GStreamer's own log function.
        gst::log::remove_default_log_function();
    }
    if category.threshold() < gst::DebugLevel::Error {
        category.set_threshold(gst::DebugLevel::Error);
    }
    gst::log::add_log_function(move |from, level, _, _, _, _, message| {
        if level == gst::DebugLevel::Error && from == category {
            COUNT.fetch_add(1, Ordering::Relaxed);
            let mut first = FIRST.lock().unwrap_or_else(PoisonError::into_inner);
            first.get_or_insert_with(|| message.get().map(|text| text.trim().to_owned()).unwrap_or_default());
        }
    });
}

/// The first complaint since the last call, and how many there were.
pub fn take() -> Option<(u64, String)> {
    let count = COUNT.swap(0, Ordering::Relaxed);
    let first = FIRST.lock().unwrap_or_else(PoisonError::into_inner).take();
    (count > 0).then(|| (count, first.unwrap_or_default()))
}
