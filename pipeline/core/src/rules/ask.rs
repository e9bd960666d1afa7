// SPDX-License-Identifier: Apache-2.0
//! Asks the rules at each frame, and makes incidents of their answers.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use cel::{Context, Env, ExecutionError, Program, Value};

use super::fields::{self, Besides, FIELDS, Values};
use super::history::{History, LONGEST_NS, Over};
use super::{About, Rule, Rules};
use crate::incident::{Ids, Level, Life, Options, Seen, Teller};
use crate::provenance::Provenance;
use crate::record::{Frame, Incident, Transcript};
use crate::results::{Face, Fused};

/// Faces whose past is remembered at most; the one that was seen last longest ago makes room.
const MAX_FACES: usize = 256;
/// How long what was said counts as being said.
const TEXT_NS: u64 = 10_000_000_000;

static ENV: LazyLock<Arc<Env>> = LazyLock::new(|| Arc::new(Env::stdlib()));

/// Rules at work on one epoch of a stream.
#[derive(Clone, Debug, Default)]
pub struct Asked {
    rules: Rules,
    /// By face track; `None` is the stream.
    subjects: BTreeMap<Option<u64>, Subject>,
    text: Option<(u64, String)>,
    cut: bool,
    provenance: Option<Provenance>,
}

/// What rules are asked about.
#[derive(Clone, Debug, Default)]
struct Subject {
    history: History,
    /// By rule.
    lives: BTreeMap<usize, (Life, String)>,
}

impl Asked {
    /// Rules that begin to be asked.
    pub(crate) fn new(rules: Rules) -> Self {
        Self { rules, ..Self::default() }
    }

    /// The rules.
    pub fn rules(&self) -> &Rules {
        &self.rules
    }

    pub(crate) fn transcript(&mut self, transcript: &Transcript) {
        self.text = Some((transcript.end_ns, transcript.text.clone()));
    }

    pub(crate) fn provenance(&mut self, provenance: Provenance) {
        self.provenance = Some(provenance);
    }

    pub(crate) fn frame(&mut self, frame: &Frame, ids: &mut Ids, options: &Options) -> Vec<Incident> {
        if self.rules.is_empty() {
            return Vec::new();
        }
        let mut told = Vec::new();
        let recent = self.text.take().filter(|(end_ns, _)| end_ns + TEXT_NS >= frame.pts_ns);
        self.text = recent;
        let cut = std::mem::take(&mut self.cut);
        let worst = frame.fused.and_then(|fused| fused.track);
        let worst = frame.faces.iter().find(|face| Some(face.track) == worst);
        let mut seen: BTreeMap<Option<u64>, (Option<&Face>, Option<Fused>)> =
            frame.faces.iter().map(|face| (Some(face.track), (Some(face), face.fused))).collect();
        seen.insert(None, (worst, frame.fused));
        let text = self.text.as_ref().map(|(_, text)| text.clone()).unwrap_or_default();
        for (track, (face, fused)) in &seen {
            self.make_room(frame.pts_ns, *track, &mut told);
            let subject = self.subjects.entry(*track).or_default();
            let first_ns = subject.history.first_ns.or(Some(frame.pts_ns));
            let besides = Besides { text: &text, provenance: self.provenance.as_ref(), cut, first_ns };
            let values = fields::values(frame, *face, *fused, &besides);
            subject.history.push(frame.pts_ns, &values, &self.rules.windows);
            let mut teller = Teller { ids, rule: "", track: *track, options, networks: &frame.networks };
            subject.ask(&self.rules.rules, &values, *fused, frame.pts_ns, &mut teller, &mut told);
        }
        // Of a face that isn't seen nothing is known.
        for (track, subject) in &mut self.subjects {
            if !seen.contains_key(track) {
                let mut teller = Teller { ids, rule: "", track: *track, options, networks: &frame.networks };
                subject.miss(&self.rules.rules, frame.pts_ns, &mut teller, &mut told);
            }
        }
        let lost = |subject: &Subject| frame.pts_ns - subject.history.last_ns >= options.lost_ns;
        self.subjects.retain(|_, subject| !lost(subject));
        told
    }

    /// A cut at `cut_ns`, told at `at_ns`: tracks that weren't seen since have ended.
    pub(crate) fn shot(&mut self, at_ns: u64, cut_ns: u64) -> Vec<Incident> {
        self.cut = true;
        self.close(at_ns, |track, last_ns| track.is_some() && last_ns < cut_ns)
    }

    /// A gradual transition: tracks go on through it.
    pub(crate) fn transition(&mut self) {
        self.cut = true;
    }

    /// Closes what is open.
    pub(crate) fn end(&mut self, at_ns: u64) -> Vec<Incident> {
        self.close(at_ns, |_, _| true)
    }

    fn close(&mut self, at_ns: u64, which: impl Fn(Option<u64>, u64) -> bool) -> Vec<Incident> {
        let mut told = Vec::new();
        self.subjects.retain(|track, subject| {
            let over = which(*track, subject.history.last_ns);
            if over {
                subject.close(at_ns, &mut told);
            }
            !over
        });
        told
    }

    fn make_room(&mut self, at_ns: u64, track: Option<u64>, told: &mut Vec<Incident>) {
        if self.subjects.len() < MAX_FACES || self.subjects.contains_key(&track) {
            return;
        }
        let stalest = self.subjects.iter().filter(|(track, _)| track.is_some());
        let stalest = stalest.min_by_key(|(_, subject)| subject.history.last_ns).map(|(track, _)| *track);
        told.extend(self.close(at_ns, |track, _| Some(track) == stalest));
    }
}

impl Subject {
    fn ask<'a>(
        &mut self,
        rules: &'a [Rule],
        values: &Values,
        fused: Option<Fused>,
        pts_ns: u64,
        teller: &mut Teller<'a>,
        told: &mut Vec<Incident>,
    ) {
        let about = if teller.track.is_some() { About::Face } else { About::Stream };
        let history = Arc::new(self.history.clone());
        let context = context(values, &history);
        for (index, rule) in rules.iter().enumerate().filter(|(_, rule)| rule.about == about) {
            let level = match rule.program.execute(&context) {
                Ok(Value::Bool(true)) => Level::Above,
                Ok(Value::Bool(false)) => Level::Below,
                // A comparison with what isn't known.
                Ok(_) | Err(_) => Level::Unknown,
            };
            let (life, message) =
                self.lives.entry(index).or_insert_with(|| (Life::new(rule.kind, rule.for_ns), String::new()));
            if level == Level::Above {
                *message = rule.message.fill(values);
            }
            let seen = Seen {
                pts_ns,
                p: fused.and_then(|fused| fused.p),
                parts: fused.map(|fused| fused.parts).unwrap_or_default(),
                leading: fused.and_then(|fused| fused.contributions.greatest()),
                severity: rule.severity,
            };
            teller.rule = &rule.name;
            let incident = life.step(level, &seen, teller, &|_| message.clone());
            told.extend(incident);
        }
    }

    fn miss<'a>(&mut self, rules: &'a [Rule], pts_ns: u64, teller: &mut Teller<'a>, told: &mut Vec<Incident>) {
        for (index, (life, message)) in &mut self.lives {
            let rule = &rules[*index];
            let seen = Seen { pts_ns, p: None, parts: Default::default(), leading: None, severity: rule.severity };
            teller.rule = &rule.name;
            told.extend(life.step(Level::Unknown, &seen, teller, &|_| message.clone()));
        }
    }

    fn close(&mut self, pts_ns: u64, told: &mut Vec<Incident>) {
        for (life, message) in self.lives.values_mut() {
            told.extend(life.close(pts_ns, &|_| message.clone()));
        }
    }
}

/// What a program sees: the fields, and the functions that look back.
fn context(values: &Values, history: &Arc<History>) -> Context<'static, 'static> {
    let mut context = Context::with_env(Arc::clone(&ENV));
    let mut groups: BTreeMap<&str, BTreeMap<String, Value>> = BTreeMap::new();
    for (field, value) in FIELDS.iter().zip(values) {
        match field.path.split_once('.') {
            None => context.add_variable_from_value(field.path, value.clone()),
            Some((group, name)) => {
                groups.entry(group).or_default().insert(name.to_owned(), value.clone());
            }
        }
    }
    for (group, fields) in groups {
        let map: std::collections::HashMap<String, Value> = fields.into_iter().collect();
        context.add_variable_from_value(group, map);
    }
    for over in Over::ALL {
        let history = Arc::clone(history);
        let look = move |path: Arc<String>, time: Arc<String>| -> Result<Value, ExecutionError> {
            // Both were checked when the rule was read.
            let field = fields::index(&path).unwrap_or_default();
            Ok(history.over(over, field, super::file::duration(&time).unwrap_or(LONGEST_NS)))
        };
        // Only a name of CEL's own would be refused, and these are none.
        let _ = context.add_function(over.name(), look);
    }
    context
}

/// Runs a program where everything is known: whatever it can't do then it never can.
pub(super) fn try_out(program: &Program) -> Result<(), String> {
    let values = fields::sample();
    let windows = (0..FIELDS.len()).map(|field| (field, LONGEST_NS)).collect();
    let mut history = History::default();
    for pts_ns in [0, LONGEST_NS] {
        history.push(pts_ns, &values, &windows);
    }
    match program.execute(&context(&values, &Arc::new(history))) {
        Ok(Value::Bool(_)) => Ok(()),
        Ok(other) => Err(format!("the condition is neither true nor false but a {}", other.type_of())),
        Err(error) => Err(format!("the condition makes no sense: {error}")),
    }
}
