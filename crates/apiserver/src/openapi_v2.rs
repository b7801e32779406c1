//! OpenAPI v2, for clients that know nothing newer: kubectl before 1.27 validates with it, later ones ask it how lists of built-in
//! kinds merge, and `kubectl explain --output=plaintext-openapiv2` shows it.
//!
//! 1. It is made from the documents of OpenAPI v3 on request, and has what those clients read: fields with their types and
//!    descriptions, which kind a schema is of, how its lists merge, and which requests can be dry.
//! 2. What version 2 cannot say is left out: alternatives, rules, limits.
//! 3. It is sent as JSON, or in protobuf if a client asks for that.
//!
//! Field numbers: `openapiv2/OpenAPIv2.proto` of github.com/google/gnostic-models.

use crate::{
    discovery::{GIT_VERSION, REVIEW_GROUPS},
    merge_keys::{self, ListKind},
    object::{self, list, text},
    openapi,
    protobuf::encode::bytes,
    registry::Registry,
    response::{self, Body},
    store::Store,
};
use http::{Response, StatusCode};
use serde_json::{Map, Value, json};

/// Media type in protobuf, as clients request it and as it is returned.
const ASKED: &str = "application/com.github.proto-openapi.spec.v2@v1.0+protobuf";
const SENT: &str = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf";

/// What is kept of a schema as it is.
const KEPT: [&str; 9] = [
    "description",
    "format",
    "required",
    "x-kubernetes-embedded-resource",
    "x-kubernetes-group-version-kind",
    "x-kubernetes-int-or-string",
    "x-kubernetes-list-map-keys",
    "x-kubernetes-list-type",
    "x-kubernetes-preserve-unknown-fields",
];
const STRATEGY: &str = "x-kubernetes-patch-strategy";
const MERGE_KEY: &str = "x-kubernetes-patch-merge-key";
/// Fields whose strategic merge drops what is not mentioned: definition, field, strategy.
const RETAINING: [(&str, &str, &str); 2] = [
    ("io.k8s.api.core.v1.PodSpec", "volumes", "merge,retainKeys"),
    ("io.k8s.api.apps.v1.DeploymentSpec", "strategy", "retainKeys"),
];
/// Schemas nest only a few dozen levels deep.
const DEEPEST: usize = 100;

/// `/openapi/v2`
pub(crate) fn answer(registry: &Registry, store: &Store, accept: &str) -> Response<Body> {
    let document = document(registry, store);
    if accept.contains(ASKED) {
        return response::typed_bytes(in_protobuf(&document).into(), SENT);
    }
    response::json(StatusCode::OK, &document)
}

fn document(registry: &Registry, store: &Store) -> Value {
    let versions = registry.groups().iter().flat_map(|group| &group.versions);
    let served = versions.map(|version| openapi::document(store, version));
    let reviews = REVIEW_GROUPS.iter().filter_map(|group| openapi::of_reviews(group));
    let (mut definitions, mut paths) = (Map::new(), Map::new());
    for mut newer in served.chain(reviews) {
        let schemas = newer.pointer_mut("/components/schemas").and_then(Value::as_object_mut).map(std::mem::take);
        for (name, schema) in schemas.into_iter().flatten() {
            let converted = converted(&schema, &name, DEEPEST);
            definitions.insert(name, converted);
        }
        for (path, item) in newer.get("paths").and_then(Value::as_object).into_iter().flatten() {
            paths.insert(path.clone(), of_path(item));
        }
    }
    json!({"swagger": "2.0", "info": {"title": "Kubernetes", "version": GIT_VERSION}, "paths": paths, "definitions": definitions})
}

/// The operations of a path, with what clients ask of them: the kind, and whether it can be dry.
fn of_path(item: &Value) -> Value {
    let operations = item.as_object().into_iter().flatten().map(|(verb, operation)| {
        let parameters = list(operation, &["parameters"]).iter().map(|parameter| {
            json!({"name": parameter["name"], "in": "query", "type": "string", "description": parameter["description"]})
        });
        let parameters: Vec<Value> = parameters.collect();
        let mut older = json!({"responses": {"200": {"description": "OK"}}, "parameters": parameters});
        for extension in ["x-kubernetes-action", "x-kubernetes-group-version-kind"] {
            object::put(&mut older, extension, operation.get(extension).cloned());
        }
        (verb.clone(), older)
    });
    operations.collect()
}

fn reference(schema: &Value) -> Option<String> {
    let only = list(schema, &["allOf"]);
    let of = match only {
        [one] => one,
        _ => schema,
    };
    let name = text(of, &["$ref"]).strip_prefix("#/components/schemas/")?;
    Some(format!("#/definitions/{name}"))
}

/// A schema in the older version. `definition` is what its fields belong to.
fn converted(schema: &Value, definition: &str, depth: usize) -> Value {
    let Some(depth) = depth.checked_sub(1) else { return json!({}) };
    if let Some(reference) = reference(schema) {
        return json!({"$ref": reference, "description": text(schema, &["description"])});
    }
    let mut out = Map::new();
    for field in KEPT {
        if let Some(value) = schema.get(field) {
            out.insert(field.to_owned(), value.clone());
        }
    }
    let is_open = ["x-kubernetes-int-or-string", "x-kubernetes-preserve-unknown-fields"]
        .iter()
        .any(|of| schema.get(*of) == Some(&Value::Bool(true)));
    match schema.get("type").and_then(Value::as_str) {
        Some("object") if is_open && schema.get("properties").is_none() => {}
        Some(kind) => _ = out.insert("type".to_owned(), kind.into()),
        None => {}
    }
    if schema.get("type").and_then(Value::as_str) == Some("array") {
        let items = schema.get("items").map_or_else(|| json!({}), |items| converted(items, "", depth));
        out.insert("items".to_owned(), items);
    }
    if let Some(more) = schema.get("additionalProperties").filter(|more| more.is_object()) {
        out.insert("additionalProperties".to_owned(), converted(more, "", depth));
    }
    if let Some(properties) = schema.get("properties").and_then(Value::as_object) {
        let fields = properties.iter().map(|(name, field)| {
            let mut field = converted(field, "", depth);
            merging(definition, name, &mut field);
            (name.clone(), field)
        });
        out.insert("properties".to_owned(), fields.collect());
    }
    out.into()
}

/// How kubectl makes patches of a field of a built-in kind.
fn merging(definition: &str, name: &str, field: &mut Value) {
    match merge_keys::list_kind(definition, name) {
        Some(ListKind::Map(keys)) => {
            object::set(field, STRATEGY, "merge".into());
            object::put(field, MERGE_KEY, keys.first().map(|key| Value::from(&**key)));
        }
        Some(ListKind::Set) => object::set(field, STRATEGY, "merge".into()),
        Some(ListKind::Atomic) | None => {}
    }
    if let Some((.., strategy)) = RETAINING.iter().find(|(of, field, _)| *of == definition && *field == name) {
        object::set(field, STRATEGY, (*strategy).into());
    }
}

fn in_protobuf(document: &Value) -> Vec<u8> {
    let mut out = Vec::new();
    let word = |path: &[&str]| text(document, path).as_bytes();
    bytes(&mut out, 1, word(&["swagger"]));
    let mut info = Vec::new();
    bytes(&mut info, 1, word(&["info", "title"]));
    bytes(&mut info, 2, word(&["info", "version"]));
    bytes(&mut out, 2, &info);
    bytes(&mut out, 8, &named(document, "paths", 2, path_item));
    bytes(&mut out, 9, &named(document, "definitions", 1, schema));
    out
}

/// The fields of an object as a list of names and values, each in a field of this number.
fn named(object: &Value, field: &str, number: u64, value: fn(&Value) -> Vec<u8>) -> Vec<u8> {
    let mut out = Vec::new();
    for (name, of) in object.get(field).and_then(Value::as_object).into_iter().flatten() {
        let mut pair = Vec::new();
        bytes(&mut pair, 1, name.as_bytes());
        bytes(&mut pair, 2, &value(of));
        bytes(&mut out, number, &pair);
    }
    out
}

/// Fields whose names begin with `x-`: their values as YAML, of which JSON is a part.
fn extensions(out: &mut Vec<u8>, object: &Value, number: u64) {
    for (name, value) in object.as_object().into_iter().flatten().filter(|(name, _)| name.starts_with("x-")) {
        let (mut pair, mut any) = (Vec::new(), Vec::new());
        bytes(&mut any, 2, value.to_string().as_bytes());
        bytes(&mut pair, 1, name.as_bytes());
        bytes(&mut pair, 2, &any);
        bytes(out, number, &pair);
    }
}

fn path_item(item: &Value) -> Vec<u8> {
    const VERBS: [(&str, u64); 5] = [("get", 2), ("put", 3), ("post", 4), ("delete", 5), ("patch", 8)];
    let mut out = Vec::new();
    for (verb, number) in VERBS {
        let Some(operation) = item.get(verb) else { continue };
        let mut of = Vec::new();
        for parameter in list(operation, &["parameters"]) {
            let (mut query, mut other, mut one, mut entry) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
            for (number, field) in [(2, "in"), (3, "description"), (4, "name"), (6, "type")] {
                bytes(&mut query, number, text(parameter, &[field]).as_bytes());
            }
            bytes(&mut other, 3, &query);
            bytes(&mut one, 2, &other);
            bytes(&mut entry, 1, &one);
            bytes(&mut of, 8, &entry);
        }
        extensions(&mut of, operation, 13);
        bytes(&mut out, number, &of);
    }
    out
}

fn schema(of: &Value) -> Vec<u8> {
    let mut out = Vec::new();
    for (number, field) in [(1, "$ref"), (2, "format"), (4, "description")] {
        let text = text(of, &[field]);
        if !text.is_empty() {
            bytes(&mut out, number, text.as_bytes());
        }
    }
    for required in list(of, &["required"]) {
        bytes(&mut out, 19, required.as_str().unwrap_or_default().as_bytes());
    }
    let wrapped = |number, content: &[u8]| {
        let mut inner = Vec::new();
        bytes(&mut inner, number, content);
        inner
    };
    if let Some(more) = of.get("additionalProperties") {
        bytes(&mut out, 21, &wrapped(1, &schema(more)));
    }
    if let Some(kind) = of.get("type").and_then(Value::as_str) {
        bytes(&mut out, 22, &wrapped(1, kind.as_bytes()));
    }
    if let Some(items) = of.get("items") {
        bytes(&mut out, 23, &wrapped(1, &schema(items)));
    }
    if of.get("properties").is_some() {
        bytes(&mut out, 25, &named(of, "properties", 1, schema));
    }
    extensions(&mut out, of, 31);
    out
}
