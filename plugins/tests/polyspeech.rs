// SPDX-License-Identifier: Apache-2.0
//! `polyspeech` from its outside, with the real networks: sound goes through a harness, text comes out.
#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a panic is the report of a test")]

mod sound;

use gst::prelude::*;
use gst_check::Harness;
use polygraph_core::record::{Record, Transcript, WordTimes};
use polygraph_core::wer::WordErrors;
use sound::{TWO_CITIES, buffer, decode, media, music, noise};

const SOUND: &str = "audio/x-raw,format=F32LE,layout=interleaved,rate=16000,channels=1";
const RECORDS: &str = "application/x-polygraph";
const TEXT: &str = "text/x-raw,format=utf8";
const MS: u64 = 1_000_000;

struct Speech {
    harness: Harness,
    pts: u64,
    out: Vec<gst::Buffer>,
    gaps: Vec<(u64, u64)>,
}

impl Speech {
    fn new(properties: &str, out: &str) -> Self {
        sound::init();
        let mut harness = Harness::new_parse(&format!("polyspeech {properties}"));
        // A file: the queue pushes back. See `live_sound_...` for the other.
        harness.set_live(false);
        harness.set_sink_caps_str(out);
        harness.set_src_caps_str(SOUND);
        Self { harness, pts: 0, out: Vec::new(), gaps: Vec::new() }
    }

    /// Pushes sound in buffers of 20 ms.
    fn push(&mut self, samples: &[f32]) -> &mut Self {
        for piece in samples.chunks(320) {
            self.harness.push(buffer(piece, 1, 16_000, self.pts)).expect("flow");
            self.pts += piece.len() as u64 * 62_500;
        }
        self
    }

    /// Ends the stream and waits until everything is out.
    fn finish(&mut self) -> &mut Self {
        self.harness.push_event(gst::event::Eos::new());
        self.wait(gst::EventType::Eos)
    }

    /// Collects what comes out, up to an event of this type.
    fn wait(&mut self, until: gst::EventType) -> &mut Self {
        loop {
            let event = self.harness.pull_event().expect("an event within the harness's time");
            if let gst::EventView::Gap(gap) = event.view() {
                let (start, duration) = gap.get();
                self.gaps.push((start.nseconds(), (start + duration.expect("duration")).nseconds()));
            }
            while let Some(buffer) = self.harness.try_pull() {
                self.out.push(buffer);
            }
            if event.type_() == until {
                return self;
            }
        }
    }

    fn transcripts(&self) -> Vec<Transcript> {
        let parse = |buffer: &gst::Buffer| {
            let map = buffer.map_readable().expect("readable");
            assert!(map.ends_with(b"\n"));
            match serde_json::from_slice(&map).expect("a record") {
                Record::Transcript(transcript) => transcript,
                other => panic!("{other:?}"),
            }
        };
        self.out.iter().map(parse).collect()
    }

    fn finals(&self) -> Vec<Transcript> {
        self.transcripts().into_iter().filter(|transcript| transcript.is_final).collect()
    }

    fn said(&self) -> String {
        self.finals().iter().map(|transcript| transcript.text.as_str()).collect::<Vec<_>>().join(" ")
    }

    fn count(&self, field: &str) -> u64 {
        let bin = self.harness.element().expect("element");
        let inner = bin.downcast_ref::<gst::Bin>().and_then(|bin| bin.children().into_iter().next());
        inner.unwrap_or(bin).property::<gst::Structure>("stats").get(field).unwrap_or(0)
    }
}

fn passage() -> Vec<f32> {
    decode(&media("two_cities.wav"))
}

#[test]
fn a_passage_is_written_down_as_it_is_spoken() {
    let mut speech = Speech::new("", RECORDS);
    speech.push(&passage()).finish();
    let errors = WordErrors::between(TWO_CITIES, &speech.said());
    println!("two_cities.wav: {errors:?}, word error rate {:.1} %", errors.rate() * 100.0);
    assert!(errors.rate() < 0.12, "{errors:?}: {}", speech.said());

    let transcripts = speech.transcripts();
    for pair in transcripts.windows(2).filter(|pair| pair[0].utterance == pair[1].utterance) {
        assert_eq!(pair[1].revision, pair[0].revision + 1);
        assert!(!pair[0].is_final);
        // More than the interval may pass only where nobody speaks: the reader's pauses are under the pause time.
        assert!(pair[1].end_ns - pair[0].end_ns <= (500 + 600) * MS);
    }
    let partials = transcripts.iter().filter(|transcript| !transcript.is_final).count();
    let spoken: u64 = speech.finals().iter().map(|told| told.end_ns - told.start_ns).sum();
    assert!(partials as u64 >= spoken / (600 * MS), "{partials} partials in {spoken} ns");
    for told in &transcripts {
        assert_eq!(told.word_times, WordTimes::Estimated);
        assert!(told.words.windows(2).all(|pair| pair[0].end_ns <= pair[1].start_ns));
        assert!(told.words.iter().all(|word| told.start_ns <= word.start_ns && word.end_ns <= told.end_ns));
        let networks: Vec<_> = told.networks.iter().map(|network| network.name.as_str()).collect();
        assert_eq!(networks, ["moonshine-tiny-encoder", "moonshine-tiny-decoder", "silero-vad"]);
    }
    let work = transcripts.len() as u64;
    assert!(speech.count("analysed") >= work);
    assert_eq!(speech.count("input"), speech.count("analysed") + speech.count("late"));
}

#[test]
fn text_is_one_line_an_utterance_and_gaps_fill_the_time() {
    let mut speech = Speech::new("", TEXT);
    let sound = passage();
    speech.push(&sound[..16_000 * 23]).finish();
    let lines: Vec<String> =
        speech.out.iter().map(|buffer| String::from_utf8(buffer.map_readable().unwrap().to_vec()).unwrap()).collect();
    assert!(
        lines.len() >= 3 && lines.iter().all(|line| line.ends_with('\n') && line.lines().count() == 1),
        "{lines:?}"
    );
    assert!(lines[0].starts_with("It was the best of times"), "{lines:?}");
    for pair in speech.out.windows(2) {
        assert!(pair[0].pts().unwrap() + pair[0].duration().unwrap() <= pair[1].pts().unwrap());
    }
    assert_eq!(speech.gaps.first().map(|gap| gap.0), Some(0));
    assert_eq!(speech.gaps.last().map(|gap| gap.1), Some(23_000 * MS));
    for pair in speech.gaps.windows(2) {
        assert_eq!(pair[0].1, pair[1].0, "no time is left out");
        assert!(pair[1].1 - pair[1].0 <= 100 * MS);
    }
}

#[test]
fn nothing_is_read_from_silence_noise_or_music() {
    for (what, sound) in [
        ("silence", vec![0.0; 16_000 * 60]),
        ("white noise", noise(16_000 * 20, false, 0.3)),
        ("pink noise", noise(16_000 * 20, true, 0.5)),
        ("music", music(30)),
        // Its animals cry, and Silero half believes them.
        ("cartoon", decode(&media("bigbuckbunny.mp4"))),
    ] {
        let mut speech = Speech::new("", RECORDS);
        speech.push(&sound).finish();
        assert!(speech.out.is_empty(), "{what}: {:?}", speech.said());
        assert_eq!(speech.gaps.last().map(|gap| gap.1), Some(sound.len() as u64 * 62_500), "{what}");
    }
}

#[test]
fn the_end_of_the_stream_gives_the_final_of_what_was_begun() {
    let mut speech = Speech::new("partial-interval=0", RECORDS);
    // "It was the best of times" ends at about 3.2 s.
    speech.push(&passage()[16_000..51_200]).finish();
    assert_eq!(speech.said().to_lowercase().trim_end_matches('.'), "it was the best of times");
    assert_eq!(speech.transcripts().len(), 1, "no partials were asked for");
}

#[test]
fn a_hole_ends_an_utterance_and_stream_time_follows_the_segment() {
    let mut speech = Speech::new("partial-interval=0", RECORDS);
    let mut segment = gst::FormattedSegment::<gst::ClockTime>::new();
    segment.set_start(gst::ClockTime::from_seconds(100));
    segment.set_time(gst::ClockTime::from_seconds(7));
    speech.harness.push_event(gst::event::Segment::new(&segment));
    let phrase = &passage()[16_000..51_200];
    speech.pts = 100_000 * MS;
    speech.push(phrase);
    speech.pts += 5_000 * MS;
    speech.push(phrase).finish();
    let finals = speech.finals();
    assert_eq!(finals.len(), 2, "{}", speech.said());
    assert!((7_000 * MS..7_500 * MS).contains(&finals[0].start_ns), "{}", finals[0].start_ns);
    assert!((14_200 * MS..14_700 * MS).contains(&finals[1].start_ns), "{}", finals[1].start_ns);
    assert_eq!(finals.iter().map(|told| told.utterance).collect::<Vec<_>>(), [0, 1]);
    let pts = speech.out[0].pts().unwrap().nseconds();
    assert_eq!(pts - 93_000 * MS, finals[0].start_ns, "buffers keep the time of the sound");
}

#[test]
fn a_gap_event_passes_and_ends_what_was_said_before_it() {
    let mut speech = Speech::new("partial-interval=0", RECORDS);
    speech.push(&passage()[16_000..51_200]);
    let at = gst::ClockTime::from_nseconds(speech.pts);
    speech.harness.push_event(gst::event::Gap::builder(at).duration(gst::ClockTime::from_seconds(2)).build());
    speech.finish();
    assert_eq!(speech.finals().len(), 1);
    assert_eq!(speech.gaps.last().map(|gap| gap.1), Some(speech.pts + 2_000 * MS));
}

#[test]
fn a_flush_forgets_what_was_begun() {
    let mut speech = Speech::new("partial-interval=0", RECORDS);
    let sound = passage();
    speech.push(&sound[16_000..40_000]);
    speech.harness.push_event(gst::event::FlushStart::new());
    speech.harness.push_event(gst::event::FlushStop::new(true));
    speech.harness.push_event(gst::event::Segment::new(&gst::FormattedSegment::<gst::ClockTime>::new()));
    speech.pts = 0;
    // "it was the winter of despair"
    speech.push(&sound[16_000 * 17..16_000 * 21]).finish();
    let said = speech.said().to_lowercase();
    assert!(said.contains("spring of hope") && !said.contains("best"), "{said}");
}

/// Two sources behind one funnel are sought one after the other: the other's flush must not end the transcript.
#[test]
fn another_branchs_flush_costs_a_transcript_and_no_more() {
    sound::init();
    let bin = gst::parse::bin_from_description("polyspeech name=s partial-interval=0 ! funnel name=f", true).unwrap();
    let (speaker, funnel) = (bin.by_name("s").unwrap(), bin.by_name("f").unwrap());
    let mut harness = Harness::with_element(&bin, Some("sink"), Some("src"));
    harness.set_live(false);
    harness.set_sink_caps_str(RECORDS);
    harness.set_src_caps_str(SOUND);
    let other = funnel.request_pad_simple("sink_%u").unwrap();
    assert!(other.send_event(gst::event::FlushStart::new()));

    // A record and what follows it: then downstream's answer to the record has been heard.
    let (tell, told) = std::sync::mpsc::channel();
    let both = gst::PadProbeType::BUFFER | gst::PadProbeType::EVENT_DOWNSTREAM;
    speaker.static_pad("src").unwrap().add_probe(both, move |_, info| {
        let _ = tell.send(info.buffer().is_some());
        gst::PadProbeReturn::Ok
    });
    let mut speech = Speech { harness, pts: 0, out: Vec::new(), gaps: Vec::new() };
    let sound = passage();
    let phrase = [&sound[16_000..48_000], &[0.0; 32_000]].concat();
    speech.push(&phrase);
    let longest = std::time::Duration::from_secs(60);
    while !told.recv_timeout(longest).expect("a transcript") {}
    told.recv_timeout(longest).expect("the task goes on");

    assert!(other.send_event(gst::event::FlushStop::new(false)));
    funnel.release_request_pad(&other);
    speech.harness.push_event(gst::event::Segment::new(&gst::FormattedSegment::<gst::ClockTime>::new()));
    speech.push(&phrase).finish();
    assert_eq!(speech.said().to_lowercase().trim_end_matches('.'), "it was the best of times");
    let stats = speaker.property::<gst::Structure>("stats");
    assert_eq!((stats.get("skipped-flushing"), stats.get("analysed")), (Ok(1_u64), Ok(2_u64)));
}

#[test]
fn sound_that_is_no_number_is_silence_and_counted() {
    let mut speech = Speech::new("partial-interval=0", RECORDS);
    let mut sound = passage()[16_000..51_200].to_vec();
    sound[..200].fill(f32::NAN);
    speech.push(&sound).finish();
    assert!(speech.said().to_lowercase().contains("best of times"));
    assert_eq!(speech.count("bad-samples"), 200);
}

#[test]
fn the_windows_of_polyvoice_are_used() {
    sound::init();
    let mut harness = Harness::new_parse("polyvoice ! polyspeech partial-interval=0");
    harness.set_live(false);
    harness.set_sink_caps_str(RECORDS);
    harness.set_src_caps_str(SOUND);
    let mut speech = Speech { harness, pts: 0, out: Vec::new(), gaps: Vec::new() };
    speech.push(&passage()[..16_000 * 23]).finish();
    let alone = {
        let mut alone = Speech::new("partial-interval=0", RECORDS);
        alone.push(&passage()[..16_000 * 23]).finish();
        alone.transcripts()
    };
    assert_eq!(speech.transcripts(), alone, "the same network heard the same sound");
}

/// Sound comes much faster than it can be recognised, and upstream is live: nothing may block.
#[test]
fn live_sound_that_comes_too_fast_is_dropped_and_counted() {
    sound::init();
    let mut harness = Harness::new_parse("polyspeech max-lag=2000");
    harness.set_live(true);
    harness.set_sink_caps_str(RECORDS);
    harness.set_src_caps_str(SOUND);
    let mut speech = Speech { harness, pts: 0, out: Vec::new(), gaps: Vec::new() };
    let sound = passage();
    speech.push(&sound).push(&sound).finish();
    assert!(speech.count("skipped-overload") > 0, "44 s at once don't fit into 2 s");
    let skipped = speech.count("skipped-overload") + speech.count("skipped-busy");
    assert_eq!(speech.count("input"), speech.count("analysed") + speech.count("late") + skipped);
    let transcripts = speech.transcripts();
    let last = transcripts.last().expect("what was heard is told");
    assert!(last.is_final, "finals are never shed");
}

/// Not every source says how long its buffers last; the limit holds all the same.
#[test]
fn sound_without_durations_is_measured_by_its_samples() {
    sound::init();
    let mut harness = Harness::new_parse("polyspeech max-lag=500");
    harness.set_live(true);
    harness.set_sink_caps_str(RECORDS);
    harness.set_src_caps_str(SOUND);
    let mut speech = Speech { harness, pts: 0, out: Vec::new(), gaps: Vec::new() };
    for (index, piece) in passage().chunks(320).enumerate() {
        let mut buffer = buffer(piece, 1, 16_000, index as u64 * 20 * MS);
        buffer.make_mut().set_duration(gst::ClockTime::NONE);
        speech.harness.push(buffer).expect("flow");
    }
    speech.finish();
    assert!(speech.count("skipped-overload") > 0, "22 s at once don't fit into half a second");
}

#[test]
fn latency_adds_the_queue_to_the_maximum_only() {
    let mut speech = Speech::new("max-lag=3000", RECORDS);
    speech.harness.set_live(true);
    speech.harness.set_upstream_latency(gst::ClockTime::from_mseconds(40));
    let mut query = gst::query::Latency::new();
    let pad = speech.harness.element().expect("element").static_pad("src").expect("src");
    assert!(pad.query(&mut query));
    let (_, min, max) = query.result();
    assert_eq!(min, gst::ClockTime::from_mseconds(40));
    assert!(max.is_none_or(|max| max >= gst::ClockTime::from_mseconds(3_000)));
}

#[test]
fn what_downstream_cannot_take_is_said() {
    sound::init();
    let pipeline =
        gst::parse::launch(&format!("audiotestsrc num-buffers=20 ! {SOUND} ! polyspeech ! video/x-raw ! fakesink"));
    assert!(pipeline.is_err(), "text isn't video");
}
