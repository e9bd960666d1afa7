// SPDX-License-Identifier: Apache-2.0
//! The batcher with a real network: joined requests get what each would get alone.

#![allow(clippy::unwrap_used, reason = "a panic in a test is its report")]

use std::{f32::consts::TAU, sync::Arc, thread, time::Duration};

use ndarray::ArrayD;
use polygraph_models::{
    Engine, EngineConfig, Error, Provider,
    batch::{BatchOptions, Batcher, NetworkBatch, RunBatch as _},
    silero::{VoiceActivity, WINDOW},
};

const LONG: Duration = Duration::from_secs(60);

fn engine() -> Arc<Engine> {
    Arc::new(Engine::open(EngineConfig { provider: Provider::Cpu, ..EngineConfig::default() }).unwrap())
}

/// One window of a tone, and a new stream's state.
fn request(hertz: f32) -> Vec<ArrayD<f32>> {
    let wave = (0..576).map(|i| 0.5 * (TAU * hertz * i as f32 / 16_000.0).sin()).collect();
    let wave = ArrayD::from_shape_vec(vec![1, 576], wave).unwrap();
    vec![wave, ArrayD::zeros(vec![2, 1, 128])]
}

#[test]
fn a_batch_of_silero_gives_each_stream_its_own_answer() {
    const TONES: [f32; 4] = [110.0, 220.0, 1000.0, 4000.0];
    let network = engine().load("silero-vad").unwrap();
    let mut alone = NetworkBatch::new(network.clone()).unwrap();
    let expected: Vec<_> = TONES.iter().map(|hertz| alone.run(vec![request(*hertz)]).unwrap().remove(0)).collect();
    let before = network.runs();
    // Only a full batch ends a wait of an hour: four streams, one run.
    let options = BatchOptions { size: TONES.len(), wait: Duration::from_secs(3600), queue: 16 };
    let batcher = Batcher::start(NetworkBatch::new(network.clone()).unwrap(), options).unwrap();
    let answers: Vec<_> = thread::scope(|scope| {
        let calls: Vec<_> =
            TONES.iter().map(|hertz| scope.spawn(|| batcher.call(request(*hertz), LONG).unwrap())).collect();
        calls.into_iter().map(|call| call.join().unwrap()).collect()
    });
    assert_eq!(network.runs() - before, 1);
    for (answer, expected) in answers.iter().zip(&expected) {
        assert_eq!(answer.iter().map(ArrayD::shape).collect::<Vec<_>>(), [&[1, 1][..], &[2, 1, 128]]);
        let differences = answer.iter().flatten().zip(expected.iter().flatten()).map(|(a, b)| (a - b).abs());
        assert!(differences.fold(0.0, f32::max) < 1e-5);
    }
    let scores: Vec<_> = expected.iter().map(|answer| answer[0][[0, 0]]).collect();
    assert!(scores.windows(2).all(|pair| pair[0] != pair[1]), "the streams can't be told apart: {scores:?}");
}

#[test]
fn a_network_of_one_fixed_size_says_that_it_has_no_batches() {
    let network = engine().load("blazeface-back").unwrap();
    let refused = NetworkBatch::new(network).unwrap_err();
    assert!(matches!(refused, Error::Card { .. }) && refused.to_string().contains("input:0"), "{refused}");
}

#[test]
fn streams_through_a_batcher_hear_what_they_hear_alone() {
    let network = engine().load("silero-vad").unwrap();
    let wave = |stream: usize, window: usize| -> [f32; WINDOW] {
        std::array::from_fn(|i| ((i + window * 31) * (stream + 3) % 97) as f32 / 97.0 - 0.5)
    };
    let listen = |stream: usize, mut activity: VoiceActivity| -> Vec<f32> {
        (0..8).map(|window| activity.push(&wave(stream, window)).unwrap()).collect()
    };
    let options = BatchOptions { size: 3, wait: Duration::from_millis(5), queue: 16 };
    let batcher = Arc::new(Batcher::start(NetworkBatch::new(network.clone()).unwrap(), options).unwrap());
    thread::scope(|scope| {
        for stream in 0..3 {
            let alone = listen(stream, VoiceActivity::new(network.clone(), None));
            let joined = VoiceActivity::new(network.clone(), Some(batcher.clone()));
            scope.spawn(move || {
                let together = listen(stream, joined);
                let differ = alone.iter().zip(&together).any(|(a, b)| (a - b).abs() > 1e-4);
                assert!(!differ, "{alone:?} {together:?}");
            });
        }
    });
}

#[test]
fn the_processor_has_no_batcher() {
    assert!(engine().batcher("silero-vad").unwrap().is_none());
}

#[test]
fn requests_that_do_not_match_are_an_error_and_no_panic() {
    let mut batch = NetworkBatch::new(engine().load("silero-vad").unwrap()).unwrap();
    assert!(batch.run(vec![vec![]]).is_err());
    assert!(batch.run(vec![request(100.0), vec![ArrayD::zeros(vec![1, 99]), ArrayD::zeros(vec![2, 1, 128])]]).is_err());
}
