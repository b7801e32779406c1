//! The generated definitions against the published ones, descriptions aside.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use serde_json::Value;
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};
use weir_api::crds::{FeatureSet, name, own};

/// Kinds of config.openshift.io: weir reads them and never defines them on OpenShift.
const FOREIGN_GROUP: &str = "config.openshift.io";

/// Differences that are meant: a path inside a definition and why everything below it may differ.
const ACCEPTED: &[(&str, &str, &str)] = &[
    (
        "controllerconfigs.machineconfiguration.openshift.io",
        "/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties/infra",
        "a copy of the Infrastructure object, which the API server validated when it was written",
    ),
    (
        "controllerconfigs.machineconfiguration.openshift.io",
        "/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties/dns",
        "a copy of the DNS object, which the API server validated when it was written",
    ),
];

fn reference() -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/reference/crds");
    if path.is_dir() {
        return Some(path);
    }
    println!("skipped: {} absent", path.display());
    None
}

fn published(directory: &Path) -> Vec<(String, Value)> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
        .into_iter()
        .map(|file| {
            let text = std::fs::read_to_string(&file).unwrap();
            let crd: Value = serde_saphyr::from_str(&text).unwrap();
            (file.file_name().unwrap().to_string_lossy().into_owned(), crd)
        })
        .filter(|(_, crd)| crd["spec"]["group"] != FOREIGN_GROUP)
        .collect()
}

fn without_descriptions(value: &mut Value) {
    match value {
        Value::Object(map) => {
            // A property may be called `description`; its value is then a schema.
            map.retain(|key, value| key != "description" || !value.is_string());
            map.values_mut().for_each(without_descriptions);
        }
        Value::Array(items) => items.iter_mut().for_each(without_descriptions),
        _ => {}
    }
}

/// Paths at which two values differ, with what stands there.
fn differences(path: &str, ours: &Value, theirs: &Value, found: &mut BTreeMap<String, String>) {
    match (ours, theirs) {
        (Value::Object(a), Value::Object(b)) => {
            for key in a.keys().chain(b.keys()) {
                let path = format!("{path}/{key}");
                differences(&path, a.get(key).unwrap_or(&Value::Null), b.get(key).unwrap_or(&Value::Null), found);
            }
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            for (index, (a, b)) in a.iter().zip(b).enumerate() {
                differences(&format!("{path}/{index}"), a, b, found);
            }
        }
        _ if ours == theirs => {}
        _ => {
            found.insert(path.to_owned(), format!("ours {ours}, published {theirs}"));
        }
    }
}

#[test]
fn every_published_definition_is_generated() {
    let Some(directory) = reference() else { return };
    let (mut compared, mut accepted, mut wrong) = (0, 0, Vec::new());
    for (file, mut theirs) in published(&directory) {
        let set = theirs["metadata"]["annotations"]["release.openshift.io/feature-set"].as_str().unwrap_or("Default");
        let set: FeatureSet = set.parse().unwrap();
        let Some(mut ours) = own(set).into_iter().find(|crd| name(crd) == name(&theirs)) else {
            wrong.push(format!("{file}: no such definition"));
            continue;
        };
        without_descriptions(&mut ours);
        without_descriptions(&mut theirs);
        let mut found = BTreeMap::new();
        differences("", &ours, &theirs, &mut found);
        for (path, text) in found {
            let known = ACCEPTED.iter().any(|(crd, prefix, _)| *crd == name(&ours) && path.starts_with(prefix));
            if known { accepted += 1 } else { wrong.push(format!("{file}{path}: {text}")) }
        }
        compared += 1;
    }
    println!("{compared} definitions compared, {accepted} accepted differences");
    assert!(wrong.is_empty(), "{} differences:\n{}", wrong.len(), wrong.join("\n"));
}
