// SPDX-License-Identifier: Apache-2.0
//! What evaluations of a list of items (`lips.csv`, `speech.csv`, `shots.csv`, `scenes.csv`, `texts.csv`) have in common: reading the list,
//! writing the report, and running the picture of one file with the sound of another.

use std::{
    fs,
    path::{Path, PathBuf},
};

use gst::prelude::*;
use gst_app::AppSink;
use polygraph_core::{evaluation::Estimate, record::Record};
use serde::{Serialize, de::DeserializeOwned};

use super::circumstances;
use crate::{
    error::{Error, Result},
    graph::{discard, kind, trust_stamps},
};

/// A pipeline that gives nothing for so long is given up.
const PATIENCE: gst::ClockTime = gst::ClockTime::from_seconds(60);

/// Under which circumstances a report was made.
#[derive(Debug, Serialize)]
pub struct Circumstances {
    /// Version of the command.
    pub polygraph: &'static str,
    /// Commit that it was built from, if known.
    pub commit: Option<String>,
    /// When, RFC 3339.
    pub date: String,
    /// Processor, cores, memory.
    pub hardware: String,
}

impl Circumstances {
    /// Those of now.
    pub fn now() -> Self {
        Self {
            polygraph: env!("CARGO_PKG_VERSION"),
            commit: circumstances::commit(),
            date: circumstances::now(),
            hardware: circumstances::hardware(),
        }
    }
}

/// The lines of a list.
///
/// # Errors
/// What is wrong with it, and in which line.
pub fn read<T: DeserializeOwned>(path: &Path) -> Result<Vec<T>> {
    let text = fs::read_to_string(path).map_err(Error::file(path))?;
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let flaw = |error: csv::Error| Error::Manifest {
        path: path.display().to_string(),
        line: error.position().map_or(1, csv::Position::line),
        column: "",
        why: error.to_string(),
    };
    reader.deserialize().map(|line| line.map_err(flaw)).collect()
}

/// Writes a report, already as JSON, into a folder, which is made when it isn't there.
///
/// # Errors
/// When it can't be written.
pub fn write(out: &Path, name: &str, json: serde_json::Result<String>) -> Result<()> {
    fs::create_dir_all(out).map_err(Error::file(out))?;
    let path = out.join(name);
    let text = json.map_err(|why| Error::File { path: path.display().to_string(), why: why.into() })?;
    fs::write(&path, text + "\n").map_err(Error::file(&path))
}

/// A figure with its interval, for a line of a table.
pub fn in_words(Estimate { value, interval }: Estimate) -> String {
    let bounds = interval.map_or(String::new(), |[low, high]| format!(" ({low:.3} to {high:.3})"));
    format!("{value:.3}{bounds}")
}

/// What the analysers tell of the picture of one file with the sound of another, which comes late by so much: of their records
/// those that are `wanted`.
///
/// # Errors
/// What is wrong with one of them, in a line.
pub fn records<T>(
    [video, sound]: &[PathBuf; 2],
    late_ms: i64,
    analyzer: &gst::Element,
    wanted: impl Fn(Record) -> Option<T>,
) -> Result<Vec<T>, String> {
    let sink = AppSink::builder().sync(false).build();
    let pipeline = gst::Pipeline::new();
    pipeline.add_many([analyzer, sink.upcast_ref()]).map_err(|error| error.to_string())?;
    analyzer.link(&sink).map_err(|error| error.to_string())?;
    // The bin waits for no pad that nobody has asked for: both are there before anything flows.
    decode(&pipeline, analyzer, video, "video", 0)?;
    decode(&pipeline, analyzer, sound, "audio", late_ms)?;
    let told = pipeline
        .set_state(gst::State::Playing)
        .map_err(|error| error.to_string())
        .and_then(|_| pull(&pipeline, &sink, wanted));
    // Nobody holds on to a clip whose pipeline has ended.
    let _ = pipeline.set_state(gst::State::Null);
    told
}

/// Decodes one kind of stream of a file into the analysers.
fn decode(
    pipeline: &gst::Pipeline,
    analyzer: &gst::Element,
    path: &Path,
    wanted: &'static str,
    late_ms: i64,
) -> Result<(), String> {
    let path = path.canonicalize().map_err(|error| error.to_string())?;
    let uri = gst::glib::filename_to_uri(path, None).map_err(|error| error.to_string())?;
    let source = gst::ElementFactory::make("uridecodebin").property("uri", uri.as_str()).build();
    let source = source.map_err(|error| error.to_string())?;
    pipeline.add(&source).map_err(|error| error.to_string())?;
    trust_stamps(&source);
    let to = analyzer.request_pad_simple(wanted).ok_or("the analysers have no such pad")?;
    source.connect_pad_added(move |source, pad| {
        if kind(pad) != Some(wanted) || to.is_linked() {
            return discard(source, pad);
        }
        pad.set_offset(late_ms * 1_000_000);
        if let Err(error) = pad.link(&to) {
            gst::element_error!(source, gst::CoreError::Pad, ["{wanted} can't be analysed: {error}"]);
        }
    });
    Ok(())
}

fn pull<T>(pipeline: &gst::Pipeline, sink: &AppSink, wanted: impl Fn(Record) -> Option<T>) -> Result<Vec<T>, String> {
    let mut told = Vec::new();
    while let Some(sample) = sink.try_pull_sample(PATIENCE) {
        let map = sample.buffer().and_then(|buffer| buffer.map_readable().ok()).ok_or("a record can't be read")?;
        told.extend(wanted(serde_json::from_slice(&map).map_err(|error| error.to_string())?));
    }
    let error = pipeline.bus().and_then(|bus| bus.pop_filtered(&[gst::MessageType::Error]));
    match error.as_ref().map(|message| message.view()) {
        Some(gst::MessageView::Error(error)) => Err(error.error().message().to_owned()),
        _ if sink.is_eos() => Ok(told),
        _ => Err(format!("nothing came for {} s", PATIENCE.seconds())),
    }
}
