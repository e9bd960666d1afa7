// SPDX-License-Identifier: Apache-2.0
//! Source elements: made from a URI, and told how a live stream is to be received.

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use gst::glib;
use gst::prelude::*;
use polygraph_core::supervision::{Break, Times};

use super::{Credentials, Transport, Wanted, probe::Probe};
use crate::rtsp;

/// Of the receiving socket: a key frame comes in one burst.
const UDP_BUFFER: i32 = 2 << 20;
/// For a test source.
const TEST_CAPS: &str = "video/x-raw,format=I420,width=640,height=360,framerate=25/1";
const TEST_SOUND: &str = "audio/x-raw,format=F32LE,rate=48000,channels=1";

/// A source that is to be put into a graph.
pub(super) enum Source {
    /// `uridecodebin`.
    Uri(gst::Element, Pace),
    /// A file and its decoder. `uridecodebin` would do, were it not that the service takes away GStreamer's way to open
    /// files by URI, which playlists from the network could use as well.
    File(gst::Element, gst::Element),
    /// A bin whose pads are to be shown when it has its place.
    Test(gst::Bin, Vec<gst::GhostPad>),
}

/// Whether data are held back to their time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pace {
    /// They come as they are made.
    Sender,
    /// They come in bursts, segment by segment.
    Ours,
}

/// Asked where a server leads elsewhere: why that may not be opened, if it may not.
pub(super) type Admits = Arc<dyn Fn(&str) -> Result<(), String> + Send + Sync>;

impl Source {
    pub(super) fn build(wanted: &Wanted, uri: &str, probe: &Arc<Probe>, admits: &Admits) -> Result<Self, Break> {
        let failed = |error: glib::BoolError| Break::Ours(format!("GStreamer: {}", error.message));
        if let Some(path) = file(uri) {
            let filesrc = file_source().map_err(failed)?;
            filesrc.set_property("location", path);
            probe.watch_source(&filesrc);
            let decoder = gst::ElementFactory::make("decodebin").build().map_err(failed)?;
            return Ok(Self::File(filesrc, decoder));
        }
        match scheme(uri).as_str() {
            "test" => test(uri, probe).map_err(failed),
            scheme => {
                let pace = if scheme.starts_with("http") { Pace::Ours } else { Pace::Sender };
                let decoder = gst::ElementFactory::make("uridecodebin").property("uri", uri).build().map_err(failed)?;
                set_up(&decoder, wanted, probe, admits);
                Ok(Self::Uri(decoder, pace))
            }
        }
    }

    /// The element with the decoded pads.
    pub(super) fn decoder(&self) -> &gst::Element {
        match self {
            Self::Uri(decoder, _) | Self::File(_, decoder) => decoder,
            Self::Test(bin, _) => bin.upcast_ref(),
        }
    }

    pub(super) fn is_file(&self) -> bool {
        matches!(self, Self::File(..))
    }

    pub(super) fn is_paced(&self) -> bool {
        matches!(self, Self::File(..) | Self::Uri(_, Pace::Ours))
    }

    /// Does what can be done only when the decoder is in its pipeline.
    pub(super) fn complete(self, pipeline: &gst::Pipeline) -> Result<(), glib::BoolError> {
        match self {
            Self::Uri(..) => Ok(()),
            Self::File(filesrc, decoder) => {
                pipeline.add(&filesrc)?;
                filesrc.link(&decoder)
            }
            Self::Test(bin, pads) => pads.iter().try_for_each(|pad| bin.add_pad(pad)),
        }
    }
}

/// When a source counts as stalled or gone, by its kind.
pub fn times(uri: &str) -> Times {
    let default = Times::default();
    let seconds = Duration::from_secs;
    match scheme(uri).as_str() {
        // They wait for a sender, who may come at any time.
        "udp" | "rtp" => Times { connect: None, ..default },
        "srt" if uri.contains("mode=listener") => Times { connect: None, ..default },
        // No file falls silent. At its end the analysers finish what they have, which takes as long as they are behind.
        "" | "file" => Times { stall: seconds(10), restart: seconds(30), ..default },
        // A segment may take ten seconds, and a playlist is read again after half of that.
        "http" | "https" => {
            Times { connect: Some(seconds(5)), decode: seconds(20), stall: seconds(8), restart: seconds(20), ..default }
        }
        _ => default,
    }
}

/// The scheme of a URI, in small letters; empty for a path.
fn scheme(uri: &str) -> String {
    uri.split_once("://").map(|(scheme, _)| scheme.to_ascii_lowercase()).unwrap_or_default()
}

/// Whether this is a file, by path or URI.
pub fn is_file(uri: &str) -> bool {
    file(uri).is_some()
}

fn file(uri: &str) -> Option<PathBuf> {
    match scheme(uri).as_str() {
        "" => Some(PathBuf::from(uri)),
        "file" => glib::filename_from_uri(uri).ok().map(|(path, _)| path),
        _ => None,
    }
}

static FILES: OnceLock<gst::ElementFactory> = OnceLock::new();

fn file_source() -> Result<gst::Element, glib::BoolError> {
    match FILES.get() {
        Some(factory) => factory.create().build(),
        None => gst::ElementFactory::make("filesrc").build(),
    }
}

/// Takes from GStreamer, for this process and for good, every way to open a URI but the schemes that are `allowed`.
/// Playlists name URIs of their own, and what opens those asks nobody. Files stay open to streams that name one as
/// such.
pub fn forbid_files(allowed: &[&str]) {
    let registry = gst::Registry::get();
    if let Some(factory) = gst::ElementFactory::find("filesrc") {
        // What is loaded can be made without the registry.
        if let Ok(loaded) = factory.load() {
            let _ = FILES.set(loaded);
        }
    }
    for feature in registry.features(gst::ElementFactory::static_type()) {
        let Some(factory) = feature.downcast_ref::<gst::ElementFactory>() else { continue };
        let opens = factory.uri_type() == gst::URIType::Src;
        if opens && !factory.uri_protocols().iter().any(|protocol| allowed.contains(&protocol.as_str())) {
            registry.remove_feature(&feature);
        }
    }
}

/// Sets up whatever source element `uridecodebin` chooses.
fn set_up(decoder: &gst::Element, wanted: &Wanted, probe: &Arc<Probe>, admits: &Admits) {
    let settings = wanted.clone();
    let (probe, admits) = (Arc::clone(probe), Arc::clone(admits));
    decoder.connect("source-setup", false, move |values| {
        let source = values.get(1)?.get::<gst::Element>().ok()?;
        probe.watch_source(&source);
        match source.factory()?.name().as_str() {
            "rtspsrc" => {
                set_up_rtsp(&source, &settings);
                watch_redirects(&source, Arc::clone(&admits));
            }
            "souphttpsrc" => {
                source.set_property("timeout", 5_u32);
                source.set_property("retries", 0);
                source.set_property("ssl-strict", settings.verify_tls);
                give(&source, &settings, ["user-id", "user-pw"]);
            }
            "udpsrc" => source.set_property("buffer-size", UDP_BUFFER),
            "srtsrc" => source.set_property("latency", milliseconds(settings.latency) as i32),
            _ => {}
        }
        None
    });
}

fn set_up_rtsp(source: &gst::Element, wanted: &Wanted) {
    source.set_property("latency", milliseconds(wanted.latency));
    let connect = wanted.times().connect.unwrap_or(Duration::from_secs(3));
    let us = |time: Duration| u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
    source.set_property("tcp-timeout", us(connect));
    // With `Auto`, TCP has to have its turn before the connection counts as failed.
    source.set_property("timeout", us(connect / 3));
    let scheme = scheme(&wanted.uri);
    if scheme == "rtsp" || scheme == "rtsps" {
        let protocols = match wanted.transport {
            Transport::Tcp => "tcp",
            Transport::Udp => "udp",
            Transport::Multicast => "udp-mcast",
            Transport::Auto => "udp+udp-mcast+tcp",
        };
        // TLS is a flag of its own, beside the way of the packets.
        let protocols = if scheme == "rtsps" { format!("{protocols}+tls") } else { protocols.to_owned() };
        source.set_property_from_str("protocols", &protocols);
    }
    if !wanted.verify_tls {
        set_no_flags(source, "tls-validation-flags");
    }
    if source.has_property("add-reference-timestamp-meta") {
        source.set_property("add-reference-timestamp-meta", true);
    }
    give(source, wanted, ["user-id", "user-pw"]);
    rtsp::lead_ends_past_jitterbuffers(source);
}

/// `rtspsrc` follows a server that sends it elsewhere, by itself: no stream is taken from there unless it is allowed. The description
/// has been asked for by then.
fn watch_redirects(source: &gst::Element, admits: Admits) {
    let own = source.property::<Option<String>>("location");
    source.connect("select-stream", false, move |values| {
        let source = values.first()?.get::<gst::Element>().ok()?;
        let now = source.property::<Option<String>>("location").filter(|now| Some(now) != own.as_ref());
        let refused = now.and_then(|now| admits(&now).err());
        if let Some(why) = &refused {
            gst::element_error!(source, gst::ResourceError::NotAuthorized, ("the server leads elsewhere: {why}"));
        }
        Some(refused.is_none().to_value())
    });
}

/// Sets a property of flags to none of them, which has no name.
fn set_no_flags(element: &gst::Element, property: &str) {
    let flags = element.find_property(property).and_then(|spec| glib::FlagsClass::with_type(spec.value_type()));
    if let Some(none) = flags.as_ref().and_then(|flags| flags.builder().build()) {
        element.set_property_from_value(property, &none);
    }
}

fn give(source: &gst::Element, wanted: &Wanted, [user, password]: [&str; 2]) {
    if let Some(Credentials { user: name, password: secret }) = &wanted.credentials {
        source.set_property(user, name);
        source.set_property(password, secret);
    }
}

fn milliseconds(time: Duration) -> u32 {
    u32::try_from(time.as_millis()).unwrap_or(u32::MAX)
}

/// A live picture by `videotestsrc`'s pattern, and a tick a second.
fn test(uri: &str, probe: &Arc<Probe>) -> Result<Source, glib::BoolError> {
    let pattern = uri.split_once("://").map_or("", |(_, pattern)| pattern).trim_end_matches('/');
    let pattern = if pattern.is_empty() { "smpte" } else { pattern };
    let video = gst::ElementFactory::make("videotestsrc").property("is-live", true).build()?;
    let known = video.find_property("pattern").and_then(|spec| glib::EnumClass::with_type(spec.value_type()));
    if known.is_none_or(|known| known.value_by_nick(pattern).is_none()) {
        return Err(glib::bool_error!("`{pattern}` is no pattern of videotestsrc"));
    }
    video.set_property_from_str("pattern", pattern);
    let sound = gst::ElementFactory::make("audiotestsrc").property("is-live", true).build()?;
    sound.set_property_from_str("wave", "ticks");
    let bin = gst::Bin::new();
    let mut pads = Vec::new();
    for (name, source, caps) in [("video", video, TEST_CAPS), ("audio", sound, TEST_SOUND)] {
        probe.watch_source(&source);
        let filter = gst::ElementFactory::make("capsfilter").property_from_str("caps", caps).build()?;
        bin.add_many([&source, &filter])?;
        source.link(&filter)?;
        let target = filter.static_pad("src").ok_or_else(|| glib::bool_error!("capsfilter has no pad"))?;
        pads.push(gst::GhostPad::builder_with_target(&target)?.name(name).build());
    }
    Ok(Source::Test(bin, pads))
}
