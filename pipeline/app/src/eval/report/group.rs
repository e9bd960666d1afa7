// SPDX-License-Identifier: Apache-2.0
//! Figures of a group of items.

use std::collections::BTreeMap;

use polygraph_core::evaluation::{Bootstrap, Estimate, Figures, Ranking, Sample};
use serde::Serialize;

use super::Calibration;
use crate::eval::{
    manifest::Item,
    outcome::{Outcome, Status},
};

/// An item with what became of it.
pub type Ended<'a> = (&'a Item, &'a Outcome);

/// What became of the items of a label: `items = judged + not_judged + not_found + unreadable`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Tally {
    /// All.
    pub items: usize,
    /// With a score.
    pub judged: usize,
    /// With faces none of which could be judged, by reason.
    pub not_judged: BTreeMap<String, usize>,
    /// Without a face that was found.
    pub not_found: usize,
    /// Broken files.
    pub unreadable: usize,
}

impl Tally {
    fn count(&mut self, outcome: &Outcome) {
        self.items += 1;
        match &outcome.status {
            Status::Judged(_) => self.judged += 1,
            Status::NotJudged { reason } => *self.not_judged.entry(reason.clone()).or_default() += 1,
            Status::NotFound => self.not_found += 1,
            Status::Unreadable { .. } => self.unreadable += 1,
        }
    }

    /// Whether the sum closes.
    pub fn closes(&self) -> bool {
        self.items == self.judged + self.not_judged.values().sum::<usize>() + self.not_found + self.unreadable
    }
}

/// What became of a group's items.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Persons.
    pub persons: usize,
    /// Genuine items.
    pub genuine: Tally,
    /// Manipulated items.
    pub manipulated: Tally,
}

impl Counts {
    /// Part of items that were judged.
    pub fn coverage(&self) -> f64 {
        let items = self.genuine.items + self.manipulated.items;
        (self.genuine.judged + self.manipulated.judged) as f64 / items.max(1) as f64
    }
}

/// A group of items.
#[derive(Debug, Serialize)]
pub struct Group {
    /// Its name.
    pub name: String,
    /// What became of its items.
    pub counts: Counts,
    /// Part of items that were judged.
    pub coverage: f64,
    /// Figures on judged items.
    pub judged: Figures<Estimate>,
    /// Figures on all items; one that was not judged is inconclusive: it raises no alarm and ranks last.
    pub all: Figures<Estimate>,
    /// Persons with judged items of both classes, over whom the within-person AUC goes.
    pub persons_with_both: usize,
}

impl Group {
    /// Of these items.
    pub fn of(name: &str, items: &[Ended<'_>], calibration: Option<&Calibration>, bootstrap: &Bootstrap) -> Self {
        let mut counts = Counts::default();
        for (item, outcome) in items {
            if item.manipulated { &mut counts.manipulated } else { &mut counts.genuine }.count(outcome);
        }
        let threshold = calibration.map(Calibration::logit);
        let judged = Ranking::new(items.iter().filter_map(sample));
        let inconclusive = |ended: &Ended<'_>| sample(ended).unwrap_or(last(ended.0));
        let all = Ranking::new(items.iter().map(inconclusive));
        counts.persons = all.persons();
        Self {
            name: name.to_owned(),
            coverage: counts.coverage(),
            counts,
            persons_with_both: judged.persons_with_both(),
            judged: judged.estimate(threshold, bootstrap),
            all: all.estimate(threshold, bootstrap),
        }
    }
}

/// An item's score, if it was judged.
pub fn sample((item, outcome): &Ended<'_>) -> Option<Sample> {
    let score = outcome.score()?.logit;
    Some(Sample { score, manipulated: item.manipulated, person: item.person })
}

fn last(item: &Item) -> Sample {
    Sample { score: f64::NEG_INFINITY, manipulated: item.manipulated, person: item.person }
}
