// SPDX-License-Identifier: Apache-2.0
//! Speech activity with its real network, on a real reader.

#![allow(clippy::unwrap_used)]

mod common;

use common::{engine, tune, two_cities, white_noise};
use polygraph_models::silero::{VoiceActivity, WINDOW};

fn heard(activity: &mut VoiceActivity, wave: &[f32]) -> Vec<f32> {
    wave.chunks_exact(WINDOW).map(|window| activity.push(window.try_into().unwrap()).unwrap()).collect()
}

fn mean(values: &[f32]) -> f32 {
    values.iter().sum::<f32>() / values.len() as f32
}

#[test]
fn the_reader_speaks_and_pauses() {
    let mut activity = VoiceActivity::load(&engine()).unwrap();
    let p = heard(&mut activity, &two_cities());
    // The reader begins after 1.2 s and speaks the first sentence without a break.
    let second = |from: f32, to: f32| &p[(from * 31.25) as usize..(to * 31.25) as usize];
    assert!(second(0.2, 1.0).iter().all(|p| *p < 0.2), "{:?}", second(0.2, 1.0));
    assert!(mean(second(1.4, 2.8)) > 0.9, "{:?}", second(1.4, 2.8));
    let speech = p.iter().filter(|p| **p > 0.5).count() as f32 / p.len() as f32;
    assert!((0.65..0.85).contains(&speech), "{speech} of the passage");
    assert_eq!(activity.identity().name, "silero-vad");
}

#[test]
fn silence_noise_and_music_are_no_speech() {
    for (name, wave) in [("silence", vec![0.0; 80_000]), ("noise", white_noise(80_000, 0.3)), ("music", tune(80_000))] {
        let p = heard(&mut VoiceActivity::load(&engine()).unwrap(), &wave);
        assert!(p.iter().all(|p| *p < 0.5), "{name}: {p:?}");
    }
}

#[test]
fn reset_is_a_new_stream_and_streams_do_not_mix() {
    let wave = &two_cities()[16_000..64_000];
    let mut first = VoiceActivity::load(&engine()).unwrap();
    let mut second = VoiceActivity::load(&engine()).unwrap();
    let alone = heard(&mut first, wave);
    first.reset();
    let (mut again, mut other) = (Vec::new(), Vec::new());
    for window in wave.chunks_exact(WINDOW) {
        again.extend(heard(&mut first, window));
        other.extend(heard(&mut second, &vec![0.0; WINDOW]));
    }
    assert_eq!(alone, again);
    assert!(other.iter().all(|p| *p < 0.2));
    // Without a reset the end of the stream is still in the state.
    assert_ne!(heard(&mut first, wave), alone);
}

#[test]
fn what_is_no_number_is_silence_and_what_is_loud_is_clipped() {
    let wave = two_cities();
    let mut activity = VoiceActivity::load(&engine()).unwrap();
    let mut silence = VoiceActivity::load(&engine()).unwrap();
    for rubbish in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        let p = activity.push(&[rubbish; WINDOW]).unwrap();
        assert_eq!(p, silence.push(&[0.0; WINDOW]).unwrap());
    }
    activity.push(&[f32::MAX; WINDOW]).unwrap();
    // It goes on hearing.
    assert!(mean(&heard(&mut activity, &wave[22_400..44_800])) > 0.9);
}
