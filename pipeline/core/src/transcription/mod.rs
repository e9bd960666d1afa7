// SPDX-License-Identifier: Apache-2.0
//! When to listen to what, and what of the answer to believe: the policy of streaming speech recognition.
//!
//! A recogniser such as Moonshine turns a stretch of sound into text and knows nothing of streams. [`Transcriber`]
//! makes a stream of it: speech windows open and close utterances at pauses ([`activity`]), a running utterance
//! is read again at a fixed interval over a short window behind a prefix that is settled ([`partials`]), and at
//! the pause the whole utterance is read once more, which gives the final; in a live stream it is read while
//! the pause is waited out ([`Settings::ahead`]). [`guard`] refuses text that
//! the sound doesn't support. Everything is driven by PTS: there is no clock and no thread here.
//!
//! ```
//! use polygraph_core::results::{PtsRange, SpeechWindow};
//! use polygraph_core::transcription::{Hypothesis, Settings, Token, Transcriber};
//!
//! let mut transcriber = Transcriber::new(Settings::default());
//! for window in 0..100u64 {
//!     let start_ns = window * 32_000_000;
//!     let p = if window < 60 { 0.9 } else { 0.0 };
//!     transcriber.push_sound(start_ns, &[0.1; 512]);
//!     transcriber.push_speech(SpeechWindow { pts: PtsRange { start_ns, end_ns: start_ns + 32_000_000 }, p });
//!     while let Some(job) = transcriber.poll() {
//!         // A network would listen to `job.wave` here.
//!         let tokens = vec![Token { id: 7, text: " hello".into(), p: 0.9 }];
//!         if let Some(transcript) = transcriber.answer(job, Hypothesis { tokens, complete: true }) {
//!             assert_eq!(transcript.text, "hello");
//!         }
//!     }
//! }
//! ```

pub mod activity;
pub mod guard;
pub mod partials;
pub mod sound;
mod transcriber;
pub mod words;

pub use transcriber::{Job, JobKind, Read, Transcriber};

/// Nanoseconds of a millisecond.
const MS: u64 = 1_000_000;

/// Sample rate of the recogniser and of the speech windows.
pub const RATE: u64 = 16_000;

/// How to cut a stream into utterances and how often to read them.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// Longest time of speech between two partials; 0 asks for finals only.
    pub partial_interval_ns: u64,
    /// Most sound that a partial listens to.
    pub window_ns: u64,
    /// Silence that ends an utterance.
    pub min_pause_ns: u64,
    /// Length at which an utterance is split, pause or not, at its quietest place.
    pub max_utterance_ns: u64,
    /// Sound that is kept from before the first speech window.
    pub pre_roll_ns: u64,
    /// Read what may be the final while the pause is waited out, so that it is told as soon as the pause is long enough: worth
    /// its cost where somebody waits.
    pub ahead: bool,
    /// Where finals are read ahead and lips have a say: how much must have been heard behind the speech for them to be read, too.
    pub lips_ahead_ns: Option<u64>,
    /// What the guards demand.
    pub guard: guard::Limits,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            partial_interval_ns: 500 * MS,
            window_ns: 4_000 * MS,
            min_pause_ns: 600 * MS,
            max_utterance_ns: 15_000 * MS,
            pre_roll_ns: 256 * MS,
            ahead: false,
            lips_ahead_ns: None,
            guard: guard::Limits::default(),
        }
    }
}

/// One token of a recogniser's answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Token {
    /// Index in the vocabulary.
    pub id: u32,
    /// Its text; a word's first token starts with a space.
    pub text: String,
    /// Probability that the recogniser gave it, 0..=1.
    pub p: f32,
}

/// A recogniser's answer.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Hypothesis {
    /// The tokens, those of the job's prefix first.
    pub tokens: Vec<Token>,
    /// The recogniser ended the text itself.
    pub complete: bool,
}
