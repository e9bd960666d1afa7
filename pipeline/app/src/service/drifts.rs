// SPDX-License-Identifier: Apache-2.0
//! How far the scores of each stream lie from those that its networks were calibrated on.

use std::collections::BTreeMap;
use std::sync::Mutex;

use polygraph_core::drift::Drift;
use polygraph_core::record::Frame;
use polygraph_models::card::Task;
use polygraph_models::cards;
use prometheus::GaugeVec;

use crate::sync::lock;

/// The networks whose scores are watched.
const WATCHED: [Task; 3] = [Task::FaceForensics, Task::LipSync, Task::VoiceForensics];

/// Those of all streams.
pub struct Drifts {
    gauge: GaugeVec,
    /// Networks whose cards say what they say of genuine clips.
    networks: Vec<(Task, &'static str, Drift)>,
    /// By stream, as `networks`.
    streams: Mutex<BTreeMap<String, Vec<Drift>>>,
}

impl Drifts {
    /// Told by a gauge of stream and network.
    pub fn new(gauge: GaugeVec) -> Self {
        let typical = |task| {
            let mut its = cards().iter().filter(move |card| card.task == task);
            its.find_map(|card| {
                let typical = card.typical.as_ref()?;
                Some((task, card.name.as_str(), Drift::new(typical.logit, typical.deviation)))
            })
        };
        let networks = WATCHED.into_iter().filter_map(typical).collect();
        Self { gauge, networks, streams: Mutex::default() }
    }

    /// Takes what a frame's networks told.
    pub fn take(&self, stream: &str, frame: &Frame) {
        let mut streams = lock(&self.streams);
        if !streams.contains_key(stream) {
            streams.insert(stream.to_owned(), self.networks.iter().map(|(_, _, drift)| drift.clone()).collect());
        }
        let Some(drifts) = streams.get_mut(stream) else { return };
        for ((task, network, _), drift) in self.networks.iter().zip(drifts) {
            scores(frame, *task, |score| drift.push(f64::from(score)));
            // No number while there are few: no alert compares with that.
            self.gauge.with_label_values(&[stream, network]).set(drift.deviations().unwrap_or(f64::NAN));
        }
    }

    /// A stream was removed.
    pub fn forget(&self, stream: &str) {
        lock(&self.streams).remove(stream);
        for (_, network, _) in &self.networks {
            // One that never had scores enough is no error.
            let _ = self.gauge.remove_label_values(&[stream, network]);
        }
    }
}

/// Passes on what a frame says that a network told.
fn scores(frame: &Frame, task: Task, pass: impl FnMut(f32)) {
    match task {
        Task::FaceForensics => frame.faces.iter().filter_map(|face| face.manipulation?.p).for_each(pass),
        Task::LipSync => frame.faces.iter().filter_map(|face| face.lip_sync?.mismatch_p).for_each(pass),
        Task::VoiceForensics => frame.audio.and_then(|audio| audio.synthetic?.p).into_iter().for_each(pass),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use polygraph_core::results::{Face, Manipulation};
    use prometheus::Opts;
    use prometheus::core::Collector;

    fn told(drifts: &Drifts) -> Vec<(String, f64)> {
        let families = drifts.gauge.collect();
        let told = families.iter().flat_map(|family| family.get_metric());
        told.map(|metric| (metric.get_label()[0].value().to_owned(), metric.get_gauge().get_value())).collect()
    }

    #[test]
    fn a_stream_full_of_suspicious_faces_has_drifted_and_a_removed_one_is_forgotten() {
        let drifts = Drifts::new(GaugeVec::new(Opts::new("drift", "drift"), &["stream", "network"]).unwrap());
        let face =
            Face { manipulation: Some(Manipulation { p: Some(0.999), ..Default::default() }), ..Default::default() };
        let frame = Frame { faces: vec![face], ..Frame::default() };
        drifts.take("a", &frame);
        let of_faces = |told: Vec<(String, f64)>| told.into_iter().find(|(network, _)| network == "face-forensics");
        assert!(of_faces(told(&drifts)).unwrap().1.is_nan(), "one score says nothing");
        (0..1000).for_each(|_| drifts.take("a", &frame));
        assert!(of_faces(told(&drifts)).unwrap().1 > 3.0);
        drifts.forget("a");
        assert!(told(&drifts).is_empty());
    }
}
