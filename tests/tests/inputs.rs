// SPDX-License-Identifier: Apache-2.0
//! The kinds of files that people have: whatever the container, the size, the rate and the channels, the portrait is
//! found as one face and the words are heard.

// clippy.toml lets #[test] functions unwrap; here the helpers do too.
#![allow(clippy::unwrap_used)]

use std::path::Path;

use polygraph_tests::command::analyzed;
use polygraph_tests::events::{Events, faces, point, seconds};
use polygraph_tests::media::ffmpeg;

/// The default analysis rate.
const FPS: f64 = 5.0;
/// A portrait, as a film.
const PORTRAIT: &str = "-framerate 25 -loop 1 -i {astronaut.png}";
/// "It was the best of times, it was the worst of times, ..."
const WORDS: &str = "-i {two_cities.wav}";
/// A picture that any player plays, quickly made.
const H264: &str = "-pix_fmt yuv420p -c:v libx264 -preset ultrafast";

/// Makes a file and analyses it.
fn events(name: &str, arguments: &str) -> Events {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join(name);
    ffmpeg(arguments, &file);
    let events = analyzed(&file, &[]);
    events.assert_sane();
    assert_eq!(events.states(), ["started", "ended"], "{name}");
    events
}

/// One face in every analysed picture, always the same one, for so many seconds.
fn assert_portrait(events: &Events, length: f64) {
    let frames = events.data("frame").count();
    let expected = length * FPS;
    assert!((frames as f64 - expected).abs() <= 1.0, "{frames} analysed pictures, not about {expected}");
    let tracks = events.tracks();
    assert_eq!(tracks.len(), 1, "not one track: {tracks:?}");
    assert!(events.data("frame").all(|frame| faces(frame).len() == 1), "a picture without the face");
}

/// The beginning of what is spoken was heard.
fn assert_words(events: &Events) {
    let text = events.text().to_lowercase();
    for words in ["best of times", "worst of times"] {
        assert!(text.contains(words), "\"{words}\" is not in \"{text}\"");
    }
}

/// Every picture says why it has no sound.
fn assert_without_sound(events: &Events) {
    assert_eq!(events.data("transcript").count(), 0);
    for frame in events.data("frame") {
        assert_eq!(frame["missing"], serde_json::json!(["audio_absent"]), "{frame}");
        assert!(frame.get("audio").is_none(), "{frame}");
    }
}

#[test]
fn video_without_sound() {
    let events = events("silent.mp4", &format!("{PORTRAIT} -t 3 {H264}"));
    assert_portrait(&events, 3.0);
    assert_without_sound(&events);
}

#[test]
fn sound_without_video_mono_48_khz() {
    let events = events("words.wav", &format!("{WORDS} -t 6 -ac 1 -ar 48000"));
    assert_words(&events);
    assert_eq!(events.data("frame").count() + events.data("shot").count(), 0);
}

#[test]
fn sound_of_six_channels_at_48_khz_with_the_words_in_the_centre() {
    let arguments = format!("{PORTRAIT} {WORDS} -t 6 -af pan=5.1|FC=c0 -ar 48000 -c:a aac {H264}");
    let events = events("surround.mp4", &arguments);
    assert_portrait(&events, 6.0);
    assert_words(&events);
}

#[test]
fn sound_at_44_1_khz_that_starts_three_seconds_late() {
    let arguments = format!("{PORTRAIT} -itsoffset 3 {WORDS} -t 8 -ar 44100 -c:a libmp3lame {H264}");
    let events = events("late.mkv", &arguments);
    assert_portrait(&events, 8.0);
    assert!(events.text().to_lowercase().contains("best of times"), "{}", events.text());
    let starts = events.data("transcript").map(|data| data["start_ns"].as_u64().unwrap());
    assert!(starts.min().unwrap() > 2_800_000_000, "words before the sound");
}

#[test]
fn video_that_ends_before_the_sound() {
    let arguments = format!("-t 2 {PORTRAIT} {WORDS} -t 6 -c:a aac {H264}");
    let events = events("short-picture.mp4", &arguments);
    assert_portrait(&events, 2.0);
    assert_words(&events);
}

#[test]
fn odd_width_and_height_without_subsampling() {
    // Newer versions of ffmpeg write the pixel aspect twice, and newer ones of GStreamer multiply them.
    let events =
        events("odd.mkv", &format!("{PORTRAIT} -t 3 -vf scale=321:241,setsar=1 -pix_fmt yuvj444p -c:v mjpeg -q:v 3"));
    assert_portrait(&events, 3.0);
}

#[test]
fn ten_bits_and_an_odd_rate() {
    let arguments = format!("{PORTRAIT} -t 3 -r 30000/1001 -pix_fmt yuv420p10le -c:v libx264 -preset ultrafast");
    assert_portrait(&events("ten-bit.mkv", &arguments), 3.0);
}

#[test]
fn a_variable_frame_rate_keeps_the_files_times() {
    // 25 pictures a second, then about 3.
    let arguments = format!("{PORTRAIT} -t 6 -vf select=lt(t\\,3)+not(mod(n\\,8)) -fps_mode vfr {H264}");
    let events = events("vfr.mkv", &arguments);
    assert_eq!(events.tracks().len(), 1);
    let times: Vec<_> = events.data("frame").map(seconds).collect();
    let (fast, slow): (Vec<f64>, Vec<f64>) = times.iter().copied().partition(|time| *time < 3.0);
    assert!((14..=16).contains(&fast.len()), "{times:?}");
    // Fewer pictures than the analysis rate: each is analysed, at its own time.
    assert!((8..=10).contains(&slow.len()), "{times:?}");
    for time in slow {
        let pictures: f64 = time * 25.0 / 8.0;
        assert!((pictures - pictures.round()).abs() < 0.05, "no picture is shown at {time} s");
    }
}

#[test]
fn a_phones_rotated_film_is_analysed_upright() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("phone.mp4");
    // Lying on its left side, and a matrix that tells players to turn it clockwise.
    ffmpeg(&format!("{PORTRAIT} -t 3 -vf crop=512:384:0:0,transpose=cclock {H264}"), &file);
    turn_clockwise(&file);
    let events = analyzed(&file, &[]);
    events.assert_sane();
    assert_portrait(&events, 3.0);
    for face in events.data("frame").flat_map(faces) {
        let [right_eye, left_eye, mouth] = ["right_eye", "left_eye", "mouth"].map(|name| point(face, name));
        assert!(right_eye[0] < left_eye[0], "the eyes are swapped: {face}");
        assert!(right_eye[1] < mouth[1] && left_eye[1] < mouth[1], "the eyes are not above the mouth: {face}");
        assert!(mouth[0] > right_eye[0] && mouth[0] < left_eye[0], "the mouth is not between the eyes: {face}");
    }
}

/// Sets the display matrix of the track header (ISO/IEC 14496-12, 8.3.2) to a quarter turn clockwise.
fn turn_clockwise(file: &Path) {
    const MATRIX_IN_TKHD: usize = 44;
    const QUARTER: [i32; 9] = [0, 0x1_0000, 0, -0x1_0000, 0, 0, 0, 0, 0x4000_0000];
    let mut bytes = std::fs::read(file).unwrap();
    let tkhd = bytes.windows(4).position(|name| name == b"tkhd").unwrap();
    assert_eq!(bytes[tkhd + 4], 0, "a track header of version 0");
    for (index, entry) in QUARTER.into_iter().enumerate() {
        let at = tkhd + MATRIX_IN_TKHD + 4 * index;
        bytes[at..at + 4].copy_from_slice(&entry.to_be_bytes());
    }
    std::fs::write(file, bytes).unwrap();
}

#[test]
fn interlaced_broadcast() {
    let arguments = "-framerate 50 -loop 1 -i {astronaut.png} -i {two_cities.wav} -t 6 \
        -vf scale=720:576,interlace=scan=tff -pix_fmt yuv420p -c:v mpeg2video -flags +ilme+ildct -b:v 4M -c:a mp2";
    let events = events("broadcast.ts", arguments);
    assert_portrait(&events, 6.0);
    assert_words(&events);
}

#[test]
fn pixels_that_are_not_square() {
    let events = events("anamorphic.mp4", &format!("{PORTRAIT} -t 3 -vf scale=360:512,setsar=64/45 {H264}"));
    assert_portrait(&events, 3.0);
}

#[test]
fn an_analysis_rate_of_the_users() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("clip.mp4");
    ffmpeg(&format!("{PORTRAIT} -t 3 {H264}"), &file);
    for (fps, pictures) in [("2", 6), ("25", 75)] {
        let count = analyzed(&file, &["--analysis-fps", fps]).data("frame").count();
        assert!((pictures - 1..=pictures + 1).contains(&count), "{count} pictures at {fps} a second");
    }
}
