// SPDX-License-Identifier: Apache-2.0
//! What is seen of a connection at its pads. Streaming threads write here: counts without locks, and values under locks
//! that are held for a copy and no longer.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use gst::prelude::*;
use gst_video::VideoInfo;
use polygraph_core::event::ClockSource;

use super::picture::{Gallery, Thumbnail};
use crate::graph::{Connected, stream_time};
use crate::sync::lock;
use crate::wall;

/// PTS may lag by so much before the stream counts as begun anew: B-frames of careless muxers step back.
const BACK: i64 = 1_000_000_000;
/// PTS may run ahead of its arrival by so much: sources that fill their buffers at the start do.
const AHEAD: i64 = 10_000_000_000;
/// Arrivals that are remembered until their records leave: ten seconds of 50 pictures.
const MOST_ARRIVALS: usize = 512;
/// By so much the sender's clock may differ before the wall clock follows it.
const DRIFT: u64 = 50_000_000;
/// Between the eras of NTP (1900) and Unix (1970).
const NTP_TO_UNIX_NS: u64 = 2_208_988_800 * 1_000_000_000;

#[derive(Default)]
pub(super) struct Probe {
    received: AtomicU64,
    pictures: AtomicU64,
    sounds: AtomicU64,
    has_video: AtomicBool,
    end_ns: AtomicU64,
    stepped: Mutex<Option<String>>,
    clock: Mutex<Wall>,
    arrivals: Mutex<VecDeque<(u64, Instant)>>,
    video: Mutex<Option<VideoInfo>>,
    audio: Mutex<Option<String>>,
    gallery: Gallery,
}

/// Where wall time comes from.
#[derive(Default)]
struct Wall {
    /// Of PTS 0, in nanoseconds since 1970.
    known: Option<(ClockSource, u64)>,
    news: bool,
    /// Stream time of the first sound and of the first picture.
    first_ns: [Option<u64>; 2],
    /// When those were taken, by the source.
    began_ns: Option<u64>,
}

impl Wall {
    /// Takes note of what came, and of the source's date for what came first.
    fn date(&mut self, has_video: bool) {
        // Segments begin with a picture; the sound around it may begin earlier or later.
        if let (Some(began_ns), Some(first_ns)) = (self.began_ns, self.first_ns[usize::from(has_video)]) {
            self.set(ClockSource::ProgramDateTime, began_ns.saturating_sub(first_ns));
        }
    }

    fn set(&mut self, source: ClockSource, start_ns: u64) {
        let Some((known, known_ns)) = self.known else {
            (self.known, self.news) = (Some((source, start_ns)), true);
            return;
        };
        let better = known != source && source != ClockSource::Arrival;
        let drifted = known == source && source == ClockSource::RtcpSr && known_ns.abs_diff(start_ns) > DRIFT;
        if better || drifted {
            (self.known, self.news) = (Some((source, start_ns)), true);
        }
    }
}

/// Where one kind of data was last.
#[derive(Default)]
struct Place(Option<(i64, Instant)>);

impl Place {
    /// How far PTS stepped, in nanoseconds, when that is too far.
    fn step(&mut self, pts: gst::ClockTime, now: Instant) -> Option<i64> {
        let pts = i64::try_from(pts.nseconds()).unwrap_or(i64::MAX);
        let (last, then) = self.0.replace((pts, now))?;
        let waited = i64::try_from(now.duration_since(then).as_nanos()).unwrap_or(i64::MAX);
        let step = pts - last;
        (step < -BACK || step.saturating_sub(waited) > AHEAD).then_some(step)
    }
}

impl Probe {
    /// Counts what comes from a source's pads, those that are there and those that will be.
    pub(super) fn watch_source(self: &Arc<Self>, source: &gst::Element) {
        source.src_pads().iter().for_each(|pad| self.count(pad));
        let probe = Arc::clone(self);
        source.connect_pad_added(move |_, pad| {
            if pad.direction() == gst::PadDirection::Src {
                probe.count(pad);
            }
        });
    }

    fn count(self: &Arc<Self>, pad: &gst::Pad) {
        let probe = Arc::clone(self);
        pad.add_probe(gst::PadProbeType::BUFFER | gst::PadProbeType::BUFFER_LIST, move |_, _| {
            probe.received.fetch_add(1, Relaxed);
            gst::PadProbeReturn::Ok
        });
    }

    /// Something was decoded.
    fn see(&self, pad: &gst::Pad, buffer: &gst::BufferRef, is_video: bool, place: &mut Place) {
        let count = if is_video { &self.pictures } else { &self.sounds };
        count.fetch_add(1, Relaxed);
        let Some(start) = stream_time(pad, buffer) else { return };
        let now = Instant::now();
        if let Some(step) = place.step(start, now) {
            let why = format!("the source's time stepped by {:.1} s", step as f64 / 1e9);
            lock(&self.stepped).get_or_insert(why);
            return;
        }
        let end = start + buffer.duration().unwrap_or_default();
        self.end_ns.fetch_max(end.nseconds(), Relaxed);
        self.look_at_the_clock(buffer, start.nseconds(), is_video);
        if is_video {
            let mut arrivals = lock(&self.arrivals);
            if arrivals.len() == MOST_ARRIVALS {
                arrivals.pop_front();
            }
            arrivals.push_back((start.nseconds(), now));
            drop(arrivals);
            let info = lock(&self.video).clone();
            if let Some(info) = info {
                self.gallery.show(buffer, &info, now);
            }
        }
    }

    /// The sender's time where the buffer carries it (from RTCP sender reports), else the first arrival's, until a playlist
    /// says better.
    fn look_at_the_clock(&self, buffer: &gst::BufferRef, start_ns: u64, is_video: bool) {
        let meta = buffer.iter_meta::<gst::ReferenceTimestampMeta>();
        let ntp =
            meta.filter(|meta| meta.reference().structure(0).is_some_and(|kind| kind.name() == "timestamp/x-ntp"));
        let sent = ntp.map(|meta| meta.timestamp().nseconds()).next();
        let mut wall = lock(&self.clock);
        if let Some(sent) = sent.and_then(|ntp| ntp.checked_sub(NTP_TO_UNIX_NS)) {
            wall.set(ClockSource::RtcpSr, sent.saturating_sub(start_ns));
        } else if wall.known.is_none() {
            wall.set(ClockSource::Arrival, wall::now_ns().saturating_sub(start_ns));
        }
        wall.first_ns[usize::from(is_video)].get_or_insert(start_ns);
        wall.date(self.has_video.load(Relaxed));
    }

    /// The source says when the first of what comes was taken, in nanoseconds since 1970.
    pub(super) fn began_at(&self, wall_ns: u64) {
        let mut wall = lock(&self.clock);
        wall.began_ns = Some(wall_ns);
        wall.date(self.has_video.load(Relaxed));
    }

    /// Of its last look: where wall time comes from and that of PTS 0, when that is news.
    pub(super) fn take_clock(&self) -> Option<(ClockSource, u64)> {
        let mut wall = lock(&self.clock);
        std::mem::take(&mut wall.news).then_some(wall.known).flatten()
    }

    pub(super) fn received(&self) -> u64 {
        self.received.load(Relaxed)
    }

    /// Pictures; of a source without any, blocks of sound.
    pub(super) fn decoded(&self) -> u64 {
        if self.has_video.load(Relaxed) { self.pictures.load(Relaxed) } else { self.sounds.load(Relaxed) }
    }

    /// Stream time of the end of what came.
    pub(super) fn end_ns(&self) -> u64 {
        self.end_ns.load(Relaxed)
    }

    /// Whether PTS stepped, in words.
    pub(super) fn stepped(&self) -> Option<String> {
        lock(&self.stepped).clone()
    }

    /// How long ago the picture of a record came; those before it are forgotten.
    pub(super) fn since_arrival(&self, pts_ns: u64) -> Option<Duration> {
        let mut arrivals = lock(&self.arrivals);
        while arrivals.front().is_some_and(|(pts, _)| *pts < pts_ns) {
            arrivals.pop_front();
        }
        arrivals.front().filter(|(pts, _)| *pts == pts_ns).map(|(_, arrived)| arrived.elapsed())
    }

    /// What picture and sound are, in words.
    pub(super) fn formats(&self) -> (Option<String>, Option<String>) {
        let video = lock(&self.video).as_ref().map(|info| {
            let fps = f64::from(info.fps().numer()) / f64::from(info.fps().denom().max(1));
            let rate = if fps > 0.0 { format!(", {} fps", (fps * 100.0).round() / 100.0) } else { String::new() };
            format!("{}x{}{rate}", info.width(), info.height())
        });
        (video, lock(&self.audio).clone())
    }

    pub(super) fn frozen(&self) -> Duration {
        self.gallery.frozen()
    }

    pub(super) fn thumbnail(&self) -> Option<Arc<Thumbnail>> {
        self.gallery.last()
    }

    fn format(&self, caps: &gst::CapsRef, is_video: bool) {
        if is_video {
            *lock(&self.video) = VideoInfo::from_caps(caps).ok();
        } else if let Some(caps) = caps.structure(0) {
            let value = |name: &str| caps.get::<i32>(name).unwrap_or_default();
            *lock(&self.audio) = Some(format!("{} Hz, {} channels", value("rate"), value("channels")));
        }
    }
}

/// What a probe of a pad keeps between two calls; the probe's closure may not be called twice at once, which the type
/// system can't know.
struct PerPad {
    probe: Arc<Probe>,
    is_video: bool,
    place: Mutex<Place>,
}

impl PerPad {
    fn see(&self, pad: &gst::Pad, info: &gst::PadProbeInfo<'_>) {
        match &info.data {
            Some(gst::PadProbeData::Buffer(buffer)) => {
                self.probe.see(pad, buffer, self.is_video, &mut lock(&self.place));
            }
            Some(gst::PadProbeData::Event(event)) => {
                if let gst::EventView::Caps(caps) = event.view() {
                    self.probe.format(caps.caps(), self.is_video);
                }
            }
            _ => {}
        }
    }
}

/// The graph gives its pads away through a shared reference to the probe itself.
impl Connected for Probe {
    fn analysed(self: Arc<Self>, kind: &'static str, sink: &gst::Pad) {
        let is_video = kind == "video";
        if is_video {
            self.has_video.store(true, Relaxed);
        }
        let per_pad = PerPad { probe: self, is_video, place: Mutex::default() };
        sink.add_probe(gst::PadProbeType::BUFFER | gst::PadProbeType::EVENT_DOWNSTREAM, move |pad, info| {
            per_pad.see(pad, info);
            gst::PadProbeReturn::Ok
        });
    }

    fn left(self: Arc<Self>, _pad: &gst::Pad) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_steps_are_let_pass_and_large_ones_are_not() {
        let (mut place, now) = (Place::default(), Instant::now());
        let mut step = |ms, later| place.step(gst::ClockTime::from_mseconds(ms), now + Duration::from_millis(later));
        assert_eq!(step(10_000, 0), None);
        assert_eq!(step(10_040, 40), None);
        assert_eq!(step(9_500, 80), None, "a muxer's carelessness");
        assert_eq!(step(18_000, 120), None, "a buffer that fills");
        assert_eq!(step(48_000, 30_120), None, "a source that was silent goes on");
        assert_eq!(step(46_000, 30_160), Some(-2_000_000_000));
        assert_eq!(step(57_000, 30_200), Some(11_000_000_000));
    }

    #[test]
    fn the_wall_clock_follows_the_sender_and_not_its_jitter() {
        let probe = Probe::default();
        let say = |source, ns| {
            lock(&probe.clock).set(source, ns);
            probe.take_clock()
        };
        assert_eq!(say(ClockSource::Arrival, 5), Some((ClockSource::Arrival, 5)));
        assert_eq!(say(ClockSource::RtcpSr, 7), Some((ClockSource::RtcpSr, 7)));
        assert_eq!(say(ClockSource::RtcpSr, 7 + DRIFT), None);
        assert_eq!(say(ClockSource::RtcpSr, 8 + DRIFT), Some((ClockSource::RtcpSr, 8 + DRIFT)));
    }

    #[test]
    fn a_playlists_date_is_that_of_the_first_picture_whichever_comes_first() {
        let (sound, picture, date) = (0, 1, Some((ClockSource::ProgramDateTime, 900)));
        let probe = Probe::default();
        probe.has_video.store(true, Relaxed);
        probe.began_at(1000);
        assert_eq!(probe.take_clock(), None, "nothing has come yet");
        lock(&probe.clock).first_ns[sound] = Some(70);
        lock(&probe.clock).date(true);
        assert_eq!(probe.take_clock(), None, "sound waits for the picture");
        lock(&probe.clock).first_ns[picture] = Some(100);
        lock(&probe.clock).date(true);
        assert_eq!(probe.take_clock(), date);

        let probe = Probe::default();
        lock(&probe.clock).first_ns[sound] = Some(100);
        lock(&probe.clock).set(ClockSource::Arrival, 5);
        probe.began_at(1000);
        assert_eq!(probe.take_clock(), date, "of sound alone that of sound");
    }
}
