// SPDX-License-Identifier: Apache-2.0
//! What stood on the screen in a run: each line once, with the time for which it stood.

use std::fmt;

use serde::Serialize;

use crate::record::Frame;
use crate::screen_text::{TextLine, recognised};

/// Lines that are kept.
const MOST: usize = 2000;
/// Lines that the summary names.
const NAMED: usize = 12;
/// A line that was away for longer has come again.
const GONE_NS: u64 = 3_000_000_000;

/// A line that stood on the screen.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Stood {
    /// Stream time of the first picture in which it was read.
    pub first_ns: u64,
    /// Stream time of the last one.
    pub last_ns: u64,
    /// What it says, as read with the highest score.
    pub text: String,
    /// That score, 0..1; no probability.
    pub score: f32,
}

/// All lines of a run, by when they came.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(transparent)]
pub struct Texts {
    lines: Vec<Stood>,
    /// Places of those that may still stand.
    #[serde(skip)]
    standing: Vec<usize>,
}

impl Texts {
    pub(super) fn take(&mut self, frame: &Frame) {
        let Self { lines, standing } = self;
        standing.retain(|at| frame.pts_ns.saturating_sub(lines[*at].last_ns) <= GONE_NS);
        let texts: Vec<&str> = standing.iter().map(|at| lines[*at].text.as_str()).collect();
        let known = recognised(&texts, &frame.screen_text);
        let known: Vec<_> = known.into_iter().map(|place| place.map(|place| standing[place])).collect();
        for (TextLine { text, score, .. }, known) in frame.screen_text.iter().zip(known) {
            if let Some(at) = known {
                let stood = &mut lines[at];
                stood.last_ns = frame.pts_ns;
                if *score > stood.score {
                    (stood.text, stood.score) = (text.clone(), *score);
                }
            } else if lines.len() < MOST {
                standing.push(lines.len());
                lines.push(Stood { first_ns: frame.pts_ns, last_ns: frame.pts_ns, text: text.clone(), score: *score });
            }
        }
    }

    /// The lines, by when they came.
    pub fn lines(&self) -> &[Stood] {
        &self.lines
    }
}

impl fmt::Display for Texts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.lines.is_empty() {
            return Ok(());
        }
        writeln!(f, "Text on screen: {} lines", self.lines.len())?;
        for stood in self.lines.iter().take(NAMED) {
            let (first, last) = (super::Clock(stood.first_ns), super::Clock(stood.last_ns));
            writeln!(f, "  {first} to {last}  {}", stood.text)?;
        }
        match self.lines.len().saturating_sub(NAMED) {
            0 => Ok(()),
            more => writeln!(f, "  and {more} more"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(tenth: u64, lines: &[(&str, f32)]) -> Frame {
        let line = |(text, score): &(&str, f32)| TextLine {
            text: (*text).to_owned(),
            score: *score,
            rect: [0.0, 0.0, 0.1, 0.1].into(),
        };
        Frame { pts_ns: tenth * 100_000_000, screen_text: lines.iter().map(line).collect(), ..Frame::default() }
    }

    #[test]
    fn a_line_is_told_once_as_it_was_read_best_and_again_when_it_comes_back() {
        let mut texts = Texts::default();
        texts.take(&frame(0, &[("BREAKlNG NEWS", 0.7), ("Weather", 0.9)]));
        texts.take(&frame(10, &[("BREAKING NEWS", 0.95)]));
        texts.take(&frame(20, &[("BREAKING NEW5", 0.6)]));
        texts.take(&frame(45, &[("Weather", 0.9)]));
        let told: Vec<_> = texts.lines().iter().map(|one| (one.text.as_str(), one.first_ns, one.last_ns)).collect();
        let ns = |tenth: u64| tenth * 100_000_000;
        assert_eq!(told, [("BREAKING NEWS", 0, ns(20)), ("Weather", 0, 0), ("Weather", ns(45), ns(45))]);
        assert_eq!(
            texts.to_string(),
            "Text on screen: 3 lines\n  0:00.0 to 0:02.0  BREAKING NEWS\n  0:00.0 to 0:00.0  Weather\n  0:04.5 to 0:04.5  Weather\n"
        );
    }

    #[test]
    fn two_lines_alike_in_one_picture_are_two() {
        let mut texts = Texts::default();
        for tenth in [0, 2] {
            texts.take(&frame(tenth, &[("Goal 1", 0.9), ("Goal 2", 0.9)]));
        }
        assert_eq!(texts.lines().len(), 2);
    }

    #[test]
    fn nothing_was_read_and_nothing_is_said() {
        let mut texts = Texts::default();
        texts.take(&frame(0, &[]));
        assert!(texts.lines().is_empty() && texts.to_string().is_empty());
    }
}
