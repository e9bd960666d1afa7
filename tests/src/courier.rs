// SPDX-License-Identifier: Apache-2.0
//! A courier in a process of its own (`delivery-alone`), to be killed.

use std::io::{BufRead, BufReader, Lines};
use std::path::Path;
use std::process::{Child as Process, ChildStdout, Command, Stdio};

use crate::command::beside;

/// A running `delivery-alone`; killed when dropped.
pub struct Child {
    process: Process,
    lines: Lines<BufReader<ChildStdout>>,
    accepted: usize,
}

impl Child {
    /// Starts one that sends `count` frames.
    pub fn start(brokers: &str, spool: &Path, count: usize, settings: &[&str]) -> Self {
        let mut process = Command::new(beside("delivery-alone"))
            .args([brokers, &spool.display().to_string(), &count.to_string(), "120"])
            .args(settings)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .expect("delivery-alone starts");
        let stdout = process.stdout.take().expect("its output");
        Self { process, lines: BufReader::new(stdout).lines(), accepted: 0 }
    }

    /// Waits until it says that so many are in the spool.
    pub fn await_accepted(&mut self, count: usize) {
        while self.accepted < count {
            let line = self.line().unwrap_or_else(|| panic!("it ended before {count} were accepted"));
            self.note(&line);
        }
    }

    /// How many it has said to be in the spool.
    pub fn accepted(&self) -> usize {
        self.accepted
    }

    /// SIGKILL; what it had said before is still heard.
    pub fn kill(&mut self) {
        self.process.kill().expect("it can be killed");
        self.process.wait().expect("it was killed");
        while let Some(line) = self.line() {
            self.note(&line);
        }
    }

    /// Waits for its end; how many records it left in the spool.
    pub fn left(&mut self) -> usize {
        let mut last = String::new();
        while let Some(line) = self.line() {
            last = line;
        }
        let left = last.strip_prefix("left ").unwrap_or_else(|| panic!("it said last: {last}"));
        left.parse().expect("a number")
    }

    fn line(&mut self) -> Option<String> {
        self.lines.next()?.ok()
    }

    fn note(&mut self, line: &str) {
        if let Some(accepted) = line.strip_prefix("accepted ") {
            self.accepted = accepted.parse().expect("a number");
        }
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        // It has mostly ended.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
