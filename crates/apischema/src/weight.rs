//! How large a value is, in the units of the limits on objects.

use serde_json::{Number, Value};

/// Maximum number of bytes of an object under construction: the largest request body.
pub const LARGEST_DRAFT: usize = 3 << 20;

/// The size of a value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Weight {
    /// Length of its JSON.
    pub bytes: usize,
    /// Levels of maps and lists.
    pub depth: usize,
    /// Maps and lists that are not empty.
    pub containers: usize,
    /// Values of all types, itself included.
    pub values: usize,
}

impl Weight {
    /// Weighs a value that is known to be shallow enough for recursion.
    pub fn of(value: &Value) -> Self {
        let mut weight = Self::default();
        weight.add(value, 0);
        weight
    }

    fn add(&mut self, value: &Value, above: usize) {
        self.values += 1;
        match value {
            Value::Null => self.bytes += "null".len(),
            Value::Bool(is) => self.bytes += if *is { "true".len() } else { "false".len() },
            Value::Number(number) => self.bytes += number_bytes(number),
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
}

/// Length of a number in JSON. Only floats have to be formatted for that.
fn number_bytes(number: &Number) -> usize {
    let digits = |whole: u64| 1 + whole.checked_ilog10().unwrap_or_default() as usize;
    match (number.as_i64(), number.as_u64()) {
        (_, Some(whole)) => digits(whole),
        (Some(whole), None) => 1 + digits(whole.unsigned_abs()),
        (None, None) => number.to_string().len(),
    }
}

/// Length of a JSON string.
fn text_bytes(text: &str) -> usize {
    let is_special = |byte: u8| (byte < 0x20) | (byte == b'"') | (byte == b'\\');
    // No early exit, so that many bytes are processed at once.
    if !text.bytes().fold(false, |special, byte| special | is_special(byte)) {
        return 2 + text.len();
    }
    let escaped = |byte: u8| match byte {
        b'"' | b'\\' | b'\n' | b'\r' | b'\t' | 0x08 | 0x0c => 2,
        byte if byte < 0x20 => 6,
        _ => 1,
    };
    2 + text.bytes().map(escaped).sum::<usize>()
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
            any::<u64>().prop_map(Value::from),
            (-10..1001_i64).prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            ".{0,8}".prop_map(Value::from),
            "[\\x00-\\x20\"\\\\a]{0,8}".prop_map(Value::from),
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
        fn the_weight_equals_that_of_the_json_text(value in any_value()) {
            let text = value.to_string();
            let weight = Weight::of(&value);
            prop_assert_eq!(weight.bytes, text.len());
            let nested = (0..weight.depth).fold(json!(0), |inner, _| json!([inner]));
            prop_assert_eq!(Weight::of(&nested).depth, weight.depth);
            prop_assert!(weight.values >= weight.containers);
        }
    }
}
