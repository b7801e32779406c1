//! What calls cost in addition to their arguments. The types of the arguments tell which overload of a function is
//! called; if they are unknown, the most expensive one counts.

use super::{
    estimate::Estimate,
    size::{Size, scaled},
};
use crate::typing::types::Type;
use cel::common::ast::operators;

/// Traversing a string, per character.
const TRAVERSAL: f64 = 0.1;
/// Matching a pattern, per character of the pattern.
const PATTERN: f64 = 0.25;
/// The longest pattern behind a named format, in characters.
const FORMAT_PATTERN: f64 = 128.0;
/// Creating a list.
const LIST: u64 = 10;
/// Comparing two addresses of 16 bytes.
const COMPARING: u64 = 4;
/// Masking one of them first, and comparing the prefix lengths.
const MASKING: u64 = 3;

/// The cost of a call, and the size of its result if the call determines it.
pub(super) struct Call {
    pub(super) cost: u64,
    pub(super) size: Option<Size>,
}

impl Call {
    fn costing(cost: u64) -> Self {
        Self { cost, size: None }
    }

    fn sized(cost: u64, size: Size) -> Self {
        Self { cost, size: Some(size) }
    }

    /// Either of two overloads.
    fn or(self, other: Self) -> Self {
        let size = match (self.size, other.size) {
            (Some(a), Some(b)) => Some(a.union(b)),
            (a, b) => a.or(b),
        };
        Self { cost: self.cost.max(other.cost), size }
    }
}

/// Whether a value may be of a type.
fn may_be(of: &Estimate<'_>, is: impl Fn(&Type<'_>) -> bool) -> bool {
    matches!(of.kind, Type::Dyn) || is(&of.kind)
}

fn is_text(kind: &Type<'_>) -> bool {
    matches!(kind, Type::String | Type::Bytes)
}

fn is_list(kind: &Type<'_>) -> bool {
    matches!(kind, Type::List(_))
}

fn is_other(kind: &Type<'_>) -> bool {
    !is_text(kind) && !is_list(kind)
}

/// The cost of a call; `element` gives the size of the elements of a list at a place.
pub(super) fn call<'a>(
    name: &str,
    target: Option<&Estimate<'a>>,
    args: &[Estimate<'a>],
    element: &dyn Fn(&Estimate<'a>) -> Option<Size>,
) -> Call {
    match (target, args) {
        (Some(target), args) => method(name, target, args, element),
        (None, [a, b]) => binary(name, a, b),
        (None, [of]) => conversion(name, of),
        (None, _) => Call::costing(1),
    }
}

/// Operators, and functions of two arguments.
fn binary(name: &str, a: &Estimate<'_>, b: &Estimate<'_>) -> Call {
    let both = |is: fn(&Type<'_>) -> bool| may_be(a, is) && may_be(b, is);
    let either = |cases: [Option<Call>; 3]| cases.into_iter().flatten().reduce(Call::or).unwrap_or(Call::costing(1));
    let (left, right) = (a.size(), b.size());
    let comparing = Size::at_most(left.max.min(right.max)).cost(TRAVERSAL);
    match name {
        operators::ADD => {
            let size = left.plus(right);
            either([
                both(is_text).then(|| Call::sized(size.cost(TRAVERSAL), size)),
                both(is_list).then(|| Call::sized(1, size)),
                both(is_other).then(|| Call::costing(1)),
            ])
        }
        operators::LESS | operators::LESS_EQUALS | operators::GREATER | operators::GREATER_EQUALS => {
            either([both(is_text).then(|| Call::costing(comparing)), both(is_other).then(|| Call::costing(1)), None])
        }
        operators::EQUALS if a.kind == b.kind => match a.kind {
            Type::Named("net.IP" | "net.CIDR" | "kubernetes.Quantity" | "kubernetes.Semver") => Call::costing(1),
            Type::Named("kubernetes.URL") => Call::costing(b.size.unwrap_or(Size::fixed(1)).cost(TRAVERSAL)),
            _ => Call::costing(comparing),
        },
        operators::EQUALS | operators::NOT_EQUALS => Call::costing(comparing),
        operators::IN => {
            let in_list = may_be(b, is_list).then(|| Call::costing(right.max));
            either([in_list, may_be(b, is_other).then(|| Call::costing(1)), None])
        }
        "sets.contains" | "sets.intersects" => Call::costing(left.times(right).max.saturating_add(1)),
        "sets.equivalent" => Call::costing(left.times(right).cost(2.0).saturating_add(1)),
        _ => Call::costing(1),
    }
}

/// Functions of one argument.
fn conversion(name: &str, of: &Estimate<'_>) -> Call {
    let size = of.size();
    let through = size.cost(TRAVERSAL);
    match name {
        "url" => Call::sized(through, size),
        "isIP" | "ip" | "isCIDR" | "cidr" | "quantity" | "isQuantity" | "semver" | "isSemver" => Call::costing(through),
        "ip.isCanonical" => Call::costing(size.cost(2.0 * TRAVERSAL)),
        "bytes" if may_be(of, |kind| *kind == Type::String) => {
            Call::sized(through, Size { min: size.min, max: size.max.saturating_mul(4) })
        }
        "string" if may_be(of, |kind| *kind == Type::Bytes) => {
            Call::sized(through.max(1), Size { min: size.min / 4, max: size.max })
        }
        "strings.quote" => {
            let escaped = Size { min: size.min, max: size.max.saturating_mul(2) };
            Call::sized(through, escaped.plus(Size::fixed(2)))
        }
        "lists.range" => list(1.0, Size::fixed(of.number.map_or(u64::MAX, i64::cast_unsigned))),
        _ => Call::costing(1),
    }
}

/// A function that makes a list.
fn list(factor: f64, size: Size) -> Call {
    Call::sized(size.cost(factor).saturating_add(1 + LIST), size)
}

fn method<'a>(
    name: &str,
    target: &Estimate<'a>,
    args: &[Estimate<'a>],
    element: &dyn Fn(&Estimate<'a>) -> Option<Size>,
) -> Call {
    let size = target.size();
    let argument = args.first().map(Estimate::size);
    match (name, argument) {
        ("isSorted" | "sum" | "max" | "min" | "indexOf" | "lastIndexOf", _) => Call::costing(search(target, element)),
        ("lowerAscii" | "upperAscii" | "substring" | "trim", _) => Call::sized(size.cost(TRAVERSAL), size),
        ("startsWith" | "endsWith", Some(argument)) => Call::costing(argument.cost(TRAVERSAL)),
        ("contains", Some(part)) => Call::costing(size.cost(TRAVERSAL).saturating_mul(part.cost(TRAVERSAL))),
        ("format", _) => Call::costing(size.cost(TRAVERSAL)),
        ("matches", Some(pattern)) => Call::costing(matching(size, pattern)),
        ("find" | "findAll", Some(pattern)) => Call::sized(matching(size, pattern), Size::at_most(size.max)),
        ("validate", Some(text)) => Call::costing(scaled(text.cost(TRAVERSAL), FORMAT_PATTERN * PATTERN)),
        ("replace", Some(replaced)) => {
            let by = args.get(1).map_or(Size::UNKNOWN, Estimate::size);
            Call::sized(size.cost(2.0 * TRAVERSAL), replacing(size, replaced, by))
        }
        ("split", _) => {
            let parts = args.get(1).and_then(|most| most.number).map_or(size.max, i64::cast_unsigned);
            Call::sized(size.cost(2.0 * TRAVERSAL), Size::at_most(parts))
        }
        ("join", separator) => {
            let elements = match target.kind {
                Type::List(_) => size.times(element(target).unwrap_or(Size::UNKNOWN)),
                _ => Size::fixed(0),
            };
            let gaps = Size { min: size.min.saturating_sub(1), max: size.max.saturating_sub(1) };
            let joined = elements.plus(separator.map_or(Size::fixed(0), |separator| separator.times(gaps)));
            Call::sized(joined.cost(TRAVERSAL), joined)
        }
        ("containsIP", _) => Call::costing(COMPARING.saturating_add(reading(&args[0]))),
        ("containsCIDR", _) => Call::costing((COMPARING + MASKING).saturating_add(reading(&args[0]))),
        ("reverse" | "flatten", _) if is_list(&target.kind) => list(1.0, size),
        ("slice", _) => {
            let bound = |at: usize| args.get(at).and_then(|bound| bound.number).map(i64::cast_unsigned);
            let (start, end) = (bound(0).unwrap_or_default(), bound(1).unwrap_or(size.max));
            list(1.0, Size::fixed(end.saturating_sub(start)))
        }
        ("distinct" | "sort", _) => list(2.0, size.times(size)),
        ("@sortByAssociatedKeys", Some(keys)) => list(2.0, keys.times(keys)),
        _ => Call::costing(1),
    }
}

/// The cost of looking at every element of a list, or every character of a string.
fn search<'a>(target: &Estimate<'a>, element: &dyn Fn(&Estimate<'a>) -> Option<Size>) -> u64 {
    match &target.kind {
        Type::List(of) if is_text(of) => {
            let each = element(target).unwrap_or(Size::UNKNOWN).cost(TRAVERSAL).saturating_add(1);
            target.size().max.saturating_mul(each)
        }
        Type::List(_) => target.size().max,
        _ => target.size().cost(TRAVERSAL),
    }
}

/// An empty string counts as one character, since the pattern is still tried on it.
fn matching(text: Size, pattern: Size) -> u64 {
    text.plus(Size::fixed(1)).cost(TRAVERSAL).saturating_mul(pattern.cost(PATTERN))
}

/// The size of a text after every occurrence of another text in it was replaced.
fn replacing(text: Size, replaced: Size, by: Size) -> Size {
    // For the longest result: the number of replacements, and how much of the original remains.
    let (most, kept) = match (replaced.min, by.max) {
        (0, _) => (text.max.saturating_add(1), text.max),
        (shortest, longest) if longest <= shortest => (0, text.max),
        (shortest, _) => (text.max.div_ceil(shortest), 0),
    };
    // The same for the shortest result.
    let (least, left) = match (replaced.max, by.min) {
        (0, _) => (text.min.saturating_add(1), text.min),
        (longest, shortest) if longest <= shortest => (0, text.min),
        (longest, _) => (text.min.div_ceil(longest), 0),
    };
    Size {
        min: least.saturating_mul(by.min).saturating_add(left),
        max: most.saturating_mul(by.max).saturating_add(kept),
    }
}

/// What parsing an address or network costs if it is given as text.
fn reading(of: &Estimate<'_>) -> u64 {
    if may_be(of, |kind| *kind == Type::String) { of.size().cost(TRAVERSAL) } else { 0 }
}
