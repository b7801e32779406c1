//! Initial roles: everything for administrators, and the usual roles for users of a namespace.
//!
//! Source: `plugin/pkg/auth/authorizer/rbac/bootstrappolicy` of github.com/kubernetes/kubernetes. Kinds that are not served here
//! are left out.
//!
//! 1. `cluster-admin` may do everything; `system:masters` are bound to it.
//! 2. `view` reads the objects in a namespace, except secrets, roles and bindings. `edit` also writes it, including secrets.
//!    `admin` also manages roles and bindings in the namespace.
//! 3. The last three are aggregated: a role with the label of one is added to it.

use crate::object;
use serde_json::{Value, json};

const GROUP: &str = "rbac.authorization.k8s.io";
const READ: [&str; 3] = ["get", "list", "watch"];
const WRITE: [&str; 5] = ["create", "delete", "deletecollection", "patch", "update"];

/// Resources that users of a namespace may read and write.
const CORE: [&str; 4] = ["configmaps", "pods", "serviceaccounts", "services"];
const APPS: [&str; 5] = ["daemonsets", "deployments", "deployments/scale", "replicasets", "replicasets/scale"];
/// Resources that they may only read.
const LOOKED_AT: [&str; 5] = ["events", "namespaces", "namespaces/status", "pods/log", "pods/status"];

fn rule(verbs: &[&str], group: &str, resources: &[&str]) -> Value {
    json!({"verbs": verbs, "apiGroups": [group], "resources": resources})
}

fn label(role: &str) -> String {
    format!("{GROUP}/aggregate-to-{role}")
}

fn role(name: &str, part_of: Option<&str>) -> Value {
    let mut labels = json!({"kubernetes.io/bootstrapping": "rbac-defaults"});
    if let Some(sum) = part_of {
        object::set(&mut labels, &label(sum), "true".into());
    }
    json!({"metadata": {"name": name, "labels": labels}})
}

fn with_rules(mut role: Value, rules: Vec<Value>) -> Value {
    object::set(&mut role, "rules", rules.into());
    role
}

fn aggregated(name: &str, part_of: Option<&str>) -> Value {
    let mut sum = role(name, part_of);
    let selected = json!([{"matchLabels": {(label(name)): "true"}}]);
    object::set(&mut sum, "aggregationRule", json!({"clusterRoleSelectors": selected}));
    sum
}

fn roles() -> Vec<Value> {
    let everything = vec![rule(&["*"], "*", &["*"]), json!({"verbs": ["*"], "nonResourceURLs": ["*"]})];
    let view = vec![
        rule(&READ, "", &CORE),
        rule(&READ, "", &LOOKED_AT),
        rule(&READ, "apps", &APPS),
        rule(&READ, "batch", &["jobs", "jobs/status"]),
        rule(&READ, "policy", &["poddisruptionbudgets", "poddisruptionbudgets/status"]),
        rule(&READ, "networking.k8s.io", &["networkpolicies"]),
    ];
    let edit = vec![
        rule(&READ, "", &["pods/attach", "pods/exec", "pods/portforward", "pods/proxy", "secrets"]),
        rule(&["impersonate"], "", &["serviceaccounts"]),
        rule(&WRITE, "", &CORE),
        rule(&WRITE, "", &["events", "pods/attach", "pods/exec", "pods/portforward", "pods/proxy", "secrets"]),
        rule(&["create"], "", &["pods/eviction", "serviceaccounts/token"]),
        rule(&WRITE, "apps", &APPS),
        rule(&WRITE, "batch", &["jobs"]),
        rule(&WRITE, "policy", &["poddisruptionbudgets"]),
        rule(&WRITE, "networking.k8s.io", &["networkpolicies"]),
        rule(&[&READ[..], &WRITE].concat(), "coordination.k8s.io", &["leases"]),
    ];
    let admin = vec![rule(&[&READ[..], &WRITE].concat(), GROUP, &["rolebindings", "roles"])];
    vec![
        with_rules(role("cluster-admin", None), everything),
        with_rules(role("system:aggregate-to-view", Some("view")), view),
        with_rules(role("system:aggregate-to-edit", Some("edit")), edit),
        with_rules(role("system:aggregate-to-admin", Some("admin")), admin),
        aggregated("view", Some("edit")),
        aggregated("edit", Some("admin")),
        aggregated("admin", None),
    ]
}

fn masters() -> Value {
    let subject = json!({"kind": "Group", "apiGroup": GROUP, "name": crate::identity::MASTERS});
    let mut binding = role("cluster-admin", None);
    object::set(&mut binding, "subjects", json!([subject]));
    object::set(&mut binding, "roleRef", json!({"kind": "ClusterRole", "apiGroup": GROUP, "name": "cluster-admin"}));
    binding
}

/// Groups, plural names and objects that exist from the start. Changes by an administrator stay.
pub(crate) fn first() -> impl Iterator<Item = (&'static str, &'static str, Value)> {
    let roles = roles().into_iter().map(|role| (GROUP, "clusterroles", role));
    roles.chain([(GROUP, "clusterrolebindings", masters())])
}
