//! CustomResourceDefinition: validation, acceptance, and the resources it defines.

use crate::built_in::{Rules, metadata_definitions};
use crate::{
    jsonpath,
    object::{self, list, set_default, strings, text},
    registry::{Column, Custom, Definition, Resource},
    scale::Scale,
    types::Types,
};
use parking_lot::Mutex;
use serde_json::{Value, json};
use std::{
    collections::BTreeSet,
    hash::{DefaultHasher, Hash as _, Hasher as _},
    sync::Arc,
};
use weir_apischema::{
    names::{self, NameRule},
    schema::{FieldError, Schema},
};

pub(super) const ZERO: &str = r#"{"spec":{"group":"","names":{"plural":"","kind":""},"scope":"","versions":null},
    "status":{"conditions":null,"acceptedNames":{"plural":"","kind":""},"storedVersions":null}}"#;

/// Table of the store for definitions.
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
        errors.extend(validate_versions(new, old));
        errors.extend(validate_conversion(new));
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

fn validate_versions(crd: &Value, old: Option<&Value>) -> Vec<FieldError> {
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
        if object::at(version, &["schema", "openAPIV3Schema"]).is_none() {
            errors.push(FieldError::required(field("schema.openAPIV3Schema"), "schemas are required"));
        }
    }
    errors.extend(validate_parts(versions, old));
    errors
}

/// Parts that are the same in all versions belong at the top of the spec; errors in them are reported there.
fn validate_parts(versions: &[Value], old: Option<&Value>) -> Vec<FieldError> {
    let shared = |path: &[&str]| versions.windows(2).all(|two| object::at(&two[0], path) == object::at(&two[1], path));
    let (schemas, columns, fields) =
        (shared(&["schema"]), shared(&["additionalPrinterColumns"]), shared(&["selectableFields"]));
    let scales = shared(&["subresources"]);
    let mut errors = Vec::new();
    for (index, version) in versions.iter().enumerate() {
        let own = |name: &str| format!("spec.versions[{index}].{name}");
        let schema = object::at(version, &["schema", "openAPIV3Schema"]);
        if let Some(schema) = schema.filter(|_| index == 0 || !schemas) {
            let place =
                if schemas { "spec.validation.openAPIV3Schema".to_owned() } else { own("schema.openAPIV3Schema") };
            let stored = old.and_then(|old| self::schema(old, text(version, &["name"])));
            let found = match compiled(schema) {
                Ok(compiled) => compiled.too_expensive(stored == Some(schema)),
                Err(errors) => errors,
            };
            errors.extend(found.into_iter().map(|error| error.under(&place)));
        }
        if index == 0 || !scales {
            let name = "subresources.scale";
            let place = if scales { format!("spec.{name}") } else { own(name) };
            errors.extend(validate_scale(object::at(version, &["subresources", "scale"]), &place));
        }
        if index == 0 || !columns {
            let name = "additionalPrinterColumns";
            let place = if columns { format!("spec.{name}") } else { own(name) };
            errors.extend(validate_columns(list(version, &[name]), &place));
        }
        if index == 0 || !fields {
            let name = "selectableFields";
            let place = if fields { format!("spec.{name}") } else { own(name) };
            errors.extend(validate_selectable(list(version, &[name]), schema.unwrap_or(&Value::Null), &place));
        }
    }
    errors
}

fn validate_scale(scale: Option<&Value>, place: &str) -> Vec<FieldError> {
    let Some(scale) = scale else { return Vec::new() };
    let mut errors = Vec::new();
    for (name, roots, required) in [
        ("specReplicasPath", &[".spec"][..], true),
        ("statusReplicasPath", &[".status"], true),
        ("labelSelectorPath", &[".spec", ".status"], false),
    ] {
        let (path, field) = (text(scale, &[name]), format!("{place}.{name}"));
        if path.is_empty() && required {
            errors.push(FieldError::required(field, ""));
        } else if !path.is_empty() && !roots.iter().any(|root| path.starts_with(&format!("{root}."))) {
            let why = format!("should be a json path under {}", roots.join(" or "));
            errors.push(FieldError::invalid(field, &path.into(), &why));
        }
    }
    errors
}

fn validate_columns(columns: &[Value], place: &str) -> Vec<FieldError> {
    let mut errors = Vec::new();
    for (at, column) in columns.iter().enumerate() {
        let path = text(column, &["jsonPath"]);
        if !jsonpath::is_valid(path) {
            let field = format!("{place}[{at}].jsonPath");
            errors.push(FieldError::invalid(field, &path.into(), "is an invalid JSONPath"));
        }
    }
    errors
}

/// Maximum number of selectable fields of one version (`MaxSelectableFields` of `k8s.io/apiextensions-apiserver`).
const SELECTABLE_FIELDS: i64 = 8;

fn validate_selectable(fields: &[Value], schema: &Value, place: &str) -> Vec<FieldError> {
    let mut errors = Vec::new();
    let mut seen = BTreeSet::new();
    for (at, field) in fields.iter().enumerate() {
        let path = text(field, &["jsonPath"]);
        let (item, own) = (format!("{place}[{at}]"), format!("{place}[{at}].jsonPath"));
        if path.is_empty() {
            errors.push(FieldError::required(own, ""));
            continue;
        }
        let names: Option<Vec<&str>> = path.strip_prefix('.').map(|path| path.split('.').collect());
        let found = names
            .as_ref()
            .and_then(|names| names.iter().try_fold(schema, |schema, name| object::at(schema, &["properties", name])));
        let shown = Value::from(path);
        let Some(found) = found else {
            errors.push(FieldError::invalid(own, &shown, "is an invalid path: it leads to no field of the schema"));
            continue;
        };
        if names.is_some_and(|names| names.first() == Some(&"metadata")) {
            errors.push(FieldError::invalid(item.as_str(), &shown, "must not point to fields in metadata"));
        }
        if !["string", "boolean", "integer"].contains(&text(found, &["type"])) {
            let why = "must point to a field of type string, boolean or integer. Enum string fields and strings with formats are allowed.";
            errors.push(FieldError::invalid(item.as_str(), &shown, why));
        }
        if !seen.insert(path) {
            errors.push(FieldError::duplicate(item, Some(&shown)));
        }
    }
    if i64::try_from(seen.len()).is_ok_and(|count| count > SELECTABLE_FIELDS) {
        errors.push(FieldError::too_many(place, seen.len(), SELECTABLE_FIELDS));
    }
    errors
}

fn validate_conversion(crd: &Value) -> Vec<FieldError> {
    const FIELD: &str = "spec.conversion.strategy";
    match text(crd, &["spec", "conversion", "strategy"]) {
        "" | "None" => Vec::new(),
        "Webhook" => {
            let why = "this server calls no webhooks; give all versions one schema and use strategy None";
            vec![FieldError::forbidden(FIELD, why)]
        }
        other => vec![FieldError::not_supported(FIELD, &other.into(), ["None", "Webhook"])],
    }
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

/// The last compiled schema: a definition is validated and then served, which both need it.
static LAST: Mutex<Option<(Value, Arc<Schema>)>> = Mutex::new(None);

fn compiled(schema: &Value) -> Result<Arc<Schema>, Vec<FieldError>> {
    if let Some((of, compiled)) = &*LAST.lock()
        && of == schema
    {
        return Ok(compiled.clone());
    }
    let compiled = Arc::new(Schema::compile(schema)?);
    *LAST.lock() = Some((schema.clone(), compiled.clone()));
    Ok(compiled)
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

/// `None` if the schema does not compile, which validation rules out.
fn resource(crd: &Value, version: &Value, revision: u64) -> Option<Resource> {
    let spec = |path: &[&str]| text(crd, &[&["spec"], path].concat()).to_owned();
    let schema = object::at(version, &["schema", "openAPIV3Schema"]).unwrap_or(&Value::Null);
    let compiled = compiled(schema).ok()?;
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
        scale: Scale::of_definition(version),
        generation: true,
        storage: format!("{}.{}", spec(&["names", "plural"]), spec(&["group"])).into(),
        definition: Definition::Custom(Box::new(Custom {
            name: object::meta(crd, "name").to_owned(),
            types: Types::custom(schema, metadata_definitions()),
            revision,
            schema: compiled,
            columns: columns.collect(),
            selectable: list(version, &["selectableFields"])
                .iter()
                .map(|field| text(field, &["jsonPath"]).trim_start_matches('.').to_owned())
                .collect(),
            hash: hasher.finish(),
        })),
    })
}

/// The schema of one version, as the definition has it.
pub(crate) fn schema<'a>(crd: &'a Value, version: &str) -> Option<&'a Value> {
    let version = list(crd, &["spec", "versions"]).iter().find(|v| text(v, &["name"]) == version)?;
    object::at(version, &["schema", "openAPIV3Schema"])
}
