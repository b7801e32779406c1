//! The functions of the language itself.
//!
//! B-1 `eq` is true if the first argument equals any other; values of different kinds are an error, except signed and unsigned
//! integers, and nil, which equals only nil.
//! B-2 `lt`, `le`, `gt` and `ge` compare two numbers or two texts.
//! B-3 `index` returns the zero value for a missing key of a map, and an error for a list.
//!
//! Source: `text/template/funcs.go` of Go's standard library.

use crate::{
    format,
    function::{Parameter, Signature},
    value::{List, Value},
};
use std::cmp::Ordering;

/// The signature of a built-in function; `None` if there is none of that name. `and` and `or` are evaluated elsewhere.
pub(crate) fn signature(name: &str) -> Option<Signature> {
    use Parameter::{Any, Text};
    Some(match name {
        "and" | "or" | "eq" | "index" | "slice" => Signature::variadic([Any, Any]),
        "not" | "len" => Signature::of([Any]),
        "ne" | "lt" | "le" | "gt" | "ge" => Signature::of([Any, Any]),
        "print" | "println" => Signature::variadic([Any]),
        "printf" => Signature::variadic([Text, Any]),
        _ => return None,
    })
}

/// Calls one; `None` if there is none of that name.
pub(crate) fn call(name: &str, arguments: &[Value]) -> Option<Result<Value, String>> {
    let (first, rest) = arguments.split_first().unwrap_or((&Value::Missing, &[]));
    let second = rest.first().unwrap_or(&Value::Missing);
    Some(match name {
        "not" => Ok(Value::Bool(!first.is_true())),
        "len" => length(first).map(Value::int),
        "index" => index(first, rest),
        "slice" => slice(first, rest),
        "eq" => equal_to_any(first, rest).map(Value::Bool),
        "ne" => equal(first, second).map(|equal| Value::Bool(!equal)),
        "lt" => order(first, second).map(|order| Value::Bool(order == Some(Ordering::Less))),
        "le" => order(first, second).map(|order| Value::Bool(order.is_some_and(Ordering::is_le))),
        "gt" => order(first, second).map(|order| Value::Bool(!order.is_some_and(Ordering::is_le))),
        "ge" => order(first, second).map(|order| Value::Bool(order != Some(Ordering::Less))),
        "print" => format::print(arguments).map(|text| Value::text(&text)),
        "println" => format::println(arguments).map(|text| Value::text(&text)),
        "printf" => match first {
            Value::Text(text, _) => format::printf(text, rest).map(|text| Value::text(&text)),
            _ => Err("the format is no text".to_owned()),
        },
        _ => return None,
    })
}

fn length(value: &Value) -> Result<i64, String> {
    let length = match value.pointed() {
        Value::Text(text, _) => text.len(),
        Value::Bytes(bytes) => bytes.len(),
        Value::List(list) => list.items().len(),
        Value::Map(map) => map.entries.as_ref().map_or(0, |entries| entries.len()),
        Value::Missing | Value::Nil | Value::NilPointer(_) => return Err("len of nil pointer".to_owned()),
        other => return Err(format!("len of type {}", other.type_name())),
    };
    i64::try_from(length).map_err(|_| "the length is no int".to_owned())
}

fn index(item: &Value, indexes: &[Value]) -> Result<Value, String> {
    if matches!(item, Value::Missing | Value::Nil) {
        return Err("index of untyped nil".to_owned());
    }
    let mut item = item.clone();
    for index in indexes {
        item = match item.pointed() {
            Value::List(list) => {
                let at = position(index, list.items().len().saturating_sub(1))?;
                list.items().get(at).cloned().ok_or_else(|| format!("index out of range: {at}"))?
            }
            Value::Bytes(bytes) => byte(bytes, index)?,
            Value::Text(text, _) => byte(text.as_bytes(), index)?,
            Value::Map(map) => match index {
                Value::Text(key, None) => {
                    let found = map.entries.as_ref().and_then(|entries| entries.get(&**key));
                    found.unwrap_or(&map.zero).clone()
                }
                other => return Err(format!("value has type {}; should be string", other.type_name())),
            },
            Value::Missing | Value::Nil | Value::NilPointer(_) => return Err("index of nil pointer".to_owned()),
            other => return Err(format!("can't index item of type {}", other.type_name())),
        };
    }
    Ok(item)
}

fn byte(bytes: &[u8], index: &Value) -> Result<Value, String> {
    let at = position(index, bytes.len().saturating_sub(1))?;
    let byte = bytes.get(at).ok_or_else(|| format!("index out of range: {at}"))?;
    Ok(Value::Uint(u64::from(*byte), Some("uint8".into())))
}

/// A position up to `last`.
fn position(index: &Value, last: usize) -> Result<usize, String> {
    let outside = |text: String| format!("index out of range: {text}");
    match index {
        Value::Int(at, _) => usize::try_from(*at).ok().filter(|at| *at <= last).ok_or_else(|| outside(at.to_string())),
        Value::Uint(at, _) => usize::try_from(*at).ok().filter(|at| *at <= last).ok_or_else(|| outside(at.to_string())),
        Value::Missing | Value::Nil => Err("cannot index slice/array with nil".to_owned()),
        other => Err(format!("cannot index slice/array with type {}", other.type_name())),
    }
}

fn slice(item: &Value, indexes: &[Value]) -> Result<Value, String> {
    if indexes.len() > 3 {
        return Err(format!("too many slice indexes: {}", indexes.len()));
    }
    let length = match item.pointed() {
        Value::Text(_, _) if indexes.len() == 3 => return Err("cannot 3-index slice a string".to_owned()),
        Value::Text(text, _) => text.len(),
        Value::List(list) => list.items().len(),
        Value::Bytes(bytes) => bytes.len(),
        Value::Missing | Value::Nil => return Err("slice of untyped nil".to_owned()),
        other => return Err(format!("can't slice item of type {}", other.type_name())),
    };
    let at = indexes.iter().map(|index| position(index, length)).collect::<Result<Vec<_>, _>>()?;
    let (start, end) = (at.first().copied().unwrap_or(0), at.get(1).copied().unwrap_or(length));
    if start > end {
        return Err(format!("invalid slice index: {start} > {end}"));
    }
    if at.get(2).is_some_and(|capacity| *capacity < end) {
        return Err(format!("invalid slice index: {end} > {}", at[2]));
    }
    let list =
        |list: &List| List { element: list.element.clone(), items: list.items().get(start..end).map(Into::into) };
    Ok(match item.pointed() {
        Value::Text(text, name) => {
            let cut = text.get(start..end).ok_or("a slice that cuts a character in two is not supported")?;
            Value::Text(cut.into(), name.clone())
        }
        Value::List(of) => Value::List(list(of)),
        Value::Bytes(bytes) => Value::Bytes(bytes.get(start..end).unwrap_or_default().into()),
        other => other.clone(),
    })
}

fn equal_to_any(first: &Value, others: &[Value]) -> Result<bool, String> {
    if others.is_empty() {
        return Err("missing argument for comparison".to_owned());
    }
    for other in others {
        if equal(first, other)? {
            return Ok(true);
        }
    }
    Ok(false)
}

fn equal(one: &Value, other: &Value) -> Result<bool, String> {
    let is_absent = |value: &Value| matches!(value, Value::Missing | Value::Nil);
    Ok(match (one, other) {
        (Value::Bool(a), Value::Bool(b)) => a == b,
        (Value::Int(a, _), Value::Int(b, _)) => a == b,
        (Value::Uint(a, _), Value::Uint(b, _)) => a == b,
        (Value::Int(a, _), Value::Uint(b, _)) | (Value::Uint(b, _), Value::Int(a, _)) => u64::try_from(*a) == Ok(*b),
        (Value::Float(a), Value::Float(b)) => a == b,
        (Value::Text(a, _), Value::Text(b, _)) => a == b,
        (a, b) if is_absent(a) || is_absent(b) => {
            // A basic value is not nil, and neither is a non-nil value of another kind.
            a.is_nil() && b.is_nil()
        }
        (a, b) if is_basic(a) || is_basic(b) => return Err(incompatible(a, b)),
        (a, b) if (a.is_nil() || b.is_nil()) && same_kind(a, b) => a.is_nil() && b.is_nil(),
        (Value::Pointer(a), Value::Pointer(b)) if std::sync::Arc::ptr_eq(a, b) => true,
        (a @ Value::Pointer(_), Value::Pointer(_)) => {
            return Err(format!("comparing pointers is not supported: {}", a.type_name()));
        }
        (a, _) => return Err(format!("non-comparable type: {}", a.type_name())),
    })
}

fn incompatible(one: &Value, other: &Value) -> String {
    format!("incompatible types for comparison: {} and {}", one.type_name(), other.type_name())
}

fn is_basic(value: &Value) -> bool {
    matches!(value, Value::Bool(_) | Value::Int(..) | Value::Uint(..) | Value::Float(_) | Value::Text(..))
}

fn same_kind(one: &Value, other: &Value) -> bool {
    let is_pointer = |value: &Value| matches!(value, Value::Pointer(_) | Value::NilPointer(_));
    (is_pointer(one) && is_pointer(other)) || std::mem::discriminant(one) == std::mem::discriminant(other)
}

/// `None` for NaN.
fn order(one: &Value, other: &Value) -> Result<Option<Ordering>, String> {
    Ok(match (one, other) {
        (Value::Int(a, _), Value::Int(b, _)) => Some(a.cmp(b)),
        (Value::Uint(a, _), Value::Uint(b, _)) => Some(a.cmp(b)),
        (Value::Int(a, _), Value::Uint(b, _)) => Some(u64::try_from(*a).map_or(Ordering::Less, |a| a.cmp(b))),
        (Value::Uint(a, _), Value::Int(b, _)) => Some(u64::try_from(*b).map_or(Ordering::Greater, |b| a.cmp(&b))),
        (Value::Float(a), Value::Float(b)) => a.partial_cmp(b),
        (Value::Text(a, _), Value::Text(b, _)) => Some(a.cmp(b)),
        (a, b) if !is_basic(a) || !is_basic(b) => return Err("invalid type for comparison".to_owned()),
        (Value::Bool(_), Value::Bool(_)) => return Err("invalid type for comparison".to_owned()),
        (a, b) => return Err(incompatible(a, b)),
    })
}
