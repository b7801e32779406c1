//! OpenAPI v3, one document per group and version: what `kubectl explain` shows and what `kubectl apply` looks up.
//!
//! Documents are generated on request and not kept; clients cache them by the hash in the index.

use crate::{
    built_in::{generator, register},
    discovery::{GIT_VERSION, REVIEW_GROUPS, REVIEWS},
    kinds::definition,
    registry::{Definition, Registry, Resource, Version},
    store::{Key, Store},
};
use serde_json::{Map, Value, json};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

/// `/openapi/v3`
pub(crate) fn index(registry: &Registry) -> Value {
    let mut paths = Map::new();
    for group in registry.groups() {
        for version in &group.versions {
            let path = if group.name.is_empty() {
                format!("api/{}", version.name)
            } else {
                format!("apis/{}/{}", group.name, version.name)
            };
            let url = format!("/openapi/v3/{path}?hash={:016X}", hash(version));
            paths.insert(path, json!({"serverRelativeURL": url}));
        }
    }
    for group in REVIEW_GROUPS {
        let path = format!("apis/{group}/v1");
        let url = format!("/openapi/v3/{path}?hash={:016X}", hash_of(&[env!("CARGO_PKG_VERSION")]));
        paths.insert(path, json!({"serverRelativeURL": url}));
    }
    json!({"paths": paths})
}

fn hash_of(parts: &[&str]) -> u64 {
    let mut hasher = DefaultHasher::new();
    parts.hash(&mut hasher);
    hasher.finish()
}

/// The document of a group whose kinds are answered rather than stored; `None` if it is no such group.
pub(crate) fn of_reviews(group: &str) -> Option<Value> {
    use k8s_openapi::api::{authentication::v1 as authentication, authorization::v1 as authorization};
    if !REVIEW_GROUPS.contains(&group) {
        return None;
    }
    let mut generator = generator();
    let (mut paths, mut named) = (Map::new(), Vec::new());
    for (of, plural, kind) in REVIEWS.iter().filter(|(of, ..)| *of == group) {
        let name = match *kind {
            "SelfSubjectAccessReview" => register::<authorization::SelfSubjectAccessReview>(&mut generator),
            "SelfSubjectRulesReview" => register::<authorization::SelfSubjectRulesReview>(&mut generator),
            "SubjectAccessReview" => register::<authorization::SubjectAccessReview>(&mut generator),
            "SelfSubjectReview" => register::<authentication::SelfSubjectReview>(&mut generator),
            "TokenReview" => register::<authentication::TokenReview>(&mut generator),
            _ => continue,
        };
        let gvk = json!({"group": of, "version": "v1", "kind": kind});
        let content = json!({"application/json": {"schema": {"$ref": format!("#/components/schemas/{name}")}}});
        let operation = json!({"x-kubernetes-action": "post", "x-kubernetes-group-version-kind": gvk,
            "responses": {"201": {"description": "Created", "content": content}}});
        paths.insert(format!("/apis/{of}/v1/{plural}"), json!({"post": operation}));
        named.push((name, gvk));
    }
    Some(finished(paths, generator.take_definitions(true).into_iter().collect(), named))
}

/// Changes when the document does: with the server's version, and with the schemas of custom kinds.
pub(crate) fn hash(version: &Version) -> u64 {
    let mut hasher = DefaultHasher::new();
    env!("CARGO_PKG_VERSION").hash(&mut hasher);
    for (name, resource) in &version.resources {
        name.hash(&mut hasher);
        if let Definition::Custom(custom) = &resource.definition {
            custom.hash.hash(&mut hasher);
        }
    }
    hasher.finish()
}

/// `/openapi/v3/api/v1`, `/openapi/v3/apis/GROUP/VERSION`
pub(crate) fn document(store: &Store, version: &Version) -> Value {
    let mut generator = generator();
    let (mut paths, mut schemas) = (Map::new(), Map::new());
    let mut named = Vec::new();
    for resource in version.resources.values() {
        let name = match &resource.definition {
            Definition::BuiltIn(kind) => kind.describe(&mut generator),
            Definition::Custom(custom) => {
                let name = custom_name(resource);
                let crd = store.get(definition::STORAGE, &Key::new("", &custom.name)).map(|o| o.value());
                let schema = crd.as_ref().and_then(|crd| definition::schema(crd, &resource.version)).cloned();
                schemas.insert(name.clone(), with_metadata(schema.unwrap_or_default(), &mut generator));
                name
            }
        };
        paths.extend(resource_paths(resource, &name));
        named.push((name, group_version_kind(resource)));
    }
    schemas.extend(generator.take_definitions(true));
    finished(paths, schemas, named)
}

/// A document whose schemas name the kinds that they describe.
fn finished(paths: Map<String, Value>, mut schemas: Map<String, Value>, named: Vec<(String, Value)>) -> Value {
    for (name, gvk) in named {
        if let Some(schema) = schemas.get_mut(&name) {
            crate::object::set(schema, "x-kubernetes-group-version-kind", json!([gvk]));
        }
    }
    json!({"openapi": "3.0.0", "info": {"title": "Kubernetes", "version": GIT_VERSION},
        "paths": paths, "components": {"schemas": schemas}})
}

fn group_version_kind(resource: &Resource) -> Value {
    json!({"group": resource.group, "version": resource.version, "kind": resource.kind})
}

/// `io.openshift.machineconfiguration.v1.MachineConfigPool`
fn custom_name(resource: &Resource) -> String {
    let reversed: Vec<&str> = resource.group.split('.').rev().collect();
    format!("{}.{}.{}", reversed.join("."), resource.version, resource.kind)
}

/// A custom schema, with the schema of `metadata` added.
fn with_metadata(mut schema: Value, generator: &mut schemars::SchemaGenerator) -> Value {
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
    let metadata = generator.subschema_for::<ObjectMeta>().to_value();
    crate::object::edit(&mut schema, "properties", |properties| properties.insert("metadata".into(), metadata));
    schema
}

/// The operations that clients look for.
fn resource_paths(resource: &Resource, schema: &str) -> [(String, Value); 2] {
    let prefix = if resource.group.is_empty() { "/api" } else { "/apis" };
    let namespace = if resource.namespaced { "/namespaces/{namespace}" } else { "" };
    let base = format!("{prefix}/{}{namespace}/{}", resource.api_version(), resource.plural);
    let parameter = |name: &str, text: &str| json!({"name": name, "in": "query", "description": text, "schema": {"type": "string", "uniqueItems": true}});
    let writes = [
        parameter("dryRun", "All: process the request, but change nothing"),
        parameter("fieldManager", "name of the program that makes the change"),
        parameter("fieldValidation", "Ignore, Warn or Strict: what to do with unknown fields"),
    ];
    let content = json!({"application/json": {"schema": {"$ref": format!("#/components/schemas/{schema}")}}});
    let operation = |action: &str, parameters: &[Value]| {
        let mut operation = json!({"x-kubernetes-action": action, "x-kubernetes-group-version-kind": group_version_kind(resource),
            "responses": {"200": {"description": "OK", "content": content}}});
        if !parameters.is_empty() {
            crate::object::set(&mut operation, "parameters", parameters.to_vec().into());
        }
        operation
    };
    let collection = json!({"get": operation("list", &[]), "post": operation("post", &writes)});
    let item = json!({"get": operation("get", &[]), "put": operation("put", &writes),
        "patch": operation("patch", &writes), "delete": operation("delete", &writes[..1])});
    [(base.clone(), collection), (format!("{base}/{{name}}"), item)]
}
