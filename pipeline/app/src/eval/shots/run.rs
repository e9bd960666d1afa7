// SPDX-License-Identifier: Apache-2.0
//! One programme through the shipped elements, for its shot boundaries.

use std::{path::Path, sync::Arc};

use gst::prelude::*;
use polygraph_core::record::Record;

use super::Boundary;
use crate::graph::{Analysis, Connected, Graph};

/// A pipeline that gives nothing for so long is given up: a programme may have no boundary for minutes.
const PATIENCE: gst::ClockTime = gst::ClockTime::from_seconds(600);

/// Whoever looks at pads learns nothing here.
struct Nobody;

impl Connected for Nobody {
    fn analysed(self: Arc<Self>, _kind: &'static str, _sink: &gst::Pad) {}
    fn left(self: Arc<Self>, _pad: &gst::Pad) {}
}

/// The boundaries of a programme, as its events tell of them.
pub fn programme(path: &Path) -> Result<Vec<Boundary>, String> {
    let path = path.canonicalize().map_err(|error| error.to_string())?;
    let uri = gst::glib::filename_to_uri(path, None).map_err(|error| error.to_string())?;
    let source = gst::ElementFactory::make("uridecodebin").property("uri", uri.as_str()).build();
    let source = source.map_err(|error| error.to_string())?;
    let analysis = Analysis {
        transcript: false,
        forensics: false,
        lip_sync: false,
        faces: false,
        voice: false,
        scenes: false,
        ..Analysis::default()
    };
    let analyzer = analysis.element().map_err(|error| error.to_string())?;
    let graph = Graph::build(&source, analyzer, false, Arc::new(Nobody)).map_err(|error| error.to_string())?;
    let found = match graph.pipeline.set_state(gst::State::Playing) {
        Ok(_) => take(&graph),
        Err(error) => Err(error.to_string()),
    };
    // Nobody holds on to a programme whose pipeline has ended.
    let _ = graph.pipeline.set_state(gst::State::Null);
    found
}

fn take(graph: &Graph) -> Result<Vec<Boundary>, String> {
    let mut found = Vec::new();
    while let Some(sample) = graph.sink.try_pull_sample(PATIENCE) {
        let map = sample.buffer().and_then(|buffer| buffer.map_readable().ok()).ok_or("a record can't be read")?;
        if let Record::Shot(shot) = serde_json::from_slice(&map).map_err(|error| error.to_string())? {
            let seconds = |ns: u64| ns as f64 / 1e9;
            found.push(Boundary {
                kind: shot.kind.as_str().to_owned(),
                start_s: seconds(shot.start_ns),
                end_s: seconds(shot.end_ns),
            });
        }
    }
    let error = graph.bus.pop_filtered(&[gst::MessageType::Error]);
    match error.as_ref().map(|message| message.view()) {
        Some(gst::MessageView::Error(error)) => Err(error.error().message().to_owned()),
        _ if graph.sink.is_eos() => Ok(found),
        _ => Err(format!("nothing came for {} s", PATIENCE.seconds())),
    }
}
