// SPDX-License-Identifier: Apache-2.0
//! The embedded event store: NDJSON on disk, so that the service works without a broker. One thread writes; what it
//! can't write in time is dropped and counted, and nobody waits for it.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::mpsc::{self, RecvTimeoutError, SyncSender, TrySendError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime};

use ulid::Ulid;

use crate::error::{Error, Result};

/// Events on their way to the disk.
const MOST_WAITING: usize = 16_384;
/// A file is closed, and may be removed, at this size.
const FILE_BYTES: u64 = 16 << 20;
/// How long an event may wait for the disk.
const FLUSH: Duration = Duration::from_millis(500);

/// What the store counts.
#[derive(Debug, Default)]
pub struct StoreCounts {
    /// Events written.
    pub written: AtomicU64,
    /// Events for which there was no room on their way.
    pub dropped: AtomicU64,
    /// Events that the disk didn't take.
    pub failed: AtomicU64,
    /// Bytes on disk.
    pub bytes: AtomicU64,
    /// Events on their way.
    pub waiting: AtomicU64,
}

/// What the disk holds between two events.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Stored {
    /// The events' lines, oldest first.
    pub lines: Vec<Arc<str>>,
    /// The second event follows them.
    pub reached: bool,
    /// There are more than were asked for, or than memory is for.
    pub cut: bool,
}

/// Most bytes of lines that are given at once.
const MOST_BYTES: usize = 16 << 20;

/// The store.
pub struct Store {
    folder: PathBuf,
    lines: Option<SyncSender<Arc<str>>>,
    writer: Option<JoinHandle<()>>,
    counts: Arc<StoreCounts>,
}

impl Store {
    /// Opens a folder, makes it when it isn't there.
    ///
    /// # Errors
    /// When the folder can't be written.
    pub fn open(folder: &Path, max_bytes: u64, max_age: Duration) -> Result<Self> {
        fs::create_dir_all(folder).map_err(Error::file(folder))?;
        let counts = Arc::new(StoreCounts::default());
        let (lines, waiting) = mpsc::sync_channel::<Arc<str>>(MOST_WAITING);
        let mut files = Files::new(folder, max_bytes, max_age, Arc::clone(&counts));
        // Fails now rather than in the thread, where nobody would hear it.
        files.next().map_err(Error::file(folder))?;
        let writer = std::thread::Builder::new().name("event-store".into()).spawn(move || {
            loop {
                match waiting.recv_timeout(FLUSH) {
                    Ok(line) => files.write(&line),
                    Err(RecvTimeoutError::Timeout) => files.flush(),
                    Err(RecvTimeoutError::Disconnected) => return files.flush(),
                }
            }
        });
        let writer = Some(writer.map_err(Error::file(folder))?);
        Ok(Self { folder: folder.to_owned(), lines: Some(lines), writer, counts })
    }

    /// Takes an event's line. Never waits.
    pub fn take(&self, line: Arc<str>) {
        self.counts.waiting.fetch_add(1, Relaxed);
        let sent = self.lines.as_ref().map(|lines| lines.try_send(line));
        if let Some(Err(TrySendError::Full(_) | TrySendError::Disconnected(_))) = sent {
            self.counts.waiting.fetch_sub(1, Relaxed);
            self.counts.dropped.fetch_add(1, Relaxed);
        }
    }

    /// What it counted.
    pub fn counts(&self) -> &StoreCounts {
        &self.counts
    }

    /// The lines after the event of this id that somebody takes, at most so many and up to another event; `None` when the first
    /// isn't there. Reads the disk.
    pub fn after(&self, id: &str, until: Option<&str>, most: usize, takes: impl Fn(&str) -> bool) -> Option<Stored> {
        let needle = |id: &str| format!("\"id\":\"{id}\"");
        let (needle, end) = (needle(id), until.map(needle));
        let files = files(&self.folder);
        let first = files.iter().rposition(|file| contains(file, &needle))?;
        let lines =
            |file| File::open(file).ok().map(|file| BufReader::new(file).lines().map_while(std::result::Result::ok));
        let mut after = files[first..].iter().filter_map(lines).flatten().skip_while(|line| !line.contains(&needle));
        after.next()?;
        let (mut stored, mut bytes) = (Stored::default(), 0);
        for line in after {
            stored.reached = end.as_ref().is_some_and(|end| line.contains(end));
            if stored.reached {
                break;
            }
            if takes(&line) {
                bytes += line.len();
                stored.cut = stored.lines.len() == most || bytes > MOST_BYTES;
                if stored.cut {
                    break;
                }
                stored.lines.push(line.into());
            }
        }
        Some(stored)
    }

    /// The lines of this kind, oldest first.
    pub fn all_of(&self, event_type: &str) -> impl Iterator<Item = String> {
        let needle = format!("\"type\":\"{event_type}\"");
        let lines =
            |file| File::open(file).ok().map(|file| BufReader::new(file).lines().map_while(std::result::Result::ok));
        files(&self.folder).into_iter().filter_map(lines).flatten().filter(move |line| line.contains(&needle))
    }
}

fn contains(file: &Path, needle: &str) -> bool {
    let Ok(file) = File::open(file) else { return false };
    BufReader::new(file).lines().map_while(std::result::Result::ok).any(|line| line.contains(needle))
}

impl Drop for Store {
    /// Writes what is on its way.
    fn drop(&mut self) {
        drop(self.lines.take());
        if let Some(writer) = self.writer.take() {
            // A panic of the writer has been said on its own.
            let _ = writer.join();
        }
    }
}

/// Its files, by name and thus by age.
fn files(folder: &Path) -> Vec<PathBuf> {
    let ours = |path: &PathBuf| {
        path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("events-"))
            && path.extension().is_some_and(|extension| extension == "ndjson")
    };
    let mut files: Vec<_> =
        fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()).filter(ours).collect();
    files.sort();
    files
}

/// A name that sorts behind the newest file's, even within its millisecond or when the clock was set back: the order of
/// the names is that of the events.
fn name_after(newest: Option<&PathBuf>) -> String {
    let stem = newest.and_then(|file| file.file_stem()?.to_str()?.strip_prefix("events-"));
    let newest = stem.and_then(|stem| Ulid::from_string(stem).ok());
    let ulid = newest.and_then(|newest| newest.increment()).map_or_else(Ulid::new, |next| next.max(Ulid::new()));
    format!("events-{ulid}.ndjson")
}

/// The writer's side.
struct Files {
    folder: PathBuf,
    max_bytes: u64,
    max_age: Duration,
    file: Option<BufWriter<File>>,
    size: u64,
    unflushed: u64,
    flushed: Instant,
    counts: Arc<StoreCounts>,
}

impl Files {
    fn new(folder: &Path, max_bytes: u64, max_age: Duration, counts: Arc<StoreCounts>) -> Self {
        let folder = folder.to_owned();
        Self { folder, max_bytes, max_age, file: None, size: 0, unflushed: 0, flushed: Instant::now(), counts }
    }

    fn file_bytes(&self) -> u64 {
        FILE_BYTES.min(self.max_bytes / 4)
    }

    /// Begins a new file and removes those that are too many or too old.
    fn next(&mut self) -> std::io::Result<()> {
        let old = files(&self.folder);
        let name = name_after(old.last());
        self.file = Some(BufWriter::new(File::create_new(self.folder.join(name))?));
        self.size = 0;
        let mut kept = 0;
        for file in old.into_iter().rev() {
            let Ok(metadata) = fs::metadata(&file) else { continue };
            let age = metadata.modified().ok().and_then(|then| SystemTime::now().duration_since(then).ok());
            let full = kept + metadata.len() + self.file_bytes() > self.max_bytes;
            let empty = metadata.len() == 0;
            if full || empty || age.is_some_and(|age| age > self.max_age) {
                // Another try follows with the next file.
                let _ = fs::remove_file(&file);
            } else {
                kept += metadata.len();
            }
        }
        self.counts.bytes.store(kept, Relaxed);
        Ok(())
    }

    fn write(&mut self, line: &str) {
        self.counts.waiting.fetch_sub(1, Relaxed);
        if self.file.is_none() || self.size >= self.file_bytes() {
            self.flush();
            if self.next().is_err() {
                self.counts.failed.fetch_add(1, Relaxed);
                return;
            }
        }
        let Some(file) = &mut self.file else { return };
        if file.write_all(line.as_bytes()).and_then(|()| file.write_all(b"\n")).is_err() {
            // A full disk: what is in the buffer is lost, a new file is tried with the next event.
            self.counts.failed.fetch_add(self.unflushed + 1, Relaxed);
            (self.file, self.unflushed) = (None, 0);
            return;
        }
        self.unflushed += 1;
        self.size += line.len() as u64 + 1;
        self.counts.bytes.fetch_add(line.len() as u64 + 1, Relaxed);
        if self.flushed.elapsed() >= FLUSH {
            self.flush();
        }
    }

    fn flush(&mut self) {
        self.flushed = Instant::now();
        let Some(file) = &mut self.file else { return };
        let count = if file.flush().is_ok() { &self.counts.written } else { &self.counts.failed };
        count.fetch_add(std::mem::take(&mut self.unflushed), Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(n: usize) -> Arc<str> {
        format!(r#"{{"id":"s/e/frame/{n}/0","type":"io.polygraph.frame.v1","pad":"{}"}}"#, "x".repeat(1000)).into()
    }

    #[test]
    fn what_was_taken_is_found_again_after_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let open = || Store::open(folder.path(), 1 << 30, Duration::from_secs(3600)).unwrap();
        let store = open();
        (0..50).for_each(|n| store.take(line(n)));
        drop(store);
        let store = open();
        (50..60).for_each(|n| store.take(line(n)));
        drop(store);
        let store = open();
        assert_eq!(store.all_of("io.polygraph.frame.v1").count(), 60);
        assert_eq!(store.all_of("io.polygraph.incident.v1").count(), 0);
        let after = |n: usize, until: Option<usize>, most| {
            let until = until.map(|n| format!("s/e/frame/{n}/0"));
            let stored = store.after(&format!("s/e/frame/{n}/0"), until.as_deref(), most, |_| true)?;
            Some((stored.lines, stored.reached, stored.cut))
        };
        let lines = |range: std::ops::Range<usize>| range.map(line).collect::<Vec<_>>();
        assert_eq!(after(47, None, 5), Some((lines(48..53), false, true)));
        assert_eq!(after(47, Some(51), 100), Some((lines(48..51), true, false)), "over the edge of a file");
        assert_eq!(after(47, Some(99), 100), Some((lines(48..60), false, false)));
        assert_eq!(after(59, None, 5), Some((vec![], false, false)));
        let wanted = |line: &str| line.contains("/57/") || line.contains("/58/");
        let stored = store.after("s/e/frame/3/0", None, 2, wanted).unwrap();
        assert_eq!((stored.lines, stored.cut), (lines(57..59), false), "what nobody takes doesn't count");
        assert_eq!(after(99, None, 5), None);
    }

    #[test]
    fn a_file_sorts_behind_those_of_its_millisecond_and_of_the_future() {
        let folder = tempfile::tempdir().unwrap();
        let newest = folder.path().join("events-7ZZZZZZZZZZZZZZZZZZZZZZZZY.ndjson");
        fs::write(&newest, "before\n").unwrap();
        let store = Store::open(folder.path(), 1 << 30, Duration::from_secs(3600)).unwrap();
        store.take(line(0));
        drop(store);
        let files = files(folder.path());
        assert_eq!(files[0], newest);
        assert!(fs::read_to_string(&files[1]).unwrap().contains("frame/0/0"));
    }

    #[test]
    fn the_oldest_go_when_there_is_no_room() {
        let folder = tempfile::tempdir().unwrap();
        // Four files of a quarter of a megabyte.
        let store = Store::open(folder.path(), 1 << 20, Duration::from_secs(3600)).unwrap();
        for n in 0..5000 {
            store.take(line(n));
            while store.counts().waiting.load(Relaxed) > 1000 {
                std::thread::yield_now();
            }
        }
        drop(store);
        let bytes: u64 = files(folder.path()).iter().map(|file| fs::metadata(file).unwrap().len()).sum();
        assert!(bytes < 1 << 20, "{bytes}");
        let last = files(folder.path()).pop().unwrap();
        assert!(fs::read_to_string(last).unwrap().contains("frame/4999/0"));
    }
}
