// SPDX-License-Identifier: Apache-2.0
//! The repetition guard: greedy decoders that hear nothing fall into loops.

/// The longest phrase that is looked for.
const LONGEST: usize = 16;
/// A phrase said that often in a row is a loop ...
const PHRASES: usize = 3;
/// ... and a single token that often: people do say "no, no, no".
const SINGLES: usize = 6;

/// When the text ends in a loop: the tokens to keep, the looped phrase once.
pub(super) fn sensible(tokens: &[u32]) -> Option<usize> {
    (1..=LONGEST).find_map(|phrase| {
        let times = if phrase == 1 { SINGLES } else { PHRASES };
        let tail = tokens.len().checked_sub(phrase * times)?;
        let mut phrases = tokens[tail..].chunks_exact(phrase);
        let first = phrases.next()?;
        phrases.all(|other| other == first).then_some(tail + phrase)
    })
}

#[cfg(test)]
mod tests {
    use super::sensible;

    #[test]
    fn loops_of_any_length_are_cut_to_one_turn() {
        assert_eq!(sensible(&[7, 8, 5, 5, 5, 5, 5, 5]), Some(3));
        assert_eq!(sensible(&[1, 2, 3, 2, 3, 2, 3]), Some(3));
        let phrase: Vec<u32> = (10..26).collect();
        assert_eq!(sensible(&phrase.repeat(3)), Some(16));
    }

    #[test]
    fn people_repeat_themselves_too() {
        assert_eq!(sensible(&[]), None);
        assert_eq!(sensible(&[5, 5, 5, 5, 5]), None);
        // "it was the best of times it was the worst of times it was the age of wisdom"
        assert_eq!(sensible(&[1, 2, 3, 4, 5, 6, 1, 2, 3, 7, 5, 6, 1, 2, 3, 8, 5, 9]), None);
        assert_eq!(sensible(&[1, 2, 3, 1, 2, 3]), None);
    }
}
