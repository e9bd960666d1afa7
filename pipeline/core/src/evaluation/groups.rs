// SPDX-License-Identifier: Apache-2.0
//! Whom errors hit: groups of items, and persons.

use std::collections::BTreeMap;

use serde::Serialize;

use super::bootstrap::quantile;
use super::{Bootstrap, Estimate};

/// Two cuts that part values into thirds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Terciles {
    /// Values up to this are the lowest third.
    pub low: f64,
    /// Values over this are the highest third.
    pub high: f64,
}

impl Terciles {
    /// Of the values; `None` without any.
    pub fn of(values: &[f64]) -> Option<Self> {
        let mut values = values.to_vec();
        values.sort_by(f64::total_cmp);
        Some(Self { low: quantile(&values, 1.0 / 3.0)?, high: quantile(&values, 2.0 / 3.0)? })
    }

    /// Which third a value is in: 0, 1, 2.
    pub fn third(&self, value: f64) -> usize {
        usize::from(value > self.low) + usize::from(value > self.high)
    }
}

/// The part of items for which something is so, with its interval; items are `(person, is so)`.
pub fn share(items: &[(usize, bool)], bootstrap: &Bootstrap) -> Option<Estimate> {
    let mut persons: BTreeMap<usize, [f64; 2]> = BTreeMap::new();
    for (person, so) in items {
        let [hits, all] = persons.entry(*person).or_default();
        *hits += f64::from(u8::from(*so));
        *all += 1.0;
    }
    let persons: Vec<[f64; 2]> = persons.into_values().collect();
    let [share] = bootstrap.estimate(persons.len(), |drawn| {
        let sum = |part: usize| -> f64 { persons.iter().zip(drawn).map(|(own, n)| own[part] * f64::from(*n)).sum() };
        [(sum(1) > 0.0).then(|| sum(0) / sum(1))]
    });
    share
}

/// The part of pairs in which the manipulated item scores higher than its own original, ties counted half; pairs are
/// `(person, genuine score, manipulated score)`.
pub fn paired(pairs: &[(usize, f64, f64)], bootstrap: &Bootstrap) -> Option<Estimate> {
    // A pair as two halves, so that a tie is one of each.
    let halves = |(person, genuine, manipulated): &(usize, f64, f64)| {
        [(*person, manipulated > genuine), (*person, manipulated >= genuine)]
    };
    share(&pairs.iter().flat_map(halves).collect::<Vec<_>>(), bootstrap)
}

/// How often one person's genuine items alarm.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct PersonRate {
    /// The person.
    pub person: usize,
    /// Genuine items.
    pub items: usize,
    /// Those that alarm.
    pub alarms: usize,
}

impl PersonRate {
    /// Alarms per item.
    pub fn rate(&self) -> f64 {
        self.alarms as f64 / self.items as f64
    }
}

/// False alarms by person, the worst first.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Persons {
    rates: Vec<PersonRate>,
}

impl Persons {
    /// Of genuine items: `(person, alarms)`.
    pub fn of(items: &[(usize, bool)]) -> Self {
        let mut persons: BTreeMap<usize, PersonRate> = BTreeMap::new();
        for (person, alarm) in items {
            let rate = persons.entry(*person).or_insert(PersonRate { person: *person, items: 0, alarms: 0 });
            rate.items += 1;
            rate.alarms += usize::from(*alarm);
        }
        let mut rates: Vec<_> = persons.into_values().collect();
        rates.sort_by(|a, b| b.rate().total_cmp(&a.rate()).then(b.alarms.cmp(&a.alarms)));
        Self { rates }
    }

    /// All of them, the worst first.
    pub fn rates(&self) -> &[PersonRate] {
        &self.rates
    }

    /// How many have any false alarm.
    pub fn alarmed(&self) -> usize {
        self.rates.iter().filter(|rate| rate.alarms > 0).count()
    }

    /// Alarms per item over the worst tenth of persons, at least one.
    pub fn worst_decile(&self) -> Option<f64> {
        let worst = &self.rates[..self.rates.len().div_ceil(10)];
        let items: usize = worst.iter().map(|rate| rate.items).sum();
        let alarms: usize = worst.iter().map(|rate| rate.alarms).sum();
        (items > 0).then(|| alarms as f64 / items as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thirds_are_thirds() {
        let values: Vec<f64> = (0..99).map(f64::from).collect();
        let terciles = Terciles::of(&values).unwrap();
        for third in 0..3 {
            assert_eq!(values.iter().filter(|value| terciles.third(**value) == third).count(), 33);
        }
        assert_eq!(Terciles::of(&[]), None);
        assert_eq!(Terciles::of(&[1.0, 1.0]).unwrap().third(1.0), 0);
    }

    #[test]
    fn the_worst_persons_come_first() {
        let items: Vec<_> = (0..20).flat_map(|person| [(person, person == 7), (person, person >= 19)]).collect();
        let persons = Persons::of(&items);
        assert_eq!(persons.rates()[0].alarms, 1);
        assert_eq!(persons.alarmed(), 2);
        assert_eq!(persons.worst_decile(), Some(0.5));
        assert_eq!(Persons::of(&[]).worst_decile(), None);
    }

    #[test]
    fn a_share_has_an_interval_over_persons() {
        // One of two persons alarms with all of its hundred items: that is one observation, not a hundred.
        let items: Vec<_> = (0..200).map(|n| (n % 2, n % 2 == 0)).collect();
        let found = share(&items, &Bootstrap::default()).unwrap();
        assert_eq!((found.value, found.interval), (0.5, Some([0.0, 1.0])));
    }

    #[test]
    fn a_tied_pair_is_half_right() {
        let found = paired(&[(0, 1.0, 2.0), (0, 1.0, 1.0)], &Bootstrap::default()).unwrap();
        assert_eq!(found.value, 0.75);
    }
}
