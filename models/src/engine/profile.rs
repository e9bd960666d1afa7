// SPDX-License-Identifier: Apache-2.0
//! Node counts from ONNX Runtime's profile of one run, for graphs whose placement it doesn't record.

use std::{collections::BTreeMap, fs, path::PathBuf};

use ort::session::Session;
use serde::Deserialize;
use tempfile::TempDir;

use super::provider::{self, Placement};
use crate::{Error, Result};

/// A folder that a profile is written to, and that goes with it.
pub(super) struct Profile {
    folder: TempDir,
}

/// One event of the profile (Chrome's trace event format), as far as it is needed.
#[derive(Deserialize)]
struct Event {
    cat: String,
    name: String,
    #[serde(default)]
    args: BTreeMap<String, serde_json::Value>,
}

impl Profile {
    pub(super) fn new() -> Result<Self> {
        let folder = tempfile::tempdir().map_err(Error::io(std::env::temp_dir()))?;
        Ok(Self { folder })
    }

    /// What ONNX Runtime begins the file's name with.
    pub(super) fn prefix(&self) -> PathBuf {
        self.folder.path().join("profile")
    }

    /// Ends the profile; the session goes on without one. Counts the nodes that ran, by provider: those of a branch
    /// not taken are not among them.
    pub(super) fn end(self, session: &mut Session) -> Result<Vec<Placement>> {
        let path = PathBuf::from(session.end_profiling()?);
        let text = fs::read(&path).map_err(Error::io(&path))?;
        count(&text).map_err(|error| Error::Runtime(format!("its profile can't be read: {error}")))
    }
}

fn count(text: &[u8]) -> serde_json::Result<Vec<Placement>> {
    let events: Vec<Event> = serde_json::from_slice(text)?;
    let mut nodes = BTreeMap::new();
    for event in &events {
        if let (Some(serde_json::Value::String(provider)), "Node") = (event.args.get("provider"), event.cat.as_str()) {
            // A node has up to three events; one in a loop has many.
            let name = event
                .name
                .trim_end_matches("_kernel_time")
                .trim_end_matches("_fence_before")
                .trim_end_matches("_fence_after");
            nodes.insert(name, provider.clone());
        }
    }
    Ok(provider::by_provider(nodes.into_values().map(|provider| (provider, 1))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_node_counts_once_for_its_provider() {
        let text = br#"[
            {"cat": "Session", "name": "model_run", "args": {}},
            {"cat": "Node", "name": "a_fence_before", "args": {"op_name": "Conv"}},
            {"cat": "Node", "name": "a_kernel_time", "args": {"provider": "CUDAExecutionProvider"}},
            {"cat": "Node", "name": "a_kernel_time", "args": {"provider": "CUDAExecutionProvider"}},
            {"cat": "Node", "name": "b_kernel_time", "args": {"provider": "CUDAExecutionProvider"}},
            {"cat": "Node", "name": "c_kernel_time", "args": {"provider": "CPUExecutionProvider"}}
        ]"#;
        let placed = count(text).unwrap().into_iter().map(|placement| (placement.provider, placement.nodes));
        let expected = [("CUDAExecutionProvider".to_owned(), 2), ("CPUExecutionProvider".to_owned(), 1)];
        assert_eq!(placed.collect::<Vec<_>>(), expected);
        assert!(count(b"[{").is_err());
    }
}
