// SPDX-License-Identifier: Apache-2.0
//! Word error rate: how far a transcript is from what was said.

/// The edits that turn a reference into a transcript (Levenshtein distance over words).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WordErrors {
    /// Words said that became another word.
    pub substitutions: usize,
    /// Words said that are missing.
    pub deletions: usize,
    /// Words that nobody said.
    pub insertions: usize,
    /// Words said.
    pub words: usize,
}

impl WordErrors {
    /// Compares a transcript with what was said, after [`normalise`].
    pub fn between(reference: &str, transcript: &str) -> Self {
        let (said, heard) = (normalise(reference), normalise(transcript));
        // row[j]: the cheapest edits from the words said so far to the first j words heard.
        let mut row: Vec<Self> = (0..=heard.len()).map(|j| Self { insertions: j, ..Self::default() }).collect();
        for word in &said {
            let mut diagonal = row[0];
            row[0].deletions += 1;
            for (j, other) in heard.iter().enumerate() {
                let mut best = diagonal;
                best.substitutions += usize::from(word != other);
                for (edits, deletion) in [(row[j + 1], true), (row[j], false)] {
                    let mut edited = edits;
                    if deletion {
                        edited.deletions += 1;
                    } else {
                        edited.insertions += 1;
                    }
                    if edited.edits() < best.edits() {
                        best = edited;
                    }
                }
                diagonal = row[j + 1];
                row[j + 1] = best;
            }
        }
        Self { words: said.len(), ..row[heard.len()] }
    }

    /// All edits.
    pub fn edits(&self) -> usize {
        self.substitutions + self.deletions + self.insertions
    }

    /// Edits per word said; may exceed 1. With nothing said: 0 for an empty transcript, else infinite.
    pub fn rate(&self) -> f64 {
        match (self.edits(), self.words) {
            (0, _) => 0.0,
            (_, 0) => f64::INFINITY,
            (edits, words) => edits as f64 / words as f64,
        }
    }
}

/// Levenshtein's distance (1966): the fewest elements that are left out, put in or changed on the way from one list to the other.
pub fn edits<T: PartialEq>(a: &[T], b: &[T]) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (at, sign) in a.iter().enumerate() {
        let mut corner = row[0];
        row[0] = at + 1;
        for (other, wanted) in b.iter().enumerate() {
            let changed = corner + usize::from(sign != wanted);
            corner = row[other + 1];
            row[other + 1] = changed.min(corner + 1).min(row[other] + 1);
        }
    }
    row[b.len()]
}

/// The words of a text in lower case, without punctuation; apostrophes inside words stay, hyphens part words.
pub fn normalise(text: &str) -> Vec<String> {
    text.replace('\u{2019}', "'")
        .to_lowercase()
        .split(|c: char| !(c.is_alphanumeric() || c == '\''))
        .map(|word| word.trim_matches('\'').to_owned())
        .filter(|word| !word.is_empty())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edits_are_the_least_that_are_needed() {
        let edits = |a: &str, b: &str| super::edits(&a.chars().collect::<Vec<_>>(), &b.chars().collect::<Vec<_>>());
        assert_eq!((edits("kitten", "sitting"), edits("", "abc"), edits("abc", ""), edits("abc", "abc")), (3, 3, 3, 0));
    }

    #[test]
    fn case_and_punctuation_are_no_errors() {
        let errors =
            WordErrors::between("It was the best of times, wasn't it?", "it was the best of times wasn\u{2019}t it");
        assert_eq!((errors.edits(), errors.words), (0, 8));
    }

    #[test]
    fn each_kind_of_edit_is_counted() {
        let errors = WordErrors::between("a b c d", "a x c d e");
        assert_eq!(errors, WordErrors { substitutions: 1, deletions: 0, insertions: 1, words: 4 });
        assert_eq!(WordErrors::between("a b c d", "a d").deletions, 2);
        assert_eq!(errors.rate(), 0.5);
    }

    #[test]
    fn text_from_nothing_is_infinitely_wrong() {
        assert_eq!(WordErrors::between("", "").rate(), 0.0);
        assert_eq!(WordErrors::between("", "thank you").rate(), f64::INFINITY);
    }
}
