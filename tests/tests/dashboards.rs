// SPDX-License-Identifier: Apache-2.0
//! `/metrics` of a running service, and what reads it: promtool, a real Prometheus, the dashboards and the alerts.

// clippy.toml lets #[test] functions unwrap; here the helpers do too.
#![allow(clippy::expect_used, clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use polygraph_tests::service::{Service, configuration, get};
use serde_json::Value;

/// What takes longer on the slowest machine hangs.
const DEADLINE: Duration = Duration::from_secs(90);

/// A service that has analysed something, and found a fault in it.
fn service(folder: &Path) -> Service {
    let stream = "[[streams]]\nid = \"a\"\nuri = \"test://black\"\nanalysis_fps = 2.0\ntranscript = false\n\
                  faults = [\"black\"]\nfault_limits = { black_s = 0.2 }\n";
    let service = Service::start(&configuration(folder, stream));
    // Between two frames that are searched there are others that aren't: they are counted as skipped.
    let (mut frames, mut faults) = (0, 0);
    service.follow("kinds=frame,incident", |_, kind, _| {
        if kind == "frame" {
            frames += 1;
        } else {
            faults += 1;
        }
        frames >= 3 && faults > 0
    });
    // The first request is in the second one's figures.
    service.ask("GET", "/metrics", None);
    service
}

/// Debian's Prometheus: installed, or unpacked by `./dev setup`.
fn tool(name: &str) -> PathBuf {
    let unpacked = polygraph_tests::home().join("prometheus").join(name);
    let path = std::env::var_os("PATH").unwrap_or_default();
    let installed = std::env::split_paths(&path).map(|folder| folder.join(name)).find(|file| file.is_file());
    installed.or_else(|| unpacked.is_file().then_some(unpacked)).expect("Prometheus: ./dev setup fetches it")
}

fn promtool(arguments: &[&str], input: &str) -> Output {
    let mut promtool = Command::new(tool("promtool"))
        .args(arguments)
        .current_dir(polygraph_tests::root().join("dashboards/alerts"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    promtool.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    promtool.wait_with_output().unwrap()
}

fn assert_accepts(arguments: &[&str], input: &str) {
    let output = promtool(arguments, input);
    let said = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
    assert!(output.status.success(), "promtool {arguments:?}: {said}");
}

#[test]
fn metrics_keep_prometheus_conventions_and_say_what_happened() {
    let folder = tempfile::tempdir().unwrap();
    let service = service(folder.path());
    let text = service.ask("GET", "/metrics", None).text();
    let value = |metric: &str, labels: &[&str]| {
        let has = |line: &&str| line.starts_with(metric) && labels.iter().all(|label| line.contains(label));
        let line = text.lines().find(has).unwrap_or_else(|| panic!("no {metric} {labels:?} in {text}"));
        line.rsplit(' ').next().unwrap().parse::<f64>().unwrap()
    };
    assert_eq!(value("polygraph_stream_state{", &["state=\"running\"", "stream=\"a\""]), 1.0);
    assert!(value("polygraph_frames_input_total{", &["polyface"]) > 0.0);
    assert!(value("polygraph_frame_event_delay_seconds_count{", &["stream=\"a\""]) > 0.0);
    assert_eq!(value("polygraph_fault_open{", &["fault=\"black\"", "stream=\"a\""]), 1.0);
    assert_eq!(value("polygraph_faults_total{", &["fault=\"black\"", "stream=\"a\""]), 1.0);
    assert!(value("process_resident_memory_bytes", &[]) > 1e6);
    assert_accepts(&["check", "metrics"], &text);
    assert!(service.end());
}

#[test]
fn dashboards_and_alerts_ask_only_for_metrics_that_a_running_service_has() {
    let folder = tempfile::tempdir().unwrap();
    let service = service(folder.path());
    let text = service.ask("GET", "/metrics", None).text();
    let root = polygraph_tests::root().join("dashboards");
    let mut named = BTreeSet::new();
    for file in ["alerts/service.yml", "grafana/fleet.json", "grafana/stream.json", "grafana/networks.json"] {
        named.extend(metrics_in(&root.join(file)));
    }
    assert!(named.len() > 15 && named.contains("polygraph_faults_total"), "{named:?}");
    for metric in named {
        let is_there = |name: &str| text.contains(&format!("# TYPE {name} "));
        let base = ["_bucket", "_sum", "_count"].iter().find_map(|end| metric.strip_suffix(end));
        assert!(is_there(&metric) || base.is_some_and(is_there), "no metric {metric}");
    }
    assert!(service.end());
}

/// The same of the delivery to Kafka, with brokers that are away.
#[test]
fn those_of_kafka_ask_only_for_metrics_that_a_service_with_kafka_has() {
    // Their reasons come with the first event that is given up.
    const AFTER_A_LOSS: [&str; 2] = ["polygraph_delivery_dead_lettered_total", "polygraph_delivery_dropped_total"];
    let folder = tempfile::tempdir().unwrap();
    let stream =
        "[[streams]]\nid = \"a\"\nuri = \"test://ball\"\ntranscript = false\n\n[kafka]\nbrokers = \"127.0.0.1:9\"\n";
    let service = Service::start(&configuration(folder.path(), stream));
    service.follow("kinds=frame", |_, _, _| true);
    let text = service.ask("GET", "/metrics", None).text();
    let root = polygraph_tests::root().join("dashboards");
    let named: BTreeSet<_> =
        ["alerts/delivery.yml", "grafana/kafka.json"].iter().flat_map(|file| metrics_in(&root.join(file))).collect();
    assert!(named.len() > 6, "{named:?}");
    for metric in named.iter().filter(|metric| !AFTER_A_LOSS.contains(&metric.as_str())) {
        let name = metric.trim_end_matches("_bucket");
        assert!(text.contains(&format!("# TYPE {name} ")), "no metric {metric}");
    }
    assert!(service.end());
}

fn metrics_in(path: &Path) -> BTreeSet<String> {
    let text = fs::read_to_string(path).unwrap_or_else(|err| panic!("{}: {err}", path.display()));
    let word = |c: char| !(c.is_ascii_alphanumeric() || c == '_');
    let ours = |word: &&str| word.starts_with("polygraph_") || word.starts_with("process_");
    text.split(word).filter(ours).map(str::to_owned).collect()
}

#[test]
fn alerts_fire_when_they_should() {
    let alerts = polygraph_tests::root().join("dashboards/alerts");
    let mut tested = 0;
    for file in fs::read_dir(alerts).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()) {
        match file.strip_suffix(".test.yml") {
            Some(_) => assert_accepts(&["test", "rules", &file], ""),
            None => assert_accepts(&["check", "rules", &file], ""),
        }
        tested += usize::from(file.ends_with(".test.yml"));
    }
    assert!(tested > 0, "no rule has a test");
}

/// A Prometheus; killed when dropped.
struct Prometheus(Child);

impl Drop for Prometheus {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_real_prometheus_scrapes_it() {
    let folder = tempfile::tempdir().unwrap();
    let service = service(folder.path());
    let config = folder.path().join("prometheus.yml");
    let target = &service.address;
    let rules = polygraph_tests::root().join("dashboards/alerts/service.yml");
    let text = format!(
        "global: {{ scrape_interval: 1s }}\nrule_files: [\"{}\"]\nscrape_configs:\n  - job_name: polygraph\n    static_configs: [{{ targets: [\"{target}\"] }}]\n",
        rules.display()
    );
    fs::write(&config, text).unwrap();
    // A port that was free a moment ago.
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let log = fs::File::create(folder.path().join("log")).unwrap();
    let _prometheus = Prometheus(
        Command::new("setpriv")
            .args(["--pdeathsig", "KILL"])
            .arg(tool("prometheus"))
            .arg(format!("--config.file={}", config.display()))
            .arg(format!("--storage.tsdb.path={}", folder.path().join("tsdb").display()))
            .arg(format!("--web.listen-address={address}"))
            .stderr(log)
            .spawn()
            .unwrap(),
    );
    let deadline = Instant::now() + DEADLINE;
    let running = loop {
        // Nothing tells when it has scraped; it listens only after a while.
        std::thread::sleep(Duration::from_millis(200));
        assert!(Instant::now() < deadline, "{}", fs::read_to_string(folder.path().join("log")).unwrap());
        if std::net::TcpStream::connect(&address).is_err() {
            continue;
        }
        let answer = get(&address, "/api/v1/query?query=polygraph_stream_state%7Bstate%3D%22running%22%7D");
        let result = serde_json::from_slice::<Value>(&answer.body).unwrap_or_default()["data"]["result"].clone();
        if result.as_array().is_some_and(|result| !result.is_empty()) {
            break result;
        }
    };
    assert_eq!(running[0]["metric"]["stream"], "a");
    assert_eq!(running[0]["value"][1], "1");
    assert!(service.end());
}
