//! Executing a template.
//!
//! E-1 Commands of a pipeline run from left to right; the result of one is the last argument of the next.
//! E-2 `and` and `or` stop at the deciding argument and return it.
//! E-3 A missing field of a struct, or a field of a nil pointer, is an error; a missing key of a map has no value, and neither have
//! fields of it.
//! E-4 `range` iterates over lists, over maps in the order of their keys, and up to an integer.
//! E-5 Output, steps and depth are limited; execution fails beyond a limit.
//!
//! Source: `text/template/exec.go` of Go's standard library.

use crate::{
    Error, Limits, Stage, builtin, format,
    function::{Functions, Parameter, Signature},
    tree::{Branch, Command, List, Node, Number, Operand, Pipeline, Span, Term},
    value::Value,
};
use std::collections::BTreeMap;

pub(crate) struct Executor<'t> {
    pub(crate) name: &'t str,
    pub(crate) text: &'t str,
    pub(crate) templates: &'t BTreeMap<String, List>,
    pub(crate) functions: &'t dyn Functions,
    pub(crate) limits: Limits,
    pub(crate) steps: usize,
    pub(crate) depth: usize,
    pub(crate) out: String,
}

/// Variables, innermost last.
type Variables = Vec<(String, Value)>;

/// How a list of nodes ended.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Flow {
    Done,
    Break,
    Continue,
}

impl Executor<'_> {
    pub(crate) fn template(&mut self, at: usize, name: &str, dot: Value) -> Result<(), Error> {
        let Some(list) = self.templates.get(name) else {
            return Err(self.error(at, format!("template {name:?} not defined")));
        };
        if self.depth >= self.limits.depth {
            return Err(self.error(at, format!("templates and structures are more than {} deep", self.limits.depth)));
        }
        let mut variables = vec![("$".to_owned(), dot.clone())];
        self.list(list, &dot, &mut variables).map(drop)
    }

    fn error(&self, at: usize, reason: String) -> Error {
        Error::at(self.name, self.text, at, Stage::Execute, reason)
    }

    /// An error that names the expression.
    fn stopped(&self, at: Span, reason: impl std::fmt::Display) -> Error {
        let expression = self.text.get(at.start..at.end).unwrap_or_default();
        self.error(at.place, format!("executing {:?} at <{}>: {reason}", self.name, brief(expression)))
    }

    fn step(&mut self, at: usize) -> Result<(), Error> {
        self.steps += 1;
        if self.steps > self.limits.steps {
            return Err(self.error(at, format!("more than {} steps", self.limits.steps)));
        }
        Ok(())
    }

    fn print(&mut self, at: usize, text: &str) -> Result<(), Error> {
        if self.out.len() + text.len() > self.limits.output {
            return Err(self.error(at, format!("more than {} bytes of output", self.limits.output)));
        }
        self.out.push_str(text);
        Ok(())
    }

    fn list(&mut self, list: &List, dot: &Value, variables: &mut Variables) -> Result<Flow, Error> {
        self.depth += 1;
        let mut flow = Flow::Done;
        for node in list {
            flow = self.node(node, dot, variables)?;
            if flow != Flow::Done {
                break;
            }
        }
        self.depth -= 1;
        Ok(flow)
    }

    fn node(&mut self, node: &Node, dot: &Value, variables: &mut Variables) -> Result<Flow, Error> {
        match node {
            Node::Text(text) => self.print(0, text)?,
            Node::Action(pipeline) => {
                let value = self.pipeline(pipeline, dot, variables)?;
                if pipeline.variables.is_empty() {
                    let text = format::printed(&value).map_err(|why| self.stopped(pipeline.at, why))?;
                    self.print(pipeline.at.start, &text)?;
                }
            }
            Node::If(branch) => return self.condition(branch, dot, variables, false),
            Node::With(branch) => return self.condition(branch, dot, variables, true),
            Node::Range(branch) => return self.range(branch, dot, variables),
            Node::Break => return Ok(Flow::Break),
            Node::Continue => return Ok(Flow::Continue),
            Node::Template { at, name, data } => {
                let dot = match data {
                    Some(pipeline) => self.pipeline(pipeline, dot, variables)?,
                    None => Value::Missing,
                };
                self.template(*at, name, dot)?;
            }
        }
        Ok(Flow::Done)
    }

    fn condition(
        &mut self,
        branch: &Branch,
        dot: &Value,
        variables: &mut Variables,
        moves_dot: bool,
    ) -> Result<Flow, Error> {
        let known = variables.len();
        let value = self.pipeline(&branch.pipeline, dot, variables)?;
        let flow = if value.is_true() {
            self.list(&branch.then, if moves_dot { &value } else { dot }, variables)
        } else {
            self.list(&branch.otherwise, dot, variables)
        };
        variables.truncate(known);
        flow
    }

    fn range(&mut self, branch: &Branch, dot: &Value, variables: &mut Variables) -> Result<Flow, Error> {
        let known = variables.len();
        let over = self.pipeline(&branch.pipeline, dot, variables)?;
        let at = branch.pipeline.at;
        let mut ran = false;
        let entries: Box<dyn Iterator<Item = (Value, Value)> + '_> = match over.pointed() {
            Value::List(list) => Box::new((0_i64..).map(Value::int).zip(list.items().iter().cloned())),
            Value::Bytes(bytes) => {
                let byte = |byte: &u8| Value::Uint(u64::from(*byte), Some("uint8".into()));
                Box::new((0_i64..).map(Value::int).zip(bytes.iter().map(byte)))
            }
            Value::Map(map) => {
                let entries = map.entries.iter().flat_map(|entries| entries.iter());
                Box::new(entries.map(|(key, value)| (Value::text(key), value.clone())))
            }
            Value::Int(_, _) if branch.pipeline.variables.len() > 1 => {
                return Err(self.stopped(at, "can't use an integer to iterate over more than one variable"));
            }
            Value::Int(end, name) => {
                let name = name.clone();
                Box::new((0..*end).map(move |int| (Value::Int(int, name.clone()), Value::Int(int, name.clone()))))
            }
            Value::Missing | Value::Nil => Box::new(std::iter::empty()),
            other => return Err(self.stopped(at, format!("range can't iterate over a {}", other.type_name()))),
        };
        let scope = variables.len();
        for (index, element) in entries {
            ran = true;
            self.step(at.start)?;
            self.iteration(&branch.pipeline, index, element.clone(), variables)?;
            let flow = self.list(&branch.then, &element, variables)?;
            variables.truncate(scope);
            if flow == Flow::Break {
                break;
            }
        }
        let flow = if ran { Ok(Flow::Done) } else { self.list(&branch.otherwise, dot, variables) };
        variables.truncate(known);
        flow
    }

    /// Sets the variables of a range: of two, the first is the index; a single one is the element.
    fn iteration(
        &self,
        pipeline: &Pipeline,
        index: Value,
        element: Value,
        variables: &mut Variables,
    ) -> Result<(), Error> {
        let values = match pipeline.variables.as_slice() {
            [] => Vec::new(),
            [one] => vec![(one, element)],
            [first, second, ..] => vec![(first, index), (second, element)],
        };
        values.into_iter().try_for_each(|(name, value)| self.assign(pipeline.at, name, value, variables))
    }

    fn assign(&self, at: Span, name: &str, value: Value, variables: &mut Variables) -> Result<(), Error> {
        match variables.iter_mut().rev().find(|(known, _)| known == name) {
            Some((_, known)) => *known = value,
            None => return Err(self.stopped(at, format!("undefined variable: {name}"))),
        }
        Ok(())
    }

    fn pipeline(&mut self, pipeline: &Pipeline, dot: &Value, variables: &mut Variables) -> Result<Value, Error> {
        let mut value = None;
        for command in &pipeline.commands {
            let result = self.command(command, dot, variables, value.take())?;
            // An interface value is resolved: its nil no longer has a value.
            value = Some(if matches!(result, Value::Nil) { Value::Missing } else { result });
        }
        let value = value.unwrap_or(Value::Missing);
        for name in &pipeline.variables {
            if pipeline.assigns {
                self.assign(pipeline.at, name, value.clone(), variables)?;
            } else {
                variables.push((name.clone(), value.clone()));
            }
        }
        Ok(value)
    }

    fn command(
        &mut self,
        command: &Command,
        dot: &Value,
        variables: &mut Variables,
        last: Option<Value>,
    ) -> Result<Value, Error> {
        self.step(command.at.start)?;
        let Command { at, first, arguments } = command;
        if let Term::Function(name) = &first.term {
            return self.call(*at, first, name, arguments, dot, variables, last);
        }
        if !arguments.is_empty() || last.is_some() {
            let reason = match &first.term {
                Term::Fields(fields) | Term::Variable(_, fields) | Term::Chain(_, fields) if !fields.is_empty() => {
                    // The fields before the last are resolved first.
                    self.operand(first, dot, variables)?;
                    format!("{} is not a method but has arguments", fields.last().map_or("", String::as_str))
                }
                _ => format!("can't give argument to non-function {}", self.source(first.at)),
            };
            return Err(self.stopped(first.at, reason));
        }
        if matches!(first.term, Term::Nil) {
            return Err(self.stopped(first.at, "nil is not a command"));
        }
        self.operand(first, dot, variables)
    }

    fn source(&self, at: Span) -> &str {
        self.text.get(at.start..at.end).unwrap_or_default()
    }

    fn operand(&mut self, operand: &Operand, dot: &Value, variables: &mut Variables) -> Result<Value, Error> {
        match &operand.term {
            Term::Dot => Ok(dot.clone()),
            Term::Nil => Ok(Value::Nil),
            Term::Bool(bool) => Ok(Value::Bool(*bool)),
            Term::Number(number) => self.constant(operand.at, *number),
            Term::Text(text) => Ok(Value::text(text)),
            Term::Fields(fields) => self.fields(operand.at, dot.clone(), fields),
            Term::Variable(name, fields) => {
                let known = variables.iter().rev().find(|(known, _)| known == name);
                let Some((_, value)) = known else {
                    return Err(self.stopped(operand.at, format!("undefined variable: {name}")));
                };
                self.fields(operand.at, value.clone(), fields)
            }
            Term::Function(name) => self.call(operand.at, operand, name, &[], dot, variables, None),
            Term::Pipeline(pipeline) => self.pipeline(pipeline, dot, variables),
            Term::Chain(base, fields) => {
                let value = self.operand(base, dot, variables)?;
                self.fields(operand.at, value, fields)
            }
        }
    }

    fn constant(&self, at: Span, number: Number) -> Result<Value, Error> {
        match number {
            Number { float: Some(float), is_float: true, .. } => Ok(Value::Float(float)),
            Number { int: Some(int), .. } => Ok(Value::int(int)),
            Number { .. } => Err(self.stopped(at, "the number overflows int")),
        }
    }

    fn fields(&self, at: Span, value: Value, fields: &[String]) -> Result<Value, Error> {
        fields.iter().try_fold(value, |value, name| self.field(&value, name).map_err(|why| self.stopped(at, why)))
    }

    fn field(&self, value: &Value, name: &str) -> Result<Value, String> {
        match value.pointed() {
            Value::Missing => Ok(Value::Missing),
            Value::Nil => Err(format!("nil pointer evaluating {}.{name}", value.type_name())),
            Value::NilPointer(to) => Err(format!("nil pointer evaluating *{to}.{name}")),
            Value::Map(map) => {
                let found = map.entries.as_ref().and_then(|entries| entries.get(name));
                Ok(found.cloned().unwrap_or(Value::Missing))
            }
            Value::Struct(of) => match of.field(name) {
                Some(field) => Ok(field.clone()),
                None => Err(format!("can't evaluate field {name} in type {}", value.type_name())),
            },
            _ => Err(format!("can't evaluate field {name} in type {}", value.type_name())),
        }
    }

    #[allow(clippy::too_many_arguments, reason = "the place, what is called and what with; nothing to group")]
    fn call(
        &mut self,
        at: Span,
        function: &Operand,
        name: &str,
        arguments: &[Operand],
        dot: &Value,
        variables: &mut Variables,
        last: Option<Value>,
    ) -> Result<Value, Error> {
        let own = self.functions.signature(name);
        let is_own = own.is_some();
        let Some(signature) = own.or_else(|| builtin::signature(name)) else {
            return Err(self.stopped(function.at, format!("{name:?} is not a defined function")));
        };
        let count = arguments.len() + usize::from(last.is_some());
        if let Some(why) = signature.refuses(name, count) {
            return Err(self.stopped(function.at, why));
        }
        if !is_own && matches!(name, "and" | "or") {
            return self.decide(name == "or", arguments, dot, variables, last);
        }
        let mut values = self.arguments(&signature, arguments, dot, variables)?;
        if let Some(last) = last {
            let parameter = signature.parameter(values.len());
            values.push(parameter.accept(last).map_err(|why| self.stopped(at, why))?);
        }
        let result = if is_own {
            self.functions.call(name, &values)
        } else {
            builtin::call(name, &values).unwrap_or_else(|| Err("it is not there".to_owned()))
        };
        result.map_err(|why| self.stopped(at, format!("error calling {name}: {why}")))
    }

    fn arguments(
        &mut self,
        signature: &Signature,
        arguments: &[Operand],
        dot: &Value,
        variables: &mut Variables,
    ) -> Result<Vec<Value>, Error> {
        let mut values = Vec::with_capacity(arguments.len() + 1);
        for (at, argument) in arguments.iter().enumerate() {
            values.push(self.argument(signature.parameter(at), argument, dot, variables)?);
        }
        Ok(values)
    }

    /// An argument: a constant takes the expected type, if it can.
    fn argument(
        &mut self,
        parameter: &Parameter,
        argument: &Operand,
        dot: &Value,
        variables: &mut Variables,
    ) -> Result<Value, Error> {
        let expected = |what: &str| format!("expected {what}; found {}", self.source(argument.at));
        let refused = match (&argument.term, parameter) {
            (Term::Number(number), Parameter::Int) => match number.int {
                Some(int) => return Ok(Value::int(int)),
                None => expected("integer"),
            },
            (Term::Text(_) | Term::Bool(_), Parameter::Int) => expected("integer"),
            (Term::Number(_) | Term::Bool(_), Parameter::Text) => expected("string"),
            (Term::Number(_) | Term::Text(_) | Term::Bool(_), Parameter::Texts | Parameter::Struct(_)) => {
                format!("can't handle {} for arg of type {}", self.source(argument.at), parameter.type_name())
            }
            (Term::Nil, Parameter::Int | Parameter::Text | Parameter::Struct(_)) => {
                format!("cannot assign nil to {}", parameter.type_name())
            }
            _ => {
                let value = self.operand(argument, dot, variables)?;
                return parameter.accept(value).map_err(|why| self.stopped(argument.at, why));
            }
        };
        Err(self.stopped(argument.at, refused))
    }

    fn decide(
        &mut self,
        is_or: bool,
        arguments: &[Operand],
        dot: &Value,
        variables: &mut Variables,
        last: Option<Value>,
    ) -> Result<Value, Error> {
        let mut value = Value::Missing;
        for argument in arguments {
            value = self.argument(&Parameter::Any, argument, dot, variables)?;
            if value.is_true() == is_or {
                return Ok(value);
            }
        }
        Ok(last.unwrap_or(value))
    }
}

/// An expression for error messages, shortened.
fn brief(expression: &str) -> String {
    const LONGEST: usize = 60;
    if expression.chars().count() <= LONGEST {
        return expression.to_owned();
    }
    let start: String = expression.chars().take(LONGEST).collect();
    format!("{start}...")
}
