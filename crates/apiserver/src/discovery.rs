//! Which groups, versions and resources there are: the aggregated documents and the older ones.

use crate::registry::{Group, Registry, Resource, Version};
use serde_json::{Value, json};

/// Tells clients that this is not a cluster: no scheduler, no kubelets, no controllers.
pub(crate) const GIT_VERSION: &str = "v1.33.0-embedded";

const VERBS: [&str; 8] = ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"];
const SUBRESOURCE_VERBS: [&str; 3] = ["get", "patch", "update"];

/// Media type of the aggregated documents.
pub(crate) const AGGREGATED: &str = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";

/// Whether a client accepts the aggregated form.
pub(crate) fn wants_aggregated(accept: &str) -> bool {
    accept.split(',').any(|range| {
        let has = |part: &str| range.split(';').any(|p| p.trim() == part);
        has("as=APIGroupDiscoveryList") && has("v=v2") && has("g=apidiscovery.k8s.io")
    })
}

/// A subresource: its name, its kind if it differs, its verbs.
struct Subresource {
    name: &'static str,
    group: &'static str,
    kind: Option<&'static str>,
    verbs: &'static [&'static str],
}

fn subresources(resource: &Resource) -> Vec<Subresource> {
    let mut found = Vec::new();
    let mut add = |name, group, kind, verbs| found.push(Subresource { name, group, kind, verbs });
    if resource.status {
        add("status", "", None, &SUBRESOURCE_VERBS[..]);
    }
    if resource.scale.is_some() {
        add("scale", "autoscaling", Some("Scale"), &SUBRESOURCE_VERBS[..]);
    }
    if resource.is("", "pods") {
        add("eviction", "policy", Some("Eviction"), &["create"][..]);
        add("binding", "", Some("Binding"), &["create"][..]);
    }
    if resource.is("", "serviceaccounts") {
        add("token", "authentication.k8s.io", Some("TokenRequest"), &["create"][..]);
    }
    if resource.is("", "namespaces") {
        add("finalize", "", None, &["update"][..]);
    }
    found
}

/// Kinds that are answered rather than stored: group, plural, kind.
pub(crate) const REVIEWS: [(&str, &str, &str); 5] = [
    ("authorization.k8s.io", "selfsubjectaccessreviews", "SelfSubjectAccessReview"),
    ("authorization.k8s.io", "selfsubjectrulesreviews", "SelfSubjectRulesReview"),
    ("authorization.k8s.io", "subjectaccessreviews", "SubjectAccessReview"),
    ("authentication.k8s.io", "selfsubjectreviews", "SelfSubjectReview"),
    ("authentication.k8s.io", "tokenreviews", "TokenReview"),
];
/// Their groups.
pub(crate) const REVIEW_GROUPS: [&str; 2] = ["authentication.k8s.io", "authorization.k8s.io"];

fn response_kind(resource: &Resource) -> Value {
    json!({"group": resource.group, "version": resource.version, "kind": resource.kind})
}

fn aggregated_resource(resource: &Resource) -> Value {
    let kind = response_kind(resource);
    let scope = |namespaced| if namespaced { "Namespaced" } else { "Cluster" };
    let mut entry = json!({"resource": resource.plural, "responseKind": kind, "scope": scope(resource.namespaced),
        "singularResource": resource.singular, "verbs": VERBS});
    let mut set = |field: &str, value: Value| crate::object::set(&mut entry, field, value);
    if !resource.short_names.is_empty() {
        set("shortNames", resource.short_names.clone().into());
    }
    if !resource.categories.is_empty() {
        set("categories", resource.categories.clone().into());
    }
    let below: Vec<Value> = subresources(resource)
        .iter()
        .map(|s| {
            let kind = s.kind.map_or_else(|| kind.clone(), |k| json!({"group": s.group, "version": "v1", "kind": k}));
            json!({"subresource": s.name, "responseKind": kind, "verbs": s.verbs})
        })
        .collect();
    if !below.is_empty() {
        set("subresources", below.into());
    }
    entry
}

fn aggregated_version(version: &Version) -> Value {
    let resources: Vec<Value> = version.resources.values().map(|r| aggregated_resource(r)).collect();
    json!({"version": version.name, "resources": resources, "freshness": "Current"})
}

/// The aggregated document of the core group or of all others.
pub(crate) fn aggregated(registry: &Registry, core: bool) -> Value {
    let groups = registry.groups().iter().filter(|g| g.name.is_empty() == core);
    let mut items: Vec<Value> = groups
        .map(|group| {
            let versions: Vec<Value> = group.versions.iter().map(aggregated_version).collect();
            json!({"metadata": {"name": group.name, "creationTimestamp": null}, "versions": versions})
        })
        .collect();
    if !core {
        items.extend(REVIEW_GROUPS.map(|group| {
            let reviews = REVIEWS.iter().filter(|(g, ..)| *g == group);
            let resources: Vec<Value> = reviews
                .map(|(group, plural, kind)| {
                    json!({"resource": plural, "responseKind": {"group": group, "version": "v1", "kind": kind},
                        "scope": "Cluster", "singularResource": kind.to_lowercase(), "verbs": ["create"]})
                })
                .collect();
            json!({"metadata": {"name": group, "creationTimestamp": null},
                "versions": [{"version": "v1", "resources": resources, "freshness": "Current"}]})
        }));
    }
    json!({"kind": "APIGroupDiscoveryList", "apiVersion": "apidiscovery.k8s.io/v2", "metadata": {}, "items": items})
}

fn group_entry(name: &str, versions: &[String]) -> Value {
    let versions: Vec<Value> =
        versions.iter().map(|v| json!({"groupVersion": format!("{name}/{v}"), "version": v})).collect();
    json!({"name": name, "versions": versions, "preferredVersion": versions.first()})
}

fn entry(group: &Group) -> Value {
    let versions: Vec<String> = group.versions.iter().map(|v| v.name.clone()).collect();
    group_entry(&group.name, &versions)
}

/// `/api`
pub(crate) fn core_versions() -> Value {
    json!({"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": []})
}

/// `/apis`
pub(crate) fn groups(registry: &Registry) -> Value {
    let mut groups: Vec<Value> = registry.groups().iter().filter(|g| !g.name.is_empty()).map(entry).collect();
    groups.extend(REVIEW_GROUPS.map(|name| group_entry(name, &["v1".to_owned()])));
    json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": groups})
}

/// `/`
pub(crate) fn paths(registry: &Registry) -> Value {
    let fixed = ["/api", "/apis", "/healthz", "/livez", "/openapi/v2", "/openapi/v3", "/readyz", "/version"];
    let mut paths: Vec<String> = fixed.map(str::to_owned).into();
    for group in registry.groups() {
        let root = if group.name.is_empty() { "/api".to_owned() } else { format!("/apis/{}", group.name) };
        paths.extend(group.versions.iter().map(|version| format!("{root}/{}", version.name)));
        paths.push(root);
    }
    paths.extend(REVIEW_GROUPS.iter().flat_map(|group| [format!("/apis/{group}"), format!("/apis/{group}/v1")]));
    paths.sort_unstable();
    paths.dedup();
    json!({"paths": paths})
}

/// `/apis/GROUP`
pub(crate) fn group(registry: &Registry, name: &str) -> Option<Value> {
    let mut found = match registry.group(name) {
        Some(group) if !name.is_empty() => entry(group),
        _ if REVIEW_GROUPS.contains(&name) => group_entry(name, &["v1".to_owned()]),
        _ => return None,
    };
    crate::object::set(&mut found, "kind", "APIGroup".into());
    crate::object::set(&mut found, "apiVersion", "v1".into());
    Some(found)
}

/// `/api/v1`, `/apis/GROUP/VERSION`
pub(crate) fn resources(registry: &Registry, group: &str, version: &str) -> Option<Value> {
    let mut list: Vec<Value> = Vec::new();
    if let Some(served) = registry.version(group, version) {
        for resource in served.resources.values() {
            list.extend(resource_entries(resource));
        }
    } else if version == "v1" && REVIEW_GROUPS.contains(&group) {
        list.extend(REVIEWS.iter().filter(|(g, ..)| *g == group).map(|(_, plural, kind)| {
            json!({"name": plural, "singularName": kind.to_lowercase(), "namespaced": false, "kind": kind, "verbs": ["create"]})
        }));
    } else {
        return None;
    }
    let name = if group.is_empty() { version.to_owned() } else { format!("{group}/{version}") };
    Some(json!({"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": name, "resources": list}))
}

fn resource_entries(resource: &Resource) -> Vec<Value> {
    let mut main = json!({"name": resource.plural, "singularName": resource.singular, "namespaced": resource.namespaced,
        "kind": resource.kind, "verbs": VERBS});
    for (field, names) in [("shortNames", &resource.short_names), ("categories", &resource.categories)] {
        if !names.is_empty() {
            crate::object::set(&mut main, field, names.clone().into());
        }
    }
    let below = subresources(resource).into_iter().map(|s| {
        let mut entry = json!({"name": format!("{}/{}", resource.plural, s.name), "singularName": "",
            "namespaced": resource.namespaced, "kind": s.kind.unwrap_or(&resource.kind), "verbs": s.verbs});
        if s.kind.is_some() && !s.group.is_empty() {
            crate::object::set(&mut entry, "group", s.group.into());
            crate::object::set(&mut entry, "version", "v1".into());
        }
        entry
    });
    std::iter::once(main).chain(below).collect()
}
