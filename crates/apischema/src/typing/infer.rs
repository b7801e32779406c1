//! Infers the types of expressions, and finds type errors.

use super::{
    signatures,
    types::{Scope, Type},
};
use crate::text::{Program, duration_nanos};
use cel::{
    IdedExpr,
    common::ast::{CallExpr, ComprehensionExpr, EntryExpr, Expr, LiteralValue, MapExpr, SelectExpr, operators},
};
use std::collections::HashMap;

/// The types of an expression and all its parts.
#[derive(Debug, Default)]
pub(super) struct Kinds<'a> {
    types: HashMap<u64, Type<'a>>,
    /// Calls of functions with a qualified name, such as `optional.of`, which look like method calls.
    qualified: HashMap<u64, String>,
}

impl<'a> Kinds<'a> {
    pub(super) fn of(&self, expr: &IdedExpr) -> Type<'a> {
        self.types.get(&expr.id).cloned().unwrap_or(Type::Dyn)
    }

    /// The name of the called function, if it is qualified.
    pub(super) fn qualified(&self, call: &IdedExpr) -> Option<&str> {
        self.qualified.get(&call.id).map(String::as_str)
    }
}

/// Infers types and collects type errors.
pub(super) struct Checker<'s, 'a> {
    scope: &'s Scope<'a>,
    locals: Vec<(String, Type<'a>)>,
    /// Node id and complaint.
    pub(super) problems: Vec<(u64, String)>,
    /// The inferred types, for later queries.
    kinds: Option<Kinds<'a>>,
}

impl<'s, 'a> Checker<'s, 'a> {
    pub(super) fn new(scope: &'s Scope<'a>) -> Self {
        Self { scope, locals: Vec::new(), problems: Vec::new(), kinds: None }
    }

    /// The types of a whole expression.
    pub(super) fn kinds(expr: &IdedExpr, scope: &'s Scope<'a>) -> Kinds<'a> {
        let mut checker = Self { kinds: Some(Kinds::default()), ..Self::new(scope) };
        checker.infer(expr);
        checker.kinds.unwrap_or_default()
    }

    pub(super) fn infer(&mut self, expr: &IdedExpr) -> Type<'a> {
        let found = self.infer_part(expr);
        if let Some(kinds) = &mut self.kinds {
            kinds.types.insert(expr.id, found.clone());
        }
        found
    }

    fn infer_part(&mut self, expr: &IdedExpr) -> Type<'a> {
        match &expr.expr {
            Expr::Unspecified => Type::Dyn,
            Expr::Literal(literal) => match literal {
                LiteralValue::Boolean(_) => Type::Bool,
                LiteralValue::Bytes(_) => Type::Bytes,
                LiteralValue::Double(_) => Type::Double,
                LiteralValue::Int(_) => Type::Int,
                LiteralValue::Null => Type::Null,
                LiteralValue::String(_) => Type::String,
                LiteralValue::UInt(_) => Type::Uint,
            },
            Expr::Ident(name) => self.variable(name, expr.id),
            Expr::Select(select) => self.select(select, expr.id),
            Expr::Call(call) => self.call(call, expr.id),
            Expr::Comprehension(comprehension) => self.comprehension(comprehension),
            Expr::List(list) => {
                let types: Vec<_> = list.elements.iter().map(|element| self.infer(element)).collect();
                Type::List(Box::new(types.into_iter().reduce(Type::join).unwrap_or(Type::Dyn)))
            }
            Expr::Map(map) => self.map(map),
            Expr::Struct(of) => {
                for entry in &of.entries {
                    self.entry(&entry.expr);
                }
                Type::Dyn
            }
        }
    }

    /// A map type consists of the type of its values, as long as all keys are strings.
    fn map(&mut self, map: &MapExpr) -> Type<'a> {
        let entries: Vec<_> = map.entries.iter().map(|entry| self.entry(&entry.expr)).collect();
        let named = entries.iter().all(|(key, _)| *key == Type::String);
        let values = entries.into_iter().map(|(_, value)| value).reduce(Type::join);
        if named { Type::Map(Box::new(values.unwrap_or(Type::Dyn))) } else { Type::Dyn }
    }

    /// The types of key and value.
    fn entry(&mut self, entry: &EntryExpr) -> (Type<'a>, Type<'a>) {
        match entry {
            EntryExpr::StructField(field) => (Type::String, self.infer(&field.value)),
            EntryExpr::MapEntry(entry) => (self.infer(&entry.key), self.infer(&entry.value)),
        }
    }

    fn variable(&mut self, name: &str, id: u64) -> Type<'a> {
        let local = self.locals.iter().rev().find(|(known, _)| known == name).map(|(_, found)| found.clone());
        if let Some(found) = local.or_else(|| self.scope.find(name).cloned()) {
            return found;
        }
        if !signatures::TYPE_NAMES.contains(&name) {
            self.problems.push((id, format!("undeclared reference to '{name}' (in container '')")));
        }
        Type::Meta
    }

    fn select(&mut self, select: &SelectExpr, id: u64) -> Type<'a> {
        let operand = self.infer(&select.operand);
        let found = self.field(&operand, &select.field, id);
        if select.test { Type::Bool } else { found }
    }

    fn field(&mut self, of: &Type<'a>, name: &str, id: u64) -> Type<'a> {
        match of.field(name) {
            Ok(Some(found)) => found,
            Ok(None) => {
                self.problems.push((id, format!("undefined field '{name}'")));
                Type::Dyn
            }
            Err(()) => {
                self.problems.push((id, format!("type '{of}' does not support field selection")));
                Type::Dyn
            }
        }
    }

    fn comprehension(&mut self, c: &ComprehensionExpr) -> Type<'a> {
        let element = match self.infer(&c.iter_range) {
            Type::List(of) => *of,
            Type::Map(_) => Type::String,
            _ => Type::Dyn,
        };
        let start = self.infer(&c.accu_init);
        let depth = self.locals.len();
        self.locals.push((c.iter_var.clone(), element));
        self.locals.extend(c.iter_var2.clone().map(|name| (name, Type::Dyn)));
        self.locals.push((c.accu_var.clone(), start.clone()));
        self.infer(&c.loop_cond);
        let step = self.infer(&c.loop_step);
        // A list starts empty, of anything; its elements are known after a step.
        let accumulated = if start == Type::List(Box::new(Type::Dyn)) { step } else { start };
        if let Some(last) = self.locals.last_mut() {
            last.1 = accumulated;
        }
        let result = self.infer(&c.result);
        self.locals.truncate(depth);
        result
    }

    fn call(&mut self, call: &CallExpr, id: u64) -> Type<'a> {
        if let Some(name) = call.target.as_deref().and_then(|target| self.qualified(target, &call.func_name)) {
            let args: Vec<Type<'a>> = call.args.iter().map(|arg| self.infer(arg)).collect();
            let result = signatures::result_of(&name, None, &args);
            if let Some(kinds) = &mut self.kinds {
                kinds.qualified.insert(id, name);
            }
            return result;
        }
        let target = call.target.as_deref().map(|target| self.infer(target));
        let args: Vec<Type<'a>> = call.args.iter().map(|arg| self.infer(arg)).collect();
        if let (None, Some(found)) = (&target, self.operator(call, &args, id)) {
            return found;
        }
        if !signatures::is_function(&call.func_name) {
            self.problems.push((id, format!("undeclared reference to '{}' (in container '')", call.func_name)));
            return Type::Dyn;
        }
        self.literal_argument(call);
        let receiver = target.as_ref();
        let misused = receiver.is_some_and(|receiver| signatures::refuses(&call.func_name, receiver));
        if misused {
            self.no_overload(&call.func_name, receiver, &args, id);
        }
        signatures::result_of(&call.func_name, receiver, &args)
    }

    /// Literal patterns, times and durations must be valid.
    fn literal_argument(&mut self, call: &CallExpr) {
        let Some(argument) = call.args.last() else { return };
        let Expr::Literal(LiteralValue::String(text)) = &argument.expr else { return };
        let valid = match call.func_name.as_str() {
            "matches" => Program::compile(text.inner()).is_ok(),
            "timestamp" => chrono::DateTime::parse_from_rfc3339(text.inner()).is_ok(),
            "duration" => duration_nanos(text.inner()).is_some(),
            _ => true,
        };
        if !valid {
            self.problems.push((argument.id, format!("invalid {} argument", call.func_name)));
        }
    }

    /// `a.f` when that names a function, such as `optional.of`, and no variable hides it.
    fn qualified(&self, target: &IdedExpr, function: &str) -> Option<String> {
        let Expr::Ident(namespace) = &target.expr else { return None };
        let name = format!("{namespace}.{function}");
        let hidden = self.scope.find(namespace).is_some() || self.locals.iter().any(|(local, _)| local == namespace);
        (!hidden && signatures::is_function(&name)).then_some(name)
    }

    fn operator(&mut self, call: &CallExpr, args: &[Type<'a>], id: u64) -> Option<Type<'a>> {
        let name = call.func_name.as_str();
        Some(match (name, args) {
            (operators::LOGICAL_AND | operators::LOGICAL_OR, [a, b]) => {
                if [a, b].into_iter().any(|side| side.is_scalar() && *side != Type::Bool) {
                    self.no_overload(name, None, args, id);
                }
                Type::Bool
            }
            (operators::LOGICAL_NOT | operators::NOT_STRICTLY_FALSE, [_]) => Type::Bool,
            (operators::EQUALS | operators::NOT_EQUALS, [a, b]) => {
                if a.is_scalar() && b.is_scalar() && a != b {
                    self.no_overload(name, None, args, id);
                }
                Type::Bool
            }
            (operators::LESS | operators::LESS_EQUALS | operators::GREATER | operators::GREATER_EQUALS, [a, b]) => {
                if a.is_scalar() && b.is_scalar() && a != b && !(a.is_number() && b.is_number()) {
                    self.no_overload(name, None, args, id);
                }
                Type::Bool
            }
            (operators::IN, [a, b]) => {
                let elements = match b {
                    Type::List(of) => of.as_ref(),
                    Type::Map(_) => &Type::String,
                    scalar if scalar.is_scalar() => &Type::Null,
                    _ => &Type::Dyn,
                };
                if *elements == Type::Null || (elements.is_scalar() && a.is_scalar() && elements != a) {
                    self.no_overload(name, None, args, id);
                }
                Type::Bool
            }
            (operators::CONDITIONAL, [_, a, b]) => a.clone().join(b.clone()),
            (operators::NEGATE, [a]) => a.clone(),
            (operators::INDEX, [of, _]) => match of {
                Type::List(of) | Type::Map(of) => (**of).clone(),
                _ => Type::Dyn,
            },
            (operators::OPT_INDEX, [of, _]) => match of {
                Type::List(of) | Type::Map(of) => Type::Optional(of.clone()),
                _ => Type::Dyn,
            },
            (operators::OPT_SELECT, [of, _]) => match call.args.get(1).map(|field| &field.expr) {
                Some(Expr::Literal(LiteralValue::String(field))) => match self.field(of, field.inner(), id) {
                    found @ (Type::Optional(_) | Type::Dyn) => found,
                    found => Type::Optional(Box::new(found)),
                },
                _ => Type::Dyn,
            },
            (
                operators::ADD | operators::SUBSTRACT | operators::MULTIPLY | operators::DIVIDE | operators::MODULO,
                [a, b],
            ) => self.arithmetic(name, a, b, args, id),
            _ => return None,
        })
    }

    fn arithmetic(&mut self, name: &str, a: &Type<'a>, b: &Type<'a>, args: &[Type<'a>], id: u64) -> Type<'a> {
        let time = |t: &Type<'_>| matches!(t, Type::Timestamp | Type::Duration);
        match (a, b) {
            (Type::Timestamp, Type::Timestamp) => Type::Duration,
            (Type::Timestamp, Type::Duration) | (Type::Duration, Type::Timestamp) => Type::Timestamp,
            // If one list has elements of unknown type, the other may still know its own.
            (Type::List(one), Type::List(other)) if **one == Type::Dyn => Type::List(other.clone()),
            _ if a == b && !(time(a) && name == operators::MULTIPLY) => a.clone(),
            _ if a.is_scalar() && b.is_scalar() => {
                self.no_overload(name, None, args, id);
                Type::Dyn
            }
            _ => Type::Dyn,
        }
    }

    fn no_overload(&mut self, function: &str, receiver: Option<&Type<'a>>, args: &[Type<'a>], id: u64) {
        let args = args.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        let applied = receiver.map_or_else(|| format!("({args})"), |receiver| format!("{receiver}.({args})"));
        self.problems.push((id, format!("found no matching overload for '{function}' applied to '{applied}'")));
    }
}
