//! The subresource `scale`: the wanted and the actual number of replicas, in one shape for all kinds (`autoscaling/v1`).

use crate::object::{self, at, meta, text};
use serde_json::{Value, json};

/// Where an object keeps the values of its scale, as fields from the root down.
#[derive(Clone, Debug)]
pub(crate) struct Scale {
    /// Replicas that are wanted.
    pub(crate) wanted: Vec<String>,
    /// Replicas that exist.
    pub(crate) there: Vec<String>,
    /// The selector of the replicas, a text or a `LabelSelector`; empty if the kind has none.
    pub(crate) selector: Vec<String>,
}

/// `.spec.replicas` as its fields; empty for no path.
pub(crate) fn fields(path: &str) -> Vec<String> {
    path.split('.').filter(|field| !field.is_empty()).map(str::to_owned).collect()
}

impl Scale {
    /// The scale of built-in kinds.
    pub(crate) fn of_workload() -> Self {
        Self { wanted: fields(".spec.replicas"), there: fields(".status.replicas"), selector: fields(".spec.selector") }
    }

    /// The scale that a definition declares for a version.
    pub(crate) fn of_definition(version: &Value) -> Option<Self> {
        let scale = at(version, &["subresources", "scale"])?;
        let path = |name| fields(text(scale, &[name]));
        Some(Self {
            wanted: path("specReplicasPath"),
            there: path("statusReplicasPath"),
            selector: path("labelSelectorPath"),
        })
    }

    pub(crate) fn show(&self, object: &Value) -> Value {
        let value = |path: &[String]| at(object, &path.iter().map(String::as_str).collect::<Vec<_>>()).cloned();
        let count = |path: &[String]| value(path).and_then(|count| count.as_i64()).unwrap_or_default();
        let mut metadata = json!({});
        for field in ["name", "namespace", "uid", "resourceVersion", "creationTimestamp"] {
            if !meta(object, field).is_empty() {
                object::set(&mut metadata, field, meta(object, field).into());
            }
        }
        let mut status = json!({"replicas": count(&self.there)});
        let selector = match value(&self.selector) {
            Some(Value::String(text)) => text,
            Some(selector) => selector_text(&selector),
            None => String::new(),
        };
        if !selector.is_empty() {
            object::set(&mut status, "selector", selector.into());
        }
        let wanted = count(&self.wanted);
        // Go omits zero.
        let spec = if wanted == 0 { json!({}) } else { json!({"replicas": wanted}) };
        json!({"kind": "Scale", "apiVersion": "autoscaling/v1", "metadata": metadata, "spec": spec, "status": status})
    }

    /// The merge patch that sets the wanted number of replicas.
    pub(crate) fn patch(&self, replicas: i64, version: &str) -> Value {
        let inner = self.wanted.iter().rev().fold(Value::from(replicas), |value, field| json!({field.as_str(): value}));
        let mut patch = inner;
        if !version.is_empty() {
            object::set(&mut patch, "metadata", json!({"resourceVersion": version}));
        }
        patch
    }
}

/// `a=b,c in (d,e)`
pub(crate) fn selector_text(selector: &Value) -> String {
    let pairs = selector.get("matchLabels").and_then(Value::as_object).into_iter().flatten();
    let equal = pairs.map(|(key, value)| format!("{key}={}", value.as_str().unwrap_or_default()));
    let expressions = object::list(selector, &["matchExpressions"]).iter().map(|expression| {
        let key = text(expression, &["key"]);
        let values = object::strings(expression.get("values")).join(",");
        match text(expression, &["operator"]) {
            "In" => format!("{key} in ({values})"),
            "NotIn" => format!("{key} notin ({values})"),
            "DoesNotExist" => format!("!{key}"),
            _ => key.to_owned(),
        }
    });
    equal.chain(expressions).collect::<Vec<_>>().join(",")
}
