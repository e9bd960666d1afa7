// SPDX-License-Identifier: Apache-2.0
//! Pictures of faces where they scored highest. The service blurs them: they show an operator what is meant, and give
//! nobody's face away. They are kept as long as events are.

use std::fs;
use std::io::Cursor;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, SyncSender};
use std::time::{Duration, SystemTime};

use gstpolygraph::polyforensics::Evidence;
use image::codecs::jpeg::JpegEncoder;

/// Pictures on their way to the disk; there are few, and the next of the same face is as good.
const MOST_WAITING: usize = 64;
/// A face becomes so many patches wide.
const PATCHES: u32 = 12;
/// Between two looks for pictures that are too old.
const CLEAN: Duration = Duration::from_secs(3600);

/// The pictures of all streams: `FOLDER/STREAM/EPOCH-TRACK.jpg`.
pub struct Faces {
    folder: PathBuf,
    waiting: SyncSender<(PathBuf, Vec<u8>)>,
}

impl Faces {
    /// In a folder; pictures older than `max_age` go. Its thread ends with it.
    ///
    /// # Errors
    /// When there is no thread to be had.
    pub fn open(folder: &Path, max_age: Duration) -> std::io::Result<Self> {
        let (waiting, pictures) = mpsc::sync_channel::<(PathBuf, Vec<u8>)>(MOST_WAITING);
        let own = folder.to_owned();
        std::thread::Builder::new().name("evidence".into()).spawn(move || {
            let mut cleaned = SystemTime::UNIX_EPOCH;
            while let Ok((path, picture)) = pictures.recv() {
                if cleaned.elapsed().is_ok_and(|age| age > CLEAN) {
                    clean(&own, max_age);
                    cleaned = SystemTime::now();
                }
                if let Some(blurred) = blurred(&picture)
                    && path.parent().is_some_and(|parent| fs::create_dir_all(parent).is_ok())
                {
                    // Evidence that can't be written is missing, and the API says so.
                    let _ = fs::write(path, blurred);
                }
            }
        })?;
        Ok(Self { folder: folder.to_owned(), waiting })
    }

    /// Takes a picture. Never waits.
    pub fn keep(&self, stream: &str, epoch: &str, evidence: &Evidence) {
        let path = self.folder.join(stream).join(format!("{epoch}-{}.jpg", evidence.track));
        // Full, the picture is left out; a higher score may bring another.
        let _ = self.waiting.try_send((path, evidence.picture.clone()));
    }

    /// The names of a stream's pictures, `EPOCH-TRACK`, the latest first.
    pub fn of(&self, stream: &str) -> Vec<String> {
        let entries = fs::read_dir(self.folder.join(stream)).into_iter().flatten().flatten();
        let mut names: Vec<_> =
            entries.filter_map(|entry| Some(entry.path().file_stem()?.to_str()?.to_owned())).collect();
        names.sort_by(|a, b| b.cmp(a));
        names
    }

    /// One picture; `name` is one of [`Faces::of`].
    pub fn picture(&self, stream: &str, name: &str) -> Option<Vec<u8>> {
        let plain =
            |text: &str| !text.is_empty() && text.chars().all(|c| c.is_alphanumeric() || matches!(c, '-' | '_'));
        let safe = plain(name) && stream.chars().all(|c| c.is_alphanumeric() || matches!(c, '.' | '-' | '_'));
        if !safe || stream.starts_with('.') {
            return None;
        }
        fs::read(self.folder.join(stream).join(format!("{name}.jpg"))).ok()
    }
}

fn clean(folder: &Path, max_age: Duration) {
    for stream in fs::read_dir(folder).into_iter().flatten().flatten() {
        for picture in fs::read_dir(stream.path()).into_iter().flatten().flatten() {
            let age = picture.metadata().and_then(|metadata| metadata.modified()).map(|then| then.elapsed());
            if let Ok(Ok(age)) = age
                && age > max_age
            {
                let _ = fs::remove_file(picture.path());
            }
        }
    }
}

/// The picture in coarse patches. The left half is the face, the right half the map over it; both are blurred.
fn blurred(jpeg: &[u8]) -> Option<Vec<u8>> {
    let picture = image::load_from_memory_with_format(jpeg, image::ImageFormat::Jpeg).ok()?;
    let (width, height) = (picture.width(), picture.height());
    let rows = (PATCHES * height / width.max(1) * 2).max(1);
    let small = picture.resize_exact(2 * PATCHES, rows, image::imageops::FilterType::Triangle);
    let coarse = small.resize_exact(width, height, image::imageops::FilterType::Triangle);
    let mut file = Cursor::new(Vec::new());
    coarse.to_rgb8().write_with_encoder(JpegEncoder::new_with_quality(&mut file, 80)).ok()?;
    Some(file.into_inner())
}
