// SPDX-License-Identifier: Apache-2.0
//! The faces for elements that read GstAnalytics, which GStreamer has since 1.24.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use gst::glib;
use gst_analytics::{AnalyticsRelationMeta, AnalyticsRelationMetaODExt, AnalyticsRelationMetaTrackingExt, RelTypes};
use gst_video::VideoInfo;
use polygraph_core::results::{Face, FaceResults};

use super::mirror::pixels;

static FACE: LazyLock<glib::Quark> = LazyLock::new(|| glib::Quark::from_str("face"));
/// No occlusion that a track outlives is longer by default; a track that comes back later is a new one to others.
const FORGOTTEN_NS: u64 = 60_000_000_000;

/// When each track was seen first and last.
#[derive(Debug, Default)]
pub(super) struct FirstSeen(BTreeMap<u64, (u64, u64)>);

impl FirstSeen {
    /// When a track that is seen at `pts_ns` was seen first, in ns of PTS.
    fn of(&mut self, track: u64, pts_ns: u64) -> u64 {
        let seen = self.0.entry(track).or_insert((pts_ns, pts_ns));
        seen.1 = pts_ns;
        seen.0
    }

    fn forget(&mut self, pts_ns: u64) {
        self.0.retain(|_, (_, last)| pts_ns.saturating_sub(*last) < FORGOTTEN_NS);
    }
}

/// Adds an object detection of type `face` and a tracking for each face, related to each other. The detector's score is the
/// location's confidence; GstAnalytics has no place for a score that is no probability.
pub(super) fn add(
    buffer: &mut gst::BufferRef,
    info: &VideoInfo,
    results: &FaceResults,
    first: &mut FirstSeen,
) -> Result<(), glib::BoolError> {
    if results.faces.is_empty() {
        return Ok(());
    }
    let pts_ns = results.pts.start_ns;
    // Somebody before us may have added one; a buffer has one.
    if buffer.meta::<AnalyticsRelationMeta>().is_none() {
        AnalyticsRelationMeta::add(buffer);
    }
    for face in &results.faces {
        one(buffer, info, face, first.of(face.track, pts_ns))?;
    }
    first.forget(pts_ns);
    Ok(())
}

fn one(buffer: &mut gst::BufferRef, info: &VideoInfo, face: &Face, first_ns: u64) -> Result<(), glib::BoolError> {
    let (Some((x, y, w, h)), Some(mut meta)) = (pixels(face, info), buffer.meta_mut::<AnalyticsRelationMeta>()) else {
        return Ok(());
    };
    // Sides of a picture are below 2^31.
    let [x, y, w, h] = [x, y, w, h].map(|side| i32::try_from(side).unwrap_or(i32::MAX));
    let found = meta.add_od_mtd(*FACE, x, y, w, h, face.score)?.id();
    let track = meta.add_tracking_mtd(face.track, gst::ClockTime::from_nseconds(first_ns))?.id();
    meta.set_relation(RelTypes::RELATE_TO, found, track)
}
