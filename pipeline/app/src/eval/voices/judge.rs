// SPDX-License-Identifier: Apache-2.0
//! One recording: decoded, made worse, heard by `polyvoice`.

use std::{
    path::Path,
    sync::{Arc, Mutex},
};

use gst::prelude::*;
use gst_app::{AppSink, AppSrc};
use gstpolygraph::meta::audio_results;
use polygraph_core::{
    evaluation::Random,
    results::{Synthetic, VoiceReasonNot},
};
use polygraph_models::Provider;
use serde::Serialize;

use super::super::{
    condition::{Condition, Sound},
    manifest::Item,
};
use crate::error::{Error, Result};
use crate::sync::lock;

const RATE: usize = 16_000;
const CAPS: &str = "audio/x-raw,format=F32LE,layout=interleaved,rate=16000,channels=1";
/// Silence after a recording, so that a stretch is asked about when the voice has ended, as in a stream.
const AFTER: usize = RATE * 3 / 2;
/// A pipeline that says nothing for so long is over.
const PATIENCE: gst::ClockTime = gst::ClockTime::from_seconds(60);
/// Frames of a buffer: 20 ms.
const FRAMES: usize = RATE / 50;

/// What became of a recording.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case", tag = "status")]
pub enum Heard {
    /// The voice was judged: what was known when it ended.
    Judged {
        /// Joined logit, not calibrated.
        logit: f64,
        /// Signs of a synthetic voice; absent without a threshold.
        #[serde(skip_serializing_if = "Option::is_none")]
        signs: Option<bool>,
    },
    /// It could not be judged.
    NotJudged {
        /// Why; absent when no speech came at all.
        #[serde(skip_serializing_if = "Option::is_none")]
        reason: Option<VoiceReasonNot>,
    },
    /// The file can't be read.
    Unreadable {
        /// For people.
        why: String,
    },
}

/// Judges a recording under a condition.
///
/// # Errors
/// When `polyvoice` or what the condition needs fails; a bad file is an outcome.
pub fn item(item: &Item, condition: Condition, provider: Provider) -> Result<Heard> {
    let samples = match item.file.as_ref().map_err(Clone::clone).and_then(|(file, _)| decode(file)) {
        Ok(samples) => samples,
        Err(why) => return Ok(Heard::Unreadable { why }),
    };
    let mut samples = if condition == Condition::Sound(Sound::Noise10) { noisy(samples) } else { samples };
    samples.resize(samples.len() + AFTER, 0.0);
    hear(&samples, condition, provider)
}

/// Samples of a file, 16 kHz mono.
fn decode(file: &Path) -> Result<Vec<f32>, String> {
    let line =
        format!("filesrc name=file ! decodebin ! audioconvert ! audioresample ! {CAPS} ! appsink name=out sync=false");
    let pipeline = launch(&line).map_err(|error| error.to_string())?;
    let source = pipeline.by_name("file").ok_or("there is no source")?;
    source.set_property("location", file.to_string_lossy().as_ref());
    let sink = pipeline.by_name("out").and_then(|sink| sink.downcast::<AppSink>().ok()).ok_or("there is no sink")?;
    let _running = Running::start(&pipeline)?;
    let mut samples = Vec::new();
    loop {
        match sink.try_pull_sample(PATIENCE) {
            Some(sample) => {
                let buffer = sample.buffer().ok_or("a sample without a buffer")?;
                let map = buffer.map_readable().map_err(|error| error.to_string())?;
                samples.extend(map.as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes)));
            }
            None if sink.is_eos() && !samples.is_empty() => return Ok(samples),
            None => return Err(error(&pipeline).unwrap_or_else(|| "there is no sound in it".into())),
        }
    }
}

/// White noise 10 dB under the sound, the same at every run.
fn noisy(mut samples: Vec<f32>) -> Vec<f32> {
    let power = samples.iter().map(|sample| f64::from(*sample).powi(2)).sum::<f64>() / samples.len().max(1) as f64;
    let (level, mut random) = ((power / 10.0).sqrt(), Random::new(samples.len() as u64));
    // The sum of twelve evenly spread numbers less their mean has a deviation of 1 and is near enough to Gauss's.
    for sample in &mut samples {
        let drawn = (0..12).map(|_| random.unit()).sum::<f64>() - 6.0;
        *sample += (level * drawn) as f32;
    }
    samples
}

/// What stands between the recording and the analyser.
fn worse(condition: Condition) -> String {
    let whole = format!("audioconvert ! audioresample ! {CAPS} ! ");
    match condition {
        Condition::Sound(Sound::Opus24) => {
            format!("audioconvert ! audioresample ! opusenc bitrate=24000 audio-type=voice ! opusdec ! {whole}")
        }
        Condition::Sound(Sound::Aac64) => {
            format!("audioconvert ! audioresample ! avenc_aac bitrate=64000 ! avdec_aac ! {whole}")
        }
        Condition::Sound(Sound::Telephone) => format!(
            "audioconvert ! audiochebband mode=band-pass lower-frequency=300 upper-frequency=3400 poles=8 ! \
             audioresample ! audio/x-raw,rate=8000 ! audioconvert ! mulawenc ! mulawdec ! {whole}"
        ),
        _ => String::new(),
    }
}

fn hear(samples: &[f32], condition: Condition, provider: Provider) -> Result<Heard> {
    let line = format!(
        "appsrc name=in format=time caps=\"{CAPS}\" max-bytes=0 ! {} polyvoice provider={} ! fakesink name=out sync=false",
        worse(condition),
        provider.as_str()
    );
    let pipeline = launch(&line)?;
    let failed = |why: &str| Error::GStreamer(why.to_owned());
    let (source, sink) = (pipeline.by_name("in"), pipeline.by_name("out"));
    let source = source.and_then(|source| source.downcast::<AppSrc>().ok()).ok_or_else(|| failed("no source"))?;
    let pad = sink.and_then(|sink| sink.static_pad("sink")).ok_or_else(|| failed("no sink"))?;
    let known = Arc::new(Mutex::new(None));
    let seen = Arc::clone(&known);
    pad.add_probe(gst::PadProbeType::BUFFER, move |_, info| {
        let found = info.buffer().and_then(|buffer| audio_results(buffer)).and_then(|results| results.synthetic);
        let mut last = lock(&seen);
        *last = later(*last, found);
        gst::PadProbeReturn::Ok
    });
    let _running = Running::start(&pipeline).map_err(Error::GStreamer)?;
    for (at, piece) in samples.chunks(FRAMES).enumerate() {
        let bytes: Vec<u8> = piece.iter().flat_map(|sample| sample.to_le_bytes()).collect();
        let mut buffer = gst::Buffer::from_slice(bytes);
        if let Some(buffer) = buffer.get_mut() {
            let ns = |frames: usize| gst::ClockTime::from_nseconds((frames * 1_000_000_000 / RATE) as u64);
            buffer.set_pts(ns(at * FRAMES));
            buffer.set_duration(ns(piece.len()));
        }
        if source.push_buffer(buffer).is_err() {
            break;
        }
    }
    // After a failure the bus has the reason.
    let _ended = source.end_of_stream();
    let bus = pipeline.bus().ok_or_else(|| failed("no bus"))?;
    match bus.timed_pop_filtered(PATIENCE, &[gst::MessageType::Eos, gst::MessageType::Error]) {
        Some(message) if message.type_() == gst::MessageType::Eos => {}
        Some(message) => return Err(Error::GStreamer(why(&message))),
        None => return Err(failed("a recording was not heard to its end within a minute")),
    }
    let last = lock(&known).take();
    Ok(match last {
        Some(Synthetic { logit: Some(logit), signs, .. }) => Heard::Judged { logit: f64::from(logit), signs },
        Some(Synthetic { reason_not, .. }) => Heard::NotJudged { reason: reason_not },
        None => Heard::NotJudged { reason: None },
    })
}

/// What is known after a further buffer: a judgement stays, whatever comes after the voice.
fn later(last: Option<Synthetic>, found: Option<Synthetic>) -> Option<Synthetic> {
    match (last, found) {
        (Some(Synthetic { logit: Some(_), .. }), Some(Synthetic { logit: None, .. })) | (_, None) => last,
        _ => found,
    }
}

fn launch(line: &str) -> Result<gst::Pipeline> {
    let made = gst::parse::launch(line).map_err(|error| {
        let needed = "`apt-get install gstreamer1.0-plugins-good gstreamer1.0-plugins-base gstreamer1.0-libav` brings what \
                      conditions need";
        Error::GStreamer(format!("{error}; {needed}"))
    })?;
    made.downcast().map_err(|_| Error::GStreamer("a pipeline was expected".into()))
}

fn error(pipeline: &gst::Pipeline) -> Option<String> {
    Some(why(&pipeline.bus()?.pop_filtered(&[gst::MessageType::Error])?))
}

fn why(message: &gst::Message) -> String {
    match message.view() {
        gst::MessageView::Error(error) => error.error().message().lines().next().unwrap_or_default().to_owned(),
        _ => String::new(),
    }
}

/// A pipeline that stops when this is dropped.
struct Running<'a>(&'a gst::Pipeline);

impl<'a> Running<'a> {
    fn start(pipeline: &'a gst::Pipeline) -> Result<Self, String> {
        let running = Self(pipeline);
        match pipeline.set_state(gst::State::Playing) {
            Ok(_) => Ok(running),
            Err(state) => Err(error(pipeline).unwrap_or_else(|| state.to_string())),
        }
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        if self.0.set_state(gst::State::Null).is_err() {
            errln!("polygraph: a pipeline doesn't stop in order");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_judgement_outlives_the_silence_after_it() {
        let judged = Some(Synthetic { logit: Some(1.0), ..Synthetic::default() });
        let newer = Some(Synthetic { logit: Some(2.0), ..Synthetic::default() });
        let refused = Some(Synthetic { reason_not: Some(VoiceReasonNot::TooLittleSpeech), ..Synthetic::default() });
        assert_eq!(later(None, refused), refused);
        assert_eq!(later(refused, judged), judged);
        assert_eq!(later(judged, refused), judged);
        assert_eq!(later(judged, newer), newer);
        assert_eq!(later(judged, None), judged);
    }

    #[test]
    fn noise_is_ten_decibels_under_the_sound() {
        let sound = vec![0.1f32; RATE];
        let noise: f64 = noisy(sound).iter().map(|sample| f64::from(sample - 0.1).powi(2)).sum::<f64>() / RATE as f64;
        assert!((noise / 0.001 - 1.0).abs() < 0.05, "{noise}");
    }
}
