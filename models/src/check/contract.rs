// SPDX-License-Identifier: Apache-2.0
//! What a card promises against what a graph declares, and against what came out of a run.

use std::collections::BTreeMap;

use ort::{
    session::Session,
    value::{Outlet, TensorElementType},
};

use super::trial::{self, Output};
use crate::card::{Card, Dim, Element, Tensor};

/// What doesn't fit between a card and the inputs and outputs that a graph declares.
pub(super) fn compare(session: &Session, card: &Card) -> Vec<String> {
    let mut faults = side("input", &card.inputs, session.inputs(), card);
    faults.extend(side("output", &card.outputs, session.outputs(), card));
    // An output too many does no harm; an input too many is left unfed.
    for extra in session.inputs().iter().filter(|outlet| card.inputs.iter().all(|tensor| tensor.name != outlet.name()))
    {
        faults.push(format!("it wants an input `{}` that the card doesn't have", extra.name()));
    }
    faults
}

fn side(what: &str, promised: &[Tensor], declared: &[Outlet], card: &Card) -> Vec<String> {
    let mut faults = Vec::new();
    for tensor in promised {
        match declared.iter().find(|outlet| outlet.name() == tensor.name) {
            Some(outlet) => faults.extend(outlet_fault(what, tensor, outlet, card)),
            None => {
                let names = declared.iter().map(|outlet| format!("`{}`", outlet.name())).collect::<Vec<_>>().join(", ");
                faults.push(format!("it has no {what} `{}`; its {what}s are {names}", tensor.name));
            }
        }
    }
    faults
}

fn outlet_fault(what: &str, tensor: &Tensor, outlet: &Outlet, card: &Card) -> Option<String> {
    let name = &tensor.name;
    let (Some(element), Some(shape)) = (outlet.dtype().tensor_type(), outlet.dtype().tensor_shape()) else {
        return Some(format!("{what} `{name}` is not a tensor"));
    };
    if element != element_type(tensor.element) {
        return Some(format!("{what} `{name}` is {element}, the card says {}", word(tensor.element)));
    }
    if shape.len() != tensor.shape.len() {
        return Some(format!(
            "{what} `{name}` has {} dimensions {}, the card says {} {}",
            shape.len(),
            declared_shape(shape),
            tensor.shape.len(),
            promised_shape(tensor),
        ));
    }
    let sizes = trial::sizes(tensor, &card.trial);
    let differs = |(i, declared): (usize, &i64)| {
        // A dimension that the graph leaves open fits; one that the card leaves open must fit the trial's size,
        // unless it is an output's, which only the run tells.
        let open = *declared < 0 || (matches!(tensor.shape[i], Dim::Named(_)) && what == "output");
        !open && *declared != sizes[i]
    };
    shape
        .iter()
        .enumerate()
        .any(differs)
        .then(|| format!("{what} `{name}` is {}, the card says {}", declared_shape(shape), promised_shape(tensor)))
}

/// What is wrong with the outputs of a run.
pub(super) fn judge(outputs: &[Output], card: &Card) -> Vec<String> {
    let mut sizes: BTreeMap<&str, i64> =
        card.trial.iter().map(|(name, size)| (name.as_str(), i64::try_from(*size).unwrap_or(i64::MAX))).collect();
    let mut faults = Vec::new();
    for tensor in &card.outputs {
        let Some(output) = outputs.iter().find(|output| output.name == tensor.name) else {
            faults.push(format!("the run gave no output `{}`", tensor.name));
            continue;
        };
        if !shape_fits(tensor, &output.shape, &mut sizes) {
            faults.push(format!(
                "output `{}` came out as {}, the card says {}",
                tensor.name,
                declared_shape(&output.shape),
                promised_shape(tensor)
            ));
        }
        faults.extend(value_fault(tensor, &output.values));
    }
    faults
}

/// Sizes of named dimensions must be the same wherever the name stands; a name that is new is learnt.
fn shape_fits<'a>(tensor: &'a Tensor, shape: &[i64], sizes: &mut BTreeMap<&'a str, i64>) -> bool {
    let fits = |(dim, size): (&'a Dim, &i64)| match dim {
        Dim::Fixed(fixed) => i64::try_from(*fixed) == Ok(*size),
        Dim::Named(name) => *sizes.entry(name).or_insert(*size) == *size,
    };
    tensor.shape.len() == shape.len() && tensor.shape.iter().zip(shape).all(fits)
}

fn value_fault(tensor: &Tensor, values: &[f64]) -> Option<String> {
    let name = &tensor.name;
    let odd = values.iter().filter(|value| !value.is_finite()).count();
    if odd > 0 {
        return Some(format!(
            "output `{name}` has {odd} values of {} that are not numbers (NaN or infinite)",
            values.len()
        ));
    }
    let [least, greatest] = tensor.range?;
    // Rounding in the last layers is no fault.
    let slack = 1e-4 * (greatest - least).max(1.0);
    let worst = values.iter().find(|value| **value < least - slack || **value > greatest + slack)?;
    Some(format!("output `{name}` has a value of {worst:.4}, the card says {least} to {greatest}"))
}

fn element_type(element: Element) -> TensorElementType {
    match element {
        Element::Float32 => TensorElementType::Float32,
        Element::Int64 => TensorElementType::Int64,
        Element::Int32 => TensorElementType::Int32,
        Element::Uint8 => TensorElementType::Uint8,
        Element::Bool => TensorElementType::Bool,
    }
}

/// The same words as ONNX Runtime's names of types.
fn word(element: Element) -> String {
    element_type(element).to_string()
}

fn declared_shape(shape: &[i64]) -> String {
    let sizes: Vec<_> = shape.iter().map(|size| if *size < 0 { "any".to_owned() } else { size.to_string() }).collect();
    format!("[{}]", sizes.join(", "))
}

fn promised_shape(tensor: &Tensor) -> String {
    let dim = |dim: &Dim| match dim {
        Dim::Fixed(size) => size.to_string(),
        Dim::Named(name) => name.clone(),
    };
    format!("[{}]", tensor.shape.iter().map(dim).collect::<Vec<_>>().join(", "))
}
