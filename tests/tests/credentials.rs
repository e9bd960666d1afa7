// SPDX-License-Identifier: Apache-2.0
//! Content credentials: clips signed by us, whole, changed and with broken claims, and what `analyze` says of them.

// clippy.toml lets #[test] functions unwrap; here the helpers do too.
#![allow(clippy::unwrap_used)]

use std::fs::{self, File, OpenOptions};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

use c2pa::{Builder, BuilderIntent, EphemeralSigner, Signer, SigningAlg, create_signer};
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
    let mut builder = Builder::default().with_definition(definition.to_string()).unwrap();
    let to = sign(&mut builder, &signer, clip, "signed.mp4");
    let authority = clip.with_file_name("authority.pem");
    fs::write(&authority, pem(signer.certs().unwrap().last().unwrap())).unwrap();
    (to, authority)
}

/// Writes a signed copy beside a clip.
fn sign(builder: &mut Builder, signer: &dyn Signer, clip: &Path, name: &str) -> PathBuf {
    let to = clip.with_file_name(name);
    let mut file = OpenOptions::new().read(true).write(true).create_new(true).open(&to).unwrap();
    builder.sign(signer, "video/mp4", &mut File::open(clip).unwrap(), &mut file).unwrap();
    to
}

/// What somebody else made of a clip, and signed.
fn edited(clip: &Path, name: &str) -> PathBuf {
    let definition = json!({"claim_generator_info": [{"name": "an-editor"}]});
    let mut builder = Builder::default().with_definition(definition.to_string()).unwrap();
    builder.set_intent(BuilderIntent::Edit);
    sign(&mut builder, &EphemeralSigner::new("editor.example").unwrap(), clip, name)
}

/// How an authority signs with `openssl ca`, which is what sets ends to the second.
const AUTHORITY: &str = "[ca]\ndefault_ca = own\n[own]\ndatabase = index.txt\nnew_certs_dir = .\nrand_serial = yes\n\
                         default_md = default\npolicy = any\nx509_extensions = leaf\n[any]\norganizationName = optional\n\
                         commonName = supplied\n[leaf]\nbasicConstraints = critical,CA:false\n\
                         keyUsage = critical,digitalSignature\nextendedKeyUsage = emailProtection\n\
                         authorityKeyIdentifier = keyid\nsubjectKeyIdentifier = hash\n";

fn openssl(folder: &Path, arguments: &str) -> Output {
    Command::new("openssl").args(arguments.split(' ')).current_dir(folder).output().unwrap()
}

/// Somebody whose certificate, `leaf.pem`, ends within seconds.
fn short_lived(folder: &Path) -> Box<dyn Signer> {
    fs::write(folder.join("ca.cnf"), AUTHORITY).unwrap();
    fs::write(folder.join("index.txt"), "").unwrap();
    let then = Command::new("date").args(["-u", "-d", "+5 seconds", "+%Y%m%d%H%M%SZ"]).output().unwrap();
    let end = String::from_utf8(then.stdout).unwrap();
    for arguments in [
        "req -x509 -newkey ed25519 -nodes -keyout ca.key -out ca.pem -days 30 -subj /O=Old/CN=authority -addext keyUsage=critical,keyCertSign",
        "req -newkey ed25519 -nodes -keyout leaf.key -out leaf.csr -subj /O=Old/CN=old.example",
        &format!(
            "ca -batch -notext -config ca.cnf -cert ca.pem -keyfile ca.key -in leaf.csr -out leaf.pem \
             -startdate 20200101000000Z -enddate {}",
            end.trim()
        ),
    ] {
        let made = openssl(folder, arguments);
        assert!(made.status.success(), "{arguments}: {}", String::from_utf8_lossy(&made.stderr));
    }
    let read = |name: &str| fs::read(folder.join(name)).unwrap();
    let chain = [read("leaf.pem"), read("ca.pem")].concat();
    create_signer::from_keys(&chain, &read("leaf.key"), SigningAlg::Ed25519, None).unwrap()
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
fn what_a_clip_was_made_of_counts_as_far_as_it_holds() {
    let folder = tempfile::tempdir().unwrap();
    let (material, _) = signed(&clip(folder.path(), "clip.mp4"));
    let (ran, found, out) = run(&edited(&material, "edited.mp4"), &[]);
    assert_eq!(found["state"], "valid", "{found}");
    assert_eq!((&found["signer"], &found["ingredients"]), (&json!("editor.example"), &json!(1)), "{found}");
    // The editor doesn't say so; who made the material does.
    assert_eq!(found["sources"], json!(["trainedAlgorithmicMedia"]), "{found}");
    assert_eq!(ran.status.code(), Some(3), "the rule was met: {}", ran.stderr);
    assert!(fs::read_to_string(out.join("report.html")).unwrap().contains("generative AI had a part in it"));

    let broken = changed(&material, "broken.mp4", b"mdat", 20_000);
    let (ran, found, _) = run(&edited(&broken, "edited-broken.mp4"), &[]);
    assert_eq!((&found["ingredients"], &found["sources"]), (&json!(1), &Value::Null), "{found}");
    ran.assert_success();
}

#[test]
fn a_certificate_that_has_ended_vouches_for_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let plain = clip(folder.path(), "clip.mp4");
    let signer = short_lived(folder.path());
    let created = json!({"action": "c2pa.created", "digitalSourceType": GENERATED});
    let definition = json!({"assertions": [{"label": "c2pa.actions.v2", "data": {"actions": [created]}}]});
    let mut builder = Builder::default().with_definition(definition.to_string()).unwrap();
    let old = sign(&mut builder, &*signer, &plain, "old.mp4");
    // The second in which it ends is still one of its own.
    let over = || !openssl(folder.path(), "x509 -in leaf.pem -noout -checkend 0").status.success();
    while !over() {
        std::thread::sleep(Duration::from_millis(100));
    }
    std::thread::sleep(Duration::from_secs(1));
    let (ran, found, _) = run(&old, &[]);
    assert_eq!(found, json!({"state": "invalid", "ingredients": 0, "problems": ["signingCredential.expired"]}));
    ran.assert_success();
}

#[test]
fn credentials_that_are_kept_elsewhere_are_not_fetched() {
    let folder = tempfile::tempdir().unwrap();
    let plain = clip(folder.path(), "clip.mp4");
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/clip.c2pa", server.local_addr().unwrap());
    let mut builder = Builder::default();
    builder.set_remote_url(&url).set_no_embed(true);
    let away = sign(&mut builder, &EphemeralSigner::new("desk.example").unwrap(), &plain, "away.mp4");
    let (ran, found, _) = run(&away, &[]);
    ran.assert_success();
    assert_eq!(found["state"], "unreadable", "{found}");
    assert!(found["problems"][0].as_str().unwrap().contains(&url), "{found}");
    server.set_nonblocking(true).unwrap();
    assert!(server.accept().is_err(), "nobody was called");
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
