// SPDX-License-Identifier: Apache-2.0
//! `polyvoice` from its outside: sound goes through a harness, the metas are read from what comes out.
#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a panic is the report of a test")]

mod common;
mod sound;

use gst_check::Harness;
use gstpolygraph::meta::audio_results;
use polygraph_core::results::{AudioResults, Loudness, Synthetic, VoiceReasonNot};
use sound::{buffer, decode, media, noise, sine};

struct Voice {
    harness: Harness,
    rate: u32,
    channels: usize,
    pts: u64,
}

impl Voice {
    /// Without speech activity, unless `vad`.
    fn new(caps: &str, rate: u32, channels: usize, vad: bool) -> Self {
        sound::init();
        let mut harness = Harness::new_parse(&format!("polyvoice name=v vad={vad}"));
        harness.set_src_caps_str(&format!("audio/x-raw,layout=interleaved,rate={rate},channels={channels},{caps}"));
        Self { harness, rate, channels, pts: 0 }
    }

    /// Pushes sound in buffers of 20 ms; the results of each.
    fn push(&mut self, samples: &[f32]) -> Vec<AudioResults> {
        let size = self.rate as usize / 50 * self.channels;
        let mut results = Vec::new();
        for piece in samples.chunks(size) {
            let sent = buffer(piece, self.channels, self.rate, self.pts);
            self.pts += (piece.len() / self.channels) as u64 * 1_000_000_000 / u64::from(self.rate);
            let pts = sent.pts();
            self.harness.push(sent).expect("flow");
            let got = self.harness.pull().expect("a buffer");
            assert_eq!(got.pts(), pts);
            let found = audio_results(&got).expect("results");
            assert_eq!(Some(found.pts.start_ns), pts.map(gst::ClockTime::nseconds));
            results.push(found);
        }
        results
    }

    fn loudness(&mut self, samples: &[f32]) -> Loudness {
        self.push(samples).last().expect("results").loudness
    }

    fn stats(&self) -> gst::Structure {
        use gst::prelude::*;
        let voice = self.harness.element().expect("element");
        let bin = voice.downcast_ref::<gst::Bin>().and_then(|bin| bin.children().into_iter().next());
        bin.unwrap_or(voice).property("stats")
    }
}

fn near(value: Option<f32>, lufs: f32) {
    let value = value.expect("a value");
    assert!((value - lufs).abs() <= 0.1, "{value} LUFS instead of {lufs}");
}

const STEREO: &str = "format=F32LE,channel-mask=(bitmask)0x3";

/// EBU Tech 3341, minimum requirements test signals 1 and 2.
#[test]
fn a_stereo_sine_has_its_loudness() {
    for level in [-23.0, -33.0] {
        let mut voice = Voice::new(STEREO, 48_000, 2, false);
        let loudness = voice.loudness(&sine(&[Some(level); 2], 48_000, 20.0));
        near(loudness.momentary_lufs, level);
        near(loudness.short_term_lufs, level);
        near(loudness.integrated_lufs, level);
    }
}

/// EBU Tech 3341, test signal 3: the relative gate leaves the quiet parts out.
#[test]
fn integrated_loudness_is_gated() {
    let mut voice = Voice::new(STEREO, 48_000, 2, false);
    voice.loudness(&sine(&[Some(-36.0); 2], 48_000, 10.0));
    voice.loudness(&sine(&[Some(-23.0); 2], 48_000, 60.0));
    let loudness = voice.loudness(&sine(&[Some(-36.0); 2], 48_000, 10.0));
    near(loudness.integrated_lufs, -23.0);
    near(loudness.short_term_lufs, -36.0);
}

/// EBU Tech 3341, test signal 6, with a loud LFE that doesn't count.
#[test]
fn the_channels_of_5_1_are_weighted_by_their_places() {
    // FL FR FC LFE RL RR
    let mut voice = Voice::new("format=F32LE,channel-mask=(bitmask)0x3f", 48_000, 6, false);
    let levels = [-28.0, -28.0, -24.0, -10.0, -30.0, -30.0].map(Some);
    near(voice.loudness(&sine(&levels, 48_000, 20.0)).integrated_lufs, -23.0);
}

#[test]
fn a_single_channel_counts_once() {
    let mut voice = Voice::new("format=F32LE", 44_100, 1, false);
    near(voice.loudness(&sine(&[Some(-20.0)], 44_100, 5.0)).momentary_lufs, -23.0);
}

#[test]
fn whole_numbers_are_measured_like_fractions() {
    sound::init();
    let mut harness = Harness::new_parse("polyvoice name=v vad=false");
    harness.set_src_caps_str("audio/x-raw,layout=interleaved,format=S16LE,rate=48000,channels=1");
    let samples = sine(&[Some(-20.0)], 48_000, 2.0);
    let bytes: Vec<u8> = samples.iter().flat_map(|sample| ((sample * 32_767.0) as i16).to_le_bytes()).collect();
    let mut sent = gst::Buffer::from_slice(bytes);
    sent.get_mut().unwrap().set_pts(gst::ClockTime::ZERO);
    harness.push(sent).unwrap();
    near(audio_results(&harness.pull().unwrap()).unwrap().loudness.momentary_lufs, -23.0);
}

#[test]
fn silence_needs_its_time_and_ends_at_once() {
    let mut voice = Voice::new(STEREO, 48_000, 2, false);
    assert!(voice.push(&sine(&[Some(-30.0); 2], 48_000, 2.0)).iter().all(|results| !results.silent));
    let quiet = voice.push(&sine(&[Some(-80.0), None], 48_000, 3.0));
    let first = quiet.iter().position(|results| results.silent).expect("silence");
    // 1 s in buffers of 20 ms.
    assert_eq!(first, 49);
    assert!(quiet[first..].iter().all(|results| results.silent));
    assert!(!voice.push(&sine(&[None, Some(-30.0)], 48_000, 0.02))[0].silent, "one channel is enough");
}

#[test]
fn speech_is_found_where_it_is_and_its_windows_join() {
    let speech = decode(&media("two_cities.wav"));
    let mut voice = Voice::new("format=F32LE", 16_000, 1, true);
    let results = voice.push(&speech[..16_000 * 20]);
    let windows: Vec<_> = results.iter().flat_map(|results| &results.speech).collect();
    assert!(windows.len() >= 20_000 / 32 - 1);
    assert!(windows.windows(2).all(|pair| pair[0].pts.end_ns == pair[1].pts.start_ns));
    for results in &results {
        assert!(results.network.as_ref().is_some_and(|network| network.name == "silero-vad"));
        assert!(results.speech.iter().all(|window| window.pts.end_ns <= results.pts.end_ns));
    }
    let spoken = windows.iter().filter(|window| window.p > 0.5).count() as f32 / windows.len() as f32;
    assert!((0.6..0.95).contains(&spoken), "{spoken} of the windows");
    assert!(windows[..30].iter().all(|window| window.p < 0.5), "the recording starts with a second of silence");
}

/// What is known of the voice with each buffer.
fn voices(results: &[AudioResults]) -> Vec<Synthetic> {
    results.iter().filter_map(|result| result.synthetic).collect()
}

#[test]
fn a_voice_is_judged_once_a_second_was_spoken_and_then_each_second() {
    let speech = decode(&media("two_cities.wav"));
    let mut voice = Voice::new("format=F32LE", 16_000, 1, true);
    let results = voice.push(&speech[..16_000 * 10]);
    let judged = voices(&results);
    let first = results.iter().position(|result| result.synthetic.is_some_and(|found| found.logit.is_some()));
    assert!((50..250).contains(&first.expect("it is judged")), "{first:?}");
    let mut logits: Vec<f32> = judged.iter().filter_map(|found| found.logit).collect();
    logits.dedup();
    assert!((6..=10).contains(&logits.len()), "10 s of a reader were judged {} times", logits.len());
    let last = judged.last().expect("it is judged");
    assert!(last.reason_not.is_none() && last.logit.is_some_and(f32::is_finite), "{last:?}");
    let networks: Vec<_> = results.iter().filter_map(|result| result.voice.as_ref()).map(|it| &*it.name).collect();
    assert_eq!((networks.len(), networks[0]), (results.len(), "voice-forensics"));
}

#[test]
fn what_is_no_clear_voice_is_not_judged_and_says_why() {
    let speech = decode(&media("two_cities.wav"));
    let changed = |factor: f32| speech[..16_000 * 6].iter().map(|s| (s * factor).clamp(-1.0, 1.0)).collect::<Vec<_>>();
    for (sound, why) in [
        (noise(16_000 * 6, true, 0.3), VoiceReasonNot::TooLittleSpeech),
        (changed(0.03), VoiceReasonNot::TooQuiet),
        (changed(60.0), VoiceReasonNot::Clipped),
    ] {
        let mut voice = Voice::new("format=F32LE", 16_000, 1, true);
        let judged = voices(&voice.push(&sound));
        assert!(judged.iter().any(|found| found.reason_not == Some(why)), "{why:?}: {:?}", judged.last());
        assert!(judged.iter().all(|found| found.logit.is_none()), "{why:?} was judged");
    }
}

#[test]
fn without_speech_activity_no_voice_is_judged() {
    let mut voice = Voice::new("format=F32LE", 16_000, 1, false);
    let results = voice.push(&decode(&media("beckett.wav"))[..16_000 * 4]);
    assert!(results.iter().all(|result| result.synthetic.is_none() && result.voice.is_none()));
}

#[test]
fn speech_is_found_in_the_centre_of_5_1_at_48_khz() {
    let speech = decode(&media("two_cities.wav"));
    // To 48 kHz by holding each sample: rough, and still speech.
    let frames = speech[..16_000 * 6].iter().flat_map(|&s| [[0.0, 0.0, s, 0.0, 0.0, 0.0]; 3]);
    let surround: Vec<f32> = frames.flatten().collect();
    let mut voice = Voice::new("format=F32LE,channel-mask=(bitmask)0x3f", 48_000, 6, true);
    let results = voice.push(&surround);
    let found = results.iter().flat_map(|results| &results.speech).filter(|window| window.p > 0.5).count();
    assert!(found > 60, "{found} windows with speech");
}

#[test]
fn noise_is_no_speech() {
    for pink in [false, true] {
        let mut voice = Voice::new("format=F32LE", 16_000, 1, true);
        let results = voice.push(&noise(16_000 * 10, pink, 0.3));
        assert!(results.iter().flat_map(|results| &results.speech).all(|window| window.p < 0.5));
    }
}

#[test]
fn a_hole_restarts_the_windows_and_keeps_the_programme_s_loudness() {
    let mut voice = Voice::new("format=F32LE", 48_000, 1, true);
    voice.push(&sine(&[Some(-20.0)], 48_000, 20.0));
    voice.pts += 10_000_000_000;
    let at = voice.pts;
    let results = voice.push(&sine(&[Some(-60.0)], 48_000, 0.5));
    let first = results.iter().flat_map(|results| &results.speech).next().expect("a window");
    assert_eq!(first.pts.start_ns, at);
    let loudness = results.last().unwrap().loudness;
    near(loudness.integrated_lufs, -23.0);
    assert!(loudness.short_term_lufs.is_none_or(|lufs| lufs < -60.0));
}

#[test]
fn stamps_that_jitter_are_no_hole() {
    let mut voice = Voice::new("format=F32LE", 16_000, 1, true);
    let mut windows = Vec::new();
    for i in 0..100 {
        voice.pts = 1_000_000_000 + i * 20_000_000 + (i * 7 % 5) * 2_000_000;
        let sent = buffer(&[0.0; 320], 1, 16_000, voice.pts);
        voice.harness.push(sent).unwrap();
        windows.extend(audio_results(&voice.harness.pull().unwrap()).unwrap().speech);
    }
    assert_eq!(windows.len(), 100 * 320 / 512);
    assert!(windows.windows(2).all(|pair| pair[0].pts.end_ns == pair[1].pts.start_ns));
}

#[test]
fn a_flush_and_new_caps_start_anew() {
    let mut voice = Voice::new(STEREO, 48_000, 2, false);
    near(voice.loudness(&sine(&[Some(-20.0); 2], 48_000, 5.0)).integrated_lufs, -20.0);
    voice.harness.push_event(gst::event::FlushStart::new());
    voice.harness.push_event(gst::event::FlushStop::new(true));
    voice.harness.push_event(gst::event::Segment::new(&gst::FormattedSegment::<gst::ClockTime>::new()));
    voice.pts = 0;
    near(voice.loudness(&sine(&[Some(-30.0); 2], 48_000, 5.0)).integrated_lufs, -30.0);
    voice.harness.set_src_caps_str("audio/x-raw,format=F32LE,layout=interleaved,rate=16000,channels=1");
    (voice.rate, voice.channels) = (16_000, 1);
    near(voice.loudness(&sine(&[Some(-20.0)], 16_000, 5.0)).integrated_lufs, -23.0);
}

#[test]
fn what_is_no_number_is_silence_and_counted() {
    let mut voice = Voice::new("format=F32LE", 48_000, 1, true);
    let mut samples = sine(&[Some(-20.0)], 48_000, 5.0);
    samples[1_000..1_010].fill(f32::NAN);
    near(voice.loudness(&samples).momentary_lufs, -23.0);
    assert_eq!(voice.stats().get::<u64>("bad-samples").unwrap(), 10);
}

#[test]
fn every_buffer_is_accounted_for() {
    let mut voice = Voice::new("format=F32LE", 16_000, 1, false);
    voice.push(&vec![0.0; 16_000]);
    voice.harness.push(gst::Buffer::from_slice([0u8; 640])).unwrap();
    assert!(audio_results(&voice.harness.pull().unwrap()).is_none(), "without PTS it can't be placed");
    let stats = voice.stats();
    let count = |field| stats.get::<u64>(field).unwrap();
    assert_eq!((count("input"), count("analysed"), count("skipped-no-pts"), count("late")), (51, 50, 1, 0));
}

/// What `ffmpeg -af ebur128` says of each 100 ms: momentary, short-term and integrated loudness.
fn by_ffmpeg(wav: &std::path::Path) -> Vec<[f32; 3]> {
    let filter = "ebur128=metadata=1,ametadata=mode=print:file=-";
    let told = std::process::Command::new("ffmpeg")
        .args(["-nostdin", "-v", "error", "-i"])
        .arg(wav)
        .args(["-af", filter, "-f", "null", "-"])
        .output()
        .expect("ffmpeg is missing: apt install ffmpeg (./dev test does)");
    let text = String::from_utf8(told.stdout).unwrap();
    let value = |line: &str, name: &str| line.strip_prefix(name)?.parse().ok();
    let mut blocks: Vec<[f32; 3]> = Vec::new();
    for line in text.lines() {
        if line.starts_with("frame:") {
            blocks.push([f32::NEG_INFINITY; 3]);
        }
        for (at, name) in ["lavfi.r128.M=", "lavfi.r128.S=", "lavfi.r128.I="].into_iter().enumerate() {
            if let (Some(value), Some(block)) = (value(line, name), blocks.last_mut()) {
                block[at] = value;
            }
        }
    }
    blocks
}

#[test]
fn loudness_is_that_of_ffmpeg_within_a_tenth() {
    let folder = tempfile::tempdir().unwrap();
    let wav = folder.path().join("music.wav");
    let clip = polygraph_models::Store::default_dir().join("media/test.mp4");
    assert!(clip.exists(), "{} is missing; `./dev test` fetches it", clip.display());
    let made = std::process::Command::new("ffmpeg")
        .args(["-nostdin", "-v", "error", "-i"])
        .arg(&clip)
        .args(["-t", "40", "-vn", "-ar", "48000", "-ac", "2"])
        .arg(&wav)
        .status();
    assert!(made.expect("ffmpeg is missing").success());
    let theirs = by_ffmpeg(&wav);
    assert!(theirs.len() >= 390, "{} blocks", theirs.len());
    let (mut compared, mut frames) = (0, 0u64);
    let location = wav.display();
    common::run(
        &format!(
            "filesrc location=\"{location}\" blocksize=19200 ! wavparse ! audioconvert ! polyvoice vad=false synthetic=false ! \
             appsink name=out"
        ),
        |buffer| {
            let known = audio_results(buffer).unwrap();
            frames += buffer.size() as u64 / 4;
            let block = (frames / 4800) as usize;
            // Buffers that end with a block have what that block made of them.
            let Some(theirs) =
                block.checked_sub(1).and_then(|block| theirs.get(block)).filter(|_| frames.is_multiple_of(4800))
            else {
                return;
            };
            let loudness = known.loudness;
            // ffmpeg begins with windows that aren't full.
            let ours = [
                loudness.momentary_lufs.filter(|_| block >= 4),
                loudness.short_term_lufs.filter(|_| block >= 30),
                loudness.integrated_lufs.filter(|_| block >= 30),
            ];
            for (ours, theirs) in ours.into_iter().zip(theirs) {
                if let Some(ours) = ours.filter(|_| *theirs > -60.0) {
                    assert!((ours - theirs).abs() <= 0.1, "block {block}: {ours} by us, {theirs} by ffmpeg");
                    compared += 1;
                }
            }
        },
    );
    assert!(compared > 500, "{compared} were compared");
}
