// SPDX-License-Identifier: Apache-2.0
//! False alarms by what can be measured on a picture. Nobody's age, sex or origin is known or guessed: these are
//! proxies, and say so.

use polygraph_core::evaluation::{Bootstrap, Estimate, Terciles, share};
use serde::Serialize;

use super::group::Ended;
use crate::eval::outcome::Traits;

/// False alarms by thirds of a measure.
#[derive(Debug, Serialize)]
pub struct Fairness {
    /// The measure.
    pub measure: &'static str,
    /// Its unit.
    pub unit: &'static str,
    /// Where the thirds end.
    pub terciles: Terciles,
    /// The lowest third first.
    pub thirds: Vec<Third>,
}

/// False alarms of a third.
#[derive(Debug, Serialize)]
pub struct Third {
    /// Genuine items in it.
    pub items: usize,
    /// Part of them that shows signs.
    pub fpr: Option<Estimate>,
}

/// A measure of a face.
type Measure = (&'static str, &'static str, fn(&Traits) -> f64);

/// What is measured.
const MEASURES: [Measure; 4] = [
    ("lightness of the cheeks", "L*", |traits| traits.skin.lightness),
    ("tone of the cheeks (individual typology angle)", "degrees", |traits| traits.skin.ita),
    ("height of the face", "pixels", |traits| traits.size),
    ("sharpness of the face", "levels", |traits| traits.sharpness),
];

/// By all measures, of judged genuine items.
pub fn proxies(genuine: &[Ended<'_>], bootstrap: &Bootstrap) -> Vec<Fairness> {
    MEASURES.iter().filter_map(|measure| thirds(genuine, measure, bootstrap)).collect()
}

fn thirds(genuine: &[Ended<'_>], (measure, unit, of): &Measure, bootstrap: &Bootstrap) -> Option<Fairness> {
    let measured: Vec<_> = genuine
        .iter()
        .filter_map(|(item, outcome)| Some((of(outcome.traits.as_ref()?), (item.person, outcome.signs()))))
        .collect();
    let terciles = Terciles::of(&measured.iter().map(|(value, _)| *value).collect::<Vec<_>>())?;
    let third = |third: usize| {
        let own: Vec<_> = measured.iter().filter(|(v, _)| terciles.third(*v) == third).map(|(_, one)| *one).collect();
        Third { items: own.len(), fpr: share(&own, bootstrap) }
    };
    Some(Fairness { measure, unit, terciles, thirds: (0..3).map(third).collect() })
}
