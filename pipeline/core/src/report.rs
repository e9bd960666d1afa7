// SPDX-License-Identifier: Apache-2.0
//! A run in words, for people at a terminal: who was seen when, what was said, where the cuts are.

use std::{collections::BTreeMap, fmt};

use serde::Serialize;

use crate::record::Record;

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
    cuts: Vec<u64>,
    integrated_lufs: Option<f32>,
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
}

/// When a face was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Track {
    /// Its identity.
    pub track: u64,
    /// Stream time of the first analysed picture with it.
    pub first_ns: u64,
    /// Stream time of the last one.
    pub last_ns: u64,
    /// Analysed pictures with it.
    pub pictures: u64,
}

/// One face, from its first analysed picture to its last.
#[derive(Clone, Debug)]
struct Seen {
    first_ns: u64,
    last_ns: u64,
    frames: u64,
}

#[derive(Clone, Debug)]
struct Said {
    start_ns: u64,
    text: String,
}

impl Report {
    /// Takes note of a record.
    pub fn take(&mut self, record: &Record) {
        match record {
            Record::Frame(frame) => {
                self.frames += 1;
                for face in &frame.faces {
                    let new = Seen { first_ns: frame.pts_ns, last_ns: frame.pts_ns, frames: 0 };
                    let seen = self.tracks.entry(face.track).or_insert(new);
                    seen.last_ns = frame.pts_ns;
                    seen.frames += 1;
                }
                let integrated = frame.audio.as_ref().and_then(|audio| audio.loudness.integrated_lufs);
                self.integrated_lufs = integrated.or(self.integrated_lufs);
            }
            Record::Transcript(transcript) if transcript.is_final && !transcript.text.is_empty() => {
                self.said.push(Said { start_ns: transcript.start_ns, text: transcript.text.clone() });
            }
            Record::Transcript(_) => {}
            Record::Shot(shot) => self.cuts.push(shot.pts_ns),
        }
    }

    /// What was found, in numbers.
    pub fn found(&self) -> Found {
        let words = self.said.iter().map(|said| said.text.split_whitespace().count()).sum();
        Found { tracks: self.tracks.len(), words, cuts: self.cuts.len() }
    }

    /// When each face was seen, in order of their identities.
    pub fn tracks(&self) -> impl Iterator<Item = Track> + '_ {
        self.tracks.iter().map(|(track, Seen { first_ns, last_ns, frames })| Track {
            track: *track,
            first_ns: *first_ns,
            last_ns: *last_ns,
            pictures: *frames,
        })
    }

    /// Integrated loudness (EBU R 128) at the last analysed picture, LUFS.
    pub fn integrated_lufs(&self) -> Option<f32> {
        self.integrated_lufs
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
            writeln!(f, "  {first} to {last}  face {track}, in {} pictures", seen.frames)?;
        }
        match self.tracks.len() - long.len() {
            0 => Ok(()),
            shorter => writeln!(f, "  and {shorter} shorter ones"),
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

    fn cuts(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "Cuts: {}", self.cuts.len())?;
        let times: Vec<_> = self.cuts.iter().map(|ns| Clock(*ns).to_string()).collect();
        for line in wrap(&times.join(" "), COLUMNS - 2) {
            writeln!(f, "  {line}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.faces(f)?;
        self.speech(f)?;
        self.cuts(f)?;
        match self.integrated_lufs {
            Some(lufs) => writeln!(f, "Loudness: {lufs:.1} LUFS integrated"),
            None => Ok(()),
        }
    }
}

/// A stream time as minutes and seconds.
struct Clock(u64);

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
        record::{Frame, Shot, Transcript, WordTimes},
        results::{Face, FacePoints, TransitionKind},
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
            manipulation: None,
        };
        let faces = tracks.iter().map(face).collect();
        Record::Frame(Frame { pts_ns, faces, audio: None, missing: Vec::new(), networks: Vec::new() })
    }

    fn transcript(start_ns: u64, text: &str, is_final: bool) -> Record {
        Record::Transcript(Transcript {
            utterance: 0,
            revision: 0,
            start_ns,
            end_ns: start_ns + S,
            is_final,
            text: text.into(),
            words: Vec::new(),
            word_times: WordTimes::Estimated,
            networks: Vec::new(),
        })
    }

    fn told(records: &[Record]) -> String {
        let mut report = Report::default();
        records.iter().for_each(|record| report.take(record));
        report.to_string()
    }

    #[test]
    fn tells_faces_speech_and_cuts() {
        let shot =
            Record::Shot(Shot { pts_ns: 61 * S, kind: TransitionKind::Cut, start_ns: 0, end_ns: 0, strength: 2.0 });
        let text = told(&[
            frame(S, &[4]),
            frame(3 * S, &[4, 5]),
            transcript(2 * S, "half of", false),
            transcript(2 * S, "half of it", true),
            shot,
        ]);
        assert_eq!(
            text,
            "Faces: 2 tracks in 2 analysed pictures\n  0:01.0 to 0:03.0  face 4, in 2 pictures\n  and 1 shorter ones\n\
             Speech: 1 utterances\n  0:02.0  half of it\nCuts: 1\n  1:01.0\n"
        );
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
