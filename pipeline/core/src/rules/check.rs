// SPDX-License-Identifier: Apache-2.0
//! Finds what is wrong with a condition before anything is asked of it: names that aren't there, windows that make none.

use cel::Program;
use cel::common::ast::{CallExpr, EntryExpr, Expr, IdedExpr, LiteralValue};

use super::fields::{self, FIELDS, FieldType};
use super::file::duration;
use super::history::{LONGEST_NS, Over, Windows};
use crate::wer::edits;

/// CEL's own functions that can be of use here, besides operators. Macros are no functions.
const FUNCTIONS: [&str; 13] = [
    "size",
    "contains",
    "startsWith",
    "endsWith",
    "matches",
    "string",
    "int",
    "uint",
    "double",
    "bool",
    "max",
    "min",
    "type",
];

/// What is wrong, and at which byte of the expression.
pub(crate) type Fault = (usize, String);

/// Walks a program; gives the windows that it looks back on.
pub(crate) fn check(program: &Program) -> Result<Windows, Fault> {
    let mut walk = Walk { program, bound: Vec::new(), windows: Windows::new() };
    walk.expression(program.expression())?;
    Ok(walk.windows)
}

struct Walk<'a> {
    program: &'a Program,
    /// Variables of macros such as `exists`.
    bound: Vec<String>,
    windows: Windows,
}

impl Walk<'_> {
    fn at(&self, expression: &IdedExpr) -> usize {
        let mut first = expression;
        // A selection is noted at its dot.
        while let Expr::Select(select) = &first.expr {
            first = &select.operand;
        }
        self.program.source_info().offset_for(first.id).map_or(0, |(start, _)| start as usize)
    }

    fn fault(&self, expression: &IdedExpr, why: String) -> Fault {
        (self.at(expression), why)
    }

    fn expression(&mut self, expression: &IdedExpr) -> Result<(), Fault> {
        match &expression.expr {
            Expr::Unspecified | Expr::Literal(_) => Ok(()),
            Expr::Ident(_) | Expr::Select(_) => self.name(expression),
            Expr::Call(call) => self.call(expression, call),
            Expr::List(list) => list.elements.iter().try_for_each(|element| self.expression(element)),
            Expr::Map(map) => map.entries.iter().try_for_each(|entry| match &entry.expr {
                EntryExpr::MapEntry(entry) => {
                    self.expression(&entry.key)?;
                    self.expression(&entry.value)
                }
                EntryExpr::StructField(field) => self.expression(&field.value),
            }),
            Expr::Struct(of) => Err(self.fault(expression, format!("there is no type `{}`", of.type_name))),
            Expr::Comprehension(every) => {
                self.expression(&every.iter_range)?;
                let before = self.bound.len();
                self.bound.extend([every.iter_var.clone(), every.accu_var.clone()]);
                self.bound.extend(every.iter_var2.clone());
                for part in [&every.accu_init, &every.loop_cond, &every.loop_step, &every.result] {
                    self.expression(part)?;
                }
                self.bound.truncate(before);
                Ok(())
            }
        }
    }

    /// `a.b.c`: a field, or a variable of a macro.
    fn name(&mut self, expression: &IdedExpr) -> Result<(), Fault> {
        let mut segments = Vec::new();
        let mut part = expression;
        let root = loop {
            match &part.expr {
                Expr::Ident(name) => break name,
                Expr::Select(select) => {
                    segments.push(select.field.as_str());
                    part = &select.operand;
                }
                _ => return self.expression(part),
            }
        };
        if self.bound.iter().any(|bound| bound == root) {
            return Ok(());
        }
        segments.push(root);
        segments.reverse();
        let path = segments.join(".");
        if fields::index(&path).is_some() { Ok(()) } else { Err(self.fault(expression, no_field(&path))) }
    }

    fn call(&mut self, expression: &IdedExpr, call: &CallExpr) -> Result<(), Fault> {
        if let Some(over) = Over::ALL.into_iter().find(|over| over.name() == call.func_name) {
            return self.look_back(expression, call, over);
        }
        let operator = !call.func_name.starts_with(|c: char| c.is_ascii_alphabetic());
        if !operator && !FUNCTIONS.contains(&call.func_name.as_str()) {
            let known = Over::ALL.map(Over::name).into_iter().chain(FUNCTIONS);
            return Err(self.fault(
                expression,
                format!("there is no function `{}`{}", call.func_name, like(&call.func_name, known)),
            ));
        }
        call.target.iter().map(|target| &**target).chain(&call.args).try_for_each(|part| self.expression(part))
    }

    fn look_back(&mut self, expression: &IdedExpr, call: &CallExpr, over: Over) -> Result<(), Fault> {
        let name = over.name();
        let [field, window] = &call.args[..] else {
            return Err(self.fault(expression, format!("{name} takes a field and a time: {name}(\"fused.p\", \"2s\")")));
        };
        let text = |argument: &IdedExpr| match &argument.expr {
            Expr::Literal(LiteralValue::String(text)) => Ok(text.inner().to_owned()),
            _ => Err(self.fault(argument, format!("{name} takes texts in quotes, a field and a time"))),
        };
        let (path, time) = (text(field)?, text(window)?);
        let index = fields::index(&path).ok_or_else(|| self.fault(field, no_field(&path)))?;
        let wanted = if over == Over::True { FieldType::Bool } else { FieldType::Number };
        if FIELDS[index].kind != wanted {
            let what = if wanted == FieldType::Bool { "true or false" } else { "a number" };
            return Err(self.fault(field, format!("{name} is of fields that are {what}, and `{path}` is not")));
        }
        let window_ns = duration(&time).filter(|ns| (1..=LONGEST_NS).contains(ns));
        let window_ns = window_ns
            .ok_or_else(|| self.fault(window, format!("`{time}` is no time up to a minute, such as 2s or 500ms")))?;
        let longest = self.windows.entry(index).or_default();
        *longest = (*longest).max(window_ns);
        Ok(())
    }
}

/// Says that a field isn't there, and which one may be meant.
pub(crate) fn no_field(path: &str) -> String {
    let inside: Vec<_> = FIELDS.iter().filter(|field| field.path.starts_with(&format!("{path}."))).collect();
    if inside.is_empty() {
        return format!("there is no field `{path}`{}", like(path, FIELDS.iter().map(|field| field.path)));
    }
    let inside: Vec<_> = inside.iter().map(|field| format!("`{}`", field.path)).collect();
    format!("`{path}` is no field; its fields are {}", inside.join(", "))
}

/// `; do you mean ...?` for a name that is nearly one of those.
fn like<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> String {
    let signs = |text: &str| text.chars().collect::<Vec<_>>();
    let nearest = known.map(|known| (edits(&signs(name), &signs(known)), known)).min();
    match nearest {
        Some((edits, known)) if edits <= 1 + name.len() / 4 => format!("; do you mean `{known}`?"),
        _ => String::new(),
    }
}
