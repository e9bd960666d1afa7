// SPDX-License-Identifier: Apache-2.0
//! The networks alone, for the bench: what they cost without decoding, pipeline, joining and events.
//!
//! usage: `networks-alone WAVE SPANS PICTURES`
//!
//! `WAVE` is 16 kHz mono sound as raw f32; every window of it goes through Silero. `SPANS` has the start and the end,
//! in seconds, of one stretch of that sound a line; each is transcribed by Moonshine. BlazeFace looks at `PICTURES`
//! pictures: its cost doesn't depend on what they show.

use std::{env, error::Error, fs, path::Path};

use polygraph_models::{
    Engine, Provider,
    blazeface::{DetectOptions, FaceDetector},
    moonshine::Recogniser,
    picture::{Matrix, Picture, PixelFormat},
    silero::{VoiceActivity, WINDOW},
};

const RATE: f64 = 16_000.0;
const WIDTH: usize = 1280;
const HEIGHT: usize = 720;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [wave, spans, pictures] = arguments.as_slice() else {
        return Err("usage: networks-alone WAVE SPANS PICTURES".into());
    };
    let wave = read_wave(wave.as_ref())?;
    let spans = read_spans(spans.as_ref())?;
    let engine = Engine::shared(Provider::Cpu)?;

    let detector = FaceDetector::load(&engine)?;
    let planes = [vec![128; WIDTH * HEIGHT], vec![128; WIDTH * HEIGHT / 4], vec![128; WIDTH * HEIGHT / 4]];
    let options = DetectOptions { threshold: 0.5, tiles: false };
    for _ in 0..pictures.parse::<u32>()? {
        detector.detect(&picture(&planes), &options)?;
    }

    let mut activity = VoiceActivity::load(&engine)?;
    for window in wave.as_chunks::<WINDOW>().0 {
        activity.push(window)?;
    }

    let recogniser = Recogniser::load(&engine)?;
    for (start, end) in spans {
        let [start, end] = [start, end].map(|seconds| ((seconds * RATE) as usize).min(wave.len()));
        recogniser.transcribe(&wave[start..end], &[])?;
    }

    println!("{}", serde_json::to_string(&engine.runs())?);
    Ok(())
}

fn picture(planes: &[Vec<u8>; 3]) -> Picture<'_> {
    Picture {
        format: PixelFormat::I420,
        width: WIDTH,
        height: HEIGHT,
        planes: [&planes[0], &planes[1], &planes[2]],
        strides: [WIDTH, WIDTH / 2, WIDTH / 2],
        matrix: Matrix::Bt709,
        full_range: false,
        pixel_aspect: 1.0,
    }
}

fn read_wave(path: &Path) -> Result<Vec<f32>, Box<dyn Error>> {
    let bytes = fs::read(path)?;
    Ok(bytes.as_chunks::<4>().0.iter().map(|sample| f32::from_le_bytes(*sample)).collect())
}

fn read_spans(path: &Path) -> Result<Vec<(f64, f64)>, Box<dyn Error>> {
    let mut spans = Vec::new();
    for line in fs::read_to_string(path)?.lines() {
        let (start, end) = line.split_once(' ').ok_or_else(|| format!("{}: `{line}`: no span", path.display()))?;
        spans.push((start.parse()?, end.parse()?));
    }
    Ok(spans)
}
