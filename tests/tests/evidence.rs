// SPDX-License-Identifier: Apache-2.0
//! Evidence of a service: pictures of its incidents and shots, in a folder and in S3, and what becomes of a service whose
//! evidence can't be kept.

// clippy.toml lets #[test] functions unwrap; here the helpers do too.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use polygraph_tests::media::ffmpeg;
use polygraph_tests::service::{Service, configuration};
use serde_json::Value;
use sha2::{Digest, Sha256};

/// What takes longer on the slowest machine hangs.
const DEADLINE: Duration = Duration::from_secs(90);
const BUCKET: &str = "desk";

/// A stream that is black for two of six seconds, again and again, and cuts in between.
fn broken_stream(folder: &Path, more: &str) -> std::path::PathBuf {
    let clip = folder.join("clip.mp4");
    ffmpeg(
        "-i {bikes.mp4} -an -vf fps=25,scale=320:180,drawbox=t=fill:c=black:enable='between(t,2,4)' -t 6 -c:v libx264 -preset ultrafast",
        &clip,
    );
    let stream = format!(
        "[allow]\nfolders = [\"{0}\"]\n[[streams]]\nid = \"cam\"\nuri = \"file://{0}/clip.mp4\"\nloop = true\ntranscript = false\n\
         forensics = false\nlip_sync = false\nscenes = false\nfaults = [\"black\"]\nfault_limits = {{ black_s = 0.8 }}\n",
        folder.display()
    );
    let config = configuration(folder, &stream);
    // Goes on with the section of the store, which is the last.
    fs::write(&config, fs::read_to_string(&config).unwrap() + more).unwrap();
    config
}

/// The first incident that is over.
fn incident(service: &Service) -> Value {
    let mut found = Value::Null;
    service.follow("types=incident", |_, _, event| {
        found = event["data"].clone();
        found["state"] == "close"
    });
    found
}

/// The picture of an incident, when it is there.
fn picture(service: &Service, incident: &Value) -> Vec<u8> {
    let kept = incident["evidence"].as_array().unwrap().iter().find(|one| one["kind"] == "key_frame").unwrap();
    assert_eq!(kept["state"], "kept", "{incident}");
    let began = Instant::now();
    loop {
        // It is written by another thread than the one that told of it.
        let answer = service.ask("GET", kept["path"].as_str().unwrap(), None);
        if answer.status == 200 {
            let sum: String = Sha256::digest(&answer.body).iter().map(|byte| format!("{byte:02x}")).collect();
            assert_eq!(kept["sha256"], sum.as_str());
            return answer.body;
        }
        assert!(answer.status == 404 && began.elapsed() < DEADLINE, "{}", answer.text());
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn an_incident_of_a_service_has_its_picture_until_that_has_expired() {
    let folder = tempfile::tempdir().unwrap();
    let service = Service::start(&broken_stream(folder.path(), ""));
    let told = incident(&service);
    assert_eq!(told["rule"], "fault.black");
    let jpeg = image::load_from_memory(&picture(&service, &told)).unwrap();
    // Pixels are as square as they are shown.
    assert_eq!((jpeg.width(), jpeg.height()), (424, 180));
    let dark = jpeg.into_luma8().pixels().filter(|pixel| pixel.0[0] < 40).count();
    assert!(dark > 424 * 180 / 2, "it shows the fault: {dark} dark pixels");

    let kept: Vec<Value> = service.ask("GET", "/api/v1/incidents?stream=cam", None).json().as_array().unwrap().clone();
    let id = kept.last().unwrap()["incident"].as_str().unwrap().to_owned();
    let path = format!("/api/v1/incidents/{id}");
    assert!(service.ask("GET", &path, None).json()["picture"].as_str().unwrap().contains("incident-"));
    for file in fs::read_dir(folder.path().join("state/evidence/cam")).unwrap() {
        fs::remove_file(file.unwrap().path()).unwrap();
    }
    let later = service.ask("GET", &path, None).json();
    assert_eq!(later["picture"], Value::Null);
    assert!(later["data"]["evidence"].as_array().unwrap().iter().all(|one| one["state"] == "expired"), "{later}");
}

/// An S3 server; killed when dropped.
struct Objects {
    process: Child,
    address: String,
}

impl Objects {
    /// At an address, with an empty bucket.
    fn start(address: &str) -> Self {
        let server = polygraph_tests::home().join("objects-venv/bin/moto_server");
        assert!(server.exists(), "{} is missing: ./dev test fetches it", server.display());
        let (host, port) = address.split_once(':').unwrap();
        let mut process = Command::new("setpriv")
            .args(["--pdeathsig", "KILL"])
            .arg(server)
            .args(["-H", host, "-p", port])
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(process.stderr.take().unwrap()).lines().map_while(Result::ok);
        let line = lines.find(|line| line.contains("Running on http://")).unwrap();
        std::thread::spawn(move || lines.for_each(drop));
        let address = line.rsplit_once("http://").unwrap().1.trim().to_owned();
        let objects = Self { process, address };
        assert!(objects.curl(&["-X", "PUT"], BUCKET).0);
        objects
    }

    fn curl(&self, arguments: &[&str], path: &str) -> (bool, String) {
        let url = format!("http://{}/{path}", self.address);
        let got = Command::new("curl").args(["-sf"]).args(arguments).arg(url).output().unwrap();
        (got.status.success(), String::from_utf8_lossy(&got.stdout).into_owned())
    }
}

impl Drop for Objects {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[test]
fn evidence_goes_to_s3_and_a_bucket_that_is_gone_costs_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let objects = Objects::start("127.0.0.1:0");
    let more = format!(
        "evidence_url = \"s3://{BUCKET}/evidence\"\nevidence_settings = {{ aws_endpoint = \"http://{}\", aws_allow_http = \"true\", \
         aws_access_key_id = \"env:KEY_ID\", aws_secret_access_key = \"env:KEY\", aws_region = \"eu-central-1\" }}\n",
        objects.address
    );
    let config = broken_stream(folder.path(), &more);
    let refused = polygraph_tests::command::start(["run".as_ref(), "--check".as_ref(), config.as_os_str()]).finish();
    assert!(refused.stderr.contains("evidence_settings") && refused.stderr.contains("KEY"), "{}", refused.stderr);

    let service = Service::start_in(&config, &[], &[("KEY_ID", "desk"), ("KEY", "a secret")]);
    assert!(!picture(&service, &incident(&service)).is_empty());
    let names = service.ask("GET", "/api/v1/streams/cam/evidence", None).json();
    let name = names.as_array().unwrap().iter().find(|name| name.as_str().unwrap().contains("incident-")).unwrap();
    let (listed, list) = objects.curl(&[], &format!("{BUCKET}?list-type=2"));
    assert!(listed && list.contains(&format!("<Key>evidence/cam/{}.jpg</Key>", name.as_str().unwrap())), "{list}");
    assert!(!folder.path().join("state/evidence").exists(), "nothing of it is here");

    drop(objects);
    // Incidents go on, and the API says where it failed.
    assert_eq!(incident(&service)["rule"], "fault.black");
    assert_eq!(service.ask("GET", "/healthz", None).status, 200);
}
