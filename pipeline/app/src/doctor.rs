// SPDX-License-Identifier: Apache-2.0
//! `polygraph doctor`: one line for each thing that a run needs, and what to do where it is missing.

use std::{process::ExitCode, sync::Arc};

use clap::Args;
use polygraph_models::{Engine, EngineConfig, Provider, Store, cards};

use crate::{analyze, error::Result};

/// Elements that a run needs, and the Debian package that has each.
const ELEMENTS: [(&str, &str); 9] = [
    ("uridecodebin", "gstreamer1.0-plugins-base"),
    ("videoconvert", "gstreamer1.0-plugins-base"),
    ("audioresample", "gstreamer1.0-plugins-base"),
    ("deinterlace", "gstreamer1.0-plugins-good"),
    ("videoflip", "gstreamer1.0-plugins-good"),
    ("qtdemux", "gstreamer1.0-plugins-good"),
    ("rtspsrc", "gstreamer1.0-plugins-good"),
    ("tsdemux", "gstreamer1.0-plugins-bad"),
    ("avdec_h264", "gstreamer1.0-libav"),
];

/// `polygraph doctor`.
#[derive(Args)]
pub struct Doctor {
    /// What is to run the networks: auto, cpu, cuda or tensorrt
    #[arg(long, default_value_t = Provider::Auto)]
    provider: Provider,
}

/// Prints the findings; fails when something is missing.
pub fn run(doctor: &Doctor) -> Result<ExitCode> {
    let mut sound = gstreamer();
    sound &= networks();
    sound &= engine(doctor.provider);
    Ok(if sound { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn gstreamer() -> bool {
    if let Err(error) = analyze::init() {
        outln!("missing  {error}");
        return false;
    }
    outln!("ok       {}", gst::version_string());
    let missing = |name: &str| gst::ElementFactory::find(name).is_none();
    let lacking: Vec<_> = ELEMENTS.into_iter().filter(|(name, _)| missing(name)).collect();
    for (name, package) in &lacking {
        outln!("missing  GStreamer element {name}: apt-get install {package}");
    }
    lacking.is_empty()
}

fn networks() -> bool {
    let store = Store::open(Store::default_dir());
    let mut sound = true;
    for card in cards() {
        match store.verify(card) {
            Ok(()) => {
                outln!("ok       network {} {}", card.name, card.version);
                if let Some(caveat) = card.licence.commercial_caveat() {
                    outln!("note     network {}: {caveat}", card.name);
                }
            }
            Err(polygraph_models::Error::Missing { .. }) if card.licence.must_accept => {}
            Err(error) => {
                outln!("missing  {error}");
                sound = false;
            }
        }
    }
    sound
}

fn engine(provider: Provider) -> bool {
    let engine = match Engine::open(EngineConfig { provider, ..EngineConfig::default() }) {
        Ok(engine) => Arc::new(engine),
        Err(error) => {
            outln!("missing  {error}");
            return false;
        }
    };
    for card in cards().iter().filter(|card| !card.licence.must_accept) {
        if let Err(error) = engine.load(&card.name) {
            outln!("missing  {error}");
            return false;
        }
    }
    engine.reports().iter().for_each(|report| outln!("ok       {report}"));
    true
}
