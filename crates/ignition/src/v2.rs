//! Ignition 2.0 to 2.2: read, checked, deduplicated and converted to version 3.
//!
//! Source: the configuration specifications 2.0 to 2.2, <https://coreos.github.io/ignition/specs/>; the cleaning:
//! `removeIgnDuplicateFilesUnitsUsers` in `pkg/controller/common/helpers.go` of
//! github.com/openshift/machine-config-operator.

mod check;
mod schema;
mod translate;

use crate::{ConvertError, check as check_v3, decode, report::Report};
use serde_json::{Map, Value};
use std::collections::BTreeSet;

/// A configuration of version 2.2, or an older one in its terms.
#[derive(Clone, Debug, PartialEq)]
pub struct ConfigV2 {
    fields: Map<String, Value>,
}

impl ConfigV2 {
    /// Reads a configuration that declares version 2.`minor`.
    pub(crate) fn parse(raw: &Value, minor: u8) -> Result<Self, Report> {
        let mut fields = decode::decode(raw, &schema::CONFIG, minor)?;
        if minor == 0 {
            lower_schemes(&mut fields);
        }
        let report = check_v3::check_as(&fields, &schema::CONFIG, minor);
        if !report.is_empty() {
            return Err(report);
        }
        fill_older(&mut fields, minor);
        Ok(Self { fields })
    }

    /// Files with a mode, in order: path and mode.
    pub(crate) fn modes(&self) -> impl Iterator<Item = (&str, i64)> {
        let storage = check_v3::below(&self.fields, "storage");
        let files = storage.into_iter().flat_map(|s| check_v3::items(s, "files"));
        files.filter_map(|f| Some((check_v3::text(f, "path").unwrap_or_default(), f.get("mode")?.as_i64()?)))
    }

    /// In terms of version 3.0, not yet validated as such.
    pub(crate) fn translate(mut self) -> Result<Map<String, Value>, ConvertError> {
        remove_duplicate_files(&mut self.fields);
        join_duplicate_units(&mut self.fields);
        join_users(&mut self.fields)?;
        translate::translate(self.fields).map_err(ConvertError::Translation)
    }
}

fn list<'f>(fields: &'f mut Map<String, Value>, section: &str, list: &str) -> Option<&'f mut Vec<Value>> {
    fields.get_mut(section)?.get_mut(list)?.as_array_mut()
}

/// Version 2.0 reserialized every URL, with its scheme in lower case.
fn lower_schemes(fields: &mut Map<String, Value>) {
    for file in list(fields, "storage", "files").into_iter().flatten() {
        let Some(source) = file.get_mut("contents").and_then(|c| c.get_mut("source")) else { continue };
        if let Some((scheme, rest)) = source.as_str().and_then(|s| s.split_once(':')) {
            *source = Value::from(format!("{}:{rest}", scheme.to_ascii_lowercase()));
        }
    }
}

/// Older versions could not omit a mode, nor 2.0 an owner.
fn fill_older(fields: &mut Map<String, Value>, minor: u8) {
    for name in ["files", "directories"] {
        for node in list(fields, "storage", name).into_iter().flatten().filter_map(Value::as_object_mut) {
            if minor < 2 {
                node.entry("mode").or_insert(Value::from(0));
            }
            for owner in ["user", "group"].into_iter().filter(|_| minor == 0) {
                let owner = node.entry(owner).or_insert_with(|| Value::Object(Map::new()));
                if let Value::Object(owner) = owner {
                    owner.entry("id").or_insert(Value::from(0));
                }
            }
        }
    }
    for user in list(fields, "passwd", "users").into_iter().flatten().filter_map(Value::as_object_mut) {
        if minor == 0 && check_v3::text(user, "passwordHash") == Some("") {
            user.remove("passwordHash");
        }
    }
}

/// The last of several files with the same path, in reverse order.
fn remove_duplicate_files(fields: &mut Map<String, Value>) {
    let Some(files) = list(fields, "storage", "files") else { return };
    let mut seen = BTreeSet::new();
    files.reverse();
    files.retain(|file| seen.insert(file["path"].as_str().unwrap_or_default().to_owned()));
}

/// The last of several units with the same name, plus drop-ins that only the others have, in reverse order.
fn join_duplicate_units(fields: &mut Map<String, Value>) {
    let Some(units) = list(fields, "systemd", "units") else { return };
    let mut joined: Vec<Value> = Vec::new();
    for unit in std::mem::take(units).into_iter().rev() {
        let Some(kept) = joined.iter_mut().find(|kept| kept["name"] == unit["name"]) else {
            joined.push(unit);
            continue;
        };
        let more = unit["dropins"].as_array().cloned().unwrap_or_default();
        let kept = kept.as_object_mut().map(|k| k.entry("dropins").or_insert_with(|| Value::Array(Vec::new())));
        if let Some(Value::Array(dropins)) = kept {
            for dropin in more {
                if !dropins.iter().any(|d| d["name"] == dropin["name"]) {
                    dropins.push(dropin);
                }
            }
        }
    }
    *units = joined;
}

/// The last user, with the SSH keys of those before it; the only user is `core`.
fn join_users(fields: &mut Map<String, Value>) -> Result<(), ConvertError> {
    let Some(users) = list(fields, "passwd", "users") else { return Ok(()) };
    let mut keys = Vec::new();
    for user in users.iter().rev() {
        match user["name"].as_str().unwrap_or_default() {
            "core" => keys.extend(user["sshAuthorizedKeys"].as_array().into_iter().flatten().cloned()),
            other => return Err(ConvertError::User(other.to_owned())),
        }
    }
    let mut seen = BTreeSet::new();
    keys.retain(|key| seen.insert(key.as_str().unwrap_or_default().to_owned()));
    users.drain(..users.len().saturating_sub(1));
    if let Some(user) = users.last_mut().and_then(Value::as_object_mut) {
        user.insert("sshAuthorizedKeys".to_owned(), Value::Array(keys));
    }
    Ok(())
}
