//! Deployment, DaemonSet, ReplicaSet and Service: stored and validated; no controller acts on them here.

use super::pod;
use crate::{
    built_in::Rules,
    object::{self, set_default},
    selectors,
};
use serde_json::{Map, Value, json};
use weir_apischema::schema::FieldError;

pub(super) const DEPLOYMENT_ZERO: &str =
    r#"{"spec":{"selector":null,"template":{"metadata":{},"spec":{"containers":null}},"strategy":{}},"status":{}}"#;
pub(super) const REPLICA_SET_ZERO: &str =
    r#"{"spec":{"selector":null,"template":{"metadata":{},"spec":{"containers":null}}},"status":{"replicas":0}}"#;
pub(super) const DAEMON_SET_ZERO: &str = r#"{"spec":{"selector":null,"template":{"metadata":{},
    "spec":{"containers":null}},"updateStrategy":{}},"status":{"currentNumberScheduled":0,"numberMisscheduled":0,
    "desiredNumberScheduled":0,"numberReady":0}}"#;

const REVISIONS: u32 = 10;
const PROGRESS_SECONDS: u32 = 600;

pub(super) const DEPLOYMENT: Rules = Rules {
    default: |deployment| {
        object::edit(deployment, "spec", |spec| {
            default_replicas(spec);
            spec.entry("revisionHistoryLimit").or_insert(REVISIONS.into());
            spec.entry("progressDeadlineSeconds").or_insert(PROGRESS_SECONDS.into());
            let strategy = spec.entry("strategy").or_insert_with(|| json!({}));
            set_default(strategy, "type", "RollingUpdate");
            rolling(strategy, &[("maxUnavailable", json!("25%")), ("maxSurge", json!("25%"))]);
            default_template(spec);
        });
    },
    validate: validate_selector,
    ..Rules::NONE
};

pub(super) const DAEMON_SET: Rules = Rules {
    default: |set| {
        object::edit(set, "spec", |spec| {
            spec.entry("revisionHistoryLimit").or_insert(REVISIONS.into());
            let strategy = spec.entry("updateStrategy").or_insert_with(|| json!({}));
            set_default(strategy, "type", "RollingUpdate");
            rolling(strategy, &[("maxUnavailable", json!(1)), ("maxSurge", json!(0))]);
            default_template(spec);
        });
    },
    validate: validate_selector,
    ..Rules::NONE
};

pub(super) const REPLICA_SET: Rules = Rules {
    default: |set| {
        object::edit(set, "spec", |spec| {
            default_replicas(spec);
            default_template(spec);
        });
    },
    validate: validate_selector,
    ..Rules::NONE
};

pub(super) const SERVICE: Rules = Rules {
    default: |service| {
        object::edit(service, "spec", |spec| {
            spec.entry("sessionAffinity").or_insert("None".into());
            spec.entry("type").or_insert("ClusterIP".into());
            for port in spec.get_mut("ports").and_then(Value::as_array_mut).into_iter().flatten() {
                set_default(port, "protocol", "TCP");
                let target = port.get("port").cloned().unwrap_or_default();
                set_default(port, "targetPort", target);
            }
        });
    },
    ..Rules::NONE
};

fn default_replicas(spec: &mut Map<String, Value>) {
    spec.entry("replicas").or_insert(1.into());
}

fn default_template(spec: &mut Map<String, Value>) {
    if let Some(template) = spec.get_mut("template") {
        object::edit(template, "spec", pod::default_spec);
    }
}

fn rolling(strategy: &mut Value, defaults: &[(&str, Value)]) {
    if strategy["type"] == "RollingUpdate" {
        object::edit(strategy, "rollingUpdate", |rolling| {
            for (field, value) in defaults {
                rolling.entry(*field).or_insert(value.clone());
            }
        });
    }
}

fn validate_selector(new: &Value, old: Option<&Value>) -> Vec<FieldError> {
    let mut errors = Vec::new();
    let selector = object::at(new, &["spec", "selector"]).filter(|s| !s.is_null());
    let template = object::at(new, &["spec", "template"]).unwrap_or(&Value::Null);
    match selector {
        None => errors.push(FieldError::required("spec.selector", "")),
        Some(selector) => {
            let labels = object::at(template, &["metadata", "labels"]);
            let label = |key: &str| labels.and_then(|l| l.get(key)).and_then(Value::as_str);
            if !selectors::matches(selector, label) {
                let value = labels.cloned().unwrap_or_default();
                let why = "`selector` does not match template `labels`";
                errors.push(FieldError::invalid("spec.template.metadata.labels", &value, why));
            }
        }
    }
    if let Some(old) = old
        && object::at(old, &["spec", "selector"]) != selector
    {
        let value = selector.cloned().unwrap_or_default();
        errors.push(FieldError::invalid("spec.selector", &value, "field is immutable"));
    }
    errors.extend(pod::validate_spec(template, "spec.template.spec"));
    errors
}
