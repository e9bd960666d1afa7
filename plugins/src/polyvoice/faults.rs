// SPDX-License-Identifier: Apache-2.0
//! Measures what faults of the sound are found by: blocks of 20 ms, and loudness each 100 ms.

use polygraph_core::fault::{BLOCK_MS, Block, Edge, FaultKind, Faults, LoudnessSeen, SoundFaults};

use crate::faults::FaultSettings;

/// Samples in a row at full scale that are clipped; fewer are a peak that just reaches it.
const RUN: u32 = 3;

/// The measures of a stream of sound.
pub(super) struct Ear {
    faults: SoundFaults,
    channels: usize,
    rate: u32,
    /// Amplitude from which on a sample is at full scale.
    full: f32,
    /// Frames of a block.
    length: u64,
    /// PTS of the first frame since the last restart, and frames since.
    origin_ns: u64,
    frames: u64,
    block: Sums,
    /// Samples in a row at full scale, by channel.
    runs: Vec<u32>,
}

/// Sums over a block.
#[derive(Clone, Debug, Default)]
struct Sums {
    energy: Vec<f32>,
    both: f32,
    clipped: u32,
}

impl Ear {
    /// For sound of so many channels; `None` when no fault of it is looked for.
    pub(super) fn new(settings: &FaultSettings, channels: usize, rate: u32) -> Option<Self> {
        let faults: Faults = settings.faults.kinds().filter(|kind| FaultKind::SOUND.contains(kind)).collect();
        if faults.is_empty() {
            return None;
        }
        let limits = settings.limits;
        Some(Self {
            full: 10f64.powf(limits.clipping_dbfs / 20.0) as f32,
            faults: SoundFaults::new(faults, limits),
            channels,
            rate,
            length: u64::from((rate * BLOCK_MS / 1000).max(1)),
            origin_ns: 0,
            frames: 0,
            block: Sums { energy: vec![0.0; channels], ..Sums::default() },
            runs: vec![0; channels],
        })
    }

    /// Whether true peaks have to be measured for it.
    pub(super) fn wants_peaks(&self) -> bool {
        self.faults.faults().has(FaultKind::TruePeak)
    }

    /// Starts at a PTS, after a hole or at the beginning: says what has ended.
    pub(super) fn restart(&mut self, pts_ns: u64) -> Vec<Edge> {
        (self.origin_ns, self.frames) = (pts_ns, 0);
        self.clear();
        self.runs.fill(0);
        self.faults.restart()
    }

    /// The end: says what has ended.
    pub(super) fn end(&mut self) -> Vec<Edge> {
        self.faults.restart()
    }

    /// PTS of a frame, counted from the last restart.
    pub(super) fn at(&self, frame: u64) -> u64 {
        self.origin_ns + frame * 1_000_000_000 / u64::from(self.rate)
    }

    /// Takes interleaved frames that follow those before.
    pub(super) fn push(&mut self, frames: &[f32]) -> Vec<Edge> {
        let mut edges = Vec::new();
        for frame in frames.chunks_exact(self.channels) {
            self.sum(frame);
            self.frames += 1;
            if self.frames.is_multiple_of(self.length) {
                let block = self.full_block();
                edges.extend(self.faults.block(&block));
            }
        }
        edges
    }

    fn sum(&mut self, frame: &[f32]) {
        for ((sample, energy), run) in frame.iter().zip(&mut self.block.energy).zip(&mut self.runs) {
            *energy += sample * sample;
            *run = if sample.abs() >= self.full { *run + 1 } else { 0 };
            if *run >= RUN {
                // The first of a row were not known to be of it.
                self.block.clipped += if *run == RUN { RUN } else { 1 };
            }
        }
        if let [left, right] = frame {
            self.block.both += left * right;
        }
    }

    fn full_block(&mut self) -> Block {
        let energy = self.block.energy.iter().fold(0.0f32, |most, energy| most.max(*energy));
        let stereo = match self.block.energy[..] {
            [left, right] => Some([left, right, self.block.both]),
            _ => None,
        };
        let block = Block {
            pts: (self.at(self.frames - self.length), self.at(self.frames)),
            rms: (energy / self.length as f32).sqrt(),
            clipped: self.block.clipped,
            stereo,
        };
        self.clear();
        block
    }

    fn clear(&mut self) {
        self.block.energy.fill(0.0);
        (self.block.both, self.block.clipped) = (0.0, 0);
    }

    /// Where 100 ms lie that ended `since` frames ago, or so many times 100 ms before.
    pub(super) fn hundredth(&self, since: u64, before: u64) -> (u64, u64) {
        let block = u64::from((self.rate / 10).max(1));
        let end = self.frames.saturating_sub(since + before * block);
        (self.at(end.saturating_sub(block)), self.at(end))
    }

    /// Takes the loudness of 100 ms that ended with a frame, counted from the last restart.
    pub(super) fn loudness(&mut self, seen: &LoudnessSeen) -> Vec<Edge> {
        self.faults.loudness(seen)
    }
}
