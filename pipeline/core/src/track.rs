// SPDX-License-Identifier: Apache-2.0
//! Faces through time: detections of single pictures become tracks with an identity.
//!
//! A pure state machine driven by PTS, in the manner of SORT (Bewley et al., 2016): each track predicts its box,
//! detections are given to the predictions they fit best, and what is left over begins new tracks. Between
//! detections the prediction is what is reported.

mod motion;

use crate::geometry::Rect;
use crate::results::{Face, FacePoints};
use motion::Motion;

/// One face as the detector sees it in one picture.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Detection {
    /// The box.
    pub rect: Rect,
    /// Eyes, nose, mouth and ears.
    pub points: FacePoints,
    /// The detector's score, 0..1.
    pub score: f32,
    /// How well the picture shows the face, 0..1.
    pub quality: f32,
}

/// How to follow faces.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TrackOptions {
    /// A track that was not seen for longer has ended, in nanoseconds. To outlive an occlusion it must be as long as
    /// that and the time between two detections.
    pub max_unseen_ns: u64,
    /// A detection of at least this score is reported at once; a weaker one when the next look finds it again.
    pub sure_score: f32,
}

impl Default for TrackOptions {
    /// A second of occlusion at 5 detections a second. Speakers of the GRID corpus never score under 0.76; false faces
    /// in streets and cartoons are mostly weaker, and rarely twice in the same place.
    fn default() -> Self {
        Self { max_unseen_ns: 1_200_000_000, sure_score: 0.75 }
    }
}

/// One face that is followed.
#[derive(Clone, Debug)]
struct Track {
    /// Given when the track is sure, so that ids have no holes.
    id: Option<u64>,
    seen: Detection,
    seen_ns: u64,
    motion: Motion,
    /// The last look didn't find it.
    hidden: bool,
}

/// Gives detections their identity. Ids are never used twice in a tracker's life.
#[derive(Clone, Debug, Default)]
pub struct Tracker {
    options: TrackOptions,
    tracks: Vec<Track>,
    next: u64,
}

impl Tracker {
    /// A tracker that has seen nothing.
    pub fn new(options: TrackOptions) -> Self {
        Self { options, tracks: Vec::new(), next: 0 }
    }

    /// Changes how faces are followed from now on.
    pub fn set_options(&mut self, options: TrackOptions) {
        self.options = options;
    }

    /// Takes what the detector found in the picture at `pts_ns` and says which faces these are, the best first.
    ///
    /// A face that was there before and isn't found now is not reported, but remembered for
    /// [`TrackOptions::max_unseen_ns`]. Detections without an area are left out.
    pub fn detected(&mut self, pts_ns: u64, detections: &[Detection]) -> Vec<Face> {
        self.forget(pts_ns);
        let mut free: Vec<Detection> = detections.iter().copied().filter(|seen| is_box(&seen.rect)).collect();
        let pairs = self.fit(pts_ns, &free);
        for track in &mut self.tracks {
            track.hidden = true;
        }
        for &(track, seen) in &pairs {
            self.tracks[track].follow(pts_ns, free[seen]);
        }
        // A weak detection has one chance to be seen again.
        self.tracks.retain(|track| track.id.is_some() || !track.hidden);
        let mut taken: Vec<usize> = pairs.iter().map(|(_, seen)| *seen).collect();
        taken.sort_unstable_by(|a, b| b.cmp(a));
        for seen in taken {
            free.swap_remove(seen);
        }
        free.sort_by(|a, b| b.score.total_cmp(&a.score));
        self.tracks.extend(free.into_iter().map(|seen| Track::new(pts_ns, seen)));
        self.name(pts_ns);
        self.report(pts_ns, true)
    }

    /// Where the faces of the last look should be in a picture at `pts_ns` that nobody looked at, the best first.
    pub fn carry(&mut self, pts_ns: u64) -> Vec<Face> {
        self.forget(pts_ns);
        self.report(pts_ns, false)
    }

    /// Ends all tracks: at a cut, a flush or a jump in time nobody is who they were.
    pub fn cut(&mut self) {
        self.tracks.clear();
    }

    fn forget(&mut self, pts_ns: u64) {
        let limit = self.options.max_unseen_ns;
        self.tracks.retain(|track| pts_ns.abs_diff(track.seen_ns) <= limit);
    }

    /// Pairs of track and detection, each at most once: the best fitting pair first.
    fn fit(&self, pts_ns: u64, seen: &[Detection]) -> Vec<(usize, usize)> {
        let mut fits = Vec::new();
        for (at, track) in self.tracks.iter().enumerate() {
            for (to, seen) in seen.iter().enumerate() {
                fits.extend(track.fit(pts_ns, &seen.rect).map(|fit| (fit, at, to)));
            }
        }
        fits.sort_by(|a, b| b.0.total_cmp(&a.0).then((a.1, a.2).cmp(&(b.1, b.2))));
        let mut pairs: Vec<(usize, usize)> = Vec::new();
        for (_, at, to) in fits {
            if pairs.iter().all(|pair| pair.0 != at && pair.1 != to) {
                pairs.push((at, to));
            }
        }
        pairs
    }

    /// Gives ids to tracks that are sure: seen now with a good score, or a second time.
    fn name(&mut self, pts_ns: u64) {
        for track in self.tracks.iter_mut().filter(|track| track.id.is_none()) {
            if track.seen.score >= self.options.sure_score || track.motion.since_ns() < pts_ns {
                track.id = Some(self.next);
                self.next += 1;
            }
        }
    }

    fn report(&self, pts_ns: u64, detected: bool) -> Vec<Face> {
        let shown = self.tracks.iter().filter(|track| !track.hidden);
        let mut faces: Vec<Face> = shown.filter_map(|track| track.face(pts_ns, detected)).collect();
        faces.sort_by(|a, b| b.score.total_cmp(&a.score).then(a.track.cmp(&b.track)));
        faces
    }
}

impl Track {
    fn new(pts_ns: u64, seen: Detection) -> Self {
        Self { id: None, seen, seen_ns: pts_ns, motion: Motion::new(pts_ns), hidden: false }
    }

    /// How well a detection fits: from 0 for hardly, none for not at all. Sums overlap, nearness and likeness in size.
    fn fit(&self, pts_ns: u64, rect: &Rect) -> Option<f32> {
        let unseen = pts_ns.saturating_sub(self.seen_ns);
        let want = self.motion.predict(&self.seen.rect, unseen);
        let (a, b) = (want.center(), rect.center());
        // In boxes, so that the picture's shape plays no part.
        let (w, h) = ((want.w + rect.w) / 2.0, (want.h + rect.h) / 2.0);
        let distance = ((a.x - b.x) / w).hypot((a.y - b.y) / h);
        let size = (want.area().min(rect.area()) / want.area().max(rect.area())).sqrt();
        let reach = motion::reach(unseen);
        (distance < reach && size > 0.5).then(|| want.iou(rect) + 1.0 - distance / reach + size)
    }

    fn follow(&mut self, pts_ns: u64, seen: Detection) {
        self.motion.update(&self.seen.rect, &seen.rect, pts_ns.saturating_sub(self.seen_ns));
        (self.seen, self.seen_ns, self.hidden) = (seen, pts_ns, false);
    }

    fn face(&self, pts_ns: u64, detected: bool) -> Option<Face> {
        let Detection { rect: from, points, score, quality } = self.seen;
        let rect = self.motion.predict(&from, pts_ns.saturating_sub(self.seen_ns));
        let points = motion::shift(&points, rect.x - from.x, rect.y - from.y);
        Some(Face { track: self.id?, rect, points, score, quality, detected, ..Face::default() })
    }
}

fn is_box(rect: &Rect) -> bool {
    let Rect { x, y, w, h } = *rect;
    [x, y, w, h].iter().all(|value| value.is_finite()) && w > 0.0 && h > 0.0
}
