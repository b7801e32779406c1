//! The four kinds of patch.
//!
//! | media type | RFC, module |
//! |---|---|
//! | `application/json-patch+json` | RFC 6902, [`json`] |
//! | `application/merge-patch+json` | RFC 7386 |
//! | `application/strategic-merge-patch+json` | [`strategic`]; built-in kinds only |
//! | `application/apply-patch+yaml` | `managed_fields` |

pub(crate) mod json;
pub(crate) mod strategic;

use crate::{body, bounds, registry::Resource, status::Failure};
use serde_json::{Map, Value};

/// A patch, parsed.
#[derive(Debug)]
pub(crate) enum Patch {
    Json(json_patch::Patch),
    Merge(Value),
    Strategic(Value),
    /// A partial object; `force` takes fields from other managers.
    Apply {
        object: Value,
        force: bool,
    },
}

const JSON: &str = "application/json-patch+json";
const MERGE: &str = "application/merge-patch+json";
const STRATEGIC: &str = "application/strategic-merge-patch+json";
const APPLY_YAML: &str = "application/apply-patch+yaml";
/// Kinds of patches that custom kinds accept.
pub(crate) const OF_CUSTOM_KINDS: [&str; 3] = [JSON, MERGE, APPLY_YAML];

impl Patch {
    /// Parses the body of a PATCH.
    pub(crate) fn parse(resource: &Resource, media_type: &str, bytes: &[u8], force: bool) -> Result<Self, Failure> {
        match media_type {
            JSON => {
                let value = parse_json(bytes)?;
                let operations = value.as_array().map_or(0, Vec::len);
                if operations > json::MOST_OPERATIONS {
                    let most = json::MOST_OPERATIONS;
                    let message = format!("The allowed maximum operations in a JSON patch is {most}, got {operations}");
                    return Err(Failure::too_large_entity(message));
                }
                let patch: json_patch::Patch = serde_json::from_value(value)
                    .map_err(|error| Failure::bad_request(format!("error decoding patch: {error}")))?;
                Ok(Self::Json(patch))
            }
            MERGE => Ok(Self::Merge(parse_json(bytes)?)),
            STRATEGIC if !resource.is_custom() => Ok(Self::Strategic(parse_json(bytes)?)),
            APPLY_YAML => Ok(Self::Apply { object: body::yaml_or_json(bytes)?, force }),
            _ if resource.is_custom() => Err(Failure::unsupported_media(&OF_CUSTOM_KINDS)),
            _ => Err(Failure::unsupported_media(&[JSON, MERGE, STRATEGIC, APPLY_YAML])),
        }
    }
}

fn parse_json(bytes: &[u8]) -> Result<Value, Failure> {
    bounds::check_text(bytes)?;
    body::json(bytes).map_err(|why| Failure::bad_request(format!("error decoding patch: {why}")))
}

/// Applies a merge patch. Values that it replaces are not copied first: a list of conditions can be most of an object.
pub(crate) fn apply_merge(object: &Value, patch: &Value) -> Value {
    let Value::Object(changes) = patch else { return patch.clone() };
    let nothing = Map::new();
    let fields = object.as_object().unwrap_or(&nothing);
    let kept = fields.iter().filter(|(name, _)| !changes.contains_key(*name));
    let kept = kept.map(|(name, value)| (name.clone(), value.clone()));
    let changed = changes.iter().filter(|(_, change)| !change.is_null());
    let changed =
        changed.map(|(name, change)| (name.clone(), apply_merge(fields.get(name).unwrap_or(&Value::Null), change)));
    Value::Object(kept.chain(changed).collect())
}

#[cfg(test)]
mod tests {
    use super::apply_merge;
    use proptest::prelude::*;
    use serde_json::Value;

    fn any_value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![Just(Value::Null), (0..3_u8).prop_map(Value::from)];
        leaf.prop_recursive(4, 24, 3, |inner| {
            let list = prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from);
            let map = prop::collection::btree_map("[a-d]", inner, 0..4);
            prop_oneof![1 => list, 3 => map.prop_map(|map| Value::Object(map.into_iter().collect()))]
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, rng_seed: proptest::test_runner::RngSeed::Fixed(7), ..ProptestConfig::default() })]

        #[test]
        fn a_merge_patch_agrees_with_another_implementation(object in any_value(), patch in any_value()) {
            let mut patched = object.clone();
            json_patch::merge(&mut patched, &patch);
            prop_assert_eq!(apply_merge(&object, &patch), patched);
        }
    }
}
