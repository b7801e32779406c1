//! CustomResourceDefinition: validation, acceptance, and the resources it brings.

use super::{Rules, metadata_definitions};
use crate::{
    jsonpath,
    names::{self, NameRule},
    object::{self, list, set_default, text},
    registry::{Column, Custom, Definition, Resource, strings},
    schema::{FieldError, Schema},
    types::Types,
};
use serde_json::{Value, json};
use std::{
    collections::BTreeSet,
    hash::{DefaultHasher, Hash as _, Hasher as _},
    sync::Arc,
};

pub(super) const ZERO: &str = r#"{"spec":{"group":"","names":{"plural":"","kind":""},"scope":"","versions":null},
    "status":{"conditions":null,"acceptedNames":{"plural":"","kind":""},"storedVersions":null}}"#;

/// Table of the store that holds the definitions.
pub(crate) const STORAGE: &str = "customresourcedefinitions.apiextensions.k8s.io";

pub(super) const DEFINITION: Rules = Rules {
    default: |crd| {
        object::edit(crd, "spec", |spec| {
            spec.entry("conversion").or_insert_with(|| json!({"strategy": "None"}));
            if let Some(names) = spec.get_mut("names") {
                let kind = text(names, &["kind"]).to_owned();
                set_default(names, "singular", kind.to_lowercase());
                set_default(names, "listKind", format!("{kind}List"));
            }
        });
    },
    validate: |new, old| {
        let mut errors = validate_names(new);
        errors.extend(validate_versions(new));
        if let Some(old) = old {
            for field in [&["spec", "group"][..], &["spec", "scope"], &["spec", "names", "kind"]] {
                if object::at(old, field) != object::at(new, field) {
                    let value = object::at(new, field).cloned().unwrap_or_default();
                    errors.push(FieldError::invalid(field.join("."), &value, "field is immutable"));
                }
            }
        }
        errors
    },
    ..Rules::NONE
};

fn validate_names(crd: &Value) -> Vec<FieldError> {
    let mut errors = Vec::new();
    let spec = |path: &[&str]| text(crd, &[&["spec"], path].concat());
    let (group, plural) = (spec(&["group"]), spec(&["names", "plural"]));
    let name = object::meta(crd, "name");
    if name != format!("{plural}.{group}") {
        let why = "must be spec.names.plural+\".\"+spec.group";
        errors.push(FieldError::invalid("metadata.name", &name.into(), why));
    }
    if group.is_empty() {
        errors.push(FieldError::required("spec.group", ""));
    } else if !names::is_subdomain(group) || !group.contains('.') {
        errors.push(FieldError::invalid("spec.group", &group.into(), "should be a domain with at least one dot"));
    }
    let scopes = ["Cluster", "Namespaced"];
    if !scopes.contains(&spec(&["scope"])) {
        errors.push(FieldError::not_supported("spec.scope", &spec(&["scope"]).into(), scopes));
    }
    for field in ["plural", "singular", "kind", "listKind"] {
        let path = format!("spec.names.{field}");
        let value = spec(&["names", field]);
        if value.is_empty() {
            errors.push(FieldError::required(path, ""));
        } else {
            let violations = NameRule::Label1035.violations(&value.to_lowercase(), false);
            errors.extend(violations.iter().map(|why| FieldError::invalid(path.as_str(), &value.into(), why)));
        }
    }
    errors
}

fn validate_versions(crd: &Value) -> Vec<FieldError> {
    let mut errors = Vec::new();
    let versions = list(crd, &["spec", "versions"]);
    if versions.iter().filter(|v| v["storage"] == true).count() != 1 {
        let value = json!(versions.iter().map(|v| v["name"].clone()).collect::<Vec<_>>());
        let why = "must have exactly one version marked as storage version";
        errors.push(FieldError::invalid("spec.versions", &value, why));
    }
    for (index, version) in versions.iter().enumerate() {
        let field = |name: &str| format!("spec.versions[{index}].{name}");
        let name = text(version, &["name"]);
        let violations = NameRule::Label1035.violations(name, false);
        errors.extend(violations.iter().map(|why| FieldError::invalid(field("name"), &name.into(), why)));
        match object::at(version, &["schema", "openAPIV3Schema"]) {
            None => errors.push(FieldError::required(field("schema.openAPIV3Schema"), "schemas are required")),
            Some(schema) => {
                let found = Schema::compile(schema).err().into_iter().flatten();
                errors.extend(found.map(|error| error.under(&field("schema.openAPIV3Schema"))));
            }
        }
        for (at, column) in list(version, &["additionalPrinterColumns"]).iter().enumerate() {
            let path = text(column, &["jsonPath"]);
            if !jsonpath::is_valid(path) {
                let field = field(&format!("additionalPrinterColumns[{at}].jsonPath"));
                errors.push(FieldError::invalid(field, &path.into(), "is an invalid JSONPath"));
            }
        }
    }
    errors
}

/// Fills in the status: which names are accepted, and whether the resources are served. `taken` holds the names of
/// other kinds in the group, `now` is RFC 3339.
pub(crate) fn establish(crd: &mut Value, taken: &BTreeSet<String>, now: &str) {
    let names = object::at(crd, &["spec", "names"]).cloned().unwrap_or_default();
    let conflict =
        ["plural", "singular", "kind", "listKind"].iter().map(|f| text(&names, &[f])).find(|n| taken.contains(*n));
    let (accepted, why, message) = match conflict {
        None => ("True", "NoConflicts", "no conflicts found".to_owned()),
        Some(name) => ("False", "NamesConflict", format!("{name:?} is already in use")),
    };
    let (established, because, text_) = match conflict {
        None => ("True", "InitialNamesAccepted", "the initial names have been accepted"),
        Some(_) => ("False", "NotAccepted", "not all names are accepted"),
    };
    let wanted = [("NamesAccepted", accepted, why, message.as_str()), ("Established", established, because, text_)];
    let conditions: Vec<Value> = wanted
        .map(|(kind, status, reason, message)| {
            let old = list(crd, &["status", "conditions"]).iter().find(|c| c["type"] == kind && c["status"] == status);
            let since = old.map_or(now, |c| text(c, &["lastTransitionTime"]));
            json!({"type": kind, "status": status, "reason": reason, "message": message, "lastTransitionTime": since})
        })
        .into();
    let mut stored = strings(object::at(crd, &["status", "storedVersions"]));
    let storage = list(crd, &["spec", "versions"]).iter().find(|v| v["storage"] == true).map(|v| text(v, &["name"]));
    if let Some(storage) = storage.filter(|s| !stored.iter().any(|k| k == s)) {
        stored.push(storage.to_owned());
    }
    let accepted = if conflict.is_none() { names } else { json!({"plural": "", "kind": ""}) };
    let status = json!({"acceptedNames": accepted, "conditions": conditions, "storedVersions": stored});
    object::set(crd, "status", status);
}

/// The resources that an established definition serves; `revision` is its version in the store.
pub(crate) fn resources(crd: &Value, revision: u64) -> Vec<Arc<Resource>> {
    let established = |c: &Value| c["type"] == "Established" && c["status"] == "True";
    if !list(crd, &["status", "conditions"]).iter().any(established) {
        return Vec::new();
    }
    let versions = list(crd, &["spec", "versions"]).iter();
    versions
        .filter(|v| v["served"] == true)
        .filter_map(|version| resource(crd, version, revision).map(Arc::new))
        .collect()
}

/// `None` for a schema that does not compile, which validation has refused before.
fn resource(crd: &Value, version: &Value, revision: u64) -> Option<Resource> {
    let spec = |path: &[&str]| text(crd, &[&["spec"], path].concat()).to_owned();
    let schema = object::at(version, &["schema", "openAPIV3Schema"]).unwrap_or(&Value::Null);
    let compiled = Schema::compile(schema).ok()?;
    let mut hasher = DefaultHasher::new();
    schema.to_string().hash(&mut hasher);
    let columns = list(version, &["additionalPrinterColumns"]).iter().map(|c| Column {
        name: text(c, &["name"]).to_owned(),
        kind: text(c, &["type"]).to_owned(),
        format: text(c, &["format"]).to_owned(),
        description: text(c, &["description"]).to_owned(),
        priority: c["priority"].as_i64().unwrap_or_default(),
        path: text(c, &["jsonPath"]).to_owned(),
    });
    Some(Resource {
        group: spec(&["group"]),
        version: text(version, &["name"]).to_owned(),
        plural: spec(&["names", "plural"]),
        singular: spec(&["names", "singular"]),
        kind: spec(&["names", "kind"]),
        list_kind: spec(&["names", "listKind"]),
        namespaced: spec(&["scope"]) == "Namespaced",
        short_names: strings(object::at(crd, &["spec", "names", "shortNames"])),
        categories: strings(object::at(crd, &["spec", "names", "categories"])),
        status: object::at(version, &["subresources", "status"]).is_some_and(Value::is_object),
        generation: true,
        storage: format!("{}.{}", spec(&["names", "plural"]), spec(&["group"])).into(),
        definition: Definition::Custom(Box::new(Custom {
            name: object::meta(crd, "name").to_owned(),
            types: Types::custom(schema, metadata_definitions()),
            revision,
            schema: compiled,
            columns: columns.collect(),
            hash: hasher.finish(),
        })),
    })
}

/// The schema of one version, as the definition has it.
pub(crate) fn schema<'a>(crd: &'a Value, version: &str) -> Option<&'a Value> {
    let version = list(crd, &["spec", "versions"]).iter().find(|v| text(v, &["name"]) == version)?;
    object::at(version, &["schema", "openAPIV3Schema"])
}
