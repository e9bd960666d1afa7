// SPDX-License-Identifier: Apache-2.0
//! The recogniser with its real network, on a real reader.

#![allow(clippy::unwrap_used)]

mod common;

use std::{cmp::min, sync::LazyLock};

use common::{engine, two_cities, white_noise};
use polygraph_models::{
    Error,
    moonshine::{LONGEST, RATE, Recogniser},
};

/// Charles Dickens, A Tale of Two Cities (1859), public domain.
const PASSAGE: &str = "It was the best of times, it was the worst of times, it was the age of wisdom, it was the age of \
    foolishness, it was the epoch of belief, it was the epoch of incredulity, it was the season of Light, it was the \
    season of Darkness, it was the spring of hope, it was the winter of despair, we had everything before us, we had \
    nothing before us, we were all going direct to Heaven, we were all going direct the other way - in short, the \
    period was so far like the present period, that some of its noisiest authorities insisted on its being received, \
    for good or for evil, in the superlative degree of comparison only.";

static RECOGNISER: LazyLock<Recogniser> = LazyLock::new(|| Recogniser::load(&engine()).unwrap());
static WAVE: LazyLock<Vec<f32>> = LazyLock::new(two_cities);

fn words(text: &str) -> Vec<String> {
    let plain: String = text.chars().map(|c| if c.is_alphanumeric() || c == '\'' { c } else { ' ' }).collect();
    plain.to_lowercase().split_whitespace().map(str::to_owned).collect()
}

/// Levenshtein's distance of words over the words of the reference.
fn word_error_rate(reference: &str, text: &str) -> f32 {
    let (reference, text) = (words(reference), words(text));
    let mut row: Vec<usize> = (0..=text.len()).collect();
    for (i, want) in reference.iter().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, got) in text.iter().enumerate() {
            let replaced = diagonal + usize::from(want != got);
            diagonal = row[j + 1];
            row[j + 1] = min(replaced, 1 + min(row[j], diagonal));
        }
    }
    row[text.len()] as f32 / reference.len() as f32
}

/// Stretches between the quietest moments: each cut is where the sound is lowest 3 to 6 s after the one before.
fn stretches(wave: &[f32]) -> Vec<&[f32]> {
    const HOP: usize = RATE / 10;
    let power = |at: usize| wave[at..min(at + HOP, wave.len())].iter().map(|v| v * v).sum::<f32>();
    let (mut parts, mut start) = (Vec::new(), 0);
    while wave.len() - start > 6 * RATE {
        let cuts = (start + 3 * RATE..start + 6 * RATE).step_by(HOP / 2);
        let cut = cuts.min_by(|a, b| power(*a).total_cmp(&power(*b))).unwrap() + HOP / 2;
        parts.push(&wave[start..cut]);
        start = cut;
    }
    parts.push(&wave[start..]);
    parts
}

#[test]
fn the_passage_is_read_back() {
    let mut text = String::new();
    for part in stretches(&WAVE[RATE..]) {
        let said = RECOGNISER.transcribe(part, &[]).unwrap();
        text = text + " " + &RECOGNISER.text(&said.tokens);
    }
    let rate = word_error_rate(PASSAGE, &text);
    println!("word error rate {:.1} %: {text}", 100.0 * rate);
    assert!(rate < 0.12, "word error rate {:.1} %: {text}", 100.0 * rate);
}

#[test]
fn tokens_have_text_and_probability() {
    let said = RECOGNISER.transcribe(&WAVE[18_000..60_000], &[]).unwrap();
    assert!(said.complete);
    assert!(said.tokens.iter().all(|token| token.p > 0.0 && token.p <= 1.0));
    assert!(said.mean_p() > 0.8 && !said.doubtful(), "{said:?}");
    let text = RECOGNISER.text(&said.tokens);
    assert!(text.starts_with("It was the best of times"), "{text}");
    let joined: String = said.tokens.iter().map(|token| token.text.as_str()).collect();
    assert_eq!(joined.trim_start(), text);
    assert_eq!(said.tokens[0].text, " It");
}

#[test]
fn a_prefix_is_said_first_and_goes_on_as_it_would_have() {
    let wave = &WAVE[18_000..100_000];
    let heard = RECOGNISER.encode(wave).unwrap();
    let free = RECOGNISER.decode(&heard, &[]).unwrap();
    let ids: Vec<u32> = free.tokens.iter().map(|token| token.id).collect();
    for length in [1, 6, ids.len()] {
        assert_eq!(RECOGNISER.decode(&heard, &ids[..length]).unwrap(), free, "prefix of {length}");
    }
    assert_eq!(RECOGNISER.transcribe(wave, &ids[..6]).unwrap(), free);
    // Other words than it would have chosen are said all the same, at their own small probability.
    let other = [ids[0], ids[0]];
    let forced = RECOGNISER.decode(&heard, &other).unwrap();
    assert!(forced.tokens.iter().map(|token| token.id).take(2).eq(other));
    assert!(forced.tokens[1].p < 0.1, "{forced:?}");
}

#[test]
fn where_nobody_speaks_it_is_doubtful_and_short() {
    let hum: Vec<f32> =
        (0..4 * RATE).map(|i| 0.1 * (i as f32 * std::f32::consts::TAU * 100.0 / 16_000.0).sin()).collect();
    for (name, wave) in [
        ("silence", vec![0.0; 4 * RATE]),
        ("noise", white_noise(4 * RATE, 0.2)),
        ("faint noise", white_noise(4 * RATE, 0.002)),
        ("hum", hum),
    ] {
        let said = RECOGNISER.transcribe(&wave, &[]).unwrap();
        assert!(said.doubtful(), "{name}: {said:?}");
        // 6.5 a second and 8 more.
        assert!(said.tokens.len() <= 34, "{name}: {said:?}");
    }
}

#[test]
fn sounds_of_any_length_are_answered_or_refused() {
    assert!(RECOGNISER.transcribe(&[], &[]).unwrap().tokens.is_empty());
    for samples in [1, 100, 894, 895, 4_000, 4_001] {
        let said = RECOGNISER.transcribe(&WAVE[32_000..32_000 + samples], &[]).unwrap();
        assert!(said.tokens.len() <= 10, "{samples}: {said:?}");
    }
    let endless = vec![0.0; LONGEST * RATE + 1];
    assert!(matches!(RECOGNISER.transcribe(&endless, &[]), Err(Error::Sound(_))));
    for rubbish in [f32::NAN, f32::INFINITY] {
        let error = RECOGNISER.transcribe(&[0.0, rubbish], &[]).unwrap_err();
        assert!(error.to_string().contains("sample 1"), "{error}");
    }
}

#[test]
fn prefixes_that_are_no_text_are_refused() {
    for id in [0, 1, 2, 32_768, u32::MAX] {
        let error = RECOGNISER.transcribe(&[0.0; RATE], &[471, id]).unwrap_err();
        assert!(matches!(error, Error::Token { id: bad, vocabulary: 32_768 } if bad == id), "{error}");
    }
}

#[test]
fn both_networks_are_named() {
    assert_eq!(
        RECOGNISER.identities().map(|identity| identity.name.as_str()),
        ["moonshine-tiny-encoder", "moonshine-tiny-decoder"]
    );
}
