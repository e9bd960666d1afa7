// SPDX-License-Identifier: Apache-2.0
//! The report for people: one HTML file without scripts or anything to load, and some lines for a terminal.

mod false_alarms;
mod figures;
mod svg;
mod text;

use std::fmt::Write;

use polygraph_core::evaluation::Estimate;

use super::report::{About, Measured, Report};
use text::{Unit, escape};

/// The page.
pub fn html(report: &Report) -> String {
    let title = format!("Polygraph evaluation: {}", escape(&report.about.folder));
    let mut page = format!(
        "<!doctype html><html lang=en><head><meta charset=utf-8><title>{title}</title>\
         <meta name=viewport content=\"width=device-width, initial-scale=1\">\
         <meta http-equiv=Content-Security-Policy content=\"default-src 'none'; style-src 'unsafe-inline'\">\
         <style>{}</style></head><body><main><h1>{title}</h1>",
        include_str!("page/style.css")
    );
    page.push_str(&lead(report));
    page.push_str(&figures::sections(report));
    page.push_str(&false_alarms::sections(report));
    page.push_str(&figures::baselines(&report.baselines));
    page.push_str(&figures::small(report));
    page.push_str(&circumstances(&report.about));
    page.push_str(METHODS);
    page + "</main></body></html>\n"
}

/// What is said first: the figures that decide, and what to keep in mind.
fn lead(report: &Report) -> String {
    let about = &report.about;
    let network = about.networks.first().map_or_else(String::new, |network| {
        format!("{} {} on {}", escape(&network.name), escape(&network.version), escape(&network.provider))
    });
    let mut html = format!(
        "<p class=soft>How well <b>{network}</b> finds signs of manipulation in faces, measured with the shipped \
         elements on {}.</p>",
        escape(&about.date)
    );
    for warning in &report.warnings {
        let _ = write!(html, "<p class=warn>{}</p>", escape(warning));
    }
    let Some(first) = report.conditions.first() else { return html };
    let _ = write!(html, "<div class=tiles>{}</div>", tiles(first, report));
    html
}

fn tiles(first: &Measured, report: &Report) -> String {
    let judged = &first.overall.judged;
    let tile = |name: &str, value: String, note: String| {
        format!("<div class=tile><small>{name}</small><b>{value}</b><small>{note}</small></div>")
    };
    let estimate = |unit: Unit, estimate: Option<Estimate>| {
        let value = unit.value_or_dash(estimate.map(|estimate| estimate.value));
        let interval = estimate.and_then(|estimate| estimate.interval);
        let note = interval
            .map_or_else(String::new, |[low, high]| format!("95 %: {} to {}", unit.value(low), unit.value(high)));
        (value, note)
    };
    let counts = &first.overall.counts;
    let (auc, auc_note) = estimate(Unit::Plain, judged.auc);
    let (within, within_note) = estimate(Unit::Plain, judged.within_person_auc);
    let (tpr, tpr_note) = estimate(Unit::Percent, judged.tpr);
    let (fpr, fpr_note) = estimate(Unit::Percent, judged.fpr);
    let threshold = report.about.calibration.map_or_else(String::new, |c| format!("p ≥ {}; ", c.threshold));
    [
        tile("AUC, pooled", auc, auc_note),
        tile("AUC within persons", within, within_note),
        tile("manipulated items with signs found", tpr, format!("{threshold}{tpr_note}")),
        tile("genuine items that alarm", fpr, format!("{threshold}{fpr_note}")),
        tile(
            "items that were judged",
            Unit::Percent.value(first.overall.coverage),
            format!("of {} by {} persons", counts.genuine.items + counts.manipulated.items, counts.persons),
        ),
    ]
    .concat()
}

fn circumstances(about: &About) -> String {
    let mut html = "<h2>Circumstances</h2><dl>".to_owned();
    let mut line = |name: &str, value: String| {
        let _ = write!(html, "<dt>{name}</dt><dd>{}</dd>", escape(&value));
    };
    let commit = about.commit.as_ref().map_or_else(String::new, |commit| format!(", commit {commit}"));
    line("Polygraph", format!("{}{commit}", about.polygraph));
    line("date", about.date.clone());
    line("hardware", about.hardware.clone());
    line("took", format!("{:.0} s in {} jobs", about.seconds, about.jobs));
    for network in &about.networks {
        let (name, version, sha256, provider) = (&network.name, &network.version, &network.sha256, &network.provider);
        line("network", format!("{name} {version}, {provider}, SHA-256 {sha256}"));
    }
    match about.calibration {
        Some(c) => line(
            "calibration",
            format!("p = sigmoid({} × logit + {}), signs at p ≥ {}", c.scale, c.offset, c.threshold),
        ),
        None => line("calibration", "none in the card".into()),
    }
    line("terms of the network", about.terms.clone());
    line("pictures of clips", format!("{} a second", about.analysis_fps));
    html + "</dl>"
}

const METHODS: &str = "<h2>How it was measured</h2>
<p>The score of an item is the highest logit that any track of a face had over two seconds. <b>Judged</b> items have a
score. On <b>all items</b>, one that was not judged is inconclusive: it raises no alarm and ranks last. AUC is that of
Mann and Whitney with ties counted half; <b>within persons</b> only items of the same person are compared, weighted by
pairs. EER is where both errors are equal. AP is average precision and depends on the part of manipulated items. Intervals
are 95 % percentile intervals over bootstrap resamples of persons. Calibration and risk count both labels alike (even
odds). Skin is measured on the cheeks of the picture as it was lit and encoded; it says nothing about a person.</p>";

/// Some lines for a terminal.
pub fn summary(report: &Report) -> String {
    let mut text = format!(
        "{:<9} {:>6} {:>8}  {:<22} {:<22} {:<20} {:<20}\n",
        "", "items", "judged", "AUC", "AUC within persons", "signs: manipulated", "signs: genuine"
    );
    for measured in &report.conditions {
        let (overall, judged) = (&measured.overall, &measured.overall.judged);
        let items = overall.counts.genuine.items + overall.counts.manipulated.items;
        let _ = writeln!(
            text,
            "{:<9} {items:>6} {:>8}  {:<22} {:<22} {:<20} {:<20}",
            measured.condition.to_string(),
            Unit::Percent.value(overall.coverage),
            Unit::Plain.plain(judged.auc),
            Unit::Plain.plain(judged.within_person_auc),
            Unit::Percent.plain(judged.tpr),
            Unit::Percent.plain(judged.fpr),
        );
        if let Some(psnr) = measured.psnr_db {
            let _ = writeln!(text, "{:<9} {psnr:>6.1} dB PSNR", "");
        }
    }
    for warning in &report.warnings {
        let _ = writeln!(text, "note: {warning}");
    }
    text
}
