//! How lists and structs of built-in kinds merge, where the published schema does not say.
//!
//! Facts: the `listType`, `listMapKey`, `structType`, `patchMergeKey` markers of the types in `k8s.io/api`.

/// How a list is merged if it has several writers (`x-kubernetes-list-type`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ListKind {
    /// Replaced as a whole.
    Atomic,
    /// A set: every element is owned separately.
    Set,
    /// Elements are identified by these fields. The first is the key of strategic merge patches.
    Map(Vec<Box<str>>),
}

/// Lists that merge by key: definition, field, keys. If server-side apply needs more keys than a strategic merge patch,
/// the patch's key comes first.
const KEYED: &[(&str, &str, &[&str])] = &[
    ("io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta", "ownerReferences", &["uid"]),
    ("io.k8s.api.core.v1.NodeStatus", "addresses", &["type"]),
    ("io.k8s.api.core.v1.NodeStatus", "conditions", &["type"]),
    ("io.k8s.api.core.v1.NamespaceStatus", "conditions", &["type"]),
    ("io.k8s.api.core.v1.PodStatus", "conditions", &["type"]),
    ("io.k8s.api.core.v1.PodStatus", "podIPs", &["ip"]),
    ("io.k8s.api.core.v1.PodStatus", "hostIPs", &["ip"]),
    ("io.k8s.api.core.v1.PodSpec", "containers", &["name"]),
    ("io.k8s.api.core.v1.PodSpec", "initContainers", &["name"]),
    ("io.k8s.api.core.v1.PodSpec", "ephemeralContainers", &["name"]),
    ("io.k8s.api.core.v1.PodSpec", "volumes", &["name"]),
    ("io.k8s.api.core.v1.PodSpec", "hostAliases", &["ip"]),
    ("io.k8s.api.core.v1.PodSpec", "imagePullSecrets", &["name"]),
    ("io.k8s.api.core.v1.PodSpec", "resourceClaims", &["name"]),
    ("io.k8s.api.core.v1.PodSpec", "schedulingGates", &["name"]),
    ("io.k8s.api.core.v1.PodSpec", "topologySpreadConstraints", &["topologyKey", "whenUnsatisfiable"]),
    ("io.k8s.api.core.v1.Container", "env", &["name"]),
    ("io.k8s.api.core.v1.Container", "ports", &["containerPort", "protocol"]),
    ("io.k8s.api.core.v1.Container", "volumeMounts", &["mountPath"]),
    ("io.k8s.api.core.v1.Container", "volumeDevices", &["devicePath"]),
    ("io.k8s.api.core.v1.EphemeralContainer", "env", &["name"]),
    ("io.k8s.api.core.v1.EphemeralContainer", "ports", &["containerPort", "protocol"]),
    ("io.k8s.api.core.v1.EphemeralContainer", "volumeMounts", &["mountPath"]),
    ("io.k8s.api.core.v1.EphemeralContainer", "volumeDevices", &["devicePath"]),
    ("io.k8s.api.core.v1.ServiceAccount", "secrets", &["name"]),
    ("io.k8s.api.core.v1.ServiceSpec", "ports", &["port", "protocol"]),
    ("io.k8s.api.core.v1.ServiceStatus", "conditions", &["type"]),
    ("io.k8s.api.apps.v1.DeploymentStatus", "conditions", &["type"]),
    ("io.k8s.api.apps.v1.DaemonSetStatus", "conditions", &["type"]),
    ("io.k8s.api.apps.v1.ReplicaSetStatus", "conditions", &["type"]),
    ("io.k8s.api.policy.v1.PodDisruptionBudgetStatus", "conditions", &["type"]),
    ("io.k8s.api.admissionregistration.v1.ValidatingAdmissionPolicySpec", "matchConditions", &["name"]),
    ("io.k8s.api.admissionregistration.v1.ValidatingAdmissionPolicySpec", "variables", &["name"]),
    ("io.k8s.api.admissionregistration.v1.ValidatingAdmissionPolicyStatus", "conditions", &["type"]),
    (
        "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.CustomResourceDefinitionStatus",
        "conditions",
        &["type"],
    ),
];

/// Keys that an element may leave out: definition, field, key, and its default (`+default` of the types).
const DEFAULTS: &[(&str, &str, &str, &str)] = &[
    ("io.k8s.api.core.v1.Container", "ports", "protocol", "TCP"),
    ("io.k8s.api.core.v1.EphemeralContainer", "ports", "protocol", "TCP"),
    ("io.k8s.api.core.v1.ServiceSpec", "ports", "protocol", "TCP"),
    // References whose name is optional in the schema; the default is empty.
    ("io.k8s.api.core.v1.PodSpec", "imagePullSecrets", "name", ""),
];

/// Lists that are sets: an element is identified by its value.
const SETS: &[(&str, &str)] = &[
    ("io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta", "finalizers"),
    ("io.k8s.api.core.v1.NodeSpec", "podCIDRs"),
    ("io.k8s.api.admissionregistration.v1.ValidatingAdmissionPolicyBindingSpec", "validationActions"),
];

/// Structs that are replaced as a whole.
const ATOMIC: &[&str] = &[
    "io.k8s.apimachinery.pkg.apis.meta.v1.LabelSelector",
    "io.k8s.apimachinery.pkg.apis.meta.v1.OwnerReference",
    "io.k8s.api.core.v1.ObjectReference",
    "io.k8s.api.core.v1.LocalObjectReference",
    "io.k8s.api.core.v1.SecretReference",
    "io.k8s.api.core.v1.ConfigMapKeySelector",
    "io.k8s.api.core.v1.SecretKeySelector",
    "io.k8s.api.core.v1.ObjectFieldSelector",
    "io.k8s.api.core.v1.ResourceFieldSelector",
    "io.k8s.api.core.v1.NodeSelector",
    "io.k8s.api.core.v1.NodeSelectorTerm",
    "io.k8s.api.rbac.v1.RoleRef",
    "io.k8s.api.rbac.v1.Subject",
    "io.k8s.api.admissionregistration.v1.MatchResources",
    "io.k8s.api.admissionregistration.v1.NamedRuleWithOperations",
    "io.k8s.api.admissionregistration.v1.ParamKind",
    "io.k8s.api.admissionregistration.v1.ParamRef",
];

/// How the list in `field` of a definition merges; `None` if it is atomic.
pub(crate) fn list_kind(definition: &str, field: &str) -> Option<ListKind> {
    if let Some((_, _, keys)) = KEYED.iter().find(|(d, f, _)| *d == definition && *f == field) {
        return Some(ListKind::Map(keys.iter().map(|k| (*k).into()).collect()));
    }
    SETS.contains(&(definition, field)).then_some(ListKind::Set)
}

/// Keys that elements of the list in `field` of a definition may leave out, with their defaults.
pub(crate) fn key_defaults(definition: &str, field: &str) -> impl Iterator<Item = (&'static str, &'static str)> {
    let own = DEFAULTS.iter().filter(move |(d, f, ..)| *d == definition && *f == field);
    own.map(|(_, _, key, value)| (*key, *value))
}

/// Whether a struct is replaced as a whole.
pub(crate) fn is_atomic(definition: &str) -> bool {
    ATOMIC.contains(&definition)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        kinds,
        registry::Resource,
        types::{Scalar, Shape},
    };
    use serde_json::{Map, Value, json};

    /// Paths to the keyed lists of a shape; schemas that contain themselves are followed a few levels.
    fn keyed<'a>(shape: Shape<'a>, path: &[&'a str], found: &mut Vec<(Vec<&'a str>, Shape<'a>)>) {
        if path.len() > 6 {
            return;
        }
        if matches!(shape.list_kind(), ListKind::Map(_)) {
            found.push((path.to_vec(), shape));
        }
        let inner = if shape.is_list() { shape.items() } else { shape };
        for (name, field) in inner.fields() {
            keyed(field, &[path, &[name]].concat(), found);
        }
    }

    /// An object that has a list with this element at a path, through the first elements of the lists on the way.
    fn object(shape: Shape<'_>, path: &[&str], element: &Value) -> Value {
        let Some((first, rest)) = path.split_first() else { return json!([element]) };
        let (inner, is_list) = if shape.is_list() { (shape.items(), true) } else { (shape, false) };
        let map: Map<String, Value> =
            [((*first).to_owned(), object(inner.field(first), rest, element))].into_iter().collect();
        if is_list { json!([map]) } else { map.into() }
    }

    fn element<'v>(object: &'v Value, path: &[&str]) -> &'v Value {
        let at =
            path.iter().fold(object, |value, name| value.get(0).unwrap_or(value).get(name).unwrap_or(&Value::Null));
        at.get(0).unwrap_or(&Value::Null)
    }

    fn defaulted(resource: &Resource, mut object: Value) -> Value {
        (resource.built_in().unwrap().rules.default)(&mut object);
        object
    }

    /// An element has the same identity before and after defaults are filled in: otherwise, applying it again would add it again.
    #[test]
    fn keys_that_are_filled_in_have_the_same_default() {
        let mut defaults = 0;
        for resource in kinds::built_in() {
            let mut lists = Vec::new();
            keyed(resource.types().root(), &[], &mut lists);
            for (path, list) in lists {
                let ListKind::Map(keys) = list.list_kind() else { continue };
                let items = list.items();
                let required = keys.iter().map(|key| &**key).filter(|key| items.key_default(key).is_none());
                let value = |key: &str| match items.field(key).scalar() {
                    Some(Scalar::Integer | Scalar::Number) => json!(1),
                    _ => json!("x"),
                };
                let given: Value = required.map(|key| (key.to_owned(), value(key))).collect::<Map<_, _>>().into();
                let full = defaulted(&resource, object(resource.types().root(), &path, &given));
                for key in keys {
                    let now = element(&full, &path).get(&**key);
                    let before = given.get(&**key).or_else(|| items.key_default(key));
                    assert!(now.is_none() || now == before, "{} {path:?} {key}: {now:?}", resource.kind);
                    defaults += usize::from(now.is_some() && items.key_default(key).is_some());
                }
            }
        }
        assert!(defaults >= 4, "ports of containers and services have a protocol: {defaults}");
    }
}
