// SPDX-License-Identifier: Apache-2.0
//! `check`: files against cards, the real networks and very small ones that break one promise each.

#![allow(clippy::unwrap_used, reason = "a panic in a test is its report")]

mod support;

use std::{fs, path::PathBuf};

use polygraph_models::{
    Card, Error, Store, card,
    card::{Dim, Element, Tensor},
    check,
};
use support::{
    Port,
    Size::{Is, Open},
    external_initializer, graph, graph_with,
};

const FLOAT: u64 = 1;
const INT64: u64 = 7;

/// A card that takes `x` in -1..1 and gives `y` in 0..1, both `[batch, 4]` floats.
fn small_card() -> Card {
    let mut small = card("silero-vad").unwrap().clone();
    let tensor = |name: &str, range| Tensor {
        name: name.into(),
        element: Element::Float32,
        shape: vec![Dim::Named("batch".into()), Dim::Fixed(4)],
        range: Some(range),
        meaning: "for a test".into(),
    };
    small.inputs = vec![tensor("x", [-1.0, 1.0])];
    small.outputs = vec![tensor("y", [0.0, 1.0])];
    small.validate().unwrap();
    small
}

fn written(bytes: &[u8]) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("net.onnx");
    fs::write(&path, bytes).unwrap();
    (folder, path)
}

/// What is said of a file against the small card.
fn faults(bytes: &[u8]) -> Vec<String> {
    let (_folder, path) = written(bytes);
    let report = check(&path, &small_card()).unwrap();
    assert!(!report.same_file);
    report.faults
}

fn one_fault(bytes: &[u8], words: &[&str]) {
    let faults = faults(bytes);
    assert_eq!(faults.len(), 1, "{faults:?}");
    assert!(words.iter().all(|word| faults[0].contains(word)), "{faults:?} should say {words:?}");
}

const X: Port<'static> = ("x", FLOAT, &[Open("n"), Is(4)]);
const Y: Port<'static> = ("y", FLOAT, &[Open("n"), Is(4)]);

#[test]
fn the_networks_of_the_store_fit_their_cards() {
    let store = Store::open(Store::default_dir());
    for card in polygraph_models::cards().iter().filter(|card| !card.licence.must_accept) {
        let report = check(&store.path(card, card.network().unwrap()), card).unwrap();
        assert!(report.fits() && report.same_file, "{report}");
    }
}

#[test]
fn another_network_is_told_apart_in_plain_words() {
    let store = Store::open(Store::default_dir());
    let silero = card("silero-vad").unwrap();
    let report = check(&store.path(silero, &silero.files[0]), card("blazeface-back").unwrap()).unwrap();
    let text = report.to_string();
    assert!(!report.fits() && text.contains("doesn't fit card blazeface-back 1.2.0"), "{text}");
    assert!(text.contains("it has no input `input:0`; its inputs are `input`, `state`, `sr`"), "{text}");
    assert!(text.contains("it wants an input `sr` that the card doesn't have"), "{text}");
}

#[test]
fn a_file_of_the_same_contract_fits() {
    assert_eq!(faults(&graph("Sigmoid", &[X], &[Y])), [""; 0]);
    // Sizes that the trial uses may be fixed, and all may be open.
    let fixed: &[_] = &[Is(1), Is(4)];
    assert_eq!(faults(&graph("Sigmoid", &[("x", FLOAT, fixed)], &[("y", FLOAT, fixed)])), [""; 0]);
    let open: &[_] = &[Open("a"), Open("b")];
    assert_eq!(faults(&graph("Sigmoid", &[("x", FLOAT, open)], &[("y", FLOAT, open)])), [""; 0]);
}

#[test]
fn names_types_ranks_and_sizes_are_compared() {
    one_fault(&graph("Sigmoid", &[X], &[("z", FLOAT, Y.2)]), &["no output `y`", "`z`"]);
    one_fault(&graph("Cast", &[], &[]), &["can't be loaded"]);
    let narrow: &[_] = &[Open("n"), Is(3)];
    let found = faults(&graph("Sigmoid", &[("x", FLOAT, narrow)], &[("y", FLOAT, narrow)]));
    assert_eq!(found[0], "input `x` is [any, 3], the card says [batch, 4]");
    assert_eq!(found[1], "output `y` is [any, 3], the card says [batch, 4]");
    let flat: &[_] = &[Is(4)];
    let found = faults(&graph("Sigmoid", &[("x", FLOAT, flat)], &[("y", FLOAT, flat)]));
    assert!(found[0].contains("has 1 dimensions [4], the card says 2 [batch, 4]"), "{found:?}");
    let found = faults(&graph("Abs", &[("x", INT64, X.2)], &[("y", INT64, Y.2)]));
    assert_eq!(found[0], "input `x` is i64, the card says f32");
}

#[test]
fn an_input_too_many_is_named() {
    one_fault(&graph("Max", &[X, ("x2", FLOAT, X.2)], &[Y]), &["wants an input `x2`"]);
}

#[test]
fn outputs_of_the_run_are_judged() {
    one_fault(&graph("Identity", &[X], &[Y]), &["output `y` has a value of -", "the card says 0 to 1"]);
    one_fault(&graph("Sqrt", &[X], &[Y]), &["output `y`", "not numbers"]);
    let open: &[_] = &[Open("a"), Open("b")];
    let turned = faults(&graph("Transpose", &[("x", FLOAT, open)], &[("y", FLOAT, open)]));
    assert_eq!(turned[0], "output `y` came out as [4, 1], the card says [batch, 4]");
}

#[test]
fn what_is_no_onnx_file_is_refused_as_such() {
    for bytes in [&b"not a network"[..], b"<!DOCTYPE html>", &[0xff; 64]] {
        let (_folder, path) = written(bytes);
        match check(&path, &small_card()) {
            Ok(report) => assert!(report.faults[0].contains("can't be loaded"), "{report}"),
            Err(error) => assert!(matches!(error, Error::Refused { .. }), "{error}"),
        }
    }
    assert!(matches!(check("absent.onnx".as_ref(), &small_card()), Err(Error::Io { .. })));
}

#[test]
fn external_data_are_read_from_the_folder_and_never_from_outside() {
    let with =
        |location: &str| graph_with("Max", &[X, ("w", FLOAT, &[Is(1)])], &[Y], &external_initializer("w", location));
    let (folder, path) = written(&with("../weights.bin"));
    let outside = folder.path().parent().unwrap().join("weights.bin");
    let refused = check(&path, &small_card()).unwrap_err().to_string();
    assert!(
        refused.contains("net.onnx is refused") && refused.contains("`../weights.bin` leaves the folder"),
        "{refused}"
    );
    assert!(!outside.exists());
    fs::write(&path, with("weights.bin")).unwrap();
    let weight = folder.path().join("weights.bin");
    fs::write(&weight, 0.5_f32.to_le_bytes()).unwrap();
    assert_eq!(check(&path, &small_card()).unwrap().faults, [""; 0]);
    // It is that file's value that the run uses: 2 is out of the output's range.
    fs::write(&weight, 2.0_f32.to_le_bytes()).unwrap();
    let report = check(&path, &small_card()).unwrap();
    assert_eq!(report.faults, ["output `y` has a value of 2.0000, the card says 0 to 1"]);
}
