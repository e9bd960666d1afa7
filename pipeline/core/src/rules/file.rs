// SPDX-License-Identifier: Apache-2.0
//! Files of rules: TOML, read with the place of everything, so that a fault says where it is.

use std::sync::Arc;

use cel::{Program, Value};
use serde::Deserialize;
use toml::Spanned;

use super::fields::{self, Values};
use super::history::Windows;
use super::{About, Rule, RuleError, Rules, ask, check};
use crate::record::{IncidentKind, Severity};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    rule: Vec<Spanned<RawRule>>,
    webhook: Option<Spanned<Webhook>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawRule {
    name: Spanned<String>,
    when: Spanned<String>,
    #[serde(default, rename = "for")]
    hold: Option<Spanned<String>>,
    about: Option<Spanned<String>>,
    kind: Option<IncidentKind>,
    severity: Option<Severity>,
    message: Spanned<String>,
    #[serde(default)]
    actions: Vec<Action>,
}

/// What an incident of a rule does besides its event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// `analyze` ends with exit code 3.
    Exit,
    /// The incident's event is sent to the set's webhook.
    Webhook,
}

/// Where webhooks go.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Webhook {
    /// `https://...`, or `http://...`.
    pub url: String,
    /// What signs them: `env:NAME` or `file:PATH`; without it they aren't signed.
    pub secret: Option<String>,
}

/// A message with `{field}` in it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Template(Vec<Piece>);

#[derive(Clone, Debug, PartialEq)]
enum Piece {
    Text(String),
    Field(usize),
}

impl Template {
    /// The fault is the byte of the text at which it is.
    fn parse(text: &str) -> Result<Self, check::Fault> {
        let (mut pieces, mut rest, mut at) = (Vec::new(), text, 0);
        while let Some((before, after)) = rest.split_once('{') {
            pieces.push(Piece::Text(before.to_owned()));
            at += before.len() + 1;
            let (path, behind) = after.split_once('}').ok_or_else(|| (at - 1, "`{` without `}`".to_owned()))?;
            pieces.push(Piece::Field(fields::index(path).ok_or_else(|| (at, check::no_field(path)))?));
            at += path.len() + 1;
            rest = behind;
        }
        pieces.push(Piece::Text(rest.to_owned()));
        Ok(Self(pieces))
    }

    /// The message at a moment; what isn't known is `?`.
    pub(crate) fn fill(&self, values: &Values) -> String {
        let of = |value: &Value| match value {
            Value::Float(value) if value.fract() == 0.0 => format!("{value:.0}"),
            Value::Float(value) => format!("{value:.2}"),
            Value::Bool(value) => value.to_string(),
            Value::String(value) => value.to_string(),
            _ => "?".to_owned(),
        };
        let pieces = self.0.iter().map(|piece| match piece {
            Piece::Text(text) => text.clone(),
            Piece::Field(index) => of(&values[*index]),
        });
        pieces.collect()
    }
}

/// `2s`, `1.5s`, `500ms` or `1m` in nanoseconds.
pub(super) fn duration(text: &str) -> Option<u64> {
    let digits = text.find(|c: char| c.is_ascii_alphabetic())?;
    let (number, unit) = text.split_at_checked(digits)?;
    let unit_ns = match unit {
        "ms" => 1e6,
        "s" => 1e9,
        "m" => 60e9,
        _ => return None,
    };
    number
        .trim()
        .parse()
        .ok()
        .filter(|number: &f64| (0.0..=1e6).contains(number))
        .map(|number| (number * unit_ns) as u64)
}

/// A file's text, and how faults in it are told.
struct Source<'a> {
    file: &'a str,
    text: &'a str,
}

impl Source<'_> {
    fn fault(&self, byte: usize, why: impl Into<String>) -> RuleError {
        let before = self.text.get(..byte).unwrap_or(self.text);
        let (line, last) = (before.matches('\n').count() + 1, before.rsplit('\n').next().unwrap_or_default());
        RuleError { file: self.file.to_owned(), line, column: last.chars().count() + 1, why: why.into() }
    }

    /// The byte of the file at which a byte of a string's content lies: right for strings without escapes.
    fn inside(&self, string: &Spanned<String>, byte: usize) -> usize {
        let span = string.span();
        let quoted = self.text.get(span.clone()).unwrap_or_default();
        let long = quoted.starts_with("'''") || quoted.starts_with("\"\"\"");
        let lead = match (long, quoted.as_bytes()) {
            (true, [_, _, _, b'\r', b'\n', ..]) => 5,
            (true, [_, _, _, b'\n', ..]) => 4,
            (true, _) => 3,
            (false, _) => 1,
        };
        span.start + lead + byte
    }
}

/// Compiles and checks a file.
pub(super) fn parse(file: &str, text: &str) -> Result<Rules, RuleError> {
    let source = Source { file, text };
    let raw: File = toml::from_str(text).map_err(|error| {
        let at = error.span().map_or(0, |span| span.start);
        source.fault(at, error.message())
    })?;
    let mut rules =
        Rules { webhook: raw.webhook.as_ref().map(|webhook| webhook.get_ref().clone()), ..Rules::default() };
    for raw in &raw.rule {
        let rule = compile(&source, raw.get_ref(), &mut rules.windows)?;
        if rules.rules.iter().any(|known| known.name == rule.name) {
            return Err(source.fault(raw.get_ref().name.span().start, format!("there are two rules `{}`", rule.name)));
        }
        if rule.actions.contains(&Action::Webhook) && rules.webhook.is_none() {
            let why = "the action webhook needs a table [webhook] with its url";
            return Err(source.fault(raw.span().start, why));
        }
        rules.rules.push(rule);
    }
    if let Some(webhook) = raw.webhook.as_ref().filter(|webhook| !sound(webhook.get_ref())) {
        let why = "a webhook's url begins with https:// or http://, its secret with env: or file:";
        return Err(source.fault(webhook.span().start, why));
    }
    if rules.is_empty() {
        return Err(source.fault(0, "there is no rule in it: each begins with [[rule]]"));
    }
    Ok(rules)
}

fn sound(webhook: &Webhook) -> bool {
    let secret = webhook.secret.as_deref().unwrap_or("env:");
    let url = ["https://", "http://"].iter().any(|scheme| webhook.url.starts_with(scheme));
    url && (secret.starts_with("env:") || secret.starts_with("file:"))
}

fn compile(source: &Source<'_>, raw: &RawRule, windows: &mut Windows) -> Result<Rule, RuleError> {
    let name = raw.name.get_ref();
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if name.is_empty() || !name.chars().all(plain) || name == crate::incident::RULE {
        let why = format!("a rule's name is of letters, digits, - and _, and not `{}`", crate::incident::RULE);
        return Err(source.fault(raw.name.span().start, why));
    }
    let about = match raw.about.as_ref().map(|about| (about.get_ref().as_str(), about.span().start)) {
        None | Some(("face", _)) => About::Face,
        Some(("stream", _)) => About::Stream,
        Some((_, at)) => return Err(source.fault(at, "a rule is about \"face\" or about \"stream\"")),
    };
    let for_ns = match &raw.hold {
        None => 0,
        Some(hold) => duration(hold.get_ref())
            .ok_or_else(|| source.fault(hold.span().start, "no time: such as 2s, 500ms or 1m"))?,
    };
    let within = |string: &Spanned<String>, (byte, why): check::Fault| source.fault(source.inside(string, byte), why);
    let program = condition(raw.when.get_ref()).map_err(|fault| within(&raw.when, fault))?;
    for (field, window_ns) in check::check(&program).map_err(|fault| within(&raw.when, fault))? {
        let longest = windows.entry(field).or_default();
        *longest = (*longest).max(window_ns);
    }
    ask::try_out(&program).map_err(|why| within(&raw.when, (0, why)))?;
    Ok(Rule {
        name: name.clone(),
        about,
        kind: raw.kind.unwrap_or(IncidentKind::Threshold),
        severity: raw.severity.unwrap_or(Severity::Medium),
        for_ns,
        message: Template::parse(raw.message.get_ref()).map_err(|fault| within(&raw.message, fault))?,
        actions: raw.actions.clone(),
        program: Arc::new(program),
    })
}

/// Compiles a condition; the fault is at a byte of it.
fn condition(text: &str) -> Result<Program, check::Fault> {
    Program::compile(text).map_err(|errors| {
        let first = errors.errors.first();
        let (line, column) = first.map_or((1, 0), |error| error.pos);
        let lines: usize = text.split_inclusive('\n').take((line - 1).max(0) as usize).map(str::len).sum();
        let why = first.map_or_else(|| "it doesn't compile".to_owned(), |error| plain(&error.msg));
        (lines + (column - 1).max(0) as usize, format!("the condition doesn't compile: {why}"))
    })
}

/// ANTLR lists dozens of tokens that it would have taken: the first part is what helps.
fn plain(message: &str) -> String {
    message.split(" expecting ").next().unwrap_or(message).trim().replace('\n', " ")
}
