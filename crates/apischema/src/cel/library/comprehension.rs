//! Loops with two variables: `list.all(i, v, …)`, `map.exists(k, v, …)`, `existsOne`, `transformList`, `transformMap`
//! (<https://pkg.go.dev/github.com/google/cel-go/ext#TwoVarComprehensions>). The engine's loops have one variable, so these are
//! rewritten as two nested loops: the outer one over the positions or keys, the inner one over the single element there.

use cel::{
    DeclarationError, Env, ExecutionError,
    common::{
        ast::{CallExpr, ComprehensionExpr, Expr, IdedExpr, ListExpr, LiteralValue, MapExpr, operators},
        types::{CelBool, CelInt, CelList, CelMap, CelMapKey, DYN_TYPE, LIST_TYPE, MAP_TYPE},
        value::{CowVal, Val},
    },
    parser::{Macro, MacroExprHelper, ParseError},
};
use std::collections::HashMap;

/// The accumulator of a loop, as in all loops of the language.
const RESULT: &str = "@result";
/// Positions of a list or keys of a map. The names cannot be written in an expression.
pub(crate) const KEYS: &str = "@keys";
/// A map with one more entry.
pub(crate) const PUT: &str = "@put";

/// Names that rewritten expressions call.
pub(crate) const NAMES: [&str; 2] = [KEYS, PUT];

type Arguments<'a> = (&'a mut Option<IdedExpr>, &'a mut Vec<IdedExpr>);
type Expansion = Result<Option<IdedExpr>, ParseError>;

pub(super) fn install(env: &mut Env) -> Result<(), DeclarationError> {
    env.add_overload(KEYS, "@keys(list)", vec![LIST_TYPE], positions)?;
    env.add_overload(KEYS, "@keys(map)", vec![MAP_TYPE], keys)?;
    env.add_overload(PUT, "@put", vec![MAP_TYPE, DYN_TYPE, DYN_TYPE], put)?;
    env.add_macro(Macro::receiver("all", 3, |helper, target, args| expand(helper, (target, args), all)))?;
    env.add_macro(Macro::receiver("exists", 3, |helper, target, args| expand(helper, (target, args), exists)))?;
    for name in ["existsOne", "exists_one"] {
        env.add_macro(Macro::receiver(name, 3, |helper, target, args| expand(helper, (target, args), exists_one)))?;
    }
    for count in [3, 4] {
        env.add_macro(Macro::receiver("transformList", count, |helper, target, args| {
            expand(helper, (target, args), transform_list)
        }))?;
        env.add_macro(Macro::receiver("transformMap", count, |helper, target, args| {
            expand(helper, (target, args), transform_map)
        }))?;
    }
    Ok(())
}

/// A loop with two variables, taken apart.
struct Loop {
    over: IdedExpr,
    key: String,
    value: String,
    /// `body` is evaluated only for elements that meet the condition, if there is one.
    condition: Option<IdedExpr>,
    body: IdedExpr,
}

fn expand(
    helper: &mut MacroExprHelper<'_>,
    (target, args): Arguments<'_>,
    rewrite: fn(&mut Builder<'_, '_>, Loop) -> IdedExpr,
) -> Expansion {
    let name = |arg: &IdedExpr| match &arg.expr {
        Expr::Ident(name) => Ok(name.clone()),
        _ => Err((arg.id, "argument must be a simple name")),
    };
    let names = match args.as_slice() {
        [key, value, ..] => name(key).and_then(|key| Ok((key, name(value)?))),
        _ => return Ok(None),
    };
    let (key, value) = names.map_err(|(id, complaint)| helper.new_error(id, complaint))?;
    let (Some(body), Some(over)) = (args.pop(), target.take()) else { return Ok(None) };
    let condition = if args.len() > 2 { args.pop() } else { None };
    Ok(Some(rewrite(&mut Builder(helper), Loop { over, key, value, condition, body })))
}

/// Makes nodes.
struct Builder<'h, 'p>(&'h mut MacroExprHelper<'p>);

impl Builder<'_, '_> {
    fn call(&mut self, function: &str, args: Vec<IdedExpr>) -> IdedExpr {
        self.0.next_expr(Expr::Call(CallExpr { func_name: function.to_owned(), target: None, args }))
    }

    fn ident(&mut self, name: &str) -> IdedExpr {
        self.0.next_expr(Expr::Ident(name.to_owned()))
    }

    fn literal(&mut self, value: LiteralValue) -> IdedExpr {
        self.0.next_expr(Expr::Literal(value))
    }

    fn bool(&mut self, value: bool) -> IdedExpr {
        self.literal(LiteralValue::Boolean(CelBool::from(value)))
    }

    fn list(&mut self, elements: Vec<IdedExpr>) -> IdedExpr {
        self.0.next_expr(Expr::List(ListExpr::new(elements)))
    }

    fn result(&mut self) -> IdedExpr {
        self.ident(RESULT)
    }

    /// `for var in range: @result = step`, until `condition` is false, and then `@result`.
    fn fold(&mut self, range: IdedExpr, var: &str, start: IdedExpr, condition: IdedExpr, step: IdedExpr) -> IdedExpr {
        let result = self.result();
        self.0.next_expr(Expr::Comprehension(Box::new(ComprehensionExpr {
            iter_range: range,
            iter_var: var.to_owned(),
            iter_var2: None,
            accu_var: RESULT.to_owned(),
            accu_init: start,
            loop_cond: condition,
            loop_step: step,
            result,
        })))
    }

    /// The positions or keys that the loop iterates over, and a list of the one element at the current one.
    fn ranges(&mut self, over: IdedExpr, key: &str) -> (IdedExpr, IdedExpr) {
        let keys = self.call(KEYS, vec![over.clone()]);
        let key = self.ident(key);
        let element = self.call(operators::INDEX, vec![over, key]);
        (keys, self.list(vec![element]))
    }

    /// Two nested loops with one accumulator: the inner one starts with the current value of the outer one.
    fn accumulate(&mut self, of: Loop, start: IdedExpr, step: IdedExpr) -> IdedExpr {
        let step = match of.condition {
            Some(condition) => {
                let unchanged = self.result();
                self.call(operators::CONDITIONAL, vec![condition, step, unchanged])
            }
            None => step,
        };
        let (keys, element) = self.ranges(of.over, &of.key);
        let (current, always) = (self.result(), self.bool(true));
        let inner = self.fold(element, &of.value, current, always, step);
        let always = self.bool(true);
        self.fold(keys, &of.key, start, always, inner)
    }

    /// `@result && body` or `@result || body`, until the result can no longer change.
    fn logical(&mut self, range: IdedExpr, var: &str, operator: &str, body: IdedExpr) -> IdedExpr {
        let conjunction = operator == operators::LOGICAL_AND;
        let (start, current) = (self.bool(conjunction), self.result());
        let open = if conjunction { current } else { self.call(operators::LOGICAL_NOT, vec![current]) };
        let condition = self.call(operators::NOT_STRICTLY_FALSE, vec![open]);
        let current = self.result();
        let step = self.call(operator, vec![current, body]);
        self.fold(range, var, start, condition, step)
    }
}

/// The range of a rewritten loop, and the inner loop over one element, which holds the second variable. `None` for
/// loops with one variable.
pub(crate) fn loop_over_pairs(outer: &ComprehensionExpr) -> Option<(&IdedExpr, &ComprehensionExpr)> {
    let Expr::Call(CallExpr { func_name, args, .. }) = &outer.iter_range.expr else { return None };
    let over = args.first().filter(|_| func_name == KEYS)?;
    match &outer.loop_step.expr {
        Expr::Comprehension(inner) => Some((over, inner)),
        Expr::Call(call) => match &call.args.last()?.expr {
            Expr::Comprehension(inner) => Some((over, inner)),
            _ => None,
        },
        _ => None,
    }
}

fn all(make: &mut Builder<'_, '_>, of: Loop) -> IdedExpr {
    let (keys, element) = make.ranges(of.over, &of.key);
    let inner = make.logical(element, &of.value, operators::LOGICAL_AND, of.body);
    make.logical(keys, &of.key, operators::LOGICAL_AND, inner)
}

fn exists(make: &mut Builder<'_, '_>, of: Loop) -> IdedExpr {
    let (keys, element) = make.ranges(of.over, &of.key);
    let inner = make.logical(element, &of.value, operators::LOGICAL_OR, of.body);
    make.logical(keys, &of.key, operators::LOGICAL_OR, inner)
}

fn exists_one(make: &mut Builder<'_, '_>, mut of: Loop) -> IdedExpr {
    let body = std::mem::replace(&mut of.body, make.bool(true));
    of.condition = Some(body);
    let (zero, one) = (LiteralValue::Int(CelInt::from(0)), LiteralValue::Int(CelInt::from(1)));
    let (start, current, next) = (make.literal(zero), make.result(), make.literal(one.clone()));
    let step = make.call(operators::ADD, vec![current, next]);
    let count = make.accumulate(of, start, step);
    let one = make.literal(one);
    make.call(operators::EQUALS, vec![count, one])
}

fn transform_list(make: &mut Builder<'_, '_>, mut of: Loop) -> IdedExpr {
    let body = std::mem::replace(&mut of.body, make.bool(true));
    let (start, current, next) = (make.list(Vec::new()), make.result(), make.list(vec![body]));
    let step = make.call(operators::ADD, vec![current, next]);
    make.accumulate(of, start, step)
}

fn transform_map(make: &mut Builder<'_, '_>, mut of: Loop) -> IdedExpr {
    let body = std::mem::replace(&mut of.body, make.bool(true));
    let start = make.0.next_expr(Expr::Map(MapExpr { entries: Vec::new() }));
    let (current, key) = (make.result(), make.ident(&of.key));
    let step = make.call(PUT, vec![current, key, body]);
    make.accumulate(of, start, step)
}

fn positions<'b, 'v>(args: Vec<CowVal<'b, 'v>>) -> Result<CowVal<'b, 'v>, ExecutionError> {
    let length = args.first().and_then(|arg| arg.as_ref().as_sizer()).map_or(0, |sizer| *sizer.size().inner());
    let positions: Vec<Box<dyn Val + 'v>> = (0..length).map(|i| Box::new(CelInt::from(i)) as _).collect();
    Ok(CowVal::owned(CelList::from(positions)))
}

fn keys<'b, 'v>(args: Vec<CowVal<'b, 'v>>) -> Result<CowVal<'b, 'v>, ExecutionError> {
    let map = args
        .first()
        .and_then(|arg| arg.as_ref().as_iterable())
        .ok_or_else(ExecutionError::missing_argument_or_target)?;
    let mut iterator = map.iter();
    let mut keys: Vec<Box<dyn Val + 'v>> = Vec::new();
    while let Some(key) = iterator.next() {
        keys.push(key.clone_as_boxed());
    }
    Ok(CowVal::owned(CelList::from(keys)))
}

fn put<'b, 'v>(args: Vec<CowVal<'b, 'v>>) -> Result<CowVal<'b, 'v>, ExecutionError> {
    let mut args = args.into_iter();
    let (Some(map), Some(key), Some(value)) = (args.next(), args.next(), args.next()) else {
        return Err(ExecutionError::missing_argument_or_target());
    };
    let map = map.as_ref().downcast_ref::<CelMap>().ok_or_else(ExecutionError::missing_argument_or_target)?;
    let entries = map.inner().iter().map(|(key, value)| (key.clone(), value.clone()));
    let mut entries: HashMap<CelMapKey<'v>, Box<dyn Val + 'v>> = entries.collect();
    entries.insert(key.try_into()?, value.into_owned());
    Ok(CowVal::owned(CelMap::from(entries)))
}

#[cfg(test)]
mod tests {
    use crate::cel::library::probe::{all_fail, all_true};

    #[test]
    fn loops_with_two_variables() {
        all_true(&[
            "['a', 'b'].all(i, v, i < 2 && v != '')",
            "!['a', 'b'].all(i, v, i < 1)",
            "[1, 2].exists(i, v, i == 1 && v == 2) && ![1, 2].exists(i, v, i == v)",
            "[1, 0, 2].existsOne(i, v, i == v + 1) && !{'a': 1, 'b': 1}.exists_one(k, v, v == 1)",
            "{'a': 1, 'b': 2}.all(k, v, k in ['a', 'b'] && v > 0)",
            "{'a': 1, 'b': 2}.exists(k, v, k == 'b' && v == 2)",
            "[3, 4].transformList(i, v, i * v) == [0, 4] && [3, 4].transformList(i, v, i > 0, v) == [4]",
            "{'a': 1}.transformMap(k, v, v + 1) == {'a': 2} && {'a': 1, 'b': 2}.transformMap(k, v, v > 1, k) == {'b': 'b'}",
            "[].all(i, v, false) && {}.transformMap(k, v, v) == {}",
            "[[1], [2, 3]].all(i, l, l.all(j, v, i + j < v + 1))",
            "[1, 2].all(i, v, [1, 2].exists(w, v == w))",
        ]);
        all_fail(&["[1].all(1, v, true)", "1.all(i, v, true)", "[1].all(i, v, x)"]);
    }
}
