// SPDX-License-Identifier: Apache-2.0
//! Incidents from records: by hand, and by property.

#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};

use polygraph_core::event::{Epoch, Numbering, StreamId};
use polygraph_core::incident::{Incidents, Options};
use polygraph_core::record::{Frame, Incident, IncidentKind, IncidentState, Record, Severity, Shot};
use polygraph_core::results::{Face, FacePoints, Manipulation, Part, ReasonNot, TransitionKind};
use proptest::prelude::*;

const MS: u64 = 1_000_000;
/// The threshold of the network that these tests have.
const THRESHOLD: f32 = 0.8;

/// A face; without a probability it can't be judged.
fn face(track: u64, p: Option<f32>) -> Face {
    let judged = |p| Manipulation { p: Some(p), signs: Some(p >= THRESHOLD), pictures: 5, ..Manipulation::default() };
    let not = Manipulation { reason_not: Some(ReasonNot::Blurred), ..Manipulation::default() };
    Face {
        track,
        rect: [0.4, 0.3, 0.2, 0.3].into(),
        points: FacePoints::default(),
        score: 0.9,
        quality: 0.9,
        detected: true,
        manipulation: Some(p.map_or(not, judged)),
        ..Face::default()
    }
}

fn frame(at_ms: u64, faces: Vec<Face>) -> Record {
    let pts_ns = at_ms * MS;
    Record::Frame(Frame { pts_ns, faces, ..Frame::default() })
}

fn shot(at_ms: u64) -> Record {
    let at = at_ms * MS;
    Record::Shot(Shot {
        pts_ns: at,
        kind: TransitionKind::Cut,
        start_ns: at,
        end_ns: at,
        strength: 2.0,
        key_frame: None,
    })
}

/// One face at five pictures a second.
fn at_five(p: &[f32]) -> Vec<Record> {
    (0..).zip(p).map(|(n, p)| frame(n * 200, vec![face(7, Some(*p))])).collect()
}

fn told(records: &[Record]) -> Vec<Incident> {
    let mut incidents = Incidents::new(Options::default());
    let mut told: Vec<_> = records.iter().flat_map(|record| incidents.take(record)).collect();
    told.extend(incidents.end());
    assert!(incidents.end().is_empty(), "the end is said once");
    told
}

fn of_kind(told: &[Incident], kind: IncidentKind) -> Vec<&Incident> {
    told.iter().filter(|incident| incident.kind == kind).collect()
}

fn brief(told: &[Incident], kind: IncidentKind) -> Vec<(IncidentState, u64)> {
    of_kind(told, kind).iter().map(|incident| (incident.state, incident.pts_ns / MS)).collect()
}

#[test]
fn signs_open_an_incident_that_closes_a_second_after_they_end() {
    let mut p = vec![0.9; 8];
    p.extend([0.1; 10]);
    let told = told(&at_five(&p));
    use IncidentState::{Close, Open};
    assert_eq!(brief(&told, IncidentKind::Threshold), [(Open, 400), (Close, 2400)]);
    let close = of_kind(&told, IncidentKind::Threshold)[1];
    assert_eq!((close.start_ns, close.end_ns), (0, 1400 * MS), "it was there from the first picture to the last");
    assert_eq!((close.track, close.leading, close.severity), (Some(7), Some(Part::Picture), Severity::Medium));
    assert_eq!(close.message, "signs of manipulation found: face 7, most of all in the picture (p 0.90)");
}

#[test]
fn a_single_picture_is_no_incident() {
    let told = told(&at_five(&[0.1, 0.1, 0.85, 0.1, 0.1, 0.9, 0.1]));
    assert_eq!(of_kind(&told, IncidentKind::Threshold), Vec::<&Incident>::new());
}

#[test]
fn a_probability_that_trembles_about_the_threshold_is_one_incident() {
    let trembling: Vec<_> = (0..50).map(|n| if n % 2 == 0 || n < 3 { 0.82 } else { 0.75 }).collect();
    let told = told(&at_five(&trembling));
    let opened =
        brief(&told, IncidentKind::Threshold).iter().filter(|(state, _)| *state == IncidentState::Open).count();
    assert_eq!(opened, 1);
}

#[test]
fn updates_say_what_changed_and_at_most_once_a_second() {
    let rising: Vec<_> = (0..20).map(|n| 0.8 + 0.01 * n as f32).collect();
    let told = told(&at_five(&rising));
    let threshold = of_kind(&told, IncidentKind::Threshold);
    let times: Vec<_> = threshold.iter().map(|incident| incident.pts_ns / MS).collect();
    assert_eq!(times, [400, 1400, 2400, 3400, 3800]);
    assert!(threshold.windows(2).all(|pair| pair[1].p > pair[0].p));
    let steady = self::told(&at_five(&[0.9; 20]));
    assert_eq!(of_kind(&steady, IncidentKind::Threshold).len(), 2, "nothing changed");
}

#[test]
fn a_sudden_rise_is_a_spike_and_a_slow_one_is_none() {
    let told = told(&at_five(&[0.3, 0.3, 0.35, 0.65, 0.65, 0.65, 0.65, 0.65, 0.65, 0.65, 0.65, 0.65, 0.65, 0.65]));
    let spike = of_kind(&told, IncidentKind::Spike);
    assert_eq!((spike[0].state, spike[0].pts_ns, spike[0].severity), (IncidentState::Open, 600 * MS, Severity::Low));
    assert_eq!(spike.last().unwrap().state, IncidentState::Close);
    let slow: Vec<_> = (0..20).map(|n| 0.2 + 0.025 * n as f32).collect();
    assert!(of_kind(&self::told(&at_five(&slow)), IncidentKind::Spike).is_empty());
    assert!(
        of_kind(&self::told(&at_five(&[0.05, 0.05, 0.4, 0.4])), IncidentKind::Spike).is_empty(),
        "0.4 says nothing"
    );
}

#[test]
fn what_lasts_for_five_seconds_is_sustained_and_ends_with_its_threshold() {
    let mut p = vec![0.9; 40];
    p.extend([0.1; 10]);
    let told = told(&at_five(&p));
    use IncidentState::{Close, Open};
    assert_eq!(brief(&told, IncidentKind::Sustained), [(Open, 5000), (Close, 8800)]);
    assert_eq!(brief(&told, IncidentKind::Threshold).last(), Some(&(Close, 8800)));
    let short = self::told(&at_five(&[0.9; 24]));
    assert!(of_kind(&short, IncidentKind::Sustained).is_empty());
}

#[test]
fn a_cut_closes_what_is_open_and_so_does_a_face_that_is_gone() {
    let mut records = at_five(&[0.9; 5]);
    records.push(shot(1000));
    use IncidentState::{Close, Open};
    assert_eq!(brief(&told(&records), IncidentKind::Threshold), [(Open, 400), (Close, 1000)]);

    let mut records = at_five(&[0.9; 5]);
    records.extend((5..30).map(|n| frame(n * 200, Vec::new())));
    assert_eq!(brief(&told(&records), IncidentKind::Threshold), [(Open, 400), (Close, 3800)]);
}

#[test]
fn a_face_that_cannot_be_judged_for_a_while_neither_opens_nor_closes() {
    let mut records = at_five(&[0.9; 5]);
    records.extend((5..15).map(|n| frame(n * 200, vec![face(7, None)])));
    records.extend((15..20).map(|n| frame(n * 200, vec![face(7, Some(0.9))])));
    assert_eq!(of_kind(&told(&records), IncidentKind::Threshold).len(), 2, "one incident, opened and closed");
    let blurred: Vec<_> = (0..20).map(|n| frame(n * 200, vec![face(7, None)])).collect();
    assert!(told(&blurred).is_empty());
}

/// A stream of up to three faces with cuts, jumps in time and faces that can't be judged.
fn streams() -> impl Strategy<Value = Vec<Record>> {
    let p = prop_oneof![1 => Just(None), 6 => (0.0f32..1.0).prop_map(Some)];
    let steady = prop_oneof![3 => p.boxed(), 2 => Just(Some(0.95)).boxed(), 1 => Just(Some(0.05)).boxed()];
    let faces = proptest::collection::btree_map(0u64..3, steady, 0..3);
    let step = prop_oneof![8 => 40u64..400, 1 => 400u64..8000, 1 => Just(0u64)];
    let moment = (step, faces, 1u32..12, proptest::bool::weighted(0.05));
    proptest::collection::vec(moment, 0..40).prop_map(|moments| {
        let (mut at, mut records) = (0, Vec::new());
        for (step, faces, times, cut) in moments {
            if cut {
                records.push(shot(at));
            }
            for _ in 0..times {
                at += step;
                records.push(frame(at, faces.iter().map(|(track, p)| face(*track, *p)).collect()));
            }
        }
        records
    })
}

proptest! {
    #[test]
    fn every_open_is_closed_once_and_ids_never_repeat(records in streams()) {
        let told = told(&records);
        let mut open = BTreeSet::new();
        let mut next = 0;
        for incident in &told {
            match incident.state {
                IncidentState::Open => {
                    prop_assert_eq!(incident.incident, next, "ids count");
                    next += 1;
                    open.insert(incident.incident);
                }
                IncidentState::Update => prop_assert!(open.contains(&incident.incident)),
                IncidentState::Close => prop_assert!(open.remove(&incident.incident)),
            }
            prop_assert!(incident.start_ns <= incident.end_ns && incident.end_ns <= incident.pts_ns);
        }
        prop_assert!(open.is_empty(), "left open: {:?}", open);
        prop_assert!(told.is_sorted_by_key(|incident| incident.pts_ns));
    }

    #[test]
    fn of_a_kind_there_is_one_at_a_time_on_a_track(records in streams()) {
        let mut open = BTreeSet::new();
        for incident in told(&records) {
            let key = (incident.kind, incident.track);
            match incident.state {
                IncidentState::Open => prop_assert!(open.insert(key), "two at a time: {:?}", key),
                IncidentState::Update => {}
                IncidentState::Close => prop_assert!(open.remove(&key)),
            }
        }
    }

    #[test]
    fn tellings_are_a_second_apart_and_only_grow(records in streams()) {
        let mut last: BTreeMap<u64, Incident> = BTreeMap::new();
        for incident in told(&records) {
            if let Some(last) = last.get(&incident.incident) {
                let enough = incident.pts_ns - last.pts_ns >= Options::default().update_ns;
                prop_assert!(incident.state == IncidentState::Close || enough);
                prop_assert!(incident.severity >= last.severity && incident.p >= last.p && incident.end_ns >= last.end_ns);
            }
            last.insert(incident.incident, incident);
        }
    }

    #[test]
    fn a_replay_of_the_written_records_says_the_same(records in streams()) {
        let written: Vec<_> = records.iter().map(|record| serde_json::to_string(record).unwrap()).collect();
        let read: Vec<Record> = written.iter().map(|line| serde_json::from_str(line).unwrap()).collect();
        prop_assert_eq!(told(&read), told(&records));
    }

    #[test]
    fn events_of_incidents_are_told_apart(records in streams()) {
        let mut numbering = Numbering::new(StreamId::new("s"), Epoch::of_connection("E".into(), 0));
        let told = told(&records);
        let ids: BTreeSet<_> = told.iter().map(|incident| numbering.record(Record::Incident(incident.clone())).id).collect();
        prop_assert_eq!(ids.len(), told.len());
    }
}

#[test]
fn what_is_remembered_is_bounded() {
    let mut incidents = Incidents::new(Options { lost_ns: u64::MAX, ..Options::default() });
    for track in 0..1000 {
        incidents.take(&frame(track, vec![face(track, Some(0.9))]));
    }
    assert_eq!(incidents.tracks(), polygraph_core::incident::MAX_TRACKS);
}
