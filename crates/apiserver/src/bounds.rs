//! Bounds on size, depth and number: of what comes in, of the results of patches and defaults, and of what is stored.
//! Other code recurses over values, so a value that is too deep must never come into being.
//!
//! 1. A stored object is at most [`LARGEST_OBJECT`] bytes long, nests at most [`DEEPEST`] levels and has at most
//!    [`MOST_CONTAINERS`] maps and lists, including `managedFields`: it can be read back alone, in a list and in a
//!    watch.
//! 2. The same holds for intermediate results of patches and defaults, except that they may be up to [`LARGEST_DRAFT`]
//!    long.

use crate::status::Failure;
use serde_json::Value;
use weir_apischema::weight::{LARGEST_DRAFT, Weight};

/// Maximum number of bytes of the JSON of a stored object: what etcd accepts in a request (`--max-request-bytes`, 1.5
/// MiB).
pub(crate) const LARGEST_OBJECT: usize = 3 << 19;
/// Maximum number of levels of a stored object. Rust's JSON parser gives up at 128 levels; a list adds two and a watch
/// one.
pub(crate) const DEEPEST: usize = 120;
/// Maximum number of non-empty maps and lists in one value. A map with one entry takes six bytes of text and about 600
/// bytes of memory.
pub(crate) const MOST_CONTAINERS: usize = 100_000;

fn check(weight: Weight, largest: usize) -> Result<(), Failure> {
    if weight.depth > DEEPEST {
        return Err(too_deep(weight.depth));
    }
    if weight.containers > MOST_CONTAINERS {
        return Err(too_many());
    }
    if weight.bytes > largest { Err(too_large()) } else { Ok(()) }
}

/// Checks whether an object may be stored; returns its weight.
///
/// # Errors
/// Which bound it passes.
pub(crate) fn check_stored(object: &Value) -> Result<Weight, Failure> {
    let weight = Weight::of(object);
    check(weight, LARGEST_OBJECT).map(|()| weight)
}

/// Checks whether an object is still within the bounds for intermediate results.
///
/// # Errors
/// Which bound it passes.
pub(crate) fn check_draft(object: &Value) -> Result<(), Failure> {
    check(Weight::of(object), LARGEST_DRAFT)
}

/// Counts the maps and lists of a JSON text before it is parsed.
///
/// # Errors
/// When there are more than [`MOST_CONTAINERS`].
pub(crate) fn check_text(json: &[u8]) -> Result<(), Failure> {
    let (mut quoted, mut escaped, mut opened, mut containers) = (false, false, false, 0);
    for byte in json.iter().filter(|byte| !byte.is_ascii_whitespace()) {
        // A container counts once it turns out not to be empty.
        containers += usize::from(opened && !matches!(byte, b'}' | b']'));
        opened = !quoted && matches!(byte, b'{' | b'[');
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            _ => {}
        }
    }
    if containers > MOST_CONTAINERS { Err(too_many()) } else { Ok(()) }
}

/// The message of etcd, as kube-apiserver passes it on.
pub(crate) fn too_large() -> Failure {
    Failure::unclassified("etcdserver: request is too large")
}

fn too_deep(depth: usize) -> Failure {
    let why = format!("exceeded max depth: the object nests {depth} levels, the server takes {DEEPEST} at most");
    Failure::bad_request(why)
}

fn too_many() -> Failure {
    let why = format!("Request entity too large: the limit is {MOST_CONTAINERS} maps and lists in one object");
    Failure::too_large_entity(why)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_may_be_stored_can_be_read_in_a_list_and_a_watch() {
        let nested = |levels: usize| (0..levels).fold(json!(1), |inner, _| json!({"a": inner}));
        assert!(check_stored(&nested(DEEPEST)).is_ok());
        assert!(check_stored(&nested(DEEPEST + 1)).is_err());
        let list = json!({"items": [nested(DEEPEST)]}).to_string();
        assert!(serde_json::from_str::<Value>(&list).is_ok());
        let text = |length: usize| Value::from("x".repeat(length));
        assert!(check_stored(&text(LARGEST_OBJECT - 2)).is_ok());
        assert_eq!(check_stored(&text(LARGEST_OBJECT - 1)).unwrap_err().message, "etcdserver: request is too large");
    }

    #[test]
    fn maps_and_lists_are_counted_before_they_are_made() {
        let many = |n: usize| format!("[ {}, {{ }}, []]", vec!["{\"[\\\"{\":0}"; n].join(","));
        let values: Value = serde_json::from_str(&many(10)).unwrap();
        assert_eq!(Weight::of(&values).containers, 11);
        assert!(check_text(many(MOST_CONTAINERS - 1).as_bytes()).is_ok());
        assert!(check_text(many(MOST_CONTAINERS).as_bytes()).is_err());
    }
}
