// SPDX-License-Identifier: Apache-2.0
//! The engine with the real library and the real networks of the store.

#![allow(clippy::unwrap_used, reason = "a panic in a test is its report")]

use std::{fs, panic, sync::Arc, thread, time::Duration};

use ndarray::{Array2, Array3, Array4};
use ort::value::TensorRef;
use polygraph_models::{Engine, EngineConfig, Error, Provider, Store, card::Target};

fn engine(provider: Provider, workers: usize) -> Arc<Engine> {
    Arc::new(Engine::open(EngineConfig { store: Store::default_dir(), provider, workers }).unwrap())
}

fn face_scores(session: &mut ort::session::Session) -> polygraph_models::Result<Vec<f32>> {
    let black = Array4::<f32>::from_elem((1, 256, 256, 3), -1.0);
    let outputs = session.run(ort::inputs!["input:0" => TensorRef::from_array_view(&black)?])?;
    Ok(outputs["Identity:0"].try_extract_tensor::<f32>()?.1.to_vec())
}

#[test]
fn every_freely_licensed_network_loads_and_says_what_it_is() {
    let engine = engine(Provider::Cpu, 1);
    for card in polygraph_models::cards().iter().filter(|card| !card.licence.must_accept) {
        let network = engine.load(&card.name).unwrap();
        let identity = network.identity();
        assert_eq!((&identity.name, &identity.version, identity.provider), (&card.name, &card.version, "cpu"));
        assert_eq!(Some(&identity.sha256), card.network().map(|file| &file.sha256));
        let placements = &network.report().placements;
        assert_eq!(placements.len(), 1, "{}", network.report());
        assert_eq!(placements[0].provider, "CPUExecutionProvider");
        assert!(placements[0].nodes > 5, "{}", network.report());
    }
}

#[test]
fn a_network_runs_on_the_callers_thread() {
    let network = engine(Provider::Cpu, 1).load("blazeface-back").unwrap();
    let here = thread::current().id();
    let scores = network
        .run(|session| {
            assert_eq!(thread::current().id(), here);
            face_scores(session)
        })
        .unwrap();
    assert_eq!(scores.len(), 512);
    assert!(scores.iter().all(|score| *score < 0.0), "a face in a black picture");
}

#[test]
fn silero_takes_a_batch() {
    let network = engine(Provider::Cpu, 1).load("silero-vad").unwrap();
    let wave = Array2::<f32>::zeros((3, 576));
    let state = Array3::<f32>::zeros((2, 3, 128));
    let rate = ndarray::arr0(16_000_i64);
    let shape = network
        .run(|session| {
            let outputs = session.run(ort::inputs![
                "input" => TensorRef::from_array_view(&wave)?,
                "state" => TensorRef::from_array_view(&state)?,
                "sr" => TensorRef::from_array_view(&rate)?,
            ])?;
            Ok(outputs["output"].shape().to_vec())
        })
        .unwrap();
    assert_eq!(shape, [3, 1]);
}

#[test]
fn one_load_serves_all_who_ask() {
    let engine = engine(Provider::Cpu, 1);
    let (first, second) = (engine.load("blazeface-back").unwrap(), engine.load("blazeface-back").unwrap());
    assert!(Arc::ptr_eq(&first, &second));
    assert!(Arc::ptr_eq(&Engine::shared(Provider::Cpu).unwrap(), &Engine::shared(Provider::Cpu).unwrap()));
}

#[test]
fn a_busy_network_refuses_at_the_deadline_and_serves_after() {
    let network = engine(Provider::Cpu, 1).load("blazeface-back").unwrap();
    let refused = network.run(|_| network.run_within(Duration::from_millis(1), |_| Ok(()))).unwrap_err();
    assert!(matches!(refused, Error::Busy { .. }), "{refused}");
    assert_eq!(network.run(face_scores).unwrap().len(), 512);
}

#[test]
fn a_panic_in_a_call_costs_no_worker() {
    let network = engine(Provider::Cpu, 1).load("blazeface-back").unwrap();
    let panicked = panic::catch_unwind(panic::AssertUnwindSafe(|| {
        network.run(|_| -> polygraph_models::Result<()> { panic!("in a call (this test's own panic)") })
    }));
    assert!(panicked.is_err());
    assert_eq!(network.run(face_scores).unwrap().len(), 512);
}

#[test]
fn workers_run_side_by_side_with_equal_results() {
    let network = engine(Provider::Cpu, 2).load("blazeface-back").unwrap();
    let alone = network.run(face_scores).unwrap();
    // The inner call needs a second session while the outer one is held.
    let (outer, inner) = network.run(|session| Ok((face_scores(session)?, network.run(face_scores)?))).unwrap();
    assert_eq!((&outer, &inner), (&alone, &alone));
}

#[test]
fn extra_files_are_verified_and_only_those_listed() {
    let network = engine(Provider::Cpu, 1).load("moonshine-tiny-decoder").unwrap();
    assert!(network.extra("tokenizer.bin").unwrap().is_file());
    assert!(network.extra("../tokenizer.bin").is_err());
    assert!(network.extra("decoder_model_merged.ort").is_err(), "the network itself is no extra file");
}

/// These two hold on machines without an NVIDIA GPU, which is where the test command runs.
#[test]
fn a_provider_asked_for_by_name_is_refused_with_what_is_missing() {
    for (provider, library) in [
        (Provider::Cuda, "libonnxruntime_providers_cuda.so"),
        (Provider::TensorRt, "libonnxruntime_providers_tensorrt.so"),
    ] {
        let config = EngineConfig { provider, ..EngineConfig::default() };
        let message = Engine::open(config).unwrap_err().to_string();
        assert!(message.contains(provider.as_str()) && message.contains(library), "{message}");
        assert!(!message.contains('\n'), "{message}");
    }
}

#[test]
fn auto_falls_back_and_says_so() {
    let network = engine(Provider::Auto, 1).load("blazeface-back").unwrap();
    let report = network.report();
    assert_eq!((report.asked, report.actual), (Provider::Auto, Target::Cpu));
    assert!(report.fell_back.as_ref().is_some_and(|why| why.contains("CUDA")), "{report}");
    assert!(report.to_string().contains("fell back"), "{report}");
}

#[test]
fn one_changed_byte_is_refused_by_name_before_the_load() {
    // The library is a process's first one's; networks are each engine's own store's.
    let real = engine(Provider::Cpu, 1);
    let folder = tempfile::tempdir().unwrap();
    let card = polygraph_models::card("blazeface-back").unwrap();
    let store = Store::open(folder.path());
    let path = store.path(card, &card.files[0]);
    let changed = Engine::open(EngineConfig { store: folder.path().into(), provider: Provider::Cpu, workers: 1 });
    let changed = Arc::new(changed.unwrap());
    let missing = changed.load("blazeface-back").unwrap_err();
    assert!(missing.to_string().ends_with("fetch it with `polygraph models fetch blazeface-back`"), "{missing}");
    let mut bytes = fs::read(real.store().path(card, &card.files[0])).unwrap();
    bytes[300_000] ^= 1;
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, &bytes).unwrap();
    let refused = changed.load("blazeface-back").unwrap_err();
    assert!(matches!(&refused, Error::Changed { path: named, .. } if *named == path), "{refused}");
    bytes[300_000] ^= 1;
    fs::write(&path, &bytes).unwrap();
    changed.load("blazeface-back").unwrap();
}
