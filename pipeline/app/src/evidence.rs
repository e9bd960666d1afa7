// SPDX-License-Identifier: Apache-2.0
//! Evidence: `face-TRACK.jpg`, a face's highest score with its map, `incident-NUMBER.jpg`, the picture at which an incident
//! was told, with the faces' boxes, `incident-NUMBER-sound.jpg`, a spectrogram of the seconds around,
//! `incident-NUMBER-mouth.jpg`, the face's mouth in the seconds before, and `shot-MILLISECONDS.jpg`, one of each shot's first
//! pictures.
//!
//! They are made here and kept by a [`Shelf`]. One that blurs gets no face that anybody could be known by, and no mouths.
//! Evidence that can't be kept is no reason to stop: it is said once, and incidents say that it wasn't.

mod draw;
mod shelf;
mod sound;
mod strip;

use std::collections::{BTreeMap, VecDeque};

use gstpolygraph::{
    polyanalyze::{KeyFrame, MouthSeen, Sound},
    polyforensics,
};
use image::{ImageResult, RgbImage};
use polygraph_core::{
    geometry::Rect,
    record::{Evidence, EvidenceKind, EvidenceState, Frame, Incident, IncidentState, Record, Shot},
};
use sha2::{Digest, Sha256};

use self::{
    draw::{QUALITY, boxes, coarse, hide},
    sound::Ring,
    strip::Mouths,
};
pub use draw::{jpeg, read};
pub use shelf::{Folder, Shelf};

/// Frames whose faces are remembered: as long as the ring lasts, and then some.
const MOST_FRAMES: usize = 1024;
/// Most tracks whose picture an incident may be given.
const MOST_TRACKS: usize = 1024;
/// How far from a moment a picture may be that stands for it: two key frames are half a second apart.
const NEAR_NS: u64 = 1_000_000_000;
/// What a spectrogram shows before and after the moment at which an incident was told, and a strip of mouths before it.
const BEFORE_NS: u64 = 5_000_000_000;
const AFTER_NS: u64 = 2_000_000_000;
/// JPEG quality, of 100, for spectrograms: noise takes room, and nobody looks at a single point of it.
const COARSE: u8 = 60;
/// Patches from left to right of a blurred face beside its map, and of a whole picture in which nobody looked for faces.
const FACE_PATCHES: u32 = 24;
const WHOLE_PATCHES: u32 = 40;

/// What the analysers give that evidence is made of.
pub enum Exhibit {
    /// The picture of a face's highest score so far.
    Face(polyforensics::Evidence),
    /// A picture of the stream.
    KeyFrame(KeyFrame),
    /// Sound that follows on the last.
    Sound(Sound),
    /// A face's mouth.
    Mouth(MouthSeen),
}

impl Exhibit {
    /// What a message on the bus carries, if it is any of these.
    pub fn read(message: &gst::message::Element) -> Option<Self> {
        let face = polyforensics::Evidence::read(message).map(Self::Face);
        face.or_else(|| KeyFrame::read(message).map(Self::KeyFrame))
            .or_else(|| Sound::read(message).map(Self::Sound))
            .or_else(|| MouthSeen::read(message).map(Self::Mouth))
    }
}

/// An incident that is open.
#[derive(Default)]
struct Open {
    evidence: Vec<Evidence>,
    /// Up to where its spectrogram shows the sound.
    heard_ns: Option<u64>,
}

/// What becomes of faces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Faces {
    /// They are shown.
    Shown,
    /// They are blurred where they were found.
    Hidden,
    /// Nobody looks for them: the whole picture is blurred.
    Unknown,
}

/// Collects what incidents may need, and gives it to a shelf.
pub struct Collector {
    shelf: Option<Box<dyn Shelf>>,
    treatment: Faces,
    frames: VecDeque<KeyFrame>,
    bytes: usize,
    /// What key frames may take in memory.
    most_bytes: usize,
    faces: VecDeque<(u64, Vec<(u64, Rect)>)>,
    sound: Ring,
    mouths: Mouths,
    /// The picture of each track's highest score.
    tracks: BTreeMap<u64, Evidence>,
    open: BTreeMap<u64, Open>,
    told: bool,
}

impl Collector {
    /// For a shelf; without one nothing is kept. `finds_faces` says whether the stream is searched for faces, `most_bytes` what
    /// key frames may take in memory.
    pub fn new(shelf: Option<Box<dyn Shelf>>, finds_faces: bool, most_bytes: usize) -> Self {
        let blurs = shelf.as_ref().is_some_and(|shelf| shelf.blurs());
        Self {
            shelf,
            treatment: match (blurs, finds_faces) {
                (false, _) => Faces::Shown,
                (true, true) => Faces::Hidden,
                (true, false) => Faces::Unknown,
            },
            frames: VecDeque::new(),
            bytes: 0,
            most_bytes,
            faces: VecDeque::new(),
            sound: Ring::default(),
            mouths: Mouths::default(),
            tracks: BTreeMap::new(),
            open: BTreeMap::new(),
            told: false,
        }
    }

    /// Takes what an incident may need.
    pub fn take(&mut self, exhibit: Exhibit) {
        match exhibit {
            Exhibit::Face(face) => self.face(&face),
            Exhibit::KeyFrame(frame) => self.key_frame(frame),
            Exhibit::Sound(sound) => self.sound.push(sound),
            // Mouths are faces, and blurred they say nothing.
            Exhibit::Mouth(mouth) if self.treatment == Faces::Shown => self.mouths.push(mouth),
            Exhibit::Mouth(_) => {}
        }
    }

    /// The picture of a face comes in the place of the track's last one.
    fn face(&mut self, face: &polyforensics::Evidence) {
        let name = format!("face-{}.jpg", face.track);
        // The left half is the face, the right half the map over it.
        let treated = self.treated(face.picture.clone(), |picture| *picture = coarse(picture, FACE_PATCHES));
        let kept = self.keep_drawn(EvidenceKind::HeatMap, face.pts_ns, &name, treated);
        self.tracks.insert(face.track, kept);
        // Numbers of tracks grow: the first are long gone.
        while self.tracks.len() > MOST_TRACKS {
            self.tracks.pop_first();
        }
    }

    fn key_frame(&mut self, frame: KeyFrame) {
        self.bytes += frame.picture.len();
        self.frames.push_back(frame);
        while self.bytes > self.most_bytes
            && let Some(gone) = self.frames.pop_front()
        {
            self.bytes -= gone.picture.len();
        }
    }

    /// Lets a record pass on its way to become an event: of a frame it remembers the faces, a shot gets its picture. An incident
    /// ends here, for it comes back with its number, to be attached to.
    pub fn pass(&mut self, record: Record) -> Option<Record> {
        match record {
            Record::Incident(_) => None,
            Record::Shot(shot) => Some(Record::Shot(self.shot(shot))),
            Record::Frame(frame) => {
                self.seen(&frame);
                Some(Record::Frame(frame))
            }
            record => Some(record),
        }
    }

    /// Remembers where faces are.
    fn seen(&mut self, frame: &Frame) {
        if self.shelf.is_some() {
            self.faces.push_back((frame.pts_ns, frame.faces.iter().map(|face| (face.track, face.rect)).collect()));
            if self.faces.len() > MOST_FRAMES {
                self.faces.pop_front();
            }
        }
    }

    /// Gives an incident what there is of it.
    pub fn attach(&mut self, incident: &mut Incident) {
        if self.shelf.is_none() {
            return;
        }
        let mut open = self.open.remove(&incident.incident).unwrap_or_default();
        if incident.state == IncidentState::Open {
            open.evidence.push(self.picture(incident));
            open.evidence.extend(self.mouth_strip(incident));
        }
        self.draw_sound(incident, &mut open);
        if let Some(face) = incident.track.and_then(|track| self.tracks.get(&track)) {
            open.replace(face.clone());
        }
        incident.evidence = open.evidence.clone();
        if incident.state != IncidentState::Close {
            self.open.insert(incident.incident, open);
        }
    }

    /// The picture at which an incident is told, with boxes.
    fn picture(&mut self, incident: &Incident) -> Evidence {
        let near = |pts_ns: u64| pts_ns.abs_diff(incident.pts_ns);
        // Of a later one nobody knows yet where the faces are.
        let known_ns = self.faces.back().map_or(0, |(pts_ns, _)| *pts_ns);
        let known = self.frames.iter().filter(|frame| frame.pts_ns <= known_ns);
        let frame = known.min_by_key(|frame| near(frame.pts_ns));
        let Some(frame) = frame.filter(|frame| near(frame.pts_ns) <= NEAR_NS) else {
            return not_kept(EvidenceKind::KeyFrame, incident.pts_ns, EvidenceState::Expired);
        };
        let pts_ns = frame.pts_ns;
        let faces = self.faces.iter().min_by_key(|(then_ns, _)| then_ns.abs_diff(pts_ns));
        let faces = faces.map(|(_, faces)| faces.as_slice()).unwrap_or_default();
        let drawn = read(&frame.picture).and_then(|mut picture| {
            self.treat(&mut picture, pts_ns);
            boxes(&mut picture, faces, incident.track);
            jpeg(&picture, QUALITY)
        });
        self.keep_drawn(EvidenceKind::KeyFrame, pts_ns, &format!("incident-{}.jpg", incident.incident), drawn)
    }

    /// The face's mouth in the seconds before an incident is told, where it was looked at.
    fn mouth_strip(&mut self, incident: &Incident) -> Option<Evidence> {
        let from_ns = incident.pts_ns.saturating_sub(BEFORE_NS);
        let (first_ns, strip) = self.mouths.strip(incident.track?, from_ns, incident.pts_ns)?;
        let name = format!("incident-{}-mouth.jpg", incident.incident);
        Some(self.keep_drawn(EvidenceKind::MouthStrip, first_ns, &name, jpeg(&strip, QUALITY)))
    }

    /// Draws the sound around the moment at which an incident was told, again while more of it comes.
    fn draw_sound(&mut self, incident: &Incident, open: &mut Open) {
        let drawn = open.evidence.iter().find(|kept| kept.kind == EvidenceKind::Spectrogram);
        let moment_ns = drawn.map_or(incident.pts_ns, |kept| kept.pts_ns);
        let known_ns = self.sound.end_ns().min(moment_ns + AFTER_NS);
        if open.heard_ns.is_some_and(|shown_ns| shown_ns >= known_ns) {
            return;
        }
        let time_ns = moment_ns.saturating_sub(BEFORE_NS)..moment_ns + AFTER_NS;
        let Some(picture) = self.sound.spectrogram(time_ns, moment_ns) else { return };
        let name = format!("incident-{}-sound.jpg", incident.incident);
        open.replace(self.keep_drawn(EvidenceKind::Spectrogram, moment_ns, &name, jpeg(&picture, COARSE)));
        open.heard_ns = Some(known_ns);
    }

    /// Gives a shot a picture of its own, where there is one.
    fn shot(&mut self, mut shot: Shot) -> Shot {
        let Some(wanted_ns) = shot.key_frame.as_ref().map(|key| key.pts_ns).filter(|_| self.shelf.is_some()) else {
            return shot;
        };
        let own = self.frames.iter().filter(|frame| frame.pts_ns >= shot.pts_ns);
        let found = own.min_by_key(|frame| frame.pts_ns.abs_diff(wanted_ns));
        let found = found.filter(|frame| frame.pts_ns.abs_diff(wanted_ns) <= NEAR_NS);
        let found = found.map(|frame| (frame.pts_ns, frame.picture.clone()));
        shot.key_frame = Some(match found {
            Some((pts_ns, picture)) => {
                let name = format!("shot-{}.jpg", shot.pts_ns / 1_000_000);
                let treated = self.treated(picture, |picture| self.treat(picture, pts_ns));
                self.keep_drawn(EvidenceKind::KeyFrame, pts_ns, &name, treated)
            }
            None => not_kept(EvidenceKind::KeyFrame, wanted_ns, EvidenceState::Expired),
        });
        shot
    }

    fn keep_drawn(&mut self, kind: EvidenceKind, pts_ns: u64, name: &str, drawn: ImageResult<Vec<u8>>) -> Evidence {
        match drawn {
            Ok(picture) => self.keep(kind, pts_ns, name, picture),
            Err(why) => {
                self.tell(&format!("{name} can't be drawn: {why}"));
                not_kept(kind, pts_ns, EvidenceState::NotKept)
            }
        }
    }

    /// A file in which `hide` hid what may not be seen; as it is, where all may.
    fn treated(&self, file: Vec<u8>, hide: impl FnOnce(&mut RgbImage)) -> ImageResult<Vec<u8>> {
        if self.treatment == Faces::Shown {
            return Ok(file);
        }
        let mut picture = read(&file)?;
        hide(&mut picture);
        jpeg(&picture, QUALITY)
    }

    /// Blurs what may not be seen of a picture: faces stand where they were found within a second.
    fn treat(&self, picture: &mut RgbImage, pts_ns: u64) {
        match self.treatment {
            Faces::Shown => {}
            Faces::Hidden => {
                let near = self.faces.iter().filter(|(then_ns, _)| then_ns.abs_diff(pts_ns) <= NEAR_NS);
                hide(picture, near.flat_map(|(_, faces)| faces.iter().map(|(_, rect)| *rect)));
            }
            Faces::Unknown => *picture = coarse(picture, WHOLE_PATCHES),
        }
    }

    fn keep(&mut self, kind: EvidenceKind, pts_ns: u64, name: &str, picture: Vec<u8>) -> Evidence {
        let Some(shelf) = &mut self.shelf else { return not_kept(kind, pts_ns, EvidenceState::NotKept) };
        let sha256 = Sha256::digest(&picture).iter().map(|byte| format!("{byte:02x}")).collect();
        match shelf.keep(name, picture) {
            Ok(path) => Evidence { kind, pts_ns, path: Some(path), sha256: Some(sha256), state: EvidenceState::Kept },
            Err(why) => {
                self.tell(&why);
                not_kept(kind, pts_ns, EvidenceState::NotKept)
            }
        }
    }

    fn tell(&mut self, why: &str) {
        if !std::mem::replace(&mut self.told, true) {
            errln!("polygraph: evidence is not kept from here on where that fails: {why}");
        }
    }
}

impl Open {
    /// Evidence of a kind of which there is one.
    fn replace(&mut self, evidence: Evidence) {
        self.evidence.retain(|kept| kept.kind != evidence.kind);
        self.evidence.push(evidence);
    }
}

fn not_kept(kind: EvidenceKind, pts_ns: u64, state: EvidenceState) -> Evidence {
    Evidence { kind, pts_ns, path: None, sha256: None, state }
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::Rgb;
    use std::fs;

    const MOST_BYTES: usize = 10 << 20;

    fn face(track: u64, picture: &[u8]) -> polyforensics::Evidence {
        polyforensics::Evidence { track, pts_ns: 0, logit: 0.0, picture: picture.to_vec() }
    }

    fn collector(run: &std::path::Path) -> Collector {
        Collector::new(Some(Box::new(Folder::new(run).unwrap())), true, MOST_BYTES)
    }

    #[test]
    fn the_last_picture_of_each_track_stays_and_those_of_an_earlier_run_go() {
        let run = tempfile::tempdir().unwrap();
        let file = |track| fs::read(run.path().join(format!("evidence/face-{track}.jpg"))).ok();
        let mut first = collector(run.path());
        for (track, picture) in [(1, b"a"), (2, b"b"), (1, b"c")] {
            first.face(&face(track, picture));
        }
        assert_eq!((file(1), file(2)), (Some(b"c".to_vec()), Some(b"b".to_vec())));
        fs::write(run.path().join("evidence/mine.jpg"), "d").unwrap();
        collector(run.path());
        assert_eq!((file(1), file(2)), (None, None));
        assert!(run.path().join("evidence/mine.jpg").exists(), "what isn't ours stays");
    }

    #[test]
    fn what_cannot_be_written_is_not_kept_and_stops_nothing() {
        let run = tempfile::tempdir().unwrap();
        fs::write(run.path().join("evidence"), "in the way").unwrap();
        let mut collector = collector(run.path());
        collector.face(&face(1, b"a"));
        assert_eq!(collector.tracks[&1].state, EvidenceState::NotKept);
    }

    #[test]
    fn the_ring_is_bounded() {
        let run = tempfile::tempdir().unwrap();
        let mut collector = collector(run.path());
        for second in 0..40 {
            collector.key_frame(KeyFrame { pts_ns: second, picture: vec![0; 1 << 20] });
        }
        assert!(collector.bytes <= MOST_BYTES && collector.frames.len() == 10, "{} frames", collector.frames.len());
        assert_eq!(collector.frames.back().map(|frame| frame.pts_ns), Some(39));
    }

    /// Keeps pictures in memory, and shows no face.
    #[derive(Clone, Default)]
    struct Memory(std::sync::Arc<std::sync::Mutex<BTreeMap<String, Vec<u8>>>>);

    impl Shelf for Memory {
        fn keep(&mut self, name: &str, picture: Vec<u8>) -> Result<String, String> {
            self.0.lock().unwrap().insert(name.to_owned(), picture);
            Ok(name.to_owned())
        }

        fn blurs(&self) -> bool {
            true
        }
    }

    #[test]
    fn a_shelf_that_blurs_gets_no_detail_of_a_face_and_of_nothing_where_nobody_looks_for_faces() {
        let striped = |x: u32, _| if x.is_multiple_of(2) { Rgb([0; 3]) } else { Rgb([255; 3]) };
        let picture = jpeg(&image::RgbImage::from_fn(320, 180, striped), 100).unwrap();
        let rect = Rect { x: 0.4, y: 0.2, w: 0.2, h: 0.5 };
        for (finds_faces, outside_is_seen) in [(true, true), (false, false)] {
            let memory = Memory::default();
            let mut collector = Collector::new(Some(Box::new(memory.clone())), finds_faces, MOST_BYTES);
            collector.faces.push_back((400_000_000, vec![(1, rect)]));
            collector.key_frame(KeyFrame { pts_ns: 0, picture: picture.clone() });
            let key = not_kept(EvidenceKind::KeyFrame, 0, EvidenceState::NotKept);
            let kind = polygraph_core::results::TransitionKind::Cut;
            let shot = Shot { pts_ns: 0, kind, start_ns: 0, end_ns: 0, strength: 1.0, key_frame: Some(key) };
            assert_eq!(collector.shot(shot).key_frame.unwrap().state, EvidenceState::Kept);
            let kept = read(&memory.0.lock().unwrap()["shot-0.jpg"]).unwrap();
            let step = |x: u32| kept.get_pixel(x, 80).0[0].abs_diff(kept.get_pixel(x + 1, 80).0[0]);
            assert!(step(160) < 30, "the face is blurred: {}", step(160));
            assert_eq!(step(20) > 150, outside_is_seen, "{}", step(20));
        }
    }
}
