// SPDX-License-Identifier: Apache-2.0
//! `polyanalyze` in real pipelines with real networks: whatever is missing, late or over, nothing stalls.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a panic in a test's helper is the report too")]

mod analyze;

use std::sync::{Arc, Mutex};

use analyze::{Run, audio, video};
use gst::prelude::*;
use polygraph_core::record::{Missing, Record};
use polygraph_core::results::ReasonNot;

const S: u64 = 1_000_000_000;

fn analyzed(description: &str) -> analyze::Outcome {
    Run::new(description).play().finish()
}

/// Lets through only the buffers of a pad that `passes` agrees to, by PTS.
fn only(run: &Run, pad: &str, passes: impl Fn(gst::ClockTime) -> bool + Send + Sync + 'static) {
    let pad = run.analyze().static_pad(pad).unwrap();
    pad.add_probe(gst::PadProbeType::BUFFER, move |_pad, info| {
        if info.buffer().and_then(|buffer| buffer.pts()).is_some_and(&passes) {
            return gst::PadProbeReturn::Ok;
        }
        info.data = None;
        gst::PadProbeReturn::Handled
    });
}

#[test]
fn a_minute_without_speech_stalls_nothing() {
    let (video, audio) = (video(60, ""), audio(60, "wave=silence"));
    let outcome = analyzed(&format!("{video} ! a.video  {audio} ! a.audio  polyanalyze name=a"));
    assert_eq!(outcome.stretches(), [(vec![], 300, 0)]);
    assert!(outcome.records.iter().all(|record| !matches!(record, Record::Transcript(_))));
    assert_eq!(outcome.count("video-queue", "skipped-queue"), 0, "files lose nothing");
    assert_eq!((outcome.count("polylips", "input"), outcome.count("polylips", "analysed")), (1500, 300));
    assert_eq!(outcome.count("polylips-audio", "input"), 3000);
}

#[test]
fn video_that_ends_first_stalls_nothing() {
    let (video, audio) = (video(2, ""), audio(20, ""));
    let outcome = analyzed(&format!("{video} ! a.video  {audio} ! a.audio  polyanalyze name=a"));
    assert_eq!(outcome.stretches(), [(vec![], 10, 0)]);
}

#[test]
fn sound_that_ends_first_stalls_nothing() {
    let (video, audio) = (video(20, ""), audio(2, ""));
    let outcome = analyzed(&format!("{video} ! a.video  {audio} ! a.audio  polyanalyze name=a"));
    // The picture at 2 s still takes the sound before it, which is within the tolerance.
    assert_eq!(outcome.stretches(), [(vec![], 11, 0), (vec![Missing::AudioAbsent], 89, 2200)]);
}

#[test]
fn sound_that_starts_late_stalls_nothing() {
    let (video, audio) = (video(10, ""), audio(5, "timestamp-offset=5000000000"));
    let outcome = analyzed(&format!("{video} ! a.video  {audio} ! a.audio  polyanalyze name=a"));
    assert_eq!(outcome.stretches(), [(vec![Missing::AudioAbsent], 25, 0), (vec![], 25, 5000)]);
}

#[test]
fn a_hole_in_the_sound_is_told() {
    let (video, audio) = (video(6, ""), audio(6, ""));
    let run = Run::new(&format!("{video} ! a.video  {audio} ! a.audio  polyanalyze name=a"));
    only(&run, "audio", |pts| !(2100..4100).contains(&pts.mseconds()));
    let outcome = run.play().finish();
    assert_eq!(outcome.stretches(), [(vec![], 11, 0), (vec![Missing::AudioGap], 10, 2200), (vec![], 9, 4200)]);
}

#[test]
fn pictures_alone_are_analysed() {
    let outcome = analyzed(&format!("{} ! polyanalyze name=a", video(2, "")));
    assert_eq!(outcome.stretches(), [(vec![Missing::AudioAbsent], 10, 0)]);
    assert!(!outcome.stats.has_field("polyvoice"), "what is not needed is not built");
}

/// In GStreamer 1.22 a videoflip that nobody has told to turn anything copies every picture.
#[test]
fn nothing_on_the_way_copies_an_upright_picture() {
    let run = Run::new(&format!("{} ! polyanalyze name=a", video(2, "")));
    let last = run.analyze().downcast::<gst::Bin>().unwrap().by_name("polyface").unwrap();
    let [came, left] = [run.analyze().static_pad("video").unwrap(), last.static_pad("src").unwrap()].map(|pad| {
        let memories = Arc::<Mutex<Vec<usize>>>::default();
        let seen = memories.clone();
        pad.add_probe(gst::PadProbeType::BUFFER, move |_pad, info| {
            let memory = info.buffer().map(|buffer| std::ptr::from_ref(buffer.peek_memory(0)) as usize);
            seen.lock().unwrap().extend(memory);
            gst::PadProbeReturn::Ok
        });
        memories
    });
    run.play().finish();
    assert_eq!(came.lock().unwrap().len(), 50);
    assert_eq!(*came.lock().unwrap(), *left.lock().unwrap());
}

#[test]
fn sound_alone_is_analysed() {
    let outcome = analyzed(&format!("{} ! polyanalyze name=a", audio(5, "")));
    assert_eq!(outcome.records, []);
    assert!(!outcome.stats.has_field("polyface"), "what is not needed is not built");
    assert_eq!(outcome.count("audio-queue", "input"), 250);
}

#[test]
fn live_sound_that_stalls_holds_no_picture_up() {
    let (video, audio) = (video(3, "is-live=true"), audio(3, "is-live=true"));
    let run = Run::new(&format!("{video} ! a.video  {audio} ! a.audio  polyanalyze name=a max-wait-time=200000000"));
    only(&run, "audio", |pts| pts.mseconds() < 1000);
    let outcome = run.play().finish();
    let missing: Vec<_> = outcome.frames().iter().map(|frame| (frame.pts_ns, frame.missing.clone())).collect();
    assert!(missing.iter().any(|(_, missing)| *missing == [Missing::AudioLate]), "{missing:?}");
    let lost = outcome.count("video-queue", "skipped-queue") + outcome.count("polylips", "skipped-queue");
    assert_eq!(outcome.count("polylips", "input") + lost, 75);
}

#[test]
fn a_live_source_is_never_held_back_and_losses_are_counted() {
    // Not live at all, and told to be: much faster than anybody can look.
    let outcome = analyzed(&format!("{} ! polyanalyze name=a live=true", video(60, "")));
    assert_eq!(outcome.count("video-queue", "input"), 1500);
    assert!(outcome.count("video-queue", "skipped-queue") > 0);
    assert_eq!(outcome.count("polylips", "input"), outcome.count("video-queue", "analysed"));
}

#[test]
fn a_seek_begins_anew() {
    let (video, audio) = (video(3600, ""), audio(3600, ""));
    let run = Run::new(&format!("{video} ! a.video  {audio} ! a.audio  polyanalyze name=a")).play();
    run.await_record(|record| record.pts_ns() >= S);
    let (flags, set) = (gst::SeekFlags::FLUSH | gst::SeekFlags::ACCURATE, gst::SeekType::Set);
    run.pipeline.seek(1.0, flags, set, gst::ClockTime::ZERO, set, gst::ClockTime::from_seconds(5)).unwrap();
    let outcome = run.finish();
    let frames = outcome.frames();
    let again = frames.iter().rposition(|frame| frame.pts_ns == 0).unwrap();
    let times: Vec<_> = frames[again..].iter().map(|frame| frame.pts_ns).collect();
    assert_eq!(times, (0..25).map(|index| index * S / 5).collect::<Vec<_>>());
    assert!(again > 0 && frames[again..].iter().all(|frame| frame.missing.is_empty()), "{:?}", outcome.stretches());
}

#[test]
fn pads_requested_at_once_share_one_join() {
    analyze::init();
    for _ in 0..50 {
        let bin = gst::ElementFactory::make("polyanalyze").build().unwrap();
        let start = std::sync::Barrier::new(2);
        let request = |name| {
            start.wait();
            bin.request_pad_simple(name)
        };
        let (video, audio) = std::thread::scope(|scope| {
            let (video, audio) = (scope.spawn(|| request("video")), scope.spawn(|| request("audio")));
            (video.join().unwrap(), audio.join().unwrap())
        });
        assert!(video.is_some() && audio.is_some());
    }
}

/// Whoever hears of one pad may ask for the other on the spot.
#[test]
fn a_pad_can_be_requested_from_pad_added() {
    analyze::init();
    let bin = gst::ElementFactory::make("polyanalyze").build().unwrap();
    bin.connect_pad_added(|bin, pad| {
        if pad.name() == "video" {
            assert!(bin.request_pad_simple("audio").is_some());
        }
    });
    assert!(bin.request_pad_simple("video").is_some());
    assert!(bin.static_pad("audio").is_some());
}

#[test]
fn a_pad_can_go_while_all_runs() {
    let (video, audio) = (video(40, ""), audio(40, "name=voice"));
    let run = Run::new(&format!("{video} ! a.video  {audio} ! a.audio  polyanalyze name=a")).play();
    run.await_record(|record| record.pts_ns() >= S);
    let (voice, pad) = (run.pipeline.by_name("voice").unwrap(), run.analyze().static_pad("audio").unwrap());
    voice.set_locked_state(true);
    voice.set_state(gst::State::Null).unwrap();
    pad.peer().unwrap().unlink(&pad).unwrap();
    run.analyze().release_request_pad(&pad);
    let outcome = run.finish();
    assert_eq!(outcome.frames().len(), 200);
    assert_eq!(outcome.frames().last().unwrap().missing, [Missing::AudioAbsent]);
}

#[test]
fn bad_settings_are_refused_and_good_ones_handed_on() {
    let run = Run::new(&format!("{} ! polyanalyze name=a analysis-fps=2 pts-tolerance=7", video(2, "")));
    let inside = |name: &str| run.analyze().downcast::<gst::Bin>().unwrap().by_name(name).unwrap();
    assert_eq!(inside("polylips").property::<u64>("pts-tolerance"), 7);
    run.analyze().set_property("pts-tolerance", 9_u64);
    assert_eq!(inside("polylips").property::<u64>("pts-tolerance"), 9);
    run.analyze().set_property("max-faces", 3_u32);
    assert_eq!(inside("polyforensics").property::<u32>("max-faces"), 3);
    run.analyze().set_property("forensics-window", 7_u64);
    assert_eq!(inside("polyforensics").property::<u64>("window"), 7);
    assert_eq!(run.play().finish().frames().len(), 4);
}

/// The portrait for two seconds, 25 pictures each.
fn portrait() -> String {
    let path = polygraph_models::Store::default_dir().join("media/astronaut.png");
    assert!(path.exists(), "{} is missing; `./dev test` fetches it", path.display());
    format!(
        "filesrc location=\"{}\" ! pngdec ! videoconvert ! imagefreeze num-buffers=50 ! \
         video/x-raw,format=I420,framerate=25/1 ",
        path.display()
    )
}

#[test]
fn each_face_says_whether_it_shows_signs_of_manipulation() {
    let outcome = analyzed(&format!("{} ! polyanalyze name=a", portrait()));
    let frames = outcome.frames();
    assert_eq!(frames.len(), 10);
    for (n, frame) in frames.iter().enumerate() {
        let names: Vec<_> = frame.networks.iter().map(|network| &*network.name).collect();
        assert_eq!(names, ["blazeface-back", "face-forensics", "scene-groups"]);
        assert!(!frame.scene.is_empty(), "each frame has the labels of its shot");
        let [face] = &frame.faces[..] else { panic!("one face: {frame:?}") };
        let known = face.manipulation.expect("a finding");
        if n < 2 {
            assert_eq!(known.reason_not, Some(ReasonNot::TooBrief), "{known:?}");
            continue;
        }
        assert!(known.reason_not.is_none() && known.logit.is_some(), "{known:?}");
        assert_eq!(known.pictures, (0.6 * (n + 1) as f32).round() as u32, "picture {n}");
    }
    assert_eq!((outcome.count("polyforensics", "input"), outcome.count("polyforensics", "analysed")), (10, 10));
}

#[test]
fn without_forensics_nobody_looks_for_signs_of_manipulation() {
    let outcome = analyzed(&format!("{} ! polyanalyze name=a forensics=false scenes=false", portrait()));
    assert!(!outcome.stats.has_field("polyforensics"), "what is not needed is not built");
    let frames = outcome.frames();
    assert!(frames.iter().all(|frame| frame.faces.iter().all(|face| face.manipulation.is_none())));
    assert!(frames.iter().all(|frame| frame.networks.len() == 1));
}

/// Everything off that can be.
const OFF: &str = "scenes=false faces=false shots=false voice=false transcript=false";

#[test]
fn what_is_off_is_not_built_and_says_nothing() {
    let (video, audio) = (video(2, ""), audio(2, ""));
    let outcome = analyzed(&format!("{video} ! a.video  {audio} ! a.audio  polyanalyze name=a {OFF}"));
    assert!(outcome.records.is_empty(), "{:?}", outcome.records);
    for element in ["polyscene", "polyface", "polyforensics", "polyvoice", "polyspeech"] {
        assert!(!outcome.stats.has_field(element), "{element} was built");
    }
    assert_eq!(outcome.count("polylips", "input"), 50);
}

#[test]
fn faults_are_told_without_any_other_analyser() {
    let (video, audio) = (video(6, "pattern=black"), audio(6, "wave=silence"));
    let faults = "faults=all fault-limits=\"black_s=1,silence_s=1.5\"";
    let outcome = analyzed(&format!("{video} ! a.video  {audio} ! a.audio  polyanalyze name=a {OFF} {faults}"));
    let told: Vec<_> = outcome
        .records
        .iter()
        .map(|record| match record {
            Record::Incident(told) => {
                (told.incident, told.rule.as_str(), told.pts_ns / 1_000_000, told.start_ns, told.end_ns / S)
            }
            other => panic!("{other:?}"),
        })
        .collect();
    let (black, silent) = ("fault.black", "fault.silence");
    assert_eq!(
        told,
        [(0, black, 1000, 0, 1), (1, silent, 1500, 0, 1), (0, black, 6000, 0, 6), (1, silent, 6000, 0, 6)]
    );
}
