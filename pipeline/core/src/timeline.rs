// SPDX-License-Identifier: Apache-2.0
//! Where pictures and sound meet: a pure join by running time.
//!
//! [`Join`] is told what arrives on either side and what time it is, and is asked what may leave. It holds
//! results only, never pictures or sound, and every queue in it has an end. It knows no threads: the element
//! `polylips` puts one around it, and the tests drive it by hand.
//!
//! Three kinds of time meet here. *Running time* says what belongs together, *stream time* is what records
//! carry, and *now* is any clock that only goes forward: it decides how long to wait, and nothing else.

mod found;
mod side;
mod sound;

use std::collections::VecDeque;

use self::found::Found;
use crate::accounting::Accounting;
use crate::record::{Frame, Missing, PictureSize, Record};
use crate::results::{AudioResults, VideoResults};

pub use side::Side;
use side::State;
use sound::Sounds;

/// How long one look at a blocked queue may last, whatever else is known.
const SLICE_NS: u64 = 200_000_000;

/// What a picture waits for. The words follow NNStreamer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SyncPolicy {
    /// The sound that covers the picture, until the wait is over.
    Slowest,
    /// Nothing: the picture leads and takes the sound within the tolerance that is there already.
    BasePad,
    /// Nothing: the picture takes the latest sound, whatever its time.
    Refresh,
}

/// How a [`Join`] behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// What a picture waits for.
    pub policy: SyncPolicy,
    /// How far from a picture the sound may lie that is taken for it.
    pub tolerance_ns: u64,
    /// Not live: how much of the sound after a picture has to be there before it leaves, at least. Whoever compares a
    /// picture with later sound would else find more of it or less, by which thread came first.
    pub ahead_ns: u64,
    /// Live: how long a picture waits for its sound, from its arrival.
    pub max_wait_ns: u64,
    /// Not live: how long nothing may arrive before pictures leave without their sound.
    pub stall_ns: u64,
    /// Not live: how far pictures may run ahead of the sound before they are held back.
    pub max_lead_ns: u64,
    /// Results kept on each side.
    pub max_queue: usize,
    /// The source goes on by itself: nothing is ever held back, the oldest goes when there is no room.
    pub live: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            policy: SyncPolicy::Slowest,
            tolerance_ns: 40_000_000,
            ahead_ns: 0,
            max_wait_ns: 500_000_000,
            stall_ns: 10_000_000_000,
            max_lead_ns: 30_000_000_000,
            max_queue: 1024,
            live: false,
        }
    }
}

/// One picture's results; their times are stream time already.
#[derive(Clone, Debug)]
pub struct Picture {
    /// Running time of the picture.
    pub running_ns: u64,
    /// Stream time of the picture.
    pub stream_ns: u64,
    /// How large it is, where that is known.
    pub size: Option<PictureSize>,
    /// What was found.
    pub results: VideoResults,
}

/// What leaves the join.
#[derive(Clone, Debug, PartialEq)]
pub struct Output {
    /// Running time of the picture that the record is about.
    pub running_ns: u64,
    /// The record.
    pub record: Record,
}

/// A picture that has not left yet.
#[derive(Debug)]
struct Waiting {
    running_ns: u64,
    stream_ns: u64,
    arrived_ns: u64,
    size: Option<PictureSize>,
    /// What the frame's record says.
    found: Found,
}

/// What is told beside the pictures and has not left yet.
#[derive(Debug)]
struct Told {
    /// Running time at which it was known.
    known_ns: u64,
    output: Output,
}

/// What may wait to be told: far more than there is in any stream.
const MOST_TOLD: usize = 1024;

/// The join of one stream's pictures with its sound.
///
/// Records come out in the order of their pictures. Each picture that comes in is counted once, in
/// [`Join::pictures`]; each buffer of sound, in [`Join::sounds`].
#[derive(Debug)]
pub struct Join {
    settings: Settings,
    video: State,
    audio: State,
    waiting: VecDeque<Waiting>,
    told: VecDeque<Told>,
    sound: Sounds,
    pictures: Accounting,
    /// Faces are looked for in this stream.
    searched: bool,
}

impl Join {
    /// A join with neither side linked.
    pub fn new(settings: Settings) -> Self {
        Self {
            settings,
            video: State::default(),
            audio: State::default(),
            waiting: VecDeque::new(),
            told: VecDeque::new(),
            sound: Sounds::default(),
            pictures: Accounting::default(),
            searched: false,
        }
    }

    /// Changes the settings; what already waits obeys the new ones.
    pub fn configure(&mut self, settings: Settings) {
        self.settings = settings;
    }

    /// The settings.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Somebody will bring this side's data.
    pub fn link(&mut self, side: Side, now: u64) {
        self.side_mut(side).link(now);
    }

    /// Nobody brings this side's data any more; what is here stays.
    pub fn unlink(&mut self, side: Side) {
        self.side_mut(side).unlink();
    }

    /// The source has this side, or may have it, and may link it soon: it is waited for that long, from when the
    /// other side first has something.
    pub fn expect(&mut self, side: Side, wait_ns: u64) {
        self.side_mut(side).expect(wait_ns);
    }

    /// A new stream begins on a side: what ended before goes on.
    pub fn begin(&mut self, side: Side) {
        self.side_mut(side).ended = false;
    }

    /// Takes a picture's results.
    ///
    /// Call it when [`Join::blocked_until`] is `None`: otherwise the oldest waiting picture is dropped.
    pub fn video(&mut self, picture: Picture, now: u64) {
        if self.video.position.is_some_and(|last| picture.running_ns < last) {
            self.pictures.skipped("disorder");
            return;
        }
        self.moved(Side::Video, picture.running_ns, now);
        let Picture { running_ns, stream_ns, size, results } = picture;
        let VideoResults { faces, scene, safety, text, .. } = &results;
        let known = faces.is_some() || scene.is_some() || safety.is_some() || text.is_some();
        // A picture without a face between two looks carries nothing of faces.
        self.searched |= results.faces.is_some();
        let Some(found) = Found::of(results, self.searched) else {
            self.pictures.skipped(if known { "not-analysed" } else { "no-results" });
            self.forget();
            return;
        };
        if self.waiting.len() >= self.settings.max_queue {
            self.waiting.pop_front();
            self.pictures.skipped("queue");
        }
        self.waiting.push_back(Waiting { running_ns, stream_ns, arrived_ns: now, size, found });
        self.forget();
    }

    /// Takes a record that is told beside the pictures: a shot boundary, an incident. It leaves when all that was known
    /// before it has left, so that the order is the same in every run of a file, whichever thread came first.
    pub fn tell(&mut self, known_ns: u64, output: Output) {
        // Of one moment, whichever side brings it first: boundaries, then incidents by their names.
        let rank = |record: &Record| match record {
            Record::Incident(incident) => (1, incident.rule.clone()),
            _ => (0, String::new()),
        };
        let own = (known_ns, rank(&output.record));
        let at = self.told.partition_point(|told| (told.known_ns, rank(&told.output.record)) <= own);
        self.told.insert(at, Told { known_ns, output });
    }

    /// Whether anything waits to be told.
    pub fn has_told(&self) -> bool {
        !self.told.is_empty()
    }

    /// The next that may be told.
    fn pop_told(&mut self) -> Option<Output> {
        let known_ns = self.told.front()?.known_ns;
        // Once a side is past that moment, it has nothing more to tell of it.
        let passed = |side: &State| !side.is_open() || side.stalled || side.position.is_some_and(|at| at > known_ns);
        let in_turn = self.waiting.front().is_none_or(|head| head.running_ns >= known_ns);
        // Pictures that are held back can't get past anything.
        let held = self.waiting.len() >= self.settings.max_queue;
        let due = self.settings.live || (in_turn && (held || (passed(&self.video) && passed(&self.audio))));
        (due || self.told.len() > MOST_TOLD).then(|| self.told.pop_front().map(|told| told.output)).flatten()
    }

    /// Takes the results of a buffer of sound; all times in them are running time.
    ///
    /// Call it when [`Join::blocked_until`] is `None`: otherwise the oldest results of sound are dropped.
    pub fn audio(&mut self, results: AudioResults, now: u64) {
        let end_ns = results.pts.end_ns.max(results.pts.start_ns);
        self.moved(Side::Audio, end_ns, now);
        self.sound.push(results, self.settings.max_queue, self.video.is_open());
        self.forget();
    }

    /// A gap: a side goes on without data until `until_ns` of running time.
    pub fn advance(&mut self, side: Side, until_ns: u64, now: u64) {
        self.moved(side, until_ns, now);
        self.forget();
    }

    /// A buffer that cannot be joined, with the reason why.
    pub fn refuse(&mut self, side: Side, reason: &str, now: u64) {
        match side {
            Side::Video => self.pictures.skipped(reason),
            Side::Audio => self.sound.accounts.skipped(reason),
        }
        self.side_mut(side).touched(now);
    }

    /// A side comes to its end.
    pub fn end(&mut self, side: Side, now: u64) {
        self.side_mut(side).end(now);
        self.other_mut(side).awaited(now);
        self.forget();
    }

    /// Forgets what a side brought, as after a seek.
    pub fn flush(&mut self, side: Side, now: u64) {
        self.told.clear();
        match side {
            Side::Video => {
                for _ in self.waiting.drain(..) {
                    self.pictures.skipped("flush");
                }
            }
            Side::Audio => self.sound.flush(),
        }
        self.side_mut(side).flush(now);
    }

    /// Whether a side has to wait with its next data, and until when at the longest before it asks again.
    ///
    /// Something may change earlier: look again after each [`Join::pop`] and each input of the other side.
    /// Live sides never wait.
    pub fn blocked_until(&mut self, side: Side, now: u64) -> Option<u64> {
        if self.settings.live {
            return None;
        }
        self.expire(now);
        match side {
            Side::Video => {
                let (first, last) = (self.waiting.front()?, self.waiting.back()?);
                let lead = last.running_ns - first.running_ns;
                let full = self.waiting.len() >= self.settings.max_queue || lead >= self.settings.max_lead_ns;
                full.then_some(now + SLICE_NS)
            }
            Side::Audio if self.sound.len() < self.settings.max_queue => None,
            Side::Audio => match self.waiting.front() {
                Some(_) if self.head_may_leave() => Some(now + SLICE_NS),
                Some(_) => None,
                None if self.video.is_open() && !self.video.stalled => Some(now + SLICE_NS),
                None => None,
            },
        }
    }

    /// The next record that may leave, if any.
    pub fn pop(&mut self, now: u64) -> Option<Output> {
        self.expire(now);
        if let Some(output) = self.pop_told() {
            return Some(output);
        }
        let head = self.waiting.front()?;
        if !self.settings.live && self.told.front().is_some_and(|told| told.known_ns <= head.running_ns) {
            return None;
        }
        let late = self.settings.live && now >= head.arrived_ns.saturating_add(self.settings.max_wait_ns);
        if !late && !self.head_may_leave() {
            return None;
        }
        let head = self.waiting.pop_front()?;
        let frame = Frame { picture: head.size, ..self.join(head.running_ns, head.stream_ns, head.found) };
        self.forget();
        Some(Output { running_ns: head.running_ns, record: Record::Frame(frame) })
    }

    /// Time went by in which nothing could leave, because nobody took it: no side is to blame.
    pub fn resumed(&mut self, now: u64) {
        self.video.progress_ns = self.video.progress_ns.max(now);
        self.audio.progress_ns = self.audio.progress_ns.max(now);
    }

    /// When to call [`Join::pop`] again even if nothing arrives.
    pub fn next_deadline(&self) -> Option<u64> {
        let promised = [self.video.expires(), self.audio.expires()];
        let head = self.waiting.front().and_then(|head| {
            if self.settings.live {
                Some(head.arrived_ns.saturating_add(self.settings.max_wait_ns))
            } else {
                self.audio.is_open().then(|| self.stalls_at())
            }
        });
        promised.into_iter().flatten().chain(head).min()
    }

    /// Whether all has been said: each linked side has ended, none is promised, nothing waits.
    pub fn finished(&self) -> bool {
        let sides = [&self.video, &self.audio];
        self.waiting.is_empty()
            && self.told.is_empty()
            && sides.iter().any(|side| side.is_linked())
            && sides.iter().all(|side| !side.is_open())
    }

    /// What became of the pictures: `analysed` ones made a frame record, `late` ones did so without their sound.
    pub fn pictures(&self) -> &Accounting {
        &self.pictures
    }

    /// What became of the sound's results: `analysed` ones were there for the pictures of their time.
    pub fn sounds(&self) -> &Accounting {
        &self.sound.accounts
    }

    /// Whether nothing more will come of a side that was there, or nothing is waited for any more.
    pub fn is_over(&self, side: Side) -> bool {
        let state = match side {
            Side::Video => &self.video,
            Side::Audio => &self.audio,
        };
        !state.is_open() || state.stalled
    }

    /// How many results a side has in its queue.
    pub fn queued(&self, side: Side) -> usize {
        match side {
            Side::Video => self.waiting.len(),
            Side::Audio => self.sound.len(),
        }
    }

    /// Makes the frame record of a picture from the sound that is here.
    fn join(&mut self, running_ns: u64, stream_ns: u64, found: Found) -> Frame {
        let Found { faces, scene, safety, screen_text, mut networks } = found;
        let (audio, missing) = match self.listen(running_ns) {
            Ok(heard) => {
                networks.extend(heard.networks);
                (Some(heard.state), Vec::new())
            }
            Err(missing) => (None, vec![missing]),
        };
        if missing.contains(&Missing::AudioLate) {
            self.pictures.late()
        } else {
            self.pictures.analysed()
        }
        Frame { pts_ns: stream_ns, faces, scene, safety, screen_text, audio, missing, networks, ..Frame::default() }
    }

    /// The sound at a running time, or why there is none.
    fn listen(&self, running_ns: u64) -> Result<sound::Heard, Missing> {
        let heard = match self.settings.policy {
            SyncPolicy::Refresh if self.audio.is_open() => self.sound.latest(),
            SyncPolicy::Refresh => None,
            SyncPolicy::Slowest | SyncPolicy::BasePad => self.sound.at(running_ns, self.settings.tolerance_ns),
        };
        heard.ok_or_else(|| {
            let passed = self.audio.position.is_some_and(|position| position > running_ns);
            match self.sound.begins_ns() {
                Some(begins) if passed && begins <= running_ns => Missing::AudioGap,
                _ if passed || !self.audio.is_open() => Missing::AudioAbsent,
                _ => Missing::AudioLate,
            }
        })
    }

    /// Whether the first waiting picture has all the sound that it can get without waiting longer.
    fn head_may_leave(&self) -> bool {
        let Some(head) = self.waiting.front() else { return false };
        let ahead_ns = if self.settings.live { 0 } else { self.settings.ahead_ns };
        let until_ns = head.running_ns.saturating_add(self.settings.tolerance_ns.max(ahead_ns).max(1));
        let covered = self.audio.position.is_some_and(|position| position >= until_ns);
        self.settings.policy != SyncPolicy::Slowest
            || covered
            || !self.audio.is_open()
            || (self.audio.stalled && !self.settings.live)
    }

    /// Not live: when the lack of any arrival becomes the other side's fault.
    fn stalls_at(&self) -> u64 {
        self.video.progress_ns.max(self.audio.progress_ns).saturating_add(self.settings.stall_ns)
    }

    /// Draws the conclusions from the time.
    fn expire(&mut self, now: u64) {
        self.video.expire(now);
        self.audio.expire(now);
        if !self.settings.live && now >= self.stalls_at() {
            self.video.stalled = true;
            self.audio.stalled = true;
        }
    }

    /// Notes that a side brought something.
    fn moved(&mut self, side: Side, position_ns: u64, now: u64) {
        self.side_mut(side).moved(position_ns, now);
        self.other_mut(side).awaited(now);
    }

    /// Lets go of the sound that no picture can ask for any more.
    fn forget(&mut self) {
        let needed = self.waiting.front().map(|head| head.running_ns).or(self.video.position);
        if let Some(needed) = needed {
            self.sound.forget(needed.saturating_sub(self.settings.tolerance_ns));
        }
        if self.video.ended && self.waiting.is_empty() {
            self.sound.abandon();
        }
    }

    fn side_mut(&mut self, side: Side) -> &mut State {
        match side {
            Side::Video => &mut self.video,
            Side::Audio => &mut self.audio,
        }
    }

    fn other_mut(&mut self, side: Side) -> &mut State {
        match side {
            Side::Video => &mut self.audio,
            Side::Audio => &mut self.video,
        }
    }
}
