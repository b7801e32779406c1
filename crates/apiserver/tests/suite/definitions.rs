//! Which definitions are refused although their schemas are well-formed, and in which words.
#![allow(clippy::unwrap_used, reason = "a test")]

use serde_json::{Value, json};
use weir_apiserver::{ApiServer, Settings};

/// A definition whose rule looks for one string in another, of that many bytes at most.
fn searching(longest: Option<u64>, columns: &Value) -> Value {
    let mut text = json!({"type": "string"});
    if let Some(longest) = longest {
        text["maxLength"] = longest.into();
    }
    let spec = json!({"type": "object", "properties": {"a": text, "b": text},
        "x-kubernetes-validations": [{"rule": "self.a.contains(self.b)"}]});
    json!({"metadata": {"name": "things.example.com"}, "spec": {"group": "example.com", "scope": "Cluster",
        "names": {"plural": "things", "kind": "Thing"}, "versions": [{"name": "v1", "served": true, "storage": true,
            "additionalPrinterColumns": columns,
            "schema": {"openAPIV3Schema": {"type": "object", "properties": {"spec": spec}}}}]}})
}

#[test]
fn rules_that_may_cost_too_much_are_refused() {
    let server = ApiServer::new(Settings::default()).unwrap();
    let refused = server.define([searching(None, &json!([]))]).unwrap_err().to_string();
    let expected = "spec.validation.openAPIV3Schema.properties[spec].x-kubernetes-validations[0].rule: Forbidden: estimated rule cost exceeds budget by factor of more than 100x";
    assert!(refused.contains(expected), "{refused}");
    assert!(refused.contains("exceeds budget by factor of more than 100x (try simplifying the rule"), "{refused}");
    server.define([searching(Some(1000), &json!([]))]).unwrap();
    let column = json!([{"name": "A", "type": "string", "jsonPath": ".spec.a"}]);
    let refused = server.define([searching(Some(10_000), &column)]).unwrap_err().to_string();
    assert!(refused.contains("exceeds budget by factor of 1.6x"), "{refused}");
    server.define([searching(Some(1000), &column)]).unwrap();
}
