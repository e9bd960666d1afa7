// SPDX-License-Identifier: Apache-2.0
//! The page's sections, as markup that reads without any script.

use std::{collections::BTreeSet, fmt::Write, path::Path};

use base64::prelude::{BASE64_STANDARD, Engine};
use polygraph_core::{
    incident::RULE,
    record::{Evidence, EvidenceKind, EvidenceState, Incident, Severity},
    report::{Clock, Report, Track, Verdict},
    results::Part,
};

use super::{super::summary::Summary, Network, words};
use crate::html::escape;

/// Tracks that are listed at most, the longest ones.
const MOST_TRACKS: usize = 200;
/// Stretches of one scene that the page lists at most.
const SCENES: usize = 200;
/// Lines of text that are listed.
const TEXTS: usize = 500;

pub fn time(ns: u64) -> String {
    let seconds = ns as f64 / 1e9;
    format!("<button class=at data-t=\"{seconds:.3}\">{}</button>", Clock(ns))
}

fn severity(severity: Severity) -> &'static str {
    severity.as_str()
}

/// What is said first: the finding in one sentence, and the figures.
pub fn lead(title: &str, summary: &Summary, report: &Report) -> String {
    let faces: BTreeSet<_> =
        report.incidents().iter().filter(|incident| incident.rule == RULE).map(|incident| incident.track).collect();
    let is = |track: &Track, verdict| track.manipulation.as_ref().is_some_and(|judged| judged.verdict == verdict);
    let judged = |verdict| report.tracks().any(|track| is(&track, verdict));
    let (class, finding, more) = if !faces.is_empty() {
        let whose = if faces.len() == 1 { "one face".to_owned() } else { format!("{} faces", faces.len()) };
        // Faces that the table below marks, and no incident is about.
        let brief = report
            .tracks()
            .filter(|track| is(track, Verdict::SignsFound) && !faces.contains(&Some(track.track)))
            .count();
        let brief =
            if brief > 0 { format!(", and too briefly for an incident in {brief} more") } else { String::new() };
        let more = format!("in {whose}{brief}. Look at the moments below before you conclude anything.");
        ("found", "Signs of manipulation found", more)
    } else if judged(Verdict::SignsFound) {
        ("thin", "Signs of manipulation in single pictures", "too brief to be an incident.".to_owned())
    } else if judged(Verdict::NoneFound) {
        ("none", "No signs of manipulation found", "That never means that something is genuine.".to_owned())
    } else {
        ("thin", "Nothing could be judged", "No face was seen well enough.".to_owned())
    };
    let mut faults: Vec<_> =
        report.incidents().iter().filter_map(|incident| Some(incident.fault.as_ref()?.kind)).collect();
    let count = faults.len();
    faults.sort();
    faults.dedup();
    let faults = faults.iter().map(|kind| kind.as_str().replace('_', " ")).collect::<Vec<_>>().join(", ");
    let faults = match count {
        0 => String::new(),
        1 => format!("<p class=warn>One broadcast fault: {faults}.</p>"),
        _ => format!("<p class=warn>{count} broadcast faults: {faults}.</p>"),
    };
    let tile = |name: &str, value: String| format!("<div class=tile><b>{value}</b><small>{name}</small></div>");
    let found = report.found();
    let loudness = report.integrated_lufs().map_or("–".into(), |lufs| format!("{lufs:.1}"));
    let failure = summary
        .failure
        .as_ref()
        .map(|failure| format!("<p class=warn>The input was not analysed to its end: {}</p>", escape(failure)));
    format!(
        "<header><h1>{title}</h1><p class=soft>{}</p></header><p class=\"finding {class}\"><b>{finding}</b> {more}</p>{faults}{}\
         <div class=tiles>{}{}{}{}{}{}</div>",
        escape(&summary.input),
        failure.unwrap_or_default(),
        tile("analysed, min:s", Clock((summary.analysed_s * 1e9) as u64).to_string()),
        tile("incidents", found.incidents.to_string()),
        tile("face tracks", found.tracks.to_string()),
        tile("words", found.words.to_string()),
        tile("shot boundaries", found.cuts.to_string()),
        tile("LUFS integrated", loudness),
    )
}

/// Where the script draws.
pub fn timeline(plots: bool) -> String {
    let without = if plots {
        "<noscript><p class=warn>The plots need JavaScript; all else is below.</p></noscript>"
    } else {
        "<p class=warn>There are no plots: uPlot was not in the store when this was written (polygraph models fetch). \
         signals.csv has their numbers.</p>"
    };
    format!(
        "<section id=timeline><h2>Timeline</h2>{without}<div id=plots hidden><p class=soft>Drag to zoom, double-click for the \
         whole; times anywhere on this page lead here. <button id=out>zoom out</button> <button id=all>whole</button></p>\
         <figure><figcaption>Probability of signs of manipulation <small>incidents are shaded, cuts are the thin \
         lines</small></figcaption><div id=plot-signs></div></figure>\
         <figure><figcaption>Speech and loudness</figcaption><div id=plot-sound></div></figure>\
         <figure><figcaption>Faces <small>a bar from the first picture of a track to its last</small></figcaption>\
         <div id=plot-faces></div></figure></div></section>"
    )
}

/// What all pictures on a page may take, in bytes: beyond this the page names the files beside it.
const MOST_PICTURES: usize = 24 << 20;

/// The incidents, the gravest first, with the pictures that are kept in the run's folder.
pub fn incidents(report: &Report, folder: &Path) -> String {
    let mut incidents: Vec<_> = report.incidents().iter().collect();
    if incidents.is_empty() {
        return "<section id=incidents><h2>Incidents</h2><p>None.</p></section>".into();
    }
    incidents.sort_by_key(|incident| (std::cmp::Reverse(incident.severity), incident.start_ns));
    let mut html = "<section id=incidents><h2>Incidents</h2>".to_owned();
    let mut room = MOST_PICTURES;
    for incident in incidents {
        html.push_str(&one(incident, folder, &mut room));
    }
    html + "</section>"
}

fn one(incident: &Incident, folder: &Path, room: &mut usize) -> String {
    let kind = format!("{:?}", incident.kind).to_lowercase();
    let grave = severity(incident.severity);
    let mut html = format!(
        "<article class=\"incident {grave}\"><div class=what><p><span class=badge>{grave}</span> {} to {} <span class=soft>\
         {kind}, rule {}, incident {}</span></p><p class=message>{}</p>",
        time(incident.start_ns),
        time(incident.end_ns),
        escape(&incident.rule),
        incident.incident,
        escape(&incident.message)
    );
    html.push_str("<table class=parts>");
    let rows = [("all senses together", incident.p)].into_iter();
    let rows = rows.chain(Part::ALL.map(|part| (part.in_words(), incident.parts.get(part))));
    for (name, p) in rows.filter_map(|(name, p)| Some((name, p?))) {
        let percent = 100.0 * p.clamp(0.0, 1.0);
        let _ = write!(
            html,
            "<tr><th>{name}<td><span class=bar><i style=\"width:{percent:.0}%\"></i></span><td class=n>{p:.2}"
        );
    }
    html.push_str("</table></div><div class=evidence>");
    for evidence in &incident.evidence {
        html.push_str(&picture(evidence, folder, room));
    }
    html + "</div></article>"
}

/// A picture inside the page, so that the page is whole wherever it goes; or why there is none.
fn picture(evidence: &Evidence, folder: &Path, room: &mut usize) -> String {
    let what = match evidence.kind {
        EvidenceKind::KeyFrame => "the picture",
        EvidenceKind::HeatMap => "the face at its highest score, and where it looks manipulated",
        EvidenceKind::MouthStrip => "the mouth from this time on, a second a row",
        EvidenceKind::Spectrogram => "the sound around, 0 to 8 kHz, a stroke each second and each 2 kHz",
    };
    let Some(path) = evidence.path.as_ref().filter(|_| evidence.state == EvidenceState::Kept) else {
        let why = if evidence.state == EvidenceState::Expired { "was gone already" } else { "could not be kept" };
        return format!("<p class=soft>{what}: {why}</p>");
    };
    let at = Clock(evidence.pts_ns);
    let Some(file) = std::fs::read(folder.join(path)).ok().filter(|file| file.len() <= *room) else {
        return format!("<p class=soft>{what}, {at}: <code>{}</code></p>", escape(path));
    };
    *room -= file.len();
    let file = BASE64_STANDARD.encode(file);
    format!(
        "<figure><img alt=\"{what}\" src=\"data:image/jpeg;base64,{file}\"><figcaption>{what}, {at}</figcaption></figure>"
    )
}

/// The face tracks.
pub fn faces(report: &Report) -> String {
    let mut tracks: Vec<_> = report.tracks().collect();
    let all = tracks.len();
    if all == 0 {
        return "<section id=faces><h2>Faces</h2><p>No face was seen.</p></section>".into();
    }
    tracks.sort_by_key(|track| std::cmp::Reverse(track.last_ns - track.first_ns));
    tracks.truncate(MOST_TRACKS);
    tracks.sort_by_key(|track| track.first_ns);
    let mut html = "<section id=faces><h2>Faces</h2><div class=scroll><table><thead><tr><th>face<th>from<th>to\
                    <th class=n>pictures<th>signs of manipulation<th class=n>highest p<th class=n>pictures with signs\
                    </thead><tbody>"
        .to_owned();
    for track in &tracks {
        let judged = track.manipulation.as_ref();
        let verdict = judged.map_or("nobody looked", |judged| words(judged.verdict));
        let class =
            if judged.is_some_and(|judged| judged.verdict == Verdict::SignsFound) { " class=signs" } else { "" };
        let p = judged.and_then(|judged| judged.highest_p).map_or("–".into(), |p| format!("{p:.2}"));
        let with = judged.map_or("–".into(), |judged| format!("{} of {}", judged.with_signs, judged.scored));
        let _ = write!(
            html,
            "<tr><th>{}<td>{}<td>{}<td class=n>{}<td{class}>{verdict}<td class=n>{p}<td class=n>{with}",
            track.track,
            time(track.first_ns),
            time(track.last_ns),
            track.pictures
        );
    }
    html.push_str("</tbody></table></div>");
    if all > tracks.len() {
        let _ = write!(html, "<p class=soft>The {} longest of {all}; report.json has all.</p>", tracks.len());
    }
    html + "</section>"
}

/// What was said.
pub fn transcript(report: &Report) -> String {
    let mut html = "<section id=transcript><h2>Transcript</h2>".to_owned();
    let mut said = report.said().peekable();
    if said.peek().is_none() {
        return html + "<p>Nothing that was said could be written down.</p></section>";
    }
    html.push_str("<table class=said><tbody>");
    for said in said {
        let _ = write!(html, "<tr><td>{}<td>{}", time(said.start_ns), escape(&said.text));
    }
    html + "</tbody></table></section>"
}

/// What was shown, and what of it may be unfit to be.
pub fn shown(report: &Report) -> String {
    let shown = report.shown();
    if shown.is_empty() {
        return String::new();
    }
    let mut html = "<section id=scenes><h2>Scenes</h2>".to_owned();
    for (label, flagged) in &shown.safety {
        let _ = write!(
            html,
            "<p class=warn>Content safety: {} in {} pictures from {} on, score up to {:.2}.</p>",
            escape(label),
            flagged.pictures,
            time(flagged.first_ns),
            flagged.score
        );
    }
    if shown.stretches.is_empty() {
        return html + "</section>";
    }
    html.push_str("<div class=scroll><table><thead><tr><th>from<th>to<th>scene<th class=n>p<th>place</thead><tbody>");
    for one in shown.stretches.iter().take(SCENES) {
        let (first, last) = (time(one.first_ns), time(one.last_ns));
        let (label, place) = (escape(&one.label), escape(&one.place));
        let _ = write!(html, "<tr><td>{first}<td>{last}<td>{label}<td class=n>{:.2}<td>{place}", one.p);
    }
    html.push_str("</tbody></table></div>");
    if shown.stretches.len() > SCENES {
        let _ = write!(html, "<p class=soft>The first {SCENES} of {}; report.json has all.</p>", shown.stretches.len());
    }
    html + "</section>"
}

/// The text that stood on the screen.
pub fn screen_text(report: &Report) -> String {
    let lines = report.texts().lines();
    if lines.is_empty() {
        return String::new();
    }
    let mut html = "<section id=text><h2>Text on screen</h2><div class=scroll><table><thead><tr><th>from<th>to<th>text\
                    <th class=n>score</thead><tbody>"
        .to_owned();
    for one in lines.iter().take(TEXTS) {
        let (first, last, text) = (time(one.first_ns), time(one.last_ns), escape(&one.text));
        let _ = write!(html, "<tr><td>{first}<td>{last}<td>{text}<td class=n>{:.2}", one.score);
    }
    html.push_str(
        "</tbody></table></div><p class=soft>As read by a network, which is sure of wrong signs now and then.</p>",
    );
    if lines.len() > TEXTS {
        let _ = write!(html, "<p class=soft>The first {TEXTS} of {}; report.json has all.</p>", lines.len());
    }
    html + "</section>"
}

/// What was measured by, and what it is worth.
pub fn networks(networks: &[Network]) -> String {
    let mut html =
        "<section id=networks><h2>What this is worth</h2><p>Signs of manipulation are what networks saw in pictures \
                    and sound. They miss much and alarm wrongly now and then. What each is known to do:</p>"
            .to_owned();
    for network in networks {
        let Network { network, title, note, licence, caveat } = network;
        let caveat = caveat.as_ref().map(|caveat| format!("<p class=warn>{}</p>", escape(caveat))).unwrap_or_default();
        let _ = write!(
            html,
            "<article class=network><h3>{} <small>{} {}, on {}</small></h3><p>{}</p>{caveat}<p class=soft>Licence: {}</p>\
             <p class=soft>SHA-256 <code>{}</code></p></article>",
            escape(title),
            escape(&network.name),
            escape(&network.version),
            escape(&network.provider),
            escape(note),
            escape(licence),
            escape(&network.sha256)
        );
    }
    html + "</section>"
}

/// What the file says of where it comes from.
pub fn credentials(summary: &Summary) -> String {
    let Some(provenance) = &summary.provenance else { return String::new() };
    let claim = |value: &Option<String>| value.clone().unwrap_or_default();
    let ingredients = if provenance.ingredients > 0 { provenance.ingredients.to_string() } else { String::new() };
    let claims = [
        ("signed as", claim(&provenance.signer)),
        ("signed at", claim(&provenance.signed)),
        ("made with", claim(&provenance.generator)),
        ("what was done", provenance.actions.join(", ")),
        ("kinds of source", provenance.sources.join(", ")),
        ("files it was made of", ingredients),
    ];
    let claims = claims.iter().filter(|(_, value)| !value.is_empty());
    let lines: String = claims.map(|(name, value)| term(name, value)).collect();
    let lines = if lines.is_empty() { lines } else { format!("<dl>{lines}</dl>") };
    format!(
        "<section id=credentials><h2>Content credentials</h2><p>{}</p>{lines}<p class=soft>By C2PA. They say who signed a file \
         and what that signer claims. A valid signature proves that nothing was changed since, not that the claims are true; a \
         file without is no worse for it.</p></section>",
        escape(&capital(&provenance.to_string())),
    )
}

/// A line of a list of terms.
fn term(name: &str, value: &str) -> String {
    format!("<dt>{name}<dd>{}", escape(value))
}

fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or(String::new(), |first| first.to_uppercase().chain(letters).collect())
}

/// How it was made.
pub fn circumstances(summary: &Summary) -> String {
    let lines = [
        term("stream", &summary.stream),
        term("epoch", &summary.epoch),
        term("events", &summary.events.to_string()),
        term("speed", &format!("{:.1} times real time", summary.speed)),
        term("Polygraph", env!("CARGO_PKG_VERSION")),
    ];
    format!(
        "<section id=circumstances><h2>Circumstances</h2><dl>{}</dl><p class=soft>events.ndjson beside this file has every \
         event; report.json and signals.csv the numbers of this page. Plots by uPlot (MIT).</p></section>",
        lines.concat()
    )
}
