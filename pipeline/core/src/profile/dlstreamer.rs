// SPDX-License-Identifier: Apache-2.0
//! DL Streamer: one JSON object a picture, as `gvametaconvert format=json` writes it.

use serde_json::{Value, json};

use super::{Envelope, class, pixels};
use crate::event::Data;
use crate::record::Frame;
use crate::results::Face;

pub(super) fn frame(envelope: Envelope<'_>, data: &Data<Frame>) -> Value {
    let frame = &data.content;
    let mut all = json!({
        "source": envelope.source,
        "timestamp": frame.pts_ns,
        "system_timestamp": envelope.time,
        // Theirs is free text of the user; here it says which event this is.
        "tags": {"stream_id": envelope.stream, "event_id": envelope.id},
        "objects": frame.faces.iter().enumerate().map(|(index, face)| object(index, face, frame)).collect::<Vec<_>>(),
    });
    if let Some(size) = frame.picture {
        all["resolution"] = json!({"width": size.width, "height": size.height});
    }
    all
}

fn object(index: usize, face: &Face, frame: &Frame) -> Value {
    let [x, y, w, h] = face.rect.into();
    let (width, height) = pixels(frame);
    let mut object = json!({
        "detection": {
            "bounding_box": {"x_min": x, "y_min": y, "x_max": x + w, "y_max": y + h},
            "confidence": face.score,
            "label": "face",
            "label_id": 0,
        },
        // Theirs counts from 1; the track is 0 where there is none.
        "id": face.track + 1,
        "region_id": index + 1,
        "roi_type": "face",
    });
    if frame.picture.is_some() {
        for (name, value) in [("x", x * width), ("y", y * height), ("w", w * width), ("h", h * height)] {
            object[name] = json!(value.round() as i64);
        }
    }
    if let Some(found) = &face.manipulation {
        let class = class(found);
        object["manipulation"] = json!({
            "label": class.label,
            "label_id": class.number,
            "confidence": class.p.unwrap_or_default(),
            "model": {"name": "face-forensics"},
        });
    }
    object
}
