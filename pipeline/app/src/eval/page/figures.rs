// SPDX-License-Identifier: Apache-2.0
//! How good the detector is: by condition, corpus and manipulation, as curves, and beside other means.

use std::fmt::Write;
use std::path::Path;

use super::{
    svg::{Chart, Row, Series, forest},
    text::{Unit, count, escape},
};
use crate::eval::{
    outcome::Status,
    report::{BaselineFigures, Calibrated, Group, Measured, Report, Tally},
};

const HEAD: &str = "<th class=n>genuine<small>judged of all</small></th><th class=n>manipulated<small>judged of all</small>\
     </th><th class=n>AUC</th><th class=n>EER</th><th class=n>AP</th><th class=n>TPR<small>at 1 % FPR</small></th>\
     <th class=n>TPR<small>at 5 % FPR</small></th><th class=n>TPR<small>at threshold</small></th>\
     <th class=n>FPR<small>at threshold</small></th>";

/// Everything between the tiles and the false alarms.
pub fn sections(report: &Report) -> String {
    let mut html = "<h2>By condition</h2><p>Each with its 95 % interval over persons. The second line of each counts \
                    items that were not judged as inconclusive.</p>"
        .to_owned();
    let rows: String = report
        .conditions
        .iter()
        .map(|measured| {
            let psnr = measured.psnr_db.map_or_else(String::new, |db| format!("; PSNR {db:.1} dB"));
            let name = format!("{}<small>{}{psnr}</small>", measured.condition, escape(&measured.title));
            rows(&name, &measured.overall)
        })
        .collect();
    html.push_str(&table("condition", &rows));
    let Some(first) = report.conditions.first() else { return html };
    html.push_str(&curves(report, first));
    let _ = write!(html, "<h2>By corpus and by manipulation</h2><p>On pictures {}.</p>", escape(&first.title));
    html.push_str(&groups("corpus", &first.by_corpus));
    html.push_str(&groups("manipulation", &first.by_manipulation));
    html.push_str(
        "<p class=soft>A manipulation is held against the genuine items of the corpora in which it occurs; where \
                   those have none, against all.</p>",
    );
    html.push_str(&within(first));
    html + &not_judged(report)
}

fn table(of: &str, rows: &str) -> String {
    format!("<div class=scroll><table><thead><tr><th>{of}</th>{HEAD}</tr></thead><tbody>{rows}</tbody></table></div>")
}

/// Two lines of a group; `name` is markup.
fn rows(name: &str, group: &Group) -> String {
    let counts = |tally: &Tally| format!("<td class=n>{}<small>of {}</small></td>", tally.judged, tally.items);
    let mut html = String::new();
    for (figures, all) in [(&group.judged, false), (&group.all, true)] {
        let cells = [
            Unit::Plain.cell(figures.auc),
            Unit::Percent.cell(figures.eer),
            Unit::Plain.cell(figures.average_precision),
            Unit::Percent.cell(figures.tpr_at_1),
            Unit::Percent.cell(figures.tpr_at_5),
            Unit::Percent.cell(figures.tpr),
            Unit::Percent.cell(figures.fpr),
        ];
        let lead = if all {
            let coverage = Unit::Percent.value(group.coverage);
            format!("<tr class=second><th scope=row>all items<small>{coverage} judged</small></th><td></td><td></td>")
        } else {
            let (genuine, manipulated) = (counts(&group.counts.genuine), counts(&group.counts.manipulated));
            format!("<tr><th scope=row>{name}</th>{genuine}{manipulated}")
        };
        html.push_str(&lead);
        cells.iter().for_each(|cell| html.push_str(cell));
        html.push_str("</tr>");
    }
    html
}

fn groups(of: &str, groups: &[Group]) -> String {
    let name =
        |group: &Group| format!("{}<small>{}</small>", escape(&group.name), count(group.counts.persons, "person"));
    let lines: String = groups.iter().map(|group| rows(&name(group), group)).collect();
    if groups.is_empty() { String::new() } else { table(of, &lines) }
}

fn curves(report: &Report, first: &Measured) -> String {
    let mut html = "<h2>Curves</h2><div class=charts>".to_owned();
    let mut figure = |title: &str, note: &str, chart: Chart| {
        let svg = chart.svg();
        let _ = write!(html, "<figure><figcaption>{title}<small>{note}</small></figcaption>{svg}</figure>");
    };
    let series = |of: fn(&Measured) -> Option<&Vec<[f64; 2]>>| -> Vec<Series> {
        let one = |measured: &Measured| {
            let points = of(measured).filter(|points| !points.is_empty())?.clone();
            Some(Series { name: measured.condition.to_string(), points, dots: false })
        };
        report.conditions.iter().filter_map(one).collect()
    };
    let roc = series(|measured| Some(&measured.roc));
    let chart = |title: &str, x, y, top, diagonal, series| Chart { title: title.into(), x, y, top, diagonal, series };
    if !roc.is_empty() {
        let (x, y) = ("genuine items that alarm", "manipulated items that alarm");
        figure("ROC", "judged items", chart("ROC curves", x, y, 1.0, true, roc));
    }
    let risk = series(|measured| measured.risk_coverage.as_ref().map(|curve| &curve.points));
    if !risk.is_empty() {
        let highest = risk.iter().flat_map(|one| &one.points).map(|[_, risk]| *risk).fold(0.1, f64::max);
        let top = (highest * 5.0).ceil() / 5.0;
        let note = "wrong decisions when only the surest are taken; a curve ends where items were not judged";
        figure("Risk and coverage", note, chart("Risk by coverage", "coverage", "risk", top, false, risk));
    }
    if let Some(Calibrated { ece, bins }) = &first.reliability {
        let points = bins.iter().map(|bin| [bin.p, bin.manipulated]).collect();
        let series = vec![Series { name: String::new(), points, dots: true }];
        let note = format!("ECE {}, bins of equal mass, even odds", Unit::Plain.plain(*ece));
        figure("Reliability", &note, chart("Reliability", "p", "part manipulated", 1.0, true, series));
    }
    html + "</div>"
}

/// Pooled beside within-person figures.
fn within<'a>(first: &'a Measured) -> String {
    let mut html =
        "<h3>Pooled and within persons</h3><p>Pooled, a person or camera that scores high throughout counts \
                    against the detector. Within persons it doesn't. A gap between both is an offset by person.</p>"
            .to_owned();
    let named = |kind: &'static str, groups: &'a [Group]| groups.iter().map(move |group| (kind, group));
    let all = named("", std::slice::from_ref(&first.overall)).chain(named("corpus", &first.by_corpus));
    let all = all.chain(named("manipulation", &first.by_manipulation));
    let groups: Vec<_> = all.filter(|(_, group)| group.judged.auc.is_some()).collect();
    let rows: String = groups
        .iter()
        .map(|(kind, group)| {
            let (pooled, within) =
                (Unit::Plain.cell(group.judged.auc), Unit::Plain.cell(group.judged.within_person_auc));
            let (name, persons) = (escape(&group.name), group.persons_with_both);
            format!("<tr><th scope=row>{name}<small>{kind}</small></th>{pooled}{within}<td class=n>{persons}</td></tr>")
        })
        .collect();
    let _ = write!(
        html,
        "<table><thead><tr><th></th><th class=n>AUC pooled</th><th class=n>AUC within persons</th><th class=n>persons with \
         both labels</th></tr></thead><tbody>{rows}</tbody></table>"
    );
    if first.pairs > 0 {
        let share = escape(&Unit::Percent.plain(first.paired));
        let _ = write!(
            html,
            "<p>In {share} of {} pairs the manipulated item scores higher than its own original.</p>",
            first.pairs
        );
    }
    let row =
        |(kind, group): &(&str, &Group)| Row { name: format!("{kind} {}", group.name), estimate: group.judged.auc };
    let rows: Vec<Row> = groups.iter().map(row).collect();
    html + &forest("AUC by corpus and manipulation", &rows, Unit::Plain, 1.0, Some(0.5))
}

/// What was not judged, and why.
fn not_judged(report: &Report) -> String {
    let mut html =
        "<h2>Items that were not judged</h2><p>Nothing is left out in silence: all = judged + not judged + no \
                    face found + unreadable.</p><div class=scroll><table><thead><tr><th>condition</th><th>corpus</th>\
                    <th>label</th><th class=n>all</th><th class=n>judged</th><th>not judged, by reason</th>\
                    <th class=n>no face found</th><th class=n>unreadable</th></tr></thead><tbody>"
            .to_owned();
    for measured in &report.conditions {
        for group in &measured.by_corpus {
            for (label, tally) in [("genuine", &group.counts.genuine), ("manipulated", &group.counts.manipulated)] {
                if tally.items == 0 {
                    continue;
                }
                let reasons: Vec<_> =
                    tally.not_judged.iter().map(|(reason, n)| format!("{} {n}", reason.replace('_', " "))).collect();
                let (condition, corpus, reasons) =
                    (measured.condition, escape(&group.name), escape(&reasons.join(", ")));
                let Tally { items, judged, not_found, unreadable, .. } = tally;
                let _ = write!(
                    html,
                    "<tr><td>{condition}</td><td>{corpus}</td><td>{label}</td><td class=n>{items}</td><td class=n>{judged}\
                     </td><td>{reasons}</td><td class=n>{not_found}</td><td class=n>{unreadable}</td></tr>"
                );
            }
        }
    }
    html + "</tbody></table></div>"
}

/// Other means beside ours.
pub fn baselines(baselines: &[BaselineFigures]) -> String {
    let rows: String = baselines
        .iter()
        .map(|baseline| {
            let (name, direction, items) = (escape(&baseline.name), baseline.direction, baseline.items);
            let (own, other) = (Unit::Plain.cell(baseline.network_auc), Unit::Plain.cell(baseline.auc));
            format!(
                "<tr><th scope=row>{name}<small>{direction} is manipulated</small></th><td class=n>{items}</td>{other}{own}\
                 </tr>"
            )
        })
        .collect();
    format!(
        "<h2>Baselines</h2><p>What other means reach on the same judged items. File size and sharpness are given in the \
         direction that suits them better. Where one of them comes close, the items part by how they were made, and not \
         only by what was done to the face.</p><table><thead><tr><th></th><th class=n>items</th><th class=n>its AUC</th>\
         <th class=n>AUC of the network</th></tr></thead><tbody>{rows}</tbody></table>"
    )
}

/// Corpora of few items, one by one.
pub fn small(report: &Report) -> String {
    let mut html = String::new();
    for listed in &report.small {
        let _ = write!(
            html,
            "<h3>{}, {}</h3><table><thead><tr><th>item</th><th>label</th><th>manipulation</th><th class=n>logit</th>\
             <th class=n>p</th><th>outcome</th></tr></thead><tbody>",
            escape(&listed.corpus),
            count(listed.items.len(), "item")
        );
        for number in &listed.items {
            html.push_str(&report.items.get(*number).map_or_else(String::new, item));
        }
        html.push_str("</tbody></table>");
    }
    if html.is_empty() {
        return html;
    }
    format!("<h2>Small corpora, item by item</h2><p>Figures over so few items mean little, so each is shown.</p>{html}")
}

fn item(item: &crate::eval::report::ItemLine) -> String {
    let stem = Path::new(&item.path).file_stem().unwrap_or_default().to_string_lossy();
    let (logit, p, outcome) = match &item.outcome.status {
        Status::Judged(score) => {
            let outcome = match score.signs {
                Some(true) => "<span class=signs>signs of manipulation found</span>".to_owned(),
                Some(false) => "none found".to_owned(),
                None => "scored".to_owned(),
            };
            (format!("{:.2}", score.logit), Unit::Plain.value_or_dash(score.p), outcome)
        }
        Status::NotJudged { reason } => ("–".into(), "–".into(), escape(&reason.replace('_', " "))),
        Status::NotFound => ("–".into(), "–".into(), "no face found".into()),
        Status::Unreadable { why } => ("–".into(), "–".into(), format!("unreadable: {}", escape(why))),
    };
    let (stem, manipulation) = (escape(&stem), escape(&item.manipulation));
    format!(
        "<tr><td>{stem}</td><td>{}</td><td>{manipulation}</td><td class=n>{logit}</td><td class=n>{p}</td>\
         <td>{outcome}</td></tr>",
        item.label
    )
}
