// SPDX-License-Identifier: Apache-2.0
//! A real browser, headless, for pages of ours.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What a browser made of a page.
#[derive(Debug)]
pub struct Page {
    /// The document after its scripts ran.
    pub dom: String,
    /// What the page wrote to the console, errors of scripts and of the content policy included.
    pub console: Vec<String>,
}

/// Chromium, if it is there: Debian's package, which `./dev test` installs where there is one.
pub fn chromium() -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let names = ["chromium", "chromium-browser", "google-chrome"];
    let found = std::env::split_paths(&path).flat_map(|folder| names.map(|name| folder.join(name)));
    found.into_iter().find(|program| program.is_file())
}

fn headless(chromium: &Path, profile: &Path) -> Command {
    let mut command = Command::new(chromium);
    command
        .args(["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars"])
        .args(["--no-first-run", "--disable-extensions", "--enable-logging=stderr"])
        .arg(format!("--user-data-dir={}", profile.display()))
        .stdin(Stdio::null());
    command
}

/// Opens a page of a file and gives what became of it; fails the test when the browser doesn't end well.
pub fn open(chromium: &Path, page: &Path) -> Page {
    let profile = tempfile::tempdir().expect("a folder for the browser");
    let url = format!("file://{}", page.canonicalize().expect("the page").display());
    let ran = headless(chromium, profile.path()).args(["--dump-dom", &url]).output().expect("the browser");
    let said = String::from_utf8_lossy(&ran.stderr).into_owned();
    assert!(ran.status.success(), "{said}");
    let console = said.lines().filter(|line| line.contains("CONSOLE")).map(str::to_owned).collect();
    Page { dom: String::from_utf8_lossy(&ran.stdout).into_owned(), console }
}

/// A number that the page left in an attribute of its `html` element.
pub fn mark(page: &Page, name: &str) -> Option<f64> {
    let (_, rest) = page.dom.split_once(&format!("data-{name}=\""))?;
    rest.split('"').next()?.parse().ok()
}
