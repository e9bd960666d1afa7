// SPDX-License-Identifier: Apache-2.0
//! What was found about streams that another worker had by then: for people who look into what happened, and for nobody
//! else.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use polygraph_core::event::Event;
use serde_json::json;

use crate::sync::lock;
use crate::wall;

/// The file in a worker's folder.
const FILE: &str = "audit.ndjson";
/// Most bytes of it; somebody may move it away, and another one begins.
const MOST: u64 = 64 << 20;

/// The file, one JSON object a line.
pub struct Audit {
    path: PathBuf,
    kept: AtomicU64,
    /// Events that found no room, and whether that was told.
    lost: Mutex<u64>,
}

impl Audit {
    pub fn in_folder(folder: &Path) -> Self {
        Self { path: folder.join(FILE), kept: AtomicU64::new(0), lost: Mutex::new(0) }
    }

    /// Keeps an event that may not be sent any more.
    pub fn keep(&self, generation: u64, event: &Event) {
        let mut lost = lock(&self.lost);
        if let Err(error) = self.append(generation, event) {
            if *lost == 0 {
                errln!("polygraph: {}: {error}", self.path.display());
            }
            *lost += 1;
        } else {
            self.kept.fetch_add(1, Relaxed);
        }
    }

    /// Events in it, and events that found no room there.
    pub fn counts(&self) -> (u64, u64) {
        (self.kept.load(Relaxed), *lock(&self.lost))
    }

    fn append(&self, generation: u64, event: &Event) -> std::io::Result<()> {
        let line = json!({"time_ms": wall::now_ms(), "generation": generation, "event": event});
        let mut file = File::options().create(true).append(true).open(&self.path)?;
        if file.metadata()?.len() > MOST {
            return Err(std::io::Error::other("it is full; move it away"));
        }
        file.write_all(format!("{line}\n").as_bytes())
    }
}
