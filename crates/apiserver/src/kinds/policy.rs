//! PodDisruptionBudget, NetworkPolicy, PriorityClass, role bindings and admission policies.

use crate::built_in::Rules;
use crate::{
    object::{self, set_default, text},
    priority,
};
use serde_json::{Value, json};
use weir_apischema::{
    policy::{Binding, compiled},
    schema::FieldError,
};

pub(super) const BUDGET_ZERO: &str = r#"{"spec":{},"status":{"disruptionsAllowed":0,"currentHealthy":0,
    "desiredHealthy":0,"expectedPods":0}}"#;

pub(super) const BUDGET: Rules = Rules {
    validate: |new, _| {
        let spec = |field| object::at(new, &["spec", field]).filter(|v| !v.is_null());
        if spec("minAvailable").is_some() && spec("maxUnavailable").is_some() {
            let value = new.get("spec").cloned().unwrap_or_default();
            return vec![FieldError::invalid("spec", &value, "minAvailable and maxUnavailable cannot be both set")];
        }
        let bounds = ["minAvailable", "maxUnavailable"].into_iter().filter_map(|f| Some((f, spec(f)?)));
        bounds.filter_map(|(field, value)| validate_bound(field, value)).collect()
    },
    ..Rules::NONE
};

fn validate_bound(field: &str, value: &Value) -> Option<FieldError> {
    let path = format!("spec.{field}");
    match value {
        Value::String(percent) => {
            let number = percent.strip_suffix('%').and_then(|n| n.parse::<u32>().ok());
            match number {
                None => {
                    let why = "a valid percent string must be a numeric string followed by an ending '%' (e.g. '1%',  or '93%', regex used for validation is '[0-9]+%')";
                    Some(FieldError::invalid(path, value, why))
                }
                Some(number) if number > 100 => Some(FieldError::invalid(path, value, "must not be greater than 100%")),
                Some(_) => None,
            }
        }
        value if value.as_i64().is_some_and(|n| n < 0) => {
            Some(FieldError::invalid(path, value, "must be greater than or equal to 0"))
        }
        _ => None,
    }
}

pub(super) const NETWORK_POLICY: Rules = Rules {
    default: |policy| {
        object::edit(policy, "spec", |spec| {
            if !spec.contains_key("policyTypes") {
                let egress = spec.get("egress").is_some_and(|e| e.as_array().is_some_and(|e| !e.is_empty()));
                let types = if egress { json!(["Ingress", "Egress"]) } else { json!(["Ingress"]) };
                spec.insert("policyTypes".into(), types);
            }
        });
    },
    ..Rules::NONE
};

/// Highest value of a user-defined class (`HighestUserDefinablePriority`).
const HIGHEST_PRIORITY: i64 = 1_000_000_000;

pub(super) const PRIORITY_CLASS: Rules = Rules {
    default: |class| set_default(class, "preemptionPolicy", "PreemptLowerPriority"),
    validate: |new, old| {
        let mut errors = Vec::new();
        let (name, value) = (object::meta(new, "name"), new.get("value").and_then(Value::as_i64).unwrap_or_default());
        if name.starts_with("system-") && !priority::is_of_system(new) {
            let why = format!(
                "priority class names with 'system-' prefix are reserved for system use only. error: {name} is not a known system priority class"
            );
            errors.push(FieldError::forbidden("metadata.name", &why));
        } else if !name.starts_with("system-") && value > HIGHEST_PRIORITY {
            let why = format!("maximum allowed value of a user defined priority is {HIGHEST_PRIORITY}");
            errors.push(FieldError::forbidden("value", &why));
        }
        let policies = ["Never", "PreemptLowerPriority"];
        let policy = text(new, &["preemptionPolicy"]);
        if !policies.contains(&policy) {
            errors.push(FieldError::not_supported("preemptionPolicy", &policy.into(), policies));
        }
        if let Some(old) = old {
            if old.get("value") != new.get("value") {
                errors.push(FieldError::forbidden("value", "may not be changed in an update."));
            }
            if old.get("preemptionPolicy") != new.get("preemptionPolicy") {
                errors.push(FieldError::invalid("preemptionPolicy", &policy.into(), "field is immutable"));
            }
        }
        errors
    },
    ..Rules::NONE
};

pub(super) const ROLE_BINDING: Rules = Rules {
    default: |binding| {
        if let Some(role) = binding.get_mut("roleRef") {
            set_default(role, "apiGroup", "rbac.authorization.k8s.io");
        }
        for subject in binding.get_mut("subjects").and_then(Value::as_array_mut).into_iter().flatten() {
            if text(subject, &["kind"]) != "ServiceAccount" {
                set_default(subject, "apiGroup", "rbac.authorization.k8s.io");
            }
        }
    },
    validate: |new, old| {
        let mut errors = Vec::new();
        if text(new, &["roleRef", "name"]).is_empty() {
            errors.push(FieldError::required("roleRef.name", ""));
        }
        let kinds = ["Role", "ClusterRole"];
        let kind = text(new, &["roleRef", "kind"]);
        if !kinds.contains(&kind) {
            errors.push(FieldError::not_supported("roleRef.kind", &kind.into(), kinds));
        }
        if let Some(old) = old
            && old.get("roleRef") != new.get("roleRef")
        {
            let value = new.get("roleRef").cloned().unwrap_or_default();
            errors.push(FieldError::invalid("roleRef", &value, "cannot change roleRef"));
        }
        errors
    },
    ..Rules::NONE
};

pub(super) const ADMISSION_POLICY: Rules = Rules {
    default: |policy| {
        object::edit(policy, "spec", |spec| {
            spec.entry("failurePolicy").or_insert("Fail".into());
            if let Some(constraints) = spec.get_mut("matchConstraints") {
                default_match(constraints);
            }
        });
    },
    validate: |new, _| compiled(new).err().unwrap_or_default(),
    ..Rules::NONE
};

pub(super) const ADMISSION_POLICY_BINDING: Rules = Rules {
    default: |binding| {
        object::edit(binding, "spec", |spec| {
            if let Some(constraints) = spec.get_mut("matchResources") {
                default_match(constraints);
            }
        });
    },
    validate: |new, _| Binding::parse(new).err().unwrap_or_default(),
    ..Rules::NONE
};

fn default_match(constraints: &mut Value) {
    set_default(constraints, "namespaceSelector", json!({}));
    set_default(constraints, "objectSelector", json!({}));
    set_default(constraints, "matchPolicy", "Equivalent");
    for field in ["resourceRules", "excludeResourceRules"] {
        for rule in constraints.get_mut(field).and_then(Value::as_array_mut).into_iter().flatten() {
            set_default(rule, "scope", "*");
        }
    }
}
