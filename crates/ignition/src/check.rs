//! Validation of a configuration: one function per kind of object, called while walking the table.
//!
//! Source: `Validate` of the types in `config/v3_0` to `config/v3_5` of github.com/coreos/ignition.

mod storage;

pub(crate) use storage::{
    disk, file, filesystem, longest_label, luks, mode, owner, partition, raid, storage, wrong_level,
};

use crate::{
    report::{Entry, Report, Step, path as report_path},
    schema::{CONFIG, Object, Shape},
    unit as unit_contents, url,
};
use serde_json::{Map, Value};
use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
};

type Fields = Map<String, Value>;

/// The findings so far, and the position of the walk.
pub(crate) struct Findings<'r> {
    /// Declared minor version of the configuration.
    pub(crate) minor: u8,
    steps: Vec<Step>,
    report: &'r mut Report,
}

impl Findings<'_> {
    /// Records an error at `under` the current object; empty for the object itself.
    pub(crate) fn error(&mut self, under: &str, message: impl Into<Cow<'static, str>>) {
        self.report.entries.push(Entry { path: report_path(&self.steps, under), message: message.into() });
    }

    fn note(&mut self, under: &str, message: Option<impl Into<Cow<'static, str>>>) {
        if let Some(message) = message {
            self.error(under, message);
        }
    }
}

/// Checks a configuration in normal form as one of version 3.`minor`.
pub(crate) fn check(config: &Fields, minor: u8) -> Report {
    let mut report = check_as(config, &CONFIG, minor);
    walk(config, &CONFIG, &mut Findings { minor, steps: Vec::new(), report: &mut report }, &mut duplicates);
    report
}

/// Checks each object of a configuration in the normal form of a table, for a minor version of it.
pub(crate) fn check_as(config: &Fields, root: &'static Object, minor: u8) -> Report {
    let mut report = Report::default();
    let mut findings = Findings { minor, steps: Vec::new(), report: &mut report };
    walk(config, root, &mut findings, &mut |fields, object, findings| {
        (object.check)(fields, findings);
        for field in object.fields {
            if let (Some(check), Some(value)) = (field.check, fields.get(field.name)) {
                each_text(value, |at, text| findings.note(&join(field.name, at), check(text)));
            }
        }
    });
    report
}

fn each_text(value: &Value, mut visit: impl FnMut(Option<usize>, &str)) {
    match value {
        Value::String(text) => visit(None, text),
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(at, item)| visit(Some(at), item.as_str().unwrap_or_default()));
        }
        _ => {}
    }
}

fn join(name: &str, at: Option<usize>) -> Cow<'_, str> {
    at.map_or(Cow::Borrowed(name), |at| Cow::Owned(format!("{name}.{at}")))
}

/// Calls for each object, outer ones first.
fn walk<'r>(
    fields: &Fields,
    object: &'static Object,
    findings: &mut Findings<'r>,
    visit: &mut dyn FnMut(&Fields, &'static Object, &mut Findings<'r>),
) {
    visit(fields, object, findings);
    for field in object.fields {
        findings.steps.push(Step::Field(field.name));
        match (field.shape, fields.get(field.name)) {
            (Shape::Object(inner), Some(Value::Object(map))) => walk(map, inner, findings, visit),
            (Shape::Objects(inner), Some(Value::Array(items))) => {
                for (index, item) in items.iter().enumerate() {
                    if let Value::Object(map) = item {
                        findings.steps.push(Step::Index(index));
                        walk(map, inner, findings, visit);
                        findings.steps.pop();
                    }
                }
            }
            _ => {}
        }
        findings.steps.pop();
    }
}

fn duplicates(fields: &Fields, object: &'static Object, findings: &mut Findings<'_>) {
    let mut seen: BTreeMap<&str, BTreeSet<Cow<'_, str>>> = BTreeMap::new();
    for field in object.fields.iter().filter(|f| !f.concat) {
        let Some(Value::Array(items)) = fields.get(field.name) else { continue };
        let keys = seen.entry(field.space.unwrap_or(field.name)).or_default();
        for (index, item) in items.iter().enumerate() {
            let key = match field.shape {
                Shape::Objects(inner) => inner.key_of(item),
                _ => Cow::Borrowed(item.as_str().unwrap_or_default()),
            };
            if !keys.insert(key) {
                findings.error(&join(field.name, Some(index)), "duplicate entry defined");
            }
        }
    }
}

/// The text of a field.
pub(crate) fn text<'f>(fields: &'f Fields, name: &str) -> Option<&'f str> {
    fields.get(name).and_then(Value::as_str)
}

/// The text of a field that is neither absent nor empty.
pub(crate) fn some_text<'f>(fields: &'f Fields, name: &str) -> Option<&'f str> {
    text(fields, name).filter(|t| !t.is_empty())
}

/// Whether a field is present and true.
pub(crate) fn is_true(fields: &Fields, name: &str) -> bool {
    fields.get(name) == Some(&Value::Bool(true))
}

/// The objects in a list; none when it is absent.
pub(crate) fn items<'f>(fields: &'f Fields, name: &str) -> impl Iterator<Item = &'f Fields> + use<'f> {
    fields.get(name).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_object)
}

/// The fields of an object below this one.
pub(crate) fn below<'f>(fields: &'f Fields, name: &str) -> Option<&'f Fields> {
    fields.get(name).and_then(Value::as_object)
}

pub(crate) fn nothing(_: &Fields, _: &mut Findings<'_>) {}

pub(crate) fn path(path: &str) -> Option<&'static str> {
    match path {
        "" => Some("path not specified"),
        _ if !path.starts_with('/') => Some("path not absolute"),
        _ if clean(path) != path => Some("path is not fully simplified"),
        _ => None,
    }
}

pub(crate) fn path_if_any(text: &str) -> Option<&'static str> {
    if text.is_empty() { None } else { path(text) }
}

/// The shortest form of a path: no empty or `.` elements, and `..` only at the front of a relative one.
///
/// Source: `Clean` in <https://pkg.go.dev/path>.
pub(crate) fn clean(path: &str) -> String {
    let absolute = path.starts_with('/');
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|p| *p != "..") => _ = parts.pop(),
            ".." if absolute => {}
            part => parts.push(part),
        }
    }
    match (absolute, parts.is_empty()) {
        (true, _) => format!("/{}", parts.join("/")),
        (false, true) => ".".to_owned(),
        (false, false) => parts.join("/"),
    }
}

pub(crate) fn proxy(proxy: &str) -> Option<&'static str> {
    match url::parse(proxy) {
        Err(message) => Some(message),
        Ok(url) if matches!(url.scheme.as_str(), "http" | "https") => None,
        Ok(_) => Some("proxies must be http(s)"),
    }
}

pub(crate) fn config(fields: &Fields, findings: &mut Findings<'_>) {
    const UNITS: &str = "/etc/systemd/system/";
    let Some(storage) = below(fields, "storage") else { return };
    let mut written = BTreeSet::new();
    for unit in below(fields, "systemd").into_iter().flat_map(|s| items(s, "units")) {
        let name = text(unit, "name").unwrap_or_default();
        if some_text(unit, "contents").is_some() {
            written.insert(format!("{UNITS}{name}"));
        }
        for dropin in items(unit, "dropins").filter(|d| some_text(d, "contents").is_some()) {
            written.insert(format!("{UNITS}{name}.d/{}", text(dropin, "name").unwrap_or_default()));
        }
    }
    for list in ["files", "directories", "links"] {
        for (index, node) in items(storage, list).enumerate() {
            if text(node, "path").is_some_and(|path| written.contains(path)) {
                findings.error(&format!("storage.{list}.{index}.path"), "path conflicts with systemd unit or dropin");
            }
        }
    }
}

/// From 3.1 on a fetched file must say from where; 3.0 leaves that to the fetching.
fn required_sources(fields: &Fields, list: &str, findings: &mut Findings<'_>) {
    for (index, resource) in items(fields, list).enumerate() {
        if findings.minor >= 1 && some_text(resource, "source").is_none() {
            findings.error(&format!("{list}.{index}"), "source is required");
        }
    }
}

pub(crate) fn ignition_config(fields: &Fields, findings: &mut Findings<'_>) {
    required_sources(fields, "merge", findings);
}

pub(crate) fn tls(fields: &Fields, findings: &mut Findings<'_>) {
    const LIST: &str = "certificateAuthorities";
    required_sources(fields, LIST, findings);
    for (index, authority) in items(fields, LIST).enumerate() {
        if findings.minor == 0 && some_text(authority, "source").is_none() {
            findings.error(&format!("{LIST}.{index}.source"), url::WRONG_SCHEME);
        }
    }
}

pub(crate) fn resource(fields: &Fields, findings: &mut Findings<'_>) {
    if text(fields, "compression").is_some_and(|c| !matches!(c, "" | "gzip")) {
        findings.error("compression", "invalid compression method");
    }
    let source = some_text(fields, "source");
    let hash = below(fields, "verification").and_then(|v| text(v, "hash"));
    if hash.is_some() && text(fields, "source").is_none() {
        findings.error("verification.hash", "source must be specified if verification is specified");
    }
    findings.note("source", source.and_then(|s| url::check(s, findings.minor)));
    if items(fields, "httpHeaders").next().is_some() {
        findings.note(
            "httpHeaders",
            match source.map(url::parse) {
                None | Some(Err(_)) => Some(url::UNPARSABLE),
                Some(Ok(url)) if matches!(url.scheme.as_str(), "http" | "https") => None,
                Some(Ok(_)) => Some("cannot use HTTP headers with this source scheme"),
            },
        );
    }
}

pub(crate) fn verification(fields: &Fields, findings: &mut Findings<'_>) {
    let Some(hash) = text(fields, "hash") else { return };
    findings.note("hash", malformed_hash(hash, findings.minor >= 1));
}

/// What is wrong with a hash; SHA-256 may be allowed in addition to SHA-512.
pub(crate) fn malformed_hash(hash: &str, allow_sha256: bool) -> Option<&'static str> {
    // Hexadecimal digits of the digests.
    const SHA512: usize = 128;
    const SHA256: usize = 64;
    let length = match hash.split_once('-') {
        None => return Some("malformed hash specifier"),
        Some(("sha512", sum)) => sum.len() == SHA512,
        Some(("sha256", sum)) if allow_sha256 => sum.len() == SHA256,
        Some(_) => return Some("unrecognized hash function"),
    };
    if length { None } else { Some("incorrect size for hash sum") }
}

pub(crate) fn header(fields: &Fields, findings: &mut Findings<'_>) {
    if some_text(fields, "name").is_none() {
        findings.error("name", "HTTP header name can't be empty");
    }
    if text(fields, "value") == Some("") {
        findings.error("value", "unable to parse HTTP header");
    }
}

/// Whether a name ends in one of these extensions, `.` included.
pub(crate) fn has_extension(name: &str, extensions: &[&str]) -> bool {
    let last = name.rsplit('/').next().unwrap_or_default();
    last.rfind('.').is_some_and(|dot| extensions.contains(&&last[dot..]))
}

/// Extensions of systemd units (systemd.unit(5)).
pub(crate) const UNIT_EXTENSIONS: [&str; 12] = [
    ".service",
    ".socket",
    ".device",
    ".mount",
    ".automount",
    ".swap",
    ".target",
    ".path",
    ".timer",
    ".snapshot",
    ".slice",
    ".scope",
];
pub(crate) const INVALID_UNIT: &str = "invalid systemd unit extension";
pub(crate) const INVALID_DROPIN: &str = "invalid systemd drop-in extension";

pub(crate) fn unit(fields: &Fields, findings: &mut Findings<'_>) {
    if !has_extension(text(fields, "name").unwrap_or_default(), &UNIT_EXTENSIONS) {
        findings.error("name", INVALID_UNIT);
    }
    findings.note("contents", text(fields, "contents").and_then(unit_contents::check));
}

pub(crate) fn dropin(fields: &Fields, findings: &mut Findings<'_>) {
    findings.note("contents", text(fields, "contents").and_then(unit_contents::check));
    if !has_extension(text(fields, "name").unwrap_or_default(), &[".conf"]) {
        findings.error("name", INVALID_DROPIN);
    }
}

pub(crate) fn tang(fields: &Fields, findings: &mut Findings<'_>) {
    findings.note(
        "url",
        match url::parse(text(fields, "url").unwrap_or_default()) {
            Err(message) => Some(message),
            Ok(url) if matches!(url.scheme.as_str(), "http" | "https") => None,
            Ok(_) => Some(url::WRONG_SCHEME),
        },
    );
    if some_text(fields, "thumbprint").is_none() {
        findings.error("thumbprint", "thumbprint is required");
    }
    let advertisement = some_text(fields, "advertisement");
    if advertisement.is_some_and(|a| serde_json::from_str::<serde::de::IgnoredAny>(a).is_err()) {
        findings.error("advertisement", "advertisement is not valid JSON");
    }
}

pub(crate) fn clevis_custom(fields: &Fields, findings: &mut Findings<'_>) {
    let (pin, config) = (some_text(fields, "pin"), some_text(fields, "config"));
    let network = is_true(fields, "needsNetwork") && findings.minor >= 3;
    if pin.is_none() && config.is_none() && !network {
        return;
    }
    match pin {
        Some("tpm2" | "tang" | "sss") => {}
        None if findings.minor >= 3 => findings.error("pin", "missing required custom clevis pin"),
        _ => findings.error("pin", "unsupported clevis pin"),
    }
    if config.is_none() {
        findings.error("config", "missing required custom clevis config");
    }
}
