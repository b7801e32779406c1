//! Functions on lists: sorting, sums, extremes, positions and sets.

use cel::{
    DeclarationError, Env, ExecutionError,
    common::{
        types::{CelBool, CelDouble, CelDuration, CelInt, CelList, CelUInt, DYN_TYPE, LIST_TYPE},
        value::{CowVal, Val},
    },
};
use std::cmp::Ordering;

type Eval<'b, 'v> = Result<CowVal<'b, 'v>, ExecutionError>;

pub(super) fn install(env: &mut Env) -> Result<(), DeclarationError> {
    env.add_member_overload("isSorted", "list_is_sorted", LIST_TYPE, vec![], is_sorted)?;
    env.add_member_overload("sum", "list_sum", LIST_TYPE, vec![], sum)?;
    env.add_member_overload("min", "list_min", LIST_TYPE, vec![], |args| extreme(&args, "min", Ordering::Less))?;
    env.add_member_overload("max", "list_max", LIST_TYPE, vec![], |args| extreme(&args, "max", Ordering::Greater))?;
    env.add_member_overload("indexOf", "list_index_of", LIST_TYPE, vec![DYN_TYPE], |args| position(&args, false))?;
    env.add_member_overload("lastIndexOf", "list_last_index_of", LIST_TYPE, vec![DYN_TYPE], |args| {
        position(&args, true)
    })?;
    env.add_overload("sets.contains", "sets_contains", vec![LIST_TYPE, LIST_TYPE], |args| {
        bool(contains(elements(&args, 0)?, elements(&args, 1)?))
    })?;
    env.add_overload("sets.equivalent", "sets_equivalent", vec![LIST_TYPE, LIST_TYPE], |args| {
        let (a, b) = (elements(&args, 0)?, elements(&args, 1)?);
        bool(contains(a, b) && contains(b, a))
    })?;
    env.add_overload("sets.intersects", "sets_intersects", vec![LIST_TYPE, LIST_TYPE], |args| {
        let (a, b) = (elements(&args, 0)?, elements(&args, 1)?);
        bool(a.iter().any(|x| b.iter().any(|y| x.equals(y.as_ref()))))
    })
}

fn bool<'b, 'v>(value: bool) -> Eval<'b, 'v> {
    Ok(CowVal::owned(CelBool::from(value)))
}

/// The elements of an argument, which is a list because the overload was chosen for lists.
fn elements<'a, 'v>(args: &'a [CowVal<'_, 'v>], index: usize) -> Result<&'a [Box<dyn Val + 'v>], ExecutionError> {
    let list = args.get(index).and_then(|arg| arg.as_ref().downcast_ref::<CelList>());
    list.map(CelList::inner).ok_or_else(ExecutionError::missing_argument_or_target)
}

fn contains(all: &[Box<dyn Val + '_>], wanted: &[Box<dyn Val + '_>]) -> bool {
    wanted.iter().all(|w| all.iter().any(|x| x.equals(w.as_ref())))
}

fn compare(a: &dyn Val, b: &dyn Val) -> Result<Ordering, ExecutionError> {
    a.as_comparer().ok_or_else(|| ExecutionError::no_such_overload("compare", Vec::new()))?.compare(b)
}

fn is_sorted<'b, 'v>(args: Vec<CowVal<'b, 'v>>) -> Eval<'b, 'v> {
    for pair in elements(&args, 0)?.windows(2) {
        if let [a, b] = pair
            && compare(a.as_ref(), b.as_ref())? == Ordering::Greater
        {
            return bool(false);
        }
    }
    bool(true)
}

fn sum<'b, 'v>(args: Vec<CowVal<'b, 'v>>) -> Eval<'b, 'v> {
    let elements = elements(&args, 0)?;
    let mut total: Box<dyn Val> = match elements.first().map(|first| first.get_type().name()) {
        Some("uint") => Box::new(CelUInt::from(0)),
        Some("double") => Box::new(CelDouble::from(0.0)),
        Some("google.protobuf.Duration") => Box::new(CelDuration::from(chrono::Duration::zero())),
        _ => Box::new(CelInt::from(0)),
    };
    for element in elements {
        let adder = total.as_adder().ok_or_else(|| ExecutionError::no_such_overload("sum", Vec::new()))?;
        total = to_static(adder.add(element.as_ref())?.as_ref())?;
    }
    Ok(CowVal::Owned(total))
}

/// A number that borrows nothing.
fn to_static(value: &dyn Val) -> Result<Box<dyn Val>, ExecutionError> {
    cel::Value::try_from(value)?.try_into()
}

fn extreme<'b, 'v>(args: &[CowVal<'b, 'v>], name: &str, wanted: Ordering) -> Eval<'b, 'v> {
    let mut best: Option<&Box<dyn Val + 'v>> = None;
    for element in elements(args, 0)? {
        let better =
            best.map_or(Ok(true), |best| compare(element.as_ref(), best.as_ref()).map(|order| order == wanted))?;
        if better {
            best = Some(element);
        }
    }
    let best = best.ok_or_else(|| ExecutionError::function_error(name, format!("{name} called on empty list")))?;
    Ok(CowVal::Owned(best.clone_as_boxed()))
}

fn position<'b, 'v>(args: &[CowVal<'b, 'v>], last: bool) -> Eval<'b, 'v> {
    let wanted = args.get(1).ok_or_else(ExecutionError::missing_argument_or_target)?;
    let mut found = elements(args, 0)?.iter().enumerate().filter(|(_, element)| element.equals(wanted.as_ref()));
    let found = if last { found.next_back() } else { found.next() }.map(|(index, _)| index);
    Ok(CowVal::owned(CelInt::from(found.and_then(|i| i64::try_from(i).ok()).unwrap_or(-1))))
}

#[cfg(test)]
mod tests {
    use crate::cel::library::probe::{all_fail, all_true};

    #[test]
    fn lists() {
        all_true(&[
            "[1, 2, 2].isSorted() && !['b', 'a'].isSorted() && [].isSorted()",
            "[1, 2, 3].sum() == 6 && [1.5, 2.5].sum() == 4.0 && [].sum() == 0",
            "['1h', '2h'].map(x, duration(x)).sum() == duration('3h')",
            "[3, 1, 2].min() == 1 && ['a', 'c', 'b'].max() == 'c'",
            "['a', 'b', 'a'].indexOf('a') == 0 && ['a', 'b', 'a'].lastIndexOf('a') == 2 && [1].indexOf(2) == -1",
            "'abcabc'.indexOf('b') == 1",
            "sets.contains([1, 2, 3], [3, 1]) && !sets.contains([1], [2])",
            "sets.equivalent([1, 2, 2], [2, 1]) && sets.intersects([1, 2], [2, 3]) && !sets.intersects([1], [])",
            "[1, 2, 3].slice(0, 2) == [1, 2] && [[1], [2]].flatten() == [1, 2] && [1, 1].distinct() == [1]",
        ]);
        all_fail(&["[].min()", "[1, 'a'].isSorted()", "['a'].sum()"]);
    }
}
