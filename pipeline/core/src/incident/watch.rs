// SPDX-License-Identifier: Apache-2.0
//! One face track, or the voice that is no face's, and its incidents of each kind.

use std::collections::VecDeque;

use super::{Level, Life, Options, Seen, Teller};
use crate::fusion::{self, Signals};
use crate::record::{Incident, IncidentKind, Severity};
use crate::results::{FusedVerdict, Part, Parts};

/// Moments of the past that are remembered at most, for spikes; the oldest makes room. A second of every picture has fewer.
const MAX_PAST: usize = 128;

#[derive(Clone, Debug, Default)]
pub(super) struct Watch {
    /// Made at the first step, which knows the options.
    lives: Option<Lives>,
    /// The parts' probabilities of the last moments.
    past: VecDeque<(u64, Parts)>,
    /// The least probability of each part that counted in the threshold incident that is open.
    least: Parts,
    known_ns: u64,
}

#[derive(Clone, Debug)]
struct Lives {
    threshold: Life,
    spike: Life,
    sustained: Life,
}

impl Lives {
    fn new(options: &Options) -> Self {
        Self {
            threshold: Life::new(IncidentKind::Threshold, options.confirm_ns),
            spike: Life::new(IncidentKind::Spike, 0),
            sustained: Life::new(IncidentKind::Sustained, 0),
        }
    }
}

impl Watch {
    /// When anything was known last.
    pub(super) fn known_ns(&self) -> u64 {
        self.known_ns
    }

    /// Nothing is open, and nothing has been known for long.
    pub(super) fn is_over(&self, pts_ns: u64, options: &Options) -> bool {
        let idle = |lives: &Lives| [&lives.threshold, &lives.spike, &lives.sustained].into_iter().all(Life::is_idle);
        pts_ns - self.known_ns >= options.lost_ns && self.lives.as_ref().is_none_or(idle)
    }

    pub(super) fn step(&mut self, pts_ns: u64, signals: &Signals, teller: &mut Teller<'_>, told: &mut Vec<Incident>) {
        let options = teller.options;
        let fused = fusion::fuse(signals, &options.fusion);
        if !fused.parts.is_empty() || self.lives.is_none() {
            self.known_ns = pts_ns;
        }
        let found = fused.verdict == FusedVerdict::Manipulated;
        let level = self.level(signals, found, options);
        let severity = if signals.with_signs().count() > 1 { Severity::High } else { Severity::Medium };
        let leading = signals.with_signs().max_by(|a, b| p_of(signals, *a).total_cmp(&p_of(signals, *b)));
        let leading = leading.or(fused.contributions.greatest());
        let seen = Seen { pts_ns, p: fused.p, parts: fused.parts, leading, severity };
        let risen = self.risen(pts_ns, &fused.parts, options);
        let lives = self.lives.get_or_insert_with(|| Lives::new(options));

        told.extend(lives.threshold.step(level, &seen, teller, &message));
        let level = match lives.threshold.since_ns() {
            None => {
                told.extend(lives.sustained.close(pts_ns, &message));
                Level::Below
            }
            Some(since_ns) if pts_ns - since_ns < options.sustained_ns => Level::Below,
            Some(_) => level,
        };
        let lasting = Seen { severity: Severity::High, ..seen.clone() };
        told.extend(lives.sustained.step(level, &lasting, teller, &message));
        let (level, leading) = risen;
        let rise = Seen { severity: Severity::Low, leading, ..seen };
        told.extend(lives.spike.step(level, &rise, teller, &message));
        if lives.threshold.is_idle() {
            self.least = Parts::default();
        }
    }

    pub(super) fn close(&mut self, pts_ns: u64, told: &mut Vec<Incident>) {
        let Some(lives) = &mut self.lives else { return };
        told.extend(lives.sustained.close(pts_ns, &message));
        told.extend(lives.threshold.close(pts_ns, &message));
        told.extend(lives.spike.close(pts_ns, &message));
    }

    /// How the signs stand, with hysteresis around the least probability that counted.
    fn level(&mut self, signals: &Signals, found: bool, options: &Options) -> Level {
        let parts = signals.parts();
        if found {
            let strongest = parts.greatest();
            for part in Part::ALL {
                let Some(p) = parts.get(part) else { continue };
                let counts = signals.get(part).is_some_and(|signal| signal.signs) || strongest == Some(part);
                if counts {
                    self.least.set(part, Some(self.least.get(part).map_or(p, |least| least.min(p))));
                }
            }
            return Level::Above;
        }
        let near = |part: Part| Some(parts.get(part)? >= self.least.get(part)? - options.release);
        if parts.is_empty() {
            Level::Unknown
        } else if Part::ALL.into_iter().any(|part| near(part) == Some(true)) {
            Level::Between
        } else {
            Level::Below
        }
    }

    /// Whether a part's probability has risen, and which has most.
    fn risen(&mut self, pts_ns: u64, parts: &Parts, options: &Options) -> (Level, Option<Part>) {
        self.past.retain(|(then_ns, _)| *then_ns + options.rise_ns >= pts_ns);
        let rise = |part: Part| {
            let now = parts.get(part)?;
            let then = self.past.iter().filter_map(|(_, then)| then.get(part)).reduce(f32::min).unwrap_or(now);
            Some((part, now, now - then))
        };
        let most = Part::ALL.into_iter().filter_map(rise).max_by(|a, b| a.2.total_cmp(&b.2));
        if self.past.len() >= MAX_PAST {
            self.past.pop_front();
        }
        self.past.push_back((pts_ns, *parts));
        match most {
            None => (Level::Unknown, None),
            Some((part, now, rise)) if rise >= options.rise && now >= options.rise_to => (Level::Above, Some(part)),
            Some((part, _, rise)) if rise >= options.rise / 2.0 => (Level::Between, Some(part)),
            Some((part, ..)) => (Level::Below, Some(part)),
        }
    }
}

fn p_of(signals: &Signals, part: Part) -> f32 {
    signals.get(part).map_or(0.0, |signal| signal.p)
}

/// One line for people.
fn message(incident: &Incident) -> String {
    let lead = match incident.kind {
        IncidentKind::Threshold | IncidentKind::Fault => "signs of manipulation found",
        IncidentKind::Spike => "signs of manipulation rose suddenly",
        IncidentKind::Sustained => "lasting signs of manipulation found",
    };
    let whose = incident.track.map_or_else(|| "a voice".to_owned(), |track| format!("face {track}"));
    let most = incident.leading.map(|part| format!(", most of all in {}", part.in_words())).unwrap_or_default();
    let p = incident.p.map(|p| format!(" (p {p:.2})")).unwrap_or_default();
    format!("{lead}: {whose}{most}{p}")
}
