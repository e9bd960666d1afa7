// SPDX-License-Identifier: Apache-2.0
//! The form in which transcripts leave.

use polygraph_core::record::{Record, Transcript};

/// What the source pad has agreed to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// `text/x-raw, format=utf8`: finals only.
    Text,
    /// `application/x-polygraph`: every revision.
    Records,
}

impl Form {
    /// What can be offered, the plainest first.
    pub(super) fn caps() -> gst::Caps {
        gst::Caps::builder_full()
            .structure(gst::Structure::builder("text/x-raw").field("format", "utf8").build())
            .structure(gst::Structure::new_empty("application/x-polygraph"))
            .build()
    }

    /// The form of agreed caps.
    pub(super) fn of(caps: &gst::Caps) -> Option<Self> {
        match caps.structure(0)?.name().as_str() {
            "text/x-raw" => Some(Self::Text),
            "application/x-polygraph" => Some(Self::Records),
            _ => None,
        }
    }

    /// The buffer of a transcript (its times are PTS); none when this form leaves it out.
    pub(super) fn buffer(
        self,
        transcript: Transcript,
        segment: &gst::FormattedSegment<gst::ClockTime>,
    ) -> Option<gst::Buffer> {
        let (start, end) = (transcript.start_ns, transcript.end_ns);
        let bytes = match self {
            Self::Text if !transcript.is_final || transcript.text.is_empty() => return None,
            Self::Text => transcript.text + "\n",
            Self::Records => {
                serde_json::to_string(&Record::Transcript(in_stream_time(transcript, segment))).ok()? + "\n"
            }
        };
        let mut buffer = gst::Buffer::from_slice(bytes.into_bytes());
        let fields = buffer.make_mut();
        fields.set_pts(gst::ClockTime::from_nseconds(start));
        fields.set_duration(gst::ClockTime::from_nseconds(end.saturating_sub(start)));
        Some(buffer)
    }
}

/// Maps PTS to stream time; what lies outside the segment is moved to its edge.
fn in_stream_time(mut transcript: Transcript, segment: &gst::FormattedSegment<gst::ClockTime>) -> Transcript {
    let map = |ns: &mut u64| {
        let pts = gst::ClockTime::from_nseconds(*ns).max(segment.start().unwrap_or_default());
        let pts = segment.stop().map_or(pts, |stop| pts.min(stop));
        *ns = segment.to_stream_time(pts).map_or(*ns, gst::ClockTime::nseconds);
    };
    map(&mut transcript.start_ns);
    map(&mut transcript.end_ns);
    for word in &mut transcript.words {
        map(&mut word.start_ns);
        map(&mut word.end_ns);
    }
    transcript
}
