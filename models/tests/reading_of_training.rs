// SPDX-License-Identifier: Apache-2.0
//! The recogniser that reads lips sees, hears and answers as in training: `tests/data/reading` holds what the training's own
//! code (`polytrain.speech.export --fixture`) made of a glide and some waves; here the product's does.
#![allow(clippy::unwrap_used, reason = "a panic in a test's helper is the report too")]

use polygraph_models::reading::{
    AREA, CARD, Ears, FEATURES, HEARD, LEAD, MARGIN, Reader, SOUND_CARD, STEP, State, Steps, log_mel,
};
use polygraph_models::{Engine, Provider};
use serde::Deserialize;

const STEPS: usize = 30;

#[derive(Deserialize)]
struct Example {
    /// 16 bit samples, hexadecimal.
    samples: String,
    sound_step: usize,
    sound: Vec<f32>,
    heard_step: usize,
    heard: Vec<f32>,
    log_probs: Vec<f32>,
}

fn example(text: &str) -> (Example, Vec<f32>) {
    let example: Example = serde_json::from_str(text).unwrap();
    let sample = |at: usize| u16::from_str_radix(&example.samples[at..at + 4], 16).unwrap() as i16;
    let samples = (0..example.samples.len()).step_by(4).map(|at| f32::from(sample(at)) / 32_768.0).collect();
    (example, samples)
}

/// The mouths of the example: waves that wander.
fn mouth(number: usize) -> impl Iterator<Item = f32> {
    (0..AREA).map(move |at| {
        let (x, y) = ((at % 48) as f64, (at / 48) as f64);
        let wave = ((x + 2.0 * number as f64) / 7.0).sin() * (y / (5.0 + (number % 4) as f64)).cos();
        // As NumPy rounds: halves to even.
        (120.0 + 80.0 * wave).round_ties_even() as f32
    })
}

/// All steps of the example.
fn steps(samples: &[f32]) -> Steps {
    let seen = 0..STEPS + 2 * MARGIN;
    let ears = Ears::load(&Engine::shared(Provider::Cpu).unwrap()).unwrap();
    Steps {
        mouths: seen.clone().flat_map(mouth).collect(),
        mouth_mask: seen.map(|number| if (7..9).contains(&number) { 0.0 } else { 1.0 }).collect(),
        sound: log_mel(samples),
        heard: ears.hear(&samples[LEAD..], 0..STEPS).unwrap(),
        sound_mask: vec![1.0; STEPS],
    }
}

fn reader(card: &str) -> Reader {
    let engine = Engine::shared(Provider::Cpu).unwrap();
    Reader::load(&engine, card).unwrap()
}

fn farthest(ours: impl Iterator<Item = f32>, theirs: &[f32]) -> f32 {
    let ours: Vec<f32> = ours.collect();
    assert_eq!(ours.len(), theirs.len());
    ours.iter().zip(theirs).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

#[test]
fn the_product_hears_as_the_training_does() {
    let (example, samples) = example(include_str!("data/reading/both.json"));
    let Steps { sound, heard, .. } = steps(&samples);
    assert_eq!((sound.len(), heard.len()), (STEPS * FEATURES, STEPS * HEARD));
    let away = farthest(sound.into_iter().step_by(example.sound_step), &example.sound);
    assert!(away < 0.01, "the farthest are {away} apart");
    let away = farthest(heard.into_iter().step_by(example.heard_step), &example.heard);
    assert!(away < 0.01, "what the encoder hears is {away} apart at most");
    assert!(log_mel(&samples[..LEAD + STEP - 1]).is_empty());
}

#[test]
fn a_moment_of_sound_is_heard_with_silence_behind_it() {
    let ears = Ears::load(&Engine::shared(Provider::Cpu).unwrap()).unwrap();
    assert_eq!(ears.hear(&[0.1; 3], 0..2).unwrap().len(), 2 * HEARD);
    assert!(ears.hear(&[], 0..0).unwrap().is_empty());
}

#[test]
fn the_product_reads_as_the_training_does_whatever_the_pieces() {
    for (card, text) in
        [(CARD, include_str!("data/reading/both.json")), (SOUND_CARD, include_str!("data/reading/sound.json"))]
    {
        let (example, samples) = example(text);
        let (reader, steps) = (reader(card), steps(&samples));
        for piece in [STEPS, 7, 1] {
            let (mut state, mut log_probs) = (State::default(), Vec::new());
            for first in (0..STEPS).step_by(piece) {
                let count = piece.min(STEPS - first);
                log_probs.extend(reader.read(&mut state, &steps.part(first..first + count)).unwrap());
            }
            let away = farthest(log_probs.into_iter(), &example.log_probs);
            assert!(away < 0.02, "{card} in pieces of {piece}: the farthest are {away} apart");
        }
    }
}

#[test]
fn steps_that_do_not_fit_are_refused() {
    let (_, samples) = example(include_str!("data/reading/both.json"));
    let reader = reader(CARD);
    let whole = steps(&samples);
    for spoil in [|odd: &mut Steps| odd.mouths.clear(), |odd: &mut Steps| odd.heard.truncate(HEARD)] {
        let mut odd = whole.part(0..3);
        spoil(&mut odd);
        let error = reader.read(&mut State::default(), &odd).unwrap_err();
        assert!(error.to_string().contains("are due"), "{error}");
    }
    assert!(reader.read(&mut State::default(), &whole.part(0..0)).unwrap().is_empty());
    assert_eq!(reader.classes(), 52);
}
