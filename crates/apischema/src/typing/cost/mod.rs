//! What one evaluation of an expression costs at most, in the units of the API server: about 50 ns each. The estimate is
//! the one of the reference implementation (`checker/cost.go` of github.com/google/cel-go, with the sizes and functions
//! of k8s.io/apiserver/pkg/cel/library), its peculiarities included, since it decides which definitions are accepted.
//!
//! 1. A constant costs nothing, a variable or field one, a list ten, a map thirty, a message forty.
//! 2. A loop costs its condition and step, times the maximum number of entries of its list or map.
//! 3. `&&` and `||` cost both sides, `? :` the more expensive branch, `has(…)` only what it looks into.
//! 4. Other calls cost what [`calls`] says, in addition to their arguments.
//! 5. Sizes are what the schema allows where the value is a part of `self` (or `oldSelf`), counted for literals, and
//!    unbounded elsewhere.
//! 6. A part of something that has no place below `self`, such as an element of a filtered list, is treated as `self`
//!    itself. That makes no sense, but the reference does it.

mod calls;
mod estimate;
mod size;

pub(crate) use size::{Declared, LARGEST_REQUEST};

use super::{
    infer::{Checker, Kinds},
    types::{Scope, Type},
};
use crate::cel::library::comprehension::loop_over_pairs;
use cel::{
    IdedExpr,
    common::ast::{CallExpr, ComprehensionExpr, EntryExpr, Expr, LiteralValue, SelectExpr, operators},
};
use estimate::{Entries, Estimate, Place};
use size::Size;

const VARIABLE: u64 = 1;
const LIST: u64 = 10;
const MAP: u64 = 30;
const MESSAGE: u64 = 40;

/// The most that evaluating an expression on a value of `root` may cost.
pub(super) fn estimate<'a>(expr: &IdedExpr, scope: &Scope<'a>, root: Declared<'a>) -> u64 {
    let kinds = Checker::kinds(expr, scope);
    Estimator { kinds: &kinds, root, locals: Vec::new() }.of(expr).cost
}

/// Steps from a value to its parts.
#[derive(Clone, Copy)]
enum Step<'n> {
    Element,
    Key,
    /// The position of an element, which has no place.
    Position,
    Field(&'n str),
}

/// A variable of a loop, or one that is bound to a value.
struct Local<'a> {
    name: String,
    /// What naming it costs.
    cost: u64,
    place: Place<'a>,
    size: Option<Size>,
    entries: Option<Entries>,
}

struct Estimator<'k, 'a> {
    kinds: &'k Kinds<'a>,
    root: Declared<'a>,
    locals: Vec<Local<'a>>,
}

impl<'a> Estimator<'_, 'a> {
    fn of(&mut self, expr: &IdedExpr) -> Estimate<'a> {
        match &expr.expr {
            Expr::Unspecified => self.plain(expr, 0),
            Expr::Literal(literal) => {
                let number = match literal {
                    LiteralValue::Int(number) => Some(*number.inner()),
                    _ => None,
                };
                Estimate { size: Some(Size::fixed(length(literal))), number, ..self.plain(expr, 0) }
            }
            Expr::Ident(name) => self.variable(expr, name),
            Expr::Select(select) => self.select(expr, select),
            Expr::Call(call) => self.call(expr, call),
            Expr::Comprehension(c) if is_binding(c) => self.binding(expr, c),
            Expr::Comprehension(c) => self.comprehension(expr, c),
            Expr::List(list) => self.written(expr, LIST, true, list.elements.iter().map(|element| (None, element))),
            Expr::Map(map) => {
                let entries = map.entries.iter().filter_map(|entry| match &entry.expr {
                    EntryExpr::MapEntry(entry) => Some((Some(&entry.key), &entry.value)),
                    EntryExpr::StructField(_) => None,
                });
                self.written(expr, MAP, false, entries)
            }
            Expr::Struct(of) => {
                let fields = of.entries.iter().map(|entry| match &entry.expr {
                    EntryExpr::StructField(field) => self.of(&field.value).cost,
                    EntryExpr::MapEntry(entry) => self.of(&entry.value).cost,
                });
                let cost = fields.fold(MESSAGE, u64::saturating_add);
                self.plain(expr, cost)
            }
        }
    }

    /// A value without a place; its size is known only if its type determines it.
    fn plain(&self, expr: &IdedExpr, cost: u64) -> Estimate<'a> {
        let kind = self.kinds.of(expr);
        let size = kind.has_one_size().then_some(Size::fixed(1));
        Estimate { cost, kind, place: Place::None, size, entries: None, number: None }
    }

    /// A value in a place.
    fn placed(&self, expr: &IdedExpr, cost: u64, place: Place<'a>) -> Estimate<'a> {
        let plain = self.plain(expr, cost);
        let size = self.size_at(place).or(plain.size);
        Estimate { place, size, ..plain }
    }

    fn size_at(&self, place: Place<'a>) -> Option<Size> {
        match place {
            Place::At(declared) => Some(Size::at_most(declared.largest())),
            Place::None | Place::Unknown => None,
        }
    }

    fn step(&self, from: Place<'a>, step: Step<'_>) -> Place<'a> {
        let next = match (from, step) {
            (Place::None, _) => Some(self.root),
            (Place::Unknown, _) | (_, Step::Position) => None,
            (Place::At(declared), Step::Element) => declared.element(),
            (Place::At(declared), Step::Key) => declared.key(),
            (Place::At(declared), Step::Field(name)) => declared.field(name),
        };
        next.map_or(Place::Unknown, Place::At)
    }

    fn variable(&self, expr: &IdedExpr, name: &str) -> Estimate<'a> {
        let Some(local) = self.locals.iter().rev().find(|local| local.name == name) else {
            return self.placed(expr, VARIABLE, Place::At(self.root));
        };
        let placed = self.placed(expr, local.cost, local.place);
        Estimate { size: placed.size.or(local.size), entries: local.entries, ..placed }
    }

    fn select(&mut self, expr: &IdedExpr, select: &SelectExpr) -> Estimate<'a> {
        let operand = self.of(&select.operand);
        if select.test {
            return self.plain(expr, operand.cost);
        }
        let own = if operand.kind.has_fields() { VARIABLE } else { 0 };
        let place = self.step(operand.place, Step::Field(&select.field));
        self.placed(expr, operand.cost.saturating_add(own), place)
    }

    /// A list or map literal.
    fn written<'e>(
        &mut self,
        expr: &IdedExpr,
        base: u64,
        list: bool,
        entries: impl Iterator<Item = (Option<&'e IdedExpr>, &'e IdedExpr)>,
    ) -> Estimate<'a> {
        let (mut cost, mut count) = (base, 0);
        let mut sizes: Option<Entries> = None;
        for (key, value) in entries {
            let key = key.map(|key| self.of(key));
            let value = self.of(value);
            cost = cost.saturating_add(key.as_ref().map_or(0, |key| key.cost)).saturating_add(value.cost);
            let entry = Entries { list, key: key.map_or(Size::fixed(1), |key| key.size()), value: value.size() };
            sizes = Some(sizes.map_or(entry, |sizes| sizes.union(entry)));
            count += 1;
        }
        let nothing = Size::fixed(0);
        let empty = Entries { list, key: if list { Size::fixed(1) } else { nothing }, value: nothing };
        let entries = Some(sizes.unwrap_or(empty));
        Estimate { size: Some(Size::fixed(count)), entries, ..self.plain(expr, cost) }
    }

    fn call(&mut self, expr: &IdedExpr, call: &CallExpr) -> Estimate<'a> {
        let kinds = self.kinds;
        let qualified = kinds.qualified(expr);
        let target = call.target.as_deref().filter(|_| qualified.is_none()).map(|target| self.of(target));
        let args: Vec<Estimate<'a>> = call.args.iter().map(|arg| self.of(arg)).collect();
        let name = qualified.unwrap_or(&call.func_name);
        let before = args.iter().chain(&target).map(|part| part.cost).fold(0, u64::saturating_add);
        match (name, args.as_slice()) {
            (operators::LOGICAL_AND | operators::LOGICAL_OR, _) => self.plain(expr, before),
            (operators::CONDITIONAL, [condition, a, b]) => Estimate {
                size: Some(a.size().union(b.size())),
                entries: a.entries.zip(b.entries).map(|(a, b)| a.union(b)),
                ..self.plain(expr, condition.cost.saturating_add(a.cost.max(b.cost)))
            },
            (operators::INDEX, [of, _]) => {
                let cost = before.saturating_add(1);
                if matches!(of.kind, Type::Optional(_)) {
                    return self.plain(expr, cost);
                }
                let placed = self.placed(expr, cost, self.step(of.place, Step::Element));
                Estimate { size: of.entries.map(|entries| entries.value).or(placed.size), ..placed }
            }
            ("dyn", [of]) => {
                Estimate { size: of.size, entries: of.entries, ..self.plain(expr, before.saturating_add(1)) }
            }
            _ => {
                let element = |of: &Estimate<'a>| match of.place {
                    Place::None => None,
                    place => self.size_at(self.step(place, Step::Element)),
                };
                let own = calls::call(name, target.as_ref(), &args, &element);
                let plain = self.plain(expr, before.saturating_add(own.cost));
                let joined = || args[0].entries.zip(args.get(1)?.entries).map(|(a, b)| a.union(b));
                let entries = if name == operators::ADD { joined() } else { None };
                Estimate { size: own.size.or(plain.size), entries, ..plain }
            }
        }
    }

    fn comprehension(&mut self, expr: &IdedExpr, c: &ComprehensionExpr) -> Estimate<'a> {
        // Loops with two variables are rewritten as two loops, but estimated as one.
        let (over, inner) = match loop_over_pairs(c) {
            Some((over, inner)) => (over, Some(inner)),
            None => (&c.iter_range, None),
        };
        let range = self.of(over);
        let start = self.of(&c.accu_init);
        let depth = self.locals.len();
        self.bind(&c.accu_var, VARIABLE, &start);
        let list = range.is_list();
        let sizes = |entries: Entries| if list { entries.value } else { entries.key };
        let (first, second) = match inner {
            None if list => (Step::Element, None),
            None => (Step::Key, None),
            Some(inner) => (if list { Step::Position } else { Step::Key }, Some(&inner.iter_var)),
        };
        let first_size = if second.is_some() { range.entries.map(|e| e.key) } else { range.entries.map(sizes) };
        self.declare(&c.iter_var, self.step(range.place, first), first_size);
        if let Some(name) = second {
            let place = self.step(range.place, Step::Element);
            self.declare(name, place, range.entries.map(|entries| entries.value));
        }
        let condition = self.of(&c.loop_cond);
        let step = self.of(inner.map_or(&c.loop_step, |inner| &inner.loop_step));
        self.locals.truncate(depth + 1);
        let result = self.of(&c.result);
        self.locals.truncate(depth);
        let turns = range.size().max.saturating_mul(condition.cost.saturating_add(step.cost));
        let cost = [range.cost, start.cost, result.cost].into_iter().fold(turns, u64::saturating_add);
        let plain = self.plain(expr, cost);
        match &c.accu_init.expr {
            Expr::Literal(_) => Estimate { size: start.size, ..plain },
            Expr::List(_) | Expr::Map(_) => Estimate { size: Some(range.size()), entries: step.entries, ..plain },
            _ => plain,
        }
    }

    /// A name bound to a value, as `optMap` does.
    fn binding(&mut self, expr: &IdedExpr, c: &ComprehensionExpr) -> Estimate<'a> {
        let value = self.of(&c.accu_init);
        let depth = self.locals.len();
        // Such a name cannot be written in an expression: it spares the engine a second evaluation that the reference does, so it
        // does not add to the cost.
        let hidden = c.accu_var.starts_with('@');
        self.bind(&c.accu_var, if hidden { value.cost } else { VARIABLE }, &value);
        let result = self.of(&c.result);
        self.locals.truncate(depth);
        let own = if hidden { 0 } else { LIST.saturating_add(value.cost) };
        let plain = self.plain(expr, own.saturating_add(result.cost));
        Estimate { size: result.size.or(plain.size), entries: result.entries, ..plain }
    }

    fn bind(&mut self, name: &str, cost: u64, value: &Estimate<'a>) {
        let &Estimate { place, size, entries, .. } = value;
        self.locals.push(Local { name: name.to_owned(), cost, place, size, entries });
    }

    fn declare(&mut self, name: &str, place: Place<'a>, size: Option<Size>) {
        self.locals.push(Local { name: name.to_owned(), cost: VARIABLE, place, size, entries: None });
    }
}

fn is_binding(c: &ComprehensionExpr) -> bool {
    let never = matches!(&c.loop_cond.expr, Expr::Literal(LiteralValue::Boolean(condition)) if !condition.inner());
    never && matches!(&c.iter_range.expr, Expr::List(list) if list.elements.is_empty())
}

/// The size of a constant.
fn length(literal: &LiteralValue) -> u64 {
    match literal {
        LiteralValue::String(text) => text.inner().chars().count() as u64,
        LiteralValue::Bytes(bytes) => bytes.inner().len() as u64,
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{cel::Expression, node::Node};
    use serde_json::{Value, json};

    fn cost(schema: &Value, rule: &str) -> u64 {
        let node: Node = serde_json::from_value(schema.clone()).unwrap();
        let scope = Scope::default().typed("self", &node, false, false).typed("oldSelf", &node, false, false);
        Expression::compile(rule, &scope).unwrap().cost(&scope, Declared::Node(&node, false))
    }

    fn list(of: &Value, max: Option<u64>) -> Value {
        max.map_or_else(
            || json!({"type": "array", "items": of}),
            |max| json!({"type": "array", "items": of, "maxItems": max}),
        )
    }

    fn map(of: &Value, max: Option<u64>) -> Value {
        let mut map = json!({"type": "object", "additionalProperties": of});
        if let Some(max) = max {
            map["maxProperties"] = max.into();
        }
        map
    }

    fn text(max: Option<u64>) -> Value {
        max.map_or_else(|| json!({"type": "string"}), |max| json!({"type": "string", "maxLength": max}))
    }

    fn of_type(kind: &str) -> Value {
        json!({"type": kind})
    }

    fn of_format(format: &str) -> Value {
        json!({"type": "string", "format": format})
    }

    /// Costs that k8s.io/apiextensions-apiserver/pkg/apiserver/schema/cel gives for the same schemas and rules.
    #[test]
    fn loops_cost_what_the_reference_says() {
        let object = json!({"type": "object", "required": ["required"],
            "properties": {"required": {"type": "string"}, "optional": {"type": "string"}}});
        let int_or_string = json!({"x-kubernetes-int-or-string": true});
        let cases = [
            (list(&of_type("number"), None), 4_718_591),
            (list(&of_type("number"), Some(10)), 32),
            (list(&text(None), None), 3_145_727),
            (list(&of_type("boolean"), None), 1_887_437),
            (list(&list(&of_type("number"), None), None), 3_145_727),
            (list(&object, None), 555_128),
            (list(&int_or_string, None), 4_718_591),
            (list(&of_format("duration"), None), 2_359_295),
            (list(&of_format("date"), None), 725_936),
            (list(&of_format("date-time"), None), 428_963),
            (map(&of_type("number"), None), 1_348_169),
            (map(&text(None), Some(3)), 11),
            (map(&of_type("boolean"), None), 943_718),
            (map(&object, None), 428_963),
            (map(&map(&of_type("number"), None), None), 1_179_647),
            (map(&of_format("duration"), None), 1_048_577),
        ];
        for (schema, wanted) in cases {
            assert_eq!(cost(&schema, "self.all(x, true)"), wanted, "{schema}");
        }
    }

    #[test]
    fn rules_cost_what_the_reference_says() {
        let numbers = |max| list(&of_type("number"), max);
        let strings = |max| list(&text(max), max);
        let nested = list(
            &map(
                &json!({"type": "object", "required": ["required"], "properties": {"required": {"type": "string"}}}),
                None,
            ),
            Some(10),
        );
        let edit = json!({"type": "object", "properties": {
            "text": {"type": "string"}, "from": {"type": "string", "maxLength": 2}, "to": {"type": "string", "maxLength": 4}}});
        let either = |max: Option<u64>| {
            let mut either = json!({"x-kubernetes-int-or-string": true});
            if let Some(max) = max {
                either["maxLength"] = max.into();
            }
            either
        };
        let cases = [
            (text(None), "self.contains('test')", 314_574),
            (text(Some(10)), "self.contains('test')", 5),
            (text(None), "self.startsWith('test')", 2),
            (text(None), "size(self + 'hello') > size('hello')", 314_578),
            (text(Some(4)), "size(self + 'hello') > size('hello')", 7),
            (numbers(None), "self[1] == 0.0", 2),
            (strings(None), "self[1] == self[1]", 314_577),
            (numbers(Some(10)), "self.all(x, self.all(y, true))", 352),
            (numbers(Some(10)), "self.all(x, self.all(y, self.all(z, true)))", 3_552),
            (text(None), "self.matches('x')", 314_574),
            (text(Some(50)), "self.matches('x')", 22),
            (text(None), "''.matches('(((((((((())))))))))[0-9]')", 7),
            (text(None), "self.matches('')", 1),
            (map(&text(None), None), "self.all(x, x.contains(self[x]))", 2_752_507),
            (text(Some(0)), "self == 'x'", 1),
            (of_format("byte"), "self == b'x'", 2),
            (numbers(Some(3 * 1024 * 2048)), "self.all(x, x == 0.0)", 25_165_826),
            (nested, "self.all(x, x['y'].required == 'z')", 72),
            (list(&either(None), None), "self[0] == 5", 3),
            (list(&of_format("duration"), None), "self[0].getHours() == 2", 4),
            (map(&of_format("date-time"), None), "self['a'] == self['b']", 8),
            (text(None), "self.find('[0-9]+') == ''", 629_147),
            (text(Some(10)), "self.find('[0-9]+') == ''", 11),
            (strings(None), "self.join(' ') == 'aa bb'", 329_853_068_905),
            (strings(Some(10)), "self.join(' ') == 'aa bb'", 43),
            (strings(None), "self.isSorted() == true", 329_854_432_052),
            (strings(Some(10)), "self.isSorted() == true", 52),
            (edit, "self.text.replace(self.from, self.to) == 'does not matter'", 629_154),
            (text(Some(10)), "self.lowerAscii() == 'lower!'", 6),
            (map(&of_type("integer"), None), "oldSelf.size() == self.size()", 5),
            (json!({"type": "string", "enum": ["A", "B", "LongValue"]}), "self.contains('A')", 2),
            (either(None), "isQuantity(self)", 314_574),
            (either(Some(20)), "isQuantity(self)", 9),
        ];
        for (schema, rule, wanted) in cases {
            assert_eq!(cost(&schema, rule), wanted, "{rule} on {schema}");
        }
    }

    /// Worked out by hand from the rules above.
    #[test]
    fn other_parts_of_the_language() {
        let words = json!({"type": "object", "properties": {
            "words": {"type": "array", "maxItems": 10, "items": {"type": "string", "maxLength": 10}},
            "name": {"type": "string", "maxLength": 10}}});
        let cases = [
            // Two variables: one loop. 2 for the range, 1 for the result; each turn 2 for the condition, 3 for the step.
            ("self.words.all(i, w, i >= 0)", 2 + 1 + 10 * (2 + 3)),
            ("self.words.exists_one(i, w, i > 0)", 2 + 2 + 10 * (2 + 2)),
            // The filtered list has no place, so its elements are treated as self, which has no size.
            ("self.words.filter(w, true).all(w, w == 'x')", 2 + 10 + 1 + 10 * (1 + 1 + 1 + 10) + 1 + 10 * (2 + 1 + 1)),
            ("self.words.map(w, w).exists(w, w.contains('x'))", 2 + 10 + 1 + 10 * (1 + 11 + 1) + 1 + 10 * (3 + 1 + 1)),
            // The more expensive branch counts.
            ("self.name == 'a' ? true : self.name.contains('a')", 2 + 1 + (2 + 4)),
            ("'a' in self.words && self.name != ''", 2 + 10 + 2),
            ("sets.contains(self.words, ['a', 'b'])", 2 + 10 + 20 + 1),
            ("has(self.name)", 1),
            ("self.?name.hasValue()", 1 + 1 + 1),
            ("type(self.name) == string", 2 + 1 + 1),
            ("{'a': self.name}.size() > 0", 30 + 2 + 1 + 1),
            ("dyn(self.name) == 'a'", 2 + 1 + 1),
            ("ip('1.2.3.4') == ip(self.name)", 1 + 2 + 4 + 1),
        ];
        for (rule, wanted) in cases {
            assert_eq!(cost(&words, rule), wanted, "{rule}");
        }
        assert!(cost(&words, "self.?name.value().contains('x')") > u64::MAX / 100, "nobody knows how long it is");
    }
}
