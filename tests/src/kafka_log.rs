// SPDX-License-Identifier: Apache-2.0
//! The empty log that a Kafka node starts from.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;

use crate::java::java;

/// Kafka's tool that makes one.
pub(crate) const STORAGE_TOOL: &str = "kafka.tools.StorageTool";

/// Makes the log that `server.properties` in a folder ask for, by Kafka's tool, with more arguments of that.
pub(crate) fn format(mut tool: Command, folder: &Path, more: &[String]) {
    let formatted = tool
        .args(["format", "--cluster-id", "AAAAAAAAAAAAAAAAAAAAAQ", "--config"])
        .arg(folder.join("server.properties"))
        .args(more)
        .output()
        .expect("java is missing: apt install default-jre-headless (./dev test does)");
    assert!(formatted.status.success(), "Kafka's log: {}", String::from_utf8_lossy(&formatted.stderr));
}

/// The files of an empty log.
struct Empty {
    checkpoint: Vec<u8>,
    properties: String,
}

impl Empty {
    /// The tool takes a Java of its own and most of a second, so that what it wrote once is kept.
    fn get() -> &'static Self {
        static EMPTY: OnceLock<Empty> = OnceLock::new();
        EMPTY.get_or_init(|| {
            let folder = tempfile::tempdir().expect("a temporary folder for Kafka");
            let log = folder.path().join("log");
            let text = format!(
                "process.roles=broker,controller\n\
                 node.id=1\n\
                 controller.quorum.voters=1@127.0.0.1:1\n\
                 listeners=PLAINTEXT://127.0.0.1:2,CONTROLLER://127.0.0.1:1\n\
                 controller.listener.names=CONTROLLER\n\
                 log.dirs={}\n",
                log.display()
            );
            fs::write(folder.path().join("server.properties"), text).expect("server.properties");
            format(java(STORAGE_TOOL), folder.path(), &[]);
            Self {
                checkpoint: fs::read(log.join("bootstrap.checkpoint")).expect("the tool writes it"),
                properties: fs::read_to_string(log.join("meta.properties")).expect("the tool writes it"),
            }
        })
    }

    /// The properties of a node's log; no two logs may have the same id, of which a digit more or less is one as well.
    fn properties(&self, node: usize) -> String {
        let line = |line: &str| match line.split_once('=') {
            Some(("node.id", _)) => format!("node.id={node}\n"),
            Some(("directory.id", id)) => format!("directory.id={node}{}\n", &id[1..]),
            _ => format!("{line}\n"),
        };
        self.properties.lines().map(line).collect()
    }
}

/// Makes a node's empty log in a folder.
pub(crate) fn write_empty(log: &Path, node: usize) {
    let empty = Empty::get();
    fs::create_dir_all(log).expect("a folder for Kafka's log");
    fs::write(log.join("bootstrap.checkpoint"), &empty.checkpoint).expect("the start of the log");
    fs::write(log.join("meta.properties"), empty.properties(node)).expect("the log's properties");
}
