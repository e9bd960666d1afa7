// SPDX-License-Identifier: Apache-2.0
//! Guards against hallucination: a recogniser always finds words, also where nobody spoke.

use super::activity::Utterance;
use super::words::{Spoken, bare};

/// Longest phrase, in words, that is looked for when repetitions are cut.
const LONGEST_PHRASE: usize = 12;

/// What speech and text must reach to be believed.
#[derive(Clone, Debug, PartialEq)]
pub struct Limits {
    /// Least time of speech in an utterance, nanoseconds.
    pub min_speech_ns: u64,
    /// Least speech probability that the utterance's best 250 ms must reach on average.
    pub min_peak: f32,
    /// Least mean probability of the text's tokens.
    pub min_token_p: f32,
    /// Mean speech probability over the windows with speech under which speech is uncertain. Read speech has 0.96 and
    /// more, 0.90 with music as loud as itself; an animal's cries in a cartoon had 0.65 to 0.76.
    pub certain_speech: f32,
    /// Least mean probability of the tokens where speech is uncertain.
    pub min_token_p_uncertain: f32,
    /// Most tokens in a second of speech.
    pub max_tokens_per_second: f32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            min_speech_ns: 250_000_000,
            min_peak: 0.7,
            min_token_p: 0.4,
            certain_speech: 0.85,
            min_token_p_uncertain: 0.75,
            max_tokens_per_second: 14.0,
        }
    }
}

/// Why a text is not believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Doubt {
    /// Too little speech, or none that is certain.
    NoSpeech,
    /// The recogniser itself was unsure, or wrote notes.
    Unsure,
    /// More words than anybody says in that time.
    TooMany,
}

/// Whether an utterance holds enough speech to be listened to at all.
pub fn heard(utterance: &Utterance, limits: &Limits) -> Result<(), Doubt> {
    if utterance.speech_ns() < limits.min_speech_ns || peak(utterance) < limits.min_peak {
        return Err(Doubt::NoSpeech);
    }
    Ok(())
}

/// The best mean speech probability over eight neighbouring windows (256 ms).
fn peak(utterance: &Utterance) -> f32 {
    let ps: Vec<f32> = utterance.windows.iter().map(|window| window.p).collect();
    ps.windows(8.min(ps.len().max(1))).map(|near| near.iter().sum::<f32>() / near.len() as f32).fold(0.0, f32::max)
}

/// Whether a text is believed, given the speech behind it.
pub fn believed(words: &[Spoken], utterance: &Utterance, limits: &Limits) -> Result<(), Doubt> {
    let tokens: usize = words.iter().map(|word| word.tokens.len()).sum();
    let p: f32 = words.iter().map(|word| word.p * word.tokens.len() as f32).sum();
    // Trained on subtitles, a recogniser marks music with notes.
    let certain = mean(utterance.speech().map(|window| window.p)) >= limits.certain_speech;
    let notes = words.iter().any(|word| word.text.contains(['♪', '♫']));
    let least = if certain { limits.min_token_p } else { limits.min_token_p_uncertain };
    if notes || p < least * tokens as f32 {
        return Err(Doubt::Unsure);
    }
    // A word or two may always be said.
    if tokens as f32 > 4.0 + limits.max_tokens_per_second * utterance.speech_ns() as f32 / 1e9 {
        return Err(Doubt::TooMany);
    }
    Ok(())
}

fn mean(values: impl Iterator<Item = f32>) -> f32 {
    let (sum, count) = values.fold((0.0, 0.0), |(sum, count), value| (sum + value, count + 1.0f32));
    sum / count.max(1.0)
}

/// Leaves one of each phrase that is said three times or more in a row (one word: four times), as a recogniser
/// does that has lost its way.
pub fn cut_repeats(words: Vec<Spoken>) -> Vec<Spoken> {
    let keys: Vec<String> = words.iter().map(|word| bare(&word.text)).collect();
    let mut kept: Vec<usize> = Vec::with_capacity(words.len());
    let mut at = 0;
    while at < words.len() {
        let found = (1..=LONGEST_PHRASE).find_map(|length| {
            let times = repeats(&keys[at..], length);
            (times >= if length == 1 { 4 } else { 3 }).then_some((length, times))
        });
        let (length, times) = found.unwrap_or((1, 1));
        kept.extend(at..at + length);
        at += length * times;
    }
    let mut kept = kept.into_iter().peekable();
    let all = words.into_iter().enumerate();
    all.filter_map(|(i, word)| kept.next_if_eq(&i).map(|_| word)).collect()
}

/// How often the first `length` words come in a row.
fn repeats(keys: &[String], length: usize) -> usize {
    let Some(phrase) = keys.get(..length) else { return 1 };
    keys.chunks_exact(length).take_while(|chunk| *chunk == phrase).count()
}

#[cfg(test)]
mod tests {
    use super::super::activity::Heard;
    use super::*;
    use crate::results::PtsRange;
    use proptest::prelude::*;

    fn said(text: &str) -> Vec<Spoken> {
        text.split(' ').map(|word| Spoken { text: word.into(), tokens: vec![1], p: 0.9 }).collect()
    }

    fn text(words: &[Spoken]) -> String {
        words.iter().map(|word| word.text.as_str()).collect::<Vec<_>>().join(" ")
    }

    fn utterance(ps: &[f32]) -> Utterance {
        let heard = |(i, &p): (usize, &f32)| {
            let start_ns = i as u64 * 32_000_000;
            Heard { pts: PtsRange { start_ns, end_ns: start_ns + 32_000_000 }, p, speech: p >= 0.5 }
        };
        Utterance { start_ns: 0, windows: ps.iter().enumerate().map(heard).collect() }
    }

    #[test]
    fn loops_are_cut_and_rhetoric_is_not() {
        let looped = said("so thank you. Thank you thank you, thank you very much");
        assert_eq!(text(&cut_repeats(looped)), "so thank you. very much");
        let passage = "it was the age of wisdom it was the age of foolishness no no no";
        assert_eq!(text(&cut_repeats(said(passage))), passage);
        assert_eq!(text(&cut_repeats(said("la la la la la"))), "la");
    }

    #[test]
    fn speech_must_be_long_and_certain_somewhere() {
        let limits = Limits::default();
        assert_eq!(heard(&utterance(&[0.95; 5]), &limits), Err(Doubt::NoSpeech));
        assert_eq!(heard(&utterance(&[0.6; 60]), &limits), Err(Doubt::NoSpeech));
        assert_eq!(heard(&utterance(&[0.9; 12]), &limits), Ok(()));
    }

    #[test]
    fn an_unsure_or_hasty_text_is_refused() {
        let limits = Limits::default();
        let (certain, uncertain) = (utterance(&[0.95; 32]), utterance(&[0.7; 32]));
        let mut words = said("thanks for watching");
        assert_eq!(believed(&words, &certain, &limits), Ok(()));
        assert_eq!(believed(&words, &uncertain, &limits), Ok(()));
        words.iter_mut().for_each(|word| word.p = 0.6);
        assert_eq!(believed(&words, &certain, &limits), Ok(()));
        assert_eq!(believed(&words, &uncertain, &limits), Err(Doubt::Unsure));
        words.iter_mut().for_each(|word| word.p = 0.2);
        assert_eq!(believed(&words, &certain, &limits), Err(Doubt::Unsure));
        assert_eq!(believed(&said("♪ la ♪"), &certain, &limits), Err(Doubt::Unsure));
        let hasty = said(&"word ".repeat(30));
        assert_eq!(believed(&hasty, &utterance(&[0.95; 16]), &limits), Err(Doubt::TooMany));
    }

    proptest! {
        #[test]
        fn a_cut_text_is_part_of_the_text(letters in "[abc]{1,80}") {
            let words: Vec<_> = letters.chars().map(|c| said(&c.to_string()).remove(0)).collect();
            let cut = cut_repeats(words.clone());
            let mut rest = words.iter();
            prop_assert!(cut.iter().all(|word| rest.any(|other| other == word)));
            let loops = cut_repeats(std::iter::repeat_n(words, 4).flatten().collect());
            prop_assert!(loops.len() <= letters.len() * 4);
        }
    }
}
