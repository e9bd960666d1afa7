// SPDX-License-Identifier: Apache-2.0
//! The merged decoder, one token a step, with its cache of keys and values.

use std::borrow::Cow;

use ort::{
    session::{Session, SessionInputValue},
    value::{DynValue, Tensor},
};

use super::{DECODER, repeats};
use crate::{Error, Result};

/// The token that starts a text.
const START: u32 = 1;
/// The token that ends it; all up to it are no text.
pub(super) const END: u32 = 2;

/// Keys and values of each layer: the network's input, its output, and whether it is of the decoder (and so grows by
/// a token each step) or of the encoder (and so is made in the first step, for good).
const CACHE: [(&str, &str, bool); 24] = {
    macro_rules! layers {
        ($($layer:literal)*) => {
            [$(
                layer!($layer, ".decoder.key", true),
                layer!($layer, ".decoder.value", true),
                layer!($layer, ".encoder.key", false),
                layer!($layer, ".encoder.value", false),
            )*]
        };
    }
    macro_rules! layer {
        ($layer:literal, $name:literal, $grows:literal) => {
            (concat!("past_key_values.", $layer, $name), concat!("present.", $layer, $name), $grows)
        };
    }
    layers!(0 1 2 3 4 5)
};
/// Heads and their width, of keys and values.
const HEADS: [usize; 2] = [8, 36];

/// What the decoder said.
pub(super) struct Said {
    /// Tokens with their probability.
    pub tokens: Vec<(u32, f32)>,
    /// It ended the text itself.
    pub complete: bool,
}

/// A text that is being said.
pub(super) struct Decoder<'a> {
    session: &'a mut Session,
    features: &'a DynValue,
    mask: DynValue,
    /// In the order of [`CACHE`]. The values are the network's own outputs, handed back without a copy.
    cache: Vec<DynValue>,
    steps: usize,
    vocabulary: usize,
}

impl<'a> Decoder<'a> {
    pub fn new(session: &'a mut Session, features: &'a DynValue, samples: usize, vocabulary: usize) -> Result<Self> {
        let empty = || Ok(Tensor::from_array(([1, HEADS[0], 0, HEADS[1]], Vec::<f32>::new()))?.into_dyn());
        let cache = CACHE.iter().map(|_| empty()).collect::<Result<_>>()?;
        let mask = Tensor::from_array(([1, samples], vec![1i64; samples]))?.into_dyn();
        Ok(Self { session, features, mask, cache, steps: 0, vocabulary })
    }

    /// Says `prefix` and goes on until the text ends, repeats itself, or has `limit` tokens.
    pub fn say(mut self, prefix: &[u32], limit: usize) -> Result<Said> {
        let (mut last, mut ids, mut tokens) = (START, Vec::new(), Vec::new());
        loop {
            let forced = prefix.get(ids.len()).copied();
            if forced.is_none() && ids.len() >= limit {
                return Ok(Said { tokens, complete: false });
            }
            let (id, p) = self.step(last, forced)?;
            if id == END {
                return Ok(Said { tokens, complete: true });
            }
            ids.push(id);
            tokens.push((id, p));
            last = id;
            if forced.is_none()
                && let Some(keep) = repeats::sensible(&ids)
            {
                tokens.truncate(keep.max(prefix.len()));
                return Ok(Said { tokens, complete: false });
            }
        }
    }

    /// Gives the decoder a token; what it says then (or `forced`) and the probability of that.
    fn step(&mut self, token: u32, forced: Option<u32>) -> Result<(u32, f32)> {
        let first = self.steps == 0;
        let mut inputs: Vec<(Cow<'_, str>, SessionInputValue<'_>)> = ort::inputs![
            "input_ids" => Tensor::from_array(([1, 1], vec![i64::from(token)]))?,
            "encoder_hidden_states" => self.features,
            "encoder_attention_mask" => &self.mask,
            "use_cache_branch" => Tensor::from_array(([1], vec![!first]))?,
        ];
        inputs.extend(CACHE.iter().zip(&self.cache).map(|((past, ..), value)| ((*past).into(), value.into())));
        let mut outputs = self.session.run(inputs)?;
        let missing = |name: &str| contract(format!("output {name} is missing"));
        let chosen = {
            let logits = outputs.get("logits").ok_or_else(|| missing("logits"))?;
            choose(logits.try_extract_tensor::<f32>()?.1, self.vocabulary, forced)?
        };
        for ((_, present, grows), value) in CACHE.iter().zip(&mut self.cache) {
            // After the first step the encoder's keys and values come out empty.
            if *grows || first {
                *value = outputs.remove(present).ok_or_else(|| missing(present))?;
            }
        }
        self.steps += 1;
        Ok(chosen)
    }
}

/// The most likely token (or the forced one) and its probability.
fn choose(logits: &[f32], vocabulary: usize, forced: Option<u32>) -> Result<(u32, f32)> {
    if logits.len() != vocabulary {
        return Err(contract(format!("it chooses among {} tokens, the list has {vocabulary}", logits.len())));
    }
    let mut best = (0, f32::NEG_INFINITY);
    for (id, logit) in logits.iter().enumerate() {
        if *logit > best.1 {
            best = (id, *logit);
        }
    }
    let id = forced.map_or(best.0, |id| id as usize);
    let sum: f32 = logits.iter().map(|logit| (logit - best.1).exp()).sum();
    let p = (logits[id] - best.1).exp() / sum;
    // The index comes from a vocabulary whose size was read as at most u32::MAX tokens.
    if p.is_finite() { Ok((id as u32, p)) } else { Err(contract("it gives logits that are no numbers".to_owned())) }
}

fn contract(reason: String) -> Error {
    Error::Contract { name: DECODER.to_owned(), reason }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_likely_token_is_chosen_unless_another_is_forced() {
        let logits = [0.0, 2.0f32.ln(), 5.0f32.ln(), 0.0];
        let (id, p) = choose(&logits, 4, None).unwrap();
        assert_eq!(id, 2);
        assert!((p - 5.0 / 9.0).abs() < 1e-6);
        let (id, p) = choose(&logits, 4, Some(1)).unwrap();
        assert_eq!(id, 1);
        assert!((p - 2.0 / 9.0).abs() < 1e-6);
    }

    #[test]
    fn logits_against_the_contract_are_an_error() {
        assert!(matches!(choose(&[0.0; 3], 4, None), Err(Error::Contract { .. })));
        assert!(matches!(choose(&[f32::NAN; 4], 4, None), Err(Error::Contract { .. })));
        assert!(matches!(choose(&[0.0, f32::NAN], 2, None), Err(Error::Contract { .. })));
    }

    #[test]
    fn the_cache_has_the_names_of_the_card() {
        assert_eq!(CACHE[0], ("past_key_values.0.decoder.key", "present.0.decoder.key", true));
        assert_eq!(CACHE[23], ("past_key_values.5.encoder.value", "present.5.encoder.value", false));
    }
}
