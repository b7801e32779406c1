//! Node.

use crate::built_in::Rules;
use crate::object::{self, list, text};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use weir_apischema::{names, schema::FieldError};

pub(super) const ZERO: &str = r#"{"spec":{},"status":{"daemonEndpoints":{"kubeletEndpoint":{"Port":0}},"nodeInfo":{
    "machineID":"","systemUUID":"","bootID":"","kernelVersion":"","osImage":"","containerRuntimeVersion":"",
    "kubeletVersion":"","kubeProxyVersion":"","operatingSystem":"","architecture":""}}}"#;

const NOT_READY: &str = "node.kubernetes.io/not-ready";
const UNREACHABLE: &str = "node.kubernetes.io/unreachable";
const UNSCHEDULABLE: &str = "node.kubernetes.io/unschedulable";
/// Conditions that keep pods away while they hold, and the key of the taint.
const PRESSURES: [(&str, &str); 4] = [
    ("DiskPressure", "node.kubernetes.io/disk-pressure"),
    ("MemoryPressure", "node.kubernetes.io/memory-pressure"),
    ("NetworkUnavailable", "node.kubernetes.io/network-unavailable"),
    ("PIDPressure", "node.kubernetes.io/pid-pressure"),
];
const EFFECTS: [&str; 3] = ["NoSchedule", "PreferNoSchedule", "NoExecute"];

pub(super) const NODE: Rules = Rules {
    default: |node| {
        object::edit(node, "spec", |spec| {
            // Two forms of one field; the singular one wins if they differ.
            if let Some(cidr) = spec.get("podCIDR").cloned() {
                if spec.get("podCIDRs").and_then(|c| c.get(0)) != Some(&cidr) {
                    spec.insert("podCIDRs".into(), json!([cidr]));
                }
            } else if let Some(first) = spec.get("podCIDRs").and_then(|c| c.get(0)).cloned() {
                spec.insert("podCIDR".into(), first);
            }
        });
        object::edit(node, "status", |status| {
            for condition in status.get_mut("conditions").and_then(Value::as_array_mut).into_iter().flatten() {
                for time in ["lastHeartbeatTime", "lastTransitionTime"] {
                    object::set_default(condition, time, Value::Null);
                }
            }
            if let (Some(capacity), None) = (status.get("capacity").cloned(), status.get("allocatable")) {
                status.insert("allocatable".into(), capacity);
            }
        });
    },
    // Nothing may be scheduled on the node before a controller has seen it Ready (TaintNodesByCondition).
    admit: |node, old| {
        if old.is_none() {
            object::edit(node, "spec", |spec| {
                let taints = spec.entry("taints").or_insert_with(|| json!([]));
                if let Some(taints) = taints.as_array_mut()
                    && !taints.iter().any(|t| t["key"] == NOT_READY && t["effect"] == "NoSchedule")
                {
                    taints.push(json!({"key": NOT_READY, "effect": "NoSchedule"}));
                }
            });
        }
    },
    validate: |new, old| {
        let mut errors = validate_taints(new);
        if let Some(old) = old {
            errors.extend(validate_immutable(new, old));
            // Updates check the taints a second time, as the reference does.
            errors.extend(validate_taints(new));
        }
        errors
    },
    ..Rules::NONE
};

fn condition<'a>(node: &'a Value, kind: &str) -> &'a str {
    let conditions = list(node, &["status", "conditions"]).iter();
    conditions.filter(|c| text(c, &["type"]) == kind).map(|c| text(c, &["status"])).next().unwrap_or_default()
}

/// Whether the kubelet says that it is.
pub(crate) fn is_ready(node: &Value) -> bool {
    condition(node, "Ready") == "True"
}

/// Brings the taints into line with the conditions and with `spec.unschedulable`, as `pkg/controller/nodelifecycle` of
/// github.com/kubernetes/kubernetes does. One that a kubelet never reported on keeps what it has.
pub(crate) fn taint(node: &mut Value, now: &str) {
    let before = list(node, &["spec", "taints"]).to_vec();
    let is =
        |taint: &Value, (key, effect): (&str, &str)| text(taint, &["key"]) == key && text(taint, &["effect"]) == effect;
    let mut wanted = Vec::new();
    match condition(node, "Ready") {
        "False" => wanted.extend([(NOT_READY, "NoSchedule"), (NOT_READY, "NoExecute")]),
        "Unknown" => wanted.extend([(UNREACHABLE, "NoSchedule"), (UNREACHABLE, "NoExecute")]),
        "True" => {}
        _ => {
            let both = [NOT_READY, UNREACHABLE].into_iter().flat_map(|key| EFFECTS.map(|effect| (key, effect)));
            wanted.extend(both.filter(|of| before.iter().any(|taint| is(taint, *of))));
        }
    }
    let pressures = PRESSURES.iter().filter(|(kind, _)| condition(node, kind) == "True");
    wanted.extend(pressures.map(|(_, key)| (*key, "NoSchedule")));
    if object::at(node, &["spec", "unschedulable"]) == Some(&Value::Bool(true)) {
        wanted.push((UNSCHEDULABLE, "NoSchedule"));
    }
    let of_ours = |key: &str| {
        [NOT_READY, UNREACHABLE, UNSCHEDULABLE].contains(&key) || PRESSURES.iter().any(|(_, of)| *of == key)
    };
    let mut after = before.clone();
    after.retain(|taint| !of_ours(text(taint, &["key"])) || wanted.iter().any(|wanted| is(taint, *wanted)));
    for (key, effect) in wanted {
        if !after.iter().any(|taint| is(taint, (key, effect))) {
            after.push(json!({"key": key, "effect": effect, "timeAdded": now}));
        }
    }
    if after != before {
        object::edit(node, "spec", |spec| match after.is_empty() {
            true => spec.remove("taints"),
            false => spec.insert("taints".into(), after.into()),
        });
    }
}

fn validate_taints(node: &Value) -> Vec<FieldError> {
    let mut errors = Vec::new();
    let taints = list(node, &["spec", "taints"]);
    let mut seen = BTreeSet::new();
    for (index, taint) in taints.iter().enumerate() {
        let field = |name: &str| format!("metadata.taints[{index}].{name}");
        let (key, effect) = (text(taint, &["key"]), text(taint, &["effect"]));
        let invalid = |why: &String| FieldError::invalid(field("key"), &key.into(), why);
        errors.extend(names::qualified_name(key).iter().map(invalid));
        let value = text(taint, &["value"]);
        errors.extend(
            names::label_value(value).iter().map(|why| FieldError::invalid(field("value"), &value.into(), why)),
        );
        if effect.is_empty() {
            errors.push(FieldError::required(field("effect"), ""));
        } else if !EFFECTS.contains(&effect) {
            errors.push(FieldError::not_supported(field("effect"), &effect.into(), EFFECTS));
        }
        if !seen.insert((key, effect)) {
            let mut error = FieldError::duplicate(format!("metadata.taints[{index}]"), Some(taint));
            error.message.push_str(": taints must be unique by key and effect pair");
            errors.push(error);
        }
    }
    errors
}

fn validate_immutable(new: &Value, old: &Value) -> Vec<FieldError> {
    let mut errors = Vec::new();
    let before = list(old, &["spec", "podCIDRs"]);
    if !before.is_empty() && list(new, &["spec", "podCIDRs"]) != before {
        let why = "node updates may not change podCIDR except from \"\" to valid";
        errors.push(FieldError::forbidden("spec.podCIDRs", why));
    }
    let before = text(old, &["spec", "providerID"]);
    if !before.is_empty() && text(new, &["spec", "providerID"]) != before {
        let why = "node updates may not change providerID except from \"\" to valid";
        errors.push(FieldError::forbidden("spec.providerID", why));
    }
    errors
}
