//! Label selectors of policies (`meta/v1` LabelSelector).

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use serde_json::{Map, Value};

/// Whether a selector, possibly none, selects everything.
pub(super) fn is_empty(selector: Option<&LabelSelector>) -> bool {
    selector.is_none_or(|selector| {
        selector.match_labels.as_ref().is_none_or(|labels| labels.is_empty())
            && selector.match_expressions.as_ref().is_none_or(Vec::is_empty)
    })
}

/// Whether the labels of an object match.
pub(super) fn matches(selector: Option<&LabelSelector>, object: &Value) -> bool {
    let Some(selector) = selector else { return true };
    let nothing = Map::new();
    let labels = object.pointer("/metadata/labels").and_then(Value::as_object).unwrap_or(&nothing);
    let value = |key: &str| labels.get(key).and_then(Value::as_str);
    let equal = selector.match_labels.iter().flatten().all(|(key, wanted)| value(key) == Some(wanted));
    equal
        && selector.match_expressions.iter().flatten().all(|requirement| {
            let values = requirement.values.as_deref().unwrap_or_default();
            let listed = value(&requirement.key).map(|value| values.iter().any(|listed| listed == value));
            match requirement.operator.as_str() {
                "In" => listed == Some(true),
                "NotIn" => listed != Some(true),
                "Exists" => listed.is_some(),
                "DoesNotExist" => listed.is_none(),
                _ => false,
            }
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn selectors() {
        let object = json!({"metadata": {"labels": {"a": "1", "b": "2"}}});
        for (selector, selects) in [
            (json!({}), true),
            (json!({"matchLabels": {"a": "1"}}), true),
            (json!({"matchLabels": {"a": "2"}}), false),
            (json!({"matchExpressions": [{"key": "a", "operator": "In", "values": ["0", "1"]}]}), true),
            (json!({"matchExpressions": [{"key": "c", "operator": "NotIn", "values": ["1"]}]}), true),
            (json!({"matchExpressions": [{"key": "a", "operator": "NotIn", "values": ["1"]}]}), false),
            (json!({"matchExpressions": [{"key": "c", "operator": "Exists"}]}), false),
            (json!({"matchExpressions": [{"key": "c", "operator": "DoesNotExist"}]}), true),
        ] {
            let parsed: LabelSelector = serde_json::from_value(selector.clone()).unwrap();
            assert_eq!(matches(Some(&parsed), &object), selects, "{selector}");
            assert_eq!(is_empty(Some(&parsed)), selector == json!({}), "{selector}");
        }
        assert!(matches(None, &json!({})));
    }
}
