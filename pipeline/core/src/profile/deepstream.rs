// SPDX-License-Identifier: Apache-2.0
//! DeepStream: one JSON object a picture, its objects as text with bars between, as `nvmsgconv payload-type=1` writes it.

use serde_json::{Value, json};
use time::OffsetDateTime;

use super::{Envelope, class, pixels};
use crate::event::Data;
use crate::record::Frame;
use crate::results::Face;

pub(super) fn frame(envelope: Envelope<'_>, data: &Data<Frame>) -> Value {
    let frame = &data.content;
    json!({
        "version": "4.0",
        // Theirs is the picture's number, of which nothing is known here: the PTS rises like it.
        "id": frame.pts_ns.to_string(),
        "@timestamp": timestamp(data.clock.wall_ns),
        "sensorId": envelope.stream,
        "objects": frame.faces.iter().map(|face| object(face, frame)).collect::<Vec<_>>(),
        "customMessage": [envelope.id],
    })
}

/// `track|left|top|right|bottom|label|#|attribute|...|confidence`, the box in pixels.
fn object(face: &Face, frame: &Frame) -> String {
    let [x, y, w, h] = face.rect.into();
    let (width, height) = pixels(frame);
    let [left, top, right, bottom] = [x * width, y * height, (x + w) * width, (y + h) * height];
    let head = format!("{}|{left}|{top}|{right}|{bottom}|face", face.track);
    match face.manipulation.as_ref().map(class) {
        None => head,
        Some(class) => {
            let p = class.p.map(|p| format!("{p:.3}")).unwrap_or_default();
            format!("{head}|#|{}|{p}|{}", class.label, face.score)
        }
    }
}

/// RFC 3339 with exactly three digits of a second: their consumers read it by place.
fn timestamp(wall_ns: u64) -> String {
    // A u64 of nanoseconds ends in the year 2554, well within what this takes.
    let time = OffsetDateTime::from_unix_timestamp_nanos(wall_ns.into()).unwrap_or(OffsetDateTime::UNIX_EPOCH);
    let (date, (hour, minute, second, ms)) = (time.date(), time.to_hms_milli());
    format!("{date}T{hour:02}:{minute:02}:{second:02}.{ms:03}Z")
}
