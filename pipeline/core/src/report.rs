// SPDX-License-Identifier: Apache-2.0
//! A run in words, for people at a terminal: who was seen when, what was said, where the cuts are.

mod heard;
mod incidents;
mod judged;
mod series;
mod shown;
mod synced;
mod texts;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use serde::Serialize;

use crate::{
    record::{Record, Shot},
    results::{Face, NetworkRef},
};

pub use heard::Voice;
pub use incidents::Told;
pub use judged::{Judged, Verdict};
pub use series::{MAX_MOMENTS, Series};
pub use shown::{Flagged, Shown, Stretch};
pub use synced::Synced;
pub use texts::{Stood, Texts};

/// Columns that a line of text may take.
const COLUMNS: usize = 100;
/// Tracks shorter than this are counted and not listed.
const SHORT_NS: u64 = 1_000_000_000;
/// Tracks that are listed at most, the longest ones.
const LISTED: usize = 12;

/// Collects what a run found; [`fmt::Display`] tells it.
#[derive(Clone, Debug, Default)]
pub struct Report {
    frames: u64,
    tracks: BTreeMap<u64, Seen>,
    said: Vec<Said>,
    shots: Vec<Shot>,
    integrated_lufs: Option<f32>,
    voice: Option<Voice>,
    shown: Shown,
    texts: Texts,
    incidents: Told,
    series: Series,
    networks: BTreeSet<NetworkRef>,
}

/// What a run found, in numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Found {
    /// Face tracks.
    pub tracks: usize,
    /// Words of final transcripts.
    pub words: usize,
    /// Shot boundaries.
    pub cuts: usize,
    /// Incidents.
    pub incidents: usize,
}

/// When a face was seen, and whether it shows signs of manipulation.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Track {
    /// Its identity.
    pub track: u64,
    /// Stream time of the first analysed picture with it.
    pub first_ns: u64,
    /// Stream time of the last one.
    pub last_ns: u64,
    /// Analysed pictures with it.
    pub pictures: u64,
    /// Signs of manipulation; absent when nobody looked for them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub manipulation: Option<Judged>,
    /// Whether its lips and the sound belong together; absent when nobody compared them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lip_sync: Option<Synced>,
}

/// One face, from its first analysed picture to its last.
#[derive(Clone, Debug)]
struct Seen {
    first_ns: u64,
    last_ns: u64,
    frames: u64,
    judged: Option<Judged>,
    synced: Option<Synced>,
}

impl Seen {
    fn take(&mut self, pts_ns: u64, face: &Face) {
        self.last_ns = pts_ns;
        self.frames += 1;
        match (&mut self.judged, &face.manipulation) {
            (Some(judged), Some(found)) => judged.take(found),
            (None, Some(found)) => self.judged = Some(Judged::first(found)),
            (_, None) => {}
        }
        if let Some(found) = &face.lip_sync {
            self.synced.get_or_insert_default().take(face, found);
        }
    }
}

/// What was said in one utterance.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Said {
    /// When it began.
    pub start_ns: u64,
    /// When it ended.
    pub end_ns: u64,
    /// The final text.
    pub text: String,
}

impl Report {
    /// Takes note of a record.
    pub fn take(&mut self, record: &Record) {
        match record {
            Record::Frame(frame) => {
                self.frames += 1;
                self.series.take(frame);
                self.shown.take(frame);
                self.texts.take(frame);
                self.networks.extend(frame.networks.iter().cloned());
                for face in &frame.faces {
                    let new =
                        Seen { first_ns: frame.pts_ns, last_ns: frame.pts_ns, frames: 0, judged: None, synced: None };
                    self.tracks.entry(face.track).or_insert(new).take(frame.pts_ns, face);
                }
                let integrated = frame.audio.as_ref().and_then(|audio| audio.loudness.integrated_lufs);
                self.integrated_lufs = integrated.or(self.integrated_lufs);
                if let Some(found) = frame.audio.as_ref().and_then(|audio| audio.synthetic) {
                    self.voice.get_or_insert_default().take(&found);
                }
            }
            Record::Transcript(transcript) if transcript.is_final && !transcript.text.is_empty() => {
                let (start_ns, end_ns) = (transcript.start_ns, transcript.end_ns);
                self.networks.extend(transcript.networks.iter().cloned());
                self.said.push(Said { start_ns, end_ns, text: transcript.text.clone() });
            }
            Record::Transcript(_) => {}
            Record::Shot(shot) => self.shots.push(shot.clone()),
            Record::Incident(incident) => self.incidents.take(incident),
        }
    }

    /// What was found, in numbers.
    pub fn found(&self) -> Found {
        let words = self.said.iter().map(|said| said.text.split_whitespace().count()).sum();
        Found { tracks: self.tracks.len(), words, cuts: self.shots.len(), incidents: self.incidents.len() }
    }

    /// When each face was seen, in order of their identities.
    pub fn tracks(&self) -> impl Iterator<Item = Track> + '_ {
        self.tracks.iter().map(|(track, Seen { first_ns, last_ns, frames, judged, synced })| Track {
            track: *track,
            first_ns: *first_ns,
            last_ns: *last_ns,
            pictures: *frames,
            manipulation: judged.clone(),
            lip_sync: synced.clone(),
        })
    }

    /// The incidents, each as it was told last.
    pub fn incidents(&self) -> &Told {
        &self.incidents
    }

    /// What was measured through time.
    pub fn series(&self) -> &Series {
        &self.series
    }

    /// The networks behind what was found.
    pub fn networks(&self) -> impl Iterator<Item = &NetworkRef> {
        self.networks.iter()
    }

    /// The utterances: when each began and ended, in stream time, and its final text.
    pub fn said(&self) -> impl Iterator<Item = &Said> {
        self.said.iter()
    }

    /// The shot boundaries.
    pub fn shots(&self) -> &[Shot] {
        &self.shots
    }

    /// Integrated loudness (EBU R 128) at the last analysed picture, LUFS.
    pub fn integrated_lufs(&self) -> Option<f32> {
        self.integrated_lufs
    }

    /// What was found of signs of a synthetic voice; `None` when nobody looked for them.
    pub fn voice(&self) -> Option<&Voice> {
        self.voice.as_ref()
    }

    /// What was shown: scenes, and what content safety found.
    pub fn shown(&self) -> &Shown {
        &self.shown
    }

    /// The text that stood on the screen.
    pub fn texts(&self) -> &Texts {
        &self.texts
    }

    fn faces(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "Faces: {} tracks in {} analysed pictures", self.tracks.len(), self.frames)?;
        let mut long: Vec<_> =
            self.tracks.iter().filter(|(_, seen)| seen.last_ns - seen.first_ns >= SHORT_NS).collect();
        long.sort_by_key(|(_, seen)| std::cmp::Reverse(seen.last_ns - seen.first_ns));
        long.truncate(LISTED);
        long.sort_by_key(|(_, seen)| seen.first_ns);
        for (track, seen) in &long {
            let (first, last) = (Clock(seen.first_ns), Clock(seen.last_ns));
            write!(f, "  {first} to {last}  face {track}, in {} pictures", seen.frames)?;
            seen.judged.iter().try_for_each(|judged| write!(f, "{judged}"))?;
            seen.synced.iter().try_for_each(|synced| write!(f, "{synced}"))?;
            writeln!(f)?;
        }
        match self.tracks.len() - long.len() {
            0 => {}
            shorter => writeln!(f, "  and {shorter} shorter ones{}", self.of_others(&long))?,
        }
        let judged =
            |verdict| self.tracks.values().filter_map(|seen| seen.judged.as_ref()).any(|j| j.verdict == verdict);
        if judged(Verdict::NotCalibrated) {
            writeln!(f, "  Scores for signs of manipulation are not calibrated: nothing can be said of them")?;
        }
        Ok(())
    }

    /// Signs of manipulation in faces that aren't listed must not get lost.
    fn of_others(&self, listed: &[(&u64, &Seen)]) -> String {
        let others = self.tracks.iter().filter(|(track, _)| listed.iter().all(|(known, _)| known != track));
        let signs = |seen: &Seen| seen.judged.as_ref().is_some_and(|judged| judged.verdict == Verdict::SignsFound);
        match others.filter(|(_, seen)| signs(seen)).count() {
            0 => String::new(),
            count => format!(", {count} of them with signs of manipulation"),
        }
    }

    fn speech(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "Speech: {} utterances", self.said.len())?;
        for said in &self.said {
            let mut lead = format!("  {}  ", Clock(said.start_ns));
            for line in wrap(&said.text, COLUMNS - lead.len()) {
                writeln!(f, "{lead}{line}")?;
                lead = " ".repeat(lead.len());
            }
        }
        Ok(())
    }

    fn tell_shots(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "Cuts: {}", self.shots.len())?;
        let times: Vec<_> = self.shots.iter().map(|shot| Clock(shot.pts_ns).to_string()).collect();
        for line in wrap(&times.join(" "), COLUMNS - 2) {
            writeln!(f, "  {line}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.incidents)?;
        self.faces(f)?;
        self.speech(f)?;
        if let Some(voice) = &self.voice {
            writeln!(f, "Voice: {voice}")?;
        }
        self.tell_shots(f)?;
        write!(f, "{}{}", self.shown, self.texts)?;
        match self.integrated_lufs {
            Some(lufs) => writeln!(f, "Loudness: {lufs:.1} LUFS integrated"),
            None => Ok(()),
        }
    }
}

/// A stream time in nanoseconds, told as minutes and seconds.
pub struct Clock(pub u64);

impl fmt::Display for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tenths = self.0 / 100_000_000;
        write!(f, "{}:{:02}.{}", tenths / 600, tenths / 10 % 60, tenths % 10)
    }
}

/// Lines of whole words, each at most `columns` wide unless a word is wider.
fn wrap(text: &str, columns: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= columns => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        record::{AudioState, Frame, Transcript},
        results::{Face, FacePoints, Manipulation, ReasonNot, Synthetic, TransitionKind, VoiceReasonNot},
    };

    const S: u64 = 1_000_000_000;

    fn frame(pts_ns: u64, tracks: &[u64]) -> Record {
        let face = |track: &u64| Face {
            track: *track,
            rect: [0.0; 4].into(),
            points: FacePoints::default(),
            score: 0.9,
            quality: 0.9,
            detected: true,
            ..Face::default()
        };
        let faces = tracks.iter().map(face).collect();
        Record::Frame(Frame { pts_ns, faces, ..Frame::default() })
    }

    fn transcript(start_ns: u64, text: &str, is_final: bool) -> Record {
        Record::Transcript(Transcript {
            utterance: 0,
            revision: 0,
            start_ns,
            end_ns: start_ns + S,
            is_final,
            text: text.into(),
            ..Transcript::default()
        })
    }

    fn told(records: &[Record]) -> String {
        let mut report = Report::default();
        records.iter().for_each(|record| report.take(record));
        report.to_string()
    }

    #[test]
    fn tells_faces_speech_and_cuts() {
        let shot = Record::Shot(Shot {
            pts_ns: 61 * S,
            kind: TransitionKind::Cut,
            start_ns: 0,
            end_ns: 0,
            strength: 2.0,
            key_frame: None,
        });
        let text = told(&[
            frame(S, &[4]),
            frame(3 * S, &[4, 5]),
            transcript(2 * S, "half of", false),
            transcript(2 * S, "half of it", true),
            shot,
        ]);
        assert_eq!(
            text,
            "Incidents: 0\nFaces: 2 tracks in 2 analysed pictures\n  0:01.0 to 0:03.0  face 4, in 2 pictures\n  and 1 shorter ones\n\
             Speech: 1 utterances\n  0:02.0  half of it\nCuts: 1\n  1:01.0\n"
        );
    }

    /// Two pictures of a face, of which this was found.
    fn judged(track: u64, found: [Manipulation; 2]) -> Vec<Record> {
        let with = |(n, found): (u64, Manipulation)| {
            let Record::Frame(mut frame) = frame(n * 2 * S, &[track]) else { panic!("no frame") };
            frame.faces[0].manipulation = Some(found);
            Record::Frame(frame)
        };
        (0..).zip(found).map(with).collect()
    }

    fn scored(p: Option<f32>, signs: Option<bool>) -> Manipulation {
        Manipulation { p, logit: Some(1.0), picture_logit: Some(1.0), pictures: 1, signs, reason_not: None }
    }

    #[test]
    fn says_of_each_face_what_was_found() {
        let none = Manipulation::default();
        let refused = |reason| Manipulation { reason_not: Some(reason), ..none };
        for (found, words) in [
            (
                [scored(Some(0.9), Some(true)), scored(Some(0.1), Some(false))],
                ": signs of manipulation found in 1 of 2 pictures\n",
            ),
            ([scored(Some(0.2), Some(false)); 2], ": no signs of manipulation found in 2 pictures\n"),
            (
                [scored(Some(0.2), Some(false)), refused(ReasonNot::Blurred)],
                ": no signs of manipulation found in 1 pictures\n",
            ),
            ([refused(ReasonNot::TooSmall); 2], ": could not be judged (too small)\n"),
            (
                [scored(None, None); 2],
                "in 2 pictures\n  Scores for signs of manipulation are not calibrated: nothing can be said of them\n",
            ),
        ] {
            let text = told(&judged(7, found));
            assert!(text.contains(words), "{text}");
            assert!(!text.contains("fake") && !text.contains("authentic"));
        }
        let mut short = judged(7, [scored(Some(0.9), Some(true)), none]);
        short.truncate(1);
        assert!(told(&short).contains("and 1 shorter ones, 1 of them with signs of manipulation"));
    }

    #[test]
    fn says_of_the_voice_what_was_found() {
        let refused = Synthetic { reason_not: Some(VoiceReasonNot::TooQuiet), ..Synthetic::default() };
        let scored = |signs| Synthetic { p: Some(0.9), logit: Some(2.0), signs, reason_not: None };
        for (found, words) in [
            ([scored(Some(false)), scored(Some(true))], "Voice: signs of a synthetic voice found in 1 of 2 pictures"),
            ([scored(Some(false)), refused], "Voice: no signs of a synthetic voice found in 1 pictures"),
            ([refused, refused], "Voice: could not be judged (too quiet)\n"),
            ([scored(None), scored(None)], "Voice: scores are not calibrated: nothing can be said of them\n"),
        ] {
            let frame = |synthetic| {
                let audio = AudioState { synthetic: Some(synthetic), ..AudioState::default() };
                Record::Frame(Frame { audio: Some(audio), ..Frame::default() })
            };
            let text = told(&found.map(frame));
            assert!(text.contains(words), "{text}");
            assert!(!text.contains("fake") && !text.contains("authentic"));
        }
    }

    #[test]
    fn the_summary_has_the_figures_of_each_face() {
        let mut report = Report::default();
        let refused = Manipulation { reason_not: Some(ReasonNot::Profile), ..Manipulation::default() };
        for record in judged(7, [scored(Some(0.75), Some(true)), refused]) {
            report.take(&record);
        }
        let tracks: Vec<_> = report.tracks().collect();
        let text = serde_json::to_value(&tracks[0].manipulation).unwrap();
        let want = serde_json::json!({
            "verdict": "signs_found", "scored": 1, "with_signs": 1, "highest_p": 0.75, "highest_logit": 1.0,
            "not_judged": {"profile": 1},
        });
        assert_eq!(text, want);
    }

    #[test]
    fn lists_the_longest_tracks_in_order_of_time() {
        let records: Vec<_> = (0..20).flat_map(|n| [frame(n * S, &[n]), frame((3 * n + 1) * S, &[n])]).collect();
        let text = told(&records);
        assert_eq!(text.matches(" to ").count(), LISTED);
        assert!(text.contains("and 8 shorter ones") && !text.contains("face 7,") && text.contains("face 8,"), "{text}");
    }

    #[test]
    fn wraps_at_words_and_keeps_a_word_that_is_too_wide() {
        assert_eq!(wrap("ab cd ef", 5), ["ab cd", "ef"]);
        assert_eq!(wrap("abcdefgh ij", 5), ["abcdefgh", "ij"]);
        assert!(wrap(" ", 5).is_empty());
    }
}
