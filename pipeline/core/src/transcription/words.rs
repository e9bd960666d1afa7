// SPDX-License-Identifier: Apache-2.0
//! From tokens to words, and when they may have been said.

use super::Token;
use crate::results::PtsRange;

/// A word of a hypothesis, without times.
#[derive(Clone, Debug, PartialEq)]
pub struct Spoken {
    /// As written.
    pub text: String,
    /// The tokens behind it.
    pub tokens: Vec<u32>,
    /// Mean probability of its tokens.
    pub p: f32,
}

/// Puts tokens together to words: each token that starts with a space starts a word.
pub fn words(tokens: &[Token]) -> Vec<Spoken> {
    let mut groups: Vec<Vec<&Token>> = Vec::new();
    for token in tokens {
        match groups.last_mut() {
            Some(group) if !token.text.starts_with(char::is_whitespace) => group.push(token),
            _ => groups.push(vec![token]),
        }
    }
    groups.iter().filter_map(|group| spoken(group)).collect()
}

/// The word of a group of tokens; none when nothing is left but spaces.
fn spoken(group: &[&Token]) -> Option<Spoken> {
    let text: String = group.iter().map(|token| token.text.as_str()).collect();
    // A mark that is given twice is a slip of the recogniser; only dots may be many.
    let mut last = ' ';
    let once = |c: &char| std::mem::replace(&mut last, *c) != *c || c.is_alphanumeric() || *c == '.';
    let text: String = text.trim().chars().filter(once).collect();
    (!text.is_empty()).then(|| Spoken {
        text,
        tokens: group.iter().map(|token| token.id).collect(),
        p: group.iter().map(|token| token.p).sum::<f32>() / group.len() as f32,
    })
}

/// The word as it is compared: lower case, letters and digits only.
pub fn bare(text: &str) -> String {
    text.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

/// Estimates when words were said: the stretches of speech, end to end, are shared out by the words' lengths in
/// letters. The ranges follow each other without overlapping and lie inside the speech.
///
/// A recogniser without time stamps gives no better; the estimate is within a few hundred milliseconds in fluent
/// speech.
pub fn share_out(lengths: &[usize], speech: &[PtsRange]) -> Vec<PtsRange> {
    // A short word takes more time than its letters say.
    let weight = |length: &usize| *length as u64 + 1;
    let total: u64 = lengths.iter().map(weight).sum::<u64>().max(1);
    let time: u64 = speech.iter().map(span).sum();
    let mut said = 0;
    let at = |part: u64| (u128::from(time) * u128::from(part) / u128::from(total)) as u64;
    lengths
        .iter()
        .map(|length| {
            let start = at(said);
            said += weight(length);
            place(speech, start, at(said))
        })
        .collect()
}

fn span(range: &PtsRange) -> u64 {
    range.end_ns.saturating_sub(range.start_ns)
}

/// Where a range of speaking time lies in PTS: its start is pushed over the pauses, its end isn't.
fn place(speech: &[PtsRange], start: u64, end: u64) -> PtsRange {
    let mut before = 0;
    let mut placed: Option<PtsRange> = None;
    for stretch in speech {
        let length = span(stretch);
        if placed.is_none() && start < before + length {
            let start_ns = stretch.start_ns + (start - before);
            placed = Some(PtsRange { start_ns, end_ns: start_ns });
        }
        if let Some(placed) = &mut placed {
            if end <= before + length {
                placed.end_ns = stretch.start_ns + (end - before);
                break;
            }
            placed.end_ns = stretch.end_ns;
        }
        before += length;
    }
    let last = speech.last().map_or(0, |stretch| stretch.end_ns);
    placed.unwrap_or(PtsRange { start_ns: last, end_ns: last })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn token(text: &str, p: f32) -> Token {
        Token { id: text.len() as u32, text: text.into(), p }
    }

    #[test]
    fn tokens_become_words_and_punctuation_stays_with_them() {
        let words =
            words(&[token(" wis", 0.8), token("dom", 0.6), token(",", 0.7), token(" it", 1.0), token(" ", 0.1)]);
        let texts: Vec<_> = words.iter().map(|word| word.text.as_str()).collect();
        assert_eq!(texts, ["wisdom,", "it"]);
        assert_eq!(super::words(&[token(" short", 1.0), token(",", 1.0), token(",", 1.0)])[0].text, "short,");
        assert!((words[0].p - 0.7).abs() < 1e-6);
        assert_eq!(words[0].tokens, [4, 3, 1]);
    }

    #[test]
    fn words_jump_over_pauses() {
        let speech = [PtsRange { start_ns: 0, end_ns: 100 }, PtsRange { start_ns: 1000, end_ns: 1100 }];
        let times = share_out(&[4, 4], &speech);
        assert_eq!(times, speech);
    }

    proptest! {
        #[test]
        fn times_never_run_backwards_and_stay_inside(
            lengths in prop::collection::vec(0..20usize, 1..40),
            stretches in prop::collection::vec((0..5_000_000_000u64, 1..5_000_000_000u64), 1..20),
        ) {
            let mut now = 0;
            let speech: Vec<_> = stretches.iter().map(|(pause, length)| {
                let start_ns = now + pause;
                now = start_ns + length;
                PtsRange { start_ns, end_ns: now }
            }).collect();
            let times = share_out(&lengths, &speech);
            prop_assert_eq!(times.len(), lengths.len());
            let mut last = speech[0].start_ns;
            for time in &times {
                prop_assert!(time.start_ns >= last && time.end_ns >= time.start_ns);
                last = time.end_ns;
            }
            prop_assert_eq!(last, now);
        }
    }
}
