// SPDX-License-Identifier: Apache-2.0
//! `report.html`, `report.json` and `signals.csv`: a run for people, in one file that opens anywhere and loads nothing, and
//! the same for programs.
//!
//! Everything that can be read is in the markup; only the plots need a script, and the page says so where that can't run.
//! uPlot comes out of the store and goes into the page with its licence. Without it the page is whole but for the plots.

mod sections;
mod shots;

use std::{fs, io::Write, path::Path};

use polygraph_core::{
    incident::RULE,
    record::Incident,
    report::{Report, Said, Series, Shown, Texts, Track, Verdict},
    results::NetworkRef,
};
use polygraph_models::{Store, card, store::plots::Plots};
use serde::Serialize;
use serde_json::json;

use super::summary::Summary;
use crate::{
    error::{Error, Result},
    html::{embeddable, escape},
};

/// A network as a report tells of it.
#[derive(Serialize)]
pub struct Network {
    #[serde(flatten)]
    network: NetworkRef,
    title: String,
    /// What is known of how good it is.
    note: String,
    licence: String,
    /// Why commercial use is unclear or forbidden.
    caveat: Option<String>,
}

impl Network {
    fn of(network: &NetworkRef) -> Self {
        let known = card(&network.name).ok();
        let text = |of: &dyn Fn(&polygraph_models::Card) -> String| known.map(of).unwrap_or_default();
        Self {
            network: network.clone(),
            title: text(&|card| card.title.clone()),
            note: text(&|card| card.quality.note.clone()),
            licence: text(&|card| format!("{}. {}", card.licence.spdx, card.licence.terms)),
            caveat: known.and_then(|card| card.licence.commercial_caveat()),
        }
    }
}

/// All that `report.json` holds.
#[derive(Serialize)]
struct Whole<'a> {
    summary: &'a Summary,
    transcript: Vec<&'a Said>,
    /// Stream times of the shot boundaries, nanoseconds.
    shots: Vec<u64>,
    /// Stretches of one scene, and what content safety found.
    shown: &'a Shown,
    /// The text that stood on the screen.
    screen_text: &'a Texts,
    networks: &'a [Network],
    series: &'a Series,
}

/// Writes the three files.
pub fn write(folder: &Path, summary: &Summary, report: &Report) -> Result<()> {
    let networks: Vec<_> = report.networks().map(Network::of).collect();
    let whole = Whole {
        summary,
        transcript: report.said().collect(),
        shots: report.shots().iter().map(|shot| shot.pts_ns).collect(),
        shown: report.shown(),
        screen_text: report.texts(),
        networks: &networks,
        series: report.series(),
    };
    let path = folder.join("report.json");
    let text = serde_json::to_string(&whole).map_err(|why| file(&path, why.into()))?;
    fs::write(&path, text + "\n").map_err(Error::file(&path))?;
    let path = folder.join("signals.csv");
    csv(&path, report.series()).map_err(|why| file(&path, why))?;
    let path = folder.join("report.html");
    let plots = Store::open(Store::default_dir()).plots();
    if plots.is_err() {
        errln!("polygraph: report.html has no plots, since uPlot isn't in the store: polygraph models fetch");
    }
    fs::write(&path, html(folder, summary, report, &networks, plots.ok().as_ref())).map_err(Error::file(&path))
}

fn file(path: &Path, why: std::io::Error) -> Error {
    Error::File { path: path.display().to_string(), why }
}

/// One row for each moment; empty where nothing is known.
fn csv(path: &Path, series: &Series) -> std::io::Result<()> {
    let mut file = std::io::BufWriter::new(fs::File::create(path)?);
    writeln!(file, "time,{}", Series::NAMES.join(","))?;
    let columns = series.values();
    for (row, time) in series.time.iter().enumerate() {
        write!(file, "{time:.3}")?;
        for column in columns {
            match column[row] {
                Some(value) => write!(file, ",{value:.4}")?,
                None => write!(file, ",")?,
            }
        }
        writeln!(file)?;
    }
    file.flush()
}

fn html(folder: &Path, summary: &Summary, report: &Report, networks: &[Network], plots: Option<&Plots>) -> String {
    let title = format!("Polygraph report: {}", escape(&summary.stream));
    let (style, script) = plots.map_or((String::new(), String::new()), |plots| {
        let script = format!("/*! uPlot\n{}\n*/\n{}", plots.licence.replace("*/", "* /"), plots.script);
        (plots.style.clone(), script.replace("</script", "<\\/script"))
    });
    let body = [
        sections::lead(&title, summary, report),
        sections::timeline(plots.is_some()),
        sections::incidents(report, folder),
        sections::faces(report),
        sections::transcript(report),
        shots::section(report, folder),
        sections::shown(report),
        sections::screen_text(report),
        sections::credentials(summary),
        sections::networks(networks),
        sections::circumstances(summary),
    ]
    .concat();
    // The policy lets the page load nothing and send nothing, whatever an input's name or words may hold.
    format!(
        "<!doctype html><html lang=en><head><meta charset=utf-8><title>{title}</title>\
         <meta name=viewport content=\"width=device-width, initial-scale=1\">\
         <meta http-equiv=Content-Security-Policy content=\"default-src 'none'; img-src data:; style-src 'unsafe-inline'; \
         script-src 'unsafe-inline'\"><style>{style}\n{}</style></head><body><main>{body}</main>\
         <script type=application/json id=data>{}</script><script>{script}</script><script>{}</script></body></html>\n",
        include_str!("page/style.css"),
        embeddable(&data(report).to_string()),
        include_str!("page/page.js"),
    )
}

/// What the plots are made of.
fn data(report: &Report) -> serde_json::Value {
    let series = report.series();
    // Three digits are more than a pixel, and a third of the size.
    let short = |values: &[Option<f32>]| -> Vec<Option<f64>> {
        values.iter().map(|value| value.map(|value| (f64::from(value) * 1000.0).round() / 1000.0)).collect()
    };
    let columns: serde_json::Map<_, _> = Series::NAMES
        .into_iter()
        .zip(series.values())
        .map(|(name, values)| (name.to_owned(), json!(short(values))))
        .collect();
    let time: Vec<_> = series.time.iter().map(|time| (time * 1000.0).round() / 1000.0).collect();
    let seconds = |ns: u64| (ns / 1_000_000) as f64 / 1000.0;
    let whole = |it: &Incident| {
        let [start, end] = [it.start_ns, it.end_ns].map(|ns| ns as f64 / 1e9);
        series.time.first().is_some_and(|first| start <= *first) && series.time.last().is_some_and(|last| end >= *last)
    };
    let incidents: Vec<_> = report
        .incidents()
        .iter()
        // A rule's about the whole input, as of its content credentials, would shade everything.
        .filter(|it| it.track.is_some() || it.rule == RULE || !whole(it))
        .map(|incident| json!([seconds(incident.start_ns), seconds(incident.end_ns), incident.severity]))
        .collect();
    let lane = |track: Track| {
        let verdict = track.manipulation.map(|judged| judged.verdict);
        json!([track.track, seconds(track.first_ns), seconds(track.last_ns), verdict])
    };
    let tracks: Vec<_> = report.tracks().map(lane).collect();
    let shots: Vec<_> = report.shots().iter().map(|shot| seconds(shot.pts_ns)).collect();
    json!({ "time": time, "columns": columns, "incidents": incidents, "tracks": tracks, "shots": shots })
}

/// A verdict on a face for people.
fn words(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::SignsFound => "signs of manipulation found",
        Verdict::NoneFound => "none found",
        Verdict::NotJudged => "could not be judged",
        Verdict::NotCalibrated => "scores are not calibrated",
    }
}
