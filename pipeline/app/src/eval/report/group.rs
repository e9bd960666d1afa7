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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eval::{
        manifest::{Kind, Split},
        outcome::Score,
    };

    fn item(manipulated: bool, person: usize) -> Item {
        Item {
            path: String::new(),
            manipulated,
            person,
            corpus: "c".into(),
            manipulation: String::new(),
            split: Split::Test,
            pair: None,
            kind: Kind::Still,
            file: Err(String::new()),
        }
    }

    fn outcome(status: Status) -> Outcome {
        Outcome { status, traits: None }
    }

    fn judged(logit: f64) -> Outcome {
        outcome(Status::Judged(Score { logit, p: None, signs: None, pictures: 1, at_ns: 0 }))
    }

    #[test]
    fn every_item_counts_once_and_inconclusive_ones_raise_no_alarm() {
        let not_judged = |reason: &str| outcome(Status::NotJudged { reason: reason.into() });
        let all = [
            (item(false, 0), judged(-1.0)),
            (item(false, 1), outcome(Status::NotFound)),
            (item(true, 0), judged(2.0)),
            (item(true, 2), not_judged("too_small")),
            (item(true, 2), not_judged("too_small")),
            (item(true, 3), Outcome::unreadable("gone")),
        ];
        let ended: Vec<Ended<'_>> = all.iter().map(|(item, outcome)| (item, outcome)).collect();
        let calibration = Calibration { scale: 1.0, offset: 0.0, threshold: 0.5 };
        let group = Group::of("g", &ended, Some(&calibration), &Bootstrap::default());
        let Counts { persons, genuine, manipulated } = &group.counts;
        assert_eq!((*persons, genuine.items, manipulated.items, group.persons_with_both), (4, 2, 4, 1));
        for tally in [genuine, manipulated] {
            let sum = tally.judged + tally.not_judged.values().sum::<usize>() + tally.not_found + tally.unreadable;
            assert_eq!(tally.items, sum);
        }
        assert_eq!(manipulated.not_judged["too_small"], 2);
        assert_eq!(group.coverage, 2.0 / 6.0);
        let tpr = [&group.judged, &group.all].map(|figures| figures.tpr.unwrap().value);
        assert_eq!(tpr, [1.0, 0.25]);
        assert_eq!(group.all.fpr.unwrap().value, 0.0);
    }
}
