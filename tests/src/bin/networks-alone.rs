// SPDX-License-Identifier: Apache-2.0
//! The networks alone, for the bench: what they cost without decoding, pipeline, joining and events.
//!
//! usage: `networks-alone WAVE PICTURES FACES`
//!
//! `WAVE` is 16 kHz mono sound as raw f32; every window of it goes through Silero, and Moonshine hears what the
//! policy of streaming recognition asks for, and the network for voices what `polyvoice` would ask it. BlazeFace looks at `PICTURES` pictures, and the network for faces at
//! `FACES` crops of one: their cost doesn't depend on what they show. Prints the runs of each network, and the speech that they followed from, as JSON.

use std::{env, error::Error, fs, path::Path, sync::Arc};

use polygraph_core::{
    results::{PtsRange, SpeechWindow},
    transcription::{self, Hypothesis, JobKind, Settings, Transcriber},
    voice::{self, Turn, VoiceOptions},
};
use polygraph_models::{
    Engine, Provider,
    blazeface::{DetectOptions, FaceDetector},
    forensics::{FaceCrop, FaceForensics},
    moonshine::{self, Recogniser},
    picture::{Matrix, Picture, PixelFormat},
    silero::{VoiceActivity, WINDOW},
    voice::{Stretch, VoiceForensics},
};

const WIDTH: usize = 1280;
const HEIGHT: usize = 720;
/// A face of 200 pixels, as large as that of the programme's portrait.
const FACE: [f32; 4] = [0.4, 0.3, 200.0 / WIDTH as f32, 200.0 / HEIGHT as f32];
/// Its eyes.
const EYES: [[f32; 2]; 2] = [[0.43, 0.4], [0.48, 0.42]];
const WINDOW_NS: u64 = WINDOW as u64 * 1_000_000_000 / transcription::RATE;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [wave, pictures, faces] = arguments.as_slice() else {
        return Err("usage: networks-alone WAVE PICTURES FACES".into());
    };
    let engine = Engine::shared(Provider::Cpu)?;
    look(&engine, pictures.parse()?, faces.parse()?)?;
    let mut listener = Listener {
        activity: VoiceActivity::load(&engine)?,
        recogniser: Recogniser::load(&engine)?,
        forensics: VoiceForensics::load(&engine)?,
        voice: voice::Listener::new(VoiceOptions::default(), None),
        transcriber: Transcriber::new(Settings::default()),
        utterances: 0,
        speech_samples: 0,
    };
    listener.hear(&read_wave(wave.as_ref())?)?;
    let counts = serde_json::json!({
        "runs": engine.runs(),
        "utterances": listener.utterances,
        "speech_seconds": listener.speech_samples as f64 / transcription::RATE as f64,
    });
    println!("{counts}");
    Ok(())
}

fn look(engine: &Arc<Engine>, pictures: u32, faces: u32) -> Result<(), Box<dyn Error>> {
    let planes = [vec![128; WIDTH * HEIGHT], vec![128; WIDTH * HEIGHT / 4], vec![128; WIDTH * HEIGHT / 4]];
    let picture = Picture {
        format: PixelFormat::I420,
        width: WIDTH,
        height: HEIGHT,
        planes: [&planes[0], &planes[1], &planes[2]],
        strides: [WIDTH, WIDTH / 2, WIDTH / 2],
        matrix: Matrix::Bt709,
        full_range: false,
        pixel_aspect: 1.0,
    };
    let (detector, forensics) = (FaceDetector::load(engine)?, FaceForensics::load(engine)?);
    for _ in 0..pictures {
        detector.detect(&picture, &DetectOptions::default())?;
    }
    for _ in 0..faces {
        forensics.score(&[FaceCrop::new(&picture, FACE, EYES[0], EYES[1])?])?;
    }
    Ok(())
}

struct Listener {
    activity: VoiceActivity,
    recogniser: Recogniser,
    forensics: VoiceForensics,
    voice: voice::Listener,
    transcriber: Transcriber,
    utterances: u64,
    speech_samples: usize,
}

impl Listener {
    fn hear(&mut self, wave: &[f32]) -> Result<(), Box<dyn Error>> {
        for (index, window) in (0..).zip(wave.as_chunks::<WINDOW>().0) {
            let pts = PtsRange { start_ns: index * WINDOW_NS, end_ns: (index + 1) * WINDOW_NS };
            self.transcriber.push_sound(pts.start_ns, window);
            let p = self.activity.push(window)?;
            if let Some(Turn::Judge(stretch)) = self.voice.hear(pts, window, Some(p)) {
                let logit = self.forensics.score(&Stretch::new(&stretch.samples)?)?;
                self.voice.judged(&stretch, logit);
            }
            self.transcriber.push_speech(SpeechWindow { pts, p });
            self.transcribe()?;
        }
        self.transcriber.finish();
        self.transcribe()
    }

    fn transcribe(&mut self) -> Result<(), Box<dyn Error>> {
        while let Some(job) = self.transcriber.poll() {
            if job.kind == JobKind::Final {
                self.utterances += 1;
                self.speech_samples += job.wave.len();
            }
            let heard = self.recogniser.transcribe(&job.wave, &job.prefix)?;
            let tokens = heard.tokens.into_iter().map(token).collect();
            self.transcriber.answer(job, Hypothesis { tokens, complete: heard.complete });
        }
        Ok(())
    }
}

fn token(token: moonshine::Token) -> transcription::Token {
    transcription::Token { id: token.id, text: token.text, p: token.p }
}

fn read_wave(path: &Path) -> Result<Vec<f32>, Box<dyn Error>> {
    let bytes = fs::read(path)?;
    Ok(bytes.as_chunks::<4>().0.iter().map(|sample| f32::from_le_bytes(*sample)).collect())
}
