// SPDX-License-Identifier: Apache-2.0
//! `polygraph senses`: what the networks for lips and sound are given, cut out of clips by the shipped elements. Networks
//! are trained and tried on nothing else, so that there is one contract and no second implementation of it.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
    sync::{Arc, Mutex},
};

use clap::Args;
use gst::prelude::*;
use gstpolygraph::meta;
use polygraph_core::results::{Heard, MOUTH_SIDE, Mouth, SpeechWindow};
use serde::Serialize;

use crate::sync::lock;
use crate::{
    analyze,
    error::{Error, Result},
    graph::{self, discard, trust_stamps},
};

/// Samples a second of the sound.
const RATE: u64 = 16_000;
/// A pipeline that ends neither well nor badly for so long is given up.
const LONGEST: gst::ClockTime = gst::ClockTime::from_seconds(600);

/// `polygraph senses`.
#[derive(Args)]
pub struct Senses {
    /// Clips of talking faces
    #[arg(required = true, value_name = "CLIP")]
    pub clips: Vec<PathBuf>,
    /// Folder for NAME.json, NAME.mouths (luma of 48 by 48 pixels, one after the other) and NAME.sound (16 kHz, float 32)
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
}

/// What is known of a clip.
#[derive(Default, Serialize)]
struct Clip {
    /// PTS of the first sample, ns.
    sound_start_ns: Option<u64>,
    /// Start of each window of 32 ms in ns, and its speech probability.
    speech: Vec<(u64, f32)>,
    /// PTS of each mouth of a track in ns, and which one of NAME.mouths it is.
    mouths: BTreeMap<u64, Vec<(u64, usize)>>,
    #[serde(skip)]
    pixels: Vec<u8>,
    #[serde(skip)]
    sound: Vec<f32>,
}

impl Clip {
    fn see(&mut self, pts_ns: u64, mouths: &[Mouth]) {
        for mouth in mouths {
            let number = self.pixels.len() / (MOUTH_SIDE * MOUTH_SIDE);
            self.mouths.entry(mouth.track).or_default().push((pts_ns, number));
            self.pixels.extend_from_slice(&mouth.pixels);
        }
    }

    fn hear(&mut self, speech: &[SpeechWindow], heard: &[Heard]) {
        self.speech.extend(speech.iter().map(|window| (window.pts.start_ns, window.p)));
        for Heard { pts, samples } in heard {
            let start = *self.sound_start_ns.get_or_insert(pts.start_ns);
            let at = (pts.start_ns.saturating_sub(start) * RATE).div_ceil(1_000_000_000) as usize;
            // Holes are silence; rounding moves nothing.
            if at > self.sound.len() + 16 {
                self.sound.resize(at, 0.0);
            }
            self.sound.extend_from_slice(samples);
        }
    }

    fn write(&self, stem: &Path) -> Result<()> {
        let write = |ending: &str, bytes: &[u8]| {
            let path = stem.with_added_extension(ending);
            fs::write(&path, bytes).map_err(Error::file(&path))
        };
        let sound: Vec<u8> = self.sound.iter().flat_map(|sample| sample.to_le_bytes()).collect();
        write("mouths", &self.pixels)?;
        write("sound", &sound)?;
        write("json", serde_json::to_string(self).unwrap_or_default().as_bytes())
    }
}

/// Cuts all clips; one that fails is told of, and the others go on.
pub fn run(senses: &Senses) -> Result<ExitCode> {
    analyze::init()?;
    fs::create_dir_all(&senses.out).map_err(Error::file(&senses.out))?;
    let mut code = ExitCode::SUCCESS;
    for path in &senses.clips {
        let stem = senses.out.join(path.file_stem().unwrap_or_default());
        let cut =
            cut(path).map_err(|why| Error::input(path.display().to_string(), why)).and_then(|clip| clip.write(&stem));
        if let Err(error) = cut {
            errln!("polygraph: {error}");
            code = ExitCode::FAILURE;
        }
    }
    Ok(code)
}

/// Runs a clip through the analysers.
fn cut(path: &Path) -> Result<Clip, String> {
    let path = path.canonicalize().map_err(|error| error.to_string())?;
    let uri = gst::glib::filename_to_uri(path, None).map_err(|error| error.to_string())?;
    let source = gst::ElementFactory::make("uridecodebin").property("uri", uri.as_str());
    let analyzer = gst::ElementFactory::make("polyanalyze")
        .property("transcript", false)
        .property("forensics", false)
        .property("scenes", false);
    let sink = gst::ElementFactory::make("fakesink").property("sync", false);
    let clip = Arc::new(Mutex::new(Clip::default()));
    let pipeline = gst::Pipeline::new();
    let ended = (|| -> Result<_, gst::glib::Error> {
        let failed = |error: gst::glib::BoolError| gst::glib::Error::new(gst::CoreError::Failed, &error.message);
        let [source, analyzer, sink] = [source, analyzer, sink].map(|builder| builder.build().map_err(failed));
        let (source, analyzer, sink) = (source?, analyzer?, sink?);
        pipeline.add_many([&source, &analyzer, &sink]).map_err(failed)?;
        analyzer.link(&sink).map_err(failed)?;
        connect(&source, &analyzer, &clip);
        pipeline
            .set_state(gst::State::Playing)
            .map_err(|error| gst::glib::Error::new(gst::CoreError::StateChange, &error.to_string()))?;
        Ok(wait(&pipeline))
    })();
    // Nobody holds on to a clip whose pipeline has ended.
    let _ = pipeline.set_state(gst::State::Null);
    ended.map_err(|error| error.message().to_owned())??;
    Ok(std::mem::take(&mut *lock(&clip)))
}

fn wait(pipeline: &gst::Pipeline) -> Result<(), String> {
    let bus = pipeline.bus().ok_or("a pipeline has no bus")?;
    let message = bus.timed_pop_filtered(LONGEST, &[gst::MessageType::Error, gst::MessageType::Eos]);
    match message.as_ref().map(|message| message.view()) {
        Some(gst::MessageView::Error(error)) => Err(error.error().message().to_owned()),
        Some(_) => Ok(()),
        None => Err(format!("it didn't end within {} s", LONGEST.seconds())),
    }
}

/// Links what the decoder finds, and looks at what leaves the elements inside.
fn connect(source: &gst::Element, analyzer: &gst::Element, clip: &Arc<Mutex<Clip>>) {
    trust_stamps(source);
    let (analyzer, clip) = (analyzer.downgrade(), clip.clone());
    source.connect_pad_added(move |source, pad| {
        let Some(bin) = analyzer.upgrade().and_downcast::<gst::Bin>() else { return };
        let kind = graph::kind(pad).filter(|kind| bin.static_pad(kind).is_none());
        let Some((kind, sink)) = kind.and_then(|kind| Some((kind, bin.request_pad_simple(kind)?))) else {
            return discard(source, pad);
        };
        let inside = bin.by_name(if kind == "video" { "polyface" } else { "polyvoice" });
        if let Some(out) = inside.and_then(|element| element.static_pad("src")) {
            let clip = clip.clone();
            out.add_probe(gst::PadProbeType::BUFFER, move |_, info| {
                if let Some(buffer) = info.buffer() {
                    take(&mut lock(&clip), buffer);
                }
                gst::PadProbeReturn::Ok
            });
        }
        if let Err(error) = pad.link(&sink) {
            gst::element_error!(source, gst::CoreError::Pad, ["{kind} can't be taken: {error}"]);
        }
    });
}

fn take(clip: &mut Clip, buffer: &gst::Buffer) {
    if let Some(faces) = meta::video_results(buffer).and_then(|results| results.faces) {
        clip.see(faces.pts.start_ns, faces.mouths.as_deref().unwrap_or_default());
    }
    if let Some(results) = meta::audio_results(buffer) {
        clip.hear(&results.speech, &results.heard);
    }
}
