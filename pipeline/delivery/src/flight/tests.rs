// SPDX-License-Identifier: Apache-2.0
use super::*;
use proptest::prelude::*;

/// What a broker does with the record at the head of its line; what librdkafka has is stored in order or comes back.
fn fate() -> impl Strategy<Value = Fate> {
    prop_oneof![
        6 => Just(Fate::Stored),
        1 => Just(Fate::Again),
        1 => Just(Fate::Suspect("batch".into())),
        1 => Just(Fate::Refused("never".into())),
    ]
}

fn place(block: u64, record: usize) -> Place {
    Place { block, record }
}

/// Sends all that may be sent now.
fn send(flight: &mut Flight, wire: &mut VecDeque<Place>) {
    while let Some((block, records)) = flight.next() {
        for record in records {
            flight.sent(place(block, record));
            wire.push_back(place(block, record));
        }
        if flight.is_alone() {
            break;
        }
    }
}

proptest! {
    /// A record is stored only when all before it were stored or buried: but for batches that the broker refuses after
    /// it has taken later ones, which this broker does not.
    #[test]
    fn every_record_leaves_once_and_in_order(sizes in prop::collection::vec(1..6_usize, 1..6), fates in prop::collection::vec(fate(), 0..60)) {
        let mut flight = Flight::default();
        let mut all = Vec::new();
        for (block, size) in sizes.iter().enumerate() {
            flight.load(block as u64, *size, 100, 0);
            all.extend((0..*size).map(|record| place(block as u64, record)));
        }
        let mut fates = fates.into_iter();
        let (mut wire, mut ended, mut coming_back) = (VecDeque::new(), Vec::new(), false);
        while flight.left() > 0 {
            flight.resume();
            if wire.is_empty() {
                coming_back = false;
                send(&mut flight, &mut wire);
            }
            let at = wire.pop_front().unwrap();
            // What is behind a record that came back comes back as well.
            let fate = if coming_back { Fate::Again } else { fates.next().unwrap_or(Fate::Stored) };
            coming_back |= matches!(fate, Fate::Again | Fate::Suspect(_));
            match flight.report(at, fate) {
                Effect::Acknowledged(_) => ended.push(at),
                Effect::DeadLetter(_) => { flight.buried(at); ended.push(at) }
                Effect::Nothing => prop_assert!(flight.is_held()),
            }
        }
        prop_assert_eq!(ended, all);
        prop_assert_eq!(flight.take_finished().len(), sizes.len());
        prop_assert!(flight.is_through());
    }
}

#[test]
fn a_suspect_is_sent_alone() {
    let mut flight = Flight::default();
    flight.load(0, 3, 100, 0);
    let mut wire = VecDeque::new();
    send(&mut flight, &mut wire);
    flight.report(place(0, 0), Fate::Suspect("batch".into()));
    assert_eq!(flight.next(), None, "others are under way");
    flight.report(place(0, 1), Fate::Suspect("batch".into()));
    flight.report(place(0, 2), Fate::Again);
    flight.resume();
    assert_eq!(flight.next(), Some((0, vec![0])));
    flight.sent(place(0, 0));
    assert_eq!(flight.next(), None);
    assert!(matches!(flight.report(place(0, 0), Fate::Stored), Effect::Acknowledged(_)));
    assert_eq!(flight.next(), Some((0, vec![1])));
    flight.sent(place(0, 1));
    assert!(flight.is_alone());
    assert_eq!(flight.report(place(0, 1), Fate::Refused("never".into())), Effect::DeadLetter("never".into()));
    assert_eq!(flight.next(), Some((0, vec![2])));
}

#[test]
fn a_report_that_comes_twice_counts_once() {
    let mut flight = Flight::default();
    flight.load(5, 1, 100, 0);
    flight.sent(place(5, 0));
    assert!(matches!(flight.report(place(5, 0), Fate::Stored), Effect::Acknowledged(_)));
    assert_eq!(flight.report(place(5, 0), Fate::Stored), Effect::Nothing);
    assert_eq!(flight.report(place(9, 0), Fate::Stored), Effect::Nothing);
    assert_eq!(flight.take_finished(), [(5, 100)]);
}
