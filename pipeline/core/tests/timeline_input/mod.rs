// SPDX-License-Identifier: Apache-2.0
//! Arrivals for the join's tests: made by hand, and drawn by lot.

use polygraph_core::results::{
    AudioResults, FaceResults, Loudness, NetworkRef, PtsRange, SpeechWindow, Transition, TransitionKind, VideoResults,
};
use polygraph_core::timeline::{Join, Picture, Side};
use proptest::prelude::*;

/// A millisecond in nanoseconds.
pub const MS: u64 = 1_000_000;

/// Something that arrives on a side.
#[derive(Clone, Debug)]
#[allow(clippy::large_enum_variant, reason = "there are few of them")]
pub enum Arrival {
    Picture(Picture),
    Sound(AudioResults),
    Gap(u64),
    End(Side),
}

impl Arrival {
    /// A picture that was searched for faces, at a time in milliseconds.
    pub fn face(at_ms: u64) -> Self {
        picture(at_ms, true, Some(true))
    }

    /// Sound from a time on, for a while, in milliseconds; its loudness tells its start.
    pub fn sound(at_ms: u64, for_ms: u64) -> Self {
        Self::speech(at_ms, for_ms, &[])
    }

    /// Sound with windows of speech `(start, end, p)`.
    pub fn speech(at_ms: u64, for_ms: u64, windows: &[(u64, u64, f32)]) -> Self {
        Self::Sound(AudioResults {
            pts: range(at_ms, at_ms + for_ms),
            speech: windows.iter().map(|&(start, end, p)| SpeechWindow { pts: range(start, end), p }).collect(),
            loudness: Loudness { momentary_lufs: Some(0.0 - at_ms as f32), ..Loudness::default() },
            silent: false,
            network: Some(network("speech")),
            ..AudioResults::default()
        })
    }

    /// Gives it to the join.
    pub fn bring(&self, join: &mut Join, now: u64) {
        match self {
            Self::Picture(picture) => join.video(picture.clone(), now),
            Self::Sound(results) => join.audio(results.clone(), now),
            Self::Gap(until_ms) => join.advance(Side::Audio, until_ms * MS, now),
            Self::End(side) => join.end(*side, now),
        }
    }
}

/// A network that only has a name.
pub fn network(name: &str) -> NetworkRef {
    NetworkRef { name: name.to_owned(), version: String::new(), sha256: String::new(), provider: String::new() }
}

fn range(start_ms: u64, end_ms: u64) -> PtsRange {
    PtsRange { start_ns: start_ms * MS, end_ns: end_ms * MS }
}

/// `faces`: `None` without results, else whether the detector ran.
fn picture(at_ms: u64, plain: bool, faces: Option<bool>) -> Arrival {
    let pts = range(at_ms, at_ms);
    Arrival::Picture(Picture {
        running_ns: at_ms * MS,
        stream_ns: at_ms * MS,
        size: None,
        results: VideoResults {
            transition: (!plain).then_some(Transition { kind: TransitionKind::Cut, pts, strength: 1.0 }),
            faces: faces.map(|analysed| FaceResults {
                pts,
                analysed,
                faces: Vec::new(),
                network: network("faces"),
                forensics: None,
                mouths: None,
            }),
            ..VideoResults::default()
        },
    })
}

/// Pictures at uneven distances, with and without results, and the end.
pub fn pictures() -> impl Strategy<Value = Vec<Arrival>> {
    let kind = (prop::bool::weighted(0.9), prop_oneof![1 => Just(None), 1 => Just(Some(false)), 3 => Just(Some(true))]);
    (0_u64..500, prop::collection::vec((0_u64..120, kind), 0..60)).prop_map(|(begin, steps)| {
        let mut at = begin;
        let mut arrivals: Vec<_> = steps
            .into_iter()
            .map(|(step, (plain, faces))| {
                at += step;
                picture(at, plain, faces)
            })
            .collect();
        arrivals.push(Arrival::End(Side::Video));
        arrivals
    })
}

/// Sound of uneven buffers with holes, some of them announced by a gap, windows that end in a later buffer than
/// they begin in, and the end.
pub fn sounds() -> impl Strategy<Value = Vec<Arrival>> {
    let step = (prop_oneof![9 => Just(0_u64), 1 => 0_u64..400], any::<bool>(), 1_u64..120);
    (0_u64..800, prop::collection::vec(step, 0..80)).prop_map(|(begin, steps)| {
        let (mut at, mut arrivals) = (begin, Vec::new());
        for (hole, announced, length) in steps {
            at += hole;
            if announced && hole > 0 {
                arrivals.push(Arrival::Gap(at));
            }
            let (first, last) = (at / 32, (at + length) / 32);
            let windows: Vec<_> = (first..last).map(|index| (index * 32, index * 32 + 32, index as f32)).collect();
            arrivals.push(Arrival::speech(at, length, &windows));
            at += length;
        }
        arrivals.push(Arrival::End(Side::Audio));
        arrivals
    })
}

/// How many buffers there are.
pub fn count(arrivals: &[Arrival]) -> u64 {
    arrivals.iter().filter(|arrival| matches!(arrival, Arrival::Picture(_) | Arrival::Sound(_))).count() as u64
}

/// The times of the records that pictures have to make.
pub fn expected_times(arrivals: &[Arrival]) -> Vec<u64> {
    let mut times = Vec::new();
    for arrival in arrivals {
        let Arrival::Picture(Picture { running_ns, results, .. }) = arrival else { continue };
        times.extend(results.faces.as_ref().filter(|faces| faces.analysed).map(|_| *running_ns));
    }
    times
}
