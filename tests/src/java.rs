// SPDX-License-Identifier: Apache-2.0
//! Apache Kafka's jars, and a Java to run them.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use crate::broker::Broker;

const SMALL: [&str; 3] = ["-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"];

/// A small Java that starts fast.
pub fn java(class: &str) -> Command {
    static ARCHIVE: OnceLock<String> = OnceLock::new();
    let archive = ARCHIVE.get_or_init(|| format!("-XX:SharedArchiveFile={}", archive().display()));
    java_with(&[&SMALL[..], &[archive]].concat(), class)
}

/// The classes of a broker as Java keeps them in memory (JEP 350): without it a start takes a third longer. Java does
/// without one that isn't there or is another version's.
fn archive() -> PathBuf {
    let archive = jars().join("classes.jsa");
    if !archive.is_file() {
        let part = archive.with_extension(std::process::id().to_string());
        let written = format!("-XX:ArchiveClassesAtExit={}", part.display());
        Broker::live_once(|class| java_with(&[&SMALL[..], &[&written]].concat(), class));
        // Other processes may do the same at the same time; whose it is doesn't matter.
        let _ = std::fs::rename(part, &archive);
    }
    archive
}

/// A Java as Kafka's own scripts start it for a tool, to be measured against.
pub fn java_as_shipped(class: &str) -> Command {
    let options = ["-Xmx512M", "-server", "-XX:+UseG1GC", "-XX:MaxGCPauseMillis=20"];
    java_with(&[&options[..], &["-XX:InitiatingHeapOccupancyPercent=35"]].concat(), class)
}

/// A Java that the kernel kills when the thread that started it ends: a test that is killed leaves no broker behind.
fn java_with(options: &[&str], class: &str) -> Command {
    let mut java = Command::new("setpriv");
    java.args(["--pdeathsig", "KILL", "java"])
        .args(options)
        .arg("-Dorg.slf4j.simpleLogger.defaultLogLevel=warn")
        .arg("-cp")
        .arg(jars().join("*"))
        .arg(class)
        .stdin(Stdio::null());
    java
}

/// The folder of Kafka's jars.
fn jars() -> &'static Path {
    static JARS: OnceLock<PathBuf> = OnceLock::new();
    JARS.get_or_init(fetched_jars)
}

/// The same, fetched by Maven when they aren't there.
fn fetched_jars() -> PathBuf {
    let pom = crate::root().join("tests/kafka/pom.xml");
    let folder = crate::home().join("kafka").join(version(&pom));
    if !folder.is_dir() {
        // Beside its place, so that a download that breaks off is not taken for the whole.
        let part = folder.with_extension("part");
        let fetched = Command::new("mvn")
            .args(["--batch-mode", "--quiet", "dependency:copy-dependencies", "-f"])
            .arg(&pom)
            .arg(format!("-DoutputDirectory={}", part.display()))
            .status()
            .expect("mvn is missing: apt install maven (./dev test does)");
        assert!(fetched.success(), "Maven could not fetch Apache Kafka (see above): is the network there?");
        std::fs::rename(&part, &folder).expect("Kafka's folder");
    }
    folder
}

/// The version of Kafka in the pom: the first `<version>` after its artifact's name.
fn version(pom: &Path) -> String {
    let text = std::fs::read_to_string(pom).expect("tests/kafka/pom.xml");
    let (_, rest) = text.split_once("<artifactId>kafka_").expect("Kafka in the pom");
    let (_, rest) = rest.split_once("<version>").expect("Kafka's version");
    rest.split_once("</version>").expect("the end of Kafka's version").0.to_owned()
}
