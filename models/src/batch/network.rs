// SPDX-License-Identifier: Apache-2.0
//! Batches of a network whose card has a dimension `batch`.

use std::sync::Arc;

use ndarray::{ArrayD, ArrayViewD, Axis, concatenate};
use ort::{
    session::SessionInputValue,
    value::{Tensor as Value, TensorRef},
};

use super::RunBatch;
use crate::{
    Error, Network, Result,
    card::{Card, Dim, Element, Tensor},
};

/// Name of the dimension that requests are joined along.
const BATCH: &str = "batch";

/// Joins requests along the dimension `batch` of a network's card, and splits the answers along it.
///
/// A request is one array for each input of single-precision floats that has the dimension, in the card's order; an
/// answer is one array for each such output. Inputs without it must have one value by their range (a sample rate,
/// say), which is filled in.
#[derive(Debug)]
pub struct NetworkBatch {
    network: Arc<Network>,
    joined: Vec<(String, Axis)>,
    constant: Vec<(String, Vec<i64>, i64)>,
    split: Vec<(String, Axis)>,
}

impl NetworkBatch {
    /// Prepares batches of a network.
    ///
    /// # Errors
    /// [`Error::Card`] where the card has no dimension `batch`, or inputs that can be neither joined nor filled in.
    pub fn new(network: Arc<Network>) -> Result<Self> {
        let card = network.card();
        let (mut joined, mut constant) = (Vec::new(), Vec::new());
        for input in &card.inputs {
            match (batch_axis(input), input.element, input.range) {
                (Some(axis), Element::Float32, _) => joined.push((input.name.clone(), axis)),
                (None, Element::Int64, Some([value, greatest])) if value == greatest => {
                    constant.push((input.name.clone(), fixed_shape(input), value as i64));
                }
                _ => {
                    let reason = format!("its input `{}` can be neither joined nor filled in", input.name);
                    return Err(Error::Card { name: card.name.clone(), reason });
                }
            }
        }
        let split = card.outputs.iter().filter_map(|output| Some((output.name.clone(), batch_axis(output)?))).collect();
        if joined.is_empty() {
            return Err(Error::Card { name: card.name.clone(), reason: "it has no dimension `batch`".into() });
        }
        Ok(Self { network, joined, constant, split })
    }

    /// Whether a card's network can be joined at all: it has an input with the dimension `batch`.
    pub fn fits(card: &Card) -> bool {
        card.inputs.iter().any(|input| batch_axis(input).is_some() && input.element == Element::Float32)
    }

    fn join(&self, inputs: &[Vec<ArrayD<f32>>]) -> Result<Vec<ArrayD<f32>>> {
        let fail = |reason: String| Error::Runtime(format!("a batch of {}: {reason}", self.name()));
        if inputs.iter().any(|request| request.len() != self.joined.len()) {
            return Err(fail(format!("each request must bring {} arrays", self.joined.len())));
        }
        let join = |(i, (name, axis)): (usize, &(String, Axis))| {
            let views: Vec<ArrayViewD<'_, f32>> = inputs.iter().map(|request| request[i].view()).collect();
            let joined = concatenate(*axis, &views).map_err(|error| fail(format!("`{name}`: {error}")))?;
            // Joined along an inner axis, the values lie out of order.
            Ok(joined.as_standard_layout().into_owned())
        };
        self.joined.iter().enumerate().map(join).collect()
    }
}

impl RunBatch for NetworkBatch {
    type Input = Vec<ArrayD<f32>>;
    type Output = Vec<ArrayD<f32>>;

    fn name(&self) -> &str {
        &self.network.card().name
    }

    fn run(&mut self, inputs: Vec<Self::Input>) -> Result<Vec<Self::Output>> {
        let joined = self.join(&inputs)?;
        let counts: Vec<usize> = inputs.iter().map(|request| request[0].len_of(self.joined[0].1)).collect();
        self.network.run(|session| {
            let mut values: Vec<(&str, SessionInputValue<'_>)> = Vec::new();
            for ((name, _), array) in self.joined.iter().zip(&joined) {
                values.push((name, TensorRef::from_array_view(array)?.into()));
            }
            for (name, shape, value) in &self.constant {
                let count = usize::try_from(shape.iter().product::<i64>()).unwrap_or(0);
                values.push((name, Value::from_array((shape.clone(), vec![*value; count]))?.into()));
            }
            let outputs = session.run(values)?;
            let mut answers: Vec<Self::Output> = counts.iter().map(|_| Vec::new()).collect();
            for (name, axis) in &self.split {
                let whole = outputs[name.as_str()].try_extract_array::<f32>()?;
                let mut rest = whole.view();
                for (answer, count) in answers.iter_mut().zip(&counts) {
                    if *count > rest.len_of(*axis) {
                        return Err(Error::Runtime(format!("`{name}` came back too short for its batch")));
                    }
                    let (part, after) = rest.split_at(*axis, *count);
                    answer.push(part.as_standard_layout().into_owned());
                    rest = after;
                }
            }
            Ok(answers)
        })
    }
}

fn batch_axis(tensor: &Tensor) -> Option<Axis> {
    tensor.shape.iter().position(|dim| *dim == Dim::Named(BATCH.into())).map(Axis)
}

fn fixed_shape(tensor: &Tensor) -> Vec<i64> {
    let size = |dim: &Dim| match dim {
        Dim::Fixed(size) => i64::try_from(*size).unwrap_or(i64::MAX),
        Dim::Named(_) => 1,
    };
    tensor.shape.iter().map(size).collect()
}
