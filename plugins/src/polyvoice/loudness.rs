// SPDX-License-Identifier: Apache-2.0
//! Loudness by EBU R 128 and silence, of interleaved frames.

use std::collections::VecDeque;

use ebur128::{Channel, EbuR128, Mode};
use gst_audio::{AudioChannelPosition as Position, AudioInfo};
use polygraph_core::results::Loudness;

/// EBU Tech 3341 asks for 10 values a second: a block of sound is this long, in milliseconds.
const BLOCK_MS: u32 = 100;
/// Blocks of the momentary measure, 400 ms.
const MOMENTARY: usize = 4;
/// Blocks of the short-term measure, 3 s.
const SHORT_TERM: usize = 30;
/// ITU-R BS.1770-4: loudness = OFFSET + 10 log10 of the weighted energy.
const OFFSET: f64 = -0.691;

/// The longest hole that is worth counting: short-term loudness looks back no further.
const LONGEST_HOLE_S: u32 = 3;

/// Under it nothing is measured (ITU-R BS.1770-4, absolute gate).
const GATE_LUFS: f64 = -70.0;

/// The meter of a stream.
pub(super) struct Meter {
    ebu: EbuR128,
    channels: usize,
    rate: u32,
    /// Frames of the block that has begun.
    begun: usize,
    /// Weighted energy of the last [`SHORT_TERM`] blocks. The library would sum all of 3 s again for each value.
    blocks: VecDeque<f64>,
    values: Loudness,
    quiet_frames: u64,
    /// True peaks are measured.
    peaks: bool,
    /// What each block had, since they were last taken: loudness, and the highest true peak.
    full: Vec<(Loudness, Option<f32>)>,
    peak: f64,
}

impl Meter {
    /// A meter for sound of this layout.
    ///
    /// `peaks`: measure true peaks as well, which takes oversampling.
    pub(super) fn new(info: &AudioInfo, peaks: bool) -> Result<Self, ebur128::Error> {
        // The histogram keeps the memory of integrated loudness constant, however long the stream.
        let mode = Mode::S | Mode::I | Mode::HISTOGRAM;
        let mode = if peaks { mode | Mode::TRUE_PEAK } else { mode };
        let mut ebu = EbuR128::new(info.channels(), info.rate(), mode)?;
        if let Some(positions) = info.positions().filter(|_| info.channels() > 2 && !info.is_unpositioned()) {
            let sides = positions.contains(&Position::SideLeft);
            ebu.set_channel_map(&positions.iter().map(|place| weight(place, sides)).collect::<Vec<_>>())?;
        }
        Ok(Self {
            ebu,
            channels: info.channels() as usize,
            rate: info.rate(),
            begun: 0,
            blocks: VecDeque::from(vec![0.0; SHORT_TERM]),
            values: Loudness::default(),
            quiet_frames: 0,
            peaks,
            full: Vec::new(),
            peak: 0.0,
        })
    }

    /// Measures frames; `quiet` is the amplitude that silence stays under.
    pub(super) fn push(&mut self, frames: &[f32], quiet: f32) -> Result<(), ebur128::Error> {
        let count = (frames.len() / self.channels) as u64;
        self.quiet_frames = if self.level(frames) < quiet { self.quiet_frames + count } else { 0 };
        let block = ((self.rate * BLOCK_MS / 1000) as usize).max(1);
        let mut rest = frames;
        while !rest.is_empty() {
            let wanted = (block - self.begun) * self.channels;
            let (now, later) = rest.split_at(wanted.min(rest.len()));
            self.ebu.add_frames_f32(now)?;
            if self.peaks {
                for channel in 0..self.channels as u32 {
                    self.peak = self.peak.max(self.ebu.prev_true_peak(channel)?);
                }
            }
            self.begun += now.len() / self.channels;
            if self.begun == block {
                self.begun = 0;
                self.renew()?;
            }
            rest = later;
        }
        Ok(())
    }

    /// A block is full.
    fn renew(&mut self) -> Result<(), ebur128::Error> {
        let loudness = self.ebu.loudness_window(BLOCK_MS)?;
        self.blocks.pop_front();
        self.blocks.push_back(10f64.powf((loudness - OFFSET) / 10.0));
        let over = |blocks: usize| {
            let energy = self.blocks.iter().rev().take(blocks).sum::<f64>() / blocks as f64;
            gated(OFFSET + 10.0 * energy.log10())
        };
        self.values = Loudness {
            momentary_lufs: over(MOMENTARY),
            short_term_lufs: over(SHORT_TERM),
            integrated_lufs: gated(self.ebu.loudness_global()?),
        };
        let peak = self.peaks.then(|| (20.0 * self.peak.max(1e-9).log10()) as f32);
        self.peak = 0.0;
        self.full.push((self.values, peak));
        Ok(())
    }

    /// Root mean square of the loudest channel.
    fn level(&self, frames: &[f32]) -> f32 {
        let mut energy = vec![0.0f32; self.channels];
        for frame in frames.chunks_exact(self.channels) {
            energy.iter_mut().zip(frame).for_each(|(energy, sample)| *energy += sample * sample);
        }
        let count = (frames.len() / self.channels).max(1) as f32;
        (energy.iter().fold(0.0f32, |most, energy| most.max(*energy)) / count).sqrt()
    }

    /// A hole in the sound: silence for the sliding measures.
    pub(super) fn hole(&mut self, frames: u64) -> Result<(), ebur128::Error> {
        let frames = frames.min(u64::from(self.rate * LONGEST_HOLE_S));
        let silence = vec![0.0; frames as usize * self.channels];
        self.push(&silence, f32::MIN_POSITIVE)
    }

    /// The blocks that became full since the last call: how many frames were pushed after the last of them, and what each had.
    pub(super) fn take_blocks(&mut self) -> (u64, Vec<(Loudness, Option<f32>)>) {
        (self.begun as u64, std::mem::take(&mut self.full))
    }

    /// The values, at most 100 ms old.
    pub(super) fn loudness(&self) -> Loudness {
        self.values
    }

    /// How long all channels have been silent, in nanoseconds.
    pub(super) fn quiet_ns(&self) -> u64 {
        self.quiet_frames * 1_000_000_000 / u64::from(self.rate)
    }
}

fn gated(lufs: f64) -> Option<f32> {
    (lufs > GATE_LUFS).then_some(lufs as f32)
}

/// The channels' places by ITU-R BS.1770-4, table 3; its weights follow from them. `sides`: the layout has side
/// speakers, so that its rear ones aren't the surrounds of 5.1.
fn weight(position: &Position, sides: bool) -> Channel {
    match position {
        Position::Mono | Position::FrontCenter => Channel::Center,
        Position::FrontLeft => Channel::Left,
        Position::FrontRight => Channel::Right,
        Position::SurroundLeft | Position::SideLeft => Channel::LeftSurround,
        Position::SurroundRight | Position::SideRight => Channel::RightSurround,
        Position::RearLeft => {
            if sides {
                Channel::Mp135
            } else {
                Channel::LeftSurround
            }
        }
        Position::RearRight => {
            if sides {
                Channel::Mm135
            } else {
                Channel::RightSurround
            }
        }
        Position::FrontLeftOfCenter => Channel::MpSC,
        Position::FrontRightOfCenter => Channel::MmSC,
        Position::WideLeft => Channel::Mp060,
        Position::WideRight => Channel::Mm060,
        Position::RearCenter => Channel::Mp180,
        Position::TopFrontLeft => Channel::Up045,
        Position::TopFrontRight => Channel::Um045,
        Position::TopFrontCenter => Channel::Up000,
        Position::TopSideLeft => Channel::Up090,
        Position::TopSideRight => Channel::Um090,
        _ => Channel::Unused,
    }
}

/// Which channels carry sound that a listener would call the programme: all but the low-frequency effects.
pub(super) fn heard(info: &AudioInfo) -> Vec<bool> {
    let all = vec![true; info.channels() as usize];
    let Some(positions) = info.positions().filter(|_| !info.is_unpositioned()) else { return all };
    let heard: Vec<bool> = positions.iter().map(|place| !matches!(place, Position::Lfe1 | Position::Lfe2)).collect();
    if heard.contains(&true) { heard } else { all }
}
