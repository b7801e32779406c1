//! How large, how deep and how many: bounds of what comes in, of what patches and defaults make of it, and of what is
//! stored. Everything below recurses over values, so a value that is too deep must never come into being.
//!
//! 1. What is stored is at most [`LARGEST_OBJECT`] long, nests at most [`DEEPEST`] levels and has at most
//!    [`MOST_CONTAINERS`] maps and lists, the record of its owners included: it can be read back, alone, in a list and
//!    in a watch.
//! 2. The same holds for what a patch or defaults make on the way, but for the length, of which there may be
//!    [`LARGEST_DRAFT`].

use crate::status::Failure;
use serde_json::Value;

/// Bytes of the JSON of a stored object: what etcd takes in a request (`--max-request-bytes`, 1.5 MiB).
pub(crate) const LARGEST_OBJECT: usize = 3 << 19;
/// Bytes of an object that is being made: the largest request body.
pub(crate) const LARGEST_DRAFT: usize = 3 << 20;
/// Levels of a stored object. Readers of JSON in this language give up at 128 levels; a list adds two and a watch one.
pub(crate) const DEEPEST: usize = 120;
/// Maps and lists of one value that are not empty. A map with one entry takes six bytes of text and some 600 of memory.
pub(crate) const MOST_CONTAINERS: usize = 100_000;

/// What a value weighs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Weight {
    /// Length of its JSON.
    pub(crate) bytes: usize,
    /// Levels of maps and lists.
    pub(crate) depth: usize,
    /// Maps and lists that are not empty.
    pub(crate) containers: usize,
    /// Values of all types, itself included.
    pub(crate) values: usize,
}

impl Weight {
    /// Weighs a value that is known not to be too deep to be walked.
    pub(crate) fn of(value: &Value) -> Self {
        let mut weight = Self::default();
        weight.add(value, 0);
        weight
    }

    fn add(&mut self, value: &Value, above: usize) {
        self.values += 1;
        match value {
            Value::Null => self.bytes += "null".len(),
            Value::Bool(is) => self.bytes += if *is { "true".len() } else { "false".len() },
            Value::Number(number) => self.bytes += number.to_string().len(),
            Value::String(text) => self.bytes += text_bytes(text),
            Value::Array(items) => {
                self.open(above, items.len());
                items.iter().for_each(|item| self.add(item, above + 1));
            }
            Value::Object(fields) => {
                self.open(above, fields.len());
                for (name, field) in fields {
                    self.bytes += text_bytes(name) + 1;
                    self.add(field, above + 1);
                }
            }
        }
    }

    /// Brackets, and commas between the elements.
    fn open(&mut self, above: usize, elements: usize) {
        self.containers += usize::from(elements > 0);
        self.depth = self.depth.max(above + 1);
        self.bytes += 2 + elements.saturating_sub(1);
    }

    fn check(self, largest: usize) -> Result<(), Failure> {
        if self.depth > DEEPEST {
            return Err(too_deep(self.depth));
        }
        if self.containers > MOST_CONTAINERS {
            return Err(too_many());
        }
        if self.bytes > largest { Err(too_large()) } else { Ok(()) }
    }
}

/// Length of a JSON string.
fn text_bytes(text: &str) -> usize {
    let escaped = |byte: u8| match byte {
        b'"' | b'\\' | b'\n' | b'\r' | b'\t' | 0x08 | 0x0c => 2,
        byte if byte < 0x20 => 6,
        _ => 1,
    };
    2 + text.bytes().map(escaped).sum::<usize>()
}

/// Whether an object may be stored; its weight.
///
/// # Errors
/// Which bound it passes.
pub(crate) fn check_stored(object: &Value) -> Result<Weight, Failure> {
    let weight = Weight::of(object);
    weight.check(LARGEST_OBJECT).map(|()| weight)
}

/// Whether work on an object may go on.
///
/// # Errors
/// Which bound it passes.
pub(crate) fn check_draft(object: &Value) -> Result<(), Failure> {
    Weight::of(object).check(LARGEST_DRAFT)
}

/// Checks the maps and lists of a JSON text before it is parsed.
///
/// # Errors
/// When there are more than [`MOST_CONTAINERS`].
pub(crate) fn check_text(json: &[u8]) -> Result<(), Failure> {
    let (mut quoted, mut escaped, mut opened, mut containers) = (false, false, false, 0);
    for byte in json.iter().filter(|byte| !byte.is_ascii_whitespace()) {
        // Whether a container that has just been opened has anything in it.
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

/// In the words of etcd, as kube-apiserver passes them on.
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
    use proptest::prelude::*;
    use serde_json::json;

    fn any_value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            ".{0,8}".prop_map(Value::from),
        ];
        leaf.prop_recursive(5, 40, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::btree_map(".{0,3}", inner, 0..4)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, rng_seed: proptest::test_runner::RngSeed::Fixed(7), ..ProptestConfig::default() })]

        #[test]
        fn the_weight_is_that_of_the_text(value in any_value()) {
            let text = value.to_string();
            let weight = Weight::of(&value);
            prop_assert_eq!(weight.bytes, text.len());
            let nested = (0..weight.depth).fold(json!(0), |inner, _| json!([inner]));
            prop_assert_eq!(Weight::of(&nested).depth, weight.depth);
            prop_assert!(weight.values >= weight.containers);
        }
    }

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
