// SPDX-License-Identifier: Apache-2.0
//! The ordinary clients, `pip` and `npm`, run as programs of their own: they know the user's proxies and mirrors.

use std::{
    ffi::OsString,
    fs,
    io::{self, ErrorKind},
    path::{Path, PathBuf},
    process::{Command, ExitStatus, Stdio},
    thread,
    time::Duration,
};

use crate::card::{Package, Registry};

/// How the clients are started: alternatives, each a program with its first arguments.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Clients {
    /// For PyPI packages.
    pub pip: Vec<Vec<OsString>>,
    /// For npm packages.
    pub npm: Vec<Vec<OsString>>,
}

impl Default for Clients {
    /// `python3 -m pip`, else `pip3`, else `pip`; `npm`.
    fn default() -> Self {
        let command = |words: &[&str]| words.iter().map(OsString::from).collect::<Vec<_>>();
        Self {
            pip: vec![command(&["python3", "-m", "pip"]), command(&["pip3"]), command(&["pip"])],
            npm: vec![command(&["npm"])],
        }
    }
}

impl Clients {
    /// Downloads the archive of a package into `folder`, which must be empty, and gives its path. `report` is told
    /// the bytes that have come so far.
    ///
    /// # Errors
    /// One line: the client is missing, the network can't be reached, there is no room, or what the client said.
    pub(super) fn download(
        &self,
        registry: Registry,
        source: &Package,
        folder: &Path,
        report: &mut dyn FnMut(u64),
    ) -> Result<PathBuf, String> {
        let (target, scratch, log) = (folder.join("archive"), folder.join("scratch"), folder.join("log"));
        let prepare = || -> io::Result<()> {
            fs::create_dir(&target)?;
            fs::create_dir(&scratch)
        };
        prepare().map_err(|error| in_words(&error.to_string(), source))?;
        let mut command = match registry {
            Registry::Pypi => pip(&self.pip, source, &target)?,
            Registry::Npm => npm(&self.npm, source, &target)?,
        };
        // Temporary files belong into the store too: it is where room was made, and their growth is the progress.
        command.env("TMPDIR", &scratch).env("npm_config_cache", scratch.join("npm"));
        let status = watch(&mut command, &log, &target, &scratch, report)
            .map_err(|error| in_words(&error.to_string(), source))?;
        if !status.success() {
            let said = fs::read(&log).map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
            return Err(in_words(&said.unwrap_or_default(), source));
        }
        only_file(&target).ok_or_else(|| format!("the client gave no archive of {} {}", source.package, source.version))
    }
}

fn pip(alternatives: &[Vec<OsString>], source: &Package, target: &Path) -> Result<Command, String> {
    let mut command = first_that_runs(alternatives)
        .ok_or("pip is missing; install it with `apt-get install python3-pip` and try again")?;
    command.args(["download", "--no-deps", "--only-binary=:all:", "--no-cache-dir"]);
    command.args(["--disable-pip-version-check", "--no-input", "--progress-bar=off", "--retries=2", "--timeout=30"]);
    if let Some(wheel) = &source.wheel {
        command.args(["--implementation=cp".into(), format!("--python-version={}", wheel.python)]);
        command.args([format!("--abi={}", wheel.abi), format!("--platform={}", wheel.platform)]);
    }
    command.arg("--dest").arg(target).arg(format!("{}=={}", source.package, source.version));
    Ok(command)
}

fn npm(alternatives: &[Vec<OsString>], source: &Package, target: &Path) -> Result<Command, String> {
    let mut command =
        first_that_runs(alternatives).ok_or("npm is missing; install it with `apt-get install npm` and try again")?;
    command.args(["pack", "--ignore-scripts", "--no-update-notifier", "--fetch-retries=2", "--fetch-timeout=60000"]);
    command.arg("--pack-destination").arg(target).arg(format!("{}@{}", source.package, source.version));
    Ok(command)
}

/// The first alternative that is installed: a Python without pip is there and fails all the same.
fn first_that_runs(alternatives: &[Vec<OsString>]) -> Option<Command> {
    alternatives.iter().find_map(|words| {
        let (program, first) = words.split_first()?;
        let mut probe = Command::new(program);
        probe.args(first).arg("--version").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        probe.status().ok().filter(ExitStatus::success)?;
        let mut command = Command::new(program);
        command.args(first);
        Some(command)
    })
}

/// Runs the client to its end and reports how much has come. Its words go to a file, so that no full pipe stops it.
fn watch(
    command: &mut Command,
    log: &Path,
    target: &Path,
    scratch: &Path,
    report: &mut dyn FnMut(u64),
) -> io::Result<ExitStatus> {
    let out = fs::File::create(log)?;
    let mut child = command.stdin(Stdio::null()).stdout(out.try_clone()?).stderr(out).spawn()?;
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(status);
        }
        report(largest(target).max(largest(scratch)));
        thread::sleep(Duration::from_millis(100));
    }
}

/// Size of the largest file under a folder: the archive as it grows.
fn largest(folder: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(folder) else { return 0 };
    let size = |entry: fs::DirEntry| match entry.file_type() {
        Ok(kind) if kind.is_dir() => largest(&entry.path()),
        Ok(_) => entry.metadata().map_or(0, |metadata| metadata.len()),
        Err(_) => 0,
    };
    entries.flatten().map(size).max().unwrap_or(0)
}

fn only_file(folder: &Path) -> Option<PathBuf> {
    let mut files = fs::read_dir(folder).ok()?.flatten().map(|entry| entry.path());
    files.next().filter(|_| files.next().is_none())
}

/// What a client said, as one line that says what to do.
fn in_words(said: &str, source: &Package) -> String {
    let has = |signs: &[&str]| signs.iter().any(|sign| said.contains(sign));
    if has(&["No space left", "Errno 28", "ENOSPC", "Disk quota exceeded", "EDQUOT"]) {
        let megabytes = (2 * source.archive_bytes).div_ceil(1_000_000);
        return format!("no room on the disk; make {megabytes} MB and try again");
    }
    if has(&[
        "NewConnectionError",
        "Name or service not known",
        "Temporary failure in name resolution",
        "Cannot connect to proxy",
        "Read timed out",
        "ConnectTimeout",
        "ENOTFOUND",
        "EAI_AGAIN",
        "ECONNREFUSED",
        "ETIMEDOUT",
        "ENETUNREACH",
    ]) {
        return "the network can't be reached; connect, or copy the store from a machine that has it".to_owned();
    }
    let error = said
        .lines()
        .rev()
        .find(|line| line.contains("ERROR:") || line.contains("npm error") || line.contains("npm ERR!"));
    let line = error.or_else(|| said.lines().rev().find(|line| !line.trim().is_empty())).unwrap_or("it said nothing");
    line.trim().to_owned()
}

/// Whether an I/O error means a full disk.
pub(super) fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source() -> Package {
        Package {
            package: "some-net".into(),
            version: "1.0".into(),
            archive_sha256: String::new(),
            archive_bytes: 56_000_000,
            wheel: None,
        }
    }

    #[test]
    fn failures_become_one_line_that_helps() {
        let pip = "WARNING: Retrying ... NewConnectionError('<pip...>: Failed to establish')\nERROR: No matching distribution";
        assert!(in_words(pip, &source()).contains("network can't be reached"));
        let npm = "npm error code EAI_AGAIN\nnpm error syscall getaddrinfo";
        assert!(in_words(npm, &source()).contains("network can't be reached"));
        let full = "ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device";
        assert!(in_words(full, &source()).contains("112 MB"));
        let other = "Looking\nERROR: No matching distribution found for some-net==1.0\n\n[notice] news";
        assert_eq!(in_words(other, &source()), "ERROR: No matching distribution found for some-net==1.0");
        assert_eq!(in_words("", &source()), "it said nothing");
    }
}
