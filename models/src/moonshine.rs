// SPDX-License-Identifier: Apache-2.0
//! Moonshine Tiny (Jeffries et al., 2024): English speech recognition from the raw wave.
//! (Signatures agreed between the houses; the body is under construction.)

use std::sync::Arc;

use crate::{Engine, Identity, Result};

/// One token of a hypothesis.
#[derive(Clone, Debug, PartialEq)]
pub struct Token {
    /// Index in the vocabulary.
    pub id: u32,
    /// Its text, spaces as spaces.
    pub text: String,
    /// Probability that the network gave it.
    pub p: f32,
}

/// What a stretch of sound says.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Hypothesis {
    /// The tokens without start and end.
    pub tokens: Vec<Token>,
    /// The network ended the text itself; otherwise it was cut at the token limit or by the repetition guard.
    pub complete: bool,
}

/// The recogniser; cheap to share between streams.
pub struct Recogniser {}

impl Recogniser {
    /// Loads encoder, decoder and tokenizer through the engine.
    pub fn load(engine: &Arc<Engine>) -> Result<Self> {
        let _ = engine;
        todo!()
    }

    /// Transcribes 16 kHz mono sound in -1..1, greedily. `prefix` are tokens already committed for the start of
    /// this very sound: the decoder is made to say them first and they are part of the answer.
    pub fn transcribe(&self, wave: &[f32], prefix: &[u32]) -> Result<Hypothesis> {
        let _ = (wave, prefix);
        todo!()
    }

    /// The tokens of a text.
    pub fn text(&self, tokens: &[Token]) -> String {
        let _ = tokens;
        todo!()
    }

    /// Where the text comes from: encoder and decoder.
    pub fn identities(&self) -> [&Identity; 2] {
        todo!()
    }
}
