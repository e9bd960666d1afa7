// SPDX-License-Identifier: Apache-2.0
//! Which elements of GStreamer's base and good sets keep our metas: all that change pictures or sound on their way
//! from one sink pad to one source pad are pushed through, and held against the table below.
//!
//! An element of this machine that isn't in the table fails the test; one in the table that this machine's GStreamer
//! doesn't have is passed over.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;

use gst::prelude::*;
use gstpolygraph::meta::{audio_results, update_audio, update_video, video_results};
use polygraph_core::results::{PtsRange, Transition, TransitionKind};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Meta {
    /// Each buffer that comes out has it.
    Kept,
    /// Each has it but the last, which is made when the sound ends.
    Tail,
    /// None has.
    Lost,
}
use Meta::{Kept, Lost, Tail};

/// An element, how it is used, and what becomes of our meta. Many pass buffers on untouched unless they are told to do
/// something, hence the properties.
const TABLE: &[(&str, &str, Meta)] = &[
    ("aatv", "aatv", Kept),
    ("agingtv", "agingtv", Kept),
    ("alpha", "alpha method=green", Kept),
    ("alphacolor", "alphacolor", Kept),
    ("audioamplify", "audioamplify amplification=2", Kept),
    ("audiochebband", "audiochebband lower-frequency=100 upper-frequency=1000", Kept),
    ("audiocheblimit", "audiocheblimit cutoff=1000", Kept),
    ("audioconvert", "audioconvert ! audio/x-raw,format=S16LE,channels=1", Kept),
    ("audiodynamic", "audiodynamic ratio=0.5 threshold=0.5", Kept),
    ("audioecho", "audioecho delay=1000000 intensity=0.5", Kept),
    ("audiofirfilter", "audiofirfilter", Kept),
    ("audioiirfilter", "audioiirfilter", Kept),
    ("audioinvert", "audioinvert degree=0.5", Kept),
    ("audiokaraoke", "audiokaraoke", Kept),
    ("audiopanorama", "audiopanorama panorama=0.5", Kept),
    ("audiorate", "audiorate", Kept),
    ("audioresample", "audioresample ! audio/x-raw,rate=16000", Tail),
    ("audiowsincband", "audiowsincband lower-frequency=100 upper-frequency=1000", Tail),
    ("audiowsinclimit", "audiowsinclimit cutoff=1000", Tail),
    ("cacatv", "cacatv", Kept),
    ("cairooverlay", "cairooverlay", Kept),
    ("cutter", "cutter threshold=0.0", Kept),
    ("deinterlace", "deinterlace mode=interlaced", Lost),
    ("dicetv", "dicetv", Kept),
    ("edgetv", "edgetv", Kept),
    ("equalizer-10bands", "equalizer-10bands band0=6", Kept),
    ("equalizer-3bands", "equalizer-3bands band0=6", Kept),
    ("equalizer-nbands", "equalizer-nbands", Kept),
    ("gamma", "gamma gamma=2", Kept),
    ("gdkpixbufoverlay", "gdkpixbufoverlay", Kept),
    ("imagefreeze", "imagefreeze num-buffers=25", Kept),
    ("level", "level", Kept),
    ("navigationtest", "navigationtest", Kept),
    ("navseek", "navseek", Kept),
    ("optv", "optv", Kept),
    ("overlaycomposition", "overlaycomposition", Kept),
    ("quarktv", "quarktv", Kept),
    ("radioactv", "radioactv", Kept),
    ("revtv", "revtv", Kept),
    ("rganalysis", "rganalysis", Kept),
    ("rglimiter", "rglimiter", Kept),
    ("rgvolume", "rgvolume pre-amp=6", Kept),
    ("rippletv", "rippletv", Kept),
    ("scaletempo", "scaletempo", Kept),
    ("shagadelictv", "shagadelictv", Kept),
    ("smptealpha", "smptealpha position=0.5", Kept),
    ("spectrum", "spectrum", Kept),
    ("stereo", "stereo", Kept),
    ("streaktv", "streaktv", Kept),
    ("vertigotv", "vertigotv", Kept),
    ("videobalance", "videobalance saturation=0", Kept),
    ("videobox", "videobox left=-8", Kept),
    ("videoconvert", "videoconvert ! video/x-raw,format=RGB", Kept),
    ("videoconvertscale", "videoconvertscale ! video/x-raw,format=NV12,width=32,height=24", Kept),
    ("videocrop", "videocrop left=8", Kept),
    ("videoflip", "videoflip method=clockwise", Kept),
    ("videomedian", "videomedian filtersize=5", Kept),
    ("videorate", "videorate ! video/x-raw,framerate=5/1", Kept),
    ("videoscale", "videoscale ! video/x-raw,width=32,height=24", Kept),
    ("volume", "volume volume=0.5", Kept),
    ("warptv", "warptv", Kept),
];

/// Caps to try an element with: the first that it accepts.
const INPUTS: &[&str] = &[
    "video/x-raw,format=I420,width=64,height=48,framerate=25/1",
    "video/x-raw,format=AYUV,width=64,height=48,framerate=25/1",
    "video/x-raw,format=RGBA,width=64,height=48,framerate=25/1",
    "video/x-raw,format=BGRx,width=64,height=48,framerate=25/1",
    "video/x-raw,format=xRGB,width=64,height=48,framerate=25/1",
    "video/x-raw,format=RGB,width=64,height=48,framerate=25/1",
    "video/x-raw,format=YUY2,width=64,height=48,framerate=25/1",
    "audio/x-raw,format=F32LE,layout=interleaved,rate=48000,channels=2,channel-mask=(bitmask)3",
    "audio/x-raw,format=S16LE,layout=interleaved,rate=48000,channels=2,channel-mask=(bitmask)3",
    "audio/x-raw,format=F32LE,layout=interleaved,rate=48000,channels=1",
    "audio/x-raw,format=S16LE,layout=interleaved,rate=48000,channels=1",
];

fn init() {
    gst::init().unwrap();
    gstpolygraph::plugin_register_static().unwrap();
}

/// The caps of one pad, when an element always has exactly one that way.
fn only_pad(factory: &gst::ElementFactory, way: gst::PadDirection) -> Option<gst::Caps> {
    let mut pads = factory.static_pad_templates().into_iter().filter(|pad| pad.direction() == way);
    let pad = pads.next().filter(|pad| pad.presence() == gst::PadPresence::Always)?;
    pads.next().is_none().then(|| pad.caps())
}

/// Caps that an element takes, when it makes pictures of pictures or sound of sound.
fn input(factory: &gst::ElementFactory) -> Option<gst::Caps> {
    let sink = only_pad(factory, gst::PadDirection::Sink)?;
    let source = only_pad(factory, gst::PadDirection::Src)?;
    let caps = INPUTS.iter().map(|caps| caps.parse::<gst::Caps>().unwrap()).find(|caps| sink.can_intersect(caps))?;
    let media = gst::Caps::new_empty_simple(caps.structure(0)?.name());
    source.can_intersect(&media).then_some(caps)
}

/// A bin around `videocrop` that can't be linked before it has caps.
const NOT_LINKED: &str = "aspectratiocrop";

/// All elements that the table must know. Those of OpenGL and V4L2 need a
/// GPU or a codec's chip.
fn elements() -> Vec<gst::ElementFactory> {
    let features = gst::Registry::get().features(gst::ElementFactory::static_type());
    let factories = features.into_iter().filter_map(|feature| feature.downcast::<gst::ElementFactory>().ok());
    let of_these = |factory: &gst::ElementFactory| {
        let source = factory.plugin().map(|plugin| (plugin.source(), plugin.plugin_name()));
        source.is_some_and(|(source, name)| {
            ["gst-plugins-base", "gst-plugins-good"].contains(&source.as_str())
                && !["opengl", "video4linux2"].contains(&name.as_str())
        })
    };
    let changes = |factory: &gst::ElementFactory| {
        let klass = factory.metadata("klass").unwrap_or_default();
        ["Filter", "Converter", "Effect"].iter().any(|kind| klass.split('/').any(|part| part == *kind))
    };
    factories.filter(|f| of_these(f) && changes(f) && f.name() != NOT_LINKED && input(f).is_some()).collect()
}

fn buffer(caps: &gst::Caps, n: u64) -> gst::Buffer {
    let video = caps.structure(0).unwrap().name() == "video/x-raw";
    let size = if video {
        gst_video::VideoInfo::from_caps(caps).unwrap().size()
    } else {
        gst_audio::AudioInfo::from_caps(caps).unwrap().bpf() as usize * 1_920
    };
    let mut buffer = gst::Buffer::from_mut_slice(vec![0; size]);
    let known = buffer.get_mut().unwrap();
    let pts = gst::ClockTime::from_mseconds(40 * n);
    known.set_pts(pts);
    known.set_duration(gst::ClockTime::from_mseconds(40));
    let pts = PtsRange { start_ns: pts.nseconds(), end_ns: pts.nseconds() + 40_000_000 };
    if video {
        let cut = Transition { kind: TransitionKind::Cut, pts, strength: 1.0 };
        update_video(known, |results| results.transition = Some(cut));
    } else {
        update_audio(known, |results| results.pts = pts);
    }
    buffer
}

/// Pushes 25 buffers and the end through `launch`, and says how many came out with our meta and without.
fn push(launch: &str, caps: &gst::Caps) -> Result<(usize, usize), String> {
    let launch = format!("appsrc name=in format=time ! {launch} ! appsink name=out sync=false");
    let pipeline = gst::parse::launch(&launch).map_err(|error| error.to_string())?;
    let pipeline = pipeline.downcast::<gst::Bin>().map_err(|_| "no bin")?;
    let source =
        pipeline.by_name("in").and_then(|source| source.downcast::<gst_app::AppSrc>().ok()).ok_or("no source")?;
    let sink = pipeline.by_name("out").and_then(|sink| sink.downcast::<gst_app::AppSink>().ok()).ok_or("no sink")?;
    source.set_caps(Some(caps));
    let (mut kept, mut lost) = (0, 0);
    if pipeline.set_state(gst::State::Playing).is_ok() {
        // What can't be pushed is seen at the other end: nothing comes out.
        let _refused = (0..25).try_for_each(|n| source.push_buffer(buffer(caps, n)).map(|_| ()));
        let _ended = source.end_of_stream();
        while let Some(sample) = sink.try_pull_sample(gst::ClockTime::from_seconds(10)) {
            let known = sample.buffer().is_some_and(|b| video_results(b).is_some() || audio_results(b).is_some());
            if known {
                kept += 1
            } else {
                lost += 1
            }
            // Some go on for ever.
            if kept + lost == 100 {
                break;
            }
        }
    }
    let _down = pipeline.set_state(gst::State::Null);
    Ok((kept, lost))
}

#[test]
fn each_element_does_what_the_table_says() {
    init();
    let mut wrong = Vec::new();
    for (name, launch, want) in TABLE {
        let Some(factory) = gst::ElementFactory::find(name) else {
            println!("{name}: this GStreamer doesn't have it");
            continue;
        };
        let caps = input(&factory).unwrap_or_else(|| panic!("{name} is no element from raw to raw"));
        let found = push(launch, &caps);
        let as_wanted = match (want, &found) {
            (Kept, Ok((kept, 0))) => *kept > 0,
            (Tail, Ok((kept, 1))) => *kept > 0,
            (Lost, Ok((0, lost))) => *lost > 0,
            _ => false,
        };
        if !as_wanted {
            wrong.push(format!("{launch}: {want:?} by the table, (with, without) {found:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn no_element_is_missing_from_the_table() {
    init();
    let known: BTreeSet<&str> = TABLE.iter().map(|(name, ..)| *name).collect();
    let here: Vec<_> = elements();
    assert!(here.len() > 30, "only {} elements: are GStreamer's base and good sets installed?", here.len());
    let missing: Vec<_> =
        here.iter().map(|factory| factory.name()).filter(|name| !known.contains(name.as_str())).collect();
    assert!(missing.is_empty(), "add these to the table, with properties that make them work: {missing:?}");
}
