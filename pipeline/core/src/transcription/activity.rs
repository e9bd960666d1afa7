// SPDX-License-Identifier: Apache-2.0
//! Utterances: where speech begins, pauses and ends, by the speech windows of a voice activity network.

use super::Settings;
use crate::results::{PtsRange, SpeechWindow};

/// Speech begins in a window at least this probable...
const ON: f32 = 0.5;
/// ...and lasts until one falls under this (Silero's own pair of thresholds).
const OFF: f32 = 0.35;

/// A stretch of speech with its short pauses.
#[derive(Clone, Debug, PartialEq)]
pub struct Utterance {
    /// Start, with the sound kept from before the first speech.
    pub start_ns: u64,
    /// The windows since the first with speech.
    pub windows: Vec<Heard>,
}

/// One window of an utterance.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Heard {
    /// The window.
    pub pts: PtsRange,
    /// Speech probability.
    pub p: f32,
    /// Counts as speech, by the two thresholds.
    pub speech: bool,
}

impl Utterance {
    /// End of the last window.
    pub fn heard_ns(&self) -> u64 {
        self.windows.last().map_or(self.start_ns, |window| window.pts.end_ns)
    }

    /// End of the last speech.
    pub fn speech_end_ns(&self) -> u64 {
        self.windows.iter().rev().find(|window| window.speech).map_or(self.start_ns, |window| window.pts.end_ns)
    }

    /// The windows with speech.
    pub fn speech(&self) -> impl DoubleEndedIterator<Item = &Heard> {
        self.windows.iter().filter(|window| window.speech)
    }

    /// Time with speech.
    pub fn speech_ns(&self) -> u64 {
        self.speech().map(|window| window.pts.end_ns.saturating_sub(window.pts.start_ns)).sum()
    }

    /// Whether the last window had speech.
    pub fn speaking(&self) -> bool {
        self.windows.last().is_some_and(|window| window.speech)
    }
}

/// Cuts the stream of speech windows into utterances.
#[derive(Clone, Debug, Default)]
pub struct Segmenter {
    open: Option<Utterance>,
    /// Sound before this belongs to an utterance that is over.
    spent_ns: u64,
}

impl Segmenter {
    /// The utterance that goes on.
    pub fn open(&self) -> Option<&Utterance> {
        self.open.as_ref()
    }

    /// Takes the next window; the utterance that ends with it, by pause or by length, is returned.
    pub fn push(&mut self, window: SpeechWindow, settings: &Settings) -> Option<Utterance> {
        let p = if window.p.is_finite() { window.p } else { 0.0 };
        let speech = p >= if self.open.as_ref().is_some_and(Utterance::speaking) { OFF } else { ON };
        let heard = Heard { pts: window.pts, p, speech };
        // A hole between the windows is a pause like any other.
        let ended = self.advance(window.pts.start_ns, settings);
        match &mut self.open {
            Some(utterance) => utterance.windows.push(heard),
            None if speech => {
                let start_ns = window.pts.start_ns.saturating_sub(settings.pre_roll_ns).max(self.spent_ns);
                self.open = Some(Utterance { start_ns: start_ns.min(window.pts.start_ns), windows: vec![heard] });
            }
            None => return ended,
        }
        ended.or_else(|| self.advance(window.pts.end_ns, settings)).or_else(|| self.split(settings))
    }

    /// Time goes on to `now_ns` without windows.
    pub fn advance(&mut self, now_ns: u64, settings: &Settings) -> Option<Utterance> {
        let end = self.open.as_ref()?.speech_end_ns();
        if now_ns.saturating_sub(end) < settings.min_pause_ns { None } else { self.finish() }
    }

    /// Nothing more will come: ends the utterance that goes on.
    pub fn finish(&mut self) -> Option<Utterance> {
        let utterance = self.open.take()?;
        self.spent_ns = utterance.speech_end_ns();
        Some(utterance)
    }

    /// Splits an utterance that has grown too long at the least speech-like window of its last third.
    fn split(&mut self, settings: &Settings) -> Option<Utterance> {
        let utterance = self.open.as_mut()?;
        if utterance.heard_ns().saturating_sub(utterance.start_ns) < settings.max_utterance_ns {
            return None;
        }
        let count = utterance.windows.len();
        let quietest = (count * 2 / 3..count).min_by(|&a, &b| {
            let p = |i: usize| utterance.windows[i].p;
            p(a).total_cmp(&p(b))
        })?;
        let rest = utterance.windows.split_off(quietest + 1);
        let start_ns = utterance.heard_ns();
        self.spent_ns = start_ns;
        let rest = rest.iter().any(|window| window.speech).then_some(Utterance { start_ns, windows: rest });
        std::mem::replace(&mut self.open, rest)
    }
}

#[cfg(test)]
mod tests {
    use super::super::MS;
    use super::*;
    use proptest::prelude::*;

    fn window(index: u64, p: f32) -> SpeechWindow {
        SpeechWindow { pts: PtsRange { start_ns: index * 32 * MS, end_ns: (index + 1) * 32 * MS }, p }
    }

    fn segment(ps: impl IntoIterator<Item = f32>, settings: &Settings) -> Vec<Utterance> {
        let mut segmenter = Segmenter::default();
        let mut utterances: Vec<_> =
            ps.into_iter().enumerate().filter_map(|(i, p)| segmenter.push(window(i as u64, p), settings)).collect();
        utterances.extend(segmenter.finish());
        utterances
    }

    #[test]
    fn a_pause_ends_an_utterance_and_a_breath_does_not() {
        let ps = [(20, 0.0), (30, 0.9), (10, 0.1), (30, 0.9), (40, 0.0), (30, 0.8)]
            .into_iter()
            .flat_map(|(count, p)| std::iter::repeat_n(p, count));
        let utterances = segment(ps, &Settings::default());
        assert_eq!(utterances.len(), 2);
        assert_eq!(utterances[0].start_ns, 20 * 32 * MS - 256 * MS);
        assert_eq!(utterances[0].speech_end_ns(), 90 * 32 * MS);
        assert_eq!(utterances[0].speech_ns(), 60 * 32 * MS);
    }

    #[test]
    fn a_hole_in_the_windows_is_a_pause() {
        let settings = Settings::default();
        let mut segmenter = Segmenter::default();
        assert!(segmenter.push(window(0, 0.9), &settings).is_none());
        assert!(segmenter.push(window(1000, 0.9), &settings).is_some());
        assert!(segmenter.open().is_some(), "the window after the hole opens the next utterance");
    }

    #[test]
    fn long_speech_is_split_where_it_is_quietest() {
        let settings = Settings { max_utterance_ns: 3_200 * MS, ..Settings::default() };
        let utterances = segment((0..150).map(|i| if i == 80 { 0.4 } else { 0.9 }), &settings);
        assert_eq!(utterances[0].heard_ns(), 81 * 32 * MS);
        assert_eq!(utterances[1].start_ns, 81 * 32 * MS);
    }

    proptest! {
        #[test]
        fn utterances_follow_each_other_and_keep_all_speech(ps in prop::collection::vec(0.0f32..1.0, 0..2000)) {
            let settings = Settings { max_utterance_ns: 5_000 * MS, ..Settings::default() };
            let utterances = segment(ps.iter().copied(), &settings);
            let mut last = 0;
            for utterance in &utterances {
                prop_assert!(utterance.start_ns >= last);
                prop_assert!(utterance.heard_ns() - utterance.start_ns <= settings.max_utterance_ns + 32 * MS);
                last = utterance.speech_end_ns();
            }
            let kept = utterances.iter().flat_map(Utterance::speech).filter(|heard| heard.p >= ON).count();
            prop_assert_eq!(kept, ps.iter().filter(|&&p| p >= ON).count());
        }
    }
}
