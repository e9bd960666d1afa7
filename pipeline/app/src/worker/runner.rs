// SPDX-License-Identifier: Apache-2.0
//! What a worker asks of whoever runs a stream, and [`supervise`] as the one that does it.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use polygraph_core::event::{Event, StreamId};
use polygraph_core::fleet::Wanted;
use polygraph_models::Provider;

use crate::error::{Error, Result};
use crate::graph::Analysis;
use crate::uri::{self, Host};
use crate::{analyze, supervise};

/// Hears what a stream has to say; never waits.
pub trait Listener: Send + Sync + 'static {
    /// An event, in order; `delay` as for [`supervise::Sink::event`].
    fn event(&self, event: &Event, delay: Option<Duration>);
    /// It is in another state.
    fn state(&self, state: &str, reason: Option<&str>);
}

/// Runs streams.
pub trait Runner: Send + Sync {
    /// Runs a stream until it is stopped, whatever becomes of its source.
    ///
    /// # Errors
    /// One line that says why it can't be run.
    fn start(&self, stream: &str, wanted: &Wanted, listener: Arc<dyn Listener>) -> Result<Box<dyn Run>, String>;
}

/// A stream that runs.
pub trait Run: Send {
    /// How it is.
    fn status(&self) -> supervise::Status;
    /// Begins to stop it, and doesn't wait.
    fn ask_to_stop(&self);
    /// Waits until its last event is out, at most so long.
    fn stop(self: Box<Self>, deadline: Duration);
}

/// Makes GStreamer and our elements ready, and sees to it that playlists open no files.
pub fn init() -> Result<()> {
    analyze::init()?;
    supervise::forbid_files(&uri::SCHEMES);
    Ok(())
}

/// Where streams may come from.
#[derive(Clone, Debug)]
pub struct Places {
    files: Vec<PathBuf>,
    hosts: Vec<String>,
}

impl Places {
    /// Files in these folders, and what comes from these hosts or, when none is named, from any.
    ///
    /// # Errors
    /// For a folder that isn't there.
    pub fn new(files: &[PathBuf], hosts: &[String]) -> Result<Self> {
        let folder = |path: &PathBuf| path.canonicalize().map_err(Error::file(path));
        Ok(Self { files: files.iter().map(folder).collect::<Result<_>>()?, hosts: hosts.to_vec() })
    }

    /// Checks a URI, and gives it as it may be opened.
    fn admit(&self, uri: &str) -> Result<String, String> {
        let Some((scheme, rest)) = uri.split_once("://") else { return self.file(Path::new(uri)) };
        let scheme = scheme.to_ascii_lowercase();
        if scheme == "file" {
            return self.file(Path::new(rest));
        }
        if !uri::SCHEMES.contains(&scheme.as_str()) {
            return Err(format!("`{scheme}` is not opened"));
        }
        let host = match uri::host(uri)? {
            Some((Host::Name(name), _)) => name,
            Some((Host::Address(address), _)) => address.to_string(),
            None => String::new(),
        };
        if self.hosts.is_empty() || self.hosts.iter().any(|allowed| allowed.eq_ignore_ascii_case(&host)) {
            return Ok(uri.to_owned());
        }
        Err(format!("streams from {host} are not allowed here: --allow-hosts"))
    }

    fn file(&self, path: &Path) -> Result<String, String> {
        let path = path.canonicalize().map_err(|error| format!("{}: {error}", path.display()))?;
        if self.files.iter().any(|folder| path.starts_with(folder)) {
            return Ok(path.display().to_string());
        }
        Err(format!("{} may not be opened here: --allow-files", path.display()))
    }
}

/// Streams by [`supervise`]: one thread, one pipeline and one state machine each.
pub struct Supervised {
    places: Places,
    provider: Provider,
}

impl Supervised {
    pub fn new(places: Places, provider: Provider) -> Self {
        Self { places, provider }
    }
}

impl Runner for Supervised {
    fn start(&self, stream: &str, wanted: &Wanted, listener: Arc<dyn Listener>) -> Result<Box<dyn Run>, String> {
        let uri = self.places.admit(&wanted.uri)?;
        let analysis = Analysis {
            fps: wanted.analysis_fps,
            tiles: wanted.tiles,
            transcript: wanted.transcript,
            forensics: wanted.forensics,
            // A lip that does not fit its voice is a sign of manipulation too.
            lip_sync: wanted.forensics,
            provider: self.provider,
            ..Analysis::default()
        };
        let wanted = supervise::Wanted { looped: true, analysis, ..supervise::Wanted::new(stream, uri) };
        let ear = Ear { places: self.places.clone(), listener };
        let stream = supervise::Stream::start(wanted, Arc::new(ear)).map_err(|error| error.to_string())?;
        Ok(Box::new(stream))
    }
}

impl Run for supervise::Stream {
    fn status(&self) -> supervise::Status {
        supervise::Stream::status(self)
    }

    fn ask_to_stop(&self) {
        supervise::Stream::ask_to_stop(self);
    }

    fn stop(self: Box<Self>, deadline: Duration) {
        // One that takes longer ends when it can, and what it says then goes through its gate.
        let _ = supervise::Stream::stop(*self, deadline);
    }
}

/// Hands on what a stream says.
struct Ear {
    places: Places,
    listener: Arc<dyn Listener>,
}

impl supervise::Sink for Ear {
    fn event(&self, event: &Event, delay: Option<Duration>) {
        self.listener.event(event, delay);
    }

    fn state(&self, _stream: &StreamId, status: &supervise::Status) {
        self.listener.state(status.state.as_str(), status.reason.as_deref());
    }

    /// Once more before each connection: a file may have become a link to elsewhere.
    fn admit(&self, wanted: &supervise::Wanted) -> Result<String, String> {
        self.places.admit(&wanted.uri)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_allowed_is_opened() {
        let folder = tempfile::tempdir().unwrap();
        let (inside, outside) = (folder.path().join("clips"), folder.path().join("secret"));
        std::fs::create_dir(&inside).unwrap();
        std::fs::write(inside.join("a.mp4"), "a").unwrap();
        std::fs::write(&outside, "b").unwrap();
        let places = Places::new(std::slice::from_ref(&inside), &["cam.example".into()]).unwrap();
        let a = inside.canonicalize().unwrap().join("a.mp4").display().to_string();
        assert_eq!(places.admit(&format!("file://{}/a.mp4", inside.display())), Ok(a.clone()));
        assert_eq!(places.admit(&a), Ok(a));
        assert!(places.admit("rtsp://u:p@CAM.example:554/1").is_ok());
        let climb = format!("{}/../secret", inside.display());
        for refused in [
            &*climb,
            "/etc/passwd",
            "rtsp://evil.example/1",
            "rtsp://cam.example@evil.example/",
            "rtsp://cam.example#@evil.example/",
            "test://ball",
        ] {
            assert!(places.admit(refused).is_err(), "{refused}");
        }
    }
}
