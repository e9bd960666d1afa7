// SPDX-License-Identifier: Apache-2.0
//! Rules: what is refused and where, what they say of a moment and its past, and the incidents that they make.

#![allow(clippy::unwrap_used)]

use polygraph_core::fusion::{self, fuse_frame};
use polygraph_core::incident::{Incidents, Options};
use polygraph_core::record::{AudioState, Frame, Incident, IncidentState, Record, Severity};
use polygraph_core::results::{Face, Manipulation};
use polygraph_core::rules::{Action, Rules, SHIPPED};

const MS: u64 = 1_000_000;

fn rule(when: &str, more: &str) -> String {
    format!("[[rule]]\nname = \"r\"\nwhen = '{when}'\nmessage = \"face {{track}}, p {{fused.p}}\"\n{more}")
}

/// What is said of a condition that is wrong: everything after the file's name.
fn refused(when: &str) -> String {
    let error = Rules::parse("f.toml", &rule(when, "")).unwrap_err().to_string();
    error.strip_prefix("f.toml, ").unwrap().to_owned()
}

#[test]
fn a_rule_that_makes_no_sense_is_refused_with_its_place() {
    assert_eq!(refused("fused.q > 0.5"), "line 3, column 9: there is no field `fused.q`; do you mean `fused.p`?");
    assert_eq!(
        refused("speaking && max_over(\"fused.x\", \"2s\") > 0.5"),
        "line 3, column 30: there is no field `fused.x`; do you mean `fused.p`?"
    );
    assert!(refused("fused > 0.5").starts_with("line 3, column 9: `fused` is no field; its fields are `fused.p`"));
    assert!(refused("max_ovr(\"fused.p\", \"2s\") > 1.0").contains("no function `max_ovr`; do you mean `max_over`?"));
    assert!(refused("max_over(\"fused.p\", \"2h\") > 1.0").starts_with("line 3, column 29: `2h` is no time"));
    assert!(refused("max_over(\"speaking\", \"2s\") > 1.0").contains("`speaking` is not"));
    assert!(refused("true_for(\"fused.p\", \"2s\")").contains("true or false"));
    assert!(refused("fused.p").contains("neither true nor false"));
    assert!(refused("fused.verdict > 0.5").contains("makes no sense"));
    let broken = refused("fused.p > > 0.5");
    assert!(broken.starts_with("line 3, column 19: the condition doesn't compile"), "{broken}");
}

#[test]
fn the_place_is_right_in_long_strings_too() {
    let text = "[[rule]]\nname = \"r\"\nmessage = \"m\"\nwhen = '''\n  speaking &&\n  fsed.p > 0.5'''\n";
    let error = Rules::parse("f.toml", text).unwrap_err();
    assert_eq!((error.line, error.column), (6, 3), "{error}");
}

#[test]
fn other_faults_of_a_file_are_told_as_well() {
    let error = |text: &str| Rules::parse("f.toml", text).unwrap_err().to_string();
    assert!(error("[[rule]]\nname = \"r\"\nwhn = 'speaking'").contains("line 3"));
    assert!(error("").contains("no rule in it"));
    assert!(error(&rule("speaking", "severity = \"worst\"")).contains("line 5"));
    assert!(error(&rule("speaking", "about = \"faces\"")).contains("about \"face\""));
    assert!(error(&rule("speaking", "for = \"soon\"")).contains("line 5, column 7: no time"));
    assert!(error(&rule("speaking", "actions = [\"webhook\"]")).contains("needs a table [webhook]"));
    assert!(error(&format!("{0}{0}", rule("speaking", ""))).contains("two rules `r`"));
    let placeholder = rule("speaking", "").replace("{fused.p}", "{fused.q}");
    assert!(error(&placeholder).contains("line 4, column 29: there is no field `fused.q`"), "{}", error(&placeholder));
}

#[test]
fn the_shipped_sets_compile() {
    for (name, _) in SHIPPED {
        let rules = Rules::shipped(name).unwrap().unwrap_or_else(|error| panic!("{error}"));
        assert!(rules.names().count() >= 3, "{name}");
    }
    assert!(Rules::shipped("screening").is_none());
}

/// A frame with one face, fused, or with none.
fn frame(at_ms: u64, p: Option<f32>, speaking: Option<bool>) -> Record {
    let manipulation = p.map(|p| Manipulation { p: Some(p), signs: Some(p >= 0.9), ..Manipulation::default() });
    let face = Face { track: 4, manipulation, speaking, ..Face::default() };
    let mut frame = Frame {
        pts_ns: at_ms * MS,
        faces: vec![face],
        audio: Some(AudioState { silent: true, ..AudioState::default() }),
        ..Frame::default()
    };
    fuse_frame(&mut frame, &fusion::Options::default());
    Record::Frame(frame)
}

/// What a rule tells of these frames, five a second.
fn told(when: &str, more: &str, frames: &[(Option<f32>, Option<bool>)]) -> Vec<Incident> {
    let rules = Rules::parse("f.toml", &rule(when, more)).unwrap();
    let mut incidents = Incidents::with_rules(Options::default(), rules);
    let mut told = Vec::new();
    for (n, (p, speaking)) in (0..).zip(frames) {
        told.extend(incidents.take(&frame(n * 200, *p, *speaking)));
    }
    told.extend(incidents.end());
    told.retain(|incident| incident.rule == "r");
    told
}

fn opened(when: &str, frames: &[(Option<f32>, Option<bool>)]) -> Vec<u64> {
    let told = told(when, "", frames);
    told.iter().filter(|incident| incident.state == IncidentState::Open).map(|incident| incident.pts_ns / MS).collect()
}

#[test]
fn a_rule_looks_back_and_opens_and_closes() {
    let mut frames = vec![(Some(0.3), Some(true)); 5];
    frames.push((Some(0.85), Some(false)));
    frames.extend(vec![(Some(0.3), Some(true)); 20]);
    let told = told("max_over(\"fused.p\", \"2s\") > 0.8 && speaking", "severity = \"high\"", &frames);
    let [open, close] = &told[..] else { panic!("{told:?}") };
    assert_eq!((open.pts_ns, open.severity, open.track), (1200 * MS, Severity::High, Some(4)));
    assert_eq!(open.message, "face 4, p 0.30");
    assert_eq!((close.state, close.end_ns), (IncidentState::Close, 2800 * MS), "two seconds after the peak");
}

#[test]
fn what_is_not_known_is_neither_true_nor_false() {
    let unknown = vec![(None, None); 10];
    for when in ["fused.p > 0.5", "!(fused.p > 0.5)", "speaking", "!speaking", "max_over(\"fused.p\", \"1s\") > 0.0"] {
        assert_eq!(opened(when, &unknown), Vec::<u64>::new(), "{when}");
    }
    assert_eq!(opened("fused.p == null", &unknown), [0]);
    assert_eq!(opened("fused.p > 0.5 || silent", &unknown), [0], "one side is enough");
}

#[test]
fn a_condition_has_to_hold_for_its_time() {
    let frames = vec![(Some(0.7), None); 20];
    let told = told("fused.p > 0.5", "for = \"2s\"", &frames);
    assert_eq!((told[0].pts_ns, told[0].start_ns), (2000 * MS, 0));
    assert_eq!(opened("true_for(\"silent\", \"3s\")", &frames), [3000]);
    assert_eq!(opened("min_over(\"fused.p\", \"1s\") > 0.6 && mean_over(\"fused.p\", \"1s\") < 0.8", &frames), [0]);
    let mut rising = vec![(Some(0.2), None); 3];
    rising.extend(vec![(Some(0.6), None); 3]);
    assert_eq!(opened("rise_over(\"fused.p\", \"1s\") > 0.3", &rising), [600]);
}

#[test]
fn a_rule_about_the_stream_is_asked_once_and_says_what_to_do() {
    let more = "about = \"stream\"\nactions = [\"exit\"]";
    let rules = Rules::parse("f.toml", &rule("faces == 1.0 && text == \"\"", more)).unwrap();
    assert!(rules.has("r", Action::Exit) && !rules.has("r", Action::Webhook) && !rules.has("other", Action::Exit));
    let told = told("faces == 1.0", "about = \"stream\"", &[(Some(0.3), None); 8]);
    assert_eq!(told.len(), 2);
    assert_eq!(told[0].track, None);
}
