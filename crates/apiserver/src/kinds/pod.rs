//! Pod, and the pod template of workloads.

use crate::built_in::Rules;
use crate::object::{self, list, set_default, text};
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;
use weir_apischema::{
    names::{self, NameRule},
    schema::FieldError,
};

/// Permissions of files that come from a ConfigMap or a Secret: 0644.
const FILE_MODE: u32 = 0o644;
/// How long a pod tolerates a node that is not ready or unreachable (DefaultTolerationSeconds).
const TOLERATION_SECONDS: u32 = 300;
const DEFAULT_GRACE_SECONDS: u32 = 30;
/// Condition of a pod that is deleted for another reason than its own.
const DISRUPTION_TARGET: &str = "DisruptionTarget";
/// How long a projected token of a service account is valid.
const TOKEN_SECONDS: u32 = 3600;

pub(super) const POD: Rules = Rules {
    default: |pod| {
        object::edit(pod, "spec", |spec| {
            default_spec(spec);
            spec.entry("enableServiceLinks").or_insert(true.into());
            of_all_containers(spec, &mut default_requests);
        });
    },
    prepare: |pod, old| {
        if old.is_none() {
            let class = quality_of_service(pod);
            object::set(pod, "status", json!({"phase": "Pending", "qosClass": class}));
        }
    },
    admit: |pod, old| {
        if old.is_none() {
            object::edit(pod, "spec", |spec| {
                tolerate_lost_nodes(spec);
                // ServiceAccount, but for the volume with its token, which nothing here would mount.
                let account = spec.entry("serviceAccountName").or_insert("default".into()).clone();
                spec.insert("serviceAccount".into(), account);
            });
        }
    },
    validate: |new, old| {
        let mut errors = validate_spec(new, "spec");
        if let Some(old) = old {
            errors.extend(validate_update(new, old));
        }
        errors
    },
};

/// Adds the condition that an evicted pod has (`pkg/registry/core/pod/storage/eviction.go` of github.com/kubernetes/kubernetes); returns
/// whether it was missing.
pub(crate) fn disrupt(pod: &mut Value, now: &str) -> bool {
    let is_target = |condition: &Value| text(condition, &["type"]) == DISRUPTION_TARGET;
    if list(pod, &["status", "conditions"]).iter().any(|held| is_target(held) && text(held, &["status"]) == "True") {
        return false;
    }
    let condition = json!({
        "type": DISRUPTION_TARGET, "status": "True", "reason": "EvictionByEvictionAPI", "message": "Eviction API: evicting",
        "lastTransitionTime": now,
    });
    object::edit(pod, "status", |status| {
        let conditions = status.entry("conditions").or_insert(json!([]));
        if let Some(conditions) = conditions.as_array_mut() {
            conditions.retain(|held| !is_target(held));
            conditions.push(condition);
        }
    });
    true
}

/// Fills in what a pod spec leaves out.
pub(super) fn default_spec(spec: &mut Map<String, Value>) {
    let defaults = [
        ("restartPolicy", json!("Always")),
        ("terminationGracePeriodSeconds", DEFAULT_GRACE_SECONDS.into()),
        ("dnsPolicy", json!("ClusterFirst")),
        ("securityContext", json!({})),
        ("schedulerName", json!("default-scheduler")),
    ];
    for (field, value) in defaults {
        spec.entry(field).or_insert(value);
    }
    if let Some(account) = spec.get("serviceAccountName").or_else(|| spec.get("serviceAccount")).cloned() {
        spec.insert("serviceAccountName".into(), account.clone());
        spec.insert("serviceAccount".into(), account);
    }
    let on_host = spec.get("hostNetwork") == Some(&Value::Bool(true));
    of_all_containers(spec, &mut |container| default_container(container, on_host));
    for volume in spec.get_mut("volumes").and_then(Value::as_array_mut).into_iter().flatten() {
        default_volume(volume);
    }
}

fn of_all_containers(spec: &mut Map<String, Value>, change: &mut dyn FnMut(&mut Value)) {
    for field in ["containers", "initContainers", "ephemeralContainers"] {
        spec.get_mut(field).and_then(Value::as_array_mut).into_iter().flatten().for_each(&mut *change);
    }
}

fn default_volume(volume: &mut Value) {
    let is_empty = volume.as_object().is_some_and(|volume| volume.keys().all(|field| field == "name"));
    if is_empty {
        object::set(volume, "emptyDir", json!({}));
    }
    for source in ["configMap", "secret", "projected", "downwardAPI"] {
        if let Some(source) = volume.get_mut(source) {
            set_default(source, "defaultMode", FILE_MODE);
        }
    }
    if let Some(path) = volume.get_mut("hostPath") {
        set_default(path, "type", "");
    }
    default_downward(volume.get_mut("downwardAPI"));
    for source in volume.pointer_mut("/projected/sources").and_then(Value::as_array_mut).into_iter().flatten() {
        if let Some(token) = source.get_mut("serviceAccountToken") {
            set_default(token, "expirationSeconds", TOKEN_SECONDS);
        }
        default_downward(source.get_mut("downwardAPI"));
    }
}

fn default_downward(source: Option<&mut Value>) {
    let items = source.and_then(|source| source.get_mut("items")).and_then(Value::as_array_mut);
    for reference in items.into_iter().flatten().filter_map(|item| item.get_mut("fieldRef")) {
        set_default(reference, "apiVersion", "v1");
    }
}

/// What a container may use at most is also what it asks for, unless it says so itself.
fn default_requests(container: &mut Value) {
    let Some(limits) = object::at(container, &["resources", "limits"]).and_then(Value::as_object).cloned() else {
        return;
    };
    object::edit(container, "resources", |resources| {
        let requests = resources.entry("requests").or_insert_with(|| json!({}));
        for (name, limit) in limits {
            set_default(requests, &name, limit);
        }
    });
}

fn default_container(container: &mut Value, on_host: bool) {
    set_default(container, "terminationMessagePath", "/dev/termination-log");
    set_default(container, "terminationMessagePolicy", "File");
    set_default(container, "resources", json!({}));
    let image = text(container, &["image"]);
    let tag = image.rsplit('/').next().and_then(|last| last.split_once(':')).map(|(_, tag)| tag);
    let moving = !image.contains('@') && matches!(tag, None | Some("latest"));
    set_default(container, "imagePullPolicy", if moving { "Always" } else { "IfNotPresent" });
    for port in container.get_mut("ports").and_then(Value::as_array_mut).into_iter().flatten() {
        set_default(port, "protocol", "TCP");
        if on_host && let Some(own) = port.get("containerPort").cloned() {
            set_default(port, "hostPort", own);
        }
    }
    for variable in container.get_mut("env").and_then(Value::as_array_mut).into_iter().flatten() {
        if let Some(reference) = variable.pointer_mut("/valueFrom/fieldRef") {
            set_default(reference, "apiVersion", "v1");
        }
    }
    for probe in ["livenessProbe", "readinessProbe", "startupProbe"] {
        if let Some(probe) = container.get_mut(probe) {
            let defaults =
                [("timeoutSeconds", 1), ("periodSeconds", 10), ("successThreshold", 1), ("failureThreshold", 3)];
            for (field, value) in defaults {
                set_default(probe, field, value);
            }
            default_http(probe.get_mut("httpGet"));
            if let Some(grpc) = probe.get_mut("grpc") {
                set_default(grpc, "service", "");
            }
        }
    }
    for hook in ["postStart", "preStop"] {
        default_http(container.pointer_mut(&format!("/lifecycle/{hook}/httpGet")));
    }
}

fn default_http(get: Option<&mut Value>) {
    if let Some(get) = get {
        set_default(get, "scheme", "HTTP");
        set_default(get, "path", "/");
    }
}

fn tolerate_lost_nodes(spec: &mut Map<String, Value>) {
    let tolerations = spec.entry("tolerations").or_insert_with(|| json!([]));
    let Some(tolerations) = tolerations.as_array_mut() else { return };
    for key in ["node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"] {
        let covers = |t: &Value| {
            let effect = text(t, &["effect"]);
            let own = text(t, &["key"]);
            (own == key || own.is_empty()) && (effect == "NoExecute" || effect.is_empty())
        };
        if !tolerations.iter().any(covers) {
            tolerations.push(json!({"key": key, "operator": "Exists", "effect": "NoExecute",
                "tolerationSeconds": TOLERATION_SECONDS}));
        }
    }
}

fn quality_of_service(pod: &Value) -> &'static str {
    let resources = |list: &str, name: &str| -> Vec<Option<Value>> {
        let containers = object::list(pod, &["spec", "containers"]);
        containers.iter().map(|c| object::at(c, &["resources", list, name]).cloned()).collect()
    };
    let all = ["cpu", "memory"].map(|name| (resources("requests", name), resources("limits", name)));
    if all.iter().all(|(requests, limits)| requests.iter().chain(limits).all(Option::is_none)) {
        return "BestEffort";
    }
    let equal =
        |(request, limit): (&Option<Value>, &Option<Value>)| limit.is_some() && (request.is_none() || request == limit);
    let guaranteed = all.iter().all(|(requests, limits)| requests.iter().zip(limits).all(equal));
    if guaranteed { "Guaranteed" } else { "Burstable" }
}

/// How many seconds a pod has to end (`CheckGracefulDelete` in `pkg/registry/core/pod/strategy.go` of
/// github.com/kubernetes/kubernetes): none if it has ended or no node was told of it.
pub(crate) fn grace(pod: &Value, asked: Option<i64>) -> i64 {
    let has_ended = ["Succeeded", "Failed"].contains(&text(pod, &["status", "phase"]));
    if has_ended || text(pod, &["spec", "nodeName"]).is_empty() {
        return 0;
    }
    let own = object::at(pod, &["spec", "terminationGracePeriodSeconds"]).and_then(Value::as_i64);
    match asked.or(own).unwrap_or(DEFAULT_GRACE_SECONDS.into()) {
        // A negative time is as little as there is.
        ..0 => 1,
        seconds => seconds,
    }
}

/// What is wrong with the pod spec of `owner`; `path` names it in messages.
pub(super) fn validate_spec(owner: &Value, path: &str) -> Vec<FieldError> {
    let mut errors = Vec::new();
    let spec = owner.get("spec").unwrap_or(&Value::Null);
    let containers = list(spec, &["containers"]);
    if containers.is_empty() {
        errors.push(FieldError::required(format!("{path}.containers"), ""));
    }
    let mut seen = BTreeSet::new();
    for (index, container) in containers.iter().enumerate() {
        let field = |name: &str| format!("{path}.containers[{index}].{name}");
        let name = text(container, &["name"]);
        if name.is_empty() {
            errors.push(FieldError::required(field("name"), ""));
        } else {
            let violations = NameRule::Label.violations(name, false);
            errors.extend(violations.iter().map(|why| FieldError::invalid(field("name"), &name.into(), why)));
            if !seen.insert(name) {
                errors.push(FieldError::duplicate(field("name"), Some(&name.into())));
            }
        }
        if text(container, &["image"]).is_empty() {
            errors.push(FieldError::required(field("image"), ""));
        }
    }
    let policies = ["Always", "OnFailure", "Never"];
    let policy = text(spec, &["restartPolicy"]);
    if !policies.contains(&policy) {
        errors.push(FieldError::not_supported(format!("{path}.restartPolicy"), &policy.into(), policies));
    }
    let selector = object::at(spec, &["nodeSelector"]);
    errors.extend(names::validate_labels(selector, &format!("{path}.nodeSelector")));
    errors
}

/// Fields of an existing pod that may change.
const MUTABLE: [&str; 5] =
    ["activeDeadlineSeconds", "terminationGracePeriodSeconds", "tolerations", "schedulingGates", "nodeSelector"];

fn validate_update(new: &Value, old: &Value) -> Vec<FieldError> {
    let fixed = |pod: &Value| {
        let mut pod = pod.clone();
        // A pod of an older version may lack what is filled in now.
        (POD.default)(&mut pod);
        let mut spec = pod.get("spec").cloned().unwrap_or_default();
        for field in MUTABLE {
            object::remove(&mut spec, field);
        }
        for field in ["containers", "initContainers"] {
            for container in spec.get_mut(field).and_then(Value::as_array_mut).into_iter().flatten() {
                object::remove(container, "image");
                object::remove(container, "resources");
            }
        }
        spec
    };
    let (mut before, mut after) = (fixed(old), fixed(new));
    // Only a binding may set the node name.
    if text(&before, &["nodeName"]).is_empty() {
        object::remove(&mut after, "nodeName");
        object::remove(&mut before, "nodeName");
    }
    if before == after {
        return Vec::new();
    }
    let why = "pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)";
    vec![FieldError::forbidden("spec", why)]
}
