//! What is wrong with an expression before it is ever evaluated: syntax errors, undeclared names, fields that the
//! schema does not have, operators on types that they do not accept. The engine has no type checker; this one knows
//! what schemas say and treats everything else as `dyn`, so it may miss a mistake but never reports one that is not
//! there.

use super::{
    infer::Checker,
    types::{Scope, Type},
};
use cel::{
    IdedExpr, ParseErrors, Program,
    common::ast::{EntryExpr, Expr, LiteralValue, operators},
};
use std::collections::BTreeSet;

/// Why an expression is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CompileError {
    text: String,
    /// The text lists positions in the expression, rather than being about the whole expression.
    located: bool,
}

impl CompileError {
    pub(super) fn whole(text: impl Into<String>) -> Self {
        Self { text: text.into(), located: false }
    }

    /// The error message about an expression; `what` names the expression, with a trailing space, if it is not the main
    /// one.
    pub(crate) fn worded(&self, what: &str) -> String {
        if self.located { format!("{what}compilation failed: {}", self.text) } else { self.text.clone() }
    }
}

pub(super) fn check(program: &Program, source: &str, scope: &Scope<'_>) -> Result<(), CompileError> {
    let mut checker = Checker::new(scope);
    let found = checker.infer(program.expression());
    if !checker.problems.is_empty() {
        let texts = checker.problems.into_iter().map(|(id, text)| {
            let offset = program.source_info().offset_for(id).map_or(0, |(start, _)| start as usize);
            let (line, column) = position(source, offset);
            complaint(source, line, column, &text)
        });
        return Err(CompileError { text: texts.collect::<Vec<_>>().join("\n"), located: true });
    }
    match scope.result() {
        Some((wanted, complaint)) if found != Type::Dyn && found != *wanted => Err(CompileError::whole(*complaint)),
        _ => Ok(()),
    }
}

/// Syntax errors as the reference implementation prints them, each with the line it is in.
pub(super) fn syntax_errors(errors: &ParseErrors, source: &str) -> CompileError {
    let texts = errors.errors.iter().map(|error| {
        let at = |n: isize| usize::try_from(n).unwrap_or(1).max(1);
        complaint(source, at(error.pos.0), at(error.pos.1), &error.msg)
    });
    CompileError { text: texts.collect::<Vec<_>>().join("\n"), located: true }
}

fn complaint(source: &str, line: usize, column: usize, text: &str) -> String {
    let snippet = source.lines().nth(line - 1).unwrap_or_default();
    format!("ERROR: <input>:{line}:{column}: {text}\n | {snippet}\n | {}^", ".".repeat(column - 1))
}

/// Line and column, both from 1, of a character offset.
fn position(source: &str, offset: usize) -> (usize, usize) {
    let before: Vec<char> = source.chars().take(offset).collect();
    let line_start = before.iter().rposition(|c| *c == '\n').map_or(0, |newline| newline + 1);
    (before.iter().filter(|c| **c == '\n').count() + 1, offset.min(before.len()) - line_start + 1)
}

/// Whether an expression nests deeper than `limit`.
pub(super) fn deeper_than(expr: &IdedExpr, limit: usize) -> bool {
    limit == 0 || children(expr).into_iter().any(|child| deeper_than(child, limit - 1))
}

/// The sub-expressions of an expression.
pub(super) fn children(expr: &IdedExpr) -> Vec<&IdedExpr> {
    match &expr.expr {
        Expr::Unspecified | Expr::Ident(_) | Expr::Literal(_) => Vec::new(),
        Expr::Call(call) => call.target.as_deref().into_iter().chain(&call.args).collect(),
        Expr::Comprehension(c) => vec![&c.iter_range, &c.accu_init, &c.loop_cond, &c.loop_step, &c.result],
        Expr::List(list) => list.elements.iter().collect(),
        Expr::Select(select) => vec![&select.operand],
        Expr::Map(map) => map.entries.iter().flat_map(|entry| entry_children(&entry.expr)).collect(),
        Expr::Struct(of) => of.entries.iter().flat_map(|entry| entry_children(&entry.expr)).collect(),
    }
}

fn entry_children(entry: &EntryExpr) -> Vec<&IdedExpr> {
    match entry {
        EntryExpr::StructField(field) => vec![&field.value],
        EntryExpr::MapEntry(entry) => vec![&entry.key, &entry.value],
    }
}

/// The names read from a variable: `b` of `a.b`, `has(a.b)`, `a.?b` and `a["b"]`.
pub(super) fn fields_of(expr: &IdedExpr, variable: &str) -> Vec<String> {
    let is_variable = |expr: &IdedExpr| matches!(&expr.expr, Expr::Ident(name) if name == variable);
    let mut found = Vec::new();
    match &expr.expr {
        Expr::Select(select) if is_variable(&select.operand) => found.push(select.field.clone()),
        Expr::Call(call)
            if [operators::INDEX, operators::OPT_INDEX, operators::OPT_SELECT].contains(&call.func_name.as_str()) =>
        {
            if let [of, field] = call.args.as_slice()
                && is_variable(of)
                && let Expr::Literal(LiteralValue::String(name)) = &field.expr
            {
                found.push(name.inner().to_owned());
            }
        }
        _ => {}
    }
    children(expr).into_iter().for_each(|child| found.extend(fields_of(child, variable)));
    found
}

/// Collects the fields that are read from variables, such as `b` of `a.b`; false if a variable is used in any other way, so that
/// all of it may be read.
pub(super) fn selects(expr: &IdedExpr, variables: &[&str], fields: &mut BTreeSet<String>) -> bool {
    let is_variable =
        |expr: &IdedExpr| matches!(&expr.expr, Expr::Ident(name) if variables.contains(&name.trim_start_matches('.')));
    if let Expr::Select(select) = &expr.expr
        && is_variable(&select.operand)
    {
        fields.insert(select.field.clone());
        return true;
    }
    !is_variable(expr) && children(expr).into_iter().all(|child| selects(child, variables, fields))
}

#[cfg(test)]
mod tests {
    use crate::cel::expression::{Expression, parse};

    #[test]
    fn selected_fields_are_distinguished_from_use_of_the_whole() {
        for (source, fields) in [
            ("self.metadata.name == self.spec.node.name", Some("metadata spec")),
            ("has(self.a) && oldSelf.b in ['x', self.c] && {'k': self.d}.k > 1", Some("a b c d")),
            ("self.items.all(x, x.self == self.e)", Some("e items")),
            ("1 == 1", Some("")),
            ("self == oldSelf", None),
            ("self.a && size(self) > 0", None),
            ("self.all(k, k != '')", None),
            ("[self].size() == 1", None),
            ("self.?a.orValue(1) == 1", None),
            ("self['a'] == 1", None),
        ] {
            let expression = Expression::new(source, parse(source).unwrap().unwrap(), false);
            let found = expression.selects(&["self", "oldSelf"]);
            let found = found.map(|fields| fields.into_iter().collect::<Vec<_>>().join(" "));
            assert_eq!(found.as_deref(), fields, "{source}");
        }
    }
}
