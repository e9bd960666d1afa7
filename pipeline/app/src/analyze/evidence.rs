// SPDX-License-Identifier: Apache-2.0
//! Pictures of faces: `evidence/face-TRACK.jpg`, one for each track, written only with `--keep-faces`.

use std::{
    fs,
    path::{Path, PathBuf},
};

use gstpolygraph::polyforensics::Evidence;

use crate::error::{Error, Result};

/// The folder of pictures of a run.
pub struct Pictures {
    folder: PathBuf,
}

impl Pictures {
    /// In the folder of a run. Those of an earlier run are of other tracks by the same numbers: they go.
    pub fn new(run: &Path) -> Result<Self> {
        let folder = run.join("evidence");
        for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
            let name = entry.file_name();
            if name.to_string_lossy().starts_with("face-") && name.to_string_lossy().ends_with(".jpg") {
                fs::remove_file(entry.path()).map_err(Error::file(&entry.path()))?;
            }
        }
        Ok(Self { folder })
    }

    /// Writes a picture, in the place of the track's last one: each comes with a higher score.
    pub fn keep(&self, evidence: &Evidence) -> Result<()> {
        fs::create_dir_all(&self.folder).map_err(Error::file(&self.folder))?;
        let path = self.folder.join(format!("face-{}.jpg", evidence.track));
        fs::write(&path, &evidence.picture).map_err(Error::file(&path))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_picture_of_each_track_stays_and_those_of_an_earlier_run_go() {
        let run = std::env::temp_dir().join(format!("polygraph-evidence-{}", std::process::id()));
        let evidence = |track, picture: &[u8]| Evidence { track, pts_ns: 0, logit: 0.0, picture: picture.to_vec() };
        let file = |track| fs::read(run.join(format!("evidence/face-{track}.jpg"))).ok();
        let first = Pictures::new(&run).unwrap();
        for (track, picture) in [(1, b"a"), (2, b"b"), (1, b"c")] {
            first.keep(&evidence(track, picture)).unwrap();
        }
        assert_eq!((file(1), file(2)), (Some(b"c".to_vec()), Some(b"b".to_vec())));
        fs::write(run.join("evidence/mine.jpg"), "d").unwrap();
        Pictures::new(&run).unwrap();
        assert_eq!((file(1), file(2)), (None, None));
        assert!(run.join("evidence/mine.jpg").exists(), "what isn't ours stays");
        fs::remove_dir_all(run).unwrap();
    }
}
