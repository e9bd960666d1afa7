// SPDX-License-Identifier: Apache-2.0
//! Cards: the schema that is committed is that of the types, the cards obey it, and hostile ones are refused.

#![allow(clippy::unwrap_used, reason = "a panic in a test is its report")]

use std::{env, fs, path::Path};

use polygraph_models::{Card, card, card::Source, cards};

const SILERO: &str = include_str!("../cards/silero-vad.toml");
const OWN: &str = include_str!("../cards/face-forensics.toml");

#[test]
fn the_committed_schema_is_that_of_the_types() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("cards/card.schema.json");
    let mut schema = schemars::schema_for!(Card).to_value();
    // One order, whatever the crates of a build ask of serde_json.
    schema.sort_all_objects();
    let schema = serde_json::to_string_pretty(&schema).unwrap() + "\n";
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
    refused("role = \"network\"", "role = \"extra\"", "no file with the role `network`");
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
    refused("registry = \"pypi\"", "registry = \"repository\"", "trained_by");
}

/// Refuses our own card with `from` replaced by `to`, and says `words`.
#[track_caller]
fn own_refused(from: &str, to: &str, words: &str) {
    assert!(OWN.contains(from), "the card has no `{from}`");
    let message = Card::from_toml(&OWN.replacen(from, to, 1)).unwrap_err().to_string();
    assert!(message.contains(words), "`{message}` should say `{words}`");
}

/// A calibration that is right, in the place of whatever the card has.
fn calibrated(numbers: &str) -> String {
    let (before, rest) = OWN.split_once("[calibration]").unwrap();
    let (_, after) = rest.split_once("[quality]").unwrap();
    format!("{before}[calibration]\n{numbers}\nnote = \"of a track\"\n[quality]{after}")
}

#[test]
fn our_own_weights_come_from_the_repository_and_say_what_made_them() {
    let card = card("face-forensics").unwrap();
    assert!(matches!(&card.source, Source::Repository(from) if from.trained_by.starts_with("models/")));
    assert!(card.files.iter().all(|file| file.path == format!("models/weights/{}", file.name)));
    own_refused("trained_by = ", "package = \"x\"\ntrained_by = ", "package");
    own_refused("trained_by = ", "made_by = ", "made_by");
}

#[test]
fn what_may_not_be_sold_says_why() {
    own_refused("commercial_use = \"unclear\"", "commercial_use = \"maybe\"", "maybe");
    own_refused("commercial_use = \"unclear\"", "", "commercial_use");
    own_refused("commercial_reason = ", "# ", "commercial_reason");
    let caveat = card("face-forensics").unwrap().licence.commercial_caveat().unwrap();
    assert!(caveat.starts_with("commercial use unclear: "), "{caveat}");
    assert_eq!(card("silero-vad").unwrap().licence.commercial_caveat(), None);
}

#[test]
fn calibrations_have_the_numbers_of_their_method() {
    let platt = "method = \"platt\"\nscale = 1.5\noffset = -2.0\nthreshold = 0.7\n\
                 at_prevalence = [{ prevalence = 0.01, predictive_value = 0.09, low = 0.05, high = 0.2 }]";
    let read = Card::from_toml(&calibrated(platt)).unwrap().calibration;
    assert_eq!((read.scale, read.offset, read.threshold), (Some(1.5), Some(-2.0), Some(0.7)));
    for (from, to, words) in [
        ("scale = 1.5", "scale = nan", "finite"),
        ("offset = -2.0", "offset = inf", "finite"),
        ("scale = 1.5", "scale = -1.5", "order"),
        ("scale = 1.5\n", "", "needs `scale`"),
        ("offset = -2.0\n", "", "needs `offset`"),
        ("threshold = 0.7", "threshold = 1.7", "0..1"),
        ("threshold = 0.7", "threshold = nan", "0..1"),
        ("method = \"platt\"", "method = \"none\"", "no `scale`"),
        ("method = \"platt\"", "method = \"temperature\"", "no `offset`"),
        ("prevalence = 0.01", "prevalence = 1.01", "prevalence"),
        ("low = 0.05", "low = 0.1", "lie within"),
        ("high = 0.2", "high = nan", "lie within"),
    ] {
        assert!(platt.contains(from), "{from}");
        let message = Card::from_toml(&calibrated(&platt.replacen(from, to, 1))).unwrap_err().to_string();
        assert!(message.contains(words), "{to}: `{message}` should say `{words}`");
    }
    let none = "method = \"none\"\nthreshold = 0.5";
    assert!(Card::from_toml(&calibrated(none)).unwrap_err().to_string().contains("threshold"));
}

#[test]
fn a_figure_lies_in_its_interval() {
    let figure = |value: &str| {
        let (before, _) = OWN.split_once("[quality]").unwrap();
        let text = format!(
            "{before}[quality]\nnote = \"\"\n[[quality.measured]]\nmeasure = \"AUC\"\nvalue = {value}\nlow = 0.8\nhigh = 0.9\n\
             unit = \"\"\ndata = \"\"\ndate = \"2026-11-24\"\ncommit = \"\"\n"
        );
        Card::from_toml(&text)
    };
    let card = figure("0.85").unwrap();
    assert_eq!((card.quality.measured[0].low, card.quality.measured[0].high), (Some(0.8), Some(0.9)));
    for value in ["0.7", "0.95", "nan"] {
        assert!(figure(value).unwrap_err().to_string().contains("AUC"), "{value}");
    }
}
