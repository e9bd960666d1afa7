// SPDX-License-Identifier: Apache-2.0
//! Evidence of a run, in its folder `evidence`, written only with `--keep-faces`: `face-TRACK.jpg`, a face's highest score
//! with its map, `incident-NUMBER.jpg`, the picture at which an incident was told, with the faces' boxes,
//! `incident-NUMBER-sound.jpg`, a spectrogram of the seconds around, `incident-NUMBER-mouth.jpg`, the face's mouth in the seconds
//! before, and `shot-MILLISECONDS.jpg`, one of each shot's first pictures.
//!
//! Evidence that can't be written is no reason to stop: it is said once, and incidents say that it wasn't kept.

use std::{
    collections::{BTreeMap, VecDeque},
    fs,
    path::{Path, PathBuf},
};

use gstpolygraph::{
    polyanalyze::{KeyFrame, MouthSeen, Sound},
    polyforensics,
};
use image::{ImageBuffer, ImageResult, Pixel, PixelWithColorType, Rgb, RgbImage, codecs::jpeg::JpegEncoder};
use polygraph_core::{
    geometry::Rect,
    record::{Evidence, EvidenceKind, EvidenceState, Frame, Incident, IncidentState, Shot},
};
use sha2::{Digest, Sha256};

use super::{sound::Ring, strip::Mouths};
use crate::error::{Error, Result};

/// What key frames may take in memory.
const RING_BYTES: usize = 10 << 20;
/// Frames whose faces are remembered: as long as the ring lasts, and then some.
const MOST_FRAMES: usize = 1024;
/// How far from a moment a picture may be that stands for it: two key frames are half a second apart.
const NEAR_NS: u64 = 1_000_000_000;
/// What a spectrogram shows before and after the moment at which an incident was told, and a strip of mouths before it.
const BEFORE_NS: u64 = 5_000_000_000;
const AFTER_NS: u64 = 2_000_000_000;
/// What a run may write.
const MOST_BYTES: u64 = 512 << 20;
/// JPEG quality, of 100.
const QUALITY: u8 = 85;
/// The same, for spectrograms: noise takes room, and nobody looks at a single point of it.
const COARSE: u8 = 60;
/// The colour of the box of the face that an incident is about, and of the others'.
const BOXES: [Rgb<u8>; 2] = [Rgb([255, 72, 48]), Rgb([235, 235, 235])];

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

/// The evidence of a run.
pub struct Keeper {
    folder: PathBuf,
    keeps: bool,
    frames: VecDeque<KeyFrame>,
    bytes: usize,
    faces: VecDeque<(u64, Vec<(u64, Rect)>)>,
    sound: Ring,
    mouths: Mouths,
    /// The picture of each track's highest score.
    tracks: BTreeMap<u64, Evidence>,
    open: BTreeMap<u64, Open>,
    written: u64,
    told: bool,
}

impl Keeper {
    /// In the folder of a run. Pictures of an earlier run are of other tracks by the same numbers: they go.
    ///
    /// # Errors
    /// When one of them can't be removed.
    pub fn new(run: &Path, keeps: bool) -> Result<Self> {
        let folder = run.join("evidence");
        for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
            let name = entry.file_name();
            let name = name.to_string_lossy();
            if ["face-", "incident-", "shot-"].iter().any(|begin| name.starts_with(begin)) && name.ends_with(".jpg") {
                fs::remove_file(entry.path()).map_err(Error::file(&entry.path()))?;
            }
        }
        Ok(Self {
            folder,
            keeps,
            frames: VecDeque::new(),
            bytes: 0,
            faces: VecDeque::new(),
            sound: Ring::default(),
            mouths: Mouths::default(),
            tracks: BTreeMap::new(),
            open: BTreeMap::new(),
            written: 0,
            told: false,
        })
    }

    /// Takes what an incident may need.
    pub fn take(&mut self, exhibit: Exhibit) {
        match exhibit {
            Exhibit::Face(face) => self.face(&face),
            Exhibit::KeyFrame(frame) => self.key_frame(frame),
            Exhibit::Sound(sound) => self.sound.push(sound),
            Exhibit::Mouth(mouth) => self.mouths.push(mouth),
        }
    }

    /// The picture of a face comes in the place of the track's last one.
    fn face(&mut self, face: &polyforensics::Evidence) {
        let name = format!("face-{}.jpg", face.track);
        let kept = self.keep(EvidenceKind::HeatMap, face.pts_ns, &name, &face.picture);
        self.tracks.insert(face.track, kept);
    }

    fn key_frame(&mut self, frame: KeyFrame) {
        self.bytes += frame.picture.len();
        self.frames.push_back(frame);
        while self.bytes > RING_BYTES
            && let Some(gone) = self.frames.pop_front()
        {
            self.bytes -= gone.picture.len();
        }
    }

    /// Remembers where faces are.
    pub fn seen(&mut self, frame: &Frame) {
        if self.keeps {
            self.faces.push_back((frame.pts_ns, frame.faces.iter().map(|face| (face.track, face.rect)).collect()));
            if self.faces.len() > MOST_FRAMES {
                self.faces.pop_front();
            }
        }
    }

    /// Gives an incident what there is of it.
    pub fn attach(&mut self, incident: &mut Incident) {
        if !self.keeps {
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
        let drawn = boxed(&frame.picture, faces, incident.track);
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
    pub fn shot(&mut self, mut shot: Shot) -> Shot {
        let Some(wanted_ns) = shot.key_frame.as_ref().map(|key| key.pts_ns).filter(|_| self.keeps) else { return shot };
        let own = self.frames.iter().filter(|frame| frame.pts_ns >= shot.pts_ns);
        let found = own.min_by_key(|frame| frame.pts_ns.abs_diff(wanted_ns));
        let found = found.filter(|frame| frame.pts_ns.abs_diff(wanted_ns) <= NEAR_NS);
        let found = found.map(|frame| (frame.pts_ns, frame.picture.clone()));
        shot.key_frame = Some(match found {
            Some((pts_ns, picture)) => {
                let name = format!("shot-{}.jpg", shot.pts_ns / 1_000_000);
                self.keep(EvidenceKind::KeyFrame, pts_ns, &name, &picture)
            }
            None => not_kept(EvidenceKind::KeyFrame, wanted_ns, EvidenceState::Expired),
        });
        shot
    }

    fn keep_drawn(&mut self, kind: EvidenceKind, pts_ns: u64, name: &str, drawn: ImageResult<Vec<u8>>) -> Evidence {
        match drawn {
            Ok(picture) => self.keep(kind, pts_ns, name, &picture),
            Err(why) => {
                self.tell(&format!("{name} can't be drawn: {why}"));
                not_kept(kind, pts_ns, EvidenceState::NotKept)
            }
        }
    }

    fn keep(&mut self, kind: EvidenceKind, pts_ns: u64, name: &str, picture: &[u8]) -> Evidence {
        let path = self.folder.join(name);
        let wrote = if self.written + picture.len() as u64 > MOST_BYTES {
            Err(format!("there are {} MB of it already", MOST_BYTES >> 20))
        } else {
            let wrote = fs::create_dir_all(&self.folder).and_then(|()| fs::write(&path, picture));
            wrote.map_err(|why| why.to_string())
        };
        if let Err(why) = wrote {
            self.tell(&format!("{} can't be written: {why}", path.display()));
            return not_kept(kind, pts_ns, EvidenceState::NotKept);
        }
        self.written += picture.len() as u64;
        let sha256 = Sha256::digest(picture).iter().map(|byte| format!("{byte:02x}")).collect();
        let path = Some(format!("evidence/{name}"));
        Evidence { kind, pts_ns, path, sha256: Some(sha256), state: EvidenceState::Kept }
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

/// A JPEG file of a picture.
fn jpeg<P>(picture: &ImageBuffer<P, Vec<u8>>, quality: u8) -> ImageResult<Vec<u8>>
where
    P: Pixel<Subpixel = u8> + PixelWithColorType,
{
    let mut file = Vec::new();
    picture.write_with_encoder(JpegEncoder::new_with_quality(&mut file, quality))?;
    Ok(file)
}

/// A JPEG file with boxes around faces.
fn boxed(picture: &[u8], faces: &[(u64, Rect)], about: Option<u64>) -> ImageResult<Vec<u8>> {
    let mut picture = image::load_from_memory_with_format(picture, image::ImageFormat::Jpeg)?.into_rgb8();
    let (width, height) = (picture.width() as f32, picture.height() as f32);
    // The one that it is about is drawn last, over the others.
    let others = faces.iter().filter(|(track, _)| Some(*track) != about);
    for (track, rect) in others.chain(faces.iter().filter(|(track, _)| Some(*track) == about)) {
        let own = Some(*track) == about;
        let edges = [rect.x * width, rect.y * height, (rect.x + rect.w) * width, (rect.y + rect.h) * height];
        draw(&mut picture, edges, BOXES[usize::from(!own)], if own { 3 } else { 1 });
    }
    jpeg(&picture, QUALITY)
}

/// Draws a rectangle of lines so many pixels wide, as far as it lies in the picture.
fn draw(picture: &mut RgbImage, [left, top, right, bottom]: [f32; 4], colour: Rgb<u8>, line: i64) {
    let (left, top, right, bottom) = (left as i64, top as i64, right as i64, bottom as i64);
    let mut fill = |xs: std::ops::Range<i64>, ys: std::ops::Range<i64>| {
        let (width, height) = (i64::from(picture.width()), i64::from(picture.height()));
        for y in ys.start.max(0)..ys.end.min(height) {
            for x in xs.start.max(0)..xs.end.min(width) {
                picture.put_pixel(x as u32, y as u32, colour);
            }
        }
    };
    fill(left..right, top..top + line);
    fill(left..right, bottom - line..bottom);
    fill(left..left + line, top..bottom);
    fill(right - line..right, top..bottom);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grey() -> Vec<u8> {
        jpeg(&RgbImage::from_pixel(64, 36, Rgb([128; 3])), QUALITY).unwrap()
    }

    fn face(track: u64, picture: &[u8]) -> polyforensics::Evidence {
        polyforensics::Evidence { track, pts_ns: 0, logit: 0.0, picture: picture.to_vec() }
    }

    #[test]
    fn the_last_picture_of_each_track_stays_and_those_of_an_earlier_run_go() {
        let run = tempfile::tempdir().unwrap();
        let file = |track| fs::read(run.path().join(format!("evidence/face-{track}.jpg"))).ok();
        let mut first = Keeper::new(run.path(), true).unwrap();
        for (track, picture) in [(1, b"a"), (2, b"b"), (1, b"c")] {
            first.face(&face(track, picture));
        }
        assert_eq!((file(1), file(2)), (Some(b"c".to_vec()), Some(b"b".to_vec())));
        fs::write(run.path().join("evidence/mine.jpg"), "d").unwrap();
        Keeper::new(run.path(), true).unwrap();
        assert_eq!((file(1), file(2)), (None, None));
        assert!(run.path().join("evidence/mine.jpg").exists(), "what isn't ours stays");
    }

    #[test]
    fn a_box_is_drawn_around_the_face_that_it_is_about() {
        let rect = Rect { x: 0.25, y: 0.25, w: 0.5, h: 0.5 };
        let drawn = boxed(&grey(), &[(7, rect)], Some(7)).unwrap();
        let drawn = image::load_from_memory(&drawn).unwrap().into_rgb8();
        let [red, green, _] = drawn.get_pixel(17, 18).0;
        assert!(red > 190 && green < 140, "{red} {green}");
        assert!(
            drawn.get_pixel(32, 18).0.iter().all(|value| value.abs_diff(128) < 30),
            "the face itself is left alone"
        );
        let outside = Rect { x: -2.0, y: 0.5, w: 9.0, h: 9.0 };
        boxed(&grey(), &[(7, outside)], None).unwrap();
    }

    #[test]
    fn what_cannot_be_written_is_not_kept_and_stops_nothing() {
        let run = tempfile::tempdir().unwrap();
        fs::write(run.path().join("evidence"), "in the way").unwrap();
        let mut keeper = Keeper::new(run.path(), true).unwrap();
        keeper.face(&face(1, b"a"));
        assert_eq!(keeper.tracks[&1].state, EvidenceState::NotKept);
    }

    #[test]
    fn the_ring_is_bounded() {
        let run = tempfile::tempdir().unwrap();
        let mut keeper = Keeper::new(run.path(), true).unwrap();
        for second in 0..40 {
            keeper.key_frame(KeyFrame { pts_ns: second, picture: vec![0; 1 << 20] });
        }
        assert!(keeper.bytes <= RING_BYTES && keeper.frames.len() == 10, "{} frames", keeper.frames.len());
        assert_eq!(keeper.frames.back().map(|frame| frame.pts_ns), Some(39));
    }
}
