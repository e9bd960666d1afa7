// SPDX-License-Identifier: Apache-2.0
//! Cards: the schema that is committed is that of the types, the cards obey it, and hostile ones are refused.

#![allow(clippy::unwrap_used, reason = "a panic in a test is its report")]

use std::{env, fs, path::Path};

use polygraph_models::{Card, card, cards};

const SILERO: &str = include_str!("../cards/silero-vad.toml");

#[test]
fn the_committed_schema_is_that_of_the_types() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("cards/card.schema.json");
    let schema = serde_json::to_string_pretty(&schemars::schema_for!(Card)).unwrap() + "\n";
    if env::var_os("POLYGRAPH_BLESS").is_some() {
        fs::write(&path, &schema).unwrap();
    }
    let committed = fs::read_to_string(&path).unwrap_or_default();
    assert!(committed == schema, "models/cards/card.schema.json is out of date: run the tests with POLYGRAPH_BLESS=1");
}

#[test]
fn every_card_file_is_compiled_in_and_obeys_the_schema() {
    let schema = serde_json::to_value(schemars::schema_for!(Card)).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("cards");
    let mut names = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "toml") {
            let text = fs::read_to_string(&path).unwrap();
            let value: serde_json::Value = toml::from_str(&text).unwrap();
            assert!(validator.is_valid(&value), "{}: {:?}", path.display(), validator.validate(&value));
            let card = Card::from_toml(&text).unwrap();
            assert_eq!(path.file_stem().unwrap().to_str(), Some(&*card.name));
            names.push(card.name);
        }
    }
    names.sort();
    let mut compiled: Vec<_> = cards().iter().map(|card| card.name.clone()).collect();
    compiled.sort();
    assert_eq!(names, compiled);
}

#[test]
fn a_card_survives_writing_and_reading() {
    for card in cards() {
        let text = toml::to_string(card).unwrap();
        assert_eq!(&Card::from_toml(&text).unwrap(), card);
    }
}

#[test]
fn rates_are_those_of_the_default_settings() {
    let calls = |name: &str| card(name).unwrap().rates[0].calls;
    assert_eq!(calls("blazeface-back"), 5.0);
    assert_eq!(calls("silero-vad"), 16_000.0 / 512.0);
}

/// Refuses Silero's card with `from` replaced by `to`, and says `words`.
#[track_caller]
fn refused(from: &str, to: &str, words: &str) {
    assert!(SILERO.contains(from), "the card has no `{from}`");
    let message = Card::from_toml(&SILERO.replacen(from, to, 1)).unwrap_err().to_string();
    assert!(message.contains(words), "`{message}` should say `{words}`");
}

#[test]
fn names_that_would_leave_the_store_are_refused() {
    refused("name = \"silero-vad\"", "name = \"../silero-vad\"", "name `../silero-vad`");
    refused("name = \"silero-vad\"", "name = \"\"", "name ``");
    refused("version = \"6.2.3\"", "version = \"..\"", "version `..`");
    refused("name = \"silero_vad.onnx\"", "name = \"a/b.onnx\"", "plain name without folders");
    refused("name = \"silero_vad.onnx\"", "name = \"/etc/passwd\"", "plain name without folders");
}

#[test]
fn packages_that_a_client_would_take_for_something_else_are_refused() {
    let package = "package = \"silero-vad\"";
    for bad in ["--index-url=evil", "git+https://evil", "../local.whl", "a/b/c", "a b", ""] {
        refused(package, &format!("package = \"{bad}\""), "no package name");
    }
    refused(
        "package = \"silero-vad\"\nversion = \"6.2.3\"",
        "package = \"silero-vad\"\nversion = \">=6\"",
        "no exact version",
    );
}

#[test]
fn digests_sizes_and_roles_are_checked() {
    refused("sha256 = \"1a153a22", "sha256 = \"1A153A22", "64 lower-case hexadecimal");
    refused("archive_sha256 = \"7b7f", "archive_sha256 = \"7b7", "archive_sha256");
    refused("bytes = 2327524", "bytes = 0", "0 bytes");
    refused("role = \"network\"", "role = \"extra\"", "0 files with the role `network`");
}

#[test]
fn tensors_rates_and_variants_are_checked() {
    refused("range = [-1.0, 1.0]", "range = [1.0, -1.0]", "range 1 to -1");
    refused("name = \"state\"", "name = \"input\"", "input `input` is listed twice");
    refused("batch = 1", "", "dimension `batch`");
    refused("calls = 31.25", "calls = 0.0", "no rate");
    refused("file = \"silero_vad.onnx\"", "file = \"other.onnx\"", "`other.onnx`");
}

#[test]
fn unknown_fields_and_values_are_errors_that_say_where() {
    refused("title = ", "tittle = ", "tittle");
    refused("registry = \"pypi\"", "registry = \"ftp\"", "ftp");
    refused("[calibration]", "[calibration]\nsecret = 1", "secret");
    refused("must_accept = false", "", "must_accept");
}
