// SPDX-License-Identifier: Apache-2.0
//! One connection to a source: a pipeline, from its start to its end.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use gst::prelude::*;
use polygraph_core::record::Record;
use polygraph_core::supervision::{Break, Seen};

use super::{Wanted, hls, probe::Probe, source};
use crate::sync::lock;
use crate::{
    evidence::Exhibit,
    fault,
    graph::{Connected, Graph},
};

/// How long a pipeline may take to end before it is left to itself.
const CLOSE: Duration = Duration::from_secs(3);

/// What a turn brought.
pub(super) enum Taken {
    /// A record, and how long ago its picture came to the analysers.
    Record(Box<Record>, Option<Duration>),
    /// Nothing.
    Nothing,
}

pub(super) struct Connection {
    media: Graph,
    probe: Arc<Probe>,
    epoch: String,
    is_file: bool,
    /// The server's certificate has to be valid.
    tls: bool,
    /// Looks up the date of the first segment, of what may be HLS.
    dates: Option<hls::Reader>,
    broken: Option<Break>,
    missing: Vec<String>,
    exhibits: Vec<Exhibit>,
    /// Set before the pipeline is told to end, and looked at under the lock before it is told to play.
    over: Arc<Mutex<bool>>,
}

impl Connection {
    /// Builds the pipeline and lets it run; that may take its time, and nobody waits for it.
    pub(super) fn open(wanted: &Wanted, uri: &str, epoch: String, admits: &source::Admits) -> Result<Self, Break> {
        let ours = |error: gst::glib::BoolError| Break::Ours(format!("GStreamer: {}", error.message));
        let probe = Arc::new(Probe::default());
        let source = source::Source::build(wanted, uri, &probe, admits)?;
        let analyzer = wanted.analysis.element().map_err(ours)?;
        // Nothing here is ever held back: what comes too fast for the analysers is shed, and counted.
        analyzer.set_property_from_str("live", "true");
        let connected: Arc<dyn Connected> = probe.clone();
        let media = Graph::build(source.decoder(), analyzer, source.is_paced(), connected).map_err(ours)?;
        let is_file = source.is_file();
        source.complete(&media.pipeline).map_err(ours)?;
        let over = Arc::new(Mutex::new(false));
        let told = Arc::clone(&over);
        media.pipeline.call_async(move |pipeline| {
            let over = lock(&told);
            if !*over {
                // A refusal is an error message on the bus, which says more than the return value.
                let _ = pipeline.set_state(gst::State::Playing);
            }
        });
        let tls = wanted.verify_tls && wanted.uri.starts_with("rtsps");
        let dates = hls::Reader::of(wanted, uri);
        Ok(Self { media, probe, epoch, is_file, tls, dates, broken: None, missing: vec![], exhibits: vec![], over })
    }

    pub(super) fn analyzer(&self) -> &gst::Element {
        &self.media.analyzer
    }

    pub(super) fn probe(&self) -> &Arc<Probe> {
        &self.probe
    }

    pub(super) fn epoch(&self) -> &str {
        &self.epoch
    }

    /// What evidence is made of, since the last call.
    pub(super) fn exhibits(&mut self) -> Vec<Exhibit> {
        std::mem::take(&mut self.exhibits)
    }

    /// What the source has shown.
    pub(super) fn seen(&self, looped: bool) -> Seen {
        let decoded = self.probe.decoded();
        let ended = || match (self.is_file, looped) {
            (true, _) if decoded == 0 => Break::Source("nothing in the file could be decoded".into()),
            (true, true) => Break::Again,
            (true, false) => Break::Ended,
            (false, _) => Break::Source("the source ended the stream".into()),
        };
        let broken = self.broken.clone().or_else(|| self.is_over().then(ended));
        let stepped = || self.probe.stepped().map(Break::Stepped);
        Seen { received: self.probe.received(), decoded, broken: broken.or_else(stepped) }
    }

    /// The stream came to its end, and all that it gave was taken. Before it starts, appsink calls that an end as well.
    fn is_over(&self) -> bool {
        self.media.sink.current_state() >= gst::State::Paused && self.media.sink.is_eos()
    }

    /// Takes a record, waits for one at most so long.
    pub(super) fn take(&mut self, patience: Duration) -> Taken {
        let patience = gst::ClockTime::try_from(patience).unwrap_or(gst::ClockTime::ZERO);
        let Some(sample) = self.media.sink.try_pull_sample(patience) else { return Taken::Nothing };
        let Some(map) = sample.buffer().and_then(|buffer| buffer.map_readable().ok()) else { return Taken::Nothing };
        match serde_json::from_slice::<Record>(&map) {
            Ok(record) => {
                let delay = match &record {
                    Record::Frame(frame) => self.probe.since_arrival(frame.pts_ns),
                    _ => None,
                };
                Taken::Record(Box::new(record), delay)
            }
            Err(error) => {
                self.broken
                    .get_or_insert(Break::Ours(format!("polyanalyze gave something that is no record: {error}")));
                Taken::Nothing
            }
        }
    }

    /// Takes what the elements have to say.
    pub(super) fn listen(&mut self) {
        while let Some(message) = self.media.bus.pop() {
            self.hear(&message);
        }
    }

    fn hear(&mut self, message: &gst::Message) {
        use gst::MessageView;
        match message.view() {
            MessageView::Error(error) => {
                let mut why = fault::describe(&error.error(), &self.missing);
                if let Some(detail) = error.debug().as_deref().and_then(detail) {
                    why = format!("{why}: {detail}");
                }
                if self.tls && self.probe.received() == 0 {
                    why.push_str("; over TLS that is mostly a certificate which isn't valid");
                }
                let ours = message.src().is_some_and(|src| {
                    src == self.media.analyzer.upcast_ref::<gst::Object>() || src.has_as_ancestor(&self.media.analyzer)
                });
                let broken = if ours { Break::Ours(format!("the analysers: {why}")) } else { Break::Source(why) };
                self.broken.get_or_insert(broken);
            }
            MessageView::Element(element) => {
                if let Some(exhibit) = Exhibit::read(element) {
                    self.exhibits.push(exhibit);
                } else if let Some(segment) = hls::Segment::read(element) {
                    self.date(segment);
                } else {
                    self.missing.extend(fault::missing_plugin(element));
                }
            }
            MessageView::StreamCollection(streams) if !fault::can_be_analysed(&streams.stream_collection()) => {
                self.broken.get_or_insert(Break::Source("there is neither video nor sound in it".into()));
            }
            MessageView::Latency(_) => drop(self.media.pipeline.recalculate_latency()),
            MessageView::ClockLost(_) => {
                // A source whose clock is gone would stand still; a new connection has a new clock.
                self.broken.get_or_insert(Break::Source("the pipeline's clock is gone".into()));
            }
            _ => {}
        }
    }

    /// The connection's first segment says when its first sample was taken, if its playlist does.
    fn date(&mut self, segment: hls::Segment) {
        if let Some(reader) = self.dates.take() {
            let probe = Arc::clone(&self.probe);
            segment.look_up(reader, move |wall_ns| probe.began_at(wall_ns));
        }
    }

    /// Ends the pipeline. False when that takes too long: then it is left to itself, and `late` is called when it has
    /// ended after all.
    pub(super) fn close(self, late: impl FnOnce() + Send + 'static) -> bool {
        let (tell, ended) = mpsc::channel();
        let over = self.over;
        // Set by whichever comes first, the end or the loss of patience.
        let settled = Arc::new(AtomicBool::new(false));
        let first = Arc::clone(&settled);
        // Full, the sink would hold the streaming threads that have to end.
        self.media.sink.set_drop(true);
        self.media.pipeline.call_async(move |pipeline| {
            *lock(&over) = true;
            let _ = pipeline.set_state(gst::State::Null);
            if first.swap(true, Relaxed) {
                late();
            } else {
                // Nobody can have given up.
                let _ = tell.send(());
            }
        });
        ended.recv_timeout(CLOSE).is_ok() || settled.swap(true, Relaxed)
    }
}

/// What an element's message for developers adds in its last brackets, such as an unacceptable certificate; nothing that
/// may hold a URI with its secrets.
fn detail(debug: &str) -> Option<&str> {
    let inside = debug.trim_end().strip_suffix(')')?.rsplit_once('(')?.1;
    (!inside.is_empty() && inside.len() < 120 && !inside.contains(['/', '@', '\n'])).then_some(inside)
}

#[cfg(test)]
mod tests {
    use super::detail;

    #[test]
    fn details_are_told_and_secrets_are_not() {
        assert_eq!(detail("a.c(5): open ():\nFailed to connect. (Bad certificate)\n"), Some("Bad certificate"));
        for silent in ["", "a.c(5): x", "x (rtsp://user:word@host/1)", "x ()"] {
            assert_eq!(detail(silent), None, "{silent}");
        }
    }
}
