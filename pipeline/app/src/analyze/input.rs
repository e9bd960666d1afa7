// SPDX-License-Identifier: Apache-2.0
//! What is to be analysed: a file or a URI that may be opened.

use std::{
    fs::{self, File},
    io::{self, Read},
    path::{Path, PathBuf},
};

use gst::glib;
use polygraph_core::event::{Epoch, StreamId};
use polygraph_models::cards;
use sha2::{Digest, Sha256};
use ulid::Ulid;

use crate::{
    cli::Analyze,
    error::{Error, Result},
    uri::{self, SCHEMES},
    wall,
};

/// An input that may be opened.
pub struct Input {
    /// As given.
    pub given: String,
    /// For the source element.
    pub uri: String,
    /// Name of its folder of results.
    pub name: StreamId,
    /// Id in events.
    pub stream: StreamId,
    /// The file, if it is one.
    pub file: Option<PathBuf>,
}

impl Input {
    /// Checks an input as far as that can be done without a decoder.
    pub fn parse(given: &str, analyze: &Analyze) -> Result<Self> {
        let (uri, file) = match given.split_once("://") {
            Some((scheme, _)) if scheme.eq_ignore_ascii_case("file") => {
                let refused = |error: glib::Error| Error::input(given, format!("not a file URI: {}", error.message()));
                let (path, _) = glib::filename_from_uri(given).map_err(refused)?;
                open_file(given, &path)?
            }
            Some((scheme, rest)) => (checked_uri(given, scheme, rest)?, None),
            None => open_file(given, Path::new(given))?,
        };
        let name = StreamId::new(&match &file {
            Some(path) => path.file_stem().unwrap_or_default().to_string_lossy().into_owned(),
            None => name(&uri),
        });
        let stream = analyze.stream_id.as_deref().map_or_else(|| name.clone(), StreamId::new);
        Ok(Self { given: shown(given), uri, name, stream, file })
    }

    /// The epoch that its events belong to. Reads a file to its end: its content is its identity.
    pub fn epoch(&self, analyze: &Analyze) -> Result<Epoch> {
        let Some(path) = &self.file else {
            return Ok(Epoch::of_connection(Ulid::new().to_string(), wall::now_ns()));
        };
        let content = sha256(path).map_err(|error| Error::input(&self.given, error.to_string()))?;
        let modified = fs::metadata(path).and_then(|metadata| metadata.modified()).map_err(Error::file(path))?;
        Ok(Epoch::of_file(&content, &settings(analyze), wall::ns(modified)))
    }
}

/// Everything that changes what the analysis of a given file finds.
fn settings(analyze: &Analyze) -> String {
    let networks: Vec<_> = cards()
        .iter()
        .filter(|card| !card.licence.must_accept)
        .map(|card| {
            let files: Vec<_> = card.files.iter().map(|file| &file.sha256).collect();
            let calibration = &card.calibration;
            (&card.name, &card.version, files, calibration.scale, calibration.offset, calibration.threshold)
        })
        .collect();
    // A file's text, for what it says is what counts.
    let rules = analyze.rules.as_ref().map(|rules| fs::read_to_string(rules).unwrap_or_else(|_| rules.clone()));
    let anchors = analyze.trust_anchors.as_ref().map(|path| fs::read_to_string(path).unwrap_or_default());
    serde_json::json!({
        "polygraph": env!("CARGO_PKG_VERSION"),
        "analysis_fps": analyze.analysis_fps,
        "tiles": analyze.tiles,
        "transcript": !analyze.no_transcript,
        "forensics": !analyze.no_forensics,
        "lip_sync": !analyze.no_lip_sync,
        "scenes": !analyze.no_scenes,
        "safety": analyze.safety,
        "safety_threshold": analyze.safety_threshold,
        "screen_text": analyze.screen_text,
        "lip_reading": analyze.lip_reading,
        "faces": !analyze.no_faces,
        "shots": !analyze.no_shots,
        "voice": !analyze.no_voice,
        "faults": analyze.faults.unwrap_or_default().to_string(),
        "fault_limits": analyze.fault_limits.unwrap_or_default().written(),
        "provider": analyze.provider.as_str(),
        "networks": networks,
        "rules": rules,
        "trust_anchors": anchors,
    })
    .to_string()
}

fn open_file(given: &str, path: &Path) -> Result<(String, Option<PathBuf>)> {
    let refuse = |why: &str| Error::input(given, why);
    let metadata = fs::metadata(path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => refuse("there is no such file"),
        io::ErrorKind::PermissionDenied => refuse("no permission to read it"),
        _ => refuse(&error.to_string()),
    })?;
    if metadata.is_dir() {
        return Err(refuse("this is a folder; name the files in it"));
    }
    if !metadata.is_file() {
        return Err(refuse("this is not a regular file"));
    }
    if metadata.len() == 0 {
        return Err(refuse("the file is empty"));
    }
    File::open(path).map_err(|error| refuse(&format!("it can't be read: {error}")))?;
    let path = path.canonicalize().map_err(|error| refuse(&error.to_string()))?;
    let uri = glib::filename_to_uri(&path, None).map_err(|error| refuse(error.message()))?;
    Ok((uri.into(), Some(path)))
}

fn checked_uri(given: &str, scheme: &str, rest: &str) -> Result<String> {
    let scheme = scheme.to_ascii_lowercase();
    if !SCHEMES.contains(&scheme.as_str()) {
        let allowed = SCHEMES.join(", ");
        return Err(Error::input(shown(given), format!("`{scheme}` is not opened; allowed are file, {allowed}")));
    }
    if rest.is_empty() || rest.starts_with('/') || given.chars().any(|c| c.is_control() || c.is_whitespace()) {
        return Err(Error::input(shown(given), "not a URI: it needs a host after ://, and no spaces"));
    }
    Ok(format!("{scheme}://{rest}"))
}

/// Host and path of a URI: no user, password or query, which may hold keys.
fn name(uri: &str) -> String {
    let rest = uri.split_once("://").map_or(uri, |(_, rest)| rest);
    uri::host_and_path(rest).trim_end_matches('/').to_owned()
}

/// What may be printed of an input: a file as it was given.
fn shown(given: &str) -> String {
    let is_file = given.get(..5).is_some_and(|scheme| scheme.eq_ignore_ascii_case("file:"));
    if is_file { given.to_owned() } else { uri::shown(given) }
}

fn sha256(path: &Path) -> io::Result<[u8; 32]> {
    let mut file = File::open(path)?;
    let (mut hasher, mut block) = (Sha256::new(), vec![0; 1 << 20]);
    loop {
        match file.read(&mut block)? {
            0 => return Ok(hasher.finalize().into()),
            read => hasher.update(&block[..read]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_neither_shown_nor_sent() {
        for (uri, named) in [
            ("rtsp://user:pass@cam.example:554/live/1?token=abc", "cam.example:554/live/1"),
            ("https://host/a.m3u8#x", "host/a.m3u8"),
            ("udp://239.0.0.1:5000", "239.0.0.1:5000"),
        ] {
            assert_eq!(name(uri), named);
            assert!(!shown(uri).contains("pass") && !shown(uri).contains("abc"));
        }
    }

    #[test]
    fn only_schemes_of_media_with_a_host_are_opened() {
        let checked = |uri: &str| {
            let (scheme, rest) = uri.split_once("://").unwrap();
            checked_uri(uri, scheme, rest)
        };
        assert_eq!(checked("RTSP://cam/1").unwrap(), "rtsp://cam/1");
        for uri in ["v4l2:///dev/video0", "appsrc://x", "fd://0", "http://", "http:///etc", "rtsp://a b"] {
            assert!(checked(uri).is_err(), "{uri}");
        }
    }
}
