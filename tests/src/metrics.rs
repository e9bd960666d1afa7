// SPDX-License-Identifier: Apache-2.0
//! Prometheus' text format, as far as tests need it.

use std::collections::BTreeMap;

/// The value of each series whose name is this, by its labels as they stand there; without labels by the empty text.
pub fn series(text: &str, name: &str) -> BTreeMap<String, f64> {
    let series = |line: &str| {
        let rest = line.strip_prefix(name)?;
        let (labels, value) = match rest.strip_prefix('{') {
            Some(rest) => rest.split_once("} ")?,
            None => ("", rest.strip_prefix(' ')?),
        };
        Some((labels.to_owned(), value.parse().expect("a number")))
    };
    text.lines().filter_map(series).collect()
}

/// The sum of the series that have this label.
pub fn sum(series: &BTreeMap<String, f64>, label: &str) -> f64 {
    series.iter().filter(|(labels, _)| labels.contains(label)).map(|(_, value)| value).sum()
}
