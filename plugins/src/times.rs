// SPDX-License-Identifier: Apache-2.0
//! From buffers' PTS to the stream time that records have.

/// A segment of a stream in time.
pub(crate) type Segment = gst::FormattedSegment<gst::ClockTime>;

/// Stream time of a PTS, or the PTS itself where the segment says nothing of it.
pub(crate) fn stream(segment: &Segment, pts_ns: u64) -> u64 {
    match segment.to_stream_time_full(gst::ClockTime::from_nseconds(pts_ns)) {
        Some(gst::Signed::Positive(time)) => time.nseconds(),
        _ => pts_ns,
    }
}
