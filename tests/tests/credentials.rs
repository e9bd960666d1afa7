// SPDX-License-Identifier: Apache-2.0
//! Content credentials: clips signed by us, whole, changed and with broken claims, and what `analyze` says of them.

// clippy.toml lets #[test] functions unwrap; here the helpers do too.
#![allow(clippy::unwrap_used)]

use std::fs::{self, File, OpenOptions};
use std::path::{Path, PathBuf};

use c2pa::{Builder, EphemeralSigner, Signer};
use polygraph_core::event::{Kind, schema};
use polygraph_tests::command::{Run, analyze};
use polygraph_tests::events::Events;
use polygraph_tests::media;
use serde_json::{Value, json};

const GENERATED: &str = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia";
/// Ends `analyze` with 3 where a file says that it is generated.
const RULE: &str = "[[rule]]\nname = \"says-so\"\nabout = \"stream\"\nwhen = 'credentials.generated'\nactions = [\"exit\"]\n\
                    message = \"{credentials.signer} says that it is generated\"\n";

fn clip(folder: &Path, name: &str) -> PathBuf {
    let clip = folder.join(name);
    media::ffmpeg("-i {carphone_pristine.mp4} -frames:v 30 -an -c:v libx264 -preset ultrafast", &clip);
    clip
}

/// A signed copy of a clip, and the certificate of the authority behind the signer.
fn signed(clip: &Path) -> (PathBuf, PathBuf) {
    let signer = EphemeralSigner::new("desk.example").unwrap();
    let created = json!({"action": "c2pa.created", "digitalSourceType": GENERATED});
    let definition = json!({
        // What would clear a terminal is told without its control characters.
        "claim_generator_info": [{"name": "a-generator\u{1b}[2J", "version": "1"}],
        "assertions": [{"label": "c2pa.actions.v2", "data": {"actions": [created]}}],
    });
    let to = clip.with_file_name("signed.mp4");
    let mut file = OpenOptions::new().read(true).write(true).create_new(true).open(&to).unwrap();
    let mut builder = Builder::default().with_definition(definition.to_string()).unwrap();
    builder.sign(&signer, "video/mp4", &mut File::open(clip).unwrap(), &mut file).unwrap();
    let authority = clip.with_file_name("authority.pem");
    fs::write(&authority, pem(signer.certs().unwrap().last().unwrap())).unwrap();
    (to, authority)
}

fn pem(certificate: &[u8]) -> String {
    use base64::prelude::{BASE64_STANDARD, Engine};
    let text = BASE64_STANDARD.encode(certificate);
    let lines: Vec<_> = text.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
    format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", lines.join("\n"))
}

/// A copy with one byte changed, so far behind the first place where these bytes stand.
fn changed(clip: &Path, name: &str, mark: &[u8], behind: usize) -> PathBuf {
    let mut bytes = fs::read(clip).unwrap();
    let at = bytes.windows(mark.len()).position(|window| window == mark).unwrap() + behind;
    bytes[at] ^= 0x55;
    let to = clip.with_file_name(name);
    fs::write(&to, bytes).unwrap();
    to
}

/// Analyses it for its faces only, by the rule.
fn run(clip: &Path, more: &[&str]) -> (Run, Value, PathBuf) {
    let folder = clip.parent().unwrap();
    let rules = folder.join("rules.toml");
    fs::write(&rules, RULE).unwrap();
    let out = folder.join(format!("out-{}-{}", clip.file_name().unwrap().display(), more.len()));
    let arguments = [&["--rules", rules.to_str().unwrap(), "--no-scenes"], more].concat();
    let run = analyze(clip, &out, &arguments).finish();
    let events = Events::read(&out.join("events.ndjson"));
    events.assert_sane();
    let started = events.0.iter().find(|event| event["data"]["state"] == "started").unwrap();
    let schema = jsonschema::validator_for(&schema::of_data(Kind::Stream)).unwrap();
    assert!(schema.is_valid(&started["data"]), "{started}");
    let summary: Value = serde_json::from_str(&fs::read_to_string(out.join("summary.json")).unwrap()).unwrap();
    assert_eq!(started["data"]["provenance"], summary["provenance"], "one answer in both");
    (run, summary["provenance"].clone(), out)
}

#[test]
fn a_signed_clip_is_told_with_its_claims_and_trusted_only_by_the_user_s_list() {
    let folder = tempfile::tempdir().unwrap();
    let (clip, authority) = signed(&clip(folder.path(), "clip.mp4"));
    let (ran, found, out) = run(&clip, &[]);
    assert_eq!(ran.status.code(), Some(3), "the rule was met: {found}, {}", ran.stderr);
    assert_eq!(found["state"], "valid", "{found}");
    assert_eq!(found["signer"], "desk.example");
    assert_eq!(found["generator"], "a-generator [2J");
    assert_eq!((&found["actions"], &found["sources"]), (&json!(["c2pa.created"]), &json!(["trainedAlgorithmicMedia"])));
    let report = fs::read_to_string(out.join("report.html")).unwrap();
    assert!(report.contains("Content credentials") && report.contains("no authority of yours vouches for that"));
    let events = fs::read_to_string(out.join("events.ndjson")).unwrap();
    assert!(events.contains("desk.example says that it is generated"));

    let (_, found, _) = run(&clip, &["--trust-anchors", authority.to_str().unwrap()]);
    assert_eq!(found["state"], "trusted", "{found}");
}

#[test]
fn what_was_changed_after_it_was_signed_is_told_and_claims_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (clip, authority) = signed(&clip(folder.path(), "clip.mp4"));
    let trust = ["--trust-anchors", authority.to_str().unwrap()];
    // A picture; the claims themselves.
    for (name, mark, behind, problem) in [
        ("picture.mp4", &b"mdat"[..], 20_000, "assertion.bmffHash.mismatch"),
        ("claim.mp4", b"a-generator", 3, "claimSignature.mismatch"),
    ] {
        let (ran, found, _) = run(&changed(&clip, name, mark, behind), &trust);
        assert_eq!(found, json!({"state": "changed", "ingredients": 0, "problems": [problem]}), "{name}");
        ran.assert_success();
    }
}

#[test]
fn a_clip_without_credentials_is_analysed_as_ever() {
    let folder = tempfile::tempdir().unwrap();
    let (ran, found, _) = run(&clip(folder.path(), "clip.mp4"), &[]);
    ran.assert_success();
    assert_eq!(found, json!({"state": "none", "ingredients": 0}));
    // C2PA knows no credentials in Matroska.
    let (ran, found, _) = run(&clip(folder.path(), "clip.mkv"), &[]);
    ran.assert_success();
    assert_eq!(found, Value::Null);
}

#[test]
fn a_list_of_authorities_that_is_none_is_one_clear_line() {
    let folder = tempfile::tempdir().unwrap();
    let list = folder.path().join("list.pem");
    for (text, says) in [
        ("no certificate".to_owned(), "no certificate in PEM is in it"),
        (pem(b"no DER"), "certificate 1 in it is broken"),
    ] {
        fs::write(&list, text).unwrap();
        let run = analyze("clip.mp4", folder.path(), &["--trust-anchors", list.to_str().unwrap()]).finish();
        assert!(run.error_line().contains(says), "{run:?}");
    }
}
