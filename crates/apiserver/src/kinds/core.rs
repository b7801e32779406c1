//! Namespace, ConfigMap and Secret.

use crate::built_in::Rules;
use crate::object::{self, list, text};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value, json};
use weir_apischema::schema::FieldError;

/// Label that every namespace carries, so that selectors can name it.
const NAME_LABEL: &str = "kubernetes.io/metadata.name";
/// Finalizer of a namespace's content, in `spec.finalizers`.
pub(crate) const NAMESPACE_FINALIZER: &str = "kubernetes";
/// Maximum size of all values of a ConfigMap or Secret together.
const LARGEST_DATA: i64 = 1 << 20;
const LONGEST_KEY: usize = 253;

pub(super) const NAMESPACE: Rules = Rules {
    default: |namespace| {
        let name = object::meta(namespace, "name").to_owned();
        if !name.is_empty() {
            object::edit_meta(namespace, |meta| {
                let mut labels = meta.remove("labels").unwrap_or_default();
                object::set_default(&mut labels, NAME_LABEL, name);
                meta.insert("labels".into(), labels);
            });
        }
    },
    prepare: |namespace, old| match old {
        None => {
            object::set(namespace, "spec", json!({"finalizers": [NAMESPACE_FINALIZER]}));
            object::set(namespace, "status", json!({"phase": "Active"}));
        }
        // Only /finalize removes the finalizers of the content.
        Some(old) => object::put(namespace, "spec", old.get("spec").cloned()),
    },
    ..Rules::NONE
};

pub(super) const CONFIG_MAP: Rules = Rules {
    validate: |new, old| {
        let mut errors = validate_keys(new, &["data", "binaryData"]);
        for (key, value) in entries(new, "binaryData") {
            if value.as_str().is_none_or(|text| STANDARD.decode(text).is_err()) {
                errors.push(FieldError::invalid(format!("binaryData[{key}]"), value, "must be base64"));
            }
        }
        errors.extend(validate_immutable(new, old, &["data", "binaryData"]));
        errors
    },
    ..Rules::NONE
};

pub(super) const SECRET: Rules = Rules {
    default: |secret| {
        object::set_default(secret, "type", "Opaque");
        if let Some(Value::Object(plain)) = object::remove(secret, "stringData") {
            object::edit(secret, "data", |data| {
                let encode = |v: &Value| STANDARD.encode(v.as_str().unwrap_or_default()).into();
                data.extend(plain.iter().map(|(key, value)| (key.clone(), encode(value))));
            });
        }
    },
    validate: |new, old| {
        let mut errors = validate_keys(new, &["data"]);
        for (key, required) in required_keys(text(new, &["type"])) {
            if *required && new.get("data").and_then(|d| d.get(key)).is_none() {
                errors.push(FieldError::required(format!("data[{key}]"), ""));
            }
        }
        if old.is_some_and(|old| old.get("type") != new.get("type")) {
            let value = new.get("type").cloned().unwrap_or_default();
            errors.push(FieldError::invalid("type", &value, "field is immutable"));
        }
        errors.extend(validate_immutable(new, old, &["data"]));
        errors
    },
    ..Rules::NONE
};

/// Keys that a Secret of a well-known type must have.
fn required_keys(kind: &str) -> &'static [(&'static str, bool)] {
    match kind {
        "kubernetes.io/dockerconfigjson" => &[(".dockerconfigjson", true)],
        "kubernetes.io/dockercfg" => &[(".dockercfg", true)],
        "kubernetes.io/tls" => &[("tls.crt", true), ("tls.key", true)],
        "kubernetes.io/ssh-auth" => &[("ssh-privatekey", true)],
        _ => &[],
    }
}

fn entries<'a>(object: &'a Value, field: &str) -> impl Iterator<Item = (&'a String, &'a Value)> {
    object.get(field).and_then(Value::as_object).into_iter().flatten()
}

fn validate_keys(object: &Value, fields: &[&str]) -> Vec<FieldError> {
    const WHY: &str = "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')";
    let mut errors = Vec::new();
    let mut size = 0i64;
    for field in fields {
        for (key, value) in entries(object, field) {
            size += value.as_str().map_or(0, |v| i64::try_from(v.len()).unwrap_or(i64::MAX));
            let valid = !key.is_empty() && key.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b));
            let path = || format!("{field}[{key}]");
            if !valid {
                errors.push(FieldError::invalid(path(), &key.as_str().into(), WHY));
            }
            if key.len() > LONGEST_KEY {
                let why = format!("must be no more than {LONGEST_KEY} characters");
                errors.push(FieldError::invalid(path(), &key.as_str().into(), &why));
            }
            if key == "." || key == ".." {
                errors.push(FieldError::invalid(path(), &key.as_str().into(), &format!("may not be '{key}'")));
            }
        }
    }
    if size > LARGEST_DATA {
        errors.push(FieldError::too_long(fields.first().copied().unwrap_or_default(), LARGEST_DATA));
    }
    errors
}

fn validate_immutable(new: &Value, old: Option<&Value>, fields: &[&str]) -> Vec<FieldError> {
    let Some(old) = old.filter(|o| o.get("immutable") == Some(&Value::Bool(true))) else { return Vec::new() };
    let mut errors = Vec::new();
    if new.get("immutable") != Some(&Value::Bool(true)) {
        errors.push(FieldError::forbidden("immutable", "field is immutable when `immutable` is set"));
    }
    for field in fields.iter().filter(|f| new.get(**f) != old.get(**f)) {
        errors.push(FieldError::forbidden(*field, "field is immutable when `immutable` is set"));
    }
    errors
}

/// Whether the content of a namespace has been finalized: `spec.finalizers` is empty.
pub(crate) fn is_finalized(namespace: &Value) -> bool {
    list(namespace, &["spec", "finalizers"]).is_empty()
}
