// SPDX-License-Identifier: Apache-2.0
//! A trial run: plausible inputs made from a card's shapes and value ranges.

use std::collections::BTreeMap;

use ort::{
    session::{Session, SessionInputValue},
    value::Tensor as Value,
};

use crate::{
    Error, Result,
    card::{Card, Dim, Element, Tensor},
};

/// What came out of one output.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Output {
    pub(crate) name: String,
    pub(crate) shape: Vec<i64>,
    /// Values, as far as the element type has an order; empty otherwise.
    pub(crate) values: Vec<f64>,
}

/// Runs the session once with inputs by the card.
///
/// # Errors
/// [`Error::Runtime`] with what ONNX Runtime said.
pub(crate) fn run(session: &mut Session, card: &Card) -> Result<Vec<Output>> {
    let mut noise = Noise(0x9e37_79b9_7f4a_7c15);
    let inputs: Vec<(String, SessionInputValue<'static>)> = card
        .inputs
        .iter()
        .map(|tensor| Ok((tensor.name.clone(), input(tensor, &card.trial, &mut noise)?)))
        .collect::<Result<_>>()?;
    let outputs = session.run(inputs)?;
    Ok(outputs
        .iter()
        .map(|(name, value)| Output {
            name: name.to_owned(),
            shape: value.shape().to_vec(),
            values: match value.try_extract_tensor::<f32>() {
                Ok((_, values)) => values.iter().copied().map(f64::from).collect(),
                Err(_) => vec![],
            },
        })
        .collect())
}

/// Sizes of a tensor's dimensions in a trial.
pub(crate) fn sizes(tensor: &Tensor, trial: &BTreeMap<String, u64>) -> Vec<i64> {
    let size = |dim: &Dim| match dim {
        Dim::Fixed(size) => *size,
        Dim::Named(name) => trial.get(name).copied().unwrap_or(1),
    };
    tensor.shape.iter().map(|dim| i64::try_from(size(dim)).unwrap_or(i64::MAX)).collect()
}

fn input(tensor: &Tensor, trial: &BTreeMap<String, u64>, noise: &mut Noise) -> Result<SessionInputValue<'static>> {
    let shape = sizes(tensor, trial);
    let count = shape.iter().try_fold(1_usize, |count, size| count.checked_mul(usize::try_from(*size).ok()?));
    // A gigabyte of noise is no trial but a mistake in the card.
    let count = count
        .filter(|count| *count <= 1 << 28)
        .ok_or_else(|| Error::Runtime(format!("a trial input `{}` of {shape:?} is too large", tensor.name)))?;
    let [least, greatest] = tensor.range.unwrap_or([0.0, 1.0]);
    let mut values = std::iter::repeat_with(|| noise.between(least, greatest)).take(count);
    Ok(match tensor.element {
        Element::Float32 => Value::from_array((shape, values.map(|value| value as f32).collect::<Vec<_>>()))?.into(),
        Element::Int64 => {
            Value::from_array((shape, values.map(|value| value.round() as i64).collect::<Vec<_>>()))?.into()
        }
        Element::Int32 => {
            Value::from_array((shape, values.map(|value| value.round() as i32).collect::<Vec<_>>()))?.into()
        }
        Element::Uint8 => {
            Value::from_array((shape, values.map(|value| value.round() as u8).collect::<Vec<_>>()))?.into()
        }
        Element::Bool => {
            Value::from_array((shape, values.by_ref().map(|value| value >= 0.5).collect::<Vec<_>>()))?.into()
        }
    })
}

/// The same noise in every trial (Marsaglia's xorshift64).
struct Noise(u64);

impl Noise {
    fn between(&mut self, least: f64, greatest: f64) -> f64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        least + (greatest - least) * (self.0 >> 11) as f64 / (1_u64 << 53) as f64
    }
}
