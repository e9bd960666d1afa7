// SPDX-License-Identifier: Apache-2.0
//! The AsyncAPI document names every topic that is written or read.

use std::collections::BTreeSet;

use polygraph_core::event::schema;
use polygraph_delivery::{DEAD_LETTERS, DESIRED, STATUS, Topic};

#[test]
fn asyncapi_names_every_topic_and_no_other() {
    let document = schema::asyncapi();
    let channels = document["channels"].as_object().unwrap();
    let named: BTreeSet<_> = channels.values().map(|channel| channel["address"].as_str().unwrap()).collect();
    let ours: BTreeSet<_> = Topic::ALL.into_iter().map(Topic::name).chain([DEAD_LETTERS, DESIRED, STATUS]).collect();
    assert_eq!(named, ours);
}
