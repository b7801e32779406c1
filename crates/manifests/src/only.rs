//! Objects of which only some fields are kept: the rest is skipped without being made into values.

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};
use std::fmt;

/// Reads a value with these fields only, each a path such as `spec.nodeName`; what is not an object is kept.
#[derive(Clone)]
pub(crate) struct Only<'f>(pub(crate) Vec<&'f str>);

impl<'f> Only<'f> {
    /// What is kept below a key: everything, some fields, or nothing.
    fn below(&self, key: &str) -> Option<Self> {
        let rest = |field: &&'f str| {
            let rest = field.strip_prefix(key)?;
            rest.is_empty().then_some("").or_else(|| rest.strip_prefix('.'))
        };
        let below: Vec<&str> = self.0.iter().filter_map(rest).collect();
        (!below.is_empty()).then_some(Self(below))
    }
}

impl<'de> DeserializeSeed<'de> for Only<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        if self.0.contains(&"") {
            serde::Deserialize::deserialize(deserializer)
        } else {
            deserializer.deserialize_any(self)
        }
    }
}

impl<'de> Visitor<'de> for Only<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut kept = Map::new();
        while let Some(key) = entries.next_key::<String>()? {
            match self.below(&key) {
                Some(below) => _ = kept.insert(key, entries.next_value_seed(below)?),
                None => _ = entries.next_value::<IgnoredAny>()?,
            }
        }
        Ok(Value::Object(kept))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut all = Vec::new();
        while let Some(item) = items.next_element()? {
            all.push(item);
        }
        Ok(Value::Array(all))
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn only_named_fields_are_kept_and_what_is_broken_stays_broken() {
        let of = |text: &str| {
            let mut decoder = serde_json::Deserializer::from_str(text);
            let value =
                Only(vec!["kind", "metadata.name", "metadata.labels", "spec.nodeName"]).deserialize(&mut decoder)?;
            decoder.end().map(|()| value)
        };
        let pod = r#"{"kind": "Pod", "metadata": {"name": "a", "managedFields": [{"b": 1}], "labels": {"x": {"y": null}}, "names": 1},
            "spec": {"nodeName": "n", "containers": [1, {"nodeName": 2}]}, "status": {"phase": "Running"}}"#;
        assert_eq!(
            of(pod).unwrap(),
            json!({"kind": "Pod", "metadata": {"name": "a", "labels": {"x": {"y": null}}}, "spec": {"nodeName": "n"}})
        );
        for odd in ["null", "true", "-1", "1.5", "\"a\"", "[1, {}]", "{\"metadata\": 5, \"spec\": [1]}", "{}"] {
            assert_eq!(of(odd).unwrap(), serde_json::from_str::<Value>(odd).unwrap(), "{odd}");
        }
        for broken in ["{\"status\": {", "{\"status\": nul}", "{} {}", "{\"spec\": 1e999}", ""] {
            assert!(of(broken).is_err(), "{broken}");
        }
    }
}
