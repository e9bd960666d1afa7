// SPDX-License-Identifier: Apache-2.0
//! Which pictures the detector looks at.

use crate::lateness::FLOOR_NS;

/// Slots of a fixed rate on the axis of PTS; the first picture at or behind a slot is looked at.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Schedule {
    /// 0: every picture.
    interval_ns: u64,
    next_ns: Option<u64>,
    looked_ns: Option<u64>,
}

impl Schedule {
    /// A look each `1 / fps` seconds; 0 is a look at every picture.
    pub fn set_rate(&mut self, fps: f64) {
        let interval_ns = if fps > 0.0 { (1e9 / fps) as u64 } else { 0 };
        if interval_ns != self.interval_ns {
            *self = Self { interval_ns, ..Self::default() };
        }
    }

    /// Time from look to look.
    pub fn interval_ns(&self) -> u64 {
        self.interval_ns
    }

    /// Starts anew: the next picture is looked at.
    pub fn restart(&mut self) {
        *self = Self { interval_ns: self.interval_ns, ..Self::default() };
    }

    /// Whether a look at the picture at `pts_ns` is due. Slots have a twentieth of tolerance, since the PTS of 30
    /// pictures a second are rounded.
    pub fn due(&self, pts_ns: u64) -> bool {
        self.next_ns.is_none_or(|next| pts_ns.saturating_add(self.interval_ns / 20) >= next)
    }

    /// Whether the floor asks for a look, whatever the load.
    pub fn starving(&self, pts_ns: u64) -> bool {
        self.looked_ns.is_none_or(|looked| pts_ns.saturating_sub(looked) >= FLOOR_NS)
    }

    /// Notes a look at `pts_ns`. One that wasn't due, after a cut, takes the place of the next, so that the rate is
    /// kept.
    pub fn looked(&mut self, pts_ns: u64) {
        self.looked_ns = Some(pts_ns);
        let Some(next) = self.next_ns.filter(|_| self.interval_ns > 0) else {
            self.next_ns = Some(pts_ns.saturating_add(self.interval_ns));
            return;
        };
        // The first slot behind the picture; before its slot, the one after that.
        let after = pts_ns.saturating_add(self.interval_ns / 20);
        let behind = if after < next { 1 } else { (after - next) / self.interval_ns + 1 };
        let slot = next.saturating_add(behind.saturating_mul(self.interval_ns));
        // Many cuts don't push the next look out of sight.
        self.next_ns = Some(slot.min(pts_ns.saturating_add(2 * self.interval_ns)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    fn looks(fps: f64, pts: impl IntoIterator<Item = u64>) -> Vec<u64> {
        let mut schedule = Schedule::default();
        schedule.set_rate(fps);
        pts.into_iter().filter(|pts| schedule.due(*pts).then(|| schedule.looked(*pts)).is_some()).collect()
    }

    #[test]
    fn five_a_second_of_any_rate() {
        let at_25 = looks(5.0, (0..100).map(|n| n * 40 * MS));
        assert_eq!(at_25, (0..20).map(|n| n * 200 * MS).collect::<Vec<_>>());
        let at_30 = looks(5.0, (0..300).map(|n| n * 1_000_000_000 / 30));
        assert_eq!(at_30, (0..50).map(|n| n * 6_000_000_000 / 30).collect::<Vec<_>>());
        let ntsc = looks(5.0, (0..3000).map(|n| n * 1_001_000_000 / 30));
        assert!((500..=501).contains(&ntsc.len()), "100 s have {} looks", ntsc.len());
    }

    #[test]
    fn zero_is_every_picture() {
        assert_eq!(looks(0.0, (0..50).map(|n| n * 40 * MS)).len(), 50);
    }

    #[test]
    fn a_varying_rate_keeps_to_the_slots() {
        let pts = [0, 190, 191, 350, 399, 1_000, 1_001, 1_190, 1_201, 5_000, 5_100, 5_200];
        let want = [0, 190, 399, 1_000, 1_190, 5_000, 5_200];
        assert_eq!(looks(5.0, pts.map(|ms| ms * MS)), want.map(|ms| ms * MS));
    }

    #[test]
    fn a_look_after_a_cut_takes_the_place_of_the_next() {
        let mut schedule = Schedule::default();
        schedule.set_rate(5.0);
        schedule.looked(0);
        schedule.looked(120 * MS);
        assert!(!schedule.due(200 * MS) && schedule.due(400 * MS));
        for ms in (130..400).step_by(10) {
            schedule.looked(ms * MS);
        }
        assert!(schedule.due(800 * MS), "many cuts push the next look out of sight");
    }

    #[test]
    fn one_look_a_second_is_owed() {
        let mut schedule = Schedule::default();
        schedule.set_rate(5.0);
        assert!(schedule.starving(0));
        schedule.looked(0);
        assert!(!schedule.starving(999 * MS) && schedule.starving(1_000 * MS));
    }
}
