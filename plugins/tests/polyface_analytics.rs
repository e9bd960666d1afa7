// SPDX-License-Identifier: Apache-2.0
//! What `polyface` tells elements that read GstAnalytics (GStreamer 1.24 or newer: `./dev test --trixie`).

#![cfg(feature = "v1_24")]
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use common::{MS, astronaut, buffer, harness, info};
use gst_analytics::{AnalyticsMetaRefExt, AnalyticsODMtd, AnalyticsRelationMeta, AnalyticsTrackingMtd, RelTypes};
use gst_video::VideoFormat;
use gstpolygraph::meta::video_results;

#[test]
fn a_face_is_a_detection_that_is_related_to_its_track() {
    let info = info(VideoFormat::I420, (512, 512));
    let mut harness = harness("polyface", &info);
    for pts_ns in [0, 40 * MS, 80 * MS] {
        let out = harness.push_and_pull(buffer(&info, &astronaut(), pts_ns)).unwrap();
        let face = video_results(&out).unwrap().faces.unwrap().faces[0].clone();
        let meta = out.meta::<AnalyticsRelationMeta>().expect("a meta");
        let found: Vec<_> = meta.iter::<AnalyticsODMtd>().collect();
        let tracks: Vec<_> = meta.iter::<AnalyticsTrackingMtd>().collect();
        let ([found], [track]) = (&found[..], &tracks[..]) else { panic!("{found:?} {tracks:?}") };
        let place = found.location().unwrap();
        assert_eq!(found.obj_type().unwrap().as_str(), "face");
        assert_eq!(place.x, (face.rect.x * 512.0).round() as i32);
        assert_eq!(place.loc_conf_lvl, face.score);
        let (id, first, _, lost) = track.info();
        assert_eq!((id, first, lost), (face.track, gst::ClockTime::ZERO, false));
        assert!(meta.relation(found.id(), track.id()).contains(RelTypes::RELATE_TO));
    }
}

#[test]
fn nothing_is_told_when_not_wanted_or_not_found() {
    let info = info(VideoFormat::I420, (512, 512));
    for (launch, picture) in
        [("polyface analytics-meta=false", astronaut()), ("polyface", image::RgbImage::new(512, 512))]
    {
        let mut harness = harness(launch, &info);
        let out = harness.push_and_pull(buffer(&info, &picture, 0)).unwrap();
        assert!(out.meta::<AnalyticsRelationMeta>().is_none());
    }
}
