// SPDX-License-Identifier: Apache-2.0
//! What a worker asks of whoever runs a stream, and a small one that does it.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use polygraph_core::event::{Epoch, Event, Numbering, StreamId};
use polygraph_core::fleet::Wanted;
use polygraph_core::record::{Stream, StreamState};
use polygraph_models::Provider;
use ulid::Ulid;

use crate::analyze::{self, Graph, Input, Step};
use crate::cli::{Analyze, Connection, Kafka};
use crate::error::{Error, Result};

/// How long a turn waits for something to happen.
const TURN: Duration = Duration::from_millis(50);
/// Before a stream is connected again; it doubles while that is of no use.
const PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// Without anything new from the source for so long, it is connected anew.
const STALLED: Duration = Duration::from_secs(10);

/// Hears what a stream has to say; never waits.
pub trait Listener: Send + Sync + 'static {
    /// An event, in order.
    fn event(&self, event: &Event);
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
    /// Begins to stop it, and doesn't wait.
    fn ask_to_stop(&self);
    /// Waits until its last event is out, at most so long.
    fn stop(self: Box<Self>, deadline: Duration);
}

/// Makes GStreamer and our elements ready.
pub fn init() -> Result<()> {
    analyze::init()
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
        match scheme.to_ascii_lowercase().as_str() {
            "file" => self.file(Path::new(rest)),
            "rtsp" | "rtsps" | "rtspt" | "rtspu" | "rtmp" | "rtmps" | "http" | "https" | "srt" | "udp" | "rtp" => {
                let host = host(rest);
                let allowed =
                    self.hosts.is_empty() || self.hosts.iter().any(|allowed| allowed.eq_ignore_ascii_case(host));
                allowed
                    .then(|| uri.to_owned())
                    .ok_or_else(|| format!("streams from {host} are not allowed here: --allow-hosts"))
            }
            other => Err(format!("`{other}` is not opened")),
        }
    }

    fn file(&self, path: &Path) -> Result<String, String> {
        let path = path.canonicalize().map_err(|error| format!("{}: {error}", path.display()))?;
        if self.files.iter().any(|folder| path.starts_with(folder)) {
            return Ok(path.display().to_string());
        }
        Err(format!("{} may not be opened here: --allow-files", path.display()))
    }
}

/// The host of what follows `://`.
fn host(rest: &str) -> &str {
    let authority = rest.split(['/', '?', '#']).next().unwrap_or(rest);
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    match host.strip_prefix('[') {
        Some(address) => address.split(']').next().unwrap_or(address),
        None => host.split(':').next().unwrap_or(host),
    }
}

/// Streams on the graph of `analyze`, each with a thread that begins anew whenever it ends.
pub struct Endless {
    places: Places,
    provider: Provider,
}

impl Endless {
    pub fn new(places: Places, provider: Provider) -> Self {
        Self { places, provider }
    }
}

impl Runner for Endless {
    fn start(&self, stream: &str, wanted: &Wanted, listener: Arc<dyn Listener>) -> Result<Box<dyn Run>, String> {
        self.places.admit(&wanted.uri)?;
        let stop = Arc::new(AtomicBool::new(false));
        let (tell, over) = mpsc::channel();
        let life = Life {
            stream: StreamId::new(stream),
            uri: wanted.uri.clone(),
            analyze: analysis(stream, wanted, self.provider),
            places: self.places.clone(),
            listener,
            stop: Arc::clone(&stop),
        };
        let thread = std::thread::Builder::new().name(stream.chars().take(15).collect());
        let started = thread.spawn(move || {
            life.run();
            // Whoever waits may have given up.
            let _ = tell.send(());
        });
        started.map_err(|error| error.to_string())?;
        Ok(Box::new(Thread { stop, over }))
    }
}

/// `analyze` as it is wanted of a stream; what it would write to a disk or to Kafka is not asked for.
fn analysis(stream: &str, wanted: &Wanted, provider: Provider) -> Analyze {
    let kafka = Kafka {
        brokers: None,
        spool: None,
        spool_bytes: None,
        profile: Default::default(),
        connection: Connection { config: None },
        timeout: Duration::ZERO,
    };
    Analyze {
        inputs: vec![wanted.uri.clone()],
        out: PathBuf::new(),
        analysis_fps: wanted.analysis_fps,
        tiles: wanted.tiles,
        no_transcript: !wanted.transcript,
        no_forensics: !wanted.forensics,
        keep_faces: false,
        provider,
        stream_id: Some(stream.to_owned()),
        kafka,
        quiet: true,
    }
}

/// A stream's thread, as seen from outside.
struct Thread {
    stop: Arc<AtomicBool>,
    over: mpsc::Receiver<()>,
}

impl Run for Thread {
    fn ask_to_stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }

    fn stop(self: Box<Self>, deadline: Duration) {
        self.ask_to_stop();
        // A thread that takes longer ends when it can, and what it says then goes through its gate.
        let _ = self.over.recv_timeout(deadline);
    }
}

/// A stream's thread, as seen from inside.
struct Life {
    stream: StreamId,
    uri: String,
    analyze: Analyze,
    places: Places,
    listener: Arc<dyn Listener>,
    stop: Arc<AtomicBool>,
}

impl Life {
    fn run(&self) {
        let mut pause = PAUSE;
        while !self.is_over() {
            self.listener.state("connecting", None);
            let began = Instant::now();
            match self.connection() {
                Ok(()) => {}
                Err(why) => self.listener.state("recovering", Some(&why)),
            }
            // One that ran for a while is connected again soon.
            pause = if began.elapsed() > LONGEST_PAUSE { PAUSE } else { (pause * 2).min(LONGEST_PAUSE) };
            self.wait(pause);
        }
        self.listener.state("stopped", None);
    }

    fn is_over(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// Waits until it is time, or over.
    fn wait(&self, pause: Duration) {
        let until = Instant::now() + pause;
        while !self.is_over() && Instant::now() < until {
            std::thread::sleep(TURN);
        }
    }

    /// One connection, from its start to its end, in an epoch of its own: also of a file, which is shown again and again.
    fn connection(&self) -> Result<(), String> {
        let uri = self.places.admit(&self.uri)?;
        let input = Input::parse(&uri, &self.analyze).map_err(|error| error.to_string())?;
        let now_ns = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
        let epoch = Epoch::of_connection(Ulid::new().to_string(), u64::try_from(now_ns).unwrap_or(u64::MAX));
        let mut numbering = Numbering::new(self.stream.clone(), epoch);
        let mut graph = Graph::start(&input, &self.analyze).map_err(|error| error.to_string())?;
        if input.file.is_some() {
            graph.pace();
        }
        let ended = self.watch(&mut graph, &mut numbering);
        let (state, reason) = match &ended {
            Ok(()) => (StreamState::Ended, None),
            Err(why) => (StreamState::Failed, Some(why.clone())),
        };
        let last = Stream { reason, counters: graph.counters(), ..Stream::new(state, graph.watch.end_ns()) };
        self.listener.event(&numbering.stream(last));
        graph.stop();
        ended
    }

    /// Takes what the pipeline gives until it ends or nothing comes any more.
    fn watch(&self, graph: &mut Graph, numbering: &mut Numbering) -> Result<(), String> {
        let (mut heard, mut seen) = (Instant::now(), 0);
        while !self.is_over() {
            let step = graph.step();
            let arrived = graph.watch.arrived();
            if seen == 0 && arrived > 0 {
                self.listener.state("running", None);
                self.listener.event(&numbering.stream(Stream::new(StreamState::Started, 0)));
            }
            if arrived != seen || matches!(step, Step::Record(_)) {
                (heard, seen) = (Instant::now(), arrived);
            }
            match step {
                Step::Record(text) => {
                    let record = serde_json::from_slice(&text).map_err(|error| error.to_string())?;
                    self.listener.event(&numbering.record(record));
                }
                Step::Idle if heard.elapsed() > STALLED => return Err("nothing came from the source any more".into()),
                Step::Idle => {}
                Step::Ended(failure) => return failure.map_or(Ok(()), Err),
            }
        }
        Ok(())
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
        let places = Places::new(&[inside.clone()], &["cam.example".into()]).unwrap();
        let a = inside.canonicalize().unwrap().join("a.mp4").display().to_string();
        assert_eq!(places.admit(&format!("file://{}/a.mp4", inside.display())), Ok(a.clone()));
        assert_eq!(places.admit(&a), Ok(a));
        assert!(places.admit("rtsp://u:p@CAM.example:554/1").is_ok());
        let climb = format!("{}/../secret", inside.display());
        for refused in
            [&*climb, "/etc/passwd", "rtsp://evil.example/1", "rtsp://cam.example@evil.example/", "test://ball"]
        {
            assert!(places.admit(refused).is_err(), "{refused}");
        }
    }
}
