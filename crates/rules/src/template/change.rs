//! What is written to a generated MachineConfig in the cluster.
//!
//! R-TEMPLATE-CHANGE-1 Generated labels and annotations are set; those of others stay.
//! R-TEMPLATE-CHANGE-2 The owner reference replaces an earlier one to the same object; references to others stay.
//! R-TEMPLATE-CHANGE-3 Configuration, extensions, kernel arguments and FIPS are set to what is generated. OS images and the kernel
//! type are left as they are: releases up to 4.20 write an OS image there, later ones remove it, and rendering ignores both.
//! R-TEMPLATE-CHANGE-4 Nothing is written if it is the same as JSON: an API server may order fields differently.
//!
//! Source: `lib/resourceapply` and `lib/resourcemerge` of github.com/openshift/machine-config-operator. R-TEMPLATE-CHANGE-4 is ours.

use crate::objects::edit::{edit, means_same};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use weir_api::MachineConfig;

/// The JSON patch that sets a MachineConfig to what was generated; absent if it is up to date.
#[must_use]
pub fn change(found: &MachineConfig, generated: &MachineConfig) -> Option<Value> {
    let (has, wants) = (&found.metadata, &generated.metadata);
    let metadata = [
        ("labels", keys(&has.labels, &wants.labels)),
        ("annotations", keys(&has.annotations, &wants.annotations)),
        ("ownerReferences", owners(has.owner_references.as_deref(), wants.owner_references.as_deref())),
    ];
    let spec = |config: &MachineConfig| {
        let spec = &config.spec;
        [
            ("config", json!(spec.config)),
            ("extensions", json!(spec.extensions)),
            ("kernelArguments", json!(spec.kernel_arguments)),
            ("fips", json!(spec.fips)),
        ]
    };
    let differing = spec(found).into_iter().zip(spec(generated)).filter(|((name, has), (_, wants))| match *name {
        // Inside the configuration, absent and empty differ.
        "config" => has != wants,
        "fips" => has.as_bool().unwrap_or_default() != wants.as_bool().unwrap_or_default(),
        _ => !means_same(has, wants),
    });
    let metadata = metadata.into_iter().filter_map(|(name, value)| Some((format!("/metadata/{name}"), value?)));
    let spec = differing.map(|(_, (name, wants))| (format!("/spec/{name}"), wants));
    edit(has, metadata.chain(spec).collect())
}

/// The existing entries with the wanted ones merged in; absent if that changes nothing.
fn keys(has: &Option<BTreeMap<String, String>>, wants: &Option<BTreeMap<String, String>>) -> Option<Value> {
    let old = has.clone().unwrap_or_default();
    let mut merged = old.clone();
    merged.extend(wants.iter().flatten().map(|(key, value)| (key.clone(), value.clone())));
    (old != merged).then(|| json!(merged))
}

/// Like [`keys`], for references, which are the same if they refer to the same object.
fn owners(has: Option<&[OwnerReference]>, wants: Option<&[OwnerReference]>) -> Option<Value> {
    let same = |a: &OwnerReference, b: &OwnerReference| {
        (&a.api_version, &a.kind, &a.name, &a.uid) == (&b.api_version, &b.kind, &b.name, &b.uid)
    };
    let mut merged = has.unwrap_or_default().to_vec();
    for wanted in wants.unwrap_or_default() {
        match merged.iter_mut().find(|known| same(known, wanted)) {
            Some(known) => known.clone_from(wanted),
            None => merged.push(wanted.clone()),
        }
    }
    (has.unwrap_or_default() != merged).then(|| json!(merged))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn generated() -> Value {
        json!({
            "metadata": {
                "name": "00-worker", "resourceVersion": "7", "labels": {"role": "worker"}, "annotations": {"build": "b"},
                "ownerReferences": [{"apiVersion": "v1", "kind": "K", "name": "c", "uid": "u", "controller": true}],
            },
            "spec": {"config": {"ignition": {"version": "3.5.0"}}, "fips": false},
        })
    }

    fn patch(found: Value, wanted: Value) -> Option<Value> {
        change(&serde_json::from_value(found).unwrap(), &serde_json::from_value(wanted).unwrap())
    }

    #[test]
    fn what_says_the_same_is_not_written() {
        let mut found = generated();
        assert_eq!(patch(found.clone(), generated()), None);
        // As the reference writes it, and with changes by others.
        found["spec"]["osImageURL"] = json!("registry/os@sha256:1");
        found["spec"]["kernelArguments"] = json!([]);
        found["spec"].as_object_mut().unwrap().remove("fips");
        found["metadata"]["labels"]["mine"] = json!("x");
        found["metadata"]["ownerReferences"].as_array_mut().unwrap().push(json!(
            {"apiVersion": "v1", "kind": "Other", "name": "c", "uid": "v"}
        ));
        assert_eq!(patch(found, generated()), None);
    }

    #[test]
    fn each_difference_is_written_and_nothing_of_others_is_lost() {
        let op = |path: &str, value: Value| json!({"op": "add", "path": path, "value": value});
        let mut found = generated();
        found["metadata"]["labels"] = json!({"mine": "x"});
        let wanted = json!([
            op("/metadata/resourceVersion", json!("7")),
            op("/metadata/labels", json!({"mine": "x", "role": "worker"})),
        ]);
        assert_eq!(patch(found, generated()), Some(wanted));
        let mut found = generated();
        found["metadata"]["ownerReferences"][0]["uid"] = json!("old");
        let patched = patch(found, generated()).unwrap();
        assert_eq!(patched[1]["value"].as_array().unwrap().len(), 2);
        for (path, value) in [
            ("config", json!({"ignition": {"version": "3.5.0"}, "storage": {}})),
            ("extensions", json!(["e"])),
            ("fips", json!(true)),
            ("kernelArguments", json!(["a"])),
        ] {
            let mut found = generated();
            found["spec"][path] = value;
            let patched = patch(found, generated()).unwrap();
            assert_eq!(patched[1]["path"], format!("/spec/{path}"));
            assert_eq!(patched.as_array().unwrap().len(), 2);
        }
    }
}
