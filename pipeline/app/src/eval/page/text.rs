// SPDX-License-Identifier: Apache-2.0
//! Numbers and names as the page writes them.

use polygraph_core::evaluation::Estimate;

pub use crate::html::escape;

/// `1 person`, `2 persons`.
pub fn count(number: usize, of: &str) -> String {
    if number == 1 { format!("1 {of}") } else { format!("{number} {of}s") }
}

/// How a figure is written.
#[derive(Clone, Copy)]
pub enum Unit {
    /// 0.912
    Plain,
    /// 4.2 %
    Percent,
}

impl Unit {
    /// A value without its interval.
    pub fn value(self, value: f64) -> String {
        match self {
            Self::Plain => format!("{value:.3}"),
            Self::Percent => format!("{:.1} %", 100.0 * value),
        }
    }

    /// A value, a dash where there is none.
    pub fn value_or_dash(self, value: Option<f64>) -> String {
        value.map_or_else(|| "–".into(), |value| self.value(value))
    }

    fn bound(self, value: f64) -> String {
        match self {
            Self::Plain => format!("{value:.3}"),
            Self::Percent => format!("{:.1}", 100.0 * value),
        }
    }

    /// `0.912 [0.880, 0.940]`, for a terminal.
    pub fn plain(self, estimate: Option<Estimate>) -> String {
        let Some(Estimate { value, interval }) = estimate else { return "-".into() };
        match interval {
            Some([low, high]) => format!("{} [{}, {}]", self.value(value), self.bound(low), self.bound(high)),
            None => self.value(value),
        }
    }

    /// A table cell.
    pub fn cell(self, estimate: Option<Estimate>) -> String {
        let Some(Estimate { value, interval }) = estimate else { return "<td class=n>–</td>".into() };
        let value = self.value(value);
        match interval {
            Some([low, high]) => {
                format!("<td class=n>{value}<small>{} to {}</small></td>", self.bound(low), self.bound(high))
            }
            None => format!("<td class=n>{value}<small>no interval</small></td>"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_written_with_their_intervals() {
        let estimate = Some(Estimate { value: 0.0512, interval: Some([0.04, 0.07]) });
        assert_eq!(Unit::Percent.plain(estimate), "5.1 % [4.0, 7.0]");
        assert_eq!(Unit::Plain.plain(None), "-");
        assert!(Unit::Plain.cell(estimate).contains("0.051<small>0.040 to 0.070</small>"));
    }
}
