// SPDX-License-Identifier: Apache-2.0
//! Connectionist temporal classification (Graves et al., 2006): from a network's log-probabilities, step by step, to words,
//! their probability and their times.
//!
//! A path gives every step one class; without repeats and blanks (class 0) it reads as a word sequence. The probability of
//! a sequence is the sum over all its paths.

use std::collections::HashMap;
use std::ops::Range;

/// The class that says nothing.
pub const BLANK: usize = 0;

/// Natural logarithms of class probabilities, a row a step.
#[derive(Clone, Copy, Debug)]
pub struct LogProbs<'a> {
    values: &'a [f32],
    classes: usize,
}

/// A sequence of classes and the logarithm of its probability.
#[derive(Clone, Debug, PartialEq)]
pub struct Scored {
    /// Classes without blanks.
    pub classes: Vec<usize>,
    /// Natural logarithm of its probability given the input.
    pub log_p: f32,
}

/// Where a class of a sequence lies, and how sure the network is there.
#[derive(Clone, Debug, PartialEq)]
pub struct Aligned {
    /// Which class.
    pub class: usize,
    /// Its steps on the best path.
    pub steps: Range<usize>,
    /// Mean probability of the class over these steps, 0..=1.
    pub p: f32,
}

impl<'a> LogProbs<'a> {
    /// Rows of `classes` values each; what is no whole row is left out. `None` without classes.
    pub fn new(values: &'a [f32], classes: usize) -> Option<Self> {
        (classes > 1).then(|| Self { values: &values[..values.len() / classes.max(1) * classes.max(1)], classes })
    }

    /// The rows.
    pub fn rows(&self) -> impl ExactSizeIterator<Item = &'a [f32]> + use<'a> {
        self.values.chunks_exact(self.classes)
    }

    /// How many rows there are.
    pub fn steps(&self) -> usize {
        self.values.len() / self.classes
    }

    fn at(&self, step: usize, class: usize) -> f32 {
        self.values[step * self.classes + class]
    }

    /// The most probable path, read as a sequence.
    pub fn greedy(&self) -> Vec<usize> {
        let mut last = BLANK;
        let best = self.rows().map(|row| (0..row.len()).max_by(|a, b| row[*a].total_cmp(&row[*b])).unwrap_or(BLANK));
        best.filter(|class| std::mem::replace(&mut last, *class) != *class && *class != BLANK).collect()
    }

    /// The most probable sequences, the best first: prefix beam search (Hannun et al., 2014) over `width` prefixes.
    pub fn beam(&self, width: usize) -> Vec<Scored> {
        // Probability that a prefix's paths end in a blank, and in its last class.
        let mut prefixes: Vec<(Vec<usize>, [f32; 2])> = vec![(Vec::new(), [0.0, f32::NEG_INFINITY])];
        for row in self.rows() {
            let mut next: HashMap<Vec<usize>, [f32; 2]> = HashMap::new();
            for (prefix, [blank, class]) in &prefixes {
                let both = add(*blank, *class);
                let stays = next.entry(prefix.clone()).or_insert([f32::NEG_INFINITY; 2]);
                stays[0] = add(stays[0], both + row[BLANK]);
                if let Some(last) = prefix.last() {
                    stays[1] = add(stays[1], class + row[*last]);
                }
                for (new, log_p) in row.iter().enumerate().skip(1) {
                    // What is this improbable makes no sequence.
                    if *log_p < LEAST_LOG_P {
                        continue;
                    }
                    let from = if prefix.last() == Some(&new) { *blank } else { both };
                    // The same class twice has to have a blank between.
                    if from == f32::NEG_INFINITY {
                        continue;
                    }
                    let grown = [prefix.as_slice(), &[new]].concat();
                    let grown = next.entry(grown).or_insert([f32::NEG_INFINITY; 2]);
                    grown[1] = add(grown[1], from + log_p);
                }
            }
            prefixes = next.into_iter().collect();
            // Ties are broken by the words, so that an answer is the same in every run.
            prefixes.sort_by(|a, b| total(&b.1).total_cmp(&total(&a.1)).then_with(|| a.0.cmp(&b.0)));
            prefixes.truncate(width.max(1));
        }
        prefixes.into_iter().map(|(classes, ends)| Scored { classes, log_p: total(&ends) }).collect()
    }

    /// The logarithm of a sequence's probability: the forward algorithm. Minus infinity where it can't be.
    pub fn score(&self, classes: &[usize]) -> f32 {
        let Some(states) = self.states(classes) else { return f32::NEG_INFINITY };
        let mut row = start(&states);
        for step in 0..self.steps() {
            row = (0..states.len())
                .map(|at| sources(&states, at).fold(f32::NEG_INFINITY, |sum, from| add(sum, row[from])))
                .zip(&states)
                .map(|(sum, class)| sum + self.at(step, *class))
                .collect();
        }
        // Before the first step stands a blank that nobody said.
        row.iter().rev().take(2).fold(f32::NEG_INFINITY, |sum, p| add(sum, *p))
    }

    /// When a sequence was most probably said: forced alignment (Viterbi). `None` where it can't have been.
    pub fn align(&self, classes: &[usize]) -> Option<Vec<Aligned>> {
        let states = self.states(classes)?;
        let mut row = start(&states);
        let mut from: Vec<Vec<usize>> = Vec::with_capacity(self.steps());
        for step in 0..self.steps() {
            let best: Vec<usize> = (0..states.len())
                .map(|at| sources(&states, at).max_by(|a, b| row[*a].total_cmp(&row[*b])).unwrap_or(at))
                .collect();
            row = best.iter().zip(&states).map(|(from, class)| row[*from] + self.at(step, *class)).collect();
            from.push(best);
        }
        let last = states.len() - 1;
        let mut at = if last > 0 && row[last - 1] > row[last] { last - 1 } else { last };
        if row[at] == f32::NEG_INFINITY {
            return None;
        }
        let mut found: Vec<Aligned> =
            classes.iter().map(|class| Aligned { class: *class, steps: 0..0, p: 0.0 }).collect();
        for (step, from) in from.iter().enumerate().rev() {
            if at % 2 == 1 {
                let word = &mut found[at / 2];
                word.steps = step..if word.steps.is_empty() { step + 1 } else { word.steps.end };
                word.p += self.at(step, word.class).exp();
            }
            at = from[at];
        }
        for word in &mut found {
            word.p /= word.steps.len().max(1) as f32;
        }
        Some(found)
    }

    /// A sequence with blanks around and between its classes; `None` where the network has no such class.
    fn states(&self, classes: &[usize]) -> Option<Vec<usize>> {
        let known = classes.iter().all(|class| (1..self.classes).contains(class));
        known.then(|| std::iter::once(BLANK).chain(classes.iter().flat_map(|class| [*class, BLANK])).collect())
    }
}

/// Classes that are less probable than this at a step don't lengthen a sequence there.
const LEAST_LOG_P: f32 = -9.0;

/// Before the first step a path stands on the first blank, and may go on to the first class at once.
fn start(states: &[usize]) -> Vec<f32> {
    let mut row = vec![f32::NEG_INFINITY; states.len()];
    row[0] = 0.0;
    row
}

/// The states that a path may come from: the same, the one before, and the class before where another one follows.
fn sources(states: &[usize], at: usize) -> impl Iterator<Item = usize> {
    let skips = at >= 2 && states[at] != BLANK && states[at] != states[at - 2];
    (at.saturating_sub(if skips { 2 } else { 1 })..=at).rev()
}

fn total(ends: &[f32; 2]) -> f32 {
    add(ends[0], ends[1])
}

/// The logarithm of a sum, from logarithms.
fn add(a: f32, b: f32) -> f32 {
    let (high, low) = if a > b { (a, b) } else { (b, a) };
    if low == f32::NEG_INFINITY { high } else { high + (low - high).exp().ln_1p() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Rows that sum to one.
    fn rows(weights: &[Vec<f32>]) -> Vec<f32> {
        let row = |row: &Vec<f32>| {
            let sum: f32 = row.iter().sum();
            row.iter().map(move |weight| (weight / sum).ln()).collect::<Vec<_>>()
        };
        weights.iter().flat_map(row).collect()
    }

    /// The sequence of a path, and the paths of some steps one by one.
    fn read(path: &[usize]) -> Vec<usize> {
        let mut last = BLANK;
        path.iter().copied().filter(|class| std::mem::replace(&mut last, *class) != *class && *class != BLANK).collect()
    }

    fn paths(steps: usize, classes: usize) -> Vec<Vec<usize>> {
        (0..classes.pow(steps as u32))
            .map(|number| (0..steps).map(|step| number / classes.pow(step as u32) % classes).collect())
            .collect()
    }

    fn weights() -> impl Strategy<Value = Vec<Vec<f32>>> {
        prop::collection::vec(prop::collection::vec(0.05f32..1.0, 3), 1..6)
    }

    proptest! {
        #[test]
        fn a_score_is_the_sum_over_all_paths(weights in weights()) {
            let values = rows(&weights);
            let log_probs = LogProbs::new(&values, 3).unwrap();
            let mut sums: HashMap<Vec<usize>, f32> = HashMap::new();
            for path in paths(weights.len(), 3) {
                let p: f32 = path.iter().enumerate().map(|(step, class)| values[step * 3 + class]).sum::<f32>().exp();
                *sums.entry(read(&path)).or_default() += p;
            }
            for (classes, p) in &sums {
                prop_assert!((log_probs.score(classes).exp() - p).abs() < 1e-4, "{classes:?}");
            }
            // A beam that holds everything finds exactly these.
            let beam = log_probs.beam(1000);
            prop_assert_eq!(beam.len(), sums.len());
            for found in &beam {
                prop_assert!((found.log_p.exp() - sums[&found.classes]).abs() < 1e-4);
            }
            prop_assert!(beam.windows(2).all(|pair| pair[0].log_p >= pair[1].log_p));
        }

        #[test]
        fn an_alignment_is_the_best_path_of_its_sequence(weights in weights()) {
            let values = rows(&weights);
            let log_probs = LogProbs::new(&values, 3).unwrap();
            let wanted = log_probs.greedy();
            let aligned = log_probs.align(&wanted).unwrap();
            prop_assert_eq!(aligned.iter().map(|word| word.class).collect::<Vec<_>>(), wanted);
            let mut end = 0;
            for word in &aligned {
                prop_assert!(word.steps.start >= end && !word.steps.is_empty() && word.steps.end <= weights.len());
                prop_assert!((0.0..=1.0).contains(&word.p));
                end = word.steps.end;
            }
            // The greedy path is the best of all, so its classes lie where it has them.
            for word in &aligned {
                for step in word.steps.clone() {
                    let row = &values[step * 3..step * 3 + 3];
                    prop_assert!(row.iter().all(|p| *p <= row[word.class]));
                }
            }
        }
    }

    #[test]
    fn what_cannot_be_said_has_no_alignment() {
        let values = rows(&[vec![0.2, 0.8, 0.1], vec![0.2, 0.8, 0.1]]);
        let log_probs = LogProbs::new(&values, 3).unwrap();
        // The same class twice needs a blank between.
        assert_eq!(log_probs.align(&[1, 1]), None);
        assert_eq!(log_probs.score(&[1, 1]), f32::NEG_INFINITY);
        assert_eq!(log_probs.align(&[7]), None);
        assert!(LogProbs::new(&values, 0).is_none());
        let nothing = LogProbs::new(&[], 3).unwrap();
        assert_eq!((nothing.greedy(), nothing.align(&[1])), (Vec::new(), None));
        assert_eq!(nothing.beam(4), [Scored { classes: Vec::new(), log_p: 0.0 }]);
        assert_eq!(nothing.align(&[]), Some(Vec::new()));
    }
}
