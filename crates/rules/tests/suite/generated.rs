//! What generators of MachineConfigs make of recorded objects.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test: a malformed recording shall stop it")]

mod kubelet;
mod runtime;
mod templates;

use serde_json::Value;
use std::collections::BTreeMap;
use weir_api::MachineConfig;
use weir_rules::objects::edit::means_same;

/// The build that was recorded.
const BUILD: &str = "5eed5eed5eed5eed5eed5eed5eed5eed5eed5eed";

/// How MachineConfigs differ from the recorded ones; what only weir writes is left out.
fn difference(found: &BTreeMap<String, MachineConfig>, expected: &Value) -> Option<String> {
    let expected: BTreeMap<&str, &Value> = expected
        .as_array()
        .into_iter()
        .flatten()
        .map(|config| (config["metadata"]["name"].as_str().unwrap(), config))
        .collect();
    if !found.keys().map(String::as_str).eq(expected.keys().copied()) {
        return Some(format!("found {:?}, recorded {:?}", found.keys(), expected.keys()));
    }
    found.iter().find_map(|(name, config)| {
        let mut config = serde_json::to_value(config).unwrap();
        if let Some(annotations) = config["metadata"]["annotations"].as_object_mut() {
            annotations.remove(weir_api::keys::config::ADOPTED_INSTEAD_OF);
        }
        let mut expected = expected[name.as_str()].clone();
        // Go writes it always.
        if expected["spec"]["fips"] == false {
            expected["spec"]["fips"].take();
        }
        let differing = ["/metadata/labels", "/metadata/annotations", "/metadata/ownerReferences", "/spec"]
            .into_iter()
            .find(|part| {
                let [found, expected] = [&config, &expected].map(|value| value.pointer(part).unwrap_or(&Value::Null));
                !means_same(found, expected)
            })?;
        let [found, recorded] =
            [&config, &expected].map(|value| readable(value.pointer(differing).unwrap_or(&Value::Null)));
        Some(format!("{name}{differing}\n-- found\n{found}\n-- recorded\n{recorded}"))
    })
}

/// A value with the files of an Ignition config as text.
fn readable(value: &Value) -> String {
    let mut value = value.clone();
    let mut text = String::new();
    if let Some(files) = value.pointer_mut("/config/storage/files").and_then(Value::as_array_mut) {
        for file in files {
            let contents = file["contents"].take();
            let bytes = weir_ignition::contents::decode(contents.as_object().unwrap()).unwrap();
            text.push_str(&format!("\n{file}\n{}", String::from_utf8_lossy(&bytes)));
        }
    }
    format!("{value}{text}")
}
