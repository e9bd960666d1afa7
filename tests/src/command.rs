// SPDX-License-Identifier: Apache-2.0
//! Runs the command that users run.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::events::Events;

/// A run that takes longer hangs.
const DEADLINE: Duration = Duration::from_secs(240);

/// The command, which lies beside the folder of the test binaries.
pub fn polygraph() -> PathBuf {
    let tests = std::env::current_exe().expect("the test's own path");
    let command = tests.ancestors().nth(2).expect("target/release/deps").join("polygraph");
    assert!(command.is_file(), "{} is not built: cargo build --release -p polygraph", command.display());
    command
}

/// Another program of ours, which lies beside the one that runs or beside its folder.
pub fn beside(name: &str) -> PathBuf {
    let own = std::env::current_exe().expect("the program's own path");
    let found = own.ancestors().skip(1).take(2).map(|folder| folder.join(name)).find(|program| program.is_file());
    found.unwrap_or_else(|| panic!("{name} is not built: cargo build --release -p polygraph-tests"))
}

/// How a run ended.
#[derive(Debug)]
pub struct Run {
    /// Its exit status.
    pub status: ExitStatus,
    /// What it said to scripts.
    pub stdout: String,
    /// What it said to people.
    pub stderr: String,
}

impl Run {
    /// The one line that tells what went wrong; fails the test if there is none, or more.
    pub fn error_line(&self) -> &str {
        assert!(!self.status.success(), "the run did not fail: {self:?}");
        let lines: Vec<_> = self.stderr.lines().filter(|line| !line.trim().is_empty()).collect();
        assert_eq!(lines.len(), 1, "not one line:\n{}", self.stderr);
        lines[0]
    }

    /// Fails the test unless the run was a success.
    pub fn assert_success(&self) {
        assert!(self.status.success(), "{}: {}", self.status, self.stderr);
    }
}

/// A run that is under way; killed when dropped.
pub struct Running {
    child: Child,
    stdout: Option<JoinHandle<String>>,
    stderr: Option<JoinHandle<String>>,
}

/// Starts the command with these arguments.
pub fn start<I: AsRef<std::ffi::OsStr>>(arguments: impl IntoIterator<Item = I>) -> Running {
    let mut child = Command::new(polygraph())
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the command starts");
    let stdout = child.stdout.take().map(collect);
    let stderr = child.stderr.take().map(collect);
    Running { child, stdout, stderr }
}

fn collect(mut pipe: impl Read + Send + 'static) -> JoinHandle<String> {
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        pipe.read_to_end(&mut bytes).expect("the command's output");
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

impl Running {
    /// Waits for its end; a run that hangs is killed and fails the test.
    pub fn finish(mut self) -> Run {
        let deadline = Instant::now() + DEADLINE;
        let status = loop {
            if let Some(status) = self.child.try_wait().expect("the state of a child") {
                break status;
            }
            assert!(Instant::now() < deadline, "the command has not ended in {DEADLINE:?}");
            // std has no wait with a deadline.
            std::thread::sleep(Duration::from_millis(20));
        };
        let text =
            |pipe: Option<JoinHandle<String>>| pipe.map(|pipe| pipe.join().expect("a reader")).unwrap_or_default();
        Run { status, stdout: text(self.stdout.take()), stderr: text(self.stderr.take()) }
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Whether it has not ended.
    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().expect("the state of a child").is_none()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It has mostly ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// `polygraph analyze INPUT --out OUT --quiet` and more arguments.
pub fn analyze(input: impl AsRef<Path>, out: &Path, more: &[&str]) -> Running {
    let mut arguments: Vec<&std::ffi::OsStr> = vec!["analyze".as_ref(), input.as_ref().as_os_str()];
    arguments.extend(["--out".as_ref(), out.as_os_str(), "--quiet".as_ref()]);
    arguments.extend(more.iter().map(|more| std::ffi::OsStr::new(*more)));
    start(arguments)
}

/// The events of a run that must succeed.
pub fn analyzed(input: impl AsRef<Path>, more: &[&str]) -> Events {
    let out = tempfile::tempdir().expect("a temporary folder");
    analyze(input.as_ref(), out.path(), more).finish().assert_success();
    Events::read(&out.path().join("events.ndjson"))
}
