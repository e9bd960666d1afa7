// SPDX-License-Identifier: Apache-2.0
//! Partial texts: a short window that slides behind a prefix which is settled.
//!
//! Each partial listens to the window only. When it is full, the words of its older half that two successive
//! partials agree on (LocalAgreement, Liu et al. 2020; Machácek et al. 2023) are committed and their sound leaves
//! the window. The last committed words stay inside, and the recogniser is made to repeat them first: it then
//! goes on after them, and needs no word boundary at the window's edge.

use super::Settings;
use super::activity::Utterance;
use super::words::{Spoken, bare, share_out};
use crate::results::PtsRange;

/// Speech that the first partial waits for at most, and how soon and how often it is tried again while so little gives nothing to
/// tell: it is what people wait for.
const FIRST_NS: u64 = 360_000_000;
const AGAIN_NS: u64 = 100_000_000;
const AGAIN: u32 = 4;

/// Committed words whose sound stays in the window, to be repeated by the recogniser.
const REPEATED: usize = 2;

/// A word with the time at which it may have been said.
#[derive(Clone, Debug, PartialEq)]
pub struct Timed {
    /// The word.
    pub word: Spoken,
    /// Estimated.
    pub pts: PtsRange,
}

/// The partials of one utterance.
#[derive(Clone, Debug)]
pub struct Partials {
    committed: Vec<Timed>,
    /// The last partial's words behind the committed ones.
    tail: Vec<Timed>,
    /// So many words of the tail were said alike by the partial before.
    stable: usize,
    window_start_ns: u64,
    /// Committed words the recogniser repeats.
    repeated: usize,
    last_ns: u64,
    tries: u32,
}

impl Partials {
    /// Nothing has been read of an utterance.
    pub fn new(utterance: &Utterance) -> Self {
        let start_ns = utterance.windows.first().map_or(utterance.start_ns, |window| window.pts.start_ns);
        Self {
            committed: Vec::new(),
            tail: Vec::new(),
            stable: 0,
            window_start_ns: utterance.start_ns,
            repeated: 0,
            last_ns: start_ns,
            tries: 0,
        }
    }

    /// Whether the next partial must be read now, so that the interval isn't overrun by the next speech window; `told`: something has been
    /// told of the utterance.
    pub fn due(&self, utterance: &Utterance, told: bool, settings: &Settings) -> bool {
        let Some(last) = utterance.windows.last() else { return false };
        let window = last.pts.end_ns.saturating_sub(last.pts.start_ns);
        let next = last.pts.end_ns + window;
        let soonest = match self.tries {
            0 => FIRST_NS,
            1..=AGAIN if !told => AGAIN_NS,
            _ => u64::MAX,
        };
        let interval = settings.partial_interval_ns.min(soonest);
        interval > 0 && utterance.speaking() && next.saturating_sub(self.last_ns) > interval
    }

    /// Slides the window so that it ends at `now_ns`: returns the sound to listen to and the tokens to repeat.
    pub fn begin(&mut self, now_ns: u64, settings: &Settings) -> (PtsRange, Vec<u32>) {
        self.last_ns = now_ns;
        self.tries = self.tries.saturating_add(1);
        if now_ns.saturating_sub(self.window_start_ns) > settings.window_ns {
            self.slide(now_ns, settings.window_ns);
        }
        let repeated = &self.committed[self.committed.len() - self.repeated..];
        let prefix = repeated.iter().flat_map(|timed| timed.word.tokens.iter().copied()).collect();
        (PtsRange { start_ns: self.window_start_ns, end_ns: now_ns }, prefix)
    }

    /// Commits the older half of the window.
    fn slide(&mut self, now_ns: u64, window_ns: u64) {
        let half = now_ns.saturating_sub(window_ns / 2);
        let earliest = now_ns.saturating_sub(window_ns);
        // What lies before `earliest` goes in any case, agreed on or not.
        let leaving = self.tail.iter().take_while(|timed| timed.pts.start_ns < earliest).count();
        let older = self.tail.iter().take_while(|timed| timed.pts.end_ns <= half).count();
        let count = older.min(self.stable).max(leaving);
        self.committed.extend(self.tail.drain(..count));
        self.stable = self.stable.saturating_sub(count);
        let recent = self.committed.iter().rev().take(REPEATED);
        self.repeated = recent.take_while(|timed| timed.pts.start_ns >= earliest).count();
        let first = self.committed.len() - self.repeated;
        let kept = self.committed[first..].iter().chain(&self.tail).next();
        self.window_start_ns =
            kept.map_or(earliest, |timed| timed.pts.start_ns.max(earliest)).max(self.window_start_ns);
    }

    /// Takes what the recogniser said of the window that [`Partials::begin`] gave out.
    pub fn answer(&mut self, words: Vec<Spoken>, utterance: &Utterance) {
        let mut words = words;
        words.drain(..self.repeated.min(words.len()));
        self.drop_echo(&mut words);
        let alike = words.iter().zip(&self.tail).take_while(|(new, old)| bare(&new.text) == bare(&old.word.text));
        self.stable = alike.count();
        let from = self.committed.last().map_or(self.window_start_ns, |timed| timed.pts.end_ns);
        let speech: Vec<PtsRange> = utterance
            .speech()
            .filter(|window| window.pts.end_ns > from)
            .map(|window| PtsRange { start_ns: window.pts.start_ns.max(from), end_ns: window.pts.end_ns })
            .collect();
        let times = share_out(&lengths(words.iter()), &speech);
        self.tail = words.into_iter().zip(times).map(|(word, pts)| Timed { word, pts }).collect();
    }

    /// Leaves out words that are the committed ones once more: their sound reached into the window.
    fn drop_echo(&self, words: &mut Vec<Spoken>) {
        let echo = (1..=3.min(self.committed.len()).min(words.len())).rev().find(|&count| {
            let end = &self.committed[self.committed.len() - count..];
            end.iter().zip(words.iter()).all(|(old, new)| bare(&old.word.text) == bare(&new.text))
        });
        words.drain(..echo.unwrap_or(0));
    }

    /// The text so far: the committed words and the last partial's.
    pub fn words(&self) -> impl Iterator<Item = &Timed> {
        self.committed.iter().chain(&self.tail)
    }

    /// What is told of it: words that two partials agree on, and one more. The last word is told only when agreed on, for it is
    /// the one that the window's end may have cut off; but the very first is, for somebody speaks. Read speech so keeps 98 % of
    /// what is told.
    pub fn told(&self) -> impl Iterator<Item = &Timed> {
        let new = (self.stable + 1).min(self.tail.len().saturating_sub(1)).max(self.stable);
        let first = usize::from(self.committed.is_empty());
        self.committed.iter().chain(self.tail.iter().take(new.max(first)))
    }

    /// The committed words, which no later partial revises.
    pub fn committed(&self) -> &[Timed] {
        &self.committed
    }
}

/// Lengths of words in letters.
pub fn lengths<'a>(words: impl Iterator<Item = &'a Spoken>) -> Vec<usize> {
    words.map(|word| bare(&word.text).chars().count()).collect()
}

#[cfg(test)]
mod tests {
    use super::super::MS;
    use super::super::activity::Heard;
    use super::*;

    fn speech(until: u64) -> Utterance {
        let heard =
            |i: u64| Heard { pts: PtsRange { start_ns: i * 32 * MS, end_ns: (i + 1) * 32 * MS }, p: 0.9, speech: true };
        Utterance { start_ns: 0, windows: (0..until).map(heard).collect() }
    }

    /// Four words a second are said: word `n` from `n * 250` ms on.
    fn hear(window: PtsRange) -> Vec<Spoken> {
        let quarter = 250 * MS;
        (window.start_ns.div_ceil(quarter)..window.end_ns / quarter)
            .map(|n| Spoken { text: format!("word{n:04}"), tokens: vec![n as u32], p: 0.9 })
            .collect()
    }

    #[test]
    fn a_minute_of_speech_is_read_through_a_window_of_four_seconds() {
        let settings = Settings::default();
        let mut partials = Partials::new(&speech(1));
        let mut committed = Vec::new();
        for windows in 1..1875 {
            let utterance = speech(windows);
            if !partials.due(&utterance, true, &settings) {
                continue;
            }
            let (window, prefix) = partials.begin(utterance.heard_ns(), &settings);
            assert!(window.end_ns - window.start_ns <= settings.window_ns);
            let mut words: Vec<_> =
                prefix.iter().map(|&n| Spoken { text: format!("word{n:04}"), tokens: vec![n], p: 0.9 }).collect();
            let known = prefix.last().map_or(0, |n| n + 1);
            words.extend(hear(window).into_iter().filter(|word| word.tokens[0] >= known));
            partials.answer(words, &utterance);
            assert!(partials.committed().starts_with(&committed), "committed words are never revised");
            committed = partials.committed().to_vec();
        }
        let said: Vec<_> = partials.words().map(|timed| timed.word.tokens[0]).collect();
        let all: Vec<_> = (0..said.len() as u32).collect();
        assert_eq!(said, all, "no word is lost or doubled");
        assert!(said.len() > 235, "{}", said.len());
        assert!(committed.len() > 200, "{}", committed.len());
        // The estimates stay close to the truth, or the window would slide away from the words.
        for timed in partials.words() {
            assert!(timed.pts.start_ns.abs_diff(u64::from(timed.word.tokens[0]) * 250 * MS) < 500 * MS);
        }
    }

    #[test]
    fn a_word_is_told_when_agreed_on_or_next_in_line_but_not_cut_off() {
        let mut partials = Partials::new(&speech(1));
        let mut told = |texts: &[&str]| {
            let utterance = speech(60);
            partials.begin(utterance.heard_ns(), &Settings::default());
            let word = |text: &&str| Spoken { text: (*text).to_owned(), tokens: vec![1], p: 0.9 };
            partials.answer(texts.iter().map(word).collect(), &utterance);
            partials.told().map(|timed| timed.word.text.clone()).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(told(&["set"]), "set", "somebody speaks");
        assert_eq!(told(&["set", "blue", "wit"]), "set blue");
        assert_eq!(told(&["set", "blew", "with", "a"]), "set blew", "one word beyond what both said");
        assert_eq!(told(&["set", "blue"]), "set");
        assert_eq!(told(&["set", "blue"]), "set blue", "both said all of it");
    }

    #[test]
    fn partials_are_due_before_the_interval_is_over() {
        let settings = Settings::default();
        let mut partials = Partials::new(&speech(1));
        let mut last = 0;
        for windows in 1..200 {
            let utterance = speech(windows);
            if partials.due(&utterance, true, &settings) {
                let now = utterance.heard_ns();
                assert!(now - last <= 500 * MS);
                last = now;
                partials.begin(now, &settings);
            }
        }
        assert!(last > 5_500 * MS);
    }
}
