// SPDX-License-Identifier: Apache-2.0
//! Text in pictures: where it stands, and what it says. Two networks of PP-OCRv6 (Apache-2.0); what lies level is read.

mod boxes;

use std::sync::Arc;

use ort::{session::Session, value::TensorRef};

use crate::{
    Engine, Error, Identity, Network, Result,
    picture::{Picture, PictureError, Region, iou},
};

/// The cards' names: what finds text, and what reads a line of it.
pub const DETECTOR: &str = "pp-ocr-v6-detector";
/// See [`DETECTOR`].
pub const READER: &str = "pp-ocr-v6-reader";
/// Pixels of the longer side of the picture as the detector sees it.
const SIDE: f32 = 736.0;
/// Sides are multiples of this.
const STEP: usize = 32;
/// Pixels of a strip: its height, and its greatest width.
const HEIGHT: usize = 48;
const WIDEST: usize = 2048;
/// Lines that are told have at least this score (RapidOCR asks for 0.5; what lies between is mostly texture).
pub const LEAST: f32 = 0.6;
/// A single sign needs more: shapes and textures are taken for one.
const LEAST_OF_ONE: f32 = 0.9;
/// What is higher, in parts of the picture, is no line but a shape.
const HIGHEST: f32 = 0.3;
/// Lines that one look reads at most; the next look reads others.
const MOST: usize = 16;
/// Lines that are known at most.
const KNOWN: usize = 64;
/// Two boxes with more in common than this are of one line.
const OVERLAP: f32 = 0.6;
/// A line is read anew where a part of it as wide as half its height differs by more than this on average, of 0..2.
const CHANGED: f32 = 0.12;
/// Boxes whose middles differ by less than this part of their height stand in one row.
const ROW: f32 = 0.5;

/// A line of text that stands in a picture.
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    /// What it says.
    pub text: String,
    /// The mean of the signs' scores, 0..1; no probability.
    pub score: f32,
    /// `[x, y, w, h]` in 0..1 of the picture.
    pub rect: [f32; 4],
}

impl Line {
    fn is_sure(&self) -> bool {
        self.score >= if self.text.chars().nth(1).is_none() { LEAST_OF_ONE } else { LEAST }
    }
}

/// A line's picture: planes B, G and R of [`HEIGHT`] rows, -1..=1.
#[derive(Clone, Debug, PartialEq)]
struct Strip {
    width: usize,
    planes: Vec<f32>,
}

/// What was read of a stream so far, so that a line that stands still is read once.
#[derive(Clone, Debug, Default)]
pub struct Readings(Vec<(Line, Strip)>);

impl Readings {
    /// Lines that are sure enough, in the order in which people read them.
    pub fn told(&self) -> Vec<Line> {
        let mut lines: Vec<_> = self.0.iter().map(|(line, _)| line).filter(|line| line.is_sure()).cloned().collect();
        in_order(&mut lines);
        lines
    }

    /// Nothing of before counts any more.
    pub fn forget(&mut self) {
        self.0.clear();
    }
}

/// Top to bottom, and left to right within a row.
fn in_order(lines: &mut [Line]) {
    let middle = |line: &Line| line.rect[1] + line.rect[3] / 2.0;
    lines.sort_by(|a, b| middle(a).total_cmp(&middle(b)));
    let mut begin = 0;
    for end in 1..=lines.len() {
        let apart = |line: &Line| middle(line) - middle(&lines[begin]) > ROW * lines[begin].rect[3].min(line.rect[3]);
        if lines.get(end).is_none_or(apart) {
            lines[begin..end].sort_by(|a, b| a.rect[0].total_cmp(&b.rect[0]));
            begin = end;
        }
    }
}

/// The two networks; cheap to share between streams.
#[derive(Debug)]
pub struct TextNetwork {
    detector: Arc<Network>,
    reader: Arc<Network>,
    /// The reader's signs; the first stands for none.
    signs: Vec<String>,
}

impl TextNetwork {
    /// Loads the networks through the engine.
    ///
    /// # Errors
    /// Those of [`Engine::load`]; [`Error::Contract`] when the reader's file doesn't say what its signs are.
    pub fn load(engine: &Arc<Engine>) -> Result<Self> {
        let (detector, reader) = (engine.load(DETECTOR)?, engine.load(READER)?);
        let listed = reader.run(|session| Ok(session.metadata()?.custom("character")))?;
        let listed = listed.ok_or_else(|| contract(READER, "its file doesn't say what its signs are"))?;
        let signs = std::iter::once("").chain(listed.split('\n')).chain([" "]).map(str::to_owned).collect();
        Ok(Self { detector, reader, signs })
    }

    /// Where the lines come from: the detector and the reader.
    pub fn identities(&self) -> [&Identity; 2] {
        [self.detector.identity(), self.reader.identity()]
    }

    /// Brings what is known up to date with a picture: lines that went are forgotten, those that are new or changed are read,
    /// [`MOST`] of them at most.
    ///
    /// # Errors
    /// [`Error::Picture`] when the planes don't hold what they should, and those of [`Network::run`]; [`Error::Contract`]
    /// when a network answers with something else than its card says. Lines that were known may have to be read again then.
    pub fn look(&self, picture: &Picture<'_>, known: &mut Readings) -> Result<()> {
        let found = self.find(picture)?;
        let mut before = std::mem::take(&mut known.0);
        let mut now = Vec::new();
        let mut read = 0;
        for rect in found {
            if now.len() == KNOWN {
                break;
            }
            let same = before.iter().position(|(line, _)| iou(&line.rect, &rect) > OVERLAP);
            if let Some((line, strip)) = same.map(|at| before.swap_remove(at))
                && !strip.differs(&Strip::new(picture, line.rect)?)
            {
                now.push((line, strip));
            } else if read < MOST {
                read += 1;
                let strip = Strip::new(picture, rect)?;
                let (text, score) = self.reader.run(|session| self.read(session, &strip))?;
                now.push((Line { text, score, rect }, strip));
            }
        }
        known.0 = now;
        Ok(())
    }

    /// Boxes of text in parts of the picture, the surest first.
    fn find(&self, picture: &Picture<'_>) -> Result<Vec<[f32; 4]>> {
        let (width, height) = seen_as(picture);
        let planes = planes(picture, &picture.region(), (width, height), width)?;
        let mut found = self.detector.run(|session| {
            let input = TensorRef::from_array_view(([1, 3, height, width], &*planes))?;
            let outputs = session.run(ort::inputs!["x" => input])?;
            let map = values(&outputs, DETECTOR)?;
            if map.len() != width * height {
                return Err(contract(DETECTOR, "its map isn't of the picture's size"));
            }
            Ok(boxes::boxes(map, width))
        })?;
        found.sort_by(|a, b| b.score.total_cmp(&a.score));
        let (width, height) = (width as f32, height as f32);
        let rect = |one: &boxes::TextBox| {
            let [left, top, right, bottom] = one.edges;
            [left / width, top / height, (right - left) / width, (bottom - top) / height]
        };
        Ok(found.iter().map(rect).filter(|rect| rect[3] <= HIGHEST).collect())
    }

    /// What a strip says, and how sure that is.
    fn read(&self, session: &mut Session, strip: &Strip) -> Result<(String, f32)> {
        let input = TensorRef::from_array_view(([1, 3, HEIGHT, strip.width], &*strip.planes))?;
        let outputs = session.run(ort::inputs!["x" => input])?;
        let steps = values(&outputs, READER)?;
        if steps.is_empty() || !steps.len().is_multiple_of(self.signs.len()) {
            return Err(contract(READER, "its steps aren't of its signs"));
        }
        Ok(decoded(steps, &self.signs))
    }
}

/// The likeliest sign at each step, without repetitions and without the first, which stands for none; and the mean of their
/// scores.
fn decoded(steps: &[f32], signs: &[String]) -> (String, f32) {
    let (mut text, mut sum, mut count, mut last) = (String::new(), 0.0, 0, 0);
    for step in steps.chunks_exact(signs.len()) {
        let likeliest = step.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1));
        let Some((sign, score)) = likeliest else { continue };
        if sign != 0 && sign != last {
            text.push_str(&signs[sign]);
            sum += score;
            count += 1;
        }
        last = sign;
    }
    (text.trim().to_owned(), if count == 0 { 0.0 } else { (sum / count as f32).min(1.0) })
}

impl Strip {
    /// Cuts a line out of a picture; its pixels become as square as they are shown.
    fn new(picture: &Picture<'_>, rect: [f32; 4]) -> Result<Self, PictureError> {
        let (width, height) = (picture.width as f64, picture.height as f64);
        let [x, y, w, h] = rect.map(f64::from);
        let region = Region { x: x * width, y: y * height, w: (w * width).max(1.0), h: (h * height).max(1.0) };
        let ratio = region.w * f64::from(picture.pixel_aspect) / region.h;
        let inner = ((HEIGHT as f64 * ratio).round() as usize).clamp(HEIGHT / 4, WIDEST);
        let width = inner.next_multiple_of(STEP);
        Ok(Self { width, planes: planes(picture, &region, (inner, HEIGHT), width)? })
    }

    /// Whether a part of it is another than before.
    fn differs(&self, other: &Self) -> bool {
        const PART: usize = HEIGHT / 2;
        if self.width != other.width {
            return true;
        }
        let mut sums = vec![0.0; self.width.div_ceil(PART)];
        for (row, other) in self.planes.chunks_exact(self.width).zip(other.planes.chunks_exact(self.width)) {
            for (sum, (a, b)) in sums.iter_mut().zip(row.chunks(PART).zip(other.chunks(PART))) {
                *sum += a.iter().zip(b).map(|(a, b)| (a - b).abs()).sum::<f32>();
            }
        }
        sums.iter().any(|sum| *sum > CHANGED * (3 * HEIGHT * PART) as f32)
    }
}

/// Width and height of the picture as the detector sees it.
fn seen_as(picture: &Picture<'_>) -> (usize, usize) {
    let (width, height) = (picture.width as f32 * picture.pixel_aspect, picture.height as f32);
    let scale = SIDE / width.max(height);
    let side = |length: f32| ((length * scale / STEP as f32).round() as usize).max(1) * STEP;
    (side(width), side(height))
}

/// Planes B, G and R of a region, -1..=1; `stride` columns a row, those past the size are grey.
fn planes(
    picture: &Picture<'_>,
    region: &Region,
    size: (usize, usize),
    stride: usize,
) -> Result<Vec<f32>, PictureError> {
    let mut planes = picture.planes(region, size, stride, [-1.0, 1.0])?;
    let (red, rest) = planes.split_at_mut(stride * size.1);
    let blue = rest.len() - red.len();
    red.swap_with_slice(&mut rest[blue..]);
    Ok(planes)
}

/// A network's one output.
fn values<'a>(outputs: &'a ort::session::SessionOutputs<'_>, name: &str) -> Result<&'a [f32]> {
    let output = outputs.get("fetch_name_0").ok_or_else(|| contract(name, "output fetch_name_0 is missing"))?;
    let values = output.try_extract_tensor::<f32>()?.1;
    if values.iter().any(|value| !value.is_finite()) {
        return Err(contract(name, "a value is not a number (NaN or infinite)"));
    }
    Ok(values)
}

fn contract(name: &str, reason: &str) -> Error {
    Error::Contract { name: name.to_owned(), reason: reason.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repeated_signs_are_one_unless_something_lies_between() {
        let signs: Vec<String> = ["", "a", "b", " "].map(str::to_owned).into();
        let step = |sign: usize, score: f32| {
            let mut step = [0.01; 4];
            step[sign] = score;
            step
        };
        let steps = [step(3, 0.9), step(1, 0.8), step(1, 0.9), step(0, 0.9), step(1, 0.6), step(2, 0.7)].concat();
        let (text, score) = decoded(&steps, &signs);
        assert_eq!(text, "aab");
        assert!((score - (0.9 + 0.8 + 0.6 + 0.7) / 4.0).abs() < 1e-6);
        assert_eq!(decoded(&step(0, 1.0), &signs), (String::new(), 0.0));
    }

    #[test]
    fn lines_are_told_as_people_read_them() {
        let line = |text: &str, x: f32, y: f32| Line { text: text.to_owned(), score: 0.9, rect: [x, y, 0.2, 0.05] };
        let mut lines = [line("d", 0.1, 0.8), line("b", 0.6, 0.11), line("a", 0.1, 0.12), line("c", 0.1, 0.2)];
        in_order(&mut lines);
        assert_eq!(lines.map(|line| line.text), ["a", "b", "c", "d"]);
        in_order(&mut []);
    }

    #[test]
    fn one_sign_has_to_be_surer_than_a_line() {
        let line = |text: &str, score: f32| Line { text: text.to_owned(), score, rect: [0.0; 4] };
        assert!(line("3", 0.95).is_sure() && line("3:1", 0.65).is_sure());
        assert!(!line("品", 0.65).is_sure() && !line("", 0.5).is_sure() && !line("3:1", 0.5).is_sure());
    }

    #[test]
    fn a_letter_that_changed_is_enough() {
        let strip = Strip { width: 480, planes: vec![0.5; 3 * HEIGHT * 480] };
        let mut other = strip.clone();
        other.planes.iter_mut().for_each(|value| *value += 0.05);
        assert!(!strip.differs(&other), "compression's noise is no change");
        for row in 0..3 * HEIGHT {
            other.planes[row * 480 + 240..row * 480 + 256].fill(-0.5);
        }
        assert!(strip.differs(&other));
    }
}
