// SPDX-License-Identifier: Apache-2.0
//! The faces for others: regions of interest, and element messages.

use gst::prelude::*;
use gst_video::{VideoInfo, VideoRegionOfInterestMeta};
use polygraph_core::results::{Face, FaceResults};

/// The face's box in pixels, clipped to the picture: left, top, width, height; nothing if none of it is inside.
pub(super) fn pixels(face: &Face, info: &VideoInfo) -> Option<(u32, u32, u32, u32)> {
    let [left, top, right, bottom] = [
        (face.rect.x, info.width()),
        (face.rect.y, info.height()),
        (face.rect.x + face.rect.w, info.width()),
        (face.rect.y + face.rect.h, info.height()),
    ]
    .map(|(at, size)| (at.clamp(0.0, 1.0) * size as f32).round() as u32);
    (right > left && bottom > top).then(|| (left, top, right - left, bottom - top))
}

/// Adds a region of interest of type `face` for each face, clipped to the picture, with a parameter structure
/// `polygraph-face` that holds track, score and quality.
pub(super) fn regions(buffer: &mut gst::BufferRef, info: &VideoInfo, faces: &[Face]) {
    for face in faces {
        if let Some(rect) = pixels(face, info) {
            let mut meta = VideoRegionOfInterestMeta::add(buffer, "face", rect);
            meta.add_param(
                gst::Structure::builder("polygraph-face")
                    .field("track", face.track)
                    .field("score", face.score)
                    .field("quality", face.quality)
                    .build(),
            );
        }
    }
}

/// What is posted of one look: `polygraph-faces` with PTS and a list of faces.
pub(super) fn message(results: &FaceResults) -> gst::Structure {
    let faces = results.faces.iter().map(|face| {
        gst::Structure::builder("face")
            .field("track", face.track)
            .field("box", gst::Array::new(<[f32; 4]>::from(face.rect)))
            .field("score", face.score)
            .field("quality", face.quality)
            .build()
            .to_send_value()
    });
    gst::Structure::builder("polygraph-faces")
        .field("pts", gst::ClockTime::from_nseconds(results.pts.start_ns))
        .field("faces", gst::Array::from_values(faces))
        .build()
}
