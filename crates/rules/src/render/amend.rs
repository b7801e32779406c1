//! Corrections to an existing rendered MachineConfig (R-RENDER-8).

use crate::view::Annotations;
use serde_json::{Map, Value, json};
use weir_api::MachineConfig;

/// The change to a rendered MachineConfig of the right name, as a merge patch; `None` when there is none.
///
/// Annotations that others set stay. An absent list equals an empty one.
#[must_use]
pub fn amendment(found: &MachineConfig, wanted: &MachineConfig) -> Option<Value> {
    let mut patch = json!({});
    let held = Annotations::of(&found.metadata);
    let marks: Map<String, Value> = Annotations::of(&wanted.metadata)
        .iter()
        .filter(|(key, value)| held.get(key) != Some(value))
        .map(|(key, value)| (key.to_owned(), json!(value)))
        .collect();
    if !marks.is_empty() {
        patch["metadata"]["annotations"] = Value::Object(marks);
    }
    let held = found.metadata.owner_references.clone().unwrap_or_default();
    let mut owners = held.clone();
    for owner in wanted.metadata.owner_references.iter().flatten() {
        match owners.iter_mut().find(|one| one.kind == owner.kind && one.name == owner.name) {
            Some(one) => *one = owner.clone(),
            None => owners.push(owner.clone()),
        }
    }
    if owners != held {
        patch["metadata"]["ownerReferences"] = json!(owners);
    }
    let spec = spec_change(found, wanted);
    if !spec.is_empty() {
        patch["spec"] = Value::Object(spec);
    }
    if patch == json!({}) {
        return None;
    }
    if let Some(version) = &found.metadata.resource_version {
        patch["metadata"]["resourceVersion"] = json!(version);
    }
    Some(patch)
}

fn spec_change(found: &MachineConfig, wanted: &MachineConfig) -> Map<String, Value> {
    let (found, wanted) = (&found.spec, &wanted.spec);
    let mut change = Map::new();
    let mut text = |key: &str, found: &Option<String>, wanted: &Option<String>| {
        if found.as_deref().unwrap_or_default() != wanted.as_deref().unwrap_or_default() {
            change.insert(key.to_owned(), json!(wanted));
        }
    };
    text("osImageURL", &found.os_image_url, &wanted.os_image_url);
    let (before, after) = (&found.base_os_extensions_container_image, &wanted.base_os_extensions_container_image);
    text("baseOSExtensionsContainerImage", before, after);
    text("kernelType", &found.kernel_type, &wanted.kernel_type);
    let mut list = |key: &str, found: &Option<Vec<String>>, wanted: &Option<Vec<String>>| {
        if found.as_deref().unwrap_or_default() != wanted.as_deref().unwrap_or_default() {
            change.insert(key.to_owned(), json!(wanted));
        }
    };
    list("kernelArguments", &found.kernel_arguments, &wanted.kernel_arguments);
    list("extensions", &found.extensions, &wanted.extensions);
    if found.fips.unwrap_or_default() != wanted.fips.unwrap_or_default() {
        change.insert("fips".to_owned(), json!(wanted.fips));
    }
    if found.config != wanted.config {
        let (before, after) = (found.config.as_ref(), wanted.config.as_ref());
        let none = Value::Null;
        change.insert("config".to_owned(), merge_patch(before.unwrap_or(&none), after.unwrap_or(&none)));
    }
    change
}

/// The merge patch that turns one value into another (RFC 7396, section 2).
fn merge_patch(from: &Value, to: &Value) -> Value {
    let (Value::Object(before), Value::Object(after)) = (from, to) else { return to.clone() };
    let gone = before.keys().filter(|key| !after.contains_key(*key)).map(|key| (key.clone(), Value::Null));
    let changed = after.iter().filter(|(key, value)| before.get(*key) != Some(value)).map(|(key, value)| {
        let before = before.get(key).unwrap_or(&Value::Null);
        (key.clone(), merge_patch(before, value))
    });
    Value::Object(gone.chain(changed).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(object: Value) -> MachineConfig {
        serde_json::from_value(object).unwrap()
    }

    fn rendered() -> Value {
        json!({
            "metadata": {
                "name": "rendered-worker-1",
                "annotations": {"generated": "new"},
                "ownerReferences": [{"apiVersion": "v1", "kind": "MachineConfigPool", "name": "worker", "uid": "u"}],
            },
            "spec": {
                "osImageURL": "os", "baseOSExtensionsContainerImage": "", "kernelType": "default", "fips": false,
                "kernelArguments": [], "extensions": ["usbguard"],
                "config": {"ignition": {"version": "3.5.0"}, "storage": {"files": [{"path": "/a"}]}},
            },
        })
    }

    #[test]
    fn what_is_right_is_left_alone() {
        let wanted = config(rendered());
        assert_eq!(amendment(&wanted, &wanted), None);
        let mut found = rendered();
        found["metadata"]["resourceVersion"] = json!("7");
        found["metadata"]["annotations"]["others"] = json!("stay");
        found["spec"]["kernelArguments"].take();
        found["spec"]["fips"].take();
        assert_eq!(amendment(&config(found), &wanted), None);
    }

    #[test]
    fn marks_of_another_build_and_what_somebody_changed_are_put_right() {
        let wanted = config(rendered());
        let mut found = rendered();
        found["metadata"]["resourceVersion"] = json!("7");
        found["metadata"]["annotations"]["generated"] = json!("old");
        found["metadata"]["annotations"]["others"] = json!("stay");
        found["metadata"]["ownerReferences"][0]["uid"] = json!("before");
        found["spec"]["kernelArguments"] = json!(["evil"]);
        found["spec"]["config"]["passwd"] = json!({"users": []});
        found["spec"]["config"]["storage"] = json!({"files": [{"path": "/b"}], "links": []});
        let patch = amendment(&config(found.clone()), &wanted).unwrap();
        assert_eq!(patch["metadata"]["annotations"], json!({"generated": "new"}));
        assert_eq!(patch["metadata"]["ownerReferences"][0]["uid"], "u");
        assert_eq!(patch["metadata"]["resourceVersion"], "7");
        assert_eq!(patch["spec"]["kernelArguments"], json!([]));
        let config_patch = json!({"passwd": null, "storage": {"files": [{"path": "/a"}], "links": null}});
        assert_eq!(patch["spec"]["config"], config_patch);
        assert_eq!(patch["spec"].as_object().unwrap().len(), 2);
        json_patch::merge(&mut found, &patch);
        assert_eq!(amendment(&config(found), &wanted), None);
    }
}
