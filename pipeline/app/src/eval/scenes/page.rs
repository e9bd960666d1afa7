// SPDX-License-Identifier: Apache-2.0
//! The figures of scenes for people: lines for a terminal, and a page with the confusion matrix.

use std::fmt::Write;

use polygraph_core::evaluation::Estimate;

use super::{super::listed::in_words, Measured, Report};
use crate::html::escape;

/// Confusions shown in words.
const WORST: usize = 12;

/// The figures as lines.
pub fn table(report: &Report) -> String {
    let mut text = String::new();
    for one in &report.measured {
        let Measured { condition, corpus, items, unreadable, .. } = one;
        let _ = writeln!(text, "{corpus}, {}: {items} stills, {unreadable} unreadable", condition.in_words());
        for (name, estimate) in rows(one, report.about.threshold) {
            let _ = writeln!(text, "  {name:44} {}", in_words(estimate));
        }
    }
    text
}

/// The figures that a corpus has.
fn rows(one: &Measured, threshold: f64) -> Vec<(String, Estimate)> {
    let figures = &one.figures;
    let all = [
        ("top-1, each item the same".to_owned(), figures.micro),
        ("top-1, each label the same".to_owned(), figures.macro_),
        (format!("answered at p >= {threshold:.2}"), figures.coverage),
        ("of the answered right".to_owned(), figures.precision),
        ("expected calibration error".to_owned(), figures.ece),
        ("indoors or outdoors right".to_owned(), one.place),
        ("without a scene: given no label".to_owned(), one.refused),
    ];
    let blank = one.refused.is_some();
    let kept = all.into_iter().enumerate().filter(|(at, _)| !blank || *at == 6);
    kept.filter_map(|(_, (name, estimate))| Some((name, estimate?))).collect()
}

/// The page: no scripts, nothing to load.
pub fn html(report: &Report) -> String {
    let title = format!("Polygraph: scenes, {}", escape(&report.about.folder));
    let mut page = format!(
        "<!doctype html><html lang=en><head><meta charset=utf-8><title>{title}</title>\
         <meta name=viewport content=\"width=device-width, initial-scale=1\">\
         <meta http-equiv=Content-Security-Policy content=\"default-src 'none'; style-src 'unsafe-inline'\">\
         <style>{}{}</style></head><body><main><h1>{title}</h1><p class=soft>{} on {}, {}</p>",
        include_str!("../page/style.css"),
        "table.matrix td{{padding:0;text-align:center;font-size:.7em;min-width:2em}}\
         table.matrix th{{font-weight:normal;font-size:.75em;text-align:right;white-space:nowrap}}\
         table.matrix thead th{{writing-mode:vertical-rl;text-align:left}}"
            .replace("{{", "{")
            .replace("}}", "}"),
        escape(&report.about.network),
        escape(&report.about.circumstances.date),
        escape(&report.about.circumstances.hardware),
    );
    for one in &report.measured {
        section(&mut page, one, report);
    }
    page + "</main></body></html>\n"
}

fn section(page: &mut String, one: &Measured, report: &Report) {
    let _ = write!(page, "<h2>{}, {}</h2>", escape(&one.corpus), escape(&one.condition.in_words()));
    let _ = write!(page, "<p>{} stills, {} unreadable.</p><table><tbody>", one.items, one.unreadable);
    for (name, estimate) in rows(one, report.about.threshold) {
        let _ = write!(page, "<tr><th scope=row>{}</th><td>{}</td></tr>", escape(&name), in_words(estimate));
    }
    page.push_str("</tbody></table>");
    if one.refused.is_none() {
        classes(page, one, report);
        matrix(page, one, report);
    }
}

fn classes(page: &mut String, one: &Measured, report: &Report) {
    page.push_str("<h3>Each label</h3><table><thead><tr><th>label<th>stills<th>found<th>told<th>of these right</tr></thead><tbody>");
    let part = |part: Option<f64>| part.map_or("-".to_owned(), |part| format!("{:.0} %", 100.0 * part));
    for (label, row) in report.labels.iter().zip(&one.classes).filter(|(_, row)| row.items + row.told > 0) {
        let (recall, precision) = (part(row.recall), part(row.precision));
        let _ = write!(
            page,
            "<tr><th scope=row>{}</th><td>{}</td><td>{recall}</td><td>{}</td><td>{precision}</td></tr>",
            escape(label),
            row.items,
            row.told
        );
    }
    page.push_str("</tbody></table>");
}

/// Rows: what it is; columns: what is said; shaded by the part of the row.
fn matrix(page: &mut String, one: &Measured, report: &Report) {
    let shown: Vec<usize> =
        (0..report.labels.len()).filter(|at| one.classes[*at].items > 0 || column(one, *at) > 0).collect();
    page.push_str("<h3>What is taken for what</h3><div class=scroll><table class=matrix><thead><tr><th></th>");
    for at in &shown {
        let _ = write!(page, "<th scope=col>{}</th>", escape(&report.labels[*at]));
    }
    page.push_str("</tr></thead><tbody>");
    for row in &shown {
        let _ = write!(page, "<tr><th scope=row>{}</th>", escape(&report.labels[*row]));
        let all = one.confusion[*row].iter().sum::<u32>().max(1);
        for at in &shown {
            let count = one.confusion[*row][*at];
            let part = f64::from(count) / f64::from(all);
            let hue = if row == at { "46,125,50" } else { "198,40,40" };
            let text = if count > 0 { count.to_string() } else { String::new() };
            let _ = write!(page, "<td style=\"background:rgba({hue},{part:.2})\">{text}</td>");
        }
        page.push_str("</tr>");
    }
    page.push_str("</tbody></table></div><p>Most often:</p><ul>");
    for (count, truth, said) in worst(one) {
        let (truth, said) = (escape(&report.labels[truth]), escape(&report.labels[said]));
        let _ = write!(page, "<li>{count} times {truth} was taken for {said}</li>");
    }
    page.push_str("</ul>");
}

fn column(one: &Measured, at: usize) -> u32 {
    one.confusion.iter().map(|row| row[at]).sum()
}

fn worst(one: &Measured) -> Vec<(u32, usize, usize)> {
    let cells = one.confusion.iter().enumerate().flat_map(|(truth, row)| {
        row.iter()
            .enumerate()
            .filter(move |(said, count)| *said != truth && **count > 0)
            .map(move |(said, count)| (*count, truth, said))
    });
    let mut all: Vec<_> = cells.collect();
    all.sort_unstable_by(|a, b| b.cmp(a));
    all.truncate(WORST);
    all
}
