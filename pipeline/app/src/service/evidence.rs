// SPDX-License-Identifier: Apache-2.0
//! Evidence of all streams, in a folder or in S3, Azure or GCS: `STREAM/EPOCH-NAME.jpg`. It is written by a task of its own, so
//! that no stream ever waits for a disk or a network, and goes when it is too old or takes too much room.

use std::{
    collections::BTreeMap,
    fmt, fs,
    path::PathBuf,
    sync::{Mutex, PoisonError, mpsc as std_mpsc},
    time::{Duration, SystemTime},
};

use object_store::{ObjectMeta, ObjectStore, ObjectStoreExt, PutPayload, local::LocalFileSystem, path::Path};
use serde::{Deserialize, Serialize};
use tokio::{
    sync::mpsc,
    time::{MissedTickBehavior, interval, timeout},
};
use tokio_stream::StreamExt;
use url::Url;

use crate::evidence::Shelf;

/// Pictures on their way; there are few.
const MOST_WAITING: usize = 256;
/// How long one may take to be kept, or to be found.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long the last ones may take when the service ends.
const LAST: Duration = Duration::from_secs(2);
/// Between two looks for what is too old or too much.
const CLEAN: Duration = Duration::from_secs(3600);
/// What a URL may begin with; others of the library's don't survive a restart, or can't be listed.
const SCHEMES: [&str; 8] = ["s3", "s3a", "gs", "az", "azure", "abfs", "abfss", "adl"];
/// Of the process's environment: who we are there, as the clouds' own tools have it.
const ENVIRONMENT: [&str; 3] = ["AWS_", "AZURE_", "GOOGLE_"];

/// Where evidence is kept, and for how long.
#[derive(Clone, Serialize, Deserialize)]
pub struct Place {
    /// The folder, unless there is a URL.
    pub folder: PathBuf,
    /// `s3://BUCKET/PREFIX` and the like.
    pub url: Option<String>,
    /// The library's settings, such as `aws_endpoint`.
    pub settings: BTreeMap<String, String>,
    /// After so long it goes.
    pub max_age: Duration,
    /// What it may take; the oldest goes first.
    pub max_bytes: u64,
    /// Whether faces are blurred.
    pub blurs: bool,
}

/// All of it, for whoever asks.
pub struct Gallery {
    store: Box<dyn ObjectStore>,
    root: Path,
    blurs: bool,
    /// Closed when it ends.
    waiting: Option<mpsc::Sender<(Path, Vec<u8>)>>,
    over: Mutex<std_mpsc::Receiver<()>>,
}

/// What one stream's epoch keeps.
struct Own {
    stream: String,
    epoch: String,
    folder: Path,
    blurs: bool,
    waiting: Option<mpsc::Sender<(Path, Vec<u8>)>>,
}

/// Without the settings, some of which are secrets.
impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { folder, url, max_age, max_bytes, blurs, .. } = self;
        write!(f, "Place {{ {folder:?}, {url:?}, {max_age:?}, {max_bytes}, {blurs} }}")
    }
}

impl Place {
    /// Whether it can be meant.
    ///
    /// # Errors
    /// What is wrong with the URL or a setting, in a line.
    pub fn check(&self) -> Result<(), String> {
        if self.url.is_some() { self.open().map(drop) } else { Ok(()) }
    }

    fn open(&self) -> Result<(Box<dyn ObjectStore>, Path), String> {
        let Some(text) = &self.url else {
            let made = fs::create_dir_all(&self.folder).map_err(|why| why.to_string());
            let store =
                made.and_then(|()| LocalFileSystem::new_with_prefix(&self.folder).map_err(|why| why.to_string()));
            return store.map(|store| (Box::new(store) as _, Path::default()));
        };
        let url = Url::parse(text).map_err(|why| format!("`{text}`: {why}"))?;
        if !SCHEMES.contains(&url.scheme()) {
            return Err(format!("`{}:` is none of {}", url.scheme(), SCHEMES.join(", ")));
        }
        let known = |(name, _): &(String, String)| ENVIRONMENT.iter().any(|begin| name.starts_with(begin));
        let environment =
            std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
        let environment = environment.filter(known).map(|(name, value)| (name.to_ascii_lowercase(), value));
        // Another thread may have done so before.
        let _ = rustls::crypto::ring::default_provider().install_default();
        // What is written counts over what the environment says.
        let settings: BTreeMap<_, _> = environment.chain(self.settings.clone()).collect();
        object_store::parse_url_opts(&url, settings).map_err(|why| why.to_string())
    }
}

/// What a gallery needs of the environment, looked at before the guard of streams makes itself the proxy for HTTP.
pub struct Prepared {
    place: Place,
    root: Path,
    /// Connections belong to the runtime that made them: one for the gallery's own thread, one for who asks.
    stores: [Box<dyn ObjectStore>; 2],
}

impl Prepared {
    /// Looks at a place, and makes no thread.
    ///
    /// # Errors
    /// What is wrong with it, in a line.
    pub fn new(place: Place) -> Result<Self, String> {
        let ((own, root), (store, _)) = (place.open()?, place.open()?);
        Ok(Self { place, root, stores: [own, store] })
    }
}

impl Gallery {
    /// Opens it. Its thread ends when nobody can keep anything any more; only one of many processes `cleans`. `lost` is told
    /// the stream of each picture that was taken and then couldn't be written.
    ///
    /// # Errors
    /// When there is no thread to be had.
    pub fn open(
        Prepared { place, root, stores: [own, store] }: Prepared,
        cleans: bool,
        lost: impl Fn(&str) + Send + Sync + 'static,
    ) -> Result<Self, String> {
        let blurs = place.blurs;
        let (waiting, pictures) = mpsc::channel(MOST_WAITING);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|why| why.to_string())?;
        let writer = Writer { store: own, root: root.clone(), place, told: false, lost: Box::new(lost) };
        let thread = std::thread::Builder::new().name("evidence".into());
        let (tell, over) = std_mpsc::channel();
        let thread = thread.spawn(move || {
            runtime.block_on(writer.run(pictures, cleans));
            // Whoever waits may have given up.
            let _ = tell.send(());
        });
        thread.map_err(|why| why.to_string())?;
        Ok(Self { store, root, blurs, waiting: Some(waiting), over: Mutex::new(over) })
    }

    /// A shelf for an epoch of a stream.
    pub fn shelf(&self, stream: &str, epoch: &str) -> Box<dyn Shelf> {
        Box::new(Own {
            stream: stream.to_owned(),
            epoch: epoch.to_owned(),
            folder: self.root.clone().join(stream),
            blurs: self.blurs,
            waiting: self.waiting.clone(),
        })
    }

    /// The names of a stream's pictures, `EPOCH-NAME`, the latest epoch first.
    ///
    /// # Errors
    /// Why the place gives no answer.
    pub async fn of(&self, stream: &str) -> Result<Vec<String>, String> {
        let listed = timeout(PATIENCE, all(&*self.store, &self.root.clone().join(stream))).await;
        let listed = listed.map_err(|_| "it gives no answer".to_owned())??;
        let name = |meta: &ObjectMeta| Some(meta.location.filename()?.strip_suffix(".jpg")?.to_owned());
        let mut names: Vec<_> = listed.iter().filter_map(name).collect();
        names.sort_by(|a, b| b.cmp(a));
        Ok(names)
    }

    /// Which of these pictures of a stream are gone.
    ///
    /// # Errors
    /// Why the place gives no answer.
    pub async fn gone(&self, stream: &str, names: &[String]) -> Result<Vec<String>, String> {
        let look = async {
            let mut gone = Vec::new();
            for name in names {
                match self.store.head(&self.path(stream, name)).await {
                    Ok(_) => {}
                    Err(object_store::Error::NotFound { .. }) => gone.push(name.clone()),
                    Err(why) => return Err(why.to_string()),
                }
            }
            Ok(gone)
        };
        timeout(PATIENCE, look).await.map_err(|_| "it gives no answer".to_owned())?
    }

    fn path(&self, stream: &str, name: &str) -> Path {
        self.root.clone().join(stream).join(format!("{name}.jpg"))
    }

    /// One picture; `name` is one of [`Gallery::of`]. `None` when it is gone.
    ///
    /// # Errors
    /// Why the place gives no answer.
    pub async fn picture(&self, stream: &str, name: &str) -> Result<Option<Vec<u8>>, String> {
        let read = async {
            match self.store.get(&self.path(stream, name)).await {
                Ok(found) => found.bytes().await.map(|bytes| Some(bytes.to_vec())),
                Err(object_store::Error::NotFound { .. }) => Ok(None),
                Err(why) => Err(why),
            }
        };
        match timeout(PATIENCE, read).await {
            Ok(found) => found.map_err(|why| why.to_string()),
            Err(_) => Err("it gives no answer".to_owned()),
        }
    }
}

/// Waits for the last pictures, within reason.
impl Drop for Gallery {
    fn drop(&mut self) {
        self.waiting = None;
        let over = self.over.get_mut().unwrap_or_else(PoisonError::into_inner);
        let _ = over.recv_timeout(LAST);
    }
}

impl Shelf for Own {
    fn keep(&mut self, name: &str, picture: Vec<u8>) -> Result<String, String> {
        let path = self.folder.clone().join(format!("{}-{name}", self.epoch));
        let kept = self.waiting.as_ref().is_some_and(|waiting| waiting.try_send((path, picture)).is_ok());
        if !kept {
            return Err(format!("{}: more evidence than can be written", self.stream));
        }
        let name = name.strip_suffix(".jpg").unwrap_or(name);
        Ok(format!("/api/v1/streams/{}/evidence/{}-{name}", self.stream, self.epoch))
    }

    fn blurs(&self) -> bool {
        self.blurs
    }
}

/// Writes what is to be kept, and takes away what isn't any more.
struct Writer {
    store: Box<dyn ObjectStore>,
    root: Path,
    place: Place,
    /// The last picture couldn't be kept, which was said.
    told: bool,
    lost: Box<dyn Fn(&str) + Send + Sync>,
}

impl Writer {
    async fn run(mut self, mut pictures: mpsc::Receiver<(Path, Vec<u8>)>, cleans: bool) {
        let mut clock = interval(CLEAN);
        clock.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                biased;
                picture = pictures.recv() => match picture {
                    Some((path, picture)) => self.write(&path, picture).await,
                    None => return,
                },
                _ = clock.tick(), if cleans => self.clean().await,
            }
        }
    }

    async fn write(&mut self, path: &Path, picture: Vec<u8>) {
        let wrote = match timeout(PATIENCE, self.store.put(path, PutPayload::from(picture))).await {
            Ok(wrote) => wrote.map(drop).map_err(|why| why.to_string()),
            Err(_) => Err(format!("nothing was heard for {} s", PATIENCE.as_secs())),
        };
        if wrote.is_err()
            && let Some(stream) = path.parts().rev().nth(1)
        {
            (self.lost)(stream.as_ref());
        }
        match wrote {
            // One line for a place that is full or gone, and one when it is back, not one for each picture.
            Err(why) if !std::mem::replace(&mut self.told, true) => {
                errln!("polygraph: evidence is lost, {path} and what follows: {why}");
            }
            Ok(()) if std::mem::replace(&mut self.told, false) => errln!("polygraph: evidence is kept again"),
            _ => {}
        }
    }

    async fn clean(&self) {
        // A place that gives no answer now is asked again in an hour.
        let Ok(Ok(mut all)) = timeout(PATIENCE, all(&*self.store, &self.root)).await else { return };
        for gone in too_many(&mut all, SystemTime::now(), self.place.max_age, self.place.max_bytes) {
            let _ = timeout(PATIENCE, self.store.delete(gone)).await;
        }
    }
}

/// Everything under a path.
async fn all(store: &dyn ObjectStore, path: &Path) -> Result<Vec<ObjectMeta>, String> {
    store.list(Some(path)).collect::<Result<_, _>>().await.map_err(|why: object_store::Error| why.to_string())
}

/// What is too old, and the oldest of what is too much.
fn too_many(all: &mut [ObjectMeta], now: SystemTime, max_age: Duration, max_bytes: u64) -> impl Iterator<Item = &Path> {
    all.sort_by_key(|meta| std::cmp::Reverse(meta.last_modified));
    let mut bytes = 0;
    all.iter().filter_map(move |meta| {
        bytes += meta.size;
        let age = now.duration_since(meta.last_modified.into()).unwrap_or_default();
        (age > max_age || bytes > max_bytes).then_some(&meta.location)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(folder: &std::path::Path) -> Place {
        Place {
            folder: folder.to_owned(),
            url: None,
            settings: BTreeMap::new(),
            max_age: Duration::from_secs(3600),
            max_bytes: 1000,
            blurs: true,
        }
    }

    #[test]
    fn old_pictures_go_and_the_oldest_when_there_are_too_many() {
        let now = SystemTime::now();
        let meta = |name: &str, age_s: u64, size: u64| ObjectMeta {
            location: Path::from(name),
            last_modified: (now - Duration::from_secs(age_s)).into(),
            size,
            e_tag: None,
            version: None,
        };
        let mut all = [meta("b", 20, 400), meta("old", 4000, 1), meta("a", 10, 400), meta("c", 30, 400)];
        let gone: Vec<_> = too_many(&mut all, now, Duration::from_secs(3600), 1000).map(ToString::to_string).collect();
        assert_eq!(gone, ["c", "old"]);
    }

    #[test]
    fn a_place_that_cannot_be_meant_is_named() {
        let wrong = |url: &str| Place { url: Some(url.into()), ..place("".as_ref()) }.check().unwrap_err();
        assert!(wrong("file:///tmp").contains("`file:` is none of s3"), "{}", wrong("file:///tmp"));
        assert!(wrong("no url").contains("no url"));
        // Its client speaks TLS, with cryptography that this process has to have.
        let settings = BTreeMap::from([("aws_region".to_owned(), "eu-central-1".to_owned())]);
        assert_eq!(Place { url: Some("s3://bucket/polygraph".into()), settings, ..place("".as_ref()) }.check(), Ok(()));
    }

    #[tokio::test]
    async fn a_shelf_that_is_full_says_so_and_a_name_from_outside_stays_inside() {
        let folder = tempfile::tempdir().unwrap();
        let gallery =
            Gallery::open(Prepared::new(place(&folder.path().join("evidence"))).unwrap(), false, |_| ()).unwrap();
        fs::write(folder.path().join("secret.jpg"), "x").unwrap();
        assert_eq!(gallery.picture("..", "secret").await, Ok(None));
        assert_eq!(gallery.picture("cam", "../../secret").await, Ok(None));
        let (waiting, _never_read) = mpsc::channel(1);
        let (stream, epoch) = ("cam".to_owned(), "E".to_owned());
        let mut own = Own { stream, epoch, folder: Path::from("cam"), blurs: true, waiting: Some(waiting) };
        assert_eq!(own.keep("shot-0.jpg", vec![]), Ok("/api/v1/streams/cam/evidence/E-shot-0".to_owned()));
        assert!(own.keep("shot-1.jpg", vec![]).unwrap_err().contains("more evidence"));
    }
}
