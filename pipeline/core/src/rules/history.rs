// SPDX-License-Identifier: Apache-2.0
//! The short history of the fields that rules look back on.

use std::collections::{BTreeMap, VecDeque};

use cel::Value;

use super::fields::Values;

/// The longest window of a rule, in nanoseconds.
pub(crate) const LONGEST_NS: u64 = 60_000_000_000;
/// Values that are remembered at most of a field of a face; the oldest makes room. A minute of every picture has fewer.
const MAX_PAST: usize = 4096;

/// How far rules look back, by field.
pub(crate) type Windows = BTreeMap<usize, u64>;

/// What a rule asks of the past.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Over {
    Max,
    Min,
    Mean,
    Rise,
    True,
}

impl Over {
    pub(crate) const ALL: [Self; 5] = [Self::Max, Self::Min, Self::Mean, Self::Rise, Self::True];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Max => "max_over",
            Self::Min => "min_over",
            Self::Mean => "mean_over",
            Self::Rise => "rise_over",
            Self::True => "true_for",
        }
    }
}

/// The past of one face, or of the stream.
#[derive(Clone, Debug, Default)]
pub(crate) struct History {
    past: BTreeMap<usize, VecDeque<(u64, Option<f64>)>>,
    pub(crate) first_ns: Option<u64>,
    pub(crate) last_ns: u64,
}

impl History {
    /// Remembers what rules look back on.
    pub(crate) fn push(&mut self, pts_ns: u64, values: &Values, windows: &Windows) {
        self.first_ns.get_or_insert(pts_ns);
        self.last_ns = pts_ns;
        for (field, window_ns) in windows {
            let past = self.past.entry(*field).or_default();
            let value = match &values[*field] {
                Value::Float(value) => Some(*value),
                Value::Bool(value) => Some(f64::from(u8::from(*value))),
                _ => None,
            };
            past.push_back((pts_ns, value));
            // The one before the window stays: it says how the window began.
            while past.len() > MAX_PAST || past.get(1).is_some_and(|(then_ns, _)| then_ns + window_ns <= pts_ns) {
                past.pop_front();
            }
        }
    }

    /// Looks back; `null` where nothing is known.
    pub(crate) fn over(&self, over: Over, field: usize, window_ns: u64) -> Value {
        let Some(past) = self.past.get(&field) else { return Value::Null };
        let within = past.iter().filter(|(then_ns, _)| then_ns + window_ns > self.last_ns);
        let known = || within.clone().filter_map(|(_, value)| *value);
        let number = |value: Option<f64>| value.map_or(Value::Null, Value::Float);
        match over {
            Over::Max => number(known().reduce(f64::max)),
            Over::Min => number(known().reduce(f64::min)),
            Over::Mean => number(known().next().map(|_| known().sum::<f64>() / known().count() as f64)),
            Over::Rise => number(known().next_back().zip(known().reduce(f64::min)).map(|(now, least)| now - least)),
            Over::True => {
                // Long enough only when something is known from before the window.
                let began = past.front().is_some_and(|(then_ns, _)| then_ns + window_ns <= self.last_ns);
                let all = past.iter().all(|(_, value)| *value == Some(1.0));
                let now = past.back().and_then(|(_, value)| *value);
                match now {
                    None => Value::Null,
                    Some(_) if past.iter().any(|(_, value)| *value == Some(0.0)) => Value::Bool(false),
                    Some(_) => Value::Bool(began && all),
                }
            }
        }
    }
}
