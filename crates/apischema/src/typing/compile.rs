//! Compiles a text into an expression that uses its variables correctly.

use super::{
    check::{CompileError, check, deeper_than, fields_of, selects, syntax_errors},
    cost::{Declared, estimate},
    types::Scope,
};
use crate::{
    cel::{
        Expression,
        expression::{EVALUATION_STACK, parse as parsed},
    },
    stack::on_stack,
};
use cel::Program;
use std::collections::BTreeSet;

/// Longest expression that is compiled, in bytes. The parser recurses, so this bounds its stack; the longest rules of
/// published definitions are below 4 KiB.
const MAX_SOURCE: usize = 16 << 10;
/// Deepest expression that is evaluated, in nodes: evaluation recurses too.
const MAX_DEPTH: usize = 160;
/// Expressions deeper than this, in nodes, are evaluated on a stack of their own. Published rules stay below.
const DEEP: usize = 24;
/// Expressions whose brackets nest deeper than this are parsed on a stack of their own.
const NESTED: usize = 6;
/// Expressions longer than this, in bytes, are too.
const LONG: usize = 200;
/// Size of that stack, in bytes: twice what the longest expressions needed.
const PARSER_STACK: usize = 64 << 20;

impl Expression {
    /// Compiles `source` for the variables of `scope`.
    pub(crate) fn compile(source: &str, scope: &Scope<'_>) -> Result<Self, CompileError> {
        if source.len() > MAX_SOURCE {
            let text = format!("the expression is {} bytes long, the server takes up to {MAX_SOURCE}", source.len());
            return Err(CompileError::whole(text));
        }
        let compile = || {
            let program = parse(source)?;
            check(&program, source, scope)?;
            Ok(program)
        };
        let program = if source.len() > LONG || nesting(source) > NESTED {
            on_stack(PARSER_STACK, compile).unwrap_or_else(|why| Err(CompileError::whole(why)))?
        } else {
            compile()?
        };
        let deep = deeper_than(program.expression(), DEEP);
        Ok(Self::new(source, program, deep))
    }

    /// The fields that are read from this variable, such as `b` in `a.b`.
    pub(crate) fn fields_of(&self, variable: &str) -> Vec<String> {
        fields_of(self.program.expression(), variable)
    }

    /// The fields that are selected from these variables, if nothing else of them is read; otherwise `None`.
    pub(crate) fn selects(&self, variables: &[&str]) -> Option<BTreeSet<String>> {
        let mut fields = BTreeSet::new();
        selects(self.program.expression(), variables, &mut fields).then_some(fields)
    }

    /// The most that one evaluation may cost, in the units of the API server. `scope` is the one that the expression
    /// was compiled for, and `root` is the schema of its `self`.
    pub(crate) fn cost<'a>(&self, scope: &Scope<'a>, root: Declared<'a>) -> u64 {
        let estimate = || estimate(self.program.expression(), scope, root);
        if self.deep { on_stack(EVALUATION_STACK, estimate).unwrap_or(u64::MAX) } else { estimate() }
    }
}

fn parse(source: &str) -> Result<Program, CompileError> {
    let program = parsed(source).map_err(|error| CompileError::whole(error.text))?;
    let program = program.map_err(|errors| syntax_errors(&errors, source))?;
    if deeper_than(program.expression(), MAX_DEPTH) {
        let text = format!("the expression nests more than {MAX_DEPTH} levels deep, which the server does not take");
        return Err(CompileError::whole(text));
    }
    Ok(program)
}

/// How deep brackets nest.
fn nesting(source: &str) -> usize {
    let (mut depth, mut deepest) = (0_usize, 0);
    for byte in source.bytes() {
        match byte {
            b'(' | b'[' | b'{' => depth += 1,
            b')' | b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        deepest = deepest.max(depth);
    }
    deepest
}
