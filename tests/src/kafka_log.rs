// SPDX-License-Identifier: Apache-2.0
//! The empty log that a Kafka node starts from.

use std::fs;
use std::path::Path;
use std::process::{self, Command};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::java::java;

/// Kafka's tool that makes one.
pub(crate) const STORAGE_TOOL: &str = "kafka.tools.StorageTool";

/// Makes the log that `server.properties` in a folder ask for, by Kafka's tool, with more arguments of that.
pub(crate) fn format(mut tool: Command, folder: &Path, more: &[String]) {
    let formatted = tool
        .args(["format", "--cluster-id", &fresh_cluster(), "--config"])
        .arg(folder.join("server.properties"))
        .args(more)
        .output()
        .expect("java is missing: apt install default-jre-headless (./dev test does)");
    assert!(formatted.status.success(), "Kafka's log: {}", String::from_utf8_lossy(&formatted.stderr));
}

/// A cluster's id, 22 characters of base64 as Kafka has them. No two clusters have the same: a node that meets another one's
/// at a port, which changed hands, would take it for its own.
pub(crate) fn fresh_cluster() -> String {
    static MADE: AtomicU64 = AtomicU64::new(0);
    format!("{:08x}{:013x}A", process::id(), MADE.fetch_add(1, Ordering::Relaxed))
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
    fn properties(&self, cluster: &str, node: usize) -> String {
        let line = |line: &str| match line.split_once('=') {
            Some(("cluster.id", _)) => format!("cluster.id={cluster}\n"),
            Some(("node.id", _)) => format!("node.id={node}\n"),
            Some(("directory.id", id)) => format!("directory.id={node}{}\n", &id[1..]),
            _ => format!("{line}\n"),
        };
        self.properties.lines().map(line).collect()
    }
}

/// Makes the empty log of a cluster's node in a folder.
pub(crate) fn write_empty(log: &Path, cluster: &str, node: usize) {
    let empty = Empty::get();
    fs::create_dir_all(log).expect("a folder for Kafka's log");
    fs::write(log.join("bootstrap.checkpoint"), &empty.checkpoint).expect("the start of the log");
    fs::write(log.join("meta.properties"), empty.properties(cluster, node)).expect("the log's properties");
}
