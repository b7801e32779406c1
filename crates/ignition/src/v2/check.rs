//! Validation of version 2, where it differs from version 3.
//!
//! Not checked: the numbers and extents of partitions, because no disk with partitions can be translated.
//!
//! Source: `Validate` of the types in `config/v2_0` to `config/v2_2` of github.com/coreos/ignition, branch `spec2x`.

use crate::{
    check::{Findings, has_extension, is_true, longest_label, malformed_hash, mode, some_text, text, wrong_level},
    unit, url,
};
use serde_json::{Map, Value};

type Fields = Map<String, Value>;

const RELATIVE: &str = "path not absolute";

fn absolute(path: &str) -> bool {
    path.starts_with('/')
}

pub(super) fn source(fields: &Fields, findings: &mut Findings<'_>) {
    let Some(source) = some_text(fields, "source") else { return };
    let message = match url::parse(source) {
        Err(message) => Some(message),
        Ok(url) => match url.scheme.as_str() {
            "http" | "https" | "oem" => None,
            "tftp" | "s3" if findings.minor >= 1 => url::check(source, 0),
            "data" => url::check(source, 0),
            _ => Some(url::WRONG_SCHEME),
        },
    };
    if let Some(message) = message {
        findings.error("source", message);
    }
}

pub(super) fn verification(fields: &Fields, findings: &mut Findings<'_>) {
    if let Some(message) = text(fields, "hash").and_then(|hash| malformed_hash(hash, false)) {
        findings.error("hash", message);
    }
}

pub(super) fn contents(fields: &Fields, findings: &mut Findings<'_>) {
    if some_text(fields, "compression").is_some_and(|c| c != "gzip") {
        findings.error("compression", "invalid compression method");
    }
    source(fields, findings);
}

pub(super) fn node(fields: &Fields, findings: &mut Findings<'_>) {
    if some_text(fields, "filesystem").is_none() {
        findings.error("filesystem", "no filesystem specified");
    }
    if !absolute(text(fields, "path").unwrap_or_default()) {
        findings.error("path", RELATIVE);
    }
}

pub(super) fn directory(fields: &Fields, findings: &mut Findings<'_>) {
    node(fields, findings);
    mode(fields, findings);
}

pub(super) fn file(fields: &Fields, findings: &mut Findings<'_>) {
    directory(fields, findings);
    if is_true(fields, "overwrite") && is_true(fields, "append") {
        findings.error("", "cannot set both append and overwrite to true");
    }
}

pub(super) fn disk(fields: &Fields, findings: &mut Findings<'_>) {
    match some_text(fields, "device") {
        None => findings.error("device", "disk device is required"),
        Some(device) if !absolute(device) => findings.error("device", RELATIVE),
        Some(_) => {}
    }
}

pub(super) fn filesystem(fields: &Fields, findings: &mut Findings<'_>) {
    match (fields.contains_key("mount"), text(fields, "path")) {
        (false, None) => findings.error("", "filesystem is missing mount or path"),
        (true, Some(_)) => findings.error("", "filesystem has both mount and path defined"),
        (_, Some(path)) if !absolute(path) => findings.error("path", RELATIVE),
        _ => {}
    }
}

pub(super) fn mount(fields: &Fields, findings: &mut Findings<'_>) {
    let format = text(fields, "format").unwrap_or_default();
    let known = match format {
        "ext4" | "btrfs" | "xfs" => true,
        "swap" | "vfat" => findings.minor >= 1,
        _ => false,
    };
    if !known {
        findings.error("format", "invalid filesystem format");
    }
    if !absolute(text(fields, "device").unwrap_or_default()) {
        findings.error("device", RELATIVE);
    }
    if let (Some(label), Some(longest)) = (text(fields, "label"), longest_label(format))
        && label.len() > longest
    {
        findings.error(
            "label",
            format!("filesystem labels cannot be longer than {longest} characters when using {format}"),
        );
    }
    if fields.contains_key("create") {
        if is_true(fields, "wipeFilesystem") {
            findings.error("", "cannot use both create object and wipeFilesystem field");
        }
        if fields.get("options").and_then(Value::as_array).is_some_and(|o| !o.is_empty()) {
            findings.error("", "cannot use both create object and mount-level options field");
        }
    }
}

pub(super) fn raid(fields: &Fields, findings: &mut Findings<'_>) {
    let spares = fields.get("spares").and_then(Value::as_i64).unwrap_or_default();
    if let Some(message) = wrong_level(text(fields, "level").unwrap_or_default(), spares) {
        findings.error("level", message);
    }
    let devices = fields.get("devices").and_then(Value::as_array).into_iter().flatten();
    if devices.filter_map(Value::as_str).any(|device| !absolute(device)) {
        findings.error("devices", RELATIVE);
    }
}

pub(super) fn user(fields: &Fields, findings: &mut Findings<'_>) {
    const OF_CREATE: [&str; 10] = [
        "gecos",
        "groups",
        "homeDir",
        "noCreateHome",
        "noLogInit",
        "noUserGroup",
        "primaryGroup",
        "shell",
        "system",
        "uid",
    ];
    let is_given = |name: &&&str| match fields.get(**name) {
        Some(Value::Array(items)) => !items.is_empty(),
        value => value.is_some(),
    };
    if fields.contains_key("create") {
        for name in OF_CREATE.iter().filter(is_given) {
            findings.error("", format!("cannot use both the create object and the user-level {name} field"));
        }
    }
}

pub(super) fn networkd_unit(fields: &Fields, findings: &mut Findings<'_>) {
    if let Some(message) = text(fields, "contents").and_then(unit::check) {
        findings.error("contents", message);
    }
    if !has_extension(text(fields, "name").unwrap_or_default(), &[".link", ".netdev", ".network"]) {
        findings.error("name", "invalid networkd unit extension");
    }
}
