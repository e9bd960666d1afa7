// SPDX-License-Identifier: Apache-2.0
//! The shots, by small pictures where key frames were kept.

use std::{fmt::Write, path::Path};

use base64::prelude::{BASE64_STANDARD, Engine};
use image::imageops;
use polygraph_core::{
    record::{EvidenceState, Shot},
    report::Report,
    results::TransitionKind,
};

use super::sections::time;
use crate::evidence::{jpeg, read};

/// Shots that are listed: an hour of news has some 800.
const MOST: usize = 2000;
/// Shots with a picture, 5 kB each: the page stays quick to open.
const MOST_PICTURES: usize = 400;
/// Pixels.
const WIDTH: u32 = 160;
const QUALITY: u8 = 70;

/// The shot boundaries, each with a picture of the shot that begins there.
pub fn section(report: &Report, folder: &Path) -> String {
    let shots = report.shots();
    let mut html = "<section id=shots><h2>Shots</h2>".to_owned();
    if shots.is_empty() {
        return html + "<p>No boundary was found: one shot.</p></section>";
    }
    html.push_str("<p class=soft>New shots begin at</p><div class=shots>");
    let mut pictures = 0;
    for shot in &shots[..shots.len().min(MOST)] {
        let picture = (pictures < MOST_PICTURES).then(|| small(shot, folder)).flatten();
        // Most are cuts, which says nothing.
        let kind = if shot.kind == TransitionKind::Cut { "" } else { shot.kind.as_str() };
        let caption = format!("{} {kind}", time(shot.pts_ns));
        let _ = match &picture {
            Some(picture) => write!(
                html,
                "<figure><img alt=\"\" loading=lazy src=\"data:image/jpeg;base64,{picture}\"><figcaption>{caption}</figcaption></figure>"
            ),
            None => write!(html, "<span>{caption}</span>"),
        };
        pictures += usize::from(picture.is_some());
    }
    html.push_str("</div>");
    if shots.len() > MOST {
        let _ = write!(html, "<p class=soft>The first {MOST} of {}; report.json has all.</p>", shots.len());
    }
    html + "</section>"
}

/// A small copy of a shot's key frame, as base64; `None` where none was kept.
fn small(shot: &Shot, folder: &Path) -> Option<String> {
    let kept = shot.key_frame.as_ref().filter(|key| key.state == EvidenceState::Kept)?;
    let file = std::fs::read(folder.join(kept.path.as_ref()?)).ok()?;
    let picture = read(&file).ok()?;
    let height = (WIDTH * picture.height()).div_ceil(picture.width().max(1)).max(1);
    let small = imageops::thumbnail(&picture, WIDTH, height);
    Some(BASE64_STANDARD.encode(jpeg(&small, QUALITY).ok()?))
}
