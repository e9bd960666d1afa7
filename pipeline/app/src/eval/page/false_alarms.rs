// SPDX-License-Identifier: Apache-2.0
//! Whom false alarms hit.

use std::fmt::Write;

use super::{
    svg::{Row, forest},
    text::{Unit, escape},
};
use crate::eval::report::{Fairness, FalseAlarms, Measured, Report};

/// False alarms of the first condition.
pub fn sections(report: &Report) -> String {
    let Some(first) = report.conditions.first() else { return String::new() };
    let mut html = "<h2>False alarms at the shipped threshold</h2>".to_owned();
    let (Some(alarms), Some(calibration)) = (&first.false_alarms, report.about.calibration) else {
        return html + "<p>The network's card has no threshold: nothing can alarm.</p>";
    };
    let ppv = alarms.ppv.map(|ppv| escape(&Unit::Percent.plain(ppv)));
    let _ = write!(
        html,
        "<p>Judged genuine items at p ≥ {}. Where 1 % of faces are manipulated, {} of alarms are right; where 10 % are, {}.\
         </p><h3>By corpus</h3>",
        calibration.threshold, ppv[0], ppv[1]
    );
    html.push_str(&by_corpus(first));
    html.push_str(&persons(alarms));
    html.push_str(&proxies(alarms));
    html
}

fn by_corpus(first: &Measured) -> String {
    let rows: Vec<Row> = first
        .by_corpus
        .iter()
        .filter(|group| group.judged.fpr.is_some())
        .map(|group| Row { name: group.name.clone(), estimate: group.judged.fpr })
        .collect();
    let highest = rows.iter().filter_map(|row| Some(row.estimate?.interval?[1])).fold(0.2, f64::max);
    forest("False alarms by corpus", &rows, Unit::Percent, (highest * 10.0).ceil() / 10.0, Some(0.05))
}

fn persons(alarms: &FalseAlarms) -> String {
    let decile = Unit::Percent.value_or_dash(alarms.worst_decile);
    let mut html = format!(
        "<h3>By person</h3><p>{} of {} persons have any false alarm. The worst tenth of persons alarms in {decile} of their \
         genuine items.</p>",
        alarms.persons_alarmed, alarms.persons
    );
    if alarms.worst.is_empty() {
        return html;
    }
    html.push_str(
        "<table><thead><tr><th>person</th><th class=n>genuine items</th><th class=n>alarms</th><th class=n>rate</th></tr>\
         </thead><tbody>",
    );
    for rate in &alarms.worst {
        let (person, items, hits) = (rate.person, rate.items, rate.alarms);
        let share = Unit::Percent.value(rate.rate());
        let _ = write!(
            html,
            "<tr><td>number {person}</td><td class=n>{items}</td><td class=n>{hits}</td><td class=n>{share}</td></tr>"
        );
    }
    html + "</tbody></table>"
}

fn proxies(alarms: &FalseAlarms) -> String {
    let mut html = format!(
        "<h3>By what a picture shows: a proxy for fairness</h3><p>Nobody's origin, age or sex is known here or guessed. \
         Items are parted into thirds by measures of the picture. <b>{}</b>.</p>\
         <table><thead><tr><th>measure</th><th class=n>lowest third</th><th class=n>middle third</th>\
         <th class=n>highest third</th></tr></thead><tbody>",
        escape(alarms.not_assessed)
    );
    for Fairness { measure, unit, terciles, thirds } in &alarms.proxies {
        let cells: String = thirds
            .iter()
            .map(|third| {
                let cell = Unit::Percent.cell(third.fpr);
                cell.replace("</td>", &format!("<small>{} items</small></td>", third.items))
            })
            .collect();
        let _ = write!(
            html,
            "<tr><th scope=row>{measure}<small>thirds end at {:.1} and {:.1} {unit}</small></th>{cells}</tr>",
            terciles.low, terciles.high
        );
    }
    html + "</tbody></table>"
}
