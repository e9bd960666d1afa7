// SPDX-License-Identifier: Apache-2.0
//! Where pictures are kept: a run's own folder here; the service has shelves of its own.

use std::{
    fs,
    path::{Path, PathBuf},
};

use crate::error::{Error, Result};

/// What a run may write.
const MOST_BYTES: u64 = 512 << 20;

/// Keeps pictures.
pub trait Shelf: Send {
    /// Takes a JPEG file, in the place of the last of that name, and says by which path it will be found. A stream's own
    /// thread may call it, so that one for live streams never waits.
    ///
    /// # Errors
    /// Why it isn't kept, in a line.
    fn keep(&mut self, name: &str, picture: Vec<u8>) -> Result<String, String>;

    /// Whether nobody may be known again by what is kept here.
    fn blurs(&self) -> bool;
}

/// The folder `evidence` of a run of `analyze`.
pub struct Folder {
    folder: PathBuf,
    written: u64,
}

impl Folder {
    /// In the folder of a run. Pictures of an earlier run are of other tracks by the same numbers: they go.
    ///
    /// # Errors
    /// When one of them can't be removed.
    pub fn new(run: &Path) -> Result<Self> {
        let folder = run.join("evidence");
        for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
            let name = entry.file_name();
            let name = name.to_string_lossy();
            if ["face-", "incident-", "shot-"].iter().any(|begin| name.starts_with(begin)) && name.ends_with(".jpg") {
                fs::remove_file(entry.path()).map_err(Error::file(&entry.path()))?;
            }
        }
        Ok(Self { folder, written: 0 })
    }
}

impl Shelf for Folder {
    fn keep(&mut self, name: &str, picture: Vec<u8>) -> Result<String, String> {
        let path = self.folder.join(name);
        let failed = |why: String| format!("{} can't be written: {why}", path.display());
        if self.written + picture.len() as u64 > MOST_BYTES {
            return Err(failed(format!("there are {} MB of it already", MOST_BYTES >> 20)));
        }
        let wrote = fs::create_dir_all(&self.folder).and_then(|()| fs::write(&path, &picture));
        wrote.map_err(|why| failed(why.to_string()))?;
        self.written += picture.len() as u64;
        Ok(format!("evidence/{name}"))
    }

    /// The user asked for faces.
    fn blurs(&self) -> bool {
        false
    }
}
