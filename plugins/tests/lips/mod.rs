// SPDX-License-Identifier: Apache-2.0
//! A `polylips` with a harness on each pad, and buffers with results on them.

use std::sync::Once;

use gst::prelude::*;
use gst_check::Harness;
use gstpolygraph::late::Late;
use gstpolygraph::meta;
use polygraph_core::record::{Missing, Record};
use polygraph_core::results::{FaceResults, Loudness, NetworkRef, PtsRange, TransitionKind};
use polygraph_core::shot::Boundary;

/// Makes the plugin's elements known.
pub fn init() {
    static INIT: Once = Once::new();
    INIT.call_once(|| {
        gst::init().unwrap();
        gstpolygraph::plugin_register_static().unwrap();
    });
}

fn buffer(at_ms: u64, for_ms: u64, size: usize) -> gst::Buffer {
    let mut buffer = gst::Buffer::with_size(size).unwrap();
    let fields = buffer.get_mut().unwrap();
    fields.set_pts(gst::ClockTime::from_mseconds(at_ms));
    fields.set_duration(gst::ClockTime::from_mseconds(for_ms));
    buffer
}

fn range(at_ms: u64, for_ms: u64) -> PtsRange {
    PtsRange { start_ns: at_ms * 1_000_000, end_ns: (at_ms + for_ms) * 1_000_000 }
}

/// A picture that nobody has analysed.
pub fn bare(at_ms: u64) -> gst::Buffer {
    buffer(at_ms, 40, 4)
}

/// A picture on which faces were looked for, or only carried on.
pub fn picture(at_ms: u64, analysed: bool) -> gst::Buffer {
    let mut picture = bare(at_ms);
    meta::update_video(picture.get_mut().unwrap(), |results| {
        let network = NetworkRef {
            name: "faces".to_owned(),
            version: "1".to_owned(),
            sha256: String::new(),
            provider: "cpu".to_owned(),
        };
        results.faces = Some(FaceResults {
            pts: range(at_ms, 40),
            analysed,
            faces: Vec::new(),
            network,
            forensics: None,
            mouths: None,
        });
    });
    picture
}

/// A dissolve that ended, and was known, at these times.
pub fn late(end_ms: u64, known_ms: u64) -> gst::Event {
    let (start_ns, end_ns) = ((end_ms - 20) * 1_000_000, end_ms * 1_000_000);
    let (key_ns, known_ns) = (end_ns + 20_000_000, known_ms * 1_000_000);
    let shot = Boundary { kind: TransitionKind::Dissolve, start_ns, end_ns, key_ns, known_ns, strength: 1.5 };
    Late { shots: vec![shot], edges: vec![] }.event()
}

/// Sound whose loudness tells its start in milliseconds.
pub fn sound(at_ms: u64, for_ms: u64) -> gst::Buffer {
    let mut sound = buffer(at_ms, for_ms, 4 * usize::try_from(for_ms).unwrap());
    meta::update_audio(sound.get_mut().unwrap(), |results| {
        results.pts = range(at_ms, for_ms);
        results.loudness = Loudness { momentary_lufs: Some(0.0 - at_ms as f32), ..Loudness::default() };
    });
    sound
}

/// The time in milliseconds, and what is missing, of a frame record.
pub fn frame(record: Record) -> (u64, Vec<Missing>) {
    let Record::Frame(frame) = record else { panic!("not a frame: {record:?}") };
    (frame.pts_ns / 1_000_000, frame.missing)
}

/// The element and its surroundings.
pub struct Lips {
    element: gst::Element,
    video: Option<Harness>,
    audio: Option<Harness>,
    out: Harness,
}

impl Lips {
    /// With both pads.
    pub fn new(properties: &str) -> Self {
        let mut lips = Self::bare(properties);
        lips.request_video();
        lips.request_audio();
        lips
    }

    /// With the video pad.
    pub fn video_only(properties: &str) -> Self {
        let mut lips = Self::bare(properties);
        lips.request_video();
        lips
    }

    /// With the audio pad.
    pub fn audio_only(properties: &str) -> Self {
        let mut lips = Self::bare(properties);
        lips.request_audio();
        lips
    }

    fn bare(properties: &str) -> Self {
        init();
        let element = gst::ElementFactory::make("polylips").build().unwrap();
        for pair in properties.split_whitespace() {
            let (name, value) = pair.split_once('=').unwrap();
            element.set_property_from_str(name, value);
        }
        let mut out = Harness::with_element(&element, None, Some("src"));
        out.play();
        Self { element, video: None, audio: None, out }
    }

    fn request_video(&mut self) {
        let mut video = Harness::with_element(&self.element, Some("video"), None);
        video.set_src_caps_str("video/x-raw, format=GRAY8, width=2, height=2, framerate=25/1");
        self.video = Some(video);
    }

    /// Links the audio pad.
    pub fn request_audio(&mut self) {
        let mut audio = Harness::with_element(&self.element, Some("audio"), None);
        audio.set_src_caps_str("audio/x-raw, format=S16LE, layout=interleaved, rate=2000, channels=1");
        self.audio = Some(audio);
    }

    /// Where pictures go in.
    pub fn video(&mut self) -> &mut Harness {
        self.video.as_mut().unwrap()
    }

    /// Where sound goes in.
    pub fn audio(&mut self) -> &mut Harness {
        self.audio.as_mut().unwrap()
    }

    /// The next record, and the buffer that it came in.
    pub fn pull(&mut self) -> (gst::Buffer, Record) {
        let buffer = self.out.pull().unwrap();
        let line = buffer.map_readable().unwrap();
        assert_eq!(line.last(), Some(&b'\n'));
        let record = serde_json::from_slice(&line).unwrap();
        drop(line);
        (buffer, record)
    }

    /// A record that is there already.
    pub fn try_pull(&mut self) -> Option<gst::Buffer> {
        self.out.try_pull()
    }

    /// Waits for the end of the records.
    pub fn await_eos(&mut self) {
        while self.out.pull_event().unwrap().type_() != gst::EventType::Eos {}
    }

    /// The records' caps.
    pub fn caps(&self) -> Option<gst::Caps> {
        self.element.static_pad("src").unwrap().current_caps()
    }

    /// The latency up to here.
    pub fn latency(&self) -> Option<gst::ClockTime> {
        self.out.query_latency()
    }

    /// The records' segment.
    pub fn segment(&self) -> gst::FormattedSegment<gst::ClockTime> {
        let event = self.element.static_pad("src").unwrap().sticky_event::<gst::event::Segment>(0).unwrap();
        event.segment().clone().downcast().unwrap()
    }

    /// Accounts as `name=value` in the order of input, analysed, late, skipped; they have to close.
    pub fn stats(&self, property: &str) -> String {
        let stats = self.element.property::<gst::Structure>(property);
        let fields: Vec<(String, u64)> =
            stats.iter().map(|(name, value)| (name.to_string(), value.get().unwrap())).collect();
        assert_eq!(fields[0].1, fields[1..].iter().map(|(_, count)| count).sum::<u64>(), "{stats}");
        fields.iter().map(|(name, count)| format!("{name}={count}")).collect::<Vec<_>>().join(" ")
    }

    /// Flushes both sides as a seek does, and begins again at 0.
    pub fn flush(&mut self) {
        let sides = [self.video.as_mut().unwrap(), self.audio.as_mut().unwrap()];
        for side in sides {
            assert!(side.push_event(gst::event::FlushStart::new()));
        }
        let segment = gst::FormattedSegment::<gst::ClockTime>::new();
        for side in [self.video.as_mut().unwrap(), self.audio.as_mut().unwrap()] {
            assert!(side.push_event(gst::event::FlushStop::new(true)));
            assert!(side.push_event(gst::event::Segment::new(&segment)));
        }
    }

    /// Takes the audio pad away.
    pub fn release_audio(&mut self) {
        let pad = self.element.static_pad("audio").unwrap();
        self.audio = None;
        if pad.parent().is_some() {
            self.element.release_request_pad(&pad);
        }
    }

    /// Says on the video pad which streams the source has.
    pub fn announce(&mut self, kinds: &[gst::StreamType]) {
        let streams = kinds.iter().map(|kind| gst::Stream::new(None, None, *kind, gst::StreamFlags::empty()));
        let collection = gst::StreamCollection::builder(None).streams(streams).build();
        self.video().push_event(gst::event::StreamCollection::new(&collection));
    }

    /// From now on nobody wants records.
    pub fn refuse_records(&mut self) {
        let pad = self.element.static_pad("src").unwrap().peer().unwrap();
        pad.add_probe(gst::PadProbeType::BUFFER, |_pad, info| {
            info.flow_res = Err(gst::FlowError::Eos);
            info.data = None;
            gst::PadProbeReturn::Handled
        });
    }

    /// Down to READY and up again.
    pub fn restart(&mut self) {
        self.element.set_state(gst::State::Ready).unwrap();
        self.element.set_state(gst::State::Playing).unwrap();
        for side in [&mut self.video, &mut self.audio].into_iter().flatten() {
            side.push_event(gst::event::StreamStart::new("again"));
            let caps = side.srcpad().unwrap().current_caps().unwrap();
            side.push_event(gst::event::Caps::new(&caps));
            side.push_event(gst::event::Segment::new(&gst::FormattedSegment::<gst::ClockTime>::new()));
        }
    }
}
