//! The generated definitions against the published ones, descriptions aside.

use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use weir_api::crds::{FeatureSet, crds, name, own};

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
    (FOREIGN, "/metadata/annotations", "the cluster version operator brings the real definition, never ours"),
];

/// In place of a name in [`ACCEPTED`]: every kind of config.openshift.io.
const FOREIGN: &str = ".config.openshift.io";

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
            for key in a.keys().chain(b.keys()).collect::<BTreeSet<_>>() {
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
    let Some(definitions) = crate::published::definitions() else { return };
    let (mut compared, mut accepted, mut wrong) = (0, BTreeMap::new(), Vec::new());
    for (file, mut theirs) in definitions {
        let set = theirs["metadata"]["annotations"]["release.openshift.io/feature-set"].as_str().unwrap_or("Default");
        let set: FeatureSet = set.parse().unwrap();
        let Some(mut ours) = crds(set).into_iter().find(|crd| name(crd) == name(&theirs)) else {
            wrong.push(format!("{file}: no such definition"));
            continue;
        };
        without_descriptions(&mut ours);
        without_descriptions(&mut theirs);
        let mut found = BTreeMap::new();
        differences("", &ours, &theirs, &mut found);
        for (path, text) in found {
            let known = ACCEPTED.iter().find(|(crd, prefix, _)| name(&ours).ends_with(crd) && path.starts_with(prefix));
            match known {
                Some((crd, prefix, _)) => *accepted.entry((crd, prefix)).or_insert(0) += 1,
                None => wrong.push(format!("{file}{path}: {text}")),
            }
        }
        compared += 1;
    }
    println!("{compared} definitions compared, accepted differences: {accepted:?}");
    assert!(wrong.is_empty(), "{} differences:\n{}", wrong.len(), wrong.join("\n"));
    assert_eq!(accepted.len(), ACCEPTED.len(), "an accepted difference is none any more");
}

#[test]
fn gated_fields_are_there_in_technical_preview_only() {
    let fields = [
        ("kubeletconfigs", "spec/properties/systemGomaxprocsBehavior"),
        ("kubeletconfigs", "spec/properties/tlsSecurityProfile/properties/custom/properties/groups"),
        ("containerruntimeconfigs", "spec/properties/containerRuntimeConfig/properties/containerGomaxprocsBehavior"),
        ("machineconfignodes", "spec/properties/configImage"),
        ("machineconfignodes", "status/properties/configImage"),
        ("apiservers", "spec/properties/tlsAdherence"),
        ("apiservers", "spec/properties/tlsSecurityProfile/properties/custom/properties/groups"),
        ("apiservers", "spec/x-kubernetes-validations"),
        ("apiservers", "spec/properties/encryption/properties/kms"),
        ("apiservers", "spec/properties/encryption/properties/type/enum/4"),
        ("clusterversions", "spec/properties/desiredUpdate/properties/acceptRisks"),
        ("clusterversions", "spec/properties/capabilities/properties/additionalEnabledCapabilities/items/enum/17"),
        ("clusterversions", "spec/properties/signatureStores"),
        ("clusterversions", "status/properties/conditionalUpdateRisks"),
        ("networks", "spec/properties/networkObservability"),
        ("nodes", "spec/properties/minimumKubeletVersion"),
    ];
    for set in FeatureSet::ALL {
        let all = crds(set);
        for (plural, field) in fields {
            let crd = all.iter().find(|crd| crd["spec"]["names"]["plural"] == plural).unwrap();
            let there = crd.pointer(&format!("/spec/versions/0/schema/openAPIV3Schema/properties/{field}")).is_some();
            assert_eq!(there, set == FeatureSet::TechPreviewNoUpgrade, "{plural} {field} in {set}");
            let marked = &crd["metadata"]["annotations"]["release.openshift.io/feature-set"];
            assert!(marked == set.name() || name(crd).ends_with(FOREIGN), "{plural} in {set}");
        }
    }
}

#[test]
fn every_part_of_every_definition_is_described_and_no_mark_is_left() {
    fn visit(path: &str, schema: &Value, missing: &mut Vec<String>) {
        let Value::Object(map) = schema else { return };
        missing.extend(map.keys().filter(|key| key.starts_with("x-") && !key.starts_with("x-kubernetes-")).cloned());
        for (name, property) in map.get("properties").and_then(Value::as_object).into_iter().flatten() {
            let path = format!("{path}.{name}");
            if name != "metadata" && property["description"].as_str().is_none_or(str::is_empty) {
                missing.push(path.clone());
            }
            visit(&path, property, missing);
        }
        for inner in ["items", "additionalProperties"] {
            visit(path, &map.get(inner).cloned().unwrap_or_default(), missing);
        }
    }
    let mut missing = Vec::new();
    for crd in FeatureSet::ALL.into_iter().flat_map(crds) {
        visit(name(&crd), &crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"], &mut missing);
    }
    assert!(missing.is_empty(), "without description, or a mark of ours: {missing:#?}");
}

#[test]
fn the_kinds_of_the_group_are_those_that_are_defined() {
    let all = own(FeatureSet::TechPreviewNoUpgrade);
    let of_group = all.iter().filter(|crd| crd["spec"]["group"] == weir_api::kind::MACHINE_CONFIG_GROUP);
    let mut kinds: Vec<&str> = of_group.map(|crd| crd["spec"]["names"]["kind"].as_str().unwrap()).collect();
    kinds.sort_unstable();
    assert_eq!(kinds, weir_api::kind::MACHINE_CONFIG_KINDS);
}
