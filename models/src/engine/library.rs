// SPDX-License-Identifier: Apache-2.0
//! The ONNX Runtime library and its environment: one a process, loaded at run time.

use std::{
    env,
    path::{Path, PathBuf},
    sync::Mutex,
};

use ort::{environment::Environment, logging::LogLevel};

use super::lock;
use crate::{Error, Result, store::Store};

/// The environment of this process and the library it came from. A second store's library isn't loaded: a process
/// has one.
pub(super) fn environment(store: &Store) -> Result<(Environment, PathBuf)> {
    static ENVIRONMENT: Mutex<Option<(Environment, PathBuf)>> = Mutex::new(None);
    let mut held = lock(&ENVIRONMENT);
    if let Some(held) = &*held {
        return Ok(held.clone());
    }
    let path = match env::var_os("ORT_DYLIB_PATH").filter(|path| !path.is_empty()) {
        Some(path) => PathBuf::from(path),
        None => store.verified_runtime()?,
    };
    let environment = load(&path)?;
    *held = Some((environment.clone(), path.clone()));
    Ok((environment, path))
}

fn load(path: &Path) -> Result<Environment> {
    let fail = |reason: String| Error::Library { path: path.to_owned(), reason };
    let builder = ort::init_from(path).map_err(|error| fail(reason(&error)))?;
    let environment = builder
        .with_name("polygraph")
        .with_telemetry(false)
        .build()
        .map_err(|error| fail(error.message().to_owned()))?;
    // Its errors come back as ours; its own lines on stderr are for those who ask for them.
    if env::var_os("ORT_LOG").is_none() {
        environment.set_log_level(LogLevel::Fatal);
    }
    Ok(environment)
}

fn reason(error: &ort::LoadDynamicError) -> String {
    use ort::LoadDynamicError as E;
    match error {
        E::Dlopen { error, .. } => format!("{error}; fetch it with `polygraph models fetch onnxruntime`"),
        E::MissingApi { .. } => "it is another library; point ORT_DYLIB_PATH at libonnxruntime.so or unset it".into(),
        E::BadVersion { version_str, .. } => {
            format!("its version is {version_str}, but 1.{} or later is needed", ort::MINOR_VERSION)
        }
        E::InvalidVersionString => "its version can't be read".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(path: &Path) -> String {
        let message = load(path).unwrap_err().to_string();
        assert!(!message.contains('\n') && message.contains(&path.display().to_string()), "{message}");
        message
    }

    #[test]
    fn a_wrong_or_missing_library_is_one_line_that_says_what_to_do() {
        let folder = tempfile::tempdir().unwrap();
        assert!(message(&folder.path().join("absent.so")).contains("`polygraph models fetch onnxruntime`"));
        let text = folder.path().join("text.so");
        std::fs::write(&text, "not a library").unwrap();
        assert!(message(&text).contains("`polygraph models fetch onnxruntime`"));
        // The C library's own mathematics: a library, but not this one.
        assert!(message(Path::new("libm.so.6")).contains("it is another library"));
    }
}
