// SPDX-License-Identifier: Apache-2.0
//! Text that stands in a picture: captions, name straps, tickers, signs.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::geometry::Rect;
use crate::results::NetworkRef;
use crate::wer::edits;

/// A line of text that stands in a picture.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TextLine {
    /// What it says.
    pub text: String,
    /// The mean of its signs' scores, 0..1; no probability.
    pub score: f32,
    /// Where it stands.
    #[serde(rename = "box")]
    pub rect: Rect,
}

/// What was read in the shot's last picture that was looked at.
#[derive(Clone, Debug, PartialEq)]
pub struct TextResults {
    /// The networks looked at this very picture.
    pub analysed: bool,
    /// The lines, in the order in which people read them.
    pub lines: Vec<TextLine>,
    /// The network that finds text, and the one that reads it.
    pub networks: [NetworkRef; 2],
}

/// How alike two lines are that may be one, read twice: 1 less the edits that lead from one to the other, in parts of the longer one
/// (Levenshtein, 1966). Case and space don't count.
pub fn likeness(a: &str, b: &str) -> f64 {
    let plain = |text: &str| text.chars().filter(|sign| !sign.is_whitespace()).flat_map(char::to_lowercase).collect();
    let (a, b): (Vec<char>, Vec<char>) = (plain(a), plain(b));
    let longer = a.len().max(b.len());
    if longer == 0 {
        return 1.0;
    }
    1.0 - edits(&a, &b) as f64 / longer as f64
}

/// As alike as this, two lines are one that was read twice.
const ALIKE: f64 = 0.8;

/// Which of the lines that stand each line of a picture is, by its place: the most alike, and none is two. `None` for one that has come.
pub fn recognised(standing: &[&str], lines: &[TextLine]) -> Vec<Option<usize>> {
    let mut left: Vec<usize> = (0..standing.len()).collect();
    let one = |line: &TextLine| {
        let alike = left.iter().enumerate().map(|(place, at)| (place, likeness(standing[*at], &line.text)));
        let best = alike.filter(|(_, alike)| *alike >= ALIKE).max_by(|a, b| a.1.total_cmp(&b.1));
        best.map(|(place, _)| left.swap_remove(place))
    };
    lines.iter().map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_read_twice_is_told_from_two() {
        assert!(likeness("BREAKING NEWS", "BREAKlNG NEWS") > 0.9);
        assert!((likeness("Live  14:32", "LIVE 14:32") - 1.0).abs() < f64::EPSILON);
        assert!(likeness("BREAKING NEWS", "Weather") < 0.4);
    }
}
