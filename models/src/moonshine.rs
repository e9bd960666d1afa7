// SPDX-License-Identifier: Apache-2.0
//! Moonshine Tiny (Jeffries et al., 2024): English speech recognition from the raw wave.
//!
//! The network always says something, so a caller needs speech activity before it and a look at the answer after it.
//! Measured: of 212 s of a music video with singing, cut into 4 s, Silero passes no stretch as mostly speech, while
//! [`Hypothesis::mean_p`] alone would pass 15 of 53 as loose lyrics (0.7 and more). Silence, noise and hum give the one
//! word "You" or a loop of figures at 0.11 to 0.69. Readers have a mean of 0.84 over stretches of 4 s, 0.73 over 2 s
//! and 0.65 over 1 s: cut words cost probability, so the mean of a short stretch says little.

mod decoder;
mod repeats;
mod tokenizer;

use std::{borrow::Cow, sync::Arc};

use ort::{
    session::Session,
    value::{DynValue, Tensor, TensorRef},
};

use crate::{Engine, Error, Identity, Network, Result};
use decoder::Decoder;
use tokenizer::Vocabulary;

/// Samples a second that the network hears.
pub const RATE: usize = 16_000;
/// The longest sound that is heard at once, in seconds: the encoder's work grows with the square of it.
pub const LONGEST: usize = 64;

/// The cards' names.
pub(crate) const ENCODER: &str = "moonshine-tiny-encoder";
const DECODER: &str = "moonshine-tiny-decoder";
/// The list of tokens beside the decoder.
const TOKENS: &str = "tokenizer.bin";
/// Shorter sounds are followed by silence up to this; the encoder needs 895 samples to give anything.
const SHORTEST: usize = RATE / 4;
/// English has at most this many tokens a second, as upstream says ...
const TOKENS_A_SECOND: f32 = 6.5;
/// ... and short sounds some more: a beginning, punctuation, a name that is spelt.
const TOKENS_MORE: usize = 8;
/// Under this mean a hypothesis is doubtful: all of the noise and 38 of 53 stretches of singing lie under it, and none
/// of 20 stretches of 4 s by three readers.
const DOUBTFUL: f32 = 0.7;

/// One token of a hypothesis.
#[derive(Clone, Debug, PartialEq)]
pub struct Token {
    /// Index in the vocabulary.
    pub id: u32,
    /// Its text, spaces as spaces: what it adds to the text before it. A character that takes several tokens is the
    /// last one's.
    pub text: String,
    /// Probability that the network gave it, 0..1; not calibrated.
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

impl Hypothesis {
    /// Mean probability of the tokens; 0 when there are none.
    pub fn mean_p(&self) -> f32 {
        let sum: f32 = self.tokens.iter().map(|token| token.p).sum();
        if self.tokens.is_empty() { 0.0 } else { sum / self.tokens.len() as f32 }
    }

    /// Whether this looks like what the network says where nobody speaks: nothing, notes, or a mean under 0.7. Short
    /// or bad speech looks like that too, so it is a question for stretches of 3 s and more whose speech activity is
    /// thin, not for every partial.
    pub fn doubtful(&self) -> bool {
        self.mean_p() < DOUBTFUL || self.tokens.iter().any(|token| token.text.contains(['♪', '♫']))
    }
}

/// What the encoder heard; [`Recogniser::decode`] may be called on it more than once.
#[derive(Debug)]
pub struct Encoded {
    /// `[1, features, 288]`.
    features: DynValue,
    /// Samples of the wave, padding included: the decoder's mask has that length, not that of the features.
    samples: usize,
    /// Tokens that the sound can hold.
    limit: usize,
}

/// The recogniser; cheap to share between streams.
#[derive(Debug)]
pub struct Recogniser {
    encoder: Arc<Network>,
    decoder: Arc<Network>,
    vocabulary: Vocabulary,
}

impl Recogniser {
    /// Loads encoder, decoder and tokenizer through the engine.
    ///
    /// # Errors
    /// Those of [`Engine::load`] and [`Network::extra`]; [`Error::Tokenizer`] for a list that can't be read.
    pub fn load(engine: &Arc<Engine>) -> Result<Self> {
        let (encoder, decoder) = (engine.load(ENCODER)?, engine.load(DECODER)?);
        let vocabulary = Vocabulary::read(&decoder.extra(TOKENS)?)?;
        Ok(Self { encoder, decoder, vocabulary })
    }

    /// Transcribes 16 kHz mono sound in -1..1, greedily. `prefix` are tokens already committed for the start of
    /// this very sound: the decoder is made to say them first and they are part of the answer.
    ///
    /// # Errors
    /// Those of [`Self::encode`] and [`Self::decode`].
    pub fn transcribe(&self, wave: &[f32], prefix: &[u32]) -> Result<Hypothesis> {
        self.check_prefix(prefix)?;
        if wave.is_empty() && prefix.is_empty() {
            return Ok(Hypothesis { tokens: Vec::new(), complete: true });
        }
        self.decode(&self.encode(wave)?, prefix)
    }

    /// Listens to 16 kHz mono sound in -1..1. Less than a quarter of a second is followed by silence.
    ///
    /// # Errors
    /// [`Error::Sound`] when it is longer than [`LONGEST`] or a sample isn't a finite number; those of
    /// [`Network::run`].
    pub fn encode(&self, wave: &[f32]) -> Result<Encoded> {
        if wave.len() > LONGEST * RATE {
            let seconds = wave.len() as f32 / RATE as f32;
            return Err(Error::Sound(format!("{seconds:.1} s are too long for one call, {LONGEST} s are the most")));
        }
        if let Some(at) = wave.iter().position(|sample| !sample.is_finite()) {
            return Err(Error::Sound(format!("sample {at} is {}, no finite number", wave[at])));
        }
        let heard = followed_by_silence(wave, SHORTEST);
        let features = self.encoder.run(|session| listen(session, &heard))?;
        let limit = (TOKENS_A_SECOND * wave.len() as f32 / RATE as f32).ceil() as usize + TOKENS_MORE;
        Ok(Encoded { features, samples: heard.len(), limit })
    }

    /// Puts what was heard into words, greedily, after `prefix` (see [`Self::transcribe`]).
    ///
    /// The prefix is said token by token: the decoder is quantised dynamically, and given several tokens at once it
    /// answers a little differently. So a prefix costs what saying it would, and its continuation is exactly that of
    /// a decoder that came upon the prefix itself.
    ///
    /// # Errors
    /// [`Error::Token`] for a prefix that can't be said; [`Error::Contract`]; those of [`Network::run`].
    pub fn decode(&self, heard: &Encoded, prefix: &[u32]) -> Result<Hypothesis> {
        self.check_prefix(prefix)?;
        let said = self.decoder.run(|session| {
            let decoder = Decoder::new(session, &heard.features, heard.samples, self.vocabulary.len())?;
            decoder.say(prefix, heard.limit)
        })?;
        let texts = self.vocabulary.texts(said.tokens.iter().map(|(id, _)| *id));
        let tokens = said.tokens.iter().zip(texts).map(|(&(id, p), text)| Token { id, text, p }).collect();
        Ok(Hypothesis { tokens, complete: said.complete })
    }

    /// The text of some tokens, without the space before the first word.
    pub fn text(&self, tokens: &[Token]) -> String {
        self.vocabulary.texts(tokens.iter().map(|token| token.id)).concat().trim_start().to_owned()
    }

    /// Where the text comes from: encoder and decoder.
    pub fn identities(&self) -> [&Identity; 2] {
        [self.encoder.identity(), self.decoder.identity()]
    }

    fn check_prefix(&self, prefix: &[u32]) -> Result<()> {
        let vocabulary = self.vocabulary.len();
        match prefix.iter().find(|id| **id <= decoder::END || **id as usize >= vocabulary) {
            Some(&id) => Err(Error::Token { id, vocabulary }),
            None => Ok(()),
        }
    }
}

/// A wave that is as long as that at least, with silence behind it.
pub(crate) fn followed_by_silence(wave: &[f32], shortest: usize) -> Cow<'_, [f32]> {
    if wave.len() >= shortest {
        return Cow::Borrowed(wave);
    }
    let mut padded = wave.to_vec();
    padded.resize(shortest, 0.0);
    Cow::Owned(padded)
}

/// Runs the encoder.
pub(crate) fn listen(session: &mut Session, wave: &[f32]) -> Result<DynValue> {
    let mut outputs = session.run(ort::inputs![
        "input_values" => TensorRef::from_array_view(([1, wave.len()], wave))?,
        "attention_mask" => Tensor::from_array(([1, wave.len()], vec![1i64; wave.len()]))?,
    ])?;
    outputs
        .remove("last_hidden_state")
        .ok_or_else(|| Error::Contract { name: ENCODER.to_owned(), reason: "it gives no last_hidden_state".to_owned() })
}
